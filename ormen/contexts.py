"""Several clusters by name: each context is a deck's address and perhaps a token, in one file of the user's.

The file is ``$XDG_CONFIG_HOME/ormen/contexts.json`` (else below ``~/.config``), is written whole or not at all, and can
be read by its owner alone. Only the standard library is used: every command of the client looks here.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ormen.errors import Conflict, NotFound, OrmenError


class ContextNotFound(NotFound):
    """No context has that name."""

    code = "CONTEXT_NOT_FOUND"
    title = "No such context"


class ContextTaken(Conflict):
    """There is a context of that name."""

    code = "CONTEXT_TAKEN"
    title = "The context's name is taken"


class ContextsUnreadable(OrmenError):
    """The file of contexts cannot be used."""

    code = "CONTEXTS_UNREADABLE"
    title = "The contexts cannot be read"
    http_status = 422


@dataclass(frozen=True, slots=True)
class Context:
    """One cluster: where its deck is, and the token with which it is asked."""

    manager: str
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Contexts:
    """All of them, and which is used where nothing else is said."""

    known: Mapping[str, Context] = field(default_factory=dict)
    current: str | None = None

    def get(self, name: str) -> Context:
        """Return one; raises ContextNotFound with the name that was probably meant."""
        if name in self.known:
            return self.known[name]
        near = difflib.get_close_matches(name, self.known, n=2)
        if near:
            hint = f"did you mean {' or '.join(near)}?"
        else:
            hint = (
                f"they are {', '.join(self.known)}" if self.known else f"add it: ormen context add {name} -m HOST:PORT"
            )
        raise ContextNotFound(f'no context "{name}"', hint=hint)

    def added(self, name: str, context: Context, *, anew: bool) -> Contexts:
        """Return them with one more; the first is used at once. Raises ContextTaken unless it may be made `anew`."""
        if name in self.known and not anew:
            hint = f"choose another name, or insist: ormen context add {name} --replace"
            raise ContextTaken(f"there is a context {name} already, of {self.known[name].manager}", hint=hint)
        return replace(self, known={**self.known, name: context}, current=self.current or name)

    def removed(self, name: str) -> Contexts:
        """Return them without one; raises ContextNotFound."""
        self.get(name)
        rest = {other: context for other, context in self.known.items() if other != name}
        return Contexts(rest, None if self.current == name else self.current)

    def using(self, name: str) -> Contexts:
        """Return them with another one in use; raises ContextNotFound."""
        self.get(name)
        return replace(self, current=name)


def place(env: Mapping[str, str] | None = None) -> Path:
    """Return where the file is."""
    env = os.environ if env is None else env
    home = env.get("XDG_CONFIG_HOME") or os.path.join(env.get("HOME") or os.path.expanduser("~"), ".config")
    return Path(home) / "ormen" / "contexts.json"


def load(path: Path) -> Contexts:
    """Return what the file holds, nothing if there is none; raises ContextsUnreadable."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Contexts()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    try:
        document = json.loads(raw)
        known = {str(name): Context(one["manager"], one.get("token")) for name, one in document["contexts"].items()}
        current = document.get("current")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(path, "it is not what ormen wrote") from error
    return Contexts(known, current if current in known else None)


def _unreadable(path: Path, why: str) -> ContextsUnreadable:
    return ContextsUnreadable(
        f"the contexts in {path} cannot be read: {why}", hint="mend the file, or remove it and add the contexts anew"
    )


def save(path: Path, contexts: Contexts) -> None:
    """Write the file whole, for its owner alone, however it was before."""
    document: dict[str, Any] = {
        "current": contexts.current,
        "contexts": {
            name: {"manager": one.manager, **({"token": one.token} if one.token else {})}
            for name, one in contexts.known.items()
        },
    }
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        json.dump(document, file, indent=2)
        file.write("\n")
    beside.replace(path)


def open_to_others(path: Path) -> bool:
    """Return whether others than its owner can read the file."""
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False


def chosen(env: Mapping[str, str] | None = None) -> Context | None:
    """Return the context that ORMEN_CONTEXT names, else the one in use, None if there is none.

    Raises ContextNotFound for a name that is not there, and ContextsUnreadable.
    """
    env = os.environ if env is None else env
    contexts, name = load(place(env)), env.get("ORMEN_CONTEXT")
    if name:
        return contexts.get(name)
    return contexts.known[contexts.current] if contexts.current else None
