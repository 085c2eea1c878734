"""``/v1/tasks/{task}/logs``: what a task's container printed, passed on from its node as it comes."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

from flask import Response

from manager_api import submission
from manager_api.nouns import Nouns
from manager_api.queries import LogsQuery
from manager_api.services import Services, services
from ormen.errors import OrmenError, StoreUnavailable
from ormen.node import NodeState
from ormen.task import Task

FIRST_ANSWER_S = 10.0
"""How long the node has for its first word; agents look at their requests at least once a second."""

BLOCK_MS = 1000
"""How long one read of the replies waits; each renews the sign that somebody still reads."""

COMES_BY = frozenset({NodeState.READY, NodeState.SUSPECT, NodeState.DRAINING, NodeState.CORDONED})

log = logging.getLogger("ormen.api")

logs = Nouns("logs", __name__, url_prefix="/v1", description="What tasks print")


class NodeSilent(OrmenError):
    """The node did not answer a request in time."""

    code = "NODE_SILENT"
    title = "The node does not answer"
    http_status = 504
    retryable = True


class LogRefused(OrmenError):
    """The node answered that it cannot give the log."""

    code = "LOG_REFUSED"
    title = "The node cannot give the log"
    http_status = 502


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
    return any(node.name == task.node and node.state in COMES_BY for node in mine.deck.store.nodes())


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
    mine.long.enter()
    try:
        request_id = mine.deck.store.ask(task, "logs", options)
        submission.ring_node(mine.deck, task.node or "", [task.name])
        replies = Replies(mine, request_id)
        first = replies.first(task)
    except BaseException:
        mine.long.leave()
        raise
    if first is None:
        mine.long.leave()
        return text(kept(task, options["tail"] if isinstance(options["tail"], int) else None))
    response = text(replies.pieces(first))
    response.call_on_close(replies.hang_up)
    response.call_on_close(mine.long.leave)
    response.headers["X-Accel-Buffering"] = "no"
    return response


class Replies:
    """The pieces that a node sends for one request."""

    def __init__(self, mine: Services, request_id: str) -> None:
        self._store = mine.deck.store
        self._closing = mine.closing
        self._id = request_id
        self._after = "0"
        self._ended = False

    def first(self, task: Task) -> list[str] | None:
        """Return the first pieces; None if the container is gone and the kept lines must do.

        Raises NodeSilent or LogRefused for a task that has not ended.
        """
        deadline = time.monotonic() + FIRST_ANSWER_S
        refusal: OrmenError = NodeSilent(
            f"{task.node} has not answered within {FIRST_ANSWER_S:g}s",
            hint=f"GET /v1/nodes/{task.node} shows its state",
        )
        while time.monotonic() < deadline and not self._closing.is_set():
            try:
                pieces = self._read()
            except LogRefused as error:
                refusal = error
                break
            if pieces or self._ended:
                return pieces
        if task.ended_ms is not None and task.state.number > 2:
            return None
        raise refusal

    def pieces(self, first: list[str]) -> Iterator[str]:
        """Yield the log until its end; trouble on the way is its last line."""
        # A node asks with an empty piece whether anybody still reads.
        yield from filter(None, first)
        try:
            while not self._ended and not self._closing.is_set():
                yield from filter(None, self._read())
        except (LogRefused, StoreUnavailable) as error:
            log.warning("a log ended early: %s", error)
            yield f"\normen: the log ends here: {error.sentence}\n"

    def hang_up(self) -> None:
        """Tell the node that nobody reads any more; without it the node finds out by itself, a little later."""
        try:
            self._store.hang_up(self._id)
        except StoreUnavailable as error:
            log.info("a reader's end was not told: %s", error)

    def _read(self) -> list[str]:
        pieces: list[str] = []
        for each in self._store.replies(self._id, after=self._after, block_ms=BLOCK_MS):
            self._after = each.id
            if each.kind == "data":
                pieces.append(each.data)
            elif each.kind == "error" and not pieces:
                self._ended = True
                raise LogRefused(each.data)
            else:
                self._ended = True
        return pieces
