"""What a webhook's message holds, how it is signed, and where it may be sent."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from manager_api.control.sender import pause_s
from manager_api.telling import message
from ormen.events import Event
from ormen.reasons import Code, Reason
from ormen.task import State, Task, Wanted
from ormen.webhooks import KINDS, default_name, key_of, message_id, new_secret, sign, url_trouble

ROOT = Path(__file__).resolve().parents[2]
STEPS = {"task.placed", "task.received", "task.pulling", "task.pulled", "task.adopted", "task.stopping", "task.retried",
         "task.resized"}  # fmt: skip
"""Events that only those want who watch a task start or stop."""

FAILED = Event(
    "1795255331390-0", "task.failed", "7f3c", "web", 3, "node-1", "running", "failed",
    Reason(Code.EXIT, "Exited with code 1."), "Exited with code 1.",
)  # fmt: skip


def test_the_signature_is_that_of_the_specification() -> None:
    """The example that the makers of Standard Webhooks' libraries publish for theirs."""
    body = b'{"test": 2432232314}'
    secret, message = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    signed = sign(secret, message_id=message, timestamp_s=1614265330, body=body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_new_secret_is_one() -> None:
    """What the deck makes fits its own rule, and no two are alike."""
    assert len(key_of(new_secret())) == 32
    assert new_secret() != new_secret()


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("s3cret", "does not begin with whsec_"),
        ("whsec_" + base64.b64encode(b"x" * 23).decode(), "holds 23 bytes"),
        ("whsec_" + base64.b64encode(b"x" * 65).decode(), "holds 65 bytes"),
        ("whsec_not base64", "is no base64"),
    ],
)
def test_a_secret_that_is_none_is_refused_with_the_rule(secret: str, said: str) -> None:
    """Too short, too long, or in no base64: the sentence says so and names the rule."""
    with pytest.raises(ValueError, match="24 to 64 bytes in base64") as refused:
        key_of(secret)
    assert said in str(refused.value)
    assert secret not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "trouble"),
    [
        ("https://example.com/hook?x=1", None),
        ("http://[::1]:8000", None),
        ("ftp://example.com", "begins with neither"),
        ("file:///etc/passwd", "begins with neither"),
        ("example.com/hook", "begins with neither"),
        ("http:///hook", "names no host"),
        ("http://host:99999/", "is no URL"),
        ("http://host:0/", "names no port"),
        ("http://ann:pw@host/", "holds a user"),
        ("http://host/#top", "has a fragment"),
        ("http://host/a b", "holds a space"),
        ("http://host/a\r\nX: y", "holds a space"),
        ("http://höst/", "beyond ASCII"),
        ("http://host/" + "a" * 2000, "the most is 2000"),
    ],
)
def test_only_a_plain_http_url_is_a_receiver(url: str, trouble: str | None) -> None:
    """Anything else is refused with what is wrong with it."""
    found = url_trouble(url)
    assert found is None if trouble is None else trouble in str(found)


def test_a_message_says_what_happened_and_why_and_no_secret() -> None:
    """The sentence names the task, the place and the reason; of the spec only the image is told."""
    spec = {"image": "nginx", "env": {"PASSWORD": "hunter2"}}
    task = Task("7f3c", "web", spec, Wanted.RUNNING, State.FAILED, 1, "web.7f3c", exit_code=1)
    raw = message(FAILED, task, None, cluster="c0ffee")
    body = json.loads(raw)
    assert (body["type"], body["timestamp"]) == ("task.failed", "2026-11-21T10:02:11.390Z")
    assert body["data"]["sentence"] == "web failed on node-1: Exited with code 1."
    assert body["data"]["event"]["reason"]["code"] == "EXIT"
    assert (body["data"]["task"]["image"], body["data"]["task"]["exit_code"]) == ("nginx", 1)
    assert b"hunter2" not in raw


def test_a_nodes_message_reads_well() -> None:
    """A node is lost; nobody is told of a task."""
    lost = Event("1-0", "node.lost", node="node-2", sentence="silent for 8.1s; its tasks are moved")
    body = json.loads(message(lost, None, None, cluster="c0ffee"))
    assert body["data"]["sentence"] == "node-2 is lost: silent for 8.1s; its tasks are moved"
    assert body["data"]["task"] is None


def test_a_messages_id_is_the_events() -> None:
    """Whoever sends it, and however often, the id is the same; another cluster's is another."""
    assert message_id("a" * 32, "17-0") == message_id("a" * 32, "17-0") != message_id("b" * 32, "17-0")


def test_every_event_can_be_told_or_is_a_step_in_between() -> None:
    """A type of event that is new in the code has to be thought of here."""
    written = re.compile(r"""["']((?:task|node|brake)\.[a-z_]+)["']""")
    paths = [*(ROOT / "ormen" / "store").rglob("*.py"), *(ROOT / "ormen" / "store").rglob("*.lua")]
    paths += (ROOT / "worker_agent").rglob("*.py")
    found = {kind for path in paths for kind in written.findall(path.read_text())} - {"task.", "node."}
    found |= {f"task.{state.value}" for state in State if state is not State.SCHEDULED}
    assert found - set(KINDS) == STEPS
    assert set(KINDS) - found == {"node.suspect"}, "derived from the node's state"


def test_the_pauses_grow_to_an_hour() -> None:
    """5 s, then three times as long each time."""
    assert [pause_s(number) for number in (1, 2, 3, 6, 7, 100)] == [5, 15, 45, 1215, 3600, 3600]


def test_a_webhook_without_a_name_has_its_receivers() -> None:
    """The host, without what no name may hold."""
    assert default_name("https://ops.example.com:8443/x") == "ops.example.com"
    assert default_name("http://[::1]:80/") == "1"
