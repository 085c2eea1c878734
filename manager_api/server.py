"""The API's processes: gunicorn with threads, one application loaded before the fork."""

from __future__ import annotations

import logging
import shutil
import socket
import struct
import sys
import threading
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from manager_api.log import CLOCK, FORMAT
from manager_api.services import Services
from ormen.collector import collect_seldom
from ormen.settings import Settings

log = logging.getLogger("ormen.api")

GRACE_S = 10
"""How long short answers may take to finish when a process is asked to stop; streams and waits end at once."""

UNREAD_S = 30
"""How long a piece of an answer may stay unread before the connection is given up."""

IDLE_S = 30
"""After so long without a request a connection is closed."""


class PlainLogger(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """Gunicorn's messages in the form of all others."""

    error_fmt = FORMAT
    datefmt = CLOCK

    def exception(self, msg: str, *args: Any, **options: Any) -> None:
        """Log a failure with its trace; a reader who takes nothing is none."""
        if isinstance(sys.exc_info()[1], BlockingIOError):
            log.info("a reader took nothing for %ds; its connection is closed", UNREAD_S)
        else:
            super().exception(msg, *args, **options)


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """A process of threads whose streams and waits end as soon as it is asked to stop."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to stop. The streams are ended by a thread: a signal handler must take no lock."""
        threading.Thread(target=services_of(self.wsgi).close, name="closing", daemon=True).start()
        super().handle_exit(sig, frame)


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """The API of one deck. `metrics_dir` holds the counters of its processes while it runs."""

    def __init__(self, settings: Settings, *, metrics_dir: Path) -> None:
        self._settings = settings
        self._metrics_dir = metrics_dir
        super().__init__()

    def load_config(self) -> None:
        """Set what the settings say; gunicorn's own files and variables are not read."""
        options = {
            "bind": address(self._settings.host, self._settings.port),
            "workers": self._settings.api_workers,
            "threads": self._settings.api_threads,
            "worker_class": Worker,
            "preload_app": True,
            "control_socket_disable": True,
            "graceful_timeout": GRACE_S,
            "keepalive": IDLE_S,
            "logger_class": PlainLogger,
            "loglevel": "warning" if self._settings.log_level == "info" else self._settings.log_level,
            "accesslog": None,
            "proc_name": "ormen-deck",
            "when_ready": self._ready,
            "child_exit": self._left,
            "on_exit": self._over,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Return the application; its connections are opened by each process for itself."""
        from manager_api.app import create_app

        return create_app(self._settings)

    def _ready(self, server: Any) -> None:
        collect_seldom()
        for listener in server.LISTENERS:
            # Connections inherit it: a reader that takes nothing must not hold a thread until TCP gives up.
            listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", UNREAD_S, 0))
        where = address(self._settings.host, self._settings.port)
        log.info("http://%s answers, %d processes", where, self._settings.api_workers)

    def _left(self, server: Any, worker: Any) -> None:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.pid, str(self._metrics_dir))  # type: ignore[no-untyped-call]

    def _over(self, server: Any) -> None:
        shutil.rmtree(self._metrics_dir, ignore_errors=True)


def address(host: str, port: int) -> str:
    """Return host and port as one word; an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def services_of(app: Flask) -> Services:
    """Return an application's services."""
    found: Services = app.extensions["ormen"]
    return found
