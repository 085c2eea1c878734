"""``/v1/stats``: what tasks really use just now."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import Response
from marshmallow import fields

from manager_api.bodies import reply
from manager_api.documents import text, whole
from manager_api.nouns import Nouns
from manager_api.queries import StatsQuery
from manager_api.services import services
from manager_api.using import by_node, use_of_nodes
from ormen.errors import Fault, InvalidQuery, NotRunning
from ormen.task import PLACED

PATIENCE_S = 4.0
"""How long a node has: it looks twice, half a second apart, and may have an engine that is busy."""

stats = Nouns("stats", __name__, url_prefix="/v1", description="What tasks really use")


class UseDocument(ma.Schema):
    """What a task's container uses; the bytes of networks and disks are counted from its start."""

    task = text("the task's id")
    name = text()
    node = text()
    attempt = whole()
    cpu = fields.Float(required=True, allow_none=True, metadata={"description": "cores, over the last half second"})
    memory_bytes = whole("without what the kernel could give back at once")
    memory_before_bytes = whole("the same at the look before, half a second to ten seconds earlier", null=True)
    memory_limit_bytes = whole("its limit, else the memory of its host", null=True)
    received_bytes = whole()
    sent_bytes = whole()
    read_bytes = whole()
    written_bytes = whole()
    pids = whole("processes and threads")


class AskedNode(ma.Schema):
    """A node that was asked."""

    node = text()
    error = text("why it said nothing, null if it did", null=True)


class UsePage(ma.Schema):
    """The tasks that run, by name, and the nodes that were asked."""

    items = fields.List(fields.Nested(UseDocument), required=True)
    nodes = fields.List(fields.Nested(AskedNode), required=True)
    next = text(null=True)


@stats.route("/stats", methods=["GET"])
@stats.query(StatsQuery)
@stats.answers(200, UsePage, problems=(404, 409, 422))
def index(query: dict[str, Any]) -> Response:
    """Show what the tasks that run use: all, those of a `node`, or each `task` that is named; not both.

    The nodes look when they are asked. One that does not answer within four seconds is told with the reason.
    """
    mine = services()
    store = mine.deck.store
    if query["task"] and query["node"]:
        raise InvalidQuery(
            [Fault(("node",), "CONFLICT", "tasks and a node cannot be asked for together", query["node"])]
        )
    if query["task"]:
        wanted = by_node(store.find(word) for word in query["task"])
    elif query["node"]:
        wanted = {store.node(query["node"]).name: None}
    else:
        wanted = {node.name: None for node in store.lean_nodes()}
    with mine.long.place():
        return reply(use_of_nodes(mine, wanted, patience_s=PATIENCE_S))


@stats.route("/tasks/<task>/stats", methods=["GET"])
@stats.answers(200, UsePage, problems=(404, 409, 422))
def one(task: str) -> Response:
    """Show what one task uses; 409 if no container of it runs."""
    mine = services()
    found = mine.deck.store.find(task)
    if found.state not in PLACED or found.node is None:
        raise NotRunning(f"{found.name} is {found.state.value}, so it uses nothing")
    with mine.long.place():
        return reply(use_of_nodes(mine, by_node([found]), patience_s=PATIENCE_S))
