"""``/v1/webhooks``: make, list, try and remove webhooks."""

from __future__ import annotations

import uuid

from flask import Response

from manager_api.auth import caller
from manager_api.bodies import no_content, read_json, reply
from manager_api.delivering import Delivery, deliver
from manager_api.hook_documents import DeliveryDocument, NewWebhookDocument, WebhookBody, WebhookPage
from manager_api.nouns import Nouns
from manager_api.queries import load_body
from manager_api.services import services
from manager_api.telling import message
from ormen.events import Event
from ormen.sealing import SealError
from ormen.webhooks import Progress, Webhook, default_name, message_id, new_secret, to_json

webhooks = Nouns("webhooks", __name__, url_prefix="/v1", description="Who is told what happened")


@webhooks.route("/webhooks", methods=["POST"])
@webhooks.body(WebhookBody)
@webhooks.answers(201, NewWebhookDocument, problems=(400, 403, 409, 413, 422))
def create() -> Response:
    """Make a webhook. It is told of events from now on, with messages signed by its secret.

    A secret that the deck made is in this answer and in no other.
    """
    mine, wish = services(), load_body(WebhookBody(), read_json())
    url, given = wish["url"], wish.get("secret")
    hook = Webhook(
        name=wish.get("name") or default_name(url),
        url=url,
        events=wish["events"],
        secret=given or new_secret(),
        created_ms=mine.deck.store.now_ms(),
        by=caller().name,
    )
    kept = mine.hook_store.add(hook, named=bool(wish.get("name")))
    return reply({**to_json(kept, Progress()), "secret": None if given else kept.secret}, 201)


@webhooks.route("/webhooks", methods=["GET"])
@webhooks.answers(200, WebhookPage, problems=(403,))
def index() -> Response:
    """List every webhook and how its deliveries go; no secrets."""
    store = services().hook_store
    found = store.hooks()
    progress = store.progress([hook.name for hook in found])
    return reply({"items": [to_json(hook, progress[hook.name]) for hook in found], "next": None})


@webhooks.route("/webhooks/<webhook>", methods=["DELETE"])
@webhooks.answers(204, problems=(403, 404))
def remove(webhook: str) -> Response:
    """Remove a webhook and what waits for it. A message that is under way just now may still arrive."""
    services().hook_store.remove(webhook)
    return no_content()


@webhooks.route("/webhooks/<webhook>/test", methods=["POST"])
@webhooks.answers(200, DeliveryDocument, problems=(403, 404))
def test(webhook: str) -> Response:
    """Send a message of the type `webhook.test` once, at once, and say what came of it; at most ten seconds."""
    mine = services()
    store, cluster = mine.deck.store, mine.deck.store.cluster()
    event = Event(id=f"{store.now_ms()}-0", type="webhook.test", sentence=f"A try of the webhook {webhook}.")
    try:
        hook = mine.hook_store.hook(webhook)
        with mine.long.place():
            found = deliver(
                hook, message_id(cluster, f"test-{uuid.uuid4()}"), message(event, None, None, cluster=cluster)
            )
    except SealError as fault:
        found = Delivery(False, None, f"its secret is no use here: {fault}")
    return reply({"ok": found.ok, "status": found.status, "took_ms": found.took_ms, "sentence": found.sentence})
