"""Refusals: the sentence, the code, whether room can come, and what would help."""

from dataclasses import replace
from typing import Any

import pytest

from ormen.node import Node, NodeState, Resources
from ormen.reasons import Code, Reason
from ormen.scheduler.explanation import refuse
from ormen.scheduler.placement import Fleet, Need, Refusal, place
from ormen.spec import NO_RULES, PortSpec

GIB = 1024**3


def node(name: str, *, memory: int = 8 * GIB, free: int = 4 * GIB, **more: object) -> Node:
    """Return a node of four cores with `free` bytes of memory."""
    made = Node(name, NodeState.READY, engine=f"engine-{name}", capacity=Resources(4000, memory, 100 * GIB))
    return replace(made, **{"reserved": Resources(0, memory - free, 0), **more})  # type: ignore[arg-type]


def refused(asked: Need, *nodes: Node, **more: object) -> Refusal:
    """Return the refusal of a need that fits nowhere."""
    (answer,) = place([asked], replace(Fleet(nodes), **more))  # type: ignore[arg-type]
    assert isinstance(answer, Refusal), answer
    return answer


def asks(gib: float = 1, *, cpu: int = 1000, **more: object) -> Need:
    """Return a need of some GiB."""
    return replace(Need("train", Resources(cpu, int(gib * GIB), 0)), **more)  # type: ignore[arg-type]


def test_the_most_free_and_its_node_are_named() -> None:
    """The record's sentence and that of ``why``; the table's row says what would fit."""
    told = refused(asks(4), node("node-1", free=3 * GIB // 2), node("node-2", free=GIB // 2))
    assert told.reason == Reason(Code.FIT_MEMORY, "Needs 4 GiB of memory; the most free is 1.5 GiB, on node-1.")
    assert told.why("train") == (
        "train waits: it asks 4 GiB of memory, and of the nodes that take tasks node-1 has the most free, 1.5 GiB."
    )
    (blocker,) = told.blockers["node-1"]
    assert (blocker.sentence, blocker.fits_if and blocker.fits_if.text) == (
        "memory: asks 4 GiB, 1.5 free", "memory <= 1.5 GiB",
    )  # fmt: skip
    assert (told.could_fit, told.fixes) == ("later", (("ask 1.5 GiB", None),))


def test_amounts_that_differ_never_read_the_same() -> None:
    """One byte too little is not told as "needs 4 GiB, the most free is 4 GiB"."""
    told = refused(asks(4), node("node-1", free=4 * GIB - 1))
    assert told.reason.sentence == "Needs 4 GiB of memory; the most free is 3.9 GiB, on node-1."


def test_cpu_is_told_in_cores() -> None:
    """Milli-cores are for the store only."""
    told = refused(asks(1, cpu=2500), node("node-1", reserved=Resources(3500, 0, 0)))
    assert told.reason == Reason(Code.FIT_CPU, "Needs 2.5 cpu; the most free is 0.5, on node-1.")
    assert told.to_json()["nodes"][0]["blockers"][0] == {
        "code": "FIT_CPU", "asked_cpu": 2.5, "free_cpu": 0.5, "sentence": "cpu: asks 2.5, 0.5 free",
    }  # fmt: skip


def test_what_no_node_could_ever_hold_is_never() -> None:
    """The largest node is named, also if it drains."""
    big = node("node-2", memory=int(31.2 * GIB), state=NodeState.DRAINING)
    told = refused(asks(40), node("node-1"), big)
    assert told.reason.sentence == "Needs 40 GiB of memory; the largest node, node-2, has 31.2 GiB."
    assert (told.could_fit, told.reason.code) == ("never", Code.FIT_MEMORY)


def test_a_largest_node_that_is_a_byte_too_small_does_not_read_as_large_enough() -> None:
    """What the largest node has is rounded down where it would read like what is asked."""
    told = refused(asks(40), node("node-1", memory=40 * GIB - 1))
    assert told.reason.sentence == "Needs 40 GiB of memory; the largest node, node-1, has 39.9 GiB."


def test_amounts_that_fit_only_apart_are_told_together() -> None:
    """One node has the cores, the other the memory."""
    told = refused(asks(16, cpu=8000), node("a", memory=32 * GIB), node("b", capacity=Resources(16000, GIB, 0)))
    assert told.reason.sentence == (
        "Needs 16 GiB of memory and 8 cpu on one node; no node has all of that, even when empty."
    )
    assert told.could_fit == "never"


def test_different_shortages_are_named_with_their_nodes() -> None:
    """No one thing blocks all, so each is told where it is short."""
    told = refused(asks(4), node("a", free=GIB), node("b", reserved=Resources(4000, 0, 0)))
    assert told.reason.sentence == "No node has all it needs: memory is short on a and cpu is short on b."


def test_to_ask_less_is_a_remedy_only_where_a_node_lacks_nothing_else() -> None:
    """Not what a node has whose port is taken; where none is left that it would help on, a node more does."""
    taken = {"engine-b": {"8080/tcp": (("0.0.0.0", "7f3c2a10-aa"),)}}
    told = refused(asks(4, ports=(PortSpec(80, 8080),)), node("a", free=GIB), node("b", free=6 * GIB), taken=taken)
    assert (told.reason.code, told.fixes) == (Code.FIT_MEMORY, (("ask 1 GiB", None),))
    both = refused(asks(4), node("a", free=GIB, reserved=Resources(4000, 7 * GIB, 0)))
    assert both.fixes == (("add a node", "ormen sailor"),)


def test_one_holder_on_every_node_is_named() -> None:
    """Nodes that share an engine share its ports: the one task that has it is said at once."""
    taken = {f"engine-{n}": {"8080/tcp": (("0.0.0.0", "7f3c2a10-aa"),)} for n in ("a", "b")}
    told = refused(asks(ports=(PortSpec(80, 8080),)), node("a"), node("b"), taken=taken, names={"7f3c2a10-aa": "web"})
    assert told.reason.sentence == "Host port 8080 is taken on every node, by task web (7f3c2a10)."


def test_a_taken_port_names_its_holder() -> None:
    """On one node the task, on all nodes the port."""
    holders = {"a": "7f3c2a10-aa", "b": "c0a81f33-bb"}
    taken = {f"engine-{n}": {"8080/tcp": (("0.0.0.0", holder),)} for n, holder in holders.items()}
    asked = asks(ports=(PortSpec(80, 8080),))
    everywhere = refused(asked, node("a"), node("b"), taken=taken, names={"7f3c2a10-aa": "web", "c0a81f33-bb": "shop"})
    assert everywhere.why("web-4") == "web-4 waits because host port 8080 is taken on every node."
    assert everywhere.blockers["a"][0].sentence == "port 8080: task web (7f3c2a10)"
    assert everywhere.fixes == (("publish any free port instead: -p 80", None),)
    single = refused(replace(asked, constraints=("node=a",)), node("a"), node("b"), taken=taken)
    assert single.reason == Reason(Code.FIT_PORT, "Host port 8080 of a is held by task 7f3c2a10.")


@pytest.mark.parametrize(
    ("constraint", "sentence"),
    [
        ("zone=eu-wset", "No node has the label zone=eu-wset; did you mean zone=eu-west (node-1, node-2)?"),
        ("zone=mars", "No node has the label zone=mars; zone is eu-west or us-east."),
        ("zoen=eu-west", "No node has a label zoen; did you mean zone?"),
        ("arch=arm64", "No node has arch=arm64; did you mean arch=amd64 (node-1, node-2, node-3)?"),
        ("node=node-4", "No node is named node-4; did you mean node-3?"),
        ("os!=linux", "Every node has os=linux, which os!=linux forbids."),
    ],
)
def test_a_constraint_that_nobody_meets_is_answered_with_what_there_is(constraint: str, sentence: str) -> None:
    """The value that was probably meant, or those there are."""
    zones = {"node-1": "eu-west", "node-2": "eu-west", "node-3": "us-east"}
    told = refused(asks(constraints=(constraint,)), *(node(n, labels={"zone": z}) for n, z in zones.items()))
    assert (told.reason, told.could_fit) == (Reason(Code.CONSTRAINT, sentence), "never")


def test_nodes_that_take_no_tasks_are_named_with_their_state() -> None:
    """Those that meet the constraint count; the remedy is a command."""
    ssd: dict[str, Any] = {"labels": {"disk": "ssd"}}
    told = refused(
        asks(constraints=("disk=ssd",)), node("node-1", labels={"disk": "hdd"}),
        node("node-2", state=NodeState.DRAINING, **ssd), node("node-3", state=NodeState.CORDONED, **ssd),
    )  # fmt: skip
    assert told.reason == Reason(
        Code.NODE_DRAINING, "Both nodes with disk=ssd take no tasks: node-2 is draining and node-3 is cordoned."
    )
    assert told.blockers["node-1"][0].sentence == "label disk=ssd: has disk=hdd"
    assert told.fixes == (("activate node-3", "ormen mast activate node-3"),)


def test_a_volume_on_a_lost_node_waits_for_it() -> None:
    """The data is only there, so the other nodes are no help."""
    told = refused(
        asks(pinned="node-2", volume="pgdata"), node("node-1"),
        node("node-2", state=NodeState.LOST, heartbeat_age_s=130),
    )  # fmt: skip
    assert told.why("db") == (
        "db waits because its node is lost: node-2 last spoke 2m10s ago, and db's volume pgdata is only there."
    )
    assert (told.reason.code, told.could_fit) == (Code.NODE_LOST, "later")
    assert told.blockers["node-1"][0].sentence == "volume pgdata is on node-2"


def test_no_nodes_is_a_reason_of_its_own() -> None:
    """One may still join."""
    told = refused(asks())
    assert (told.reason, told.could_fit) == (Reason(Code.NO_NODES, "No node has joined the cluster yet."), "later")


def test_a_need_that_fits_is_told_as_now() -> None:
    """``why`` may ask while a back-off waits."""
    assert refuse(asks(), Fleet([node("node-1")])).could_fit == "now"


def test_the_operator_s_own_words_are_kept() -> None:
    """Who drained a node and why stands in its row."""
    reason = Reason(Code.NODE_DRAINING, "Draining since 10:02 by ann, kernel.")
    told = refused(asks(), node("node-2", state=NodeState.DRAINING, state_reason=reason))
    assert told.blockers["node-2"][0].sentence == "draining since 10:02 by ann, kernel"


def test_gpus_are_counted_in_a_nodes_row() -> None:
    """They are things and no bytes."""
    asked = replace(asks(), resources=Resources(1000, GIB, 0, gpus=3))
    some = replace(node("node-1"), capacity=Resources(4000, 8 * GIB, 100 * GIB, gpus=4), reserved=Resources(gpus=2))
    (blocker,) = refused(asked, some).blockers["node-1"]
    assert (blocker.sentence, blocker.fits_if and blocker.fits_if.text) == ("GPUs: asks 3, 2 free", "gpus <= 2")


def test_a_reason_without_a_subject_gets_one_after_because() -> None:
    """As a sentence is spoken; one with a subject stays as it is."""
    told = refused(asks(16, cpu=8000), node("a", memory=32 * GIB), node("b", capacity=Resources(16000, GIB, 0)))
    assert told.why("train").startswith("train waits because it needs 16 GiB of memory and 8 cpu on one node; no node")
    assert refused(asks()).why("train") == "train waits because no node has joined the cluster yet."


@pytest.mark.parametrize("state", [NodeState.SUSPECT, NodeState.LOST])
def test_who_waits_for_a_silent_node_is_not_told_to_add_another(state: NodeState) -> None:
    """The one that its constraint names is to come back."""
    told = refused(asks(constraints=("node=b",)), node("a"), node("b", state=state))
    assert told.fixes == (("bring b back", None),)


def test_who_is_to_be_near_one_on_a_closed_node_is_not_told_to_start_it() -> None:
    """It is there: its node is what has to take tasks again."""
    asked = asks(name="train", rules=replace(NO_RULES, near="cache"))
    told = refused(asked, node("a"), node("b", state=NodeState.CORDONED), beside={"cache": {"b": 1}})
    assert told.reason.sentence == "Is to be near cache, which is on b, which cannot take it."
    assert told.fixes == (("let b take tasks again, or run it without near", None),)


@pytest.mark.parametrize(
    ("far", "beside", "sentence", "fix"),
    [
        ("db", {"db": {"a": 1, "b": 1}}, "db, which it is to be far from.", "add a node, or stop db"),
        (None, {}, "a task that is to be far from it.", "add a node, or stop that task"),
        ("db", {"db": {"a": 1}}, "a task that it may not be beside.", "add a node, or stop that task"),
    ],
)
def test_who_is_kept_apart_is_told_by_whom(
    far: str | None, beside: dict[str, dict[str, int]], sentence: str, fix: str
) -> None:
    """By its own rule, by that of another, or by one here and the other there; a node more or one task less helps."""
    asked = asks(name="train", group="train", rules=replace(NO_RULES, far=far))
    apart = {} if sentence.startswith("db") else {"train": {"a": 1, "b": 1}}
    told = refused(asked, node("a"), node("b"), beside=beside, apart=apart)
    assert told.reason == Reason(Code.FAR, f"Both nodes that take tasks have {sentence}")
    assert told.fixes == ((fix, None),)
