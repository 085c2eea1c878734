"""The documents and bodies of webhooks. OpenAPI is made from them."""

from __future__ import annotations

import re

import marshmallow as ma
from marshmallow import fields

from manager_api.documents import moment, text, whole
from ormen import fields as read
from ormen.strict import Leaf, Strict
from ormen.webhooks import KINDS, MOST_URL, NAME, key_of, url_trouble

HABITS = {"task.fail": "task.failed", "task.stopped": "task.completed", "task.restarted": "task.pending",
          "task.started": "task.running", "node.down": "node.lost", "node.up": "node.ready",
          "node.recovered": "node.ready"}  # fmt: skip
"""Other words for events, and ours."""


class WebhookDocument(ma.Schema):
    """A webhook, and how its deliveries go; its secret is in no answer but that to its making."""

    name = text("what it is called")
    url = text("where messages are sent")
    events = fields.List(fields.String(metadata={"enum": list(KINDS)}), required=True)
    created_at = moment("when it was made", null=False)
    by = text("whose token made it; null: the deck's own", null=True)
    waiting = whole("messages to be sent, or to be sent again")
    delivered = whole("messages that were taken")
    dropped = whole("messages that were given up after 24 hours")
    last_try_at = moment("when a message was last sent")
    last_result = text("what came of it", null=True, examples=["answered 204 in 12 ms"])
    failing_since = moment("since when no try has succeeded; null: the last one has")


class NewWebhookDocument(WebhookDocument):
    """A webhook that was just made."""

    secret = text("signs its messages: only here and only now; null: the one that was sent", null=True)


class WebhookPage(ma.Schema):
    """Every webhook, by name."""

    items = fields.List(fields.Nested(WebhookDocument), required=True)
    next = text(null=True)


class DeliveryDocument(ma.Schema):
    """What came of one try."""

    ok = fields.Boolean(required=True, metadata={"description": "whether the receiver took the message"})
    status = whole("the status of its answer; null: none came", null=True)
    took_ms = whole("until the answer, or until the try was over")
    sentence = text("the same for people")


def receiver(value: object) -> str:
    """Read a receiver's URL."""
    url = read.text(value, empty=False)
    if trouble := url_trouble(url):
        raise read.bad("MALFORMED", trouble, value, hint="such as https://example.com/ormen")
    return url


def secret(value: object) -> str:
    """Read a secret; a refusal does not repeat it."""
    found = read.text(value, empty=False)
    try:
        key_of(found)
    except ValueError as error:
        raise read.bad("MALFORMED", str(error), None, hint="leave it out, and one is made") from None
    return found


def kinds(value: object) -> tuple[str, ...]:
    """Read events, at least one, each once."""
    found = read.each(read.choice(KINDS, HABITS), most=len(KINDS))(value)
    if not found:
        raise read.bad("REQUIRED", "names no event", value, hint="such as task.failed and node.lost")
    return tuple(dict.fromkeys(found))


def webhook_name(value: object) -> str:
    """Read a webhook's name."""
    name = read.text(value, most=63, empty=False)
    if not re.fullmatch(NAME, name):
        rule = "letters, digits and _ . -, first a letter or digit, at most 63"
        raise read.bad("MALFORMED", f'"{name}" is no name of a webhook: {rule}', value)
    return name


class WebhookBody(Strict):
    """A webhook to be made."""

    name = Leaf(webhook_name, {"type": "string", "pattern": f"^{NAME}$", "description": "null: the URL's host"})
    url = Leaf(receiver, {"type": "string", "format": "uri", "maxLength": MOST_URL}, required=True)
    events = Leaf(
        kinds, {"type": "array", "minItems": 1, "items": {"type": "string", "enum": list(KINDS)}}, required=True
    )
    secret = Leaf(secret, {"type": "string", "description": "`whsec_` and 24 to 64 bytes in base64; null: one is made"})
