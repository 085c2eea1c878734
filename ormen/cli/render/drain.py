"""What is seen while a node is drained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ormen.cli.render.run import under_way
from ormen.cli.render.text import Look, clean, symbol, wrap
from ormen.units import format_age, format_duration

Record = Mapping[str, Any]


def moved(task: Record, took_s: float) -> str:
    """Return the line of a task that has left; the time is the gap between its two attempts."""
    if task["state"] in ("completed", "failed", "removed"):
        return f"{clean(task['name'])}: {task['state']}"
    return f"{clean(task['name'])}: runs on {task['node']} ({format_duration(took_s)})"


def progress(tasks: Sequence[Record], took: Mapping[str, float], look: Look, *, left_s: float) -> str:
    """Return a line for each task, and how much is done."""
    wide = max(len(clean(task["name"])) for task in tasks)
    lines: list[str] = []
    for task in tasks:
        sign, text, after = _line(task, took.get(str(task["id"])))
        head = f"  x {clean(task['name']).ljust(wide)}  "
        room = min(look.width or 70, 70)
        first, *rest = wrap(text, room - 7, first=head, rest=" " * len(head))
        shown = first[len(head) :].ljust(room - 6 - len(head)) + after.rjust(6)
        lines += [f"  {symbol(sign, look)} {head[4:]}{shown}".rstrip(), *rest]
    left = f"{format_age(left_s)} left. " if left_s > 0 else ""
    return "\n".join([*lines, f"{len(took)} of {len(tasks)} moved, {left}Ctrl-C leaves it draining"])


def _line(task: Record, took_s: float | None) -> tuple[str, str, str]:
    if took_s is None:
        word, sign, text = under_way(task)
        if word == "waits":
            return sign, f"no room elsewhere: {text}" if text else "no room elsewhere", ""
        doing = f", {word} {text}" if word == "pulling" else ""
        return sign, f"{'checking' if word == 'checking' else 'starting'} on {task['node']}{doing}", ""
    if task["state"] in ("completed", "failed", "removed"):
        return "✓", str(task["state"]), ""
    return "✓", f"runs on {task['node']}", format_duration(took_s)


def left(tasks: Sequence[Record], took: Mapping[str, float], look: Look) -> str:
    """Return for each task that has not moved where it stands and why."""
    lines: list[str] = []
    for task in tasks:
        if str(task["id"]) not in took:
            sign, text, _ = _line(task, None)
            first = f"  {symbol(sign, look)} {clean(task['name'])}: "
            lines += wrap(text, look.width, first=first, rest="    ")
    return "\n".join(lines)


def outcome(name: str, tasks: Sequence[Record], took: Mapping[str, float]) -> str:
    """Return the last line: what has moved, and how to undo."""
    if not tasks:
        return f"{name} had no tasks. Undo: ormen mast activate {name}"
    left = [clean(task["name"]) for task in tasks if str(task["id"]) not in took]
    rest = f"; left: {', '.join(left)}" if left else ""
    return f"{len(took)} of {len(tasks)} moved{rest}. Undo: ormen mast activate {name}"
