"""``/v1/nodes``: look at the hosts, and say what they may be used for."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response, request

from manager_api import submission
from manager_api.auth import caller
from manager_api.bodies import no_content, read_json, reply
from manager_api.documents import NodeDocument, NodePage
from manager_api.nouns import Nouns
from manager_api.queries import MarkBody, NodePatch, load_body
from manager_api.services import services

nodes = Nouns("nodes", __name__, url_prefix="/v1", description="Hosts with an agent")


@nodes.route("/nodes", methods=["GET"])
@nodes.answers(200, NodePage)
def index() -> Response:
    """List every node, node-2 before node-10, and the agents of another cluster that call here."""
    store = services().deck.store
    strangers = [stranger.to_json() for stranger in store.strangers()]
    return reply({"items": [node.to_json() for node in store.nodes()], "strangers": strangers, "next": None})


@nodes.route("/nodes/<node>", methods=["GET"])
@nodes.answers(200, NodeDocument, problems=(404,))
def show(node: str) -> Response:
    """Show one node, with the host ports that its tasks hold."""
    store = services().deck.store
    found = store.node(node)
    return reply(found.to_json(store.node_ports(found)))


@nodes.route("/nodes/<node>", methods=["PATCH"])
@nodes.body(NodePatch)
@nodes.answers(200, NodeDocument, problems=(400, 404, 413, 422))
def label(node: str) -> Response:
    """Set labels; null removes one."""
    wish = load_body(NodePatch(), read_json())
    store = services().deck.store
    store.node(node)
    return reply(store.label_node(node, wish["labels"]).to_json())


@nodes.route("/nodes/<node>", methods=["DELETE"])
@nodes.answers(204, problems=(404, 409))
def forget(node: str) -> Response:
    """Forget a node that is lost or empty; what waits for its return is placed anew."""
    submission.forget(services().deck, node)
    return no_content()


@nodes.route("/nodes/<node>/drain", methods=["POST"])
@nodes.body(MarkBody, required=False)
@nodes.answers(202, NodeDocument, problems=(400, 404, 413, 422))
def drain(node: str) -> Response:
    """Let it take no new tasks, and move those it has."""
    deck, wish = services().deck, mark_of(node)
    return reply(submission.drain(deck, node, by=wish.by, why=wish.why).to_json(), 202)


@nodes.route("/nodes/<node>/cordon", methods=["POST"])
@nodes.body(MarkBody, required=False)
@nodes.answers(202, NodeDocument, problems=(400, 404, 413, 422))
def cordon(node: str) -> Response:
    """Let it take no new tasks."""
    store, wish = services().deck.store, mark_of(node)
    return reply(store.mark_node(node, mode="cordoned", by=wish.by, why=wish.why).to_json(), 202)


@nodes.route("/nodes/<node>/activate", methods=["POST"])
@nodes.body(MarkBody, required=False)
@nodes.answers(202, NodeDocument, problems=(400, 404, 413, 422))
def activate(node: str) -> Response:
    """End a drain or a cordon."""
    return reply(submission.activate(services().deck, node, by=mark_of(node).by).to_json(), 202)


@dataclass(frozen=True, slots=True)
class Mark:
    """Who marks a node, and why."""

    by: str
    why: str | None


def mark_of(node: str) -> Mark:
    """Return what the request's body, if any, says; raise NodeNotFound for a node that is not there."""
    said = mark()
    services().deck.store.node(node)
    return said


def mark() -> Mark:
    """Return who asks and why: by the name of the token, else as the request's body says, if there is one."""
    body = load_body(MarkBody(), read_json()) if has_body() else {}
    return Mark(caller().name or body.get("by") or "admin", body.get("reason"))


def has_body() -> bool:
    """Return whether the request carries a body at all."""
    return bool(request.content_length) or "Transfer-Encoding" in request.headers
