"""Log files of the children."""

from __future__ import annotations

import pytest

from ormen.local.logs import WARNING, Follower, last_words, parse, rotate


@pytest.mark.parametrize(
    ("raw", "rank", "text"),
    [
        ("[2026-11-21 10:02:14,123: WARNING/MainProcess] pull retried", 2, "pull retried"),
        ("[2026-11-21 10:02:14 +0000] [4121] [INFO] Booting worker", 1, "Booting worker"),
        ("2026-11-21T10:02:14.123Z error no engine", 3, "no engine"),
        ("2026-11-21T10:02:14+0000 WARNING task report: pull retried", 2, "task report: pull retried"),
        ("[W 261121 10:02:14 command:168] no such page", 2, "no such page"),
        ("4121:M 21 Nov 2026 10:02:14.123 # Out of memory", 2, "Out of memory"),
        ("4121:M 21 Nov 2026 10:02:14.123 * Ready", 1, "Ready"),
        ('  File "app.py", line 3, in main', None, '  File "app.py", line 3, in main'),
    ],
)
def test_a_line_is_read_whoever_wrote_it(raw, rank, text):
    """Its own time and level go, its weight stays."""
    line = parse(raw)
    assert (line.rank, line.text) == (rank, text)
    assert WARNING == 2


def test_a_follower_gives_whole_lines_only(tmp_path):
    """Half a line waits for its other half."""
    log = tmp_path / "log"
    log.write_text("old\n")
    follower = Follower(log, offset=4)
    with open(log, "a") as out:
        out.write("one\ntw")
        out.flush()
        assert follower.lines() == ["one"]
        out.write("o\n")
    assert follower.lines() == ["two"]
    assert follower.lines() == []


def test_a_log_that_grows_too_large_is_rotated_under_its_writer(tmp_path):
    """The writer goes on in an empty file, three older ones are kept, and a follower misses nothing new."""
    log = tmp_path / "deck.log"
    with open(log, "a") as out:
        for number in range(5):
            out.write(f"{number}" * 50)
            out.flush()
            assert rotate(log, largest=40)
        follower = Follower(log)
        out.write("new\n")
    assert follower.lines() == ["new"]
    assert (tmp_path / "deck.log.1").read_text() == "4" * 50
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deck.log", *(f"deck.log.{n}" for n in (1, 2, 3))]


def test_the_last_words_are_of_the_last_run_only(tmp_path):
    """What an earlier run said is not evidence of this death."""
    log = tmp_path / "log"
    log.write_text("earlier run\n")
    start = log.stat().st_size
    with open(log, "a") as out:
        out.write("\n".join(f"line {number}" for number in range(8)) + "\n\n")
    assert last_words(log, offset=start) == tuple(f"line {number}" for number in range(3, 8))
