"""Every fault of the table, made for real, is called what the table says, in a sentence that is enough by itself."""

from __future__ import annotations

import pytest

from ormen.reasons import Code
from tests.faults import ending, failing, placing, pulling, starting
from tests.faults.answers import Said, ask
from tests.faults.ground import Ground
from tests.faults.provoking import FAULTS
from tests.faults.table import ROWS, Row
from tests.waiting import wait_until

PATIENCE_S = 70
"""How long an answer may take. Docker looks for a log driver for 15 s, and is asked twice where no other node fits."""

MAKERS = (placing, pulling, starting, ending, failing)
"""The modules that register the faults."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{'slow: ' if row.slow else ''}{row.fault}")
def test_a_fault_is_named(ground: Ground, row: Row) -> None:
    """Asked why, ormen gives the fault's own code and the words that tell the thing, the amount and the place."""
    seen: list[Said] = [Said()]

    def named() -> bool:
        seen[0] = ask(ground, row, asked)
        return seen[0].fits(row, asked)

    with FAULTS[row.fault](ground) as asked:
        try:
            wait_until(named, timeout_s=PATIENCE_S)
        except AssertionError:
            pytest.fail(f"expected {row.code}, lacks {seen[0].missing(row, asked)}: {seen[0]}")


def test_every_row_has_its_fault_and_every_fault_its_row() -> None:
    """The table and what can be provoked are one list; it has every code that can be asked about."""
    assert MAKERS
    assert sorted(row.fault for row in ROWS) == sorted(FAULTS)
    # A pause always has another cause, and that is what is told.
    assert set(Code) - {row.code for row in ROWS} == {Code.BACKOFF}
