"""``/v1/tasks/{task}/logs``: what a task's container printed, passed on from its node as it comes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from flask import Response, request

from manager_api import submission
from manager_api.nouns import Nouns
from manager_api.queries import LogsQuery
from manager_api.replies import LogRefused, NodeSilent, Replies
from manager_api.services import Services, services
from ormen.errors import NodeNotFound, OrmenError
from ormen.node import NodeState
from ormen.task import ENDED, Task

COMES_BY = frozenset({NodeState.READY, NodeState.SUSPECT, NodeState.DRAINING, NodeState.CORDONED})

log = logging.getLogger("ormen.api")

logs = Nouns("logs", __name__, url_prefix="/v1", description="What tasks print")


@logs.route("/tasks/<task>/logs", methods=["GET"])
@logs.query(LogsQuery)
@logs.answers(200, {"type": "string"}, problems=(404, 409, 422, 502, 504), content="text/plain")
def show(query: dict[str, Any], task: str) -> Response:
    """Show what the container of the latest attempt printed; `follow=1` stays until it ends.

    Of a task whose node or container is gone: the last lines that were kept.
    """
    mine = services()
    found = mine.deck.store.find(task)
    if not at_hand(mine, found):
        return text(kept(found, query["tail"]))
    return passed_on(mine, found, options_of(mine, query))


def at_hand(mine: Services, task: Task) -> bool:
    """Return whether the task has a container on a node that can be asked."""
    if task.node is None or task.container_id is None:
        return False
    try:
        return mine.deck.store.node(task.node).state in COMES_BY
    except NodeNotFound:
        return False


def kept(task: Task, tail: int | None) -> str:
    """Return the last lines on record of the latest attempt that left some."""
    lines: tuple[str, ...] = next((each.log_tail for each in reversed(task.attempts) if each.log_tail), ())
    chosen = lines if tail is None else lines[len(lines) - min(tail, len(lines)) :]
    return "".join(line.rstrip("\n") + "\n" for line in chosen)


def options_of(mine: Services, query: dict[str, Any]) -> dict[str, object]:
    """Return the request's options as agents read them; `since_s` is seconds since the epoch."""
    since_s: float | None = None
    if query["since"] is not None:
        kind, seconds = query["since"]
        since_s = seconds if kind == "at" else mine.deck.store.now_ms() / 1000 - seconds
    return {
        "tail": query["tail"],
        "follow": query["follow"],
        "timestamps": query["timestamps"],
        "since_s": since_s,
    }


def text(body: str | Iterator[str]) -> Response:
    """Return plain text."""
    return Response(body, content_type="text/plain; charset=utf-8")


def passed_on(mine: Services, task: Task, options: dict[str, object]) -> Response:
    """Ask the node and return its answer as it comes; what goes wrong before the first piece is a problem."""
    node = task.node or ""
    mine.long.enter()
    replies: Replies | None = None
    try:
        request_id = mine.deck.store.ask(task, "logs", options | {"window": True})
        replies = Replies(mine, request_id, node=node, line=request.environ.get("gunicorn.socket"))
        submission.ring_node(mine.deck, node, [task.name])
        first = replies.first()
    except BaseException as error:
        if replies is not None:
            replies.hang_up()
        mine.long.leave()
        if isinstance(error, NodeSilent | LogRefused) and task.ended_ms is not None and task.state in ENDED:
            return text(kept(task, options["tail"] if isinstance(options["tail"], int) else None))
        raise
    response = text(told(replies, first))
    response.call_on_close(replies.hang_up)
    response.call_on_close(mine.long.leave)
    response.headers["X-Accel-Buffering"] = "no"
    return response


def told(replies: Replies, first: list[str]) -> Iterator[str]:
    """Yield the log; what ends it early is its last line."""
    try:
        yield from replies.pieces(first)
    except OrmenError as error:
        log.info("a log ended early: %s", error)
        yield f"\normen: the log ends here: {error.sentence}\n"
