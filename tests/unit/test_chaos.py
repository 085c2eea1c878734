"""The chaos run's own sense: its plan is the seed's, and its judge sees what it is there to see."""

from __future__ import annotations

from typing import Any

import pytest

from ormen.node import Resources
from tests.chaos.book import REMOVED, RUNNING, STOPPED, Entry
from tests.chaos.plan import BY_NAME, KILL_PAUSE, plan
from tests.chaos.run import percentile
from tests.chaos.verdict import flaw_of, flaws, reservation_flaws
from tests.chaos.watcher import TWICE_S, Box, Twice, boxes_of

NOW = 1_800_000_000.0
MIB = 1024**2


def entry(kind: str = "always", wanted: str = RUNNING) -> Entry:
    """A task in the book."""
    return Entry("t", "web", kind, {}, wanted)


def record(state: str = "running", **more: Any) -> dict[str, Any]:
    """A record as the deck shows it."""
    spec = {"image": "echo", "cpu": 0.1, "memory": "16MiB"}
    usual = {"state": state, "node": "host7", "container_id": "c1", "attempt": 1, "reason": None, "next_try_at": None}
    return {**usual, "ports": [], "spec": spec, **more}


def box(host: str = "host7", cid: str = "c1", state: str = "running") -> Box:
    """A container as Docker lists it."""
    return Box(host, cid, "t", 1, state)


def test_the_same_seed_makes_the_same_plan() -> None:
    """So a finding can be looked for again; and another seed makes another plan, of as many faults."""
    assert plan(100, 7) == plan(100, 7) != plan(100, 8)
    assert sum(len(burst.faults) for burst in plan(100, 7)) == 100


def test_no_two_faults_of_a_burst_hold_the_same_thing() -> None:
    """A host without power has no agent that could be frozen, and no engine that could be stopped."""
    for burst in plan(1000, 3):
        held = [(fault.where, what) for fault in burst.faults for what in BY_NAME[fault.kind].holds]
        assert len(held) == len(set(held)), burst


def test_a_part_is_not_killed_as_often_as_a_crash_loop() -> None:
    """Whatever is supervised is left alone for some bursts after each kill."""
    last: dict[str, int] = {}
    for burst in plan(1000, 3):
        for fault in (fault for fault in burst.faults if BY_NAME[fault.kind].kills):
            assert burst.number - last.get(fault.where, -KILL_PAUSE) >= KILL_PAUSE
            last[fault.where] = burst.number


LATER, ENDED = "2027-01-15T08:00:01.000Z", [box(state="exited")]
INTERRUPTED = {"code": "INTERRUPTED", "sentence": ""}


@pytest.mark.parametrize(
    ("task", "said", "there", "kind"),
    [
        (entry(), record(), [box()], None),
        (entry(), None, [box()], "lost"),
        (entry(), record(), [box(), box("host8", "c2")], "doubled"),
        (entry(), record(), [box(), box("host8", "c2", "exited")], "left"),
        (entry(), record(), [box("host8")], "said"),
        (entry(), record(), [box(cid="c2")], "said"),
        (entry(), record(), ENDED, "said"),
        (entry(), record("pending"), [], "said"),
        (entry(), record("pending", reason=INTERRUPTED, next_try_at=LATER), ENDED, "waits"),
        (entry(), record("pending", reason=INTERRUPTED, next_try_at=LATER), [box()], "said"),
        (entry(), record("completed"), ENDED, "ended"),
        (entry("job"), record("completed"), ENDED, None),
        (entry("job"), record("failed"), ENDED, "ended"),
        (entry("failing"), record("failed"), ENDED, None),
        (entry("failing"), record("completed"), ENDED, "ended"),
        (entry(wanted=STOPPED), record("completed"), ENDED, None),
        (entry(wanted=STOPPED), record("completed"), [box()], "said"),
        (entry(wanted=STOPPED), record(), [box()], "said"),
        (entry(wanted=REMOVED), None, [], None),
        (entry(wanted=REMOVED), record("completed"), [], "left"),
        (entry(wanted=REMOVED), None, ENDED, "left"),
    ],
)
def test_a_flaw_is_seen(task: Entry, said: dict[str, Any] | None, there: list[Box], kind: str | None) -> None:
    """Each way in which the book, the deck and Docker can differ has its name."""
    found = flaw_of(task, said, there, NOW)
    assert (found.kind if found else None) == kind


def test_what_nobody_submitted_is_seen() -> None:
    """A record or a container of a task that is not in the book is left behind by somebody."""
    assert [flaw.kind for flaw in flaws([], {"t": record()}, [])] == ["left"]
    assert [flaw.kind for flaw in flaws([], {}, [box()])] == ["left"]


def test_a_task_that_runs_twice_is_a_finding_once_both_hosts_are_within_reach() -> None:
    """The five seconds begin when neither host is held by a fault, and anew when one is."""
    twice, able = Twice(), {"host7": True, "host8": True}
    both = [box(), box("host8", "c2")]
    assert twice.look(both, able, NOW) == {}
    assert twice.look(both, able, NOW + TWICE_S) == {}
    assert twice.look(both, {**able, "host8": False}, NOW + TWICE_S + 1) == {}
    assert twice.look(both, able, NOW + 10) == {}
    assert twice.look(both, able, NOW + 10.1 + TWICE_S) == {"t": both}
    assert twice.look(both[:1], able, NOW + 11 + TWICE_S) == {}


def test_only_the_clusters_own_containers_are_its_boxes() -> None:
    """What carries another cluster's label, or none, is foreign."""
    listed = [
        {"Id": "a", "State": "running", "Labels": {"ormen.cluster": "us", "ormen.task": "t", "ormen.attempt": "2"}},
        {"Id": "b", "State": "running", "Labels": {"ormen.cluster": "them", "ormen.task": "t"}},
        {"Id": "c", "State": "running", "Labels": None},
    ]
    assert boxes_of("host7", listed, "us") == (Box("host7", "a", "t", 2, "running"),)


def test_what_a_node_has_reserved_is_held_against_what_lives_there() -> None:
    """An amount, a number of tasks or a port that nobody there holds is left behind."""
    amounts = Resources(100, 16 * MIB).to_json()
    node = {"name": "host7", "reserved": amounts, "tasks": 1, "ports": {}}
    assert reservation_flaws([node], {"t": record()}) == []
    assert len(reservation_flaws([node], {})) == 1
    assert len(reservation_flaws([{**node, "ports": {"80/tcp": "web"}}], {"t": record()})) == 1


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """Half of the values are at most p50, and of a hundred one is above p99."""
    values = [float(number) for number in range(1, 101)]
    assert (percentile(values, 50), percentile(values, 99), percentile([3.0], 99)) == (50, 99, 3)
