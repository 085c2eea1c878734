"""Readers of the values of ``ormen run``'s flags, with Docker's meaning; each names every value that cannot be read.

They read the form only. What a value may be (a capability's name, a path, an address) the spec's own rules judge.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ormen.units import UnitError, parse_duration, parse_size

T = TypeVar("T")
Spec = dict[str, Any]

_CORES = re.compile(r"\d+(\.\d+)?|\.\d+", re.ASCII)
_PORT = re.compile(r"(?:(\[[0-9a-fA-F:.]+\]|[0-9.]+):)?(?:(\d*|\d+-\d+):)?(\d+(?:-\d+)?)", re.ASCII)


class Wrong(ValueError):
    """Values of one flag cannot be read: a sentence for each of them."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("; ".join(sentences))
        self.sentences = sentences


def sentences_of(error: Wrong | UnitError) -> Sequence[str]:
    """Return what is wrong, a sentence a value, with what was probably meant."""
    if isinstance(error, Wrong):
        return error.sentences
    return [f"{error}; {error.hint}" if error.hint else str(error)]


def every(read: Callable[[str], T]) -> Callable[[Iterable[str]], list[T]]:
    """Return a reader of all values of a flag that may be given several times."""

    def read_all(values: Iterable[str]) -> list[T]:
        found: list[T] = []
        wrong: list[str] = []
        for value in values:
            try:
                found.append(read(value))
            except (Wrong, UnitError) as error:
                wrong += sentences_of(error)
        if wrong:
            raise Wrong(*wrong)
        return found

    return read_all


def preference(text: str) -> Spec:
    """Read ``disk=ssd:80``; without a weight that of the spec."""
    expression, colon, weight = text.rpartition(":")
    if not (colon and re.fullmatch(r"-?\d+", weight, re.ASCII)):
        return {"constraint": text}
    return {"constraint": expression, "weight": int(weight)}


def pairs(values: Iterable[str]) -> dict[str, str]:
    """Read ``KEY=VALUE`` of every value; the last one of a key holds, as in Docker."""
    return dict(every(_pair)(values))


def _pair(text: str) -> tuple[str, str]:
    key, equals, rest = text.partition("=")
    if not key or not equals:
        raise Wrong(f'"{text}" is not KEY=VALUE')
    return key, rest


def size(text: str) -> str:
    """Return a size as it was written, once it can be read."""
    parse_size(text)
    return text


def time(text: str) -> str | float:
    """Return a duration as it was written, a bare number as a number of seconds."""
    seconds = parse_duration(text)
    if not text.replace(".", "", 1).isdigit():
        return text
    return int(seconds) if seconds.is_integer() else seconds


def cores(text: str) -> float:
    """Return a number of cores."""
    if not _CORES.fullmatch(text):
        milli = text.removesuffix("m")
        guess = f"; did you mean {int(milli) / 1000:g}?" if milli.isdigit() and text.endswith("m") else ""
        raise Wrong(f"{text} is not a number of cores{guess}")
    amount = float(text)
    return int(amount) if amount.is_integer() else amount


def pull(word: str) -> str:
    """Return when to pull, in the spec's word."""
    if word not in ("missing", "if-missing", "always", "never"):
        raise Wrong(f'"{word}" is not one of missing, always, never')
    return "if-missing" if word == "missing" else word


def whole(text: str) -> int:
    """Return a whole number that is not negative."""
    if not (text.isascii() and text.isdigit()):
        raise Wrong(f"{text} is not a whole number")
    return int(text)


def codes(text: str) -> list[int]:
    """Read exit codes: ``75,111``."""
    return every(whole)(word.strip() for word in text.split(","))


def variables(values: Iterable[str]) -> dict[str, str]:
    """Read variables; one without a value is taken from here, and left out if it is not set here."""
    return dict(filter(None, every(_variable)(values)))


def _variable(text: str) -> tuple[str, str] | None:
    key, equals, rest = text.partition("=")
    if not key:
        raise Wrong(f'"{text}" is not KEY=VALUE')
    return (key, rest) if equals else (key, os.environ[key]) if key in os.environ else None


def env_file(path: str) -> dict[str, str]:
    """Read Docker's file of variables: one a line, ``#`` begins a comment, quotes and blanks belong to the value."""
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Wrong(f"{path}: {(getattr(error, 'strerror', None) or 'is not UTF-8 text').lower()}") from None
    found: dict[str, str] = {}
    wrong = []
    for number, line in enumerate(lines, 1):
        text = line.removesuffix("\r").lstrip()
        key = text.partition("=")[0]
        if text and not text.startswith("#"):
            if not key or re.search(r"\s", key):
                wrong.append(f'{path}:{number}: "{text[:60]}" is not KEY=VALUE')
            else:
                found |= variables([text])
    if wrong:
        raise Wrong(*wrong)
    return found


def ports(values: Iterable[str]) -> list[Spec]:
    """Read ``-p`` of every value; a range is as many ports."""
    return [port for found in every(_ports)(values) for port in found]


def _ports(text: str) -> list[Spec]:
    """Read ``[IP:][HOST:]CONTAINER[/udp]``; an IPv6 address stands in brackets, each port may be ``FIRST-LAST``."""
    where, slash, protocol = text.partition("/")
    match = _PORT.fullmatch(where)
    if match is None or (slash and protocol not in ("tcp", "udp")):
        raise Wrong(f'"{text}" is not [IP:][HOST:]CONTAINER[/udp]')
    bind, host, container = match.groups()
    if bind is not None and host is None and "." not in bind and not bind.startswith("["):
        bind, host = None, bind
    inner, outer = _range(container), _range(host) if host else None
    if outer is not None and len(outer) != len(inner):
        if len(inner) == 1:
            raise Wrong(f'"{text}": a port has one port of the host; leave it out for a free one')
        raise Wrong(f'"{text}": {len(outer)} ports of the host are not {len(inner)} of the container')
    more = ({"protocol": protocol} if slash else {}) | ({"bind": bind.strip("[]")} if bind else {})
    return [
        {"container": inner[place], **({"host": outer[place]} if outer else {}), **more} for place in range(len(inner))
    ]


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    for number in filter(None, (first, last)):
        if not 1 <= int(number) <= 65535:
            raise Wrong(f"{number} is not a port: 1 to 65535")
    if last and int(last) < int(first):
        raise Wrong(f"{text} ends before it begins")
    return range(int(first), int(last or first) + 1)


def volume(text: str) -> Spec:
    """Read ``SRC:DST[:ro]``."""
    source, colon, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not source or not colon or not target or mode not in ("", "ro", "rw"):
        raise Wrong(f'"{text}" is not SRC:DST[:ro]')
    found: Spec = {"host" if source.startswith("/") else "name": source, "target": target}
    return {**found, "read_only": True} if mode == "ro" else found


_MOUNT_KEYS: Mapping[str, str] = {
    "type": "type", "source": "source", "src": "source", "target": "target", "dst": "target", "destination": "target",
    "readonly": "readonly", "ro": "readonly", "tmpfs-size": "size", "tmpfs-mode": "mode",
}  # fmt: skip
_YES_OR_NO = {"": True, "true": True, "1": True, "false": False, "0": False}


def mount(text: str) -> tuple[str, Any]:
    """Read Docker's ``--mount``: a volume as ``("volumes", …)``, a folder in memory as ``("tmpfs", (target, …))``."""
    given = _members(text)
    kind, target = given.get("type", "volume"), given.get("target")
    if kind not in ("volume", "bind", "tmpfs"):
        raise Wrong(f'"{text}": type {kind} is not one of volume, bind, tmpfs')
    read_only = _YES_OR_NO.get(given.get("readonly", "false"))
    if read_only is None:
        raise Wrong(f'"{text}": readonly is true or false, not {given["readonly"]}')
    if not target:
        raise Wrong(f'"{text}": target is missing')
    odd = [key for key in ("size", "mode") if key in given and kind != "tmpfs"]
    if odd or (kind == "tmpfs" and "source" in given):
        raise Wrong(f'"{text}": {f"tmpfs-{odd[0]}" if odd else "source"} does not go with type={kind}')
    if kind == "tmpfs":
        options = [f"{key}={given[key]}" for key in ("size", "mode") if key in given]
        return "tmpfs", (target, ",".join([*options, *(["ro"] if read_only else [])]))
    if not given.get("source"):
        raise Wrong(f'"{text}": source is missing; a volume without a name is not kept')
    found = {"host" if kind == "bind" else "name": given["source"], "target": target}
    return "volumes", {**found, "read_only": True} if read_only else found


def _members(text: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for member in next(csv.reader([text]), []):
        key, equals, value = member.partition("=")
        known = _MOUNT_KEYS.get(key.strip().lower())
        if known is None:
            raise Wrong(f'"{text}": there is no {key.strip() or "empty key"}; keys are {", ".join(_MOUNT_KEYS)}')
        if not equals and known != "readonly":
            raise Wrong(f'"{text}": "{member}" is not KEY=VALUE')
        given[known] = value.strip()
    return given


def gpus(text: str) -> int | list[str] | str:
    """Read Docker's ``--gpus``: a number of them, or ``device=ID,ID``; other words are the spec's to refuse."""
    word = text.strip('"')
    if word.isascii() and word.isdigit():
        return int(word)
    if word.startswith("device="):
        return word.removeprefix("device=").split(",")
    return word


def tmpfs(text: str) -> tuple[str, str]:
    """Read ``DST[:OPTIONS]``."""
    target, _, options = text.partition(":")
    return target, options


def ulimit(text: str) -> Spec:
    """Read ``NAME=SOFT[:HARD]``; -1 is no limit."""
    match = re.fullmatch(r"(\w+)=(-1|\d{1,19})(?::(-1|\d{1,19}))?", text, re.ASCII)
    if match is None:
        raise Wrong(f'"{text}" is not NAME=SOFT[:HARD]')
    name, soft, hard = match.groups()
    return {"name": name, "soft": int(soft), **({"hard": int(hard)} if hard else {})}


def device(text: str) -> Spec:
    """Read ``HOST[:DST[:PERMISSIONS]]``, and Docker's ``HOST:PERMISSIONS``."""
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise Wrong(f'"{text}" is not HOST[:DST[:rwm]]')
    if len(parts) == 2 and re.fullmatch("[rwm]{1,3}", parts[1]):
        return {"host": parts[0], "permissions": parts[1]}
    return dict(zip(("host", "container", "permissions"), parts, strict=False))


def hosts(values: Iterable[str]) -> dict[str, str]:
    """Read ``NAME:IP`` of every value; an IPv6 address may stand in brackets."""
    found: dict[str, str] = {}
    for name, address in every(_host)(values):
        if found.setdefault(name, address) != address:
            raise Wrong(f"{name} is given twice: {found[name]} and {address}")
    return found


def _host(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"([^:=]+)[:=](.+)", text)
    if match is None:
        raise Wrong(f'"{text}" is not NAME:IP')
    return match[1], re.sub(r"^\[(.*)\]$", r"\1", match[2])


def security(text: str) -> str:
    """Return a security option; a seccomp profile is read from its file here, as Docker does."""
    key, sign, value = text.partition("=") if "=" in text else text.partition(":")
    if key != "seccomp" or value in ("", "unconfined", "builtin") or value.startswith("{"):
        return text
    try:
        return f"seccomp{sign}{json.dumps(json.loads(Path(value).read_text()), separators=(',', ':'))}"
    except OSError as error:
        raise Wrong(f"{value}: {(error.strerror or str(error)).lower()}") from None
    except ValueError:
        raise Wrong(f"{value} is not JSON, as a seccomp profile is") from None
