"""The brake's decision: for every fleet the script decides as the rule does, written down plainly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as search
from hypothesis import strategies as st

from ormen.reasons import Code
from ormen.settings import Settings
from ormen.store.loops import LoopStore
from tests.properties.depth import examples

KINDS = ("speaks", "suspect", "lost", "lost long ago", "left", "released", "emptied")
"""What may have become of a node; one more node, node-0, has a task and is judged now."""

SILENT_MS = {"speaks": 100, "suspect": 5000, "released": 90_000}


@pytest.fixture
def deck(settings: Settings) -> Iterator[LoopStore]:
    """The manager's side of an empty store."""
    opened = LoopStore.connect(settings, "test-brake")
    yield opened
    opened.close()


def is_mass_loss(fleet: Sequence[str]) -> bool:
    """The rule: at least three, and more than half of those that were there half a minute ago, are silent."""
    gone = 1 + sum(kind in ("suspect", "lost") for kind in fleet)
    return gone >= 3 and gone > (gone + fleet.count("speaks")) / 2


def bring_about(deck: LoopStore, fleet: Sequence[str]) -> None:
    """Write what the store holds of such a fleet."""
    deck.client.flushdb()
    now, keys = deck.now_ms(), deck.keys
    deck.client.hset(keys.loops, mapping={"since": 1, "liveness:began": now})
    deck.client.hset(keys.brake, "bar", now - 80_000)
    for number, kind in enumerate(["judged", *fleet]):
        name, lost = f"node-{number}", kind in ("lost", "lost long ago", "emptied")
        view = f"active 0 - {int(lost)} 1 1 1 0 0 0 {int(kind == 'judged')} 0 0 0 0 engine 1"
        deck.client.hset(keys.views, name, view)
        heard = 0 if kind == "left" else now - SILENT_MS.get(kind, 60_000)
        deck.client.zadd(keys.heartbeats, {name: heard})
        if lost:
            ago = {"lost": now - 20_000, "lost long ago": now - 40_000, "emptied": 0}[kind]
            deck.client.zadd(keys.losses, {name: ago})


@given(st.tuples(*(st.integers(0, 4) for _ in KINDS)))
@search(examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_script_decides_by_the_rule(deck: LoopStore, amounts: tuple[int, ...]) -> None:
    """Whoever is silent or lately lost counts; who left, was released, emptied or lost long before does not."""
    fleet = [kind for kind, amount in zip(KINDS, amounts, strict=True) for _ in range(amount)]
    bring_about(deck, fleet)
    deck.lose("node-0", silent_s=60, code=Code.NODE_LOST, text="lost", useless_ms=60_000)
    assert deck.braked() is is_mass_loss(fleet)
    brake = deck.brake([])
    assert not brake.on or 2 * brake.silent > brake.known
