"""The messages by which deck and agents tell each other to look in the store, each as Celery sends it.

Celery makes one of a kind, once a process. The others differ from it only in what is a message's own, and so a ring can
go to Redis with what it tells of, in one step.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from ormen import messages
from ormen.broker import make_app, queue
from ormen.settings import Settings

HINTS = 20
"""How many task names a ring carries for whoever reads the queue; the rest is a number."""


class Ring(NamedTuple):
    """A message on its way: the key of its queue in Redis, and its text."""

    key: str
    text: str


def rings(nodes: Mapping[str, Sequence[str]], *, kind: str = messages.RUN) -> dict[str, Ring]:
    """Return a ring for each node, with the names of the tasks it concerns as a hint."""
    return {node: message(kind, messages.node_queue(node), _hint(names)) for node, names in nodes.items()}


def message(kind: str, target: str, argument: Sequence[str]) -> Ring:
    """Return a message of a kind to a queue, with one list as its argument."""
    sample, own, argument = _sample(kind), str(uuid.uuid4()), list(argument)
    headers = {**sample["headers"], "id": own, "root_id": own, "argsrepr": repr(argument), **stamped()}
    properties = {
        **sample["properties"],
        "correlation_id": own,
        "delivery_tag": str(uuid.uuid4()),
        "delivery_info": {"exchange": "", "routing_key": target},
    }
    body = base64.b64encode(json.dumps([[argument], {}, sample["embed"]]).encode()).decode()
    head = {"body": body, "headers": headers, "properties": properties}
    return Ring(target, json.dumps({**sample["rest"], **head}))


def stamped() -> dict[str, int]:
    """Return the header that tells, by the sender's clock, when a message was sent: /metrics shows the oldest's age."""
    return {messages.SENT: int(time.time() * 1000)}


@cache
def _sample(kind: str) -> dict[str, Any]:
    """Return the parts of a message of this kind, as Celery hands it to kombu's transport in memory."""
    app = make_app(Settings(redis_url="memory://"), "sample")
    box: Any = queue(f"sample.{uuid.uuid4()}")
    with app.connection_for_write() as connection, connection.channel() as channel:
        bound = box(channel)
        bound.declare()
        app.send_task(
            kind, args=[[]], queue=box, connection=connection, argsrepr="", kwargsrepr="{}", ignore_result=True
        )
        whole = bound.get(no_ack=True).serializable()
        bound.delete()
    headers = whole.pop("headers")
    # Celery says some of it twice; a worker reads the headers.
    properties = {name: value for name, value in whole.pop("properties").items() if name not in headers}
    _, _, embed = json.loads(base64.b64decode(whole.pop("body")))
    return {"headers": headers, "properties": properties, "embed": embed, "rest": whole}


def _hint(names: Sequence[str]) -> Sequence[str]:
    return names if len(names) <= HINTS else [*names[:HINTS], f"and {len(names) - HINTS} more"]
