"""The seed systems' own dialect at ``/tasks`` and ``/nodes``: a translation onto the same functions.

A client written for either seed works against this unchanged, so every answer has the seeds' keys and types.
"""

from __future__ import annotations

import uuid

from flask import Response

from manager_api import submission
from manager_api.auth import acting
from manager_api.bodies import no_content, read_json, reply
from manager_api.nouns import Nouns
from manager_api.services import services
from ormen.errors import TaskNotFound
from ormen.schema import load_submission
from ormen.seed import SeedEvent, render_node, render_task, to_event
from ormen.task import Task

PAGE = 1000

seed = Nouns("seed", __name__, description="The seed systems' dialect")


@seed.route("/tasks", methods=["POST"], strict_slashes=False)
@seed.body({"type": "object"})
@seed.answers_seeds(201, {"type": "object"}, errors=(400, 403, 404, 409, 413))
def submit() -> Response:
    """Take an event (or a bare task): wanted state 3 stops the task, any other runs it."""
    event = to_event(read_json())
    return reply(render_task(stop(event) if event.action == "stop" else run(event)), 201)


def run(event: SeedEvent) -> Task:
    """Submit the event's task; one that is already known with the same content is not a second task."""
    deck = acting(services())
    asked = load_submission(event.raw, policy=deck.policy, new_id=lambda: str(uuid.uuid4()))
    return submission.submit(deck, asked.items)[0]


def stop(event: SeedEvent) -> Task:
    """Stop the event's task, whatever it is doing."""
    deck = acting(services())
    return submission.stop(deck, known(event.task_id))


def known(task_id: str | None) -> Task:
    """Return the task with exactly this id; names and prefixes are not the seeds' habit."""
    task = services().deck.store.task(task_id.lower()) if task_id else None
    if task is None:
        raise TaskNotFound(f'no task "{task_id or ""}"')
    return task


@seed.route("/tasks", methods=["GET"], strict_slashes=False)
@seed.answers_seeds(200, {"type": "array", "items": {"type": "object"}})
def tasks() -> Response:
    """List every task."""
    store = services().deck.store
    found, cursor = store.tasks(limit=PAGE)
    while cursor is not None:
        more, cursor = store.tasks(limit=PAGE, cursor=cursor)
        found += more
    return reply([render_task(task) for task in found])


@seed.route("/tasks/<task>", methods=["DELETE"], strict_slashes=False)
@seed.answers_seeds(204, errors=(404,))
def delete(task: str) -> Response:
    """Stop a task; its record is kept, as it was in the seeds."""
    submission.stop(acting(services()), known(task))
    return no_content()


@seed.route("/nodes", methods=["GET"], strict_slashes=False)
@seed.answers_seeds(200, {"type": "array", "items": {"type": "object"}})
def nodes() -> Response:
    """List every node."""
    return reply([render_node(node) for node in services().deck.store.nodes()])
