"""What an end means, as values: the table of transitions, the back-off, and the words."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from ormen.exits import coded
from ormen.reasons import Code, Reason
from ormen.spec import RestartPolicy, Spec
from ormen.task import State, Task, Wanted
from worker_agent import judgement
from worker_agent.judgement import End, pause_s, span

TASK = Task("id", "web", {}, Wanted.RUNNING, State.RUNNING, 0, "web.x", attempt=2, node="node-1")
DICE = random.Random(1)


def spec(mode: str = "on-failure", most: int | None = None, limit: int | None = None) -> Spec:
    return Spec("busybox", restart=RestartPolicy(mode, most), memory_limit_bytes=limit)


@pytest.mark.parametrize(
    ("mode", "code", "target"),
    [
        ("no", 0, State.COMPLETED),
        ("no", 1, State.FAILED),
        ("on-failure", 0, State.COMPLETED),
        ("on-failure", 1, State.PENDING),
        ("always", 0, State.PENDING),
        ("unless-stopped", 0, State.PENDING),
        ("always", 1, State.PENDING),
    ],
)
def test_an_own_exit_is_judged_by_the_restart_policy(mode: str, code: int, target: State) -> None:
    """A program's own exit completes, fails or repeats the task as its restart policy says."""
    assert judgement.exited(TASK, spec(mode), End("c", code), DICE).target is target


def test_tries_are_spent_one_by_one_and_then_the_task_fails() -> None:
    """on-failure:2 means three attempts; the last one's reason says that the policy is spent."""
    first = judgement.exited(replace(TASK, tries=1), spec(most=2), End("c", 1), DICE)
    last = judgement.exited(replace(TASK, tries=2), spec(most=2), End("c", 1), DICE)
    assert (first.target, first.spends, first.release) == (State.PENDING, True, False)
    assert (last.target, last.spends, last.release) == (State.FAILED, True, True)
    assert last.reason is not None
    assert last.reason.sentence.endswith("; on-failure:2 is spent after 3 attempts.")


@pytest.mark.parametrize(("code", "target"), [(75, State.PENDING), (111, State.PENDING), (1, State.FAILED)])
def test_only_the_chosen_exit_codes_are_tried_again(code: int, target: State) -> None:
    """With retry_on every other code fails at once, and the reason says why; a failed check is no exit code."""
    chosen = Spec("busybox", restart=RestartPolicy("on-failure", 3, (75, 111)))
    news = judgement.exited(TASK, chosen, End("c", code), DICE)
    assert news.target is target
    assert news.reason is not None
    assert news.reason.sentence.endswith("; only 75, 111 is tried again (retry_on).") is (code == 1)
    check = Reason(Code.HEALTH_TCP, "No.")
    assert judgement.unhealthy(TASK, chosen, End("c", 1), reason=check, rng=DICE).target is State.PENDING


@pytest.mark.parametrize("mode", ["no", "on-failure", "always"])
def test_an_exit_by_somebody_else_is_interrupted_under_any_policy(mode: str) -> None:
    """An exit that somebody else caused is followed by a new attempt and spends nothing, whatever its code."""
    news = judgement.exited(TASK, spec(mode), End("c", 0, cause="somebody sent it SIGTERM"), DICE)
    assert (news.target, news.spends) == (State.PENDING, False)
    assert news.reason == Reason(Code.INTERRUPTED, "Interrupted on node-1: somebody sent it SIGTERM; exit code 0.")


def test_want_of_memory_is_told_from_other_kills() -> None:
    """An OOM kill names the limit it reached."""
    news = judgement.exited(TASK, spec(limit=256 * 1024**2), End("c", 137, oom=True, ran_s=368), DICE)
    assert news.reason is not None
    assert news.reason.code is Code.OOM
    assert news.reason.sentence == (
        "Killed for want of memory: it reached its limit of 256 MiB, 6m8s after its start on node-1."
    )


def test_the_exit_code_is_decoded() -> None:
    """A code above 128 names its signal, also in the reason of an exit."""
    assert coded(137) == "exit code 137 (SIGKILL)"
    assert coded(1) == "exit code 1"
    assert coded(128 + 64) == "exit code 192 (SIGRTMAX)"
    news = judgement.exited(TASK, spec(), End("c", 137, ran_s=2.1), DICE)
    assert news.reason is not None
    assert news.reason.sentence == "Exited with code 137 (SIGKILL), 2.1s after its start on node-1."


def test_pauses_grow_from_nothing_to_a_minute() -> None:
    """The first restart is at once, then the pause doubles from a second to at most a minute."""
    pauses = [pause_s(n, DICE) for n in range(12)]
    assert pauses[0] == 0
    for plain, pause in zip([1, 2, 4, 8, 16, 32], pauses[1:7], strict=True):
        assert plain <= pause <= plain * 1.2
    assert pauses[7:] == [60.0] * 5


def test_ten_good_minutes_forget_the_pauses() -> None:
    """After ten minutes of good running the next restart is at once again."""
    tired = replace(TASK, delays=6)
    quick, long = (judgement.exited(tired, spec(), End("c", 1, ran_s=ran), DICE) for ran in (2.0, 601.0))
    assert quick.delay_ms >= 32_000
    assert (long.delay_ms, long.delays) == (0, 1)


def test_a_refusal_frees_the_seat_and_avoids_the_node() -> None:
    """What a node refuses before the start spends no try, leaves the node, and tries another first."""
    news = judgement.refused(TASK, Reason(Code.PORT_IN_USE, "Port 80 is taken."), DICE)
    assert (news.target, news.spends, news.release, news.avoid_ms) == (State.PENDING, False, True, 600_000)


def test_what_a_node_lacks_sends_the_task_to_the_next_at_once() -> None:
    """No pause and no back-off while nodes are tried for the first time; from the second look at one on there are."""
    reason = Reason(Code.NODE_LACKS, "This host's Docker has no network backend.")
    tired = replace(TASK, delays=3)
    first, second = (judgement.refused(replace(tired, avoid=seen), reason, DICE) for seen in ({}, {"node-1": 1}))
    assert (first.delay_ms, first.delays, first.avoid_ms) == (0, 3, 600_000)
    assert first.reason == Reason(Code.NODE_LACKS, "node-1's Docker has no network backend.")
    assert (second.delay_ms >= 4000, second.delays) == (True, 4)


def test_a_drain_leaves_the_node_and_a_restart_keeps_the_seat() -> None:
    """A restarted task keeps its seat; a drained one gives it up."""
    again = judgement.renewed(replace(TASK, restart=2), End("c", 0))
    drained = judgement.renewed(replace(TASK, restart=2, restart_code=Code.NODE_DRAINING), End("c", 0))
    assert (again.release, again.reason and again.reason.code) == (False, Code.RESTARTED)
    assert (drained.release, drained.reason and drained.reason.code) == (True, Code.NODE_DRAINING)


def test_spans_are_short() -> None:
    """Durations are written as people read them."""
    assert [span(value) for value in (0.24, 59.9, 368, 7260)] == ["0.2s", "59.9s", "6m8s", "2h1m"]


@pytest.mark.parametrize(
    ("line", "code", "means"),
    [
        ("exec /hello: exec format error", 1, True),
        ("standard_init_linux.go:228: exec user process caused: exec format error", 1, True),
        ("exec /hello: exec format error", 255, True),
        ("exec /hello: exec format error", 2, False),
        ("sh: /hello: Exec format error", 1, False),
        ("my own exec /hello: exec format error", 1, False),
    ],
)
def test_a_start_that_the_kernel_refused_is_read_from_the_runtimes_last_line(line: str, code: int, means: bool) -> None:
    """Docker calls it a start and an exit; only the line that runc leaves, with its code, says what it was."""
    assert judgement.not_executed(End("c", code, log_tail=("hello", line))) is means
    assert not judgement.not_executed(End("c", code, cause="somebody sent it SIGKILL", log_tail=(line,)))


def test_a_program_that_cannot_be_executed_spends_no_try_and_leaves_the_node() -> None:
    """It is a refusal of the node: under any policy another node is tried, and the node is named."""
    reason = Reason(Code.PULL_ARCH, "This host is no good, and this host knows.")
    news = judgement.unfit(TASK, End("c", 1, ran_s=0.1), reason, DICE)
    assert (news.target, news.spends, news.release, news.exit_code) == (State.PENDING, False, True, 1)
    assert news.reason == Reason(Code.PULL_ARCH, "node-1 is no good, and node-1 knows.")
