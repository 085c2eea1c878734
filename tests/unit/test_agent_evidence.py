"""By whose doing a container ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker_agent.evidence import PATIENCE_MS, Evidence
from worker_agent.kernel_kills import KernelKills
from worker_agent.runtime import Container, RuntimeEvent

NOW = 1_000_000_000
ENDED = Container("c", "web", "exited", exit_code=0, started_ms=NOW - 60_000, finished_ms=NOW)


def event(kind: str, *, signal: int | None = None, code: int | None = None, at: int = NOW) -> RuntimeEvent:
    return RuntimeEvent(kind, "c", "task", 1, exit_code=code, signal=signal, at_ns=at * 1_000_000)


@pytest.fixture
def evidence() -> Evidence:
    """Give evidence with an open event stream."""
    made = Evidence()
    made.connected(restarted_between=None)
    return made


def test_a_death_without_a_kill_is_the_programs_own(evidence: Evidence) -> None:
    """An exit that the engine announced without a signal before it is the program's own."""
    evidence.hear(event("die", code=0))
    verdict = evidence.verdict(ENDED, NOW)
    assert (verdict.known, verdict.cause) == (True, None)


def test_a_kill_that_is_not_ours_is_somebody_elses(evidence: Evidence) -> None:
    """A signal sent through the engine by somebody else explains the exit after it."""
    evidence.hear(event("kill", signal=15))
    evidence.hear(event("die", code=0))
    assert evidence.verdict(ENDED, NOW).cause == "somebody sent it SIGTERM"


def test_our_own_kill_is_not_the_programs_choice(evidence: Evidence) -> None:
    """Who asks for a verdict on what we stopped has a record that still wants it: our report did not come through."""
    with evidence.ending("c"):
        evidence.hear(event("kill", signal=15))
        evidence.hear(event("die", code=0))
    assert evidence.verdict(ENDED, NOW).cause == "its agent stopped it, and could not report why"


@pytest.mark.parametrize(("signal", "before_ms"), [(1, 10), (10, 10), (28, 10), (15, 400_000)])
def test_a_harmless_or_old_signal_explains_nothing(evidence: Evidence, signal: int, before_ms: int) -> None:
    """A reload, or a signal long before the exit, has not ended the program."""
    evidence.hear(event("kill", signal=signal, at=NOW - before_ms))
    evidence.hear(event("die", code=0))
    assert evidence.verdict(ENDED, NOW).cause is None


def test_an_exit_waits_for_the_event_that_explains_it(evidence: Evidence) -> None:
    """An exit seen by the list before its event is not judged at once, but not left unjudged either."""
    assert not evidence.verdict(ENDED, NOW).known
    assert evidence.verdict(ENDED, NOW + PATIENCE_MS).known


def test_nothing_is_judged_while_the_stream_is_closed(evidence: Evidence) -> None:
    """Without the event stream it is not known who ended a container."""
    evidence.hear(event("die", code=0))
    evidence.disconnected()
    assert not evidence.verdict(ENDED, NOW + 60_000).known


@pytest.mark.parametrize("finished", [NOW, NOW + 4_000, None])
def test_an_engine_that_restarted_took_its_containers_with_it(evidence: Evidence, finished: int | None) -> None:
    """Every exit around the engine's restart is the engine's doing, also one without a time of its end."""
    evidence.disconnected()
    evidence.connected(restarted_between=(NOW + 100, NOW + 3_000))
    died = Container("c", "web", "exited", exit_code=0, finished_ms=finished)
    assert evidence.verdict(died, NOW + 5_000).cause == "the engine or its host stopped around it"


def test_a_container_that_runs_again_starts_with_a_clean_sheet(evidence: Evidence) -> None:
    """What was heard of a container's former run says nothing of the next."""
    evidence.hear(event("kill", signal=9))
    evidence.hear(event("die", code=137))
    evidence.hear(event("start"))
    evidence.hear(event("die", code=0))
    assert evidence.verdict(ENDED, NOW).cause is None


def test_a_signal_that_a_reader_sends_is_no_interruption(evidence: Evidence) -> None:
    """An end after a signal that was passed on is the program's own; after somebody else's it is not."""
    evidence.pass_on("c")
    evidence.hear(event("kill", signal=2))
    evidence.hear(event("die", code=0))
    assert evidence.verdict(ENDED, NOW).cause is None
    evidence.hear(event("kill", signal=9, at=NOW - 1))
    assert evidence.verdict(ENDED, NOW).cause is not None


def test_a_kill_that_the_engine_told_explains_no_other_end(tmp_path: Path) -> None:
    """Of two ends and two kills, one told: the untold one explains the second end, and a third is left unexplained."""
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("oom_kill 0\n")
    evidence = Evidence(kills=KernelKills(vmstat))
    vmstat.write_text("oom_kill 2\n")
    evidence.hear(event("oom"))
    assert [evidence.oom_unheard(name) for name in ("c", "d", "e")] == [True, True, False]


def test_a_kill_that_is_told_late_is_counted_once(tmp_path: Path) -> None:
    """The event of a kill that the count has already explained takes nothing from the next end."""
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("oom_kill 0\n")
    evidence = Evidence(kills=KernelKills(vmstat))
    vmstat.write_text("oom_kill 1\n")
    assert evidence.oom_unheard("c")
    vmstat.write_text("oom_kill 2\n")
    evidence.hear(event("oom"))
    assert evidence.oom_unheard("d")
