"""What readers ask of this node: the log of a container, streamed until its end or until nobody reads any more.

Other kinds are answered in one piece, JSON, by whoever the agent names for them.
"""

from __future__ import annotations

import codecs
import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock
from typing import Any

from ormen.errors import StoreUnavailable
from ormen.store.agent import Request
from worker_agent.lanes import STREAM, Lanes
from worker_agent.runtime import RuntimeFault, Stream
from worker_agent.station import Station

log = logging.getLogger(__name__)

AnswerRequest = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""What answers a request of one kind from its options."""

CHECK_EVERY_S = 5.0
"""How often a log that says nothing is checked for a reader."""


class Requests:
    """The requests under way, each in the lane of streams."""

    def __init__(self, station: Station, lanes: Lanes, answers: Mapping[str, AnswerRequest] | None = None) -> None:
        self._station = station
        self._lanes = lanes
        self._answers = answers or {}
        self._open: dict[str, Stream[bytes]] = {}
        self._lock = Lock()
        self._checked_at = 0.0

    def take(self, request: Request) -> None:
        """Have a request answered."""
        self._lanes.submit(STREAM, f"request {request.id}", partial(self.serve, request))

    def serve(self, request: Request) -> str:
        """Answer a request, once however often it was rung."""
        try:
            if not self._station.store.claim(request.id):
                return "claimed already"
            if request.kind in self._answers:
                return self._answer(request, self._answers[request.kind])
            if request.kind != "logs":
                return self._refuse(request, f"this agent knows no request of the kind {request.kind}")
            return self._logs(request)
        except StoreUnavailable as fault:
            log.warning("request %s ended: %s", request.id, fault)
            return "store away"

    def step(self, now: float) -> None:
        """End the streams whose readers have gone while the log was silent."""
        if now - self._checked_at < CHECK_EVERY_S:
            return
        self._checked_at = now
        with self._lock:
            under_way = dict(self._open)
        for request_id, stream in under_way.items():
            try:
                read = self._station.store.answer(request_id, "data", "")
            except StoreUnavailable:
                # The stream itself meets the same fault at its next piece.
                continue
            if not read:
                stream.close()

    def close(self) -> None:
        """End every stream."""
        with self._lock:
            under_way = list(self._open.values())
        for stream in under_way:
            stream.close()

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
            container = self._station.container_of(task) if task is not None else None
            if container is None:
                return self._refuse(request, f"there is no container of it on {self._station.node} any more")
            stream = self._station.runtime.logs(
                container.id,
                tail=_whole(request.options.get("tail")),
                since_s=request.options.get("since_s"),
                follow=bool(request.options.get("follow")),
                timestamps=bool(request.options.get("timestamps")),
            )
            return self._pass_on(request, stream)
        except RuntimeFault as fault:
            return self._refuse(request, fault.reason.sentence)

    def _pass_on(self, request: Request, stream: Stream[bytes]) -> str:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with self._lock:
            self._open[request.id] = stream
        try:
            for piece in stream:
                if not self._station.store.answer(request.id, "data", decoder.decode(piece)):
                    return "reader gone"
        finally:
            with self._lock:
                self._open.pop(request.id, None)
            stream.close()
        self._station.store.answer(request.id, "end", decoder.decode(b"", final=True))
        return "sent"

    def _refuse(self, request: Request, sentence: str) -> str:
        self._station.store.answer(request.id, "error", sentence)
        return sentence


def _whole(value: object) -> int | None:
    return int(str(value)) if value is not None and str(value).isdigit() else None
