"""``python -m manager_api api|control|beat``: the three kinds of processes of a deck.

Settings come from the ``ORMEN_*`` variables. ``ormen deck`` and ``ormen up`` start and supervise these.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from manager_api.log import set_up
from ormen.collector import collect_seldom
from ormen.errors import OrmenError, StoreUnavailable
from ormen.messages import CONTROL_QUEUE, TICK_QUEUE
from ormen.settings import Settings

log = logging.getLogger("ormen.deck")

CONTROL_THREADS = 4
"""Ticks and rings worked on at once; a scan holds a lease, so more would only wait."""


def serve(settings: Settings) -> int:
    """Run the API until a signal ends it."""
    folder = metrics_folder(settings)
    # Read when prometheus_client is imported, so it must be there before the application is.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    from manager_api.server import Server

    Server(settings, metrics_dir=folder).run()
    return 0


def metrics_folder(settings: Settings) -> Path:
    """Return an empty folder for the counters of the API's processes."""
    if not settings.state_dir:
        return Path(tempfile.mkdtemp(prefix="ormen-metrics-"))
    folder = Path(settings.state_dir) / f"metrics-{settings.port}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def control(settings: Settings) -> int:
    """Run the loops' worker until a signal ends it."""
    from celery.exceptions import SecurityWarning

    from manager_api.control.app import make_worker_app
    from manager_api.control.sender import Sender

    # It warns root of pickled messages; ours are JSON only.
    warnings.simplefilter("ignore", SecurityWarning)
    app = make_worker_app(settings)
    keep_our_log(settings)
    say_who_may_join(settings)
    drop_old_ticks(app)
    worker = app.Worker(
        hostname=f"control@{os.uname().nodename}",
        pool="threads",
        concurrency=CONTROL_THREADS,
        queues=[TICK_QUEUE, CONTROL_QUEUE],
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        task_events=settings.control_events,
        quiet=True,
    )
    log.info("control: the loops' worker starts")
    sender = Sender(settings)
    sender.start()
    collect_seldom()
    worker.start()
    sender.stop()
    return int(worker.exitcode or 0)


def say_who_may_join(settings: Settings) -> None:
    """Write down the nodes of ``-w``, or that any may join; a Redis that does not answer is waited for."""
    from ormen.store.manager import ManagerStore

    store = ManagerStore.connect(settings, name="control")
    while True:
        try:
            store.allow_nodes(settings.allowed)
        except StoreUnavailable as fault:
            log.warning("control: %s; waiting for it", str(fault).rstrip("."))
            time.sleep(1.0)
        else:
            store.close()
            return


def drop_old_ticks(app: Any) -> None:
    """Throw away the ticks that gathered while no worker ran: each loop looks at everything anyway."""
    from kombu.exceptions import OperationalError

    try:
        with app.connection_for_write(connect_timeout=2) as connection:
            connection.default_channel.queue_purge(TICK_QUEUE)
    except (OperationalError, OSError) as error:
        log.warning("control: old ticks were not dropped (%s); each is answered at once", error)


def beat(settings: Settings) -> int:
    """Run the clock of the loops until a signal ends it; its schedule is kept in memory."""
    from celery.apps.beat import Beat

    from manager_api.control.app import make_worker_app

    app = make_worker_app(settings)
    keep_our_log(settings)
    log.info("beat: starts")
    Beat(app=app, scheduler_cls="manager_api.control.app:Metronome", quiet=True).run()
    return 0


def keep_our_log(settings: Settings) -> None:
    """Keep Celery from setting up logging of its own."""
    from celery.signals import setup_logging

    def ours(**kwargs: object) -> None:
        set_up(settings.log_level)

    setup_logging.connect(ours, weak=False)


ROLES: Mapping[str, Callable[[Settings], int]] = {"api": serve, "control": control, "beat": beat}


def main(words: Sequence[str]) -> int:
    """Run one role and return the exit status: 2 for a wrong word or setting."""
    if len(words) != 1 or words[0] not in ROLES:
        print(f"usage: python -m manager_api {'|'.join(ROLES)}", file=sys.stderr)
        return 2
    try:
        settings = Settings.from_env()
        set_up(settings.log_level)
        return ROLES[words[0]](settings)
    except (ValueError, OrmenError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
