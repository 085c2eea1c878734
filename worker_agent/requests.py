"""What readers ask of this node: the log of a container, streamed until its end or until nobody reads any more.

Other kinds are answered in one piece, JSON, by whoever the agent names for them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from threading import Condition
from typing import Any

from ormen.clock import rfc3339
from ormen.errors import Busy, StoreUnavailable
from ormen.store.agent import Request
from ormen.store.replies import ATTEMPT_OVER
from worker_agent.lanes import STREAM, WIDTHS, Lanes
from worker_agent.passing import Passing
from worker_agent.runtime import RuntimeFault
from worker_agent.station import Station

log = logging.getLogger(__name__)

AnswerRequest = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""What answers a request of one kind from its options."""

LOGS = WIDTHS[STREAM] - 16
"""Logs passed on at once; the rest of the lane stays free for requests of other kinds."""

CLOSING_S = 1.0
"""How long an agent that ends waits until the readers of its logs have been told."""


class Requests:
    """The requests under way, each in the lane of streams."""

    def __init__(self, station: Station, lanes: Lanes, answers: Mapping[str, AnswerRequest] | None = None) -> None:
        self._station = station
        self._lanes = lanes
        self._answers = answers or {}
        self._open: dict[str, Passing | None] = {}
        self._changed = Condition()
        self._closed = False

    def take(self, request: Request) -> None:
        """Have a request answered; refuse a log beyond those that can be passed on at once, without a wait."""
        if request.kind != "logs":
            self._lanes.submit(STREAM, f"request {request.id}", partial(self.serve, request))
        elif self._enter(request):
            self._lanes.submit(STREAM, f"request {request.id}", partial(self._serve_log, request))
        else:
            self._say_busy(request)

    def serve(self, request: Request) -> str:
        """Answer a request, once however often it was rung."""
        try:
            if not self._station.store.claim(request.id):
                return "claimed already, or nobody waits"
            if request.kind in self._answers:
                return self._answer(request, self._answers[request.kind])
            if request.kind != "logs":
                return self._refuse(request, f"this agent knows no request of the kind {request.kind}")
            return self._logs(request)
        except StoreUnavailable as fault:
            log.warning("request %s ended: %s", request.id, fault)
            return "store away"
        except Exception:
            # A fault of ours: whoever asked is told, and not left to wait.
            log.exception("request %s failed", request.id)
            return self._refuse(request, f"the agent of {self._station.node} failed at it; its log says why")

    def close(self) -> None:
        """End every stream, each with a word to its reader."""
        with self._changed:
            self._closed = True
            under_way = list(self._open.values())
        for passing in under_way:
            if passing is not None:
                passing.close(f"the agent of {self._station.node} ends; the container runs on")
        with self._changed:
            self._changed.wait_for(lambda: not any(self._open.values()), CLOSING_S)

    def _enter(self, request: Request) -> bool:
        with self._changed:
            if request.id not in self._open and len(self._open) >= LOGS:
                return False
            self._open.setdefault(request.id, None)
            return True

    def _leave(self, request: Request) -> None:
        with self._changed:
            self._open.pop(request.id, None)
            self._changed.notify_all()

    def _serve_log(self, request: Request) -> str:
        try:
            return self.serve(request)
        finally:
            self._leave(request)

    def _say_busy(self, request: Request) -> None:
        sentence = f"{self._station.node} already passes {LOGS} logs on"
        try:
            if self._station.store.claim(request.id):
                self._refuse(request, sentence, code=Busy.code)
        except StoreUnavailable as fault:
            log.info("%s; who asked for one more was not told: %s", sentence, fault)

    def _answer(self, request: Request, answer: AnswerRequest) -> str:
        try:
            said = answer(request.options)
        except RuntimeFault as fault:
            return self._refuse(request, fault.reason.sentence)
        self._station.store.answer(request.id, "data", json.dumps(said))
        self._station.store.answer(request.id, "end", "")
        return "sent"

    def _logs(self, request: Request) -> str:
        task = self._station.store.read([request.task])[request.task]
        try:
            asked = request.options.get("attempt")
            if task is not None and asked is not None and task.attempt != asked:
                return self._refuse(request, f"attempt {asked} of {task.name} is over", code=ATTEMPT_OVER)
            container = self._station.container_of(task) if task is not None else None
            if container is None:
                return self._refuse(request, f"there is no container of it on {self._station.node} any more")
            at = rfc3339(self._station.wall_ms()) or ""
            stream = self._station.runtime.logs(
                container.id,
                tail=_whole(request.options.get("tail")),
                since_s=request.options.get("since_s"),
                until_s=request.options.get("until_s"),
                follow=bool(request.options.get("follow")),
                timestamps=bool(request.options.get("timestamps")),
            )
        except RuntimeFault as fault:
            return self._refuse(request, fault.reason.sentence)
        passing = Passing(self._station.store, request, stream, at=at)
        with self._changed:
            self._open[request.id] = passing
            if self._closed:
                passing.close(f"the agent of {self._station.node} ends; the container runs on")
        return passing.run()

    def _refuse(self, request: Request, sentence: str, *, code: str = "") -> str:
        self._station.store.answer(request.id, "error", sentence, code=code)
        return sentence


def _whole(value: object) -> int | None:
    return int(str(value)) if value is not None and str(value).isdigit() else None
