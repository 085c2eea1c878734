"""Which tasks are copies of each other: the group that `max_per_node` and `spread` count."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_NUMBER = re.compile(r"-[0-9]+$")


def base_of(name: str) -> str:
    """Return a name without the number behind it: ``web`` for ``web-3``."""
    return _NUMBER.sub("", name)


def group_of(name: str, spec: Mapping[str, Any]) -> str:
    """Return the group of the task with this name and its spec as sent: ``web`` for ``web-3``, whoever numbered it.

    A default name ends in digits of the id, which are no number: the whole of it is the group.
    """
    if spec.get("count"):
        return base_of(name)
    return base_of(name) if spec.get("name") else name
