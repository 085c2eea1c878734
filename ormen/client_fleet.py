"""What the client asks of nodes, of the brake, and of what nobody needs any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ormen.client_base import Caller
from ormen.transport import Document, Request, segment

PRUNE_S = 150.0
"""How long the deck may take to prune: the nodes have two minutes for their images."""


class FleetCalls(Caller):
    """The calls that concern the fleet."""

    # Nodes

    def nodes(self) -> list[Document]:
        """Return every node, node-2 before node-10."""
        return list(self._pages("/v1/nodes", {}))

    def fleet(self) -> Document:
        """Return every node (``items``), and the agents of another cluster that call at this Redis (``strangers``)."""
        return self._object("GET", "/v1/nodes")

    def node(self, name: str) -> Document:
        """Return one node."""
        return self._object("GET", f"/v1/nodes/{segment(name)}")

    def drain(self, name: str, *, why: str | None = None, by: str | None = None) -> Document:
        """Let a node take no new tasks and move those it has."""
        return self._object("POST", f"/v1/nodes/{segment(name)}/drain", {"reason": why, "by": by})

    def cordon(self, name: str, *, why: str | None = None, by: str | None = None) -> Document:
        """Let a node take no new tasks."""
        return self._object("POST", f"/v1/nodes/{segment(name)}/cordon", {"reason": why, "by": by})

    def activate(self, name: str, *, by: str | None = None) -> Document:
        """End a drain or a cordon."""
        return self._object("POST", f"/v1/nodes/{segment(name)}/activate", {"by": by})

    def label(self, name: str, labels: Mapping[str, str | None]) -> Document:
        """Set labels of a node; None removes one."""
        return self._object("PATCH", f"/v1/nodes/{segment(name)}", {"labels": dict(labels)})

    def remove_node(self, name: str) -> None:
        """Forget a node that is lost or has no tasks; what waits for its return is placed anew."""
        self._transport.send(Request("DELETE", f"/v1/nodes/{segment(name)}"))

    def stats(self, words: Sequence[str] = (), *, node: str | None = None) -> Document:
        """Return what tasks really use (``items``), and which nodes said nothing (``nodes``).

        Of the tasks named, of a node's, or of all that run. The nodes look when they are asked.
        """
        answer: Document = self._transport.send(Request("GET", "/v1/stats", {"task": list(words), "node": node}))
        return answer

    def brake(self) -> Document:
        """Return whether a mass loss is held back, and what waits."""
        return self._object("GET", "/v1/brake")

    def release_brake(self, *, why: str | None = None, by: str | None = None) -> Document:
        """Let what waits for silent nodes be placed anew; return what that is."""
        answer: Document = self._transport.send(
            Request("POST", "/v1/brake/release", body={"reason": why, "by": by}, repeatable=False)
        )
        return answer

    # What nobody needs

    def prune(self, *, older_than: str | float = 0, kinds: Sequence[str] = (), dry_run: bool = False) -> Document:
        """Remove ended tasks, and of each node the ``kinds`` named (images, volumes, orphans); return what went.

        With `dry_run` nothing is removed. More ended tasks than one request takes are removed by further ones.
        """
        body = {"older_than": older_than, "kinds": list(kinds), "dry_run": dry_run}
        found = part = self._prune(body)
        while part["more"] and not dry_run:
            part = self._prune({**body, "kinds": []})
            found = added(found, part)
        return found

    def _prune(self, body: Document) -> Document:
        answer: Document = self._transport.send(Request("POST", "/v1/prune", body=body, wait_s=PRUNE_S))
        return answer


def added(first: Document, part: Document) -> Document:
    """Return the answer of several prunes in one: the tasks and containers of both, the rest of the first."""
    more = {node["node"]: node for node in part["nodes"]}
    nodes = [
        {**node, **{key: node[key] + more[node["node"]][key] for key in ("containers", "left") if node["node"] in more}}
        for node in first["nodes"]
    ]
    names = [*first["names"], *part["names"]][:100]
    return {**first, "tasks": first["tasks"] + part["tasks"], "names": names, "more": part["more"], "nodes": nodes}
