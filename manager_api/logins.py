"""Asking a node whether a registry takes a login, before it is kept."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from typing import Any

from manager_api.services import Services
from ormen import messages
from ormen.errors import OrmenError
from ormen.node import NodeState
from ormen.reasons import Code
from ormen.registries import Login

PATIENCE_S = 15.0
"""How long the node has: its engine asks the registry for at most twelve seconds."""
LOOK_S = 0.05


class LoginRefused(OrmenError):
    """The registry does not take the login; nothing was kept."""

    code = "LOGIN_REFUSED"
    title = "The registry refuses the login"
    http_status = 502


@dataclass(frozen=True, slots=True)
class Check:
    """By which node the registry was asked, None: by nobody; and why it is not known whether it takes the login."""

    node: str | None = None
    unsure: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the answer's member ``checked``."""
        return {"node": self.node, "ok": self.node is not None and self.unsure is None, "sentence": self.unsure}


def check(mine: Services, login: Login) -> Check:
    """Have any ready node ask the registry; raise LoginRefused for a login that the registry does not take."""
    ready = [node.name for node in mine.deck.store.nodes() if node.state is NodeState.READY]
    if not ready:
        return Check(unsure="no node is ready to ask the registry")
    node = random.choice(ready)
    options = {"host": login.host, "user": login.user, "secret": mine.login_store.seal(login.password)}
    request = mine.deck.store.ask_node(node, "login", options)
    mine.deck.ringer.ring_nodes({node: ["login"]}, kind=messages.RUN)
    said = _answer(mine, request)
    if said is None:
        return Check(node, f"{node} has not answered within {PATIENCE_S:g}s")
    if said["code"] == Code.PULL_AUTH.value:
        raise LoginRefused(str(said["sentence"]).rstrip("."), hint="nothing was kept", node=node)
    return Check(node, None if said["ok"] else str(said["sentence"]).rstrip("."))


def _answer(mine: Services, request: str) -> dict[str, Any] | None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and not mine.closing.wait(LOOK_S):
        parts = mine.deck.store.replies(request, block_ms=200)
        refused = next((part.data for part in parts if part.kind == "error"), None)
        if refused is not None:
            return {"ok": False, "code": None, "sentence": refused}
        if any(part.kind == "end" for part in parts):
            found: dict[str, Any] = json.loads("".join(part.data for part in parts))
            return found
    return None
