"""`ormen why`: the sentence, the evidence, what helps. Drawn from the document alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ormen.cli.render.problem import coded
from ormen.cli.render.table import Column, Row, table
from ormen.cli.render.text import DASH, Look, clean, clock, epoch, paint, wrap
from ormen.units import format_age, format_duration, format_size, format_transfer
from ormen.why.phrases import standing

Record = Mapping[str, Any]

LABEL = 7
"""How wide ``Fix``, ``Next``, ``Now``, ``Queue`` and ``Start`` are with what follows them."""

SHOWN_ATTEMPTS = 3
"""Attempts that have a line of their own; those before are counted."""

SHOWN_LINES = 5
"""Last lines of a log that are shown."""


def why(found: Record, look: Look) -> str:
    """Return the whole answer."""
    sentence = coded(clean(found["sentence"]), found["code"], look)
    name = clean(found["name"])
    if sentence[0].startswith(name):
        sentence[0] = paint(name, "bold", look) + sentence[0][len(name) :]
    evidence = [part for part in (_nodes(found, look), _notes(found, look), *_attempts(found, look)) if part]
    evidence += [part for part in (_probes(found, look),) if part]
    lines = [*sentence]
    for part in evidence:
        lines += ["", part]
    return "\n".join([*lines, *_labelled(found, look)])


def _nodes(found: Record, look: Look) -> str:
    """Return each node, every blocker, and what would make it fit; groups of many nodes under them."""
    rows: list[Row] = []
    for node in found["nodes"]:
        cells = [_blocker(blocker, look) for blocker in node["blockers"]] or ["nothing: it fits"]
        fits = " and ".join(clean(change.get("sentence") or "") for change in node["fits_if"]) or DASH
        rows.append(Row({"NODE": clean(node["node"]), "BLOCKED BY": cells[0], "FITS IF": fits}))
        blank = {"NODE": " ", "FITS IF": " "}
        rows += [Row({**blank, "BLOCKED BY": cell}) for cell in cells[1:]]
    for group in found["groups"]:
        span = clean(group["first"]) if group["count"] == 1 else _span(group, look)
        rows.append(Row({"NODE": span, "BLOCKED BY": clean(group["sentence"]), "FITS IF": " "}))
    if not rows or _told_by_notes(found):
        return ""
    columns = [Column("NODE"), Column("BLOCKED BY"), Column("FITS IF")]
    text = _bare(table(columns, rows, look, remarks=False))
    if look.width is None or max(map(len, text.split("\n"))) <= look.width:
        return text
    return "\n".join(line for row in rows for line in _stacked(row.cells, look))


def _stacked(cells: Mapping[str, str], look: Look) -> list[str]:
    """Return a row for a terminal that is too narrow for the table: nothing of it is cut."""
    lines = [] if cells["NODE"] == " " else [cells["NODE"]]
    lines += wrap(cells["BLOCKED BY"], look.width, first="  ", rest="    ")
    if cells["FITS IF"] not in (" ", DASH):
        lines += wrap(f"fits if {cells['FITS IF']}", look.width, first="  ", rest="    ")
    return lines


def _bare(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.split("\n"))


def _span(group: Record, look: Look) -> str:
    gap = "..." if look.plain else "…"
    return f"{clean(group['first'])} {gap} {clean(group['last'])} ({group['count']})"


def _told_by_notes(found: Record) -> bool:
    """Return whether every node lacks just the label of which the notes tell all values."""
    codes = {blocker["code"] for node in found["nodes"] for blocker in node["blockers"]}
    codes |= {code for group in found["groups"] for code in group["codes"]}
    return bool(found["notes"]) and codes == {"CONSTRAINT"}


def _blocker(blocker: Record, look: Look) -> str:
    """Return one blocker; a time in it is told as this terminal's clock has it."""
    since, word = epoch(blocker.get("since")), str(blocker["sentence"]).partition(" ")[0]
    if since is None or look.utc:
        return clean(blocker["sentence"])
    marked = (blocker.get("by"), blocker.get("why"))
    return clean(standing(word, int(since * 1000), marked, now_ms=int(look.now * 1000)))


def _notes(found: Record, look: Look) -> str:
    return "\n".join(line for note in found["notes"] for line in wrap(clean(note), look.width))


def _attempts(found: Record, look: Look) -> list[str]:
    """Return how attempts ended and what the last one printed: several as a table, one as a line."""
    ended = found["attempts"]
    words = _last_lines(found, look, single=len(ended) == 1)
    if len(ended) == 1 or (ended and ended[0]["peak_bytes"] is not None):
        return ["\n".join([*_single(ended[0], look), *words])]
    shown = [_attempt_table(ended, look)] if ended else []
    return [*(["\n".join(words)] if words else []), *shown]


def _single(attempt: Record, look: Look) -> list[str]:
    killer = " by the kernel" if attempt["code"] == "OOM" else ""
    ended = clean(attempt["ended_by"])
    if attempt["exit_code"] is not None:
        ended = f"exit code {attempt['exit_code']}"
        ended += f" ({attempt['signal']}{killer})" if attempt["signal"] else ""
    text = f"attempt {attempt['attempt']} on {clean(attempt['node'])}, {ended}"
    if attempt["peak_bytes"] is not None:
        text += f", peak {format_size(attempt['peak_bytes'])}"
    elif attempt["ran_s"] is not None:
        text += f", ran {format_duration(attempt['ran_s'])}"
    else:
        text += ", never ran"
    return wrap(text, look.width, first="  ", rest="  ")


def _last_lines(found: Record, look: Look, *, single: bool) -> list[str]:
    tail = [clean(line) for line in found["log_tail"]][-SHOWN_LINES:]
    if not tail:
        return []
    if len(tail) == 1:
        return wrap(f"last line: {tail[0]}", look.width, first="  ", rest="  ")
    whose = "" if single else f" of attempt {found['log_attempt']} on {clean(found['log_node'] or DASH)}"
    lines = [f"  last lines{whose}:"]
    for text in tail:
        lines += wrap(text, look.width, first="    ", rest="    ")
    return lines


def _attempt_table(ended: Sequence[Record], look: Look) -> str:
    columns = [Column("ATTEMPT", right=True), Column("NODE"), Column("ENDED"), Column("RAN"), Column("ENDED BY")]
    rows = [
        Row(
            {
                "ATTEMPT": str(one["attempt"]),
                "NODE": clean(one["node"]),
                "ENDED": clock(one["ended_at"], look),
                "RAN": DASH if one["ran_s"] is None else format_duration(one["ran_s"]),
                "ENDED BY": clean(one["ended_by"]),
            }
        )
        for one in ended[:SHOWN_ATTEMPTS]
    ]
    text = _bare(table(columns, rows, look, remarks=False))
    rest = ended[SHOWN_ATTEMPTS:]
    if not rest:
        return text
    ways = list(dict.fromkeys(clean(one["ended_by"]) for one in rest))
    told = f"({len(rest)} earlier, {'all ' if len(rest) > 1 and len(ways) == 1 else ''}{', '.join(ways)})"
    last = text.split("\n")[-1]
    beside = f"{last}      {told}"
    if look.width is None or len(beside) <= look.width:
        return text + f"      {told}"
    return "\n".join([text, *wrap(told, look.width, first="         ", rest="         ")])


def _probes(found: Record, look: Look) -> str:
    """Return the last checks: when, the status, how long, what was answered."""
    lines = []
    for probe in found["probes"]:
        status = "ok" if probe["status"] is None and probe["ok"] else str(probe["status"] or DASH)
        text = clean(probe["output"]) or ("" if probe["status"] is not None else clean(probe["sentence"]))
        took = f"{probe['took_ms']} ms"
        lead = f"  {clock(probe['at'], look)}  {status}  {took:>5}   "
        lines += [line.rstrip() for line in wrap(text, look.width, first=lead, rest=" " * len(lead))]
    return "\n".join(lines)


def _labelled(found: Record, look: Look) -> list[str]:
    parts = (
        ("Now", _now(found, look)),
        ("Next", _next(found, look)),
        ("Start", _steps(found)),
        ("Fix", _fix(found)),
        ("Queue", _queue(found, look)),
    )
    lines: list[str] = []
    for label, text in parts:
        if text:
            first, *rest = wrap(text, look.width, first=label.ljust(LABEL), rest=" " * LABEL)
            lines += [paint(label, "dim", look) + first[len(label) :], *rest]
    return lines


def _now(found: Record, look: Look) -> str:
    now = found["now"]
    if now is None:
        return ""
    since = epoch(now["since"])
    age = "" if since is None else f" since {format_age(look.now - since)}"
    used, limit = now["memory_bytes"], now["memory_limit_bytes"]
    memory = ""
    if used is not None:
        unit = format_size(limit or used).partition(" ")[2]
        shown = format_size(used, unit=unit)
        memory = f", {shown.partition(' ')[0]} of {format_size(limit)}" if limit else f", {shown}"
        memory += " and rising" if now["rising"] else ""
    elif now["error"]:
        memory = f"; how much memory it uses is not known: {clean(now['error'])}"
    return f"attempt {now['attempt']} runs on {clean(now['node'] or DASH)}{age}{memory}"


def _next(found: Record, look: Look) -> str:
    following = found["next"]
    if following is None:
        return ""
    sentence, at = clean(following["sentence"]), clock(following["at"], look)
    if following["kind"] == "check":
        return f"check at {at}; {sentence}" if sentence.startswith("if ") else f"{sentence}, at {at}"
    if following["kind"] == "attempt" or following["at"] is None:
        return sentence
    before, condition, rest = sentence.partition(" if ") if " if " in sentence else sentence.partition(" unless ")
    return f"{before} at {at}{condition}{rest}"


def _steps(found: Record) -> str:
    """Return where the time went: ``5.0s: placed 0.0s, queue 0.0s, pull 4.0s (67 MB), start 0.3s, check 0.6s``."""
    steps = found["steps"]
    if not steps or found["code"]:
        return ""
    total = format_duration(sum(step["took_s"] for step in steps))
    return f"{total}: {', '.join(_step(step) for step in steps)}"


def _step(step: Record) -> str:
    amount = f" ({format_transfer(step['bytes'])})" if step["bytes"] is not None else ""
    goes_on = " so far" if step["under_way"] else ""
    return f"{step['step']} {format_duration(step['took_s'])}{amount}{goes_on}"


def _fix(found: Record) -> str:
    """Return the remedies, each as the command that does it, where one does."""
    cures = [clean(fix["command"] or fix["sentence"]) for fix in found["fixes"] if fix["kind"] == "cure"]
    waits = [f"{clean(fix['command'])}: {clean(fix['sentence'])}" for fix in found["fixes"] if fix["kind"] == "retry"]
    return "; ".join([*([", or ".join(cures)] if cures else []), *waits])


def _queue(found: Record, look: Look) -> str:
    """Return since when a task waits, its place in line, and what ends it."""
    queue, since = found["queue"], epoch(found["since"])
    if queue is None or since is None:
        return ""
    text = f"waiting {format_age(look.now - since)}"
    if found["could_fit"] == "never":
        label = found["code"] == "CONSTRAINT"
        tail = "no node could ever fit as they are labelled now" if label else "no known node could hold it, even empty"
        return f"{text}; {tail}"
    place = "first" if queue["place"] == 1 else f"number {queue['place']}"
    freed = "; looked at again whenever something is freed" if queue["freed"] else ""
    return f"{text}, {place} of {queue['length']}{freed}"
