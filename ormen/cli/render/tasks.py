"""`ormen status`: the list, its count, and one task in full."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ormen.cli.render.table import Column, Row, shrink_image, shrink_name, table
from ormen.cli.render.text import (
    DASH,
    Look,
    age,
    capital,
    clean,
    clock,
    cores,
    count,
    epoch,
    paint,
    short_id,
    shorten_end,
    word_colour,
    wrap,
)
from ormen.spec import USUAL_WEIGHT
from ormen.units import UnitError, format_age, format_size, parse_size

Record = Mapping[str, Any]

STATES = ("running", "scheduled", "pending", "failed", "completed")

_SEEDS = (
    Column("ID"),
    Column("NAME", shrink=shrink_name),
    Column("CREATED", dim=True, rank=2),
    Column("STATE", coloured=True),
)
_CONTAINER = Column("CONTAINERNAME", rank=1)
_PLACE = (
    Column("IMAGE", rank=3, shrink=shrink_image),
    Column("NODE"),
    Column("HEALTH", coloured=True),
)
_MORE = (
    Column("ATTEMPTS", right=True),
    Column("CPU", right=True),
    Column("MEMORY", right=True),
    Column("PORTS"),
    Column("DIGEST"),
)


def status(tasks: Sequence[Record], look: Look, *, wide: bool = False, held: Collection[str] = frozenset()) -> str:
    """Return the table of tasks. CONTAINERNAME comes by itself from 100 columns, all columns in a pipe.

    `held` are the lost nodes whose tasks wait for their return.
    """
    whole = wide or look.width is None
    container = (_CONTAINER,) if whole or (look.width or 0) >= 100 else ()
    columns = [*_SEEDS, *container, *_PLACE, *(_MORE if whole else ())]
    if wide:
        # What was asked for stays, even where the terminal then breaks the line.
        columns = [Column(c.title, c.right, c.coloured, c.dim, shrink=c.shrink) for c in columns]
    return table(columns, [Row(_cells(task, look), remark(task, look, held)) for task in tasks], look)


def _cells(task: Record, look: Look) -> dict[str, str]:
    spec = task.get("spec") or {}
    return {
        "ID": short_id(str(task["id"]), look),
        "NAME": clean(task["name"]),
        "CREATED": age(task.get("created_at"), look),
        "STATE": str(task["state"]),
        "CONTAINERNAME": clean(task.get("container_name") or DASH),
        "IMAGE": clean(spec.get("image") or DASH),
        "NODE": clean(task.get("node") or DASH) if task["state"] != "pending" else DASH,
        "HEALTH": health_word(task),
        "ATTEMPTS": str(task.get("attempt") or 0),
        "CPU": cores(_number(spec.get("cpu"), 0.1)),
        "MEMORY": memory(spec),
        "PORTS": ports(task) or DASH,
        "DIGEST": _digest(task, look) or DASH,
    }


def health_word(task: Record) -> str:
    """Return the health; of a failing task also how many failures in a row there are: ``failing 2/3``."""
    failures = re.search(r"\((\d+) of (\d+) failures\)", str(task.get("detail") or ""))
    word = str(task.get("health") or DASH)
    return f"{word} {failures[1]}/{failures[2]}" if failures and word == "failing" else word


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default


def memory(spec: Record) -> str:
    """Return a spec's memory reservation; the spec is echoed as sent, so its size may be text."""
    try:
        return format_size(parse_size(spec["memory"]) if spec.get("memory") is not None else 128 * 1024**2)
    except UnitError:
        return clean(spec["memory"])


def ports(task: Record, *, protocol: bool = False) -> str:
    """Return where published ports answer: ``10.0.0.11:8080->80``."""
    arrow = " -> " if protocol else "->"
    return ", ".join(
        f"{bracketed(str(port.get('address') or ''))}:{port['host']}{arrow}{port['container']}"
        + (f"/{port['protocol']}" if protocol or port["protocol"] != "tcp" else "")
        for port in task.get("ports") or ()
    )


def bracketed(address: str) -> str:
    """Return an address as it stands before a port: IPv6 in brackets (RFC 3986)."""
    return f"[{address}]" if ":" in address else address


def remark(task: Record, look: Look, held: Collection[str] = frozenset()) -> str:
    """Return the sentence under a row: empty when all is as wanted."""
    state, reason = task["state"], task.get("reason") or {}
    sentence, detail = clean(reason.get("sentence") or ""), clean(task.get("detail") or "")
    if task.get("wanted") == "stopped" and state in ("running", "scheduled", "pending"):
        return capital(detail or f"stopping on {task.get('node')}")
    if state in ("running", "scheduled") and task.get("node") in held:
        return f"Waits for {clean(task['node'])}, which fell silent together with others."
    if state == "scheduled":
        return capital(detail)
    if state == "running" and task.get("paused_at"):
        return _paused(task, look)
    if state == "running":
        return capital(sentence or detail) if task.get("health") == "failing" else ""
    if state == "completed":
        return capital(sentence) if reason.get("code") == "STOPPED_UNSEEN" else ""
    return capital(f"{sentence or detail}{_due(task, look)}")


def _paused(task: Record, look: Look) -> str:
    name, node = clean(task.get("container_name") or DASH), clean(task.get("node") or DASH)
    since = clock(task["paused_at"], look)
    return f"Paused by somebody since {since}: it runs no code until, on {node}: docker unpause {name}"


def _due(task: Record, look: Look) -> str:
    """Return when the next attempt of a pending task follows, if that is not when room is found."""
    due = epoch(task.get("next_try_at"))
    if task["state"] != "pending" or task.get("could_fit") or due is None or due <= look.now:
        return ""
    return f" Next try at {clock(task['next_try_at'], look)}."


def summary(tasks: Sequence[Record], *, shown: int | None = None) -> str:
    """Return ``5 tasks: 2 running, 1 failed``; `shown` says that a terminal's list was cut there."""
    if not tasks:
        return "No tasks."
    states = [str(task["state"]) for task in tasks]
    parts = ", ".join(f"{states.count(state)} {state}" for state in STATES if state in states)
    text = f"{count(len(tasks), 'task')}: {parts}"
    return f"The {shown} newest; all with: ormen status -a" if shown else text


def detail(task: Record, attempts: Sequence[Record], look: Look, *, held: Collection[str] = frozenset()) -> str:
    """Return one task in full: a sentence, the facts, the attempts on record."""
    lines = [*_headline(task, look, held), *_facts(task, look)]
    if attempts:
        lines += ["", _attempts(attempts, look)]
    return "\n".join(lines)


def _headline(task: Record, look: Look, held: Collection[str]) -> list[str]:
    state, name = str(task["state"]), clean(task["name"])
    text = paint(state, word_colour(state), look)
    if task.get("node") and state != "pending":
        text += f" on {clean(task['node'])}"
    if state == "running":
        text += f" since {age(task.get('started_at'), look)}"
    elif task.get("ended_at"):
        text += f" {age(task['ended_at'], look)} ago"
    if task.get("attempt"):
        text += f", attempt {task['attempt']}"
    health = {"failing": "failing its health check", "healthy": "healthy", "starting": "not yet checked"}
    if task.get("health"):
        text += f", {health[str(task['health'])]}"
    head = paint(name, "bold", look) + " " * max(9 - len(name), 2) + text
    said = remark(task, look, held)
    return [head, *(wrap(said, look.width, first=" " * 9, rest=" " * 9) if said else [])]


def _digest(task: Record, look: Look) -> str:
    """Return the digest that the image's tag was resolved to, for eyes its first digits; empty while it is none."""
    digest = clean(task.get("image_digest") or "")
    return digest if look.width is None or len(digest) < 20 else digest[:19] + shorten_end(look)


def _facts(task: Record, look: Look) -> list[str]:
    spec = task.get("spec") or {}
    digest = _digest(task, look)
    facts = [("id", str(task["id"])), ("image", clean(spec.get("image")) + (f" ({digest})" if digest else ""))]
    if task.get("container_name"):
        facts.append(("container", clean(task["container_name"])))
    if spec.get("command"):
        facts.append(("command", clean(" ".join(str(word) for word in spec["command"]))))
    if task.get("ports"):
        facts.append(("ports", ports(task, protocol=True)))
    facts.append(("reserved", f"{cores(_number(spec.get('cpu'), 0.1))} cpu, {memory(spec)}"))
    if spec.get("health"):
        facts.append(("health", health_text(spec)))
    facts.append(("restart", _restart(task, spec)))
    if task.get("exit_code") is not None:
        facts.append(("exit code", str(task["exit_code"])))
    if task.get("next_try_at") and task["state"] == "pending":
        facts.append(("next try", clock(task["next_try_at"], look)))
    facts += [(key, clean(spec[key])) for key in ("spread", "near", "far") if spec.get(key)]
    if spec.get("max_per_node"):
        facts.append(("per node", f"at most {clean(spec['max_per_node'])}"))
    if spec.get("preferences"):
        facts.append(("prefers", _preferences(spec)))
    if spec.get("priority") is not None:
        facts.append(("priority", clean(spec["priority"])))
    if spec.get("deadline"):
        facts.append(("deadline", _deadline(task, spec, look)))
    labels = " ".join(f"{clean(key)}={clean(value)}" for key, value in sorted((task.get("labels") or {}).items()))
    if labels:
        facts.append(("labels", labels))
    lines: list[str] = []
    for key, value in facts:
        lines += wrap(value, look.width, first=key.ljust(11), rest=" " * 11)
    return lines


def _restart(task: Record, spec: Record) -> str:
    policy = spec.get("restart")
    text = "no" if policy is False else clean(policy or "on-failure")
    restarts = int(task.get("restarts") or 0)
    return f"{text}, {count(restarts, 'restart')}" if restarts > 0 else text


def _preferences(spec: Record) -> str:
    wishes = [(wish["constraint"], wish.get("weight", USUAL_WEIGHT)) for wish in spec["preferences"]]
    return ", ".join(f"{clean(text)} ({weight})" for text, weight in wishes)


def _deadline(task: Record, spec: Record, look: Look) -> str:
    """Return ``wait 10m, run 1h; until 11:02``: what was asked, and until when it has now."""
    asked = ", ".join(f"{key} {clean(value)}" for key, value in sorted(spec["deadline"].items(), reverse=True))
    return f"{asked}; until {clock(task['deadline_at'], look)}" if task.get("deadline_at") else asked


def health_text(spec: Record) -> str:
    """Return what a spec's check does: ``GET /health every 10s, timeout 3s, 3 failures``."""
    check = spec["health"]
    if check.get("http"):
        path = str(check["http"])
        first = (spec.get("ports") or [{}])[0].get("container", "")
        what = f"GET {path if path.startswith(':') else f':{first}{path}'}"
    elif check.get("tcp"):
        what = f"connect to {check['tcp']}"
    else:
        what = f"run {' '.join(str(word) for word in check.get('command') or ())}"
    interval, timeout = (_lasting(check.get(key), value) for key, value in (("interval", "10s"), ("timeout", "3s")))
    return clean(f"{what} every {interval}, timeout {timeout}, {check.get('retries') or 3} failures")


def _lasting(value: object, default: str) -> str:
    return default if value is None else f"{value:g}s" if isinstance(value, int | float) else str(value)


def _attempts(attempts: Sequence[Record], look: Look) -> str:
    columns = [Column("ATTEMPT", right=True), Column("NODE"), Column("STARTED"), Column("RAN"), Column("ENDED BY")]
    rows = []
    for attempt in sorted(attempts, key=lambda one: -int(one["attempt"])):
        began, ended = epoch(attempt.get("started_at")), epoch(attempt.get("ended_at"))
        last = look.now if ended is None else ended
        cells = {
            "ATTEMPT": str(attempt["attempt"]),
            "NODE": clean(attempt["node"]),
            "STARTED": clock(attempt.get("started_at"), look),
            "RAN": DASH if began is None else format_age(last - began),
            "ENDED BY": _ended_by(attempt),
        }
        rows.append(Row(cells))
    return table(columns, rows, look, remarks=False)


def _ended_by(attempt: Record) -> str:
    reason = attempt.get("reason")
    if reason:
        return clean(reason["sentence"]).removesuffix(".")
    if attempt.get("exit_code") is not None:
        return f"exit code {attempt['exit_code']}"
    return DASH
