"""What an end means: from a task's record, its spec and what was seen, the news for the store. Pure.

Every report of the agent is built here, so this page and the transition table can be laid side by side. Only an
attempt's own end (EXIT, OOM, HEALTH_*) spends its restart policy; what somebody else caused never does. The store
writes a reason's sentence as that of the event, so `sentence` is set only where there is no reason.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace

from ormen.exits import coded
from ormen.reasons import SPENDS, Code, Reason
from ormen.spec import RestartPolicy, Spec
from ormen.store.agent import Report
from ormen.task import Health, State, Task
from ormen.units import format_age
from worker_agent.runtime import Container

FORGOTTEN_AFTER_S = 600.0
"""A run at least this long forgets the back-offs before it."""
BACKOFF_MOST_S = 60.0
"""The longest pause between two attempts."""
JITTER = 0.2
"""A pause is made longer by up to this part, so that tasks which fell together do not rise together."""
AVOID_MS = 600_000
"""How long another node is preferred to the one that refused an attempt."""
DOWN_PAUSE_MS = 5_000
"""How long a task waits after its cluster was taken down, so that a node still going down is not handed it."""

_NOT_EXECUTED = re.compile(r"(standard_init_linux\.go:\d+: )?exec (user process caused|/\S+): exec format error")
"""What runc writes into the container's log, in its older and its newer words."""


@dataclass(frozen=True, slots=True)
class End:
    """How a container ended. `cause` says in a clause who ended it, None if it was the program itself.

    `unreported`: its start was never reported, so both transitions are made at once. `exit_code` is None when
    the container is gone and nobody saw its code.
    """

    container_id: str | None
    exit_code: int | None
    oom: bool = False
    cause: str | None = None
    ran_s: float = 0.0
    log_tail: tuple[str, ...] = ()
    unreported: bool = False

    @classmethod
    def of(cls, container: Container, *, tail: tuple[str, ...], cause: str | None, unreported: bool) -> End:
        """Return the end of a container that was inspected after it ended."""
        started, finished = container.started_ms, container.finished_ms
        ran_s = max(0.0, (finished - started) / 1000) if started and finished else 0.0
        return cls(container.id, container.exit_code, container.oom_killed, cause, ran_s, tail, unreported)


@dataclass(frozen=True, slots=True)
class Again:
    """A next attempt: why, how long the last one ran, and whether this node is avoided or keeps its seat.

    `at_once`: it follows without a pause, and counts as no back-off.
    """

    reason: Reason
    ran_s: float = 0.0
    leaves: bool = False
    at_once: bool = False


def started(task: Task, container: Container, health: Health | None) -> Report:
    """Return the news that the attempt's container runs."""
    return Report(
        task=task.id,
        node=str(task.node),
        attempt=task.attempt,
        target=State.RUNNING,
        sentence=f"{container.name} started",
        container_id=container.id,
        # On the host's network nothing is published, and the record's own ports are what keeps others from them.
        ports=None if container.network_mode == "host" else container.ports,
        health=health,
    )


def exited(task: Task, spec: Spec, end: End, rng: random.Random) -> Report:
    """Return what an exit means: completed, a next attempt, or failed once the restart policy is spent."""
    if end.cause is not None:
        longest_s = spec.deadline.run_s
        if longest_s is not None and end.ran_s >= longest_s:
            # Its agent was killed while it ended it, or was away when it should have: the time was over all the same.
            return overdue(task, end, longest_s)
        return _again(task, end, _interrupted(task, end), rng)
    code = end.exit_code if end.exit_code is not None else -1
    if spec.restart.allows(exit_code=code, spent=task.tries):
        reason = _exit_reason(task, spec, end)
        return _again(task, end, Again(reason, end.ran_s), rng)
    if code == 0:
        return _last(task, end, State.COMPLETED, reason=None, sentence=f"exited with code 0 after {span(end.ran_s)}")
    reason = _exit_reason(task, spec, end)
    if spec.restart.counts(code):
        reason = spent(reason, spec.restart, task.tries)
    elif spec.restart.mode == "on-failure":
        cured = ", ".join(str(each) for each in spec.restart.retry_on)
        reason = Reason(reason.code, f"{reason.sentence.rstrip('.')}; only {cured} is tried again (retry_on).")
    return _last(task, end, State.FAILED, reason=reason)


def overdue(task: Task, end: End, longest_s: float) -> Report:
    """Return the news that the attempt was ended since its time was over: the task fails, whatever its policy."""
    sentence = (
        f"Ran for {format_age(longest_s)} on {task.node}, its deadline.run, and was ended: {coded(end.exit_code)}."
    )
    return _last(task, end, State.FAILED, reason=Reason(Code.DEADLINE_RUN, sentence))


def unhealthy(task: Task, spec: Spec, end: End, *, reason: Reason, rng: random.Random) -> Report:
    """Return what a failed check means: it spends the policy as an exit with a code other than 0 does."""
    # Exit codes are the program's own words, so `retry_on` says nothing of its check.
    if replace(spec.restart, retry_on=()).allows(exit_code=1, spent=task.tries):
        return _again(task, end, Again(reason, end.ran_s), rng)
    reason = spent(reason, spec.restart, task.tries)
    return _last(task, end, State.FAILED, reason=reason)


def refused(task: Task, reason: Reason, rng: random.Random) -> Report:
    """Return the news that this node cannot start the attempt: another node is tried before it for a while.

    The engine's faults speak of "this host"; whoever reads the task's record is elsewhere, so the node is named.
    """
    # What a node lacks the next may have: pauses begin with the second look at the same one.
    at_once = reason.code is Code.NODE_LACKS and task.node not in task.avoid
    return _again(task, End(None, None), Again(_named(task, reason), leaves=True, at_once=at_once), rng)


def not_executed(end: End) -> bool:
    """Return whether the container ended since the kernel would not execute its program, which Docker calls a start.

    All that is left of it is the runtime's own last line, and the code by which the runtime ended.
    """
    last = end.log_tail[-1] if end.log_tail else ""
    return end.cause is None and end.exit_code in (1, 255) and _NOT_EXECUTED.fullmatch(last.strip()) is not None


def unfit(task: Task, end: End, reason: Reason, rng: random.Random) -> Report:
    """Return the news of an attempt whose program this node cannot execute: a refusal, although it has ended."""
    return _again(task, end, Again(_named(task, reason), end.ran_s, leaves=True), rng)


def stopped(task: Task, end: End, *, took_s: float, killed: bool) -> Report:
    """Return the news that the stop which was asked for is done."""
    if end.container_id is None:
        sentence = f"stopped before it ran on {task.node}"
    elif killed:
        sentence = f"did not stop in time and was killed on {task.node} after {span(took_s)}, {coded(end.exit_code)}"
    else:
        sentence = f"stopped on {task.node} in {span(took_s)}, {coded(end.exit_code)}"
    reason = Reason(Code.STOPPED, f"{sentence[0].upper()}{sentence[1:]}.")
    return _last(task, end, State.COMPLETED, reason=reason)


def renewed(task: Task, end: End) -> Report:
    """Return the news that the attempt was ended so that a next one follows (RESTARTED, NODE_DRAINING …)."""
    code = task.restart_code or Code.RESTARTED
    leaves = code is not Code.RESTARTED
    why = f"{task.node} is being drained" if code is Code.NODE_DRAINING else "a restart was asked"
    reason = Reason(code, f"Stopped on {task.node}, since {why}.")
    return replace(
        _ended(task, end, State.PENDING),
        reason=reason,
        release=leaves,
        avoid_ms=AVOID_MS if leaves else 0,
        delay_ms=0,
        delays=0,
    )


def taken_down(task: Task, end: End) -> Report:
    """Return the news that the container was stopped because the whole cluster goes down."""
    reason = Reason(Code.CLUSTER_DOWN, f"Stopped on {task.node} with the cluster; it starts again with the cluster.")
    return replace(
        _ended(task, end, State.PENDING),
        reason=reason,
        release=True,
        delay_ms=DOWN_PAUSE_MS,
        delays=0,
    )


def pause_s(delays: int, rng: random.Random) -> float:
    """Return the pause before the next attempt after `delays` earlier ones: 0, then 1 s x 2^n to 60 s, with jitter."""
    if delays <= 0:
        return 0.0
    plain = min(BACKOFF_MOST_S, 2.0 ** min(delays - 1, 16))
    return float(min(BACKOFF_MOST_S, plain * (1 + JITTER * rng.random())))


def span(seconds: float) -> str:
    """Return a duration for people: ``0.2s``, ``6m8s``, ``1h2m``."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest}s"
    return f"{minutes // 60}h{minutes % 60}m"


def spent(reason: Reason, policy: RestartPolicy, tries: int) -> Reason:
    """Return the reason of a last attempt, which says that the restart policy has no try left."""
    if policy.mode == "no":
        return reason
    name = policy.mode if policy.most is None else f"{policy.mode}:{policy.most}"
    times = f"{tries + 1} attempts" if tries else "1 attempt"
    return Reason(reason.code, f"{reason.sentence.rstrip('.')}; {name} is spent after {times}.")


def _named(task: Task, reason: Reason) -> Reason:
    return Reason(reason.code, re.sub(r"\b[Tt]his host\b", str(task.node), reason.sentence))


def _exit_reason(task: Task, spec: Spec, end: End) -> Reason:
    after = f"{span(end.ran_s)} after its start on {task.node}"
    if end.oom and end.exit_code != 0:
        limit = spec.memory_limit_bytes
        reached = f"it reached its limit of {limit // 1024**2} MiB" if limit else "the host had none left"
        return Reason(Code.OOM, f"Killed for want of memory: {reached}, {after}.")
    return Reason(Code.EXIT, f"Exited with {coded(end.exit_code).removeprefix('exit ')}, {after}.")


def _interrupted(task: Task, end: End) -> Again:
    sentence = f"Interrupted on {task.node}: {end.cause}; {coded(end.exit_code)}."
    return Again(Reason(Code.INTERRUPTED, sentence), end.ran_s)


def _again(task: Task, end: End, again: Again, rng: random.Random) -> Report:
    delays = 0 if again.ran_s >= FORGOTTEN_AFTER_S else task.delays
    pause = 0.0 if again.at_once else pause_s(delays, rng)
    return replace(
        _ended(task, end, State.PENDING),
        reason=_paused(again.reason, pause, task.attempt + 1),
        release=again.leaves,
        avoid_ms=AVOID_MS if again.leaves else 0,
        delay_ms=round(pause * 1000),
        delays=delays if again.at_once else delays + 1,
        spends=again.reason.code in SPENDS,
    )


def _paused(reason: Reason, pause: float, attempt: int) -> Reason:
    """Return the reason with the pause that follows, so that a crash loop is seen for what it is."""
    if not pause:
        return reason
    return Reason(reason.code, f"{reason.sentence.rstrip('.')}; attempt {attempt} follows a pause of {span(pause)}.")


def _last(task: Task, end: End, target: State, *, reason: Reason | None, sentence: str = "") -> Report:
    return replace(
        _ended(task, end, target),
        reason=reason,
        sentence=sentence,
        release=True,
        spends=reason is not None and reason.code in SPENDS,
    )


def _ended(task: Task, end: End, target: State) -> Report:
    return Report(
        task=task.id,
        node=str(task.node),
        attempt=task.attempt,
        target=target,
        container_id=end.container_id,
        exit_code=end.exit_code,
        log_tail=end.log_tail,
        also_started=f"{task.container_name} started" if end.unreported else None,
    )
