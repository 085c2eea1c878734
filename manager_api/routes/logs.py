"""``/v1/tasks/{task}/logs``: what a task's container printed, passed on from its node as it comes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from flask import Response, request

from manager_api import log_lines, submission
from manager_api.nouns import Nouns
from manager_api.queries import LogsQuery
from manager_api.replies import AttemptNotFound, AttemptOver, LogRefused, NodeSilent, Replies
from manager_api.services import Services, services
from ormen.errors import Fault, InvalidQuery, NodeNotFound, OrmenError
from ormen.node import NodeState
from ormen.task import ENDED, Attempt, Task

COMES_BY = frozenset({NodeState.READY, NodeState.SUSPECT, NodeState.DRAINING, NodeState.CORDONED})

LOOKS = 3
"""How often a task is looked at whose attempts end while its log is asked for."""

NDJSON = "application/x-ndjson"

log = logging.getLogger("ormen.api")

logs = Nouns("logs", __name__, url_prefix="/v1", description="What tasks print")


@logs.route("/tasks/<task>/logs", methods=["GET"])
@logs.query(LogsQuery)
@logs.also_answers(200, {"type": "string"}, content=NDJSON)
@logs.answers(200, {"type": "string"}, problems=(404, 409, 422, 502, 504), content="text/plain")
def show(query: dict[str, Any], task: str) -> Response:
    """Show what the container of the latest attempt printed; `follow=1` stays until it ends.

    Of an attempt whose node or container is gone: the last lines that were kept. `format=json` is one object a line:
    first of which attempt it is, then each line with its time, last why it ended.
    """
    mine = services()
    if query["follow"] and query["until"] is not None:
        raise InvalidQuery([Fault(("until",), "CONFLICT", "a log that is followed has no end in time", None)])
    for _ in range(LOOKS):
        found = mine.deck.store.find(task)
        if query["attempt"] not in (None, found.attempt) or not at_hand(mine, found):
            return from_record(found, query)
        try:
            return passed_on(mine, found, query)
        except AttemptOver as error:
            over = error
    raise over


def at_hand(mine: Services, task: Task) -> bool:
    """Return whether the task has a container on a node that can be asked."""
    if task.node is None or task.container_id is None:
        return False
    try:
        return mine.deck.store.node(task.node).state in COMES_BY
    except NodeNotFound:
        return False


def from_record(task: Task, query: dict[str, Any]) -> Response:
    """Return the last lines on record: of the attempt that is asked for, else of the latest that left some."""
    attempt = chosen(task, query["attempt"])
    lines, tail = attempt.log_tail if attempt else (), query["tail"]
    if tail is not None:
        lines = lines[len(lines) - min(tail, len(lines)) :]
    lines = tuple(line.rstrip("\n") for line in lines)
    if query["format"] == "text":
        return answer("".join(f"{line}\n" for line in lines))
    number, node = (attempt.number, attempt.node) if attempt else (query["attempt"] or 0, None)
    first = log_lines.head(task, attempt=number, node=node, live=False)
    return answer(log_lines.kept(lines, first), NDJSON)


def chosen(task: Task, number: int | None) -> Attempt | None:
    """Return the attempt of that number, else the latest that left lines; raise AttemptNotFound."""
    if number is None:
        return next((each for each in reversed(task.attempts) if each.log_tail), None)
    found = next((each for each in task.attempts if each.number == number), None)
    if found is None and number != task.attempt:
        known = ", ".join(str(each.number) for each in task.attempts)
        raise AttemptNotFound(
            f"{task.name} has no attempt {number} on record", hint=f"on record: {known}" if known else None
        )
    return found


def options_of(mine: Services, task: Task, query: dict[str, Any]) -> dict[str, object]:
    """Return the request's options as agents read them; times are seconds since the epoch."""
    return {
        "tail": query["tail"],
        "follow": query["follow"],
        "timestamps": query["timestamps"] or query["format"] == "json",
        "since_s": moment(mine, query["since"]),
        "until_s": moment(mine, query["until"]),
        "attempt": task.attempt,
        "window": True,
    }


def moment(mine: Services, given: tuple[str, float] | None) -> float | None:
    """Return a time that was asked for as seconds since the epoch."""
    if given is None:
        return None
    kind, seconds = given
    return seconds if kind == "at" else mine.deck.store.now_ms() / 1000 - seconds


def answer(body: str | Iterator[str], content: str = "text/plain; charset=utf-8") -> Response:
    """Return a log."""
    return Response(body, content_type=content)


def passed_on(mine: Services, task: Task, query: dict[str, Any]) -> Response:
    """Ask the node and return its answer as it comes; what goes wrong before the first piece is a problem."""
    node = task.node or ""
    mine.long.enter()
    replies: Replies | None = None
    try:
        request_id = mine.deck.store.ask(task, "logs", options_of(mine, task, query))
        if request_id is None:
            raise NodeSilent(f"{node} is lost", hint=f"GET /v1/nodes/{node} shows its state")
        replies = Replies(mine, request_id, node=node, line=request.environ.get("gunicorn.socket"))
        submission.ring_node(mine.deck, node, [task.name])
        first = replies.first()
    except BaseException as error:
        if replies is not None:
            replies.hang_up()
        mine.long.leave()
        if isinstance(error, NodeSilent | LogRefused) and task.state in ENDED:
            return from_record(task, query)
        raise
    if query["format"] == "json":
        begun = log_lines.head(task, attempt=task.attempt, node=node, live=True, at=replies.at)
        response = answer(log_lines.told(replies.pieces(first), begun), NDJSON)
    else:
        response = answer(plain(replies.pieces(first)))
    response.call_on_close(replies.hang_up)
    response.call_on_close(mine.long.leave)
    response.headers["X-Accel-Buffering"] = "no"
    return response


def plain(pieces: Iterable[str]) -> Iterator[str]:
    """Yield the log; what ends it early is its last line."""
    try:
        yield from pieces
    except OrmenError as error:
        log.info("a log ended early: %s", error)
        yield f"\normen: the log ends here: {error.sentence}\n"
