"""The screens of `up`, `down`, `deck` and `sailor`: what is told, as lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ormen.cli.render.problem import failure as problem_text
from ormen.cli.render.text import (
    Look,
    capital,
    clean,
    count,
    paint,
    shorten_end,
    symbol,
    word_colour,
    wrap,
)
from ormen.local.processes import End, Program
from ormen.local.stage import Failure, Remark, Result, Step, Told
from ormen.units import format_age, format_cores, format_duration, format_size

STATES = ("running", "scheduled", "pending", "failed", "completed")
_NAME, _WIDTH = 10, 70
"""Width of the column of names, and where the seconds end."""
_STATE = len("pending")
MOST_NAME = 24
MOST_NODES, MOST_WAITING = 12, 3


def told(what: Told, look: Look) -> list[str]:
    """Return the lines of a step, a remark, a result or a failure."""
    if isinstance(what, Step):
        return [step(what, look)]
    if isinstance(what, Remark):
        return wrap(clean(what.text), look.width, first=f"  {symbol('!', look)} ", rest="    ")
    if isinstance(what, Result):
        return wrap(what.text, look.width)
    return failure(what, look)


def data_of(what: Step | Remark | Result) -> dict[str, Any]:
    """Return the same for programs; of a result its facts, beside its sentence."""
    if isinstance(what, Step):
        state = {"✓": "done", "✗": "failed", "!": "attention"}[what.mark]
        seconds = None if what.seconds is None else round(what.seconds, 3)
        return {"kind": "step", "name": what.name, "state": state, "text": clean(what.text), "seconds": seconds}
    facts = what.facts if isinstance(what, Result) else {}
    return {
        "kind": "result" if isinstance(what, Result) else "remark",
        "text": ". ".join(map(clean, what.text.splitlines())),
        **facts,
    }


def head(version: str, folder: str) -> str:
    """Return the first line of `up`."""
    return f"ormen {version}, one machine, state in {folder}"


def step(what: Step, look: Look) -> str:
    """Return one step; its seconds stand in a column of their own."""
    line = f"{what.name:<{_NAME}}{clean(what.text)}"
    if what.seconds is None:
        return f"  {symbol(what.mark, look)} {line}"
    seconds = format_duration(what.seconds)
    # The mark and its margin take four columns; a text too long for the column keeps two blanks.
    return f"  {symbol(what.mark, look)} {line + '  ':<{_WIDTH - 4 - len(seconds)}}{seconds}"


def failure(what: Failure, look: Look) -> list[str]:
    """Return an error: the sentence with its code, the evidence, the hint."""
    bare = problem_text(what.sentence, look, code=what.code or None)
    hint = f"{what.hint}." if what.hint and what.hint[-1] not in ".?!" else what.hint
    whole = problem_text(what.sentence, look, code=what.code or None, hint=hint)
    evidence = [f"  {clean(line)}" for line in what.evidence]
    return [*bare.splitlines(), *evidence, *whole.splitlines()[len(bare.splitlines()) :]]


def log_line(clock: str, name: str, text: str, *, wide: int = 6) -> str:
    """Return a line of a log under the name of who wrote it."""
    return f"{clock}  {name:<{wide}}  {clean(text)}"


def died(program: Program, end: End, pause_s: float) -> str:
    """Return ``agent died (signal 9), back in 0.8s``; an exit code 0 is an end, not a death."""
    verb = "ended" if end.exit_code == 0 else "died"
    return f"{program.role or program.name} {verb} ({end}), back in {format_duration(pause_s)}"


def gave_up(program: Program, log: str, *, last: Sequence[str], look: Look) -> list[str]:
    """Return that a process dies at once each time, with the last words of its log."""
    first = f"{symbol('✗', look)} {program.name}  {program.role or program.name} dies at once: {log}"
    return [first, *(f"    {clean(line)}" for line in last)]


def block(
    nodes: Sequence[Mapping[str, Any]], tasks: Sequence[Mapping[str, Any]], *, up_s: float, look: Look
) -> list[str]:
    """Return the block that stays in place: the counts, a line for each node, what waits and why."""
    states = Counter(str(task["state"]) for task in tasks)
    ready = sum(node["state"] == "ready" for node in nodes)
    amounts = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
    ready_text = f"{count(ready, 'node')} ready"
    if ready != len(nodes):
        ready_text = f"{ready} of {count(len(nodes), 'node')} ready"
    known = f"{count(len(tasks), 'task')}: {amounts}" if tasks else "no tasks"
    lines = [f"{ready_text}     {known}     up {format_age(up_s)}"]
    waiting = [task for task in tasks if task["state"] == "pending" and task.get("reason")][:MOST_WAITING]
    shown = nodes[:MOST_NODES]
    wide = min(MOST_NAME, max([len(clean(row["name"])) for row in (*shown, *waiting)], default=0))
    lines += _node_lines(shown, wide, look)
    if len(nodes) > MOST_NODES:
        lines.append(f"{shorten_end(look)} and {count(len(nodes) - MOST_NODES, 'more node')}")
    return lines + [line for task in waiting for line in _waiting_lines(task, wide, look)]


def _node_lines(nodes: Sequence[Mapping[str, Any]], wide: int, look: Look) -> list[str]:
    rows = []
    for node in nodes:
        reserved = node.get("reserved") or {}
        memory = format_size(reserved.get("memory_bytes") or 0)
        rows.append(
            (node["name"], node["state"], count(node.get("tasks") or 0, "task"), f"{_cpu(reserved)} cpu", memory)
        )
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(5)]
    return [
        f"{name:<{wide}}  {paint(state.ljust(_STATE), word_colour(state), look)}   {tasks:<{widths[2]}}   "
        f"{cpu:<{widths[3]}}    {memory:>{widths[4]}} reserved"
        for name, state, tasks, cpu, memory in rows
    ]


def _waiting_lines(task: Mapping[str, Any], wide: int, look: Look) -> list[str]:
    first = f"{_short(clean(task['name']), look):<{wide}}  {'pending':<{_STATE}}   "
    lines = wrap(capital(clean(task["reason"]["sentence"])), look.width, first=first, rest=" " * len(first))
    lines[0] = lines[0].replace("pending", paint("pending", "yellow", look), 1)
    return lines


def _short(name: str, look: Look) -> str:
    mark = shorten_end(look)
    return name if len(name) <= MOST_NAME else name[: MOST_NAME - 8 - len(mark)] + mark + name[-8:]


def _cpu(reserved: Mapping[str, Any]) -> str:
    return format_cores(round(float(reserved.get("cpu") or 0) * 1000))
