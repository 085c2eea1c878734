"""Asking a node whether a registry takes a login, before it is kept."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from manager_api.asking import ask_nodes
from manager_api.services import Services
from ormen.errors import OrmenError
from ormen.node import NodeState
from ormen.reasons import Code
from ormen.registries import Login

PATIENCE_S = 15.0
"""How long the node has: its engine asks the registry for at most twelve seconds."""


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
    said = ask_nodes(mine, "login", {node: options}, patience_s=PATIENCE_S)[node]
    if "error" in said:
        return Check(node, said["error"])
    if said["code"] == Code.PULL_AUTH.value:
        raise LoginRefused(str(said["sentence"]).rstrip("."), hint="nothing was kept", node=node)
    return Check(node, None if said["ok"] else str(said["sentence"]).rstrip("."))
