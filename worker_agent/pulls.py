"""Fetching images: one pull an image however many tasks wait for it, outside the lanes of starts.

Nothing waits for a pull while it holds a task: whoever needs the image says so and leaves; when the pull has ended,
each task that waited is looked at again from its record. So a stop during a pull is done at once, and the fence is
always checked between pull and start. A pull that nobody waits for any more is left at its next progress, and the
engine ends it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

from ormen.errors import StoreUnavailable
from ormen.image_pin import shortened
from ormen.reasons import Reason
from ormen.registries import registry_of
from ormen.sealing import SealError
from ormen.store.agent import Remark
from ormen.store.logins import LoginStore
from ormen.task import Task
from worker_agent.docker_faults import login_sealed, pull_failed
from worker_agent.lanes import STREAM, Lanes
from worker_agent.runtime import PullProgress, PullRefused, RuntimeFault
from worker_agent.station import Station

log = logging.getLogger(__name__)

NOTE_EVERY_S = 1.0
"""How often the progress of a pull is written down."""

Fence = tuple[str, int]


class _Unwanted(Exception):
    """Nobody waits for the image any more."""


@dataclass(slots=True)
class _Pull:
    waiting: set[Fence] = field(default_factory=set)
    began_s: float = field(default_factory=time.monotonic)
    noted_s: float = 0.0
    last: PullProgress | None = None


class Pulls:
    """The pulls under way, and how those of each attempt ended."""

    def __init__(self, station: Station, lanes: Lanes, look_again: Callable[[str], object]) -> None:
        self._station = station
        self._lanes = lanes
        self._look_again = look_again
        self._logins = LoginStore(station.store.settings, station.store.client)
        self._running: dict[str, _Pull] = {}
        self._ended: dict[Fence, Reason | None] = {}
        self._lock = Lock()

    def want(self, task: Task, image: str) -> None:
        """Let the task's attempt wait for the image; the task is looked at again when the pull has ended."""
        with self._lock:
            pull = self._running.get(image)
            fresh = pull is None
            if pull is None:
                pull = self._running[image] = _Pull()
            joined = (task.id, task.attempt) not in pull.waiting
            pull.waiting.add((task.id, task.attempt))
        if joined:
            self._note(
                (task.id, task.attempt),
                event="task.pulling",
                sentence=f"{shortened(image)} on {self._station.node}",
                detail=f"pulling {shortened(image)}",
            )
        if fresh:
            self._lanes.submit(STREAM, f"pull {image}", partial(self._pull, image))

    def pulled(self, task: Task) -> bool:
        """Return whether the image was fetched for this very attempt."""
        with self._lock:
            return (task.id, task.attempt) in self._ended and self._ended[task.id, task.attempt] is None

    def refusal(self, task: Task) -> Reason | None:
        """Return why the image could not be had for this attempt."""
        with self._lock:
            return self._ended.get((task.id, task.attempt))

    def waits(self, task: Task) -> bool:
        """Return whether the attempt waits for a pull under way."""
        with self._lock:
            return any((task.id, task.attempt) in pull.waiting for pull in self._running.values())

    def forget(self, task_id: str) -> None:
        """Drop what is known of a task's pulls: its attempt has begun, or is no more."""
        with self._lock:
            for fence in [fence for fence in self._ended if fence[0] == task_id]:
                del self._ended[fence]
            for pull in self._running.values():
                pull.waiting = {fence for fence in pull.waiting if fence[0] != task_id}

    def _pull(self, image: str) -> None:
        pull = self._running[image]
        refusal: Reason | None = None
        try:
            self._fetch(image, pull)
        except _Unwanted:
            log.info("pull of %s ended: nobody waits for it any more", image)
            return
        except PullRefused as fault:
            refusal = fault.reason
        except SealError as fault:
            refusal = login_sealed(registry_of(image), str(fault))
        except (RuntimeFault, StoreUnavailable) as fault:
            log.warning("pull of %s broke off: %s", image, fault)
            self._end(image, ended=False)
            return
        except Exception:
            # A fault of ours: without an end every task that names the image would wait for this pull for ever.
            log.exception("pull of %s failed", image)
            refusal = pull_failed(image)
        if refusal is None:
            for fence in tuple(pull.waiting):
                self._note(
                    fence, event="task.pulled", sentence=summary(image, pull.last, time.monotonic() - pull.began_s)
                )
        self._end(image, ended=True, refusal=refusal)

    def _fetch(self, image: str, pull: _Pull) -> None:
        runtime = self._station.runtime
        # Read for each pull: a new login works at once, and a pull asks a registry over the network anyway.
        login = self._logins.of(registry_of(image))
        before = runtime.image(image)
        runtime.pull(image, login=login, on_progress=partial(self._progress, image, pull))
        now = runtime.image(image)
        if now is not None:
            had = before.id if before else None
            self._station.inventory.pulled(image, now.id, before=had, now_ms=self._station.wall_ms())

    def _end(self, image: str, *, ended: bool, refusal: Reason | None = None) -> None:
        with self._lock:
            pull = self._running.pop(image)
            if ended:
                self._ended.update(dict.fromkeys(pull.waiting, refusal))
        for task_id, _ in sorted(pull.waiting):
            self._look_again(task_id)

    def _progress(self, image: str, pull: _Pull, progress: PullProgress) -> None:
        """Write down how far the pull is; raise _Unwanted, which makes the runtime leave it, if nobody waits."""
        with self._lock:
            if not pull.waiting:
                # Whoever wants the image from now on begins anew, from the layers that the engine keeps.
                del self._running[image]
                raise _Unwanted
        pull.last = progress
        now = time.monotonic()
        if now - pull.noted_s < NOTE_EVERY_S:
            return
        pull.noted_s = now
        for fence in tuple(pull.waiting):
            if not self._note(fence, detail=detail(progress)):
                with self._lock:
                    pull.waiting.discard(fence)

    def _note(self, fence: Fence, *, event: str | None = None, sentence: str = "", detail: str | None = None) -> bool:
        remark = Remark(
            task=fence[0], node=self._station.node, attempt=fence[1], event=event, sentence=sentence, detail=detail
        )
        try:
            return self._station.store.note(remark)
        except StoreUnavailable:
            # Progress is for eyes only: the pull goes on, and what it brought is reported when Redis is back.
            return True


def detail(progress: PullProgress) -> str:
    """Return ``pulling 140 of 600 MB at 31 MB/s``."""
    done, total = progress.done_bytes // 10**6, progress.total_bytes // 10**6
    return f"pulling {done} of {total} MB at {progress.bytes_per_s / 10**6:.0f} MB/s"


def summary(image: str, last: PullProgress | None, took_s: float) -> str:
    """Return ``nginx:latest, 67 MB at 17 MB/s``, or only the time where no amount was heard."""
    if last is None or not last.total_bytes:
        return f"{shortened(image)} in {took_s:.1f}s"
    megabytes = last.total_bytes / 10**6
    return f"{shortened(image)}, {megabytes:.0f} MB at {megabytes / max(took_s, 0.001):.0f} MB/s"
