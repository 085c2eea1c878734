"""The Celery app of the control worker and of beat: the loops as tasks, and when beat ticks them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from celery import Celery
from celery.beat import Scheduler
from celery.schedules import schedule

from manager_api.control.loops import INTERVALS_MS, Loops
from ormen import messages
from ormen.broker import make_app
from ormen.errors import StoreUnavailable
from ormen.ringer import Ringer
from ormen.rings import stamped
from ormen.settings import Settings
from ormen.store.loops import LoopStore

log = logging.getLogger("ormen.control")

TICKS = {
    "liveness": messages.LIVENESS,
    "reschedule": messages.RESCHEDULE,
    "health": messages.HEALTH,
    "cleanup": messages.CLEANUP,
}
"""Each loop and the Celery task that runs it."""


PLAIN = {"declare": [], "retry": False, "argsrepr": "()", "kwargsrepr": "{}", "ignore_result": True}
"""Options of a tick: nothing is declared, described or tried again for what the next tick does anyway."""


MOST_WAITING = {messages.TICK_QUEUE: 1_000, messages.CONTROL_QUEUE: 10_000}
"""How many messages wait for a control worker that is away: the newest. The loops do what the others asked for."""


class Metronome(Scheduler):
    """Celery's scheduler in memory, for a schedule that never changes while it runs."""

    def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **options: Any) -> Any:
        """Send a tick; once a minute drop what nobody has taken, or without a worker the queues would grow for ever."""
        entry.options["headers"] = stamped()
        sent = super().apply_async(entry, producer=producer, advance=advance, **options)
        if entry.name == "cleanup" and producer is not None:
            for name, most in MOST_WAITING.items():
                producer.channel.client.ltrim(name, 0, most - 1)
        return sent

    def schedules_equal(self, *_: object) -> bool:
        """Return True: comparing every entry at each tick was a quarter of an idle beat's work."""
        return True


def _now() -> datetime:
    # Celery's own clock converts between time zones at each look, which was a third of an idle beat's work.
    return datetime.now(UTC)


def make_worker_app(settings: Settings) -> Celery:
    """Return the app with every loop's task and beat's entries; connections are opened at the first use."""
    app = make_app(settings, "control", queues=[messages.TICK_QUEUE, messages.CONTROL_QUEUE])
    app.conf.beat_schedule = {
        loop: {
            "task": name,
            "schedule": schedule(timedelta(milliseconds=INTERVALS_MS[loop]), nowfun=_now, app=app),
            "options": {"queue": messages.TICK_QUEUE, **PLAIN},
        }
        for loop, name in TICKS.items()
    }

    @cache
    def loops() -> Loops:
        store = LoopStore.connect(settings, "control")
        return Loops(store, Ringer(store), settings, threads=True)

    def tick(loop: str) -> Callable[[], None]:
        return _guarded(loop, lambda: getattr(loops(), loop)())

    for loop, name in TICKS.items():
        app.task(name=name, shared=False)(tick(loop))
    app.task(name=messages.RING, shared=False)(_guarded("ring", lambda ids: loops().hear(ids)))
    return app


def _guarded(name: str, work: Callable[..., None]) -> Callable[..., None]:
    """Return the work of one message. Redis away ends it with a line in the log: the next tick does it."""

    def run(*arguments: object) -> None:
        try:
            work(*arguments)
        except StoreUnavailable as fault:
            log.warning("%s waits for its next tick: %s", name, fault.sentence)

    return run
