"""How a fault is provoked: a function of its name in the table, which makes it happen and takes it away again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.acceptance.living import Answer
from tests.faults.ground import Ground


@dataclass(frozen=True)
class Asked:
    """Whom to ask about the fault (a task's id, a node's name), or what was answered; `facts` fill the row's words."""

    who: str = ""
    refusal: Answer | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


Provoke = Callable[[Ground], contextlib.AbstractContextManager[Asked]]

FAULTS: dict[str, Provoke] = {}
"""Every fault that can be provoked, by its name."""

EARLY: dict[str, Mapping[str, Any]] = {}
"""The specs of those that lie in a task's spec alone."""


def fault(name: str) -> Callable[[Callable[[Ground], Iterator[Asked]]], None]:
    """Register a function that makes the fault, yields whom to ask, and puts everything right again."""

    def register(make: Callable[[Ground], Iterator[Asked]]) -> None:
        assert name not in FAULTS, name
        FAULTS[name] = contextlib.contextmanager(make)

    return register


def by_spec(name: str, **spec: Any) -> None:
    """Register a fault that lies in a task's spec alone; ``{open}`` in its image is that registry.

    It disturbs nobody, so all such tasks are submitted together, for ``anchor``, before the first is asked about.
    """

    @fault(name)
    def wait(ground: Ground) -> Iterator[Asked]:
        task = ground.early[name]
        yield Asked(task["id"], facts={"registry": task["spec"]["image"].partition("/")[0]})

    EARLY[name] = spec
