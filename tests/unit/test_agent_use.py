"""What an agent says of the use of its containers."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Barrier
from typing import Any

import psutil
import pytest

from ormen.settings import Settings
from tests.unit.agents import AgentBench
from worker_agent.use import APART_S, Users, use_of

FIGURES: dict[str, Any] = {
    "cpu_stats": {"cpu_usage": {"total_usage": 7_000}},
    "memory_stats": {"usage": 100, "limit": 400, "stats": {"inactive_file": 30}},
    "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}},
    "blkio_stats": {"io_service_bytes_recursive": [{"op": "read", "value": 5}, {"op": "Write", "value": 6}]},
    "pids_stats": {"current": 3},
}


@pytest.fixture
def bench(settings: Settings) -> Iterator[AgentBench]:
    """An agent on a fake engine."""
    made = AgentBench(settings)
    yield made
    made.close()


def test_the_engines_figures_are_added_up() -> None:
    """Networks and disks are sums; memory is without the files the kernel could drop, by either name of theirs."""
    use = use_of(FIGURES, at_s=1.0)
    assert use is not None
    assert (use.memory_bytes, use.received_bytes, use.sent_bytes, use.read_bytes, use.written_bytes) == (
        70,
        11,
        22,
        5,
        6,
    )
    older = {**FIGURES, "memory_stats": {"usage": 100, "limit": 400, "stats": {"total_inactive_file": 40}}}
    assert use_of(older, at_s=1.0).memory_bytes == 60  # type: ignore[union-attr]
    alone = use_of({**FIGURES, "networks": None, "blkio_stats": {"io_service_bytes_recursive": None}}, at_s=1.0)
    assert alone is not None
    assert (alone.received_bytes, alone.read_bytes) == (0, 0)


def test_a_limit_that_nobody_set_is_none() -> None:
    """Without a limit of its own the engine names all the memory of the host; that limits nothing."""
    total = psutil.virtual_memory().total
    for limit, shown in ((400, 400), (total - 1, total - 1), (total, None), (2**63 - 1, None), (None, None)):
        use = use_of({**FIGURES, "memory_stats": {"usage": 100, "limit": limit}}, at_s=1.0)
        assert use is not None
        assert use.memory_limit_bytes == shown


def test_a_container_without_a_process_uses_nothing() -> None:
    """Of one that has just ended the engine's figures are empty; no line is made of them."""
    assert (
        use_of({"cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}, "pids_stats": {}}, at_s=1.0) is None
    )


def test_the_use_of_the_processors_takes_two_looks(bench: AgentBench) -> None:
    """A first answer looks twice; the next goes by the last one's look and makes nobody wait."""
    web, other = bench.running("web"), bench.running("other")
    looks: list[str] = []
    use = bench.runtime.use
    bench.runtime.use = lambda word: (looks.append(word), use(word))[1]  # type: ignore[method-assign]
    pauses: list[float] = []
    users = Users(bench.agent.station, pause=pauses.append)
    first = users.answer({"tasks": None})["items"]
    assert ({row["task"] for row in first}, pauses, len(looks)) == ({web.id, other.id}, [APART_S], 4)
    assert [row["task"] for row in users.answer({"tasks": [web.id]})["items"]] == [web.id]


def test_an_engine_that_shows_figures_once_a_second_makes_many_containers_wait_no_longer(bench: AgentBench) -> None:
    """All containers are looked at together: those of Docker before 23 answer with the next second, however few ask."""
    tasks = [bench.running(f"web-{place}") for place in range(24)]
    together, use = Barrier(len(tasks)), bench.runtime.use

    def slow(word: str) -> Any:
        together.wait(timeout=5)
        return use(word)

    bench.runtime.use = slow  # type: ignore[method-assign]
    rows = Users(bench.agent.station, pause=lambda _: None).answer({"tasks": None})["items"]
    assert {row["task"] for row in rows} == {task.id for task in tasks}


def test_an_agent_looks_only_when_it_is_asked(bench: AgentBench) -> None:
    """However long containers run, nobody reads their figures for nothing."""
    bench.running("web")
    bench.runtime.use = None  # type: ignore[method-assign,assignment]
    for _ in range(5):
        bench.sync()
        bench.agent.tick(bench.now)
