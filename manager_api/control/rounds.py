"""A round through all nodes that is too long for one turn of a loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ormen.node import Node


class Rounds:
    """Goes through the nodes, in each turn as many as have about `most` tasks between them, and at least one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._last = ""

    def some(self, nodes: Sequence[Node]) -> Iterator[Node]:
        """Yield the nodes that have their turn, each once: from the one after the last turn's last on."""
        places = [i for i, node in enumerate(nodes) if node.name == self._last]
        first = places[0] + 1 if places else 0
        tasks = 0
        for node in (*nodes[first:], *nodes[:first]):
            if tasks >= self._most:
                return
            self._last = node.name
            tasks += node.tasks
            yield node
