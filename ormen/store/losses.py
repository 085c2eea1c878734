"""Nodes that are lost: taking their tasks, the brake that holds a mass loss back, and forgetting a node."""

from __future__ import annotations

from collections.abc import Sequence

from ormen import messages
from ormen.brake import Brake
from ormen.errors import NotBraked, StillRunning
from ormen.node import Node, NodeState
from ormen.reasons import Code
from ormen.store.fleet import FleetReader
from ormen.store.redis import answering
from ormen.store.scripts import BATCH

AVOID_MS = 600_000
"""How long a node that lost or stalled a task is avoided where another fits: ten minutes."""

USELESS_MS = 60_000
"""For how long an agent may complain of its engine or its queue before its tasks move."""

ON = "%d of %d nodes fell silent at once; their tasks wait for their return"
OFF = "%d of %d nodes are still silent; what waited for them is placed anew"
LIFTED = "nothing waits for a silent node any more"


class LossStore(FleetReader):
    """What becomes of a lost node and of its tasks."""

    @answering
    def lose(
        self, node: str, *, silent_s: float | None, code: Code, text: str, useless_ms: int, insist: bool = False
    ) -> int:
        """Take every task from a node that is silent or useless; return how many moved.

        `silent_s` is None for a node whose agent went down on purpose. Each batch reads the ages again, so a node
        whose heartbeat comes meanwhile keeps the rest; and each asks the brake, unless `insist` is set. What was to
        be stopped ends even where the brake holds.
        """
        silence = "went down" if silent_s is None else f"silent for {silent_s:.1f}s"
        ids = list(self.client.smembers(self.keys.node_tasks(node)))
        pace_ms = self.pace_ms()
        moved = 0
        for start in range(0, max(len(ids), 1), BATCH):
            reply = self.run(
                "lose",
                node=node,
                ids=ids[start : start + BATCH],
                lost=str(pace_ms * self.settings.lost_intervals),
                suspect=str(pace_ms * self.settings.suspect_intervals),
                useless=str(useless_ms),
                insist="1" if insist else "0",
                code=code.value,
                text=text,
                moved=f"{silence}; its tasks are placed anew",
                held=f"{silence}; its tasks wait for its return",
                unseen=f"{node} is lost; the container is removed when {node} is back.",
                on=ON,
                off=OFF,
                avoid=str(AVOID_MS),
            )
            moved += int(reply["moved"])
            if not reply["lost"]:
                break
        return moved

    @answering
    def braked(self) -> bool:
        """Return whether the brake holds, as the last `lose` has left it."""
        return bool(self.client.hexists(self.keys.brake, "on"))

    @answering
    def brake(self, nodes: Sequence[Node] | None = None) -> Brake:
        """Return what the brake does; `nodes` are all nodes, where they have just been read."""
        on, of, ease, bar, removed = self.client.hmget(self.keys.brake, "on", "of", "ease", "bar", "removed")
        if not on:
            return Brake()
        pace_ms, now_ms = self.pace_ms(), self.now_ms()
        low, start = f"({bar or 0}", f"({int(on) - 30_000}"
        with self.client.pipeline(transaction=False) as pipe:
            pipe.zcount(self.keys.heartbeats, low, now_ms - pace_ms * self.settings.suspect_intervals)
            pipe.zcount(self.keys.heartbeats, low, "+inf")
            pipe.zcount(self.keys.losses, "-inf", start)
            silent, known, before = pipe.execute()
        old = before - int(removed or 0)
        held = [node for node in (self.nodes() if nodes is None else nodes) if node.held]
        return Brake(
            since_ms=int(on),
            silent=silent - old,
            known=min(known - old, int(of)),
            nodes=tuple(node.name for node in held),
            tasks=sum(node.tasks for node in held),
            moves_ms=int(ease) + pace_ms * self.settings.lost_intervals if ease else None,
        )

    @answering
    def release_brake(self, *, by: str, why: str | None) -> Brake:
        """Let go of what the brake holds, until a later mass loss; return what it held. Raises NotBraked."""
        found = self.brake()
        text = f"released by {by}" + (f": {why}" if why else "") + f"; {found.amounts} placed anew"
        if not found.on or not self._end_brake("brake.released", text, bar=True):
            raise NotBraked("the brake does not hold: no mass loss keeps tasks from being moved")
        return found

    @answering
    def lift_brake(self) -> None:
        """Note that nothing waits for a lost node any more."""
        self._end_brake("brake.off", LIFTED, bar=False)

    def _end_brake(self, event: str, text: str, *, bar: bool) -> bool:
        suspect_ms = self.pace_ms() * self.settings.suspect_intervals
        return bool(self.run("release", suspect=str(suspect_ms), event=event, text=text, bar="1" if bar else "0"))

    @answering
    def forget_node(self, name: str) -> None:
        """Remove a node, its queue and every key of it; raises StillRunning if it holds tasks and is not lost.

        Who forgets a lost node says that it will not return: what the brake still holds there is moved first.
        """
        suspect_ms = self.pace_ms() * self.settings.suspect_intervals
        while True:
            ids = list(self.client.smembers(self.keys.node_tasks(name)))[:BATCH]
            reply = self.run(
                "forget",
                node=name,
                ids=ids,
                suspect=str(suspect_ms),
                queue=list(messages.queue_keys(name)),
                text=f"{name} was removed",
            )
            if reply["code"] == "OK":
                return
            if reply["code"] != "MORE":
                self._let_go(self.node(name))

    def _let_go(self, node: Node) -> None:
        """Move what a lost node that is to be forgotten still has; raise StillRunning if it is not lost."""
        if node.state is not NodeState.LOST:
            raise StillRunning(
                f"{node.name} is {node.state.value} and has {node.tasks} {'task' if node.tasks == 1 else 'tasks'}",
                hint=f"drain it first: ormen mast drain {node.name}",
            )
        text = f"{node.name} is lost, and was removed."
        self.lose(node.name, silent_s=node.silent_s, code=Code.NODE_LOST, text=text, useless_ms=USELESS_MS, insist=True)
