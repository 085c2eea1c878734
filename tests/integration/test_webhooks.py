"""Webhooks: told once, signed, again until taken, for a day; whoever dies, and whoever does not answer."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from flask.testing import FlaskClient

from manager_api.control.sender import Sender
from ormen.settings import Settings
from ormen.store import hooks as rules
from ormen.store.hooks import HookStore
from ormen.store.loops import LoopStore
from ormen.webhooks import Webhook, new_secret
from tests.integration.receiver import Receiver, receiving
from tests.integration.sailors import Sailor
from tests.waiting import wait_until

DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    with receiving() as made:
        yield made


@pytest.fixture
def hooks(settings: Settings, store: LoopStore) -> HookStore:
    """The webhooks in the store."""
    return HookStore(settings, store.client)


@pytest.fixture
def sender(settings: Settings) -> Iterator[Sender]:
    """A deck's sender; it does nothing by itself."""
    made = Sender(settings)
    yield made
    made.stop()
    wait_until(lambda: not made._busy)
    made.store.close()


def add(api: FlaskClient, url: str, *events: str, **more: Any) -> dict[str, Any]:
    """Make a webhook."""
    answer = api.post("/v1/webhooks", json={"url": url, "events": list(events or ["task.failed"]), **more})
    assert answer.status_code == 201, answer.get_json()
    return dict(answer.get_json())


def shown(api: FlaskClient) -> dict[str, Any]:
    """The only webhook, as it is listed."""
    (found,) = api.get("/v1/webhooks").get_json()["items"]
    return dict(found)


def happen(store: LoopStore, amount: int = 1, *, kind: str = "task.failed", event_id: str = "*") -> None:
    """Write events as the scripts do."""
    with store.client.pipeline() as pipe:
        for _ in range(amount):
            pipe.xadd(store.keys.events, {"type": kind, "name": "web", "node": "node-1", "text": "why"}, id=event_id)
        pipe.execute()


def fall_due(hooks: HookStore, name: str) -> None:
    """Let the time of everything that waits for a webhook have come: pauses, and claims of those who died."""
    queue = hooks.keys.webhook_queue(name)
    hooks.client.zadd(queue, dict.fromkeys(hooks.client.zrange(queue, 0, -1), 0))


def test_a_failed_task_is_told_with_its_reason(
    api: FlaskClient, receiver: Receiver, sailor: Sailor, sender: Sender
) -> None:
    """Signed with the secret that was shown, as anybody's own code finds; other events are not told."""
    made = add(api, receiver.url, "task.failed", "node.lost")
    sender.start()
    task = api.post("/v1/tasks", json={"image": "nginx", "name": "web"}).get_json()
    sailor.start(task["id"])
    sailor.end(task["id"], exit_code=3)
    wait_until(lambda: receiver.got)
    (got,) = receiver.got
    signed = f"{got.id}.{got.headers['webhook-timestamp']}.".encode() + got.body
    key = base64.b64decode(made["secret"].removeprefix("whsec_"))
    ours = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{ours}"
    told = json.loads(got.body)["data"]
    assert told["sentence"] == told["why"]["sentence"] == "web failed: it exited with code 3."
    assert (told["why"]["code"], told["task"]["node"], told["event"]["attempt"]) == ("EXIT", "node-1", 1)
    wait_until(lambda: shown(api)["delivered"] == 1)
    assert re.fullmatch(r"answered 204 in \d+ ms", shown(api)["last_result"])


def test_why_is_told_only_while_it_is_so(
    api: FlaskClient, receiver: Receiver, sailor: Sailor, sender: Sender, hooks: HookStore
) -> None:
    """Of a task that was tried again meanwhile the message says what the event said, and never what it printed.

    Likewise where it has failed again: only the newest failure is explained.
    """
    name = add(api, receiver.url)["name"]
    for number, word in enumerate(("now", "late", "again")):
        task = api.post("/v1/tasks", json={"image": "nginx", "name": word}).get_json()
        sailor.start(task["id"])
        sailor.end(task["id"], exit_code=3, log=("password: hunter2",))
        if number:
            api.post(f"/v1/tasks/{word}/retry")
    sailor.start(task["id"], attempt=2)
    sailor.end(task["id"], attempt=2, exit_code=4)
    sender.step(hooks.hook(name))
    now, late, once, again = (json.loads(got.body)["data"] for got in receiver.got)
    assert (now["why"]["code"], late["why"], once["why"]) == ("EXIT", None, None)
    assert again["sentence"] == "again failed: it exited with code 4."
    assert (late["sentence"], late["task"]["state"]) == ("late failed on node-1: Exited with code 3.", "scheduled")
    assert not any(b"hunter2" in got.body for got in receiver.got)


def test_a_message_that_cannot_be_made_keeps_no_other(
    api: FlaskClient, receiver: Receiver, sender: Sender, store: LoopStore, hooks: HookStore
) -> None:
    """A fault of ours with one event is a failed try; the next event is told."""
    name = add(api, receiver.url)["name"]
    happen(store, 2)
    with mock.patch("manager_api.control.sender.tell", side_effect=[ValueError, b"{}"]):
        for _ in range(2):
            sender.step(hooks.hook(name))
    assert (len(receiver.got), shown(api)["waiting"]) == (1, 1)


def test_two_decks_tell_each_event_once(
    api: FlaskClient, receiver: Receiver, sender: Sender, settings: Settings, store: LoopStore
) -> None:
    """However many send: each of sixty events arrives once, under an id of its own."""
    add(api, receiver.url)
    other = Sender(settings)
    for one in (sender, other):
        one.start()
    for _ in range(6):
        happen(store, 10)
    wait_until(lambda: shown(api)["delivered"] == 60)
    assert len(receiver.got) == 60
    assert set(receiver.times().values()) == {1}
    other.stop()


def test_a_killed_sender_is_replaced_and_the_id_stays(
    api: FlaskClient, receiver: Receiver, sender: Sender, settings: Settings, store: LoopStore, hooks: HookStore
) -> None:
    """The control worker dies while the receiver has the message in hand: it is sent again, under the same id."""
    name = add(api, receiver.url)["name"]
    receiver.held.clear()
    control = subprocess.Popen(
        [sys.executable, "-m", "manager_api", "control"], env={**os.environ, **settings.to_env()}
    )
    happen(store)
    wait_until(lambda: receiver.got, timeout_s=40)
    control.send_signal(signal.SIGKILL)
    control.wait()
    receiver.held.set()
    sender.step(hooks.hook(name))
    assert len(receiver.got) == 1, "its lease is not over"
    fall_due(hooks, name)
    sender.step(hooks.hook(name))
    assert [*receiver.times().values()] == [2]
    assert (shown(api)["delivered"], shown(api)["waiting"]) == (1, 0)


def test_a_receiver_that_was_down_is_told_when_it_is_up(
    api: FlaskClient, sender: Sender, store: LoopStore, hooks: HookStore
) -> None:
    """Until then the list says since when and why; then everything arrives, and no event makes a fuss of it."""
    with receiving() as down:
        port = down.port
    hook = hooks.hook(add(api, f"http://127.0.0.1:{port}/")["name"])
    happen(store, 3)
    sender.step(hook)
    row = shown(api)
    assert (row["waiting"], row["last_result"], row["delivered"]) == (3, "refuses connections", 0)
    assert row["failing_since"] is not None
    with receiving(port) as up:
        fall_due(hooks, hook.name)
        sender.step(hook)
        assert sorted(up.times().values()) == [1, 1, 1]
    assert (shown(api)["waiting"], shown(api)["failing_since"]) == (0, None)
    assert {event.type for event in store.events()} == {"task.failed"}


def test_a_failed_try_is_due_again_after_its_pause(
    api: FlaskClient, sender: Sender, store: LoopStore, hooks: HookStore
) -> None:
    """Five seconds after the first failure; later where the receiver asks for it."""
    for retry_after, least, most in (("", 4.0, 6.0), ("120", 115.0, 121.0)):
        with receiving(status=503, headers={"Retry-After": retry_after}) as busy:
            hook = hooks.hook(add(api, busy.url, name=f"r{retry_after}")["name"])
            happen(store)
            sender.step(hook)
            sender.step(hook)
            assert len(busy.got) == 1
        ((_, due),) = hooks.client.zrange(hooks.keys.webhook_queue(hook.name), 0, -1, withscores=True)
        assert least < (due - store.now_ms()) / 1000 < most


def test_a_message_is_given_up_after_a_day(
    api: FlaskClient, sender: Sender, store: LoopStore, hooks: HookStore
) -> None:
    """The list counts it and an event says so, once an hour however many there are; what is new is still sent."""
    then = store.now_ms() - DAY_MS - 1000
    happen(store, event_id=f"{then}-0")
    happen(store, event_id=f"{then}-1")
    with receiving(status=500) as ill:
        name = add(api, ill.url)["name"]
        hooks.client.zadd(hooks.keys.webhook_queue(name), {f"{then}-0": 0, f"{then}-1": 0})
        for _ in range(2):
            sender.step(hooks.hook(name))
        assert (shown(api)["dropped"], shown(api)["waiting"]) == (2, 0)
        told = [event for event in store.events() if event.type == "webhook.gave_up"]
        assert [event.sentence for event in told] == [
            f"webhook {name}: task.failed of web could not be delivered for 24 hours and is given up: answered 500"
        ]
        ill.status = 200
        happen(store)
        sender.step(hooks.hook(name))
    assert [event.type for event in store.events()][-1] == "webhook.delivers"


def test_what_is_a_day_old_is_not_told_any_more(
    api: FlaskClient, receiver: Receiver, sender: Sender, store: LoopStore, hooks: HookStore
) -> None:
    """Decks that were down for two days begin with what is news, and count the rest as dropped."""
    happen(store, event_id=f"{store.now_ms() - 2 * DAY_MS}-0")
    happen(store, event_id=f"{store.now_ms() - 1000}-0")
    name = add(api, receiver.url)["name"]
    hooks.client.hset(hooks.keys.webhook(name), "cursor", "0-0")
    sender.step(hooks.hook(name))
    assert (len(receiver.got), shown(api)["dropped"]) == (1, 1)


def test_a_webhook_is_told_of_what_happens_from_its_making_on(
    api: FlaskClient, receiver: Receiver, sender: Sender, store: LoopStore, hooks: HookStore
) -> None:
    """Of nothing before; an event that is kept no more by the time it is due is dropped, and keeps no other."""
    happen(store, 2)
    name = add(api, receiver.url)["name"]
    happen(store)
    hooks.gather(name)
    assert shown(api)["waiting"] == 1
    store.client.xtrim(store.keys.events, maxlen=0, approximate=False)
    happen(store)
    sender.step(hooks.hook(name))
    assert (len(receiver.got), shown(api)["waiting"], shown(api)["dropped"]) == (1, 0, 1)


def test_a_receiver_that_says_nothing_holds_nobody_up(
    api: FlaskClient, receiver: Receiver, sender: Sender, store: LoopStore
) -> None:
    """While one webhook waits for its answer the others are told."""
    with receiving() as deaf:
        deaf.held.clear()
        add(api, deaf.url, name="deaf")
        add(api, receiver.url, name="ears")
        sender.start()
        happen(store, 3)
        wait_until(lambda: len(receiver.got) == 3 and deaf.got)
        assert len(deaf.got) == 1


def test_what_waits_is_bounded(
    api: FlaskClient, store: LoopStore, hooks: HookStore, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead receiver's queue ends at its limit; the rest waits as events and is told in time."""
    monkeypatch.setattr(rules, "MOST_WAITING", 5)
    with receiving(status=500) as ill:
        name = add(api, ill.url)["name"]
        happen(store, 150)
        sender.step(hooks.hook(name))
        sender.step(hooks.hook(name))
        assert shown(api)["waiting"] == 5
        ill.status = 200
        fall_due(hooks, name)
        sender.step(hooks.hook(name))
        assert (shown(api)["waiting"], shown(api)["delivered"]) == (0, 150)


def test_a_late_failure_changes_nothing(
    api: FlaskClient, receiver: Receiver, store: LoopStore, hooks: HookStore
) -> None:
    """A sender that was held up beyond its lease, while another is sending, neither delays nor ends the message."""
    name = add(api, receiver.url)["name"]
    happen(store)
    hooks.gather(name)
    first = hooks.claim(name, lease_ms=60_000)
    assert first is not None
    assert hooks.claim(name, lease_ms=60_000) is None
    fall_due(hooks, name)
    second = hooks.claim(name, lease_ms=60_000)
    assert second is not None
    assert hooks.settle(name, first, ok=False, result="late", delay_ms=1) == "LATE"
    assert shown(api)["last_result"] is None
    assert hooks.settle(name, second, ok=True, result="fine") == "DONE"
    assert hooks.settle(name, first, ok=True, result="late") == "LATE"
    assert shown(api)["delivered"] == 1


def test_a_removed_webhook_leaves_nothing(
    api: FlaskClient, receiver: Receiver, store: LoopStore, hooks: HookStore
) -> None:
    """Whoever is just sending finds it gone; no key of it stays or comes back."""
    name = add(api, receiver.url)["name"]
    happen(store, 2)
    hooks.gather(name)
    claim = hooks.claim(name, lease_ms=60_000)
    assert claim is not None
    assert api.delete(f"/v1/webhooks/{name}").status_code == 204
    assert hooks.settle(name, claim, ok=True, result="fine") == "LATE"
    assert (hooks.gather(name), hooks.claim(name, lease_ms=1)) == (False, None)
    assert list(store.client.scan_iter(f"{store.keys.webhooks}*")) == []
    assert [*store.client.scan_iter(f"{store.keys.webhook('*')}")] == []


def test_names_and_faults_are_told(api: FlaskClient) -> None:
    """A host's second webhook has a number; a chosen name in use is 409; every fault is named, and no secret."""
    assert [add(api, "http://ops/")["name"] for _ in range(2)] == ["ops", "ops-2"]
    taken = api.post("/v1/webhooks", json={"url": "http://ops/", "events": ["node.lost"], "name": "ops"})
    assert (taken.status_code, taken.get_json()["code"]) == (409, "WEBHOOK_TAKEN")
    faulty = {"url": "ftp://x", "events": ["task.fail", "x"], "name": "a b", "secret": "hunter2", "on": 1}
    problem = api.post("/v1/webhooks", json=faulty)
    places = {fault["pointer"] for fault in problem.get_json()["errors"]}
    assert places == {"/url", "/events/0", "/events/1", "/name", "/secret", "/on"}
    assert "hunter2" not in problem.get_data(as_text=True)
    assert "task.failed" in problem.get_data(as_text=True)
    gone = api.delete("/v1/webhooks/x").get_json()
    assert (gone["status"], gone["code"], gone["hint"]) == (404, "WEBHOOK_NOT_FOUND", "the webhooks are ops, ops-2")
    assert api.post("/v1/webhooks/x/test").status_code == 404


def test_a_secret_is_told_once(api: FlaskClient) -> None:
    """The deck's own is in the answer to its making alone; one that was sent is in none."""
    secret = add(api, "http://ops/")["secret"]
    assert add(api, "http://ops/", secret=new_secret())["secret"] is None
    listed = api.get("/v1/webhooks").get_data(as_text=True)
    assert secret not in listed
    assert "whsec_" not in listed


def test_a_secret_is_sealed_where_the_deck_has_a_key(settings: Settings, store: LoopStore, tmp_path: Path) -> None:
    """In Redis it is not to be read then; a deck without the key says so instead of sending unsigned."""
    (tmp_path / "key").write_text("k" * 32)
    sealed = HookStore(replace(settings, secret_file=str(tmp_path / "key")), store.client)
    secret = new_secret()
    sealed.add(Webhook("ops", "http://127.0.0.1:1/", ("task.failed",), secret, 0), named=True)
    assert secret not in store.client.hget(store.keys.webhooks, "ops")
    assert sealed.hook("ops").secret == secret
    happen(store)
    bare = Sender(settings)
    bare.step(bare.hooks.hooks()[0])
    assert bare.hooks.progress(["ops"])["ops"].result.startswith("its secret is no use here: it is sealed")
    bare.store.close()


def test_a_try_says_what_came_of_it(api: FlaskClient, receiver: Receiver) -> None:
    """One message at once, whatever waits; the answer has the status and a sentence."""
    name = add(api, receiver.url)["name"]
    found = api.post(f"/v1/webhooks/{name}/test").get_json()
    assert (found["ok"], found["status"]) == (True, 204)
    assert json.loads(receiver.got[0].body)["type"] == "webhook.test"
    receiver.status = 302
    receiver.headers = {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"}
    found = api.post(f"/v1/webhooks/{name}/test").get_json()
    assert (found["ok"], found["sentence"]) == (False, "answered 302, and redirects are not followed")
    assert len(receiver.got) == 2
