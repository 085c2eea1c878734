"""Refusals: sentence and code, evidence, remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ormen.cli.render.text import Look, clean, count, paint, wrap

Remedy = Mapping[str, str]

_SENTENCES: Remedy = {
    "TOKEN_MISSING": "the deck at {address} wants a token",
    "TOKEN_WRONG": "the deck at {address} does not know this token",
}
_HINTS: Remedy = {
    "TOKEN_MISSING": "set ORMEN_TOKEN, or ormen context add prod -m ADDR --token-stdin",
    "TOKEN_WRONG": "it may have been removed, or be of another deck; an admin can make one: ormen token create NAME",
    "NAME_TAKEN": "choose another --name, or ormen rm --force {name} first.",
    "STILL_RUNNING": "ormen rm --force {word} stops it first.",
    "STORE_UNAVAILABLE": "repeating the command is safe once it is back. ormen doctor",
    "ID_TAKEN": "leave the id out, or choose a new one.",
}
"""Where the remedy of the command line is another than that of the API."""


def failure(sentence: str, look: Look, *, code: str | None = None, hint: str | None = None) -> str:
    """Return ``error: …  [CODE]`` and ``hint:  …``, wrapped under themselves and never cut."""
    text = clean(sentence).strip()
    if hint and hint.startswith("did you mean"):
        text, hint = f"{text.removesuffix('.')}; {clean(hint)}", None
    if text and text[-1] not in ".?!":
        text += "."
    lines = coded(text, code, look, first="error: ", rest=" " * 7)
    lines[0] = paint("error:", "red", look) + lines[0][6:]
    return "\n".join([*lines, *_hint(hint, look)])


def coded(text: str, code: str | None, look: Look, *, first: str = "", rest: str = "") -> list[str]:
    """Return a sentence with its code behind it, ``[CODE]``, wrapped and never cut."""
    tail = f"  [{code}]" if code else ""
    # The code stays with the last word and its two spaces; \x00 keeps the wrapping from splitting there.
    lines = wrap(text + tail.replace("  [", "\0\0["), look.width, first=first, rest=rest)
    lines = [line.replace("\0\0[", "  [") for line in lines]
    if look.width is not None and len(lines[-1]) > look.width:
        lines[-1:] = [lines[-1].rsplit("  [", 1)[0], f"{rest}[{code}]"]
    if tail:
        lines[-1] = lines[-1].replace(f"[{code}]", paint(f"[{code}]", "dim", look))
    return lines


def _hint(hint: str | None, look: Look) -> list[str]:
    if not hint:
        return []
    lines = wrap(clean(hint), look.width, first="hint:  ", rest=" " * 7)
    return [paint("hint:", "dim", look) + lines[0][5:], *lines[1:]]


def problem(document: Mapping[str, Any], look: Look, *, address: str = "", word: str = "", name: str = "") -> str:
    """Return a problem document as the command line says it.

    `address` is the deck's, `word` what the user called the task, `name` what a new task was to be called.
    """
    code = str(document.get("code") or "HTTP_ERROR")
    sentence = str(document.get("detail") or document.get("title") or "")
    if code == "INTERNAL" or document.get("status") == 500:
        return failure(f"the deck failed (request {document.get('request_id')}); its log says more", look)
    values = {"address": address, "word": word, "name": name}
    # A token that the deck knows and does not take has a sentence of its own.
    ours = document.get("token") is None
    sentence = _SENTENCES[code].format(**values) if ours and code in _SENTENCES else sentence
    hint = document.get("hint")
    template = _HINTS.get(code) if ours and not document.get("taken") else None
    if template and all(values[key] for key in re.findall(r"{(\w+)}", template)):
        hint = template.format(**values)
    return "\n".join([failure(sentence, look, code=code, hint=hint), *_matches(document)])


def _matches(document: Mapping[str, Any]) -> list[str]:
    matches: Sequence[Mapping[str, Any]] = document.get("matches") or ()
    wide = max([len(str(match.get("name"))) for match in matches], default=0)
    lines = []
    for match in matches:
        name, state = str(match.get("name")).ljust(wide), str(match.get("state")).ljust(9)
        lines.append(f"  {str(match.get('id'))[:8]}  {name}  {state}  {match.get('node') or '-'}".rstrip())
    return lines


def path_of(pointer: str) -> tuple[str | int, ...]:
    """Return the keys and indexes of a JSON pointer (RFC 6901)."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    return tuple(int(part) if part.isdigit() else part for part in parts)


def path_text(pointer: str) -> str:
    """Return a JSON pointer as people write it: ``/0/ports/1/host`` → ``tasks[0].ports[1].host``.

    What is no list of tasks is not called so: ``/events/0`` → ``events[0]``.
    """
    path = path_of(pointer)
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return f"tasks{text}" if not path or isinstance(path[0], int) else text[1:]


def fault_text(fault: Mapping[str, Any]) -> str:
    """Return what is wrong with one field, and what was probably meant."""
    detail, hint = clean(fault.get("detail") or ""), clean(fault.get("hint") or "")
    if fault.get("code") == "NOT_A_CHOICE" and hint.startswith("did you mean"):
        return f'"{clean(fault.get("value"))}": {hint}'
    return f"{detail}; {hint}" if hint else detail


def faults(title: str, rows: Sequence[tuple[str, ...]], look: Look, *, code: str | None = None) -> str:
    """Return a title and one aligned line per fault; the last cell of a row wraps under itself."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]) - 1)]
    lines = [failure(title, look, code=code)]
    for row in rows:
        head = "  " + "".join(cell.ljust(wide) + "  " for cell, wide in zip(row, widths, strict=False))
        lines.extend(wrap(row[-1], look.width, first=head, rest=" " * len(head)))
    return "\n".join(lines)


def fault_title(subject: str, amount: int) -> str:
    """Return ``shop.yaml has 3 faults; nothing was started.``, without a subject ``3 faults; …``."""
    faulty = count(amount, "fault")
    return f"{subject} has {faulty}; nothing was started." if subject else f"{faulty}; nothing was started."
