"""Host ports: an engine gives each once, however many nodes share it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ormen.node import Node
from ormen.scheduler.values import Fleet, Need, Taken, engine_of
from ormen.spec import PortSpec
from ormen.task import Port

WILDCARDS = frozenset({"0.0.0.0", "::"})
"""Addresses that stand for all of a host's, and so meet every other bind of the same port."""


def collide(one: str, other: str) -> bool:
    """Return whether two binds of one port exclude each other."""
    return one == other or one in WILDCARDS or other in WILDCARDS


@dataclass(frozen=True, slots=True)
class Clash:
    """A host port that a task cannot have: `holder` is the id of the task that has it."""

    host: int
    protocol: str
    holder: str


class PortBook:
    """The host ports of every engine, with those given since. What a task holds itself never blocks it."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._given: dict[str, dict[str, list[tuple[str, str]]]] = {}
        self._cursor: dict[str, int] = {}

    def holders(self, engine: str, port: str) -> Iterator[tuple[str, str]]:
        """Yield (bind, task id) of everybody who has `port` (``8080/tcp``) of `engine`."""
        yield from self._fleet.taken.get(engine, {}).get(port, ())
        yield from self._given.get(engine, {}).get(port, ())

    def clashes(self, need: Need, node: Node) -> tuple[Clash, ...]:
        """Return the host ports named by the spec that somebody else, or the spec itself, already takes on `node`."""
        engine, own, found = engine_of(node), set[tuple[str, str]](), []
        for port in need.fixed_ports():
            name, bind = f"{port.host}/{port.protocol}", self._fleet.bind(node, port)
            others = [task for held, task in self.holders(engine, name) if task != need.key and collide(bind, held)]
            others += [need.key for other, held in own if other == name and collide(bind, held)]
            own.add((name, bind))
            found += [Clash(port.host or 0, port.protocol, task) for task in others[:1]]
        return tuple(found)

    def admits(self, need: Need, node: Node) -> bool:
        """Return whether `choose` would find every port."""
        return not need.ports or (not self.clashes(need, node) and self.short(need, node) == 0)

    def doubtful(self, need: Need) -> set[str] | None:
        """Return the engines on which a look at each port is needed, None for all of them.

        Every other one plainly has the ports: it has none that the spec names, and nearly all of the pool. Of thousands
        of engines those are nearly all.
        """
        names = [f"{port.host}/{port.protocol}" for port in need.fixed_ports()]
        most = len(self._fleet.pool) - len(need.ports)
        if len(set(names)) < len(names) or most < 0:
            return None
        half, found = most // 2, set[str]()
        for held in (self._fleet.taken, self._given):
            found.update(engine for engine, ports in held.items() if len(ports) > half)
            for name in names:
                found.update(engine for engine, ports in held.items() if name in ports)
        return found

    def short(self, need: Need, node: Node) -> int:
        """Return how many ports of the pool are missing on `node`."""
        missing = 0
        for protocol in sorted({port.protocol for port in need.pool_ports()}):
            wanted = sum(port.protocol == protocol for port in need.pool_ports())
            blocked = self._blocked(need, engine_of(node), protocol)
            missing += max(0, wanted - (len(self._fleet.pool) - len(blocked)))
        return missing

    def choose(self, need: Need, node: Node) -> tuple[Port, ...]:
        """Return the need's ports on `node`, in its order; `admits` must hold.

        A port of the pool that the task still holds there is kept; others follow the one given last, beginning
        at a place that differs per turn, so that a port just freed is not given again at once.
        """
        free = {protocol: self._free(need, node, protocol) for protocol in ("tcp", "udp")}
        hosts = [next(free[port.protocol]) if port.host is None else port.host for port in need.ports]
        return tuple(self._port(port, node, host) for port, host in zip(need.ports, hosts, strict=True))

    def give(self, key: str, node: Node, ports: tuple[Port, ...]) -> None:
        """Write down that task `key` has `ports` on the node's engine."""
        given = self._given.setdefault(engine_of(node), {})
        for port in ports:
            given.setdefault(f"{port.host}/{port.protocol}", []).append((port.bind, key))

    def taken(self) -> Taken:
        """Return what is taken now, those given included."""
        merged = {engine: dict(ports) for engine, ports in self._fleet.taken.items()}
        for engine, given in self._given.items():
            ports = merged.setdefault(engine, {})
            for port, pairs in given.items():
                ports[port] = (*ports.get(port, ()), *pairs)
        return merged

    def _port(self, port: PortSpec, node: Node, host: int) -> Port:
        return Port(port.container, host, port.protocol, self._fleet.bind(node, port))

    def _blocked(self, need: Need, engine: str, protocol: str) -> set[int]:
        """Return the pool's ports that `need` cannot draw: another's on any bind, or named by its own spec."""
        blocked = {port.host or 0 for port in need.fixed_ports() if port.protocol == protocol}
        for source in (self._fleet.taken.get(engine, {}), self._given.get(engine, {})):
            for name, pairs in source.items():
                number, _, kind = name.partition("/")
                if kind == protocol and any(task != need.key for _, task in pairs):
                    blocked.add(int(number))
        return {host for host in blocked if host in self._fleet.pool}

    def _own(self, need: Need, engine: str, protocol: str) -> list[int]:
        """Return the pool's ports that the task itself still holds, in order."""
        held = set()
        for name in {*self._fleet.taken.get(engine, {}), *self._given.get(engine, {})}:
            number, _, kind = name.partition("/")
            if kind == protocol and any(task == need.key for _, task in self.holders(engine, name)):
                held.add(int(number))
        return sorted(host for host in held if host in self._fleet.pool)

    def _free(self, need: Need, node: Node, protocol: str) -> Iterator[int]:
        if not any(port.protocol == protocol for port in need.pool_ports()):
            return
        engine, pool = engine_of(node), self._fleet.pool
        blocked = self._blocked(need, engine, protocol)
        for host in self._own(need, engine, protocol):
            if host not in blocked:
                blocked.add(host)
                yield host
        start = self._cursor.get(engine, self._fleet.turn * 131)
        for step in range(len(pool)):
            host = pool[(start + step) % len(pool)]
            if host not in blocked:
                self._cursor[engine] = start + step + 1
                yield host
