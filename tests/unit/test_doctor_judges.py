"""What the doctor makes of what was read: where a trouble begins, and what is none yet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from why_cases import node

from manager_api.control.loops import INTERVALS_MS
from ormen.brake import Brake
from ormen.doctor import fleet, redis, work
from ormen.doctor.finding import Finding
from ormen.doctor.fleet import FleetSeen
from ormen.doctor.redis import RedisSeen
from ormen.doctor.work import Waiting, WorkSeen
from ormen.node import NodeState
from ormen.reasons import Code, Reason
from ormen.store.examining import is_guarded, redis_cli

NOW = 1_795_255_331_390
HOUR_MS = 3_600_000
LOOPS = dict.fromkeys(work.LATE_S, 1.0)


def faults(findings: Any) -> dict[str, Finding]:
    """Return what is wrong, by code."""
    return {one.code: one for one in findings if one.code != "OK"}


def worked(**seen: Any) -> dict[str, Finding]:
    """Return what is wrong with the work of a cluster in which all else is well."""
    return faults(work.judge(replace(WorkSeen(NOW, LOOPS, Brake()), **seen)))


def fleet_of(**fields: Any) -> dict[str, Finding]:
    """Return what is wrong with node-1, whose fields are well but for these."""
    pool = fields.pop("pool", {})
    one = node("node-1", **{"agent_version": "1", **fields})
    return faults(fleet.judge(FleetSeen([one], "1", NOW, pool=pool)))


@pytest.mark.parametrize(
    ("what", "code", "least_s"),
    [
        ({"queues": "node.node-1"}, "QUEUE_STUCK", 15),
        ({"queues": "control"}, "QUEUE_STUCK", 15),
        ({"inboxes": "node-1"}, "INBOX_STUCK", 15),
        ({"removals": "node-1"}, "REMOVALS_UNCONFIRMED", 120),
    ],
)
def test_what_waits_is_a_trouble_only_after_its_time(what: dict[str, str], code: str, least_s: int) -> None:
    """A moment's waiting is none; how long it was stands in the sentence."""
    ((kind, place),) = what.items()
    assert worked(**{kind: {place: Waiting(1, least_s - 0.1)}}) == {}
    assert list(worked(**{kind: {place: Waiting(1, float(least_s))}})) == [code]


def test_nothing_is_expected_of_a_silent_node_but_what_it_has_not_confirmed() -> None:
    """That it is silent is told of the node; what was removed there waits for its return, or is given up with it."""
    old = {"node-1": Waiting(2, 999.0)}
    found = worked(queues={"node.node-1": Waiting(2, 999.0)}, inboxes=old, removals=old, silent=frozenset({"node-1"}))
    assert list(found) == ["REMOVALS_UNCONFIRMED"]
    assert found["REMOVALS_UNCONFIRMED"].fix == "bring it back, or ormen mast rm node-1"
    assert worked(removals=old)["REMOVALS_UNCONFIRMED"].fix == "systemctl restart ormen-sailor on node-1"


def test_a_loop_is_late_by_its_own_measure() -> None:
    """Several intervals; one that never ran is late at once where all depends on it, else once its time is over."""
    for loop, late_s in work.LATE_S.items():
        assert late_s * 1000 >= 3 * INTERVALS_MS[loop]
        assert work.late_loops({loop: late_s}, up_s=9e9) == []
        assert work.late_loops({loop: late_s + 1}, up_s=9e9) != []
    never = dict.fromkeys(work.LATE_S)
    early, late = (work.late_loops(never, up_s=up_s) for up_s in (1.0, 301.0))
    assert [sentence.split()[2] for sentence in early] == ["liveness", "reschedule"]
    assert [sentence.split()[2] for sentence in late] == ["liveness", "reschedule", "health", "cleanup"]


def test_a_mark_is_told_once_it_may_have_been_forgotten() -> None:
    """After a day, with who it was and the command that ends it."""
    marked: dict[str, Any] = {"state": NodeState.CORDONED, "marked_by": "ann"}
    assert fleet_of(**marked, since_ms=NOW - 23 * HOUR_MS, state_reason=None).keys() == {"NO_NODE_READY"}
    found = fleet_of(**marked, since_ms=NOW - 25 * HOUR_MS)["NODE_MARKED"]
    assert found.sentence == "cordoned for 1d1h by ann; it takes no tasks"
    assert (found.level.value, found.fix) == ("warning", "ormen mast activate node-1")


def test_a_node_in_doubt_is_a_warning_and_one_that_complains_a_fault_with_its_cure() -> None:
    """Silence may be over in a moment; a deaf agent is started anew, a Docker that is down is started."""
    suspect: dict[str, Any] = {"state": NodeState.SUSPECT}
    quiet = Reason(Code.NODE_SUSPECT, "Its agent last spoke 4s ago.")
    assert fleet_of(**suspect, state_reason=quiet)["NODE_SUSPECT"].level.value == "warning"
    for code, fix in (
        (Code.NOT_CONSUMING, "systemctl restart ormen-sailor on node-1"),
        (Code.ENGINE_DOWN, "start it there: systemctl start docker"),
    ):
        found = fleet_of(**suspect, state_reason=Reason(code, "Said so."))[code.value]
        assert (found.level.value, found.sentence, found.fix) == ("fault", "takes no tasks: said so", fix)


def test_what_a_lost_host_last_said_of_itself_is_not_judged() -> None:
    """Its disk and its version are nobody's trouble now."""
    full: dict[str, Any] = {"facts": {"disk_percent": 99.0}, "agent_version": "0", "skew_ms": -9_000}
    assert {"DISK_FILLING", "VERSIONS", "CLOCK"} <= fleet_of(**full).keys()
    assert fleet_of(**full, state=NodeState.LOST).keys() == {"NODE_LOST", "NO_NODE_READY"}


def test_a_clock_behind_is_as_wrong_as_one_ahead_and_a_little_is_neither() -> None:
    """Two seconds are allowed."""
    assert fleet_of(skew_ms=-2_500)["CLOCK"].sentence.startswith("clock is 2.5s behind;")
    assert fleet_of(skew_ms=-1_900) == {}


def test_a_disk_fills_before_it_is_full() -> None:
    """From 85 % on, where agents begin to remove images; from 95 % on it is a fault."""
    found = [fleet_of(facts={"disk_percent": full}).get("DISK_FILLING") for full in (84.9, 85.0, 95.0)]
    assert [one and one.level.value for one in found] == [None, "warning", "fault"]


def test_a_pool_is_scarce_before_it_is_gone() -> None:
    """Of 10,000 ports, from 8,000 given away; from 9,800 on it is a fault."""
    levels = [fleet_of(pool={"engine-node-1": given}).get("PORTS_SCARCE") for given in (7_999, 8_000, 9_800)]
    assert [one and one.level.value for one in levels] == [None, "warning", "fault"]


def test_a_redis_that_anybody_may_write_to_or_whose_settings_are_hidden_is_told() -> None:
    """Each is a warning with its cure; the settings that are not known are not judged."""
    seen = RedisSeen("10.0.0.6:6379", "redis-cli -h 10.0.0.6", {"aof_enabled": 1, "role": "master"}, None, 0.3)
    found = faults(redis.judge(replace(seen, guarded=False)))
    assert [(one.code, one.level.value) for one in found.values()] == [
        ("REDIS_OPEN", "warning"), ("REDIS_UNREAD", "warning"),
    ]  # fmt: skip
    assert found["REDIS_OPEN"].fix == "redis-cli -h 10.0.0.6 config set requirepass PASSWORD; then in ORMEN_REDIS_URL"


@pytest.mark.parametrize(
    ("url", "guarded", "command"),
    [
        ("redis://:pw@10.0.0.6:6379/0", True, "redis-cli -h 10.0.0.6"),
        ("redis://10.0.0.6:6380/0", False, "redis-cli -h 10.0.0.6 -p 6380"),
        ("redis://127.0.0.1/0", True, "redis-cli -h 127.0.0.1"),
        ("rediss://:pw@redis.example.com/0", True, "redis-cli -h redis.example.com --tls"),
        ("unix:///run/redis.sock", True, "redis-cli -s /run/redis.sock"),
    ],
)
def test_how_to_reach_redis_by_hand_is_told_without_its_password(url: str, guarded: bool, command: str) -> None:
    """And whether it is open to others."""
    assert (is_guarded(url), redis_cli(url)) == (guarded, command)
