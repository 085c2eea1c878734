"""Tasks that are each to be near the next: `why` says that they wait for ever, and only where they do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from why_cases import node, task, waiting

from ormen.cli.render.text import Look
from ormen.cli.render.why import why
from ormen.reasons import Code, Reason
from ormen.task import State, Task
from ormen.why.circle import chain
from ormen.why.document import explain


def near(name: str, other: str, **spec: Any) -> Task:
    """Return a task that waits to be near another."""
    made = task(name, State.PENDING, {"near": other, **spec}, reason=Reason(Code.NEAR, "x"))
    return replace(made, id=f"id-{name}")


def around(first: Task, *others: Task, there: tuple[str, ...] = ()) -> list[str]:
    """Return the names of the tasks that `first` waits for."""
    return [one.name for one in chain(first, others, there=there)]


def test_a_circle_of_two_says_that_neither_can_be_first_and_what_ends_it() -> None:
    """In the first sentence; no place in a line is told, since no waiting helps."""
    a, b = near("a", "b"), near("b", "a")
    found = waiting(a, "10:14:21", node("node-1"), queue=(1, 2), circle=chain(a, [b], there=()))
    document = explain(found)
    assert (document["code"], document["could_fit"], document["queue"]) == ("NEAR", "never", None)
    assert document["sentence"] == (
        "a waits for ever: it is to be near b and b is to be near a, so neither can be placed first."
    )
    text = why(document, Look(None, now=found.now_ms / 1000))
    assert text.endswith("Fix    let one of them be free: ormen rm b, then run it without near")


def test_a_circle_is_found_over_any_number_and_by_whoever_waits_behind_it() -> None:
    """By name and by group, also one that was given the name it is to be near; many links are counted."""
    a, b, c = near("a", "web"), near("web-1", "c"), near("c", "a")
    assert around(a, b, c) == ["a", "web-1", "c"]
    assert around(near("d", "a"), a, b, c) == ["d", "a", "web-1", "c"]
    itself = explain(waiting(a, "10:14:21", node("node-1"), circle=chain(near("web", "web"), (), there=())))
    assert itself["sentence"].endswith(" is to be near web, which is itself.")
    ring = [near(f"t{n}", f"t{(n + 1) % 9}") for n in range(9)]
    found = waiting(ring[0], "10:14:21", node("node-1"), circle=chain(ring[0], ring, there=()))
    assert explain(found)["sentence"] == (
        "t0 waits for ever: 9 tasks are each to be near the next, all round, so none of them can be placed first."
    )


def test_no_circle_is_told_where_one_of_them_can_be_placed() -> None:
    """The other is not there, has no such wish, has a twin without one that can be first, or one of a group runs."""
    a, b = near("a", "web"), near("web-1", "a")
    assert around(a) == []
    assert around(a, near("other", "a")) == []
    assert around(a, b, near("web-2", "cache")) == []
    assert around(a, b, there=("web",)) == []
    assert around(a, b, there=("a",)) == []
    assert around(a, b, near("web-2", "a")) == ["a", "web-1"]


def test_a_task_that_waits_for_another_reads_as_a_sentence() -> None:
    """Also where nothing goes round: because it is to be near, and what to start."""
    found = explain(waiting(near("a", "b"), "10:14:21", node("node-1"), queue=(1, 1)))
    assert found["sentence"] == "a waits because it is to be near b, which is on no node."
    assert (found["could_fit"], found["fixes"][0]["sentence"]) == ("later", "start b, or run it without near")
