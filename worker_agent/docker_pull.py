"""Fetching an image through the engine, as long as anything moves; and the logins that registries want for it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from ormen.registries import DOCKER_HUB, Login
from worker_agent.docker_faults import pull_refusal, pull_stalled
from worker_agent.docker_gate import Ask, Gate, message
from worker_agent.docker_views import PullMeter
from worker_agent.runtime import EngineHung, OnProgress, PullRefused


class Pull:
    """One pull. Time does not end it, only `stall_s` without progress; leaving makes the engine stop, too.

    `user` is whose login goes with it, for the words of a refusal.
    """

    def __init__(self, gate: Gate, image: str, *, stall_s: float, user: str = "") -> None:
        self._gate = gate
        self._image = image
        self._user = user
        self._stall_s = stall_s
        self._meter = PullMeter()

    def run(self, ask: Ask, on_progress: OnProgress | None) -> None:
        """Send `ask` and follow it to its end; raise PullRefused."""
        try:
            with self._gate.stream(ask, timeout_s=self._stall_s) as answer:
                if answer.status_code != 200:
                    raise PullRefused(pull_refusal(self._image, message(answer), user=self._user))
                for line in answer.iter_lines():
                    # A line's end that comes in two pieces reads as an empty line.
                    if line.strip():
                        self._take(json.loads(line), on_progress)
        except EngineHung as error:
            raise self._stalled() from error
        except OSError as error:
            fault = self._gate.fault(error, f"the pull of {self._image}")
            raise (self._stalled() if isinstance(fault, EngineHung) else fault) from error

    def _take(self, item: Mapping[str, Any], on_progress: OnProgress | None) -> None:
        # The status was sent long ago: a failure of the pull itself is an item of the stream.
        if "error" in item:
            raise PullRefused(pull_refusal(self._image, str(item["error"]), user=self._user))
        self._meter.take(item)
        if self._meter.silent_s > self._stall_s:
            raise self._stalled()
        if on_progress is not None and self._meter.due():
            on_progress(self._meter.progress())

    def _stalled(self) -> PullRefused:
        so_far = self._meter.progress()
        return PullRefused(
            pull_stalled(
                self._image,
                silent_s=self._stall_s,
                done_bytes=so_far.done_bytes,
                total_bytes=so_far.total_bytes,
            )
        )


def credentials(login: Login) -> dict[str, str]:
    """Return a login as the engine takes it; Docker Hub is named by its old address there."""
    address = "https://index.docker.io/v1/" if login.host == DOCKER_HUB else login.host
    return {"username": login.user, "password": login.password, "serveraddress": address}


def header_of(login: Login) -> bytes:
    """Return the header that carries a login with a pull."""
    return base64.urlsafe_b64encode(json.dumps(credentials(login)).encode())
