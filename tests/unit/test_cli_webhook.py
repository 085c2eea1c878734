"""`ormen webhook`: the secret goes to stdout once, what to know about it to stderr."""

from __future__ import annotations

import json
from typing import Any

from cli_golden import PIPE, eyes, golden
from cli_stub import Answer, deck, ormen, problem

from ormen.cli.render import webhooks

OPS: dict[str, Any] = {
    "name": "ops.example.com",
    "url": "https://ops.example.com/ormen",
    "events": ["task.failed", "node.lost"],
    "created_at": "2026-11-20T08:00:00.000Z",
    "by": None,
    "waiting": 0,
    "delivered": 12,
    "dropped": 0,
    "last_try_at": "2026-11-21T10:02:11.390Z",
    "last_result": "answered 204 in 12 ms",
    "failing_since": None,
}
CHAT = {**OPS, "name": "chat", "url": "http://10.0.0.9/hook", "events": ["brake.on"], "waiting": 3, "dropped": 1,
        "last_result": "refuses connections", "failing_since": "2026-11-21T09:00:00.000Z"}  # fmt: skip
MADE = {**OPS, "delivered": 0, "last_try_at": None, "last_result": None, "secret": "whsec_abc"}
TRIED = {"ok": True, "status": 204, "took_ms": 12, "sentence": "answered 204 in 12 ms"}


def test_a_new_webhooks_secret_is_alone_on_stdout() -> None:
    """So that it can be put into a file; which events it is told of stands on stderr."""
    with deck({"POST /v1/webhooks": Answer(201, MADE)}) as stub:
        result = ormen(
            "webhook", "add", OPS["url"], "--on", "task.failed,node.lost", "--on", "brake.on", at=stub.address
        )
    assert (result.returncode, result.stdout) == (0, "whsec_abc\n")
    assert result.stderr.startswith(
        "ops.example.com is told of task.failed and node.lost. Its secret is shown this once"
    )
    sent = {"url": OPS["url"], "events": ["task.failed", "node.lost", "brake.on"], "name": None, "secret": None}
    assert stub.seen[0].body == sent


def test_a_secret_of_ones_own_is_read_from_stdin() -> None:
    """It stands in no command line and is not repeated; an empty stdin is a mistake."""
    with deck({"POST /v1/webhooks": Answer(201, {**MADE, "secret": None})}) as stub:
        words = ("webhook", "add", OPS["url"], "--on", "node.lost", "--secret-stdin")
        result = ormen(*words, at=stub.address, input="whsec_mine\n")
        assert ormen(*words, at=stub.address, input="").returncode == 2
    assert (result.stdout, stub.seen[0].body["secret"]) == ("", "whsec_mine")
    assert "whsec_" not in result.stderr


def test_webhooks_are_listed() -> None:
    """Each with what waits, was delivered and dropped; of one that fails since when and why."""
    golden("webhooks", webhooks.listed([CHAT, OPS], eyes(80)))
    assert webhooks.listed([], PIPE).split()[:2] == ["NAME", "EVENTS"]
    with deck({"GET /v1/webhooks": {"items": [CHAT, OPS], "next": None}}) as stub:
        assert ormen("webhook", "ls", "-q", at=stub.address).stdout == "chat\nops.example.com\n"
        found = json.loads(ormen("webhook", "ls", "-o", "json", at=stub.address).stdout)
    assert [one["last_result"] for one in found] == ["refuses connections", "answered 204 in 12 ms"]


def test_a_try_that_fails_is_exit_1() -> None:
    """A script can rely on it; the sentence says what came of the try."""
    failed = {**TRIED, "ok": False, "status": None, "sentence": "refuses connections"}
    with deck({"POST /v1/webhooks/chat/test": [TRIED, failed]}) as stub:
        good, bad = (ormen("webhook", "test", "chat", at=stub.address) for _ in range(2))
    assert (good.returncode, good.stdout) == (0, "chat: answered 204 in 12 ms\n")
    assert (bad.returncode, bad.stdout, bad.stderr) == (1, "", "chat: refuses connections\n")


def test_each_webhook_is_removed_and_the_first_failure_counts() -> None:
    """A name that is not there is exit 3; the others are removed all the same."""
    gone = problem(404, "WEBHOOK_NOT_FOUND", 'no webhook "bob"', hint="the webhooks are chat")
    with deck({"DELETE /v1/webhooks/bob": gone, "DELETE /v1/webhooks/chat": Answer(204)}) as stub:
        result = ormen("webhook", "rm", "bob", "chat", at=stub.address)
    assert (result.returncode, result.stdout) == (3, "chat is removed\n")
