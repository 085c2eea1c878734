"""``/v1/tasks/{task}/exec`` and ``/v1/talks``: what is refused before any node hears of it, and whose a talk is."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from flask.testing import FlaskClient

from ormen.settings import Settings
from ormen.store.loops import LoopStore
from ormen.store.talks import TalkStore, Wish
from ormen.talk import OUT, Frame
from tests.integration.sailors import Sailor

WEB_ID = "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4"
TALK = "5e20bb91-6a0f-4f3b-8a57-0d1c9e7b2a44"


@pytest.fixture
def talks(settings: Settings, api: FlaskClient, sailor: Sailor, store: LoopStore) -> TalkStore:
    """An open talk with web, asked for by nobody in particular."""
    api.post("/v1/tasks", json={"id": WEB_ID, "name": "web", "image": "nginx"})
    sailor.start(WEB_ID)
    opened = TalkStore(settings, store.client)
    opened.open(TALK, store.find("web"), Wish("exec", {"command": ["cat"]}))
    return opened


def faults(answer: Any) -> list[tuple[str, str]]:
    """The pointers and codes of a refusal."""
    return [(fault["pointer"], fault["code"]) for fault in answer.get_json()["errors"]]


def test_every_fault_of_a_command_is_named(api: FlaskClient, talks: TalkStore) -> None:
    """A command is refused whole, with all that is wrong with it, before any node hears of it."""
    body = {"command": [""], "tty": "yes", "workdir": "tmp", "user": "", "envv": {}}
    answer = api.post("/v1/tasks/web/exec", json=body)
    assert answer.status_code == 422
    assert sorted(faults(answer)) == [
        ("/command", "MALFORMED"), ("/envv", "UNKNOWN_FIELD"), ("/tty", "WRONG_TYPE"), ("/user", "MALFORMED"),
        ("/workdir", "MALFORMED"),
    ]  # fmt: skip


def test_every_fault_of_input_is_named(api: FlaskClient, talks: TalkStore) -> None:
    """Input that is no frame, no base64, no size or no signal is refused, and nothing of it is told."""
    bad = [{"kind": "data", "data": "?"}, {"kind": "out"}, {"kind": "size", "data": "eA=="}, 7]
    answer = api.post(f"/v1/talks/{TALK}/input", json={"seq": -1, "frames": bad})
    assert sorted(faults(answer)) == [
        ("/frames/0", "MALFORMED"), ("/frames/1", "NOT_A_CHOICE"), ("/frames/2", "MALFORMED"),
        ("/frames/3", "WRONG_TYPE"), ("/seq", "OUT_OF_RANGE"),
    ]  # fmt: skip
    assert talks.listen(TALK, after="0-0", block_ms=1).frames == ()


def test_what_the_node_says_is_read_in_order(api: FlaskClient, talks: TalkStore) -> None:
    """An answer holds what came and from where to go on; with nothing new it is empty after the wait."""
    talks.utter(TALK, Frame(OUT, b"\0hi"))
    answer = api.get(f"/v1/talks/{TALK}/output").get_json()
    assert answer["frames"] == [{"kind": "out", "data": base64.b64encode(b"\0hi").decode()}]
    assert not answer["ended"]
    after = api.get(f"/v1/talks/{TALK}/output?wait=0&after={answer['next']}").get_json()
    assert after == {"frames": [], "next": answer["next"], "ended": False}
    assert faults(api.get(f"/v1/talks/{TALK}/output?after=x")) == [("/after", "MALFORMED")]


def test_a_talk_is_its_callers_own(api: FlaskClient, talks: TalkStore, store: LoopStore) -> None:
    """Somebody else's talk is not to be found: neither read, nor told, nor ended."""
    talks.open("ours", store.find("web"), Wish("exec", {"command": ["cat"]}, by="ann"))
    for answer in (
        api.get("/v1/talks/ours/output"),
        api.post("/v1/talks/ours/input", json={"seq": 0, "frames": []}),
        api.delete("/v1/talks/ours"),
        api.get("/v1/talks/none/output"),
    ):
        assert (answer.status_code, answer.get_json()["code"]) == (404, "TALK_NOT_FOUND")


def test_leaving_tells_the_node(api: FlaskClient, talks: TalkStore) -> None:
    """Who hangs up takes the sign of a reader away at once."""
    assert api.delete(f"/v1/talks/{TALK}").status_code == 204
    assert talks.attend(TALK)[0] is False


def test_a_deck_that_stops_takes_its_question_back(api: FlaskClient, talks: TalkStore) -> None:
    """No node begins it any more, the node is not blamed, and the same request may be made of the next deck."""
    api.application.extensions["ormen"].closing.set()
    talk = "0d1c9e7b-6a0f-4f3b-8a57-5e20bb912a44"
    answer = api.post("/v1/tasks/web/exec", json={"id": talk, "command": ["true"]})
    assert (answer.status_code, answer.get_json()["code"]) == (503, "DECK_ENDS")
    assert talks.pick(talk, node="node-1", instance="i") == "GONE"


def test_a_talk_that_was_taken_back_is_told_as_never_begun(api: FlaskClient, talks: TalkStore) -> None:
    """It is not said that something may go on where nothing was done."""
    assert talks.withdraw(TALK)
    (frame,) = api.get(f"/v1/talks/{TALK}/output?wait=0").get_json()["frames"]
    assert Frame.read(frame["kind"], frame["data"]).fault == (
        "NODE_SILENT", "node-1 has not begun it and never will; nothing was done",
    )  # fmt: skip
