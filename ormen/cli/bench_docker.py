"""The same by hand: containers that the Docker SDK starts on this machine's engine. Its only importer in `ormen`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import docker
from docker.errors import DockerException, ImageNotFound
from docker.types import LogConfig
from requests.exceptions import RequestException

from ormen.cli.bench_figures import OF_A_LIFE, START, STOP
from ormen.cli.bench_tasks import CPU
from ormen.errors import OrmenError
from ormen.local.failure import LocalFailure
from ormen.local.probes import engine_address, engine_version

T = TypeVar("T")

LABEL = "ormen-bench-docker"
"""The label of the containers that are started here; its value is the id of the measurement."""

ANSWER_S = 60
"""How long one answer of the engine may take, in seconds; that to a stop comes after GRACE_S at the latest."""

GRACE_S = 10
"""How long a container has to stop before it is killed: the same as a task without `stop_grace` has."""

MOST_THREADS = 32
"""Starts at once at most; more threads than this wait for each other in the client already."""

FAULTS = (DockerException, RequestException, OSError)
"""What the SDK raises: its own, and those of the HTTP library below it."""


class EngineRefused(OrmenError):
    """There is nothing to compare with: no engine answers here, it lacks the image, or it refused what was asked."""

    code = "ENGINE_REFUSED"
    title = "This machine's Docker cannot be measured"


class Engine:
    """This machine's engine, and the containers that one measurement starts on it. `close` removes all of them."""

    def __init__(self, number: str, image: str, command: Sequence[str]) -> None:
        """Find the engine as the docker command does: DOCKER_HOST, or the usual socket; raise EngineRefused.

        `number` is the measurement's id. The image is never pulled.
        """
        self.label = f"{LABEL}={number}"
        self._image, self._command = image, list(command) or None
        self._pool = ThreadPoolExecutor(MOST_THREADS)
        try:
            engine_version(engine_address(None))
        except LocalFailure as error:
            raise EngineRefused(error.sentence) from error
        try:
            engine = docker.from_env(timeout=ANSWER_S, max_pool_size=MOST_THREADS)
            engine.images.get(image)
            self._api = engine.api
            self.version = str(self._api.version()["Version"])
        except ImageNotFound:
            raise EngineRefused(f"this machine's engine does not have {image}") from None
        except FAULTS as error:
            raise EngineRefused(f"no Docker engine answers on this machine: {cause(error)}") from error

    def life(self, wanted: Sequence[str]) -> dict[str, float]:
        """Start one container, stop it and remove it; return the seconds of what is `wanted`."""
        container, took_s = self._timed(self._start)
        found = {START: took_s}
        if STOP in wanted:
            _, found[STOP] = self._timed(lambda: self._api.stop(container, timeout=GRACE_S))
        self._timed(lambda: self._remove(container))
        return {name: found[name] for name in OF_A_LIFE if name in found and name in wanted}

    def burst(self, count: int) -> float:
        """Start so many containers, each in a thread, and remove them; return the seconds until the last one ran."""
        began = time.monotonic()
        asked = [self._pool.submit(self._start) for _ in range(count)]
        containers = [_answer(each) for each in asked]
        took_s = time.monotonic() - began
        for gone in [self._pool.submit(self._remove, container) for container in containers]:
            _answer(gone)
        return took_s

    def count(self, label: str) -> int:
        """Return how many containers with this label are here, running or ended."""
        return self._timed(lambda: len(self._api.containers(all=True, filters={"label": label})))[0]

    def close(self) -> list[str]:
        """Remove every container, also one whose request was under way; return the ids of those that are left."""
        self._pool.shutdown(cancel_futures=True)
        for container in self._ours():
            with contextlib.suppress(*FAULTS):  # what is left is named
                self._remove(container)
        return [container[:12] for container in self._ours()]

    def _ours(self) -> list[str]:
        try:
            return [str(found["Id"]) for found in self._api.containers(all=True, filters={"label": self.label})]
        except FAULTS as error:
            raise EngineRefused(f"this machine's engine does not answer any more: {cause(error)}") from error

    def _start(self) -> str:
        key, _, value = self.label.partition("=")
        # What a node asks of Docker for a task that says nothing of these.
        config = self._api.create_host_config(
            cpu_shares=int(CPU * 1024),
            mem_reservation="128m",
            log_config=LogConfig(type="json-file", config={"max-size": "10m", "max-file": "3"}),
            restart_policy={"Name": "no"},
            init=bool(self._command) or None,
        )
        made = self._api.create_container(self._image, self._command, labels={key: value}, host_config=config)
        self._api.start(made["Id"])
        return str(made["Id"])

    def _remove(self, container: str) -> None:
        self._api.remove_container(container, force=True, v=True)

    def _timed(self, work: Callable[[], T]) -> tuple[T, float]:
        """Do it in a thread, which `close` waits for; return what came of it, and the seconds it took."""
        began = time.monotonic()
        done = _answer(self._pool.submit(work))
        return done, time.monotonic() - began


def _answer(asked: Future[T]) -> T:
    try:
        return asked.result()
    except FAULTS as error:
        raise EngineRefused(f"this machine's engine refused: {cause(error)}") from error


def cause(error: BaseException) -> str:
    """Return what went wrong, on one line."""
    said = getattr(error, "explanation", None) or str(error) or type(error).__name__
    return " ".join(str(said).split())[:200]
