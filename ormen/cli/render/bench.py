"""What was measured: where and of what, a row for each measure, what a figure means, and what made it less sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ormen.cli.render.table import Column, Row, table
from ormen.cli.render.text import DASH, Look, clean, cores, count, listed, symbol, wrap

Record = Mapping[str, Any]

NAMED = 5
"""How many names a sentence has before the rest is a number."""

_COLUMNS = (
    Column("MEASURE"),
    Column("BY"),
    Column("ROUNDS", right=True),
    Column("P50 (ms)", right=True),
    Column("P95 (ms)", right=True),
    Column("MAX (ms)", right=True),
    Column("TASKS/S", right=True),
    Column("RATIO", right=True),
)

_MEANINGS: Mapping[str, str] = {
    "start": "one task, from the request until this command hears that it runs",
    "stop": "one task, from the request until the answer that its container has ended",
    "throughput": "{tasks} tasks by one request, until this command hears that the last of them runs",
    "failover": "SIGKILL to one task's program, until this command hears that its next attempt runs; the way of the "
    "signal to the node is in it",
}
_BY_HAND = "docker: the same image by Docker's SDK on this machine's engine, from the call to its answer"


def measured(found: Record, look: Look, *, quiet: bool = False) -> str:
    """Return the table; unless `quiet` under the place and over the meanings and remarks. Empty without any round."""
    rows = [row for each in found["measures"] for row in _rows(each)]
    if not rows:
        return ""
    shown = table(_COLUMNS, rows, look, remarks=False)
    if quiet:
        return shown
    parts = (_place(found, look), shown, _meanings(found, look), _remarks(found, look))
    return "\n\n".join(part for part in parts if part)


def left(found: Record, look: Look) -> str:
    """Return what may not be removed, and what removes it."""
    names = found["left"]
    what = "The removal was cut off" if names is None else f"Not confirmed gone: {_some(names)}"
    because = f" ({clean(found['left_because'])})" if found["left_because"] else ""
    remedy = f"ormen status -aq -l ormen-bench={found['id']} | xargs -r ormen rm --force"
    hand = f"docker rm -f $(docker ps -aqf label=ormen-bench-docker={found['id']})"
    lines = wrap(f"{what}{because}.", look.width, first=f"{symbol('!', look)} ", rest="  ")
    return "\n".join([*lines, f"hint:  {remedy}", *([f"       {hand}"] if found["docker"] else [])])


def _rows(each: Record) -> list[Row]:
    rows = []
    for by in ("ormen", "docker"):
        figures = each[by]
        if figures is None:
            continue
        cells = {"MEASURE": str(each["measure"]), "BY": by, "ROUNDS": str(len(figures["rounds_s"]))}
        cells |= {f"{key.upper()} (ms)": f"{figures[f'{key}_s'] * 1000:.0f}" for key in ("p50", "p95", "max")}
        cells["TASKS/S"] = DASH if figures["tasks_per_s"] is None else f"{figures['tasks_per_s']:.1f}"
        cells["RATIO"] = DASH if by == "docker" or each["ratio"] is None else f"{each['ratio']:.2f}"
        rows.append(Row(cells))
    return rows


def _place(found: Record, look: Look) -> str:
    nodes, client = found["nodes"], found["client"]
    command = f" with {' '.join(map(clean, found['command']))}" if found["command"] else ""
    deck = f"the deck at {clean(found['deck']['address'])}, ormen {clean(found['deck']['version'])}"
    first = f"{clean(found['image'])}{command} on {_some([node['name'] for node in nodes])} of {deck}."
    sizes = listed(sorted({f"{cores(node['cpu'])} {'core' if node['cpu'] == 1 else 'cores'}" for node in nodes}))
    engines = listed(sorted({f"Docker {clean(node['engine'])}" for node in nodes}))
    asked = f"Asked from {clean(client['host'])}, {count(client['cpus'], 'core')}, load {client['load']:.1f}"
    second = f"Nodes of {sizes}, {engines}. {asked}, at {found['at']}."
    return "\n".join(line for text in (first, second) for line in wrap(text, look.width))


def _meanings(found: Record, look: Look) -> str:
    texts = [
        f"{each['measure']}: {_MEANINGS[each['measure']].format(tasks=each['tasks'])}." for each in found["measures"]
    ]
    if any(each["docker"] for each in found["measures"]):
        texts.append(f"{_BY_HAND}. RATIO is P50 by P50.")
    return "\n".join(line for text in texts for line in wrap(text, look.width, rest="  "))


def _remarks(found: Record, look: Look) -> str:
    sign = symbol("!", look)
    lines = [wrap(text, look.width, first="! ", rest="  ") for text in _doubts(found)]
    return "\n".join(line for wrapped in lines for line in [sign + wrapped[0][1:], *wrapped[1:]])


def _doubts(found: Record) -> list[str]:
    """Return a sentence for each thing that makes the figures less sure, or less than what was asked for."""
    others, pulled, killed = found["other_tasks"], found["pulled"], found["killed"]
    missing, docker = found["docker_missing"], found["docker"]
    doubts = {
        "It was ended before all rounds were done; the figures are of those that were.": not found["complete"],
        f"{count(others, 'other task')} had a place in this cluster when it began.": others,
        f"{count(pulled, 'pull')} of the image {'is' if pulled == 1 else 'are'} in the figures; "
        "repeat it for figures without.": pulled,
        f"{count(killed, 'stop')} ended with SIGKILL: the program does not heed its stop signal.": killed,
        f"Not compared with Docker: {clean(missing or '')}.": missing and missing != "not asked for",
        "No ratio: tasks ran on other engines than this machine's.": docker and not docker["same_engine"],
    }
    return [sentence for sentence, holds in doubts.items() if holds]


def _some(names: Sequence[str]) -> str:
    shown = [clean(name) for name in names[:NAMED]]
    rest = len(names) - len(shown)
    return listed([*shown, f"{rest} more"] if rest else shown)
