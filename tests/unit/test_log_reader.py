"""How the client reads a log: on from where it broke off, and from attempt to attempt."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ormen.client import BrokenOff, Client
from ormen.errors import Busy
from ormen.log_place import OVERLAP, LogPlace
from tests.unit.cli_stub import UP, WEB, Answer, Stub, deck, log, moment, problem

LOGS, TASK = f"GET /v1/tasks/{WEB['id']}/logs", f"GET /v1/tasks/{WEB['id']}"
RUNS = {**UP, "container_id": "c"}
SECOND = {**RUNS, "attempt": 2}
WAITS = {**WEB, "state": "pending", "reason": {"code": "EXIT", "sentence": "Exited with code 1."}}
DONE = {**RUNS, "state": "completed"}


def read(stub: Stub, **options: Any) -> tuple[str, list[str]]:
    """Read the log of web to its end; return it with what was told."""
    told: list[str] = []
    pieces = Client(stub.address).logs(str(WEB["id"]), notice=told.append, **options)
    return b"".join(pieces).decode(), told


@pytest.mark.parametrize("follow", [False, True])
def test_a_log_that_broke_off_goes_on_where_it_was(follow: bool) -> None:
    """The rest is asked for from shortly before the last line, of the same attempt; no line comes twice or is lost."""
    answers = {LOGS: [log("a", "b", end=None), log("b", "c", first=1)], TASK: [RUNS, DONE]}
    with deck(answers) as stub:
        assert read(stub, tail=2, follow=follow)[0] == "a\nb\nc\n"
    first, again = (seen.query for seen in stub.seen if seen.path.endswith("logs"))
    assert (first["tail"], "since" in first) == (["2"], False)
    assert ("tail" in again, again["attempt"]) == (False, ["1"])
    assert moment(0) < again["since"][0] < moment(1)


@pytest.mark.parametrize("end", ["DECK_ENDS", "NODE_SILENT", "AGENT_ENDS"])
def test_an_end_that_is_none_of_the_container_is_not_the_end(end: str) -> None:
    """A deck that stops or a node that is silent leaves a log that goes on."""
    with deck({LOGS: [log("a", end=end), log("a", "b")], TASK: [RUNS, DONE]}) as stub:
        assert read(stub, follow=True)[0] == "a\nb\n"


def test_nothing_is_lost_before_the_first_line() -> None:
    """A follower of nothing but new lines asks from its own beginning on when its line drops."""
    with deck({LOGS: [log(end=None), log("a", first=1)], TASK: [RUNS, DONE]}) as stub:
        assert read(stub, tail=0, follow=True)[0] == "a\n"
    assert stub.seen[2].query["since"] == [moment(0)]


def test_a_deck_that_is_away_is_waited_for_and_told() -> None:
    """One sentence when it is away, one when it is back, however often it was tried."""
    away = Answer(cut=True)
    with deck({LOGS: [log("a", end=None), log("a", "b")], TASK: [away, away, RUNS, DONE]}) as stub:
        printed, told = read(stub, follow=True)
        assert printed == "a\nb\n"
    assert told[0] == f"the deck at {stub.address} does not answer, trying again"
    assert [sentence.partition(" after")[0] for sentence in told[1:]] == ["back", "web is completed on node-1"]


def test_a_busy_deck_is_told_at_once_and_waited_for_later() -> None:
    """Whoever comes first without a place hears so; whoever was reading is let in again."""
    busy = problem(503, "BUSY", "this process already gives 200 streams")
    with deck({LOGS: busy}) as stub, pytest.raises(Busy):
        read(stub, follow=True)
    with deck({LOGS: [log("a", end=None), busy, log("a", "b")], TASK: [RUNS, RUNS, DONE]}) as stub:
        printed, told = read(stub, follow=True)
    assert (printed, told[0]) == ("a\nb\n", "this process already gives 200 streams, trying again")


def test_a_followed_log_goes_on_with_the_next_attempt() -> None:
    """While the task waits its reason is told; then comes the whole log of the next attempt, until the task ends."""
    answers = {LOGS: [log("a"), log("b", attempt=2)], TASK: [RUNS, WAITS, WAITS, SECOND, {**DONE, "attempt": 2}]}
    answers[LOGS].insert(1, log("a"))
    with deck(answers) as stub:
        printed, told = read(stub, tail=1, follow=True)
    assert printed == "a\nb\n"
    assert told == ["web is pending: Exited with code 1.", "web: attempt 2 on node-1", "web is completed on node-1"]
    assert stub.seen[-2].query == {"attempt": ["2"], "follow": ["1"], "format": ["json"]}


def test_an_attempt_that_came_and_went_shows_what_was_kept() -> None:
    """Of an attempt that ended before it could be followed the last lines on record are shown."""
    answers = {
        LOGS: [log("a"), log("kept", attempt=2, live=False), log("c", attempt=3)],
        TASK: [{**RUNS, "attempt": 3}, {**RUNS, "attempt": 3}, {**DONE, "attempt": 3}],
    }
    with deck(answers) as stub:
        printed, told = read(stub, follow=True)
    assert printed == "a\nkept\nc\n"
    assert told[0] == "web: attempt 2 on node-1, the lines kept of it"


def test_an_attempt_without_a_trace_is_passed_over() -> None:
    """Attempts that are not on record any more hold nothing up."""
    nothing = problem(404, "ATTEMPT_NOT_FOUND", "web has no attempt 2 on record")
    answers = {LOGS: [log("a"), nothing, log("c", attempt=3)], TASK: [{**RUNS, "attempt": 3}, {**DONE, "attempt": 3}]}
    with deck(answers) as stub:
        assert read(stub, follow=True)[0] == "a\nc\n"


def test_kept_lines_of_a_log_that_was_followed_are_not_shown_again() -> None:
    """When the container has gone while the line was down, its last lines on record are known but for the very last."""
    with deck({LOGS: [log("a", "b", end=None), log("a", "b", live=False)], TASK: [RUNS, DONE]}) as stub:
        printed, told = read(stub, follow=True)
    assert printed == "a\nb\n"
    gone = "web: the container of attempt 1 has gone meanwhile, and what it printed last may be missing"
    assert told == [gone, "web is completed on node-1"]


def test_lines_on_record_are_not_taken_for_the_whole_log() -> None:
    """Whoever begins with an attempt whose container is gone is told that these are the lines kept of it."""
    with deck({LOGS: log("a", live=False)}) as stub:
        assert read(stub) == ("a\n", ["web: attempt 1 on node-1, the lines kept of it"])


def test_a_removed_task_ends_its_log() -> None:
    """There is nothing more to come, and the last word says so."""
    gone = problem(404, "TASK_NOT_FOUND", "no task")
    with deck({LOGS: log("a"), TASK: gone}) as stub:
        assert read(stub, follow=True) == ("a\n", ["web was removed"])


def test_a_log_that_cannot_be_had_whole_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without follow the rest is not waited for for ever: the error says why, after what was there."""
    monkeypatch.setattr("ormen.log_reader.PATIENCE_S", 0.5)
    silent = problem(504, "NODE_SILENT", "node-1 has not answered within 10s")
    with deck({LOGS: [log("a", end=None), silent]}) as stub:
        pieces = Client(stub.address).logs(str(WEB["id"]))
        assert next(pieces) == b"a\n"
        with pytest.raises(BrokenOff, match="node-1 has not answered within 10s"):
            next(pieces)


def objects(count: int, dice: random.Random) -> list[dict[str, Any]]:
    """A log: times that rise but for a little disorder, some the same, and lines in up to three objects."""
    found = []
    at_ms = 0
    for number in range(count):
        at_ms += dice.choice([0, 0, 1, 90, 2000])
        late_ms = max(0, at_ms - dice.choice([0, 0, 3]))
        at = f"2026-11-21T10:{late_ms // 60000:02d}:{late_ms % 60000 // 1000:02d}.{late_ms % 1000:03d}000000Z"
        parts = [f"{number}:" + "x" * dice.randrange(4) for _ in range(dice.choice([1, 1, 1, 2, 3]))]
        found += [{"at": at, "text": part, **({"more": True} if part is not parts[-1] else {})} for part in parts]
        if len(parts) > 1:
            found[-1].pop("more", None)
    return found


def lines_of(whole: list[dict[str, Any]], since: str | None, dice: random.Random) -> Iterator[Mapping[str, Any]]:
    """The log from a time on, as a deck gives it that cuts long lines elsewhere each time."""
    line: list[dict[str, Any]] = []
    for each in whole:
        line.append(each)
        if each.get("more"):
            continue
        at, text, line = line[0]["at"], "".join(one["text"] for one in line), []
        if since is not None and at < since:
            continue
        while len(text) > 1 and dice.random() < 0.3:
            cut = dice.randrange(1, len(text))
            yield {"at": at, "text": text[:cut], "more": True}
            text = text[cut:]
        yield {"at": at, "text": text}


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 40), max_size=5))
def test_a_log_cut_anywhere_is_read_whole(seed: int, cuts: list[int]) -> None:
    """Wherever the line drops, and however often, what is shown is the log: every line once, in its order."""
    dice = random.Random(seed)
    whole = objects(40, dice)
    place, shown = LogPlace(), ""
    for cut in [*cuts, None]:
        since = place.resume()
        for number, record in enumerate(lines_of(whole, since, dice)):
            if number == cut:
                break
            text = place.take(record)
            if text is not None:
                shown += text + ("" if record.get("more") else "\n")
    assert OVERLAP.total_seconds() > 0.003
    assert shown == "".join(each["text"] + ("" if each.get("more") else "\n") for each in whole)
