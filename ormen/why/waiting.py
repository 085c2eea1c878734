"""Why a pending task waits: for room on a node, or for its next try after an end or a refusal."""

from __future__ import annotations

from ormen.exits import coded
from ormen.reasons import WAITS_FOR_ROOM, Code
from ormen.scheduler.words import listed
from ormen.task import Attempt, State
from ormen.units import MIB, format_age, format_duration, format_size
from ormen.why import attempts, catalogue, circle, clues, nodes
from ormen.why.attempts import ran_s
from ormen.why.case import Case, Fix, Story
from ormen.why.phrases import told

AMOUNTS = frozenset(code for code in Code if code.startswith("FIT_")) - {Code.FIT_PORT}
"""What freed room of other tasks gives back: such a task is looked at again at once."""

QUEUED = WAITS_FOR_ROOM - {
    Code.NODE_CORDONED,
    Code.NODE_DRAINING,
    Code.NODE_SUSPECT,
    Code.NODE_LOST,
    Code.NO_NODES,
    Code.VOLUME_ELSEWHERE,
}
"""Codes of those that stand in line; who waits for a node's return stands in none."""


def pending(case: Case) -> Story:
    """Return why a task that is wanted has no node now."""
    reason, refusal = case.task.reason, case.refusal
    code = reason.code if reason else None
    if code in WAITS_FOR_ROOM or reason is None or (refusal and refusal.could_fit != "now" and not _pauses(case)):
        return room(case)
    everywhere = _port_everywhere(case)
    if everywhere:
        return everywhere
    return tried(case)


def _pauses(case: Case) -> bool:
    return case.task.next_try_ms is not None and case.task.next_try_ms > case.now_ms


def room(case: Case) -> Story:
    """Return what every node lacks; or that one fits now, and when the task is placed."""
    refusal, name = case.refusal, case.task.name
    assert refusal is not None
    if refusal.could_fit == "now":
        return _due(case)
    if case.circle:
        return circle.story(case)
    fixes = tuple(Fix(sentence, command) for sentence, command in refusal.remedies(name))
    more = {"notes": list(refusal.notes), "could_fit": refusal.could_fit}
    return Story(refusal.reason.code, refusal.why(name), fixes, more | _queue(case, refusal.reason.code))


def _due(case: Case) -> Story:
    assert case.need is not None
    assert case.fleet is not None
    task, found = case.task, nodes.fitting(case.need, case.fleet)
    fit = f"{listed(found)} {'fits' if len(found) == 1 else 'fit'}"
    pauses = _pauses(case)
    when = f"in {_in(case)}" if pauses else "now"
    sentence = f"{task.name} is placed {when}: {fit}."
    code = task.reason.code if task.reason else None
    if task.reason and code in (Code.NODE_LOST, Code.NODE_DRAINING) and case.ended:
        sentence = f"{task.name} is moved {when}: {attempts.said(case.ended[0])}; {fit}."
    return Story(code or (Code.BACKOFF if pauses else None), sentence, (), {"could_fit": "now"})


def _queue(case: Case, code: Code) -> dict[str, object]:
    if case.queue is None or code not in QUEUED:
        return {}
    place, length = case.queue
    return {"queue": {"place": place, "length": length, "freed": code in AMOUNTS}}


def _in(case: Case) -> str:
    """Return how long it is until the next try: ``6s``."""
    return format_age(max(1, round(((case.task.next_try_ms or 0) - case.now_ms) / 1000)))


def next_try(case: Case) -> str:
    """Return the end of a sentence that says when the next attempt comes."""
    return f"next try in {_in(case)}" if _pauses(case) else "it is being tried again now"


def _port_everywhere(case: Case) -> Story | None:
    """Say that a host port is taken on every node that takes tasks, where some hold it outside ormen."""
    reason = case.task.reason
    found = nodes.PORT.search(reason.sentence) if reason and reason.code is Code.PORT_IN_USE else None
    if found is None or case.fleet is None or len(case.fleet.nodes) < 2:
        return None
    port = found["port"] + ("" if found["protocol"] == "tcp" else f"/{found['protocol']}")
    told_rows, _ = nodes.rows(case, every=True)
    taking = {node.name for node in case.fleet.nodes if node.takes_tasks}
    for row in told_rows:
        if row["node"] in taking and not any(b["sentence"].startswith(f"port {port}: ") for b in row["blockers"]):
            return None
    where = "every node" if len(taking) == len(case.fleet.nodes) else listed(sorted(taking))
    sentence = f"{case.task.name} waits because host port {port} is taken on {where}."
    fixed = [one.container for one in case.spec.ports if one.host is not None]
    fixes = (Fix(f"publish any free port instead: -p {fixed[0]}"),) if fixed else ()
    more = {"could_fit": "later", "next": attempts.next_attempt(case) if _pauses(case) else None}
    return Story(Code.FIT_PORT, sentence, fixes + catalogue.retry(case), more | _queue(case, Code.FIT_PORT))


def tried(case: Case) -> Story:
    """Return how the last attempt ended and when the next one comes."""
    task, reason = case.task, case.task.reason
    assert reason is not None
    last = case.ended[0] if case.ended else None
    if last and reason.code is Code.EXIT:
        return _exits(case, last)
    if last and reason.code is Code.OOM:
        return oom(case, last)
    said = attempts.without_pause(reason.sentence)
    if last and last.started_ms is None and last.reason:
        sentence = f"{task.name} does not start on {last.node}: {attempts.said(last)}; {next_try(case)}."
    else:
        sentence = f"{told(task.name, said)}; {next_try(case)}."
    where = last.node if last else None
    fixes = catalogue.fixes(reason.code, case, node=where) + catalogue.retry(case)
    return Story(reason.code, sentence, fixes, _evidence(case, lines=5))


def _exits(case: Case, last: Attempt) -> Story:
    name, same = case.task.name, attempts.alike(case.ended)
    code = coded(last.exit_code).removeprefix("exit ")
    ran = ran_s(last) or 0.0
    after = f"{format_duration(ran)} after its start"
    often = attempts.lasting(same)
    if len(same) < 2:
        said = f"exited with {code}, {after} on {last.node}"
    elif often:
        said = f"exits with {code} {often} after each start"
    else:
        said = f"exits with {code} again and again, last {after}"
    cure = clues.cure(last.log_tail)
    fixes = ((Fix(cure),) if cure else catalogue.fixes(Code.EXIT, case)) + catalogue.retry(case)
    return Story(Code.EXIT, f"{name} {said}; {next_try(case)}.", fixes, _evidence(case, lines=5))


def _evidence(case: Case, *, lines: int) -> dict[str, object]:
    return {
        "attempts": [attempts.document(one) for one in case.ended],
        "next": attempts.next_attempt(case) if case.task.state == "pending" else None,
        "could_fit": case.refusal.could_fit if case.refusal else None,
        **attempts.last_words(case.ended[:1], most=lines),
    }


def oom(case: Case, last: Attempt) -> Story:
    """Return that an attempt was killed for want of memory, and what would give it more."""
    task, limit = case.task, attempts.reached_bytes(last)
    ran = ran_s(last)
    reached = f"it reached its limit of {format_size(limit)}" if limit else "its host had none left"
    after = f" after {format_age(ran)}" if ran is not None and ran >= 1 else " at once"
    then = f"; {next_try(case)}" if task.state == "pending" else ""
    sentence = f"{task.name} was killed for want of memory: {reached}{after}{then}."
    return Story(Code.OOM, sentence, _more_memory(case, reached=limit or 0), _evidence(case, lines=1))


def _more_memory(case: Case, *, reached: int) -> tuple[Fix, ...]:
    limit, name = case.spec.memory_limit_bytes, case.task.name
    if not limit:
        return (Fix("reserve what it needs, so that a node with room is chosen", f"ormen update {name} --memory SIZE"),)
    if limit // MIB > reached // MIB:  # the agent tells whole MiB
        more = Fix(f"it has {format_size(limit)} by now: ormen restart {name}")
        return ((more,) if case.task.state is State.FAILED else ()) + catalogue.retry(case)
    twice = f"{2 * limit // 1024**2}m"
    free = case.node.free.memory_bytes if case.node else 0
    room_for_it = f" ({case.node.name} has {format_size(free)} free)" if case.node and free >= limit else ""
    again = f", then ormen restart {name}" if case.task.state is State.FAILED else ""
    return (Fix(f"ormen update {name} --memory {twice}{room_for_it}{again}"), *catalogue.retry(case))
