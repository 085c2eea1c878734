"""``/v1/tasks/{task}/exec`` and ``/v1/talks``: talking with a task's container, on whatever node it is.

Each reading is one short request that says up to where the last ones were read, so a talk outlives the deck through
which it was begun, and nothing of it is lost or doubled.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

from flask import Response

from manager_api import submission
from manager_api.auth import caller
from manager_api.bodies import no_content, read_json, reply
from manager_api.nouns import Nouns
from manager_api.queries import load_body
from manager_api.replies import FIRST_ANSWER_S, DeckEnds, NodeSilent, deck_ends
from manager_api.routes.logs import COMES_BY
from manager_api.routes.nodes import has_body
from manager_api.services import Services, services
from manager_api.talk_documents import (
    ArchiveBody,
    AttachBody,
    ExecBody,
    InputBody,
    OutputDocument,
    OutputQuery,
    TalkDocument,
    ToldDocument,
)
from ormen.errors import Busy, NotRunning, OrmenError, PolicyForbids, TalkNotFound
from ormen.store.talks import Heard, Known, Wish
from ormen.talk import ERROR, Frame
from ormen.task import Task

FULL_S = 2.0
"""How long input waits for the container to take what was told before."""

LOOK_S = 0.05
BLOCK_MS = 1000

talks = Nouns("talks", __name__, url_prefix="/v1", description="Commands in containers")


class TalkRefused(OrmenError):
    """The node answered that it cannot begin it; nothing was done."""

    code = "TALK_REFUSED"
    title = "The node cannot do it"
    http_status = 502


@talks.route("/tasks/<task>/exec", methods=["POST"])
@talks.body(ExecBody)
@talks.answers(201, TalkDocument, problems=(400, 404, 409, 413, 422, 502, 504))
def begin(task: str) -> Response:
    """Begin a command in the container of a running task.

    The answer comes once the command has begun, or says that it did not and never will. Repeating the request with
    the same `id` begins nothing twice. Read it with `GET /v1/talks/{id}/output` at least every 15 seconds: a talk
    that nobody reads is ended, and its process with it.
    """
    mine, body = services(), load_body(ExecBody(), read_json())
    talk_id = body.pop("id", None) or str(uuid.uuid4())
    allow(mine)
    found = mine.deck.store.find(task)
    return opened(mine, talk_id, found, Wish("exec", body, caller().name))


@talks.route("/tasks/<task>/attach", methods=["POST"])
@talks.body(AttachBody, required=False)
@talks.answers(201, TalkDocument, problems=(400, 404, 409, 413, 422, 502, 504))
def attach(task: str) -> Response:
    """Join the streams of the container itself, from its first byte on, to its end; its exit code is the talk's.

    A task with `stdin` takes input, from one reader. Signals go to the container. Leaving ends its input and nothing
    else.
    """
    mine = services()
    body = load_body(AttachBody(), read_json()) if has_body() else {}
    found = mine.deck.store.find(task)
    wish = Wish("attach", {}, caller().name, states=("running", "completed", "failed"))
    return opened(mine, body.get("id") or str(uuid.uuid4()), found, wish)


@talks.route("/tasks/<task>/archive", methods=["POST"])
@talks.body(ArchiveBody)
@talks.answers(201, TalkDocument, problems=(400, 404, 409, 413, 422, 502, 504))
def archive(task: str) -> Response:
    """Begin to copy files: a talk whose `out` is the tar of a path, or whose `data` is a tar to unpack there.

    Its first frame, `stat`, says what stands at the path: `exists`, `name`, `folder`. A tar is unpacked into the path
    if it is a folder, else into the folder above it. The talk exits with 0 once all is done.
    """
    mine, body = services(), load_body(ArchiveBody(), read_json())
    talk_id = body.pop("id", None) or str(uuid.uuid4())
    allow(mine)
    found = mine.deck.store.find(task)
    return opened(mine, talk_id, found, Wish("copy", body, caller().name, states=("running", "completed", "failed")))


@talks.route("/talks/<talk>/output", methods=["GET"])
@talks.query(OutputQuery)
@talks.answers(200, OutputDocument, problems=(404, 422))
def output(query: dict[str, Any], talk: str) -> Response:
    """Read what came, waiting up to `wait` seconds for something; everything up to `after` is forgotten."""
    mine = services()
    ours(mine, talk)
    with mine.long.place():
        heard = hear(mine, talk, query["after"], query["wait"])
    frames = [frame.to_json() for frame in heard.frames]
    return reply({"frames": frames, "next": heard.next, "ended": heard.ended})


@talks.route("/talks/<talk>/input", methods=["POST"])
@talks.body(InputBody)
@talks.answers(200, ToldDocument, problems=(400, 404, 409, 413, 422))
def tell(talk: str) -> Response:
    """Tell the command input, its end, the size of its terminal, or a signal.

    Frames are numbered: those told before are not told again, so repeating a request is safe. Where the container has
    not taken what it was told, the answer comes after two seconds with `next` unchanged: send the same again.
    """
    mine, body = services(), load_body(InputBody(), read_json())
    ours(mine, talk)
    deadline = time.monotonic() + FULL_S
    with mine.long.place():
        while True:
            due = mine.talks.tell(talk, body["seq"], body["frames"])
            if due > body["seq"] or not body["frames"] or time.monotonic() >= deadline or mine.closing.is_set():
                return reply({"next": due})
            mine.closing.wait(LOOK_S)


@talks.route("/talks/<talk>", methods=["DELETE"])
@talks.answers(204, problems=(404,))
def hang_up(talk: str) -> Response:
    """Leave a talk: its node ends what was begun."""
    mine = services()
    ours(mine, talk)
    mine.talks.hang_up(talk)
    return no_content()


def allow(mine: Services) -> None:
    """Raise PolicyForbids where the admin lets nobody into containers."""
    if not mine.policy.allows_exec:
        sentence = f"policy forbids commands in containers (exec: {mine.policy.exec})"
        raise PolicyForbids(sentence, [], hint="an admin sets the rules on the deck")


def ours(mine: Services, talk_id: str) -> Known:
    """Return a talk of the caller's own; somebody else's is not to be found."""
    found = mine.talks.known(talk_id)
    if found.by != caller().name:
        raise TalkNotFound(f"no talk {talk_id[:40]}")
    return found


def opened(mine: Services, talk_id: str, task: Task, wish: Wish) -> Response:
    """Open a talk, ring its node and answer once it has begun; what never begins is taken back, and told."""
    check_place(mine, task, wish)
    with mine.long.place():
        mine.talks.open(talk_id, task, wish)
        submission.ring_node(mine.deck, task.node or "", [task.name])
        try:
            wait_for_begin(mine, talk_id, task)
        except (Busy, NodeSilent, DeckEnds):
            # So that the same request may be made again.
            mine.talks.forget(talk_id)
            raise
    document = {"id": talk_id, "task": task.id, "node": task.node, "attempt": task.attempt, "kind": wish.kind}
    return reply(document, 201, location=f"/v1/talks/{talk_id}")


def check_place(mine: Services, task: Task, wish: Wish) -> None:
    """Raise NotRunning for a task without a container to enter, NodeSilent for one whose node cannot be asked."""
    if task.state.value not in wish.states or task.node is None:
        why = f"{task.name} is {task.state.value}; nothing was done"
        raise NotRunning(why, hint=f"ormen why {task.name} says more")
    if mine.deck.store.node(task.node).state not in COMES_BY:
        raise NodeSilent(f"{task.node} is lost, so nobody can reach {task.name} there; nothing was done")


def wait_for_begin(mine: Services, talk_id: str, task: Task) -> None:
    """Return once the node has begun; raise what it says instead, or NodeSilent once it is sure that it never will.

    Of a deck that stops it is DeckEnds, also once that is sure.
    """
    deadline = time.monotonic() + FIRST_ANSWER_S
    while True:
        heard = mine.talks.hear(talk_id, after="0-0", block_ms=BLOCK_MS)
        if heard.frames:
            return refuse(heard)
        if mine.closing.is_set() or time.monotonic() >= deadline:
            if mine.talks.withdraw(talk_id):
                if mine.closing.is_set():
                    raise deck_ends()
                raise NodeSilent(
                    f"{task.node} has not answered within {FIRST_ANSWER_S:g}s; nothing was done, and nothing will be",
                    hint=f"GET /v1/nodes/{task.node} shows its state",
                )
            mine.talks.known(talk_id)
            return None  # it was claimed at this very moment, and says the rest by itself


def refuse(heard: Heard) -> None:
    """Raise what the node answered in place of beginning."""
    first = heard.frames[0]
    if first.kind != ERROR:
        return
    code, sentence = first.fault
    if code == "BUSY":
        raise Busy(sentence, hint="ask again in a few seconds")
    if code in ("NOT_RUNNING", "INTERRUPTED"):
        raise NotRunning(sentence)
    raise TalkRefused(sentence)


def hear(mine: Services, talk_id: str, after: str, wait_s: float) -> Heard:
    """Return what came; that an agent has gone, or never began it, is told as the last frame."""
    deadline = time.monotonic() + wait_s
    while True:
        left_ms = round(max(0.0, deadline - time.monotonic()) * 1000)
        heard = mine.talks.hear(talk_id, after=after, block_ms=max(1, min(BLOCK_MS, left_ms)))
        if heard.frames:
            return heard
        found = mine.talks.known(talk_id)
        if found.silent or found.state == "withdrawn":
            sentence = f"{found.node} has not begun it and never will; nothing was done"
            if found.silent:
                sentence = f"the agent of {found.node} has gone; whether the command goes on there is not known"
            return Heard((Frame.error("NODE_SILENT", sentence),), after)
        if time.monotonic() >= deadline or mine.closing.is_set():
            return heard
