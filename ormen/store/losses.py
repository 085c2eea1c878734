"""Nodes that are lost: taking their tasks, the brake that holds a mass loss back, and forgetting a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Word:
    """A node's derived state, to be told once, as an event.

    Where silence is the cause, `heard_ms` is the heartbeat that was judged: one that came since refuses it.
    """

    node: str
    state: str
    text: str
    heard_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """Every task is to be taken from a node that is silent or useless; `code` and `text` say to each task why.

    `silent_s` is None for a node whose agent went down on purpose.
    """

    node: str
    silent_s: float | None
    code: Code
    text: str


class LossStore(FleetReader):
    """What becomes of a lost node and of its tasks."""

    @answering
    def judge(self, verdicts: Sequence[Word | Loss]) -> int:
        """Tell and take, in this order; return how many tasks moved.

        However many nodes that concerns, it is a few round trips for each `BATCH` of verdicts. Each script reads the
        ages again, as `lose` says.
        """
        if not verdicts:
            return 0
        moved, pace_ms = 0, self.pace_ms()
        for start in range(0, len(verdicts), BATCH):
            part = verdicts[start : start + BATCH]
            held = self._task_ids([verdict.node for verdict in part if isinstance(verdict, Loss)])
            calls: list[tuple[str, Mapping[str, Any]]] = []
            for verdict in part:
                if isinstance(verdict, Word):
                    calls.append(("show", _shown(verdict)))
                else:
                    batches = self._batches(verdict, held[verdict.node], pace_ms)
                    calls += [("lose", {**batch, "useless": str(USELESS_MS), "insist": "0"}) for batch in batches]
            moved += sum(int(reply["moved"]) for reply in self.run_all(calls) if isinstance(reply, dict))
        return moved

    @answering
    def lose(
        self, node: str, *, silent_s: float | None, code: Code, text: str, useless_ms: int, insist: bool = False
    ) -> int:
        """Take every task from a node that is silent or useless; return how many moved.

        `silent_s` is None for a node whose agent went down on purpose. Each batch reads the ages again, so a node
        whose heartbeat comes meanwhile keeps the rest; and each asks the brake, unless `insist` is set. What was to
        be stopped ends even where the brake holds.
        """
        moved = 0
        for batch in self._batches(Loss(node, silent_s, code, text), self._task_ids([node])[node], self.pace_ms()):
            reply = self.run("lose", **batch, useless=str(useless_ms), insist="1" if insist else "0")
            moved += int(reply["moved"])
            if not reply["lost"]:
                break
        return moved

    def _task_ids(self, nodes: Sequence[str]) -> dict[str, list[str]]:
        """Return the ids of the tasks that belong to each node or may have a container there."""
        if not nodes:
            return {}
        with self.client.pipeline(transaction=False) as pipe:
            for node in nodes:
                pipe.smembers(self.keys.node_tasks(node))
            return {node: list(ids) for node, ids in zip(nodes, pipe.execute(), strict=True)}

    def _batches(self, loss: Loss, ids: Sequence[str], pace_ms: int) -> list[dict[str, Any]]:
        """Return the arguments of `lose` for each batch of a node's tasks: one at least, for the node itself."""
        silence = "went down" if loss.silent_s is None else f"silent for {loss.silent_s:.1f}s"
        common = {
            "node": loss.node,
            "lost": str(pace_ms * self.settings.lost_intervals),
            "suspect": str(pace_ms * self.settings.suspect_intervals),
            "code": loss.code.value,
            "text": loss.text,
            "moved": f"{silence}; its tasks are placed anew",
            "held": f"{silence}; its tasks wait for its return",
            "unseen": f"{loss.node} is lost; the container is removed when {loss.node} is back.",
            "on": ON,
            "off": OFF,
            "avoid": str(AVOID_MS),
        }
        return [{**common, "ids": ids[at : at + BATCH]} for at in range(0, max(len(ids), 1), BATCH)]

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


def _shown(word: Word) -> dict[str, str]:
    heard = {} if word.heard_ms is None else {"heard": str(word.heard_ms)}
    return {"node": word.node, "state": word.state, "text": word.text, **heard}
