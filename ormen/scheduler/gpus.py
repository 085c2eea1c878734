"""Which GPUs of a node a need gets: particular ones, since Docker gives everybody who asks for one the first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from ormen.node import Node
from ormen.reasons import Code
from ormen.scheduler.values import Blocker, Change, Need
from ormen.scheduler.words import listed

Lent: TypeAlias = Mapping[str, str]
"""GPU id -> the task that has it."""

OTHERS = "name GPUs that one node has, or ask for a number of them: --gpus 1"
"""What helps where no node has what is named."""


def meant(node: Node, word: str) -> str | None:
    """Return the id of the node's GPU that a word names: the id itself, or its number there; None if there is none."""
    if word in node.gpus:
        return word
    return node.gpus[int(word)] if word.isascii() and word.isdigit() and int(word) < len(node.gpus) else None


def free(need: Need, node: Node, lent: Lent) -> list[str]:
    """Return the GPUs that the need may have, those that it had before first; its own on its seat are free to it."""
    found = [gpu for gpu in node.gpus if lent.get(gpu, need.key) == need.key]
    return sorted(found, key=lambda gpu: gpu not in need.gpus_before)


def chosen(need: Need, node: Node, lent: Lent) -> tuple[str, ...] | None:
    """Return the GPUs that the need gets on this node, None if it cannot have them."""
    available = free(need, node, lent)
    if not need.gpu_ids:
        return tuple(available[: need.resources.gpus]) if len(available) >= need.resources.gpus else None
    named = [meant(node, word) for word in need.gpu_ids]
    if None in named or len(set(named)) < len(named) or not set(named) <= set(available):
        return None
    return tuple(gpu for gpu in named if gpu is not None)


class NamedGpus:
    """The node has the very GPUs that a need names, and nobody else has them."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def admits(self, need: Need, node: Node) -> bool:
        """Return whether all that are named can be had; that there are enough is another filter's to say."""
        return not need.gpu_ids or chosen(need, node, node.lent) is not None

    def explain(self, need: Need, node: Node) -> tuple[Blocker, ...]:
        """Return one blocker for each GPU that is not there or that another task has."""
        return () if self.admits(need, node) else tuple(self._blockers(need, node))

    def _blockers(self, need: Need, node: Node) -> Iterable[Blocker]:
        seen: set[str] = set()
        for word in need.gpu_ids:
            gpu = meant(node, word)
            holder = node.lent.get(gpu or "", need.key)
            if gpu is None:
                yield Blocker(Code.FIT_GPU, f"GPU {word}: is not there")
            elif gpu in seen:
                yield Blocker(Code.FIT_GPU, f"GPU {word}: named twice by the task itself")
            elif holder != need.key:
                name = self._names.get(holder)
                who = f"task {name} ({holder[:8]})" if name else f"task {holder[:8]}"
                change = Change(f"{name or holder[:8]} stops", {"task": holder, "state": "completed"})
                yield Blocker(Code.FIT_GPU, f"GPU {word}: {who}", fits_if=change)
            seen.add(gpu or word)


def could_have(need: Need, node: Node) -> bool:
    """Return whether the node, when empty, has what the need names."""
    return not need.gpu_ids or chosen(need, node, {}) is not None


def absent_sentence(need: Need, nodes: Sequence[Node]) -> str:
    """Return that no node has what is named, and what there is; empty if one has it."""
    if any(could_have(need, node) for node in nodes):
        return ""
    has = [f"{node.name} has {listed(node.gpus)}" for node in nodes if node.gpus]
    return f"No node has the {_named(need)}; {listed(has) if has else 'none has any'}."


def taken_sentence(need: Need, nodes: Sequence[Node]) -> str:
    """Return that what is named is not to be had on any of the nodes, and of a single one who has it."""
    if len(nodes) == 1:
        blockers = NamedGpus({}).explain(need, nodes[0])
        return f"On {nodes[0].name}, the only node that takes tasks: {listed([one.sentence for one in blockers])}."
    return f"The {_named(need)} {'is' if len(need.gpu_ids) == 1 else 'are'} taken on every node that has it."


def _named(need: Need) -> str:
    return f"GPU{'s' if len(need.gpu_ids) > 1 else ''} {listed(need.gpu_ids)}"
