"""The kernel's count of kills for want of memory, where the engine misses one."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker_agent.kernel_kills import LATELY_S, KernelKills


class Kernel:
    """A count that the test raises, and the time."""

    def __init__(self, folder: Path) -> None:
        self.vmstat = folder / "vmstat"
        self.now = 100.0
        self.kill(7)

    def kill(self, total: int) -> None:
        self.vmstat.write_text(f"pgfault 1\noom_kill {total}\nnuma_hit 3\n")


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """Give a kernel that has killed seven processes before."""
    return Kernel(tmp_path)


def test_each_kill_is_claimed_once(kernel: Kernel) -> None:
    """What was killed before the agent began explains nothing; two kills since explain two ends."""
    kills = KernelKills(kernel.vmstat, lambda: kernel.now)
    assert not kills.claim()
    kernel.kill(9)
    assert [kills.claim() for _ in range(3)] == [True, True, False]


def test_a_kill_of_long_ago_explains_nothing(kernel: Kernel) -> None:
    """A kill that nobody has claimed is forgotten after some seconds, not before."""
    kills = KernelKills(kernel.vmstat, lambda: kernel.now)
    kernel.kill(9)
    kills.look()
    kernel.now += LATELY_S - 0.1
    kills.look()
    assert kills.claim()
    kernel.now += 0.2
    kills.look()
    assert not kills.claim()


def test_a_kernel_that_does_not_count_has_killed_nothing(tmp_path: Path) -> None:
    """Where there is no such file or line, as on an old kernel, nothing is claimed."""
    kills = KernelKills(tmp_path / "vmstat")
    kills.look()
    assert not kills.claim()
    (tmp_path / "vmstat").write_text("pgfault 1\n")
    assert not kills.claim()
