"""``/v1/tasks``: submit, look, change what is wanted, remove."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from flask import Response

from manager_api import submission, updating, waiting
from manager_api.auth import acting
from manager_api.bodies import no_content, read_json, reply
from manager_api.documents import AttemptPage, EventPage, RemovalDocument, TaskDocument, TaskPage
from manager_api.nouns import Nouns
from manager_api.queries import PageQuery, RemoveQuery, SubmitQuery, TasksQuery, WaitQuery
from manager_api.services import Services, services
from manager_api.waiting import Goal, Wait
from ormen.changes import CHANGEABLE
from ormen.errors import Fault, InvalidQuery
from ormen.schema import MOST_TASKS, Submission, TaskSchema, load_submission
from ormen.task import State, Task

ONE_OR_MANY = {"oneOf": [TaskDocument, {"type": "array", "items": TaskDocument}]}
"""A list is answered by a list, one task by its record."""

BODY = {"oneOf": [TaskSchema, {"type": "array", "items": TaskSchema, "minItems": 1, "maxItems": MOST_TASKS}]}
"""One spec, or a list of them."""

_LABELS = {"additionalProperties": {"type": ["string", "null"]}, "description": "Labels to set; null takes one away."}
PATCH = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        key: {**field.metadata, **(_LABELS if key == "labels" else {})}
        for key, field in TaskSchema(only=CHANGEABLE).fields.items()
    },
}
"""Those fields of a spec that can be changed."""

tasks = Nouns("tasks", __name__, url_prefix="/v1", description="Containers that somebody wants run")


@tasks.route("/tasks", methods=["POST"])
@tasks.body(BODY)
@tasks.query(SubmitQuery)
@tasks.answers(201, ONE_OR_MANY, problems=(400, 403, 409, 413, 422))
def submit(query: dict[str, Any]) -> Response:
    """Submit one task, a list, or a spec with `count`.

    Everything is stored or nothing. An id that is known with the same content answers with the task as it is
    now, so repeating a request is safe. `wait=running` answers once every task runs (and is healthy, if it has
    a check), once it is clear that it will not, or when `timeout` is over: always 201.
    """
    mine = services()
    asked = load_submission(read_json(), policy=mine.deck.policy, new_id=lambda: str(uuid.uuid4()))
    stored = submit_and_wait(mine, asked, timeout_s=query["timeout"]) if query["wait"] else put(mine, asked)
    if asked.is_list:
        return reply([task.to_json() for task in stored], 201)
    return reply(stored[0].to_json(), 201, location=f"/v1/tasks/{stored[0].id}")


def put(mine: Services, asked: Submission) -> list[Task]:
    """Store, place and ring."""
    return submission.submit(acting(mine), asked.items)


def submit_and_wait(mine: Services, asked: Submission, *, timeout_s: float) -> list[Task]:
    """Do `put`, then wait until each task is up or will not be."""
    ids = [item.id for item in asked.items]
    with mine.long.place(), Wait(mine.feed, mine.deck.store, ids) as wait:
        return wait.until(put(mine, asked), waiting.settled, timeout_s=timeout_s)


@tasks.route("/tasks", methods=["GET"])
@tasks.query(TasksQuery)
@tasks.answers(200, TaskPage, problems=(404, 422))
def index(query: dict[str, Any]) -> Response:
    """List tasks, newest first. A node that is not there, and that none of the newest 1,000 tasks was on, is 404.

    With `node` or `label` one request looks at 1,000 tasks: its page may hold fewer than `limit`, even none, while
    `next` leads on.
    """
    store = services().deck.store
    try:
        found, cursor = store.tasks(
            states=tuple(State(word) for word in query["state"]),
            node=query["node"],
            name=query["name"],
            labels=query["label"],
            limit=query["limit"],
            cursor=query["cursor"],
        )
    except ValueError as error:
        hint = "take it from `next` of the page before"
        raise InvalidQuery([Fault(("cursor",), "MALFORMED", "is no cursor", query["cursor"], hint)]) from error
    if query["node"] and not query["cursor"] and not found and not store.tasks(node=query["node"], limit=1)[0]:
        store.node(query["node"])
    return reply({"items": [task.to_json() for task in found], "next": cursor})


@tasks.route("/tasks/<task>", methods=["GET"])
@tasks.answers(200, TaskDocument, problems=(404, 409))
def show(task: str) -> Response:
    """Show one task, by its name, its id or a unique beginning of its id."""
    return reply(services().deck.store.find(task).to_json())


@tasks.route("/tasks/<task>", methods=["PATCH"])
@tasks.body(PATCH)
@tasks.query(WaitQuery)
@tasks.answers(202, TaskDocument, problems=(400, 404, 409, 413, 422))
def update(query: dict[str, Any], task: str) -> Response:
    """Change name, labels or resources; null is the default, and takes a label away.

    Name, labels and reservation are changed at once; a container that runs is given its new limits by its node, and
    `wait=1` answers once it has them, or the node has said in `resize_refused` why not.
    """
    patch = read_json()
    return change(
        task, query, verb=lambda deck, before: updating.update(deck, before, patch), goal=lambda _: waiting.resized
    )


@tasks.route("/tasks/<task>", methods=["DELETE"])
@tasks.query(RemoveQuery)
@tasks.also_answers(202, RemovalDocument)
@tasks.answers(204, problems=(404, 409, 422))
def remove(query: dict[str, Any], task: str) -> Response:
    """Remove an ended task and its record; with `force=1` stop it first.

    `wait=1` answers once its container is gone, too; 202 when its node has not said so in time.
    """
    mine = services()
    found = mine.deck.store.find(task)
    submission.remove(acting(mine), found, force=query["force"])
    if query["wait"] and not waiting.erased(mine, found.id, timeout_s=query["timeout"]):
        return reply({"task": found.id, "node": found.node}, 202)
    return no_content()


@tasks.route("/tasks/<task>/stop", methods=["POST"])
@tasks.query(WaitQuery)
@tasks.answers(202, TaskDocument, problems=(404, 409, 422))
def stop(query: dict[str, Any], task: str) -> Response:
    """Ask for a task to be stopped; its record is kept. `wait=1` answers once its container is gone."""
    return change(task, query, verb=submission.stop, goal=lambda before: waiting.stopped)


@tasks.route("/tasks/<task>/restart", methods=["POST"])
@tasks.query(WaitQuery)
@tasks.answers(202, TaskDocument, problems=(404, 409, 422))
def restart(query: dict[str, Any], task: str) -> Response:
    """Ask for a new attempt. `wait=1` answers once it is up, or will not be."""
    return change(task, query, verb=submission.restart, goal=waiting.settled_anew)


@tasks.route("/tasks/<task>/retry", methods=["POST"])
@tasks.query(WaitQuery)
@tasks.answers(202, TaskDocument, problems=(404, 409, 422))
def retry(query: dict[str, Any], task: str) -> Response:
    """Try a waiting or failed task now. `wait=1` answers once it is up, or will not be."""
    return change(task, query, verb=submission.retry, goal=waiting.settled_after_retry)


def change(
    word: str,
    query: dict[str, Any],
    *,
    verb: Callable[[submission.Deck, Task], Task],
    goal: Callable[[Task], Goal],
) -> Response:
    """Apply `verb` to the task that `word` names and answer with its record, after waiting if that was asked."""
    mine = services()
    before = mine.deck.store.find(word)
    if not query["wait"]:
        return reply(verb(acting(mine), before).to_json(), 202)
    with mine.long.place(), Wait(mine.feed, mine.deck.store, [before.id]) as wait:
        after = wait.until([verb(acting(mine), before)], goal(before), timeout_s=query["timeout"])
    return reply(after[0].to_json(), 202)


@tasks.route("/tasks/<task>/attempts", methods=["GET"])
@tasks.answers(200, AttemptPage, problems=(404, 409))
def attempts(task: str) -> Response:
    """Show the attempts on record, at most ten, oldest first."""
    found = services().deck.store.find(task)
    return reply({"items": [attempt.to_json() for attempt in found.attempts], "next": None})


@tasks.route("/tasks/<task>/events", methods=["GET"])
@tasks.query(PageQuery)
@tasks.answers(200, EventPage, problems=(404, 409, 422))
def events(query: dict[str, Any], task: str) -> Response:
    """Show what happened to one task, oldest first."""
    from manager_api.routes.events import page_of

    store = services().deck.store
    return reply(page_of(store, task=store.find(task), limit=query["limit"], cursor=query["cursor"]))
