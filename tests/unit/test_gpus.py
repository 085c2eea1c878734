"""GPUs: which a host has, which a need gets, and why it gets none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ormen.node import Node, NodeState, Resources
from ormen.policy import Policy
from ormen.reasons import Code
from ormen.scheduler.placement import Fleet, Need, Placement, Refusal, place
from ormen.schema import load_submission
from worker_agent.gpus import Gpus, read_gpus

GIB = 1024**3
LISTING = "GPU-aa, NVIDIA A100-SXM4-40GB\nGPU-bb, NVIDIA A100-SXM4-40GB\n"


def node(name: str, *gpus: str, **lent: str) -> Node:
    """A node of 8 cores with these GPUs, of which some are lent."""
    there = Node(name, NodeState.READY, capacity=Resources(8000, 32 * GIB, 0, len(gpus)), gpus=gpus, lent=lent)
    return replace(there, reserved=Resources(gpus=len(lent)))


def need(key: str, gpus: int | tuple[str, ...], **fields: Any) -> Need:
    amount, ids = (gpus, ()) if isinstance(gpus, int) else (len(gpus), gpus)
    return Need(key, Resources(100, GIB, 0, amount), gpu_ids=ids, **fields)


def given(needs: list[Need], *nodes: Node, vectors: bool = False) -> list[tuple[str, tuple[str, ...]] | str]:
    """Where each need goes and with which GPUs, or the sentence of its refusal."""
    answers = place(needs, Fleet(nodes), vectors=vectors)
    return [(one.node, one.gpus) if isinstance(one, Placement) else one.reason.sentence for one in answers]


@pytest.mark.parametrize("vectors", [False, True])
def test_each_task_of_a_list_gets_gpus_of_its_own(vectors: bool) -> None:
    """Two that ask for one get two, on one node or on two; the third waits and is told what there is."""
    needs = [need(key, 1) for key in "abc"]
    found = given(needs, node("n1", "0"), node("n2", "0"), node("n3"), vectors=vectors)
    assert sorted(found[:2]) == [("n1", ("0",)), ("n2", ("0",))]
    assert found[2] == "Needs 1 GPU; the most free is 0, on n1."
    assert given([need("a", 1), need("b", 2)], node("n1", "x", "y", "z"), vectors=vectors) == [
        ("n1", ("x",)),
        ("n1", ("y", "z")),
    ]


def test_a_task_without_gpus_needs_none() -> None:
    """A node whose GPUs are all lent has room for others."""
    assert given([need("a", 0)], node("n1", "0", **{"0": "other"})) == [("n1", ())]


def test_named_gpus_are_given_by_id_or_number() -> None:
    """What a name means on a node is its id there, else its place in the driver's order."""
    there = node("n1", "GPU-aa", "GPU-bb")
    assert given([need("a", ("GPU-bb",)), need("b", ("0",))], there) == [("n1", ("GPU-bb",)), ("n1", ("GPU-aa",))]
    both = given([need("a", ("1",)), need("b", ("1",))], there, node("n2", "GPU-cc", "GPU-dd"))
    assert sorted(both) == [("n1", ("GPU-bb",)), ("n2", ("GPU-dd",))]


def test_what_it_had_it_gets_again() -> None:
    """A task with a seat has its GPUs free to it, and is given them again; elsewhere it had others."""
    there = node("n1", "0", "1", **{"1": "a", "0": "b"})
    assert given([need("a", 1, seat="n1", prefer="n1", gpus_before=("1",))], there) == [("n1", ("1",))]
    assert given([need("a", 1, gpus_before=("1",))], node("n1", "0", "1")) == [("n1", ("1",))]


@pytest.mark.parametrize(
    ("asked", "nodes", "sentence", "could_fit"),
    [
        (2, (node("n1"), node("n2")), "Needs 2 GPUs, and no node has any.", "never"),
        (3, (node("n1", "0"), node("n2", "0", "1")), "Needs 3 GPUs; the largest node, n2, has 2.", "never"),
        (1, (node("n1", "0", **{"0": "t"}),), "Needs 1 GPU; the most free is 0, on n1.", "later"),
        (("7",), (node("n1", "0"), node("n2")), "No node has the GPU 7; n1 has 0.", "never"),
        (("0", "0"), (node("n1", "0", "1"),), "No node has the GPUs 0 and 0; n1 has 0 and 1.", "never"),
        (("0",), (node("n1", "0", "1", **{"0": "t"}),),
         "On n1, the only node that takes tasks: GPU 0: task t.", "later"),
        (("0",), (node("n1", "0", "1", **{"0": "t"}), node("n2", "0", "1", **{"0": "u"})),
         "The GPU 0 is taken on every node that has it.", "later"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_is_short(asked: Any, nodes: tuple[Node, ...], sentence: str, could_fit: str) -> None:
    """With the amount, the place, and whether waiting helps; each node has its blocker."""
    (answer,) = place([need("a", asked)], Fleet(nodes))
    assert isinstance(answer, Refusal)
    assert (answer.reason.code, answer.reason.sentence, answer.could_fit) == (Code.FIT_GPU, sentence, could_fit)
    assert all(blocker.code is Code.FIT_GPU for each in nodes for blocker in answer.blockers[each.name])
    assert answer.fixes


@pytest.mark.parametrize(
    ("text", "whole", "found"),
    [
        ("auto", True, Gpus(("GPU-aa", "GPU-bb"), "NVIDIA-A100-SXM4-40GB")),
        ("auto", False, Gpus()),
        ("all", False, Gpus(("GPU-aa", "GPU-bb"), "NVIDIA-A100-SXM4-40GB")),
        ("none", True, Gpus()),
        ("2", True, Gpus(("0", "1"))),
        ("0", True, Gpus()),
        ("GPU-aa, MIG-1/2/0", True, Gpus(("GPU-aa", "MIG-1/2/0"))),
    ],
)
def test_an_agent_has_the_gpus_that_its_setting_says(text: str, whole: bool, found: Gpus) -> None:
    """What the driver lists on a host of its own, else what the admin says."""
    assert read_gpus(text, whole=whole, ask=lambda: LISTING) == found
    assert read_gpus("all", whole=True, ask=lambda: "") == Gpus()


@pytest.mark.parametrize("text", ["a,a", "a b", "x=1", "2000", "a,,b"])
def test_a_setting_that_cannot_be_read_is_named(text: str) -> None:
    """With the words that are known."""
    with pytest.raises(ValueError, match=r"ORMEN_GPUS is .* auto, all, none, a number, or ids"):
        read_gpus(text, whole=True)


def test_the_content_of_a_request_is_what_it_was_before_gpus_were_reserved() -> None:
    """A request that is repeated after an upgrade is still the same: the amount adds nothing to its content."""
    digests = [
        load_submission({"image": "nginx", "name": "web", **more}, policy=Policy(), new_id=lambda: "i").items[0].digest
        for more in ({}, {"gpus": 1})
    ]
    assert [digest[:16] for digest in digests] == ["46b67aae2f52a7b9", "a514f5b913176ce8"]
