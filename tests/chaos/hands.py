"""Hands on a cluster: they do what a plan says, and heal it."""

from __future__ import annotations

import contextlib
import random
import signal
from collections.abc import Callable, Iterator
from threading import Event, Thread

import psutil
import redis
from docker.errors import DockerException
from docker.models.containers import Container
from requests.exceptions import RequestException

from tests.chaos.plan import HOSTS, QUEUES, Fault
from tests.cluster.bed import Bed
from tests.cluster.hosts import Host

Heal = Callable[[], None]
NOTHING: Heal = lambda: None  # noqa: E731  # a name for "heals itself"
SLOWEST_S = 1.5
FARTHEST_S = 7200.0


class Hands:
    """Does faults and heals them. `disturbed` holds what is in the hands of a fault just now, hosts and Redis."""

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.disturbed: set[str] = set()
        self.missed = 0
        """Faults that found nothing to hit: no container there, or a process that was just down."""
        self.given_up = 0

    def do(self, fault: Fault) -> Heal:
        """Do the fault; return what heals it."""
        method = getattr(self, "_" + fault.kind.replace(" ", "_"))
        if fault.where in (*HOSTS, "redis"):
            self.disturbed.add(fault.where)
        heal: Heal = method(fault)
        return heal

    def free(self, left: list[Fault]) -> None:
        """Note which faults are left."""
        self.disturbed.intersection_update({fault.where for fault in left})

    def engines_answer(self) -> bool:
        """Return whether every engine is up; how long Docker takes for that is not ormen's healing."""
        return all(host.engine_answers() for host in self.bed.hosts)

    def attend(self) -> None:
        """Start again what has given up by itself, as an init system does for a service."""
        if self.bed.process is not None and self.bed.process.poll() is not None:
            self.given_up += 1
            self.bed.launch()
        for host in self.bed.hosts:
            if host.sailors and host.sailors[-1].poll() is not None:
                self.given_up += 1
                self.bed.rejoin(host)

    def _host(self, fault: Fault) -> Host:
        return next(host for host in self.bed.hosts if host.name == fault.where)

    # Agents

    def _kill_agent(self, fault: Fault) -> Heal:
        with self._may_miss():
            self._host(fault).agent.kill()
        return NOTHING

    def _kill_sailor(self, fault: Fault) -> Heal:
        host = self._host(fault)
        host.end_sailors()
        return lambda: self.bed.rejoin(host)

    def _freeze_agent(self, fault: Fault) -> Heal:
        agent: list[psutil.Process] = []
        with self._may_miss():
            agent.append(self._host(fault).agent)
            agent[0].suspend()

        def heal() -> None:
            with contextlib.suppress(psutil.Error):
                agent[0].resume()

        return heal if agent else NOTHING

    def _move_clock(self, fault: Fault) -> Heal:
        host = self._host(fault)
        host.set_clock((2 * fault.draw - 1) * FARTHEST_S)
        return lambda: host.set_clock(0)

    # Engines, power, cables

    def _stop_engine(self, fault: Fault) -> Heal:
        host = self._host(fault)
        host.stop_engine(signal.SIGTERM)
        return host.launch_engine

    def _kill_engine(self, fault: Fault) -> Heal:
        host = self._host(fault)
        host.stop_engine(signal.SIGKILL)
        return host.launch_engine

    def _freeze_engine(self, fault: Fault) -> Heal:
        host = self._host(fault)
        host.freeze_engine()
        return host.thaw_engine

    def _power_off(self, fault: Fault) -> Heal:
        host = self._host(fault)
        host.power_off()

        def heal() -> None:
            host.boot()
            host.launch_engine()
            self.bed.rejoin(host)

        return heal

    def _cut_cable(self, fault: Fault) -> Heal:
        host = self._host(fault)
        host.cut()
        return host.mend

    # Lines to Redis

    def _slow_line(self, fault: Fault) -> Heal:
        line = self.bed.lines[fault.where]
        line.delay(0.05 + fault.draw * SLOWEST_S)
        return line.open

    def _swallow_line(self, fault: Fault) -> Heal:
        line = self.bed.lines[fault.where]
        line.black_hole()
        return line.open

    def _refuse_line(self, fault: Fault) -> Heal:
        line = self.bed.lines[fault.where]
        line.refuse()
        return line.open

    def _break_line(self, fault: Fault) -> Heal:
        self.bed.lines[fault.where].cut()
        return NOTHING

    # Containers

    def _remove_container(self, fault: Fault) -> Heal:
        with self._may_miss():
            self._box(fault).remove(force=True)
        return NOTHING

    def _kill_container(self, fault: Fault) -> Heal:
        with self._may_miss():
            self._box(fault).kill()
        return NOTHING

    def _pause_container(self, fault: Fault) -> Heal:
        box: list[Container] = []
        with self._may_miss():
            box.append(self._box(fault))
            box[0].pause()

        def heal() -> None:
            with contextlib.suppress(DockerException, RequestException):
                box[0].unpause()

        return heal if box else NOTHING

    def _box(self, fault: Fault) -> Container:
        label = f"ormen.cluster={self.bed.id}"
        found = self._host(fault).client.containers.list(filters={"label": label}, ignore_removed=True)
        if not found:
            raise psutil.NoSuchProcess(0)
        return sorted(found, key=lambda box: str(box.name))[int(fault.draw * len(found))]

    # Messages

    def _drop_messages(self, fault: Fault) -> Heal:
        return self._rob(fault, 0)

    def _double_messages(self, fault: Fault) -> Heal:
        return self._rob(fault, 2)

    def _delay_messages(self, fault: Fault) -> Heal:
        return self._rob(fault, 1)

    def _rob(self, fault: Fault, copies: int) -> Heal:
        thief = Thief(self.bed, QUEUES[fault.where], copies=copies, seed=fault.draw)
        thief.start()
        return thief.end

    # The deck and Redis

    def _kill_part(self, fault: Fault) -> Heal:
        with self._may_miss():
            part = self.bed.part(fault.where)
            for each in [*part.children(recursive=True), part]:
                each.kill()
        return NOTHING

    def _freeze_part(self, fault: Fault) -> Heal:
        return self._freeze([fault.where])

    def _freeze(self, parts: list[str]) -> Heal:
        frozen: list[psutil.Process] = []
        for name in parts:
            with self._may_miss():
                part = self.bed.part(name)
                for each in [part, *part.children(recursive=True)]:
                    each.suspend()
                    frozen.append(each)

        def heal() -> None:
            for each in frozen:
                with contextlib.suppress(psutil.Error):
                    each.resume()

        return heal

    def _kill_deck(self, _: Fault) -> Heal:
        self.bed.stop(signal.SIGKILL)
        return self.bed.launch

    def _kill_redis(self, _: Fault) -> Heal:
        self.bed.redis.kill()
        return self.bed.redis.start

    def _freeze_redis(self, _: Fault) -> Heal:
        self.bed.redis.freeze()
        return self.bed.redis.thaw

    @contextlib.contextmanager
    def _may_miss(self) -> Iterator[None]:
        try:
            yield
        except (psutil.Error, AssertionError, ValueError, DockerException, RequestException):
            self.missed += 1


class Thief(Thread):
    """Takes messages from a queue in its turn, and puts each back none, one or two times, some later."""

    def __init__(self, bed: Bed, queue: str, *, copies: int, seed: float) -> None:
        super().__init__(daemon=True)
        self._bed, self._queue, self._copies = bed, queue, copies
        self._rng = random.Random(seed)
        self._over = Event()
        self.taken = 0

    def run(self) -> None:
        """Steal until told to end."""
        client = redis.Redis.from_url(self._bed.redis.url, socket_timeout=2)
        with contextlib.closing(client):
            while not self._over.is_set():
                with contextlib.suppress(redis.RedisError, OSError):
                    if found := client.brpop([self._queue], timeout=0.5):
                        self.taken += 1
                        self._over.wait(self._rng.uniform(0, 0.3))
                        for _ in range(self._copies):
                            client.lpush(self._queue, found[1])

    def end(self) -> None:
        """Steal no more."""
        self._over.set()
        self.join(4)
