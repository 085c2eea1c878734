"""Webhooks: who is told of which events, and how a message is signed. Pure.

Messages follow the Standard Webhooks specification: the headers ``webhook-id``, ``webhook-timestamp`` and
``webhook-signature``, and a body of ``type``, ``timestamp`` and ``data``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ormen.clock import rfc3339

KINDS = (
    "task.accepted",
    "task.running",
    "task.healthy",
    "task.failing",
    "task.waiting",
    "task.pending",
    "task.completed",
    "task.failed",
    "task.updated",
    "task.resize_refused",
    "task.paused",
    "task.unpaused",
    "task.removed",
    "node.joined",
    "node.ready",
    "node.suspect",
    "node.lost",
    "node.draining",
    "node.cordoned",
    "node.activated",
    "node.removed",
    "brake.on",
    "brake.off",
    "brake.released",
)
"""Events that a webhook can be told of: all but the steps in between, and its own."""

SECRET_PREFIX = "whsec_"
LEAST_SECRET, MOST_SECRET, NEW_SECRET = 24, 64, 32
"""Bytes of a secret: the fewest and the most that are taken, and those of one that is made."""

MOST_URL = 2000
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"
"""A webhook's name, as a regular expression."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook. Signing needs its secret itself, so the store keeps it, sealed where the deck has a key to seal by."""

    name: str
    url: str
    events: tuple[str, ...]
    secret: str
    created_ms: int
    by: str = ""

    def to_row(self) -> dict[str, Any]:
        """Return what is kept of it, the secret apart."""
        return {"url": self.url, "events": list(self.events), "created": self.created_ms, "by": self.by}

    @classmethod
    def from_row(cls, name: str, row: Mapping[str, Any], *, secret: str) -> Webhook:
        """Return the webhook that `to_row` wrote."""
        return cls(name, row["url"], tuple(row["events"]), secret, row["created"], row["by"])


@dataclass(frozen=True, slots=True)
class Progress:
    """How a webhook's deliveries go. Times are Redis's, in ms; 0 is never.

    `waiting` messages are to be sent or sent again; `dropped` were given up; `failing_ms` is since when every try has
    failed; `result` is what came of the last try, a sentence.
    """

    waiting: int = 0
    delivered: int = 0
    dropped: int = 0
    last_ms: int = 0
    failing_ms: int = 0
    result: str = ""


def to_json(hook: Webhook, progress: Progress) -> dict[str, Any]:
    """Return the webhook as the API shows it."""
    return {
        "name": hook.name,
        "url": hook.url,
        "events": list(hook.events),
        "created_at": rfc3339(hook.created_ms),
        "by": hook.by or None,
        "waiting": progress.waiting,
        "delivered": progress.delivered,
        "dropped": progress.dropped,
        "last_try_at": rfc3339(progress.last_ms or None),
        "last_result": progress.result or None,
        "failing_since": rfc3339(progress.failing_ms or None),
    }


def new_secret() -> str:
    """Return a secret that nobody has."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(NEW_SECRET)).decode()


def key_of(secret: str) -> bytes:
    """Return the bytes that sign; raise ValueError, with the rule, for a text that is no secret."""
    rule = f"a secret is {SECRET_PREFIX} and {LEAST_SECRET} to {MOST_SECRET} bytes in base64"
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError(f"does not begin with {SECRET_PREFIX}: {rule}")
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"is no base64 after {SECRET_PREFIX}: {rule}") from None
    if not LEAST_SECRET <= len(key) <= MOST_SECRET:
        raise ValueError(f"holds {len(key)} bytes: {rule}")
    return key


def sign(secret: str, *, message_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the value of ``webhook-signature``."""
    signed = b".".join([message_id.encode(), str(timestamp_s).encode(), body])
    return "v1," + base64.b64encode(hmac.new(key_of(secret), signed, hashlib.sha256).digest()).decode()


def message_id(cluster: str, event_id: str) -> str:
    """Return the id of the message about an event: the same whoever sends it, and however often."""
    return f"msg_{cluster[:12]}_{event_id}"


def url_trouble(url: str) -> str | None:
    """Return what is wrong with a receiver's URL, None for one that can be used."""
    if len(url) > MOST_URL:
        return f"has {len(url)} characters; the most is {MOST_URL}"
    if not re.fullmatch(r"[!-~]+", url):
        return "holds a space or a character beyond ASCII; write it percent-encoded"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme not in ("http", "https"):
        return "begins with neither http:// nor https://"
    if not parts.hostname or port == 0:
        return "names no host" if not parts.hostname else "names no port that can be reached"
    if parts.username is not None or parts.password is not None:
        return "holds a user or a password; the signature says who sends"
    return "has a fragment (#), which is never sent" if parts.fragment else None


def default_name(url: str) -> str:
    """Return the name of a webhook that was given none: its receiver's host."""
    host = re.sub(r"[^A-Za-z0-9_.-]", "-", urlsplit(url).hostname or "").strip("-._")
    return host[:50] or "webhook"
