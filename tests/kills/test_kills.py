"""API, agents and control worker die at every single command of every flow: nothing is lost, nothing runs twice.

A sample of the moments is gone through; with ``ORMEN_KILLS=all`` every one is.
"""

from __future__ import annotations

import os
import random
import statistics
from collections.abc import Iterator

import pytest

from tests.kills.fleet import Fleet, fleet
from tests.kills.flows import FLOWS, go_through

SAMPLE = os.environ.get("ORMEN_KILLS", "2")
"""How many moments of each flow are gone through, or ``all``."""


@pytest.fixture(scope="module")
def cluster(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A deck and two nodes of real processes, for all flows."""
    with fleet(tmp_path_factory.mktemp("kills"), image) as made:
        yield made


def moments(steps: int, seed: str) -> list[tuple[int, bool]]:
    """Every moment of so many steps, or a sample of them and the first: the last steps are not always reached."""
    every = [(at, after) for at in range(1, steps + 1) for after in (False, True)]
    if SAMPLE == "all":
        return every
    return [every[0], *sorted(random.Random(seed).sample(every[1:], min(int(SAMPLE), len(every) - 1)))]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", FLOWS)
def test_a_process_may_die_at_any_moment(cluster: Fleet, name: str) -> None:
    """Whatever command it dies at, the flow ends as it should, once, with everything in agreement."""
    flow = FLOWS[name]
    whole = go_through(cluster, flow, 0, after=False)
    healed, seed = [], f"{name} {random.random()}"
    wrong: list[str] = []
    for at, after in moments(len(whole.passed), seed):
        try:
            moment = go_through(cluster, flow, at, after=after)
        except AssertionError as error:
            wrong.append(f"{at} {after}: {error}")
            if SAMPLE != "all":
                break
        else:
            healed += [moment.healed_s] if moment.label else []
            print(f"{name}: {at} {moment.label}: {moment.healed_s:.2f} s", flush=True)
    assert not wrong, "\n\n".join(wrong)
    assert healed
    print(f"{name}: {len(whole.passed)} steps, {len(healed)} kills, median {statistics.median(healed):.2f} s,"
          f" most {max(healed):.2f} s")  # fmt: skip
