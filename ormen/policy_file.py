"""The file in which the admin of a deck writes the policy: YAML, read once at start, with all its faults at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marshmallow import ValidationError

from ormen import fields as read
from ormen.container_fields import CAPABILITIES, capability
from ormen.policy import ALWAYS, NEVER, Policy, cleaned
from ormen.strict import flatten
from ormen.yaml_text import YamlFault, parse


class PolicyUnreadable(ValueError):
    """The policy file cannot be used; `faults` holds a sentence for each thing wrong with it.

    `unread` says that there is one only, about the file as a whole: its keys were not looked at.
    """

    def __init__(self, path: str, faults: tuple[str, ...], *, unread: bool = False) -> None:
        super().__init__(f"policy file {path}: " + "; ".join(faults))
        self.faults = faults
        self.unread = unread


@dataclass(frozen=True, slots=True)
class Rule:
    """One key of the file: what reads its value, and what the page of settings says of it."""

    reader: Callable[[object], Any]
    says: str
    example: str


def load_policy(path: str | None) -> Policy:
    """Return the policy of a YAML file, or the default for None; a key that is left out keeps its default.

    Raises PolicyUnreadable with every fault: unknown keys, wrong types, bad values; and for a file that cannot be
    opened or is no YAML.
    """
    if path is None:
        return Policy()
    try:
        document, _ = parse(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = str(getattr(error, "strerror", None) or error)
        raise PolicyUnreadable(path, (f"cannot be read: {why[:1].lower()}{why[1:]}",), unread=True) from error
    except YamlFault as error:
        where = f" at line {error.line}" if error.line else ""
        raise PolicyUnreadable(path, (f"is not YAML{where}: {error}",), unread=True) from error
    found: dict[str, Any] = {}
    faults = tuple(_read(document, found))
    if faults:
        raise PolicyUnreadable(path, faults)
    return Policy(**found)


def _read(document: object, found: dict[str, Any]) -> Iterator[str]:
    """Put the rules into `found` and yield what is wrong."""
    if document is None:
        return
    if not isinstance(document, dict):
        yield f"must be a map with the keys {', '.join(RULES)}"
        return
    for key, value in document.items():
        if key not in RULES:
            hint = read.did_you_mean(key, list(RULES), _HABITS)
            yield f"{key}: unknown key; {hint or 'it can have ' + ', '.join(RULES)}"
            continue
        if value is None:
            continue
        try:
            found[key] = RULES[key].reader(value)
        except ValidationError as error:
            for fault in flatten(error.messages):
                place = key + "".join(f"[{part}]" for part in fault.path)
                yield f"{place}: {fault.detail}" + (f"; {fault.hint}" if fault.hint else "")


def _list(reader: Callable[[object], str]) -> Callable[[object], tuple[str, ...]]:
    return read.each(reader, most=1000)


def _path(value: object) -> str:
    word = read.text(value)
    if not word.startswith("/"):
        raise read.bad("MALFORMED", f'"{read.shown(word)}" is not an absolute path', value)
    return cleaned(word)


def _pattern(value: object) -> str:
    word = read.text(value, empty=False, most=1024)
    if word != word.strip():
        raise read.bad("MALFORMED", f'"{read.shown(word)}" has blanks at its ends', value)
    return word


def _when(value: object) -> str:
    if isinstance(value, bool):
        hint = f"did you mean {ALWAYS if value else NEVER}?"
        raise read.bad("WRONG_TYPE", f"must be {NEVER} or {ALWAYS}, not a boolean", value, hint=hint)
    return read.choice((NEVER, ALWAYS), {"no": NEVER, "yes": ALWAYS, "none": NEVER, "any": ALWAYS})(value)


_HABITS = {
    "host_path": "host_paths", "paths": "host_paths", "image": "images", "allowed_images": "images",
    "capabilities": "cap_add", "caps": "cap_add", "hostnetwork": "host_network", "network": "host_network",
    "device": "devices", "sysctl": "sysctls", "log_driver": "log_drivers", "security_opts": "security_opt",
}  # fmt: skip

RULES: dict[str, Rule] = {
    "host_paths": Rule(_list(_path), "folders of the hosts that may be mounted, each with all beneath", "[/srv/data]"),
    "images": Rule(
        _list(_pattern),
        "images that may run; `*` stands for any characters, a rule without a tag allows every tag",
        '["registry.example.com/*", "nginx:1.*"]',
    ),
    "privileged": Rule(_when, "privileged containers: `never` or `always`", ALWAYS),
    "host_network": Rule(_when, "`network: host`: `never` or `always`", ALWAYS),
    "cap_add": Rule(
        _list(capability),
        f"capabilities beside Docker's usual ones, which need no rule; `{CAPABILITIES[0]}` allows every one",
        "[NET_ADMIN]",
    ),
    "devices": Rule(_list(_path), "devices, or folders of devices", "[/dev/fuse, /dev/dri]"),
    "sysctls": Rule(
        _list(_pattern),
        "sysctls that may be set; the default is the safe ones, which cost the host nothing",
        '["net.ipv4.*"]',
    ),
    "security_opt": Rule(
        _list(_pattern),
        "security options, as Docker writes them; `no-new-privileges` needs no rule",
        '["apparmor=*", "seccomp=unconfined"]',
    ),
    "log_drivers": Rule(
        _list(_pattern), "log drivers; those that send logs away do it as the engine", "[json-file, journald]"
    ),
    "exec": Rule(_when, "commands in containers, and copies in and out: `never` or `always`", NEVER),
}
"""Every key that a policy file may have. A list replaces the default's whole list."""
