"""Asking nodes something that each answers once and whole: all at the same time, and none holds up the others."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from manager_api.services import Services
from ormen import messages
from ormen.store.replies import Reply

LOOK_S = 0.05

Answer = dict[str, Any]
"""What a node has said, or its only member is ``error``: why there is nothing, as a sentence without a full stop."""


def ask_nodes(
    mine: Services,
    kind: str,
    wanted: Mapping[str, Mapping[str, Any]],
    *,
    patience_s: float,
    ring: str = messages.RUN,
) -> dict[str, Answer]:
    """Return the answer of each node to what is wanted of it, after `patience_s` at the latest.

    A node that is lost is not asked, and one that is late is not waited for: an ``error`` says so. `ring` is the kind
    of the message that wakes them.
    """
    store = mine.deck.store
    asked = store.ask_nodes(kind, wanted)
    if asked:
        mine.deck.ringer.ring_nodes({node: [kind] for node in asked}, kind=ring)
    said = _gather(mine, asked, deadline=time.monotonic() + patience_s)
    store.hang_up(*asked.values())
    lost = {node: {"error": f"{node} is lost"} for node in wanted if node not in asked}
    late = {node: {"error": f"{node} has not answered within {patience_s:g}s"} for node in asked}
    return {**lost, **late, **said}


def _gather(mine: Services, asked: Mapping[str, str], *, deadline: float) -> dict[str, Answer]:
    """Return the answers that are whole by then, in whatever order they come."""
    waiting, said = {request: node for node, request in asked.items()}, dict[str, Answer]()
    while waiting and time.monotonic() < deadline and not mine.closing.wait(LOOK_S):
        for request, parts in mine.deck.store.replies(list(waiting)).items():
            answer = _whole(parts)
            if answer is not None:
                said[waiting.pop(request)] = answer
    return said


def _whole(parts: Sequence[Reply]) -> Answer | None:
    """Return an answer, None while it has not come to its end."""
    refused = next((part.data for part in parts if part.kind == "error"), None)
    if refused is not None:
        return {"error": refused.rstrip(".")}
    if not any(part.kind == "end" for part in parts):
        return None
    found: Answer = json.loads("".join(part.data for part in parts))
    return found
