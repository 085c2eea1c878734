"""From Docker's JSON to our own values: containers, events, log frames, pull progress. Values in, values out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ormen.task import Port
from worker_agent import docker_args as labels
from worker_agent.runtime import Container, PullProgress, RuntimeEvent

_EXITED = re.compile(r"Exited \((\d+)\)")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_STAMP = re.compile(rb"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(?:Z|[+-]\d\d:\d\d) ")
_WILD = {"::": "0.0.0.0"}


def go_arch(word: str) -> str:
    """Return the processor in Go's word, as image names and constraints use it: amd64 for x86_64."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(word, word)


def from_list(raw: Mapping[str, Any]) -> Container:
    """Return an item of ``GET /containers/json``."""
    # The list call has the exit code nowhere but in its status line: "Exited (137) 2 seconds ago".
    exited = _EXITED.match(raw.get("Status") or "")
    published = {
        Port(item["PrivatePort"], item["PublicPort"], item["Type"], _address(item.get("IP")))
        for item in raw.get("Ports") or ()
        if item.get("PublicPort")
    }
    return Container(
        id=raw["Id"],
        name=_name((raw.get("Names") or [""])[0]),
        state=raw["State"],
        exit_code=int(exited[1]) if exited else None,
        ports=_sorted(published),
        ip=_ip(raw),
        network_mode=_mode(raw),
        **_whose(raw.get("Labels") or {}),
    )


def from_inspect(raw: Mapping[str, Any]) -> Container:
    """Return the answer of ``GET /containers/ID/json``."""
    state = raw["State"]
    ended = state["Status"] in ("exited", "dead")
    return Container(
        id=raw["Id"],
        name=_name(raw["Name"]),
        state=state["Status"],
        # A container that could not be started is "created" with the code of the failure.
        exit_code=state["ExitCode"] if ended or state["ExitCode"] else None,
        oom_killed=bool(state.get("OOMKilled")),
        started_ms=_ms(state.get("StartedAt")),
        finished_ms=_ms(state.get("FinishedAt")) if ended else None,
        ports=_bindings(raw),
        ip=_ip(raw),
        network_mode=_mode(raw),
        pid=state.get("Pid") or None,
        volumes=_anonymous(raw),
        **_whose(raw["Config"].get("Labels") or {}),
    )


def to_event(raw: Mapping[str, Any]) -> RuntimeEvent:
    """Return an item of ``GET /events``."""
    marks = raw["Actor"]["Attributes"]
    return RuntimeEvent(
        type=raw["Action"],
        container_id=raw["Actor"]["ID"],
        task=marks.get(labels.TASK, ""),
        attempt=_number(marks.get(labels.ATTEMPT)) or 0,
        exit_code=_number(marks.get("exitCode")),
        signal=_number(marks.get("signal")),
        at_ns=raw["timeNano"],
        node=marks.get(labels.NODE, ""),
    )


def frames(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the payloads of Docker's multiplexed stream: 4 bytes which output, 4 bytes length, payload.

    A container with a terminal is not multiplexed, and the engine does not say so; no terminal's output begins as a
    frame does, with a number below 3 and three zeros. A part that ends in the middle of a frame is yielded as far as it
    came.
    """
    held, raw = b"", False
    for chunk in chunks:
        held += chunk
        raw = raw or not _begins_a_frame(held)
        if raw:
            yield held
            held = b""
        while len(held) >= 8 and len(held) >= (end := 8 + int.from_bytes(held[4:8], "big")):
            yield held[8:end]
            held = held[end:]
    if len(held) > 8:
        yield held[8:]


def timed_once(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the pieces of a log with times, without those inside lines: the engine times each 16 KiB of a long one."""
    inside = False
    for piece in pieces:
        text = _STAMP.sub(b"", piece, count=1) if inside else piece
        inside = not piece.endswith(b"\n")
        yield text


def _begins_a_frame(held: bytes) -> bool:
    return held[:1] in (b"", b"\0", b"\1", b"\2") and held[1:4] == bytes(len(held[1:4]))


@dataclass(slots=True)
class PullMeter:
    """Adds up a pull's layers. `moved_at` is when anything last changed, so that a stall can be told.

    A layer counts while it is downloaded and stays counted; unpacking only shows that the pull is alive.
    """

    clock: Callable[[], float] = time.monotonic
    layers: dict[str, tuple[int, int]] = field(default_factory=dict)
    seen: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    began_at: float = 0.0
    moved_at: float = 0.0
    told_at: float = float("-inf")

    def __post_init__(self) -> None:
        self.began_at = self.moved_at = self.clock()

    def take(self, item: Mapping[str, Any]) -> None:
        """Take one item of the pull's stream."""
        layer, status = str(item.get("id", "")), str(item.get("status", ""))
        detail = item.get("progressDetail") or {}
        current, total = int(detail.get("current") or 0), int(detail.get("total") or 0)
        # The engine counts down the seconds to its own next try; that is no progress.
        mark = ("waits",) if status.startswith("Retrying") else (status, current)
        if self.seen.get(layer) != mark:
            self.seen[layer] = mark
            self.moved_at = self.clock()
        if status == "Downloading":
            self.layers[layer] = (current, max(total, current))
        elif status in ("Download complete", "Pull complete") and layer in self.layers:
            size = self.layers[layer][1]
            self.layers[layer] = (size, size)

    @property
    def silent_s(self) -> float:
        """Return for how long nothing has moved."""
        return self.clock() - self.moved_at

    def progress(self) -> PullProgress:
        """Return how far the pull is."""
        done = sum(done for done, _ in self.layers.values())
        total = sum(total for _, total in self.layers.values())
        return PullProgress(done, total, done / max(self.clock() - self.began_at, 0.001))

    def due(self) -> bool:
        """Return whether it is time to tell again: twice a second."""
        now = self.clock()
        if now - self.told_at < 0.5:
            return False
        self.told_at = now
        return True


def _whose(marks: Mapping[str, str]) -> dict[str, Any]:
    return {
        "labels": dict(marks),
        "task": marks.get(labels.TASK),
        "attempt": _number(marks.get(labels.ATTEMPT)) or 0,
        "node": marks.get(labels.NODE),
        "cluster": marks.get(labels.CLUSTER),
        "spec_hash": marks.get(labels.SPEC),
        "fixed_hash": marks.get(labels.FIXED),
    }


def _bindings(raw: Mapping[str, Any]) -> tuple[Port, ...]:
    # What was asked for: unlike NetworkSettings.Ports it is there before the start and after the end, too.
    found = set()
    for key, bindings in (raw["HostConfig"].get("PortBindings") or {}).items():
        number, _, protocol = key.partition("/")
        for item in bindings or ():
            found.add(Port(int(number), int(item["HostPort"] or 0), protocol or "tcp", _address(item["HostIp"])))
    return _sorted(found)


def _sorted(ports: set[Port]) -> tuple[Port, ...]:
    return tuple(sorted(ports, key=lambda port: (port.container, port.protocol, port.host, port.bind)))


def _address(raw: str | None) -> str:
    # Docker shows a wildcard binding twice, for IPv4 and IPv6; one is enough.
    return _WILD.get(raw or "0.0.0.0", raw or "0.0.0.0")


def _anonymous(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the volumes that nobody asked for by name: those of the image's own VOLUME lines."""
    asked = {mount.get("Source") for mount in (raw.get("HostConfig") or {}).get("Mounts") or ()}
    mounts = [mount for mount in raw.get("Mounts") or () if mount.get("Type") == "volume"]
    return tuple(mount["Name"] for mount in mounts if mount["Name"] not in asked)


def _ip(raw: Mapping[str, Any]) -> str | None:
    # A container that failed to start keeps the address it was going to have.
    networks = (raw.get("NetworkSettings") or {}).get("Networks") or {}
    found = (item.get(key) for key in ("IPAddress", "GlobalIPv6Address") for item in networks.values())
    return next(filter(None, found), None)


def _mode(raw: Mapping[str, Any]) -> str:
    mode = (raw.get("HostConfig") or {}).get("NetworkMode") or "default"
    return "bridge" if mode == "default" else str(mode)


def _name(raw: str) -> str:
    return raw.removeprefix("/")


def _number(raw: str | None) -> int | None:
    return int(raw) if raw and raw.lstrip("-").isdigit() else None


def _ms(raw: str | None) -> int | None:
    """Return milliseconds of Docker's RFC 3339 with up to nine decimals; its year 1 means never."""
    match = _TIME.fullmatch(raw or "")
    if match is None or match[1].startswith("0001"):
        return None
    zone = "+00:00" if match[3] == "Z" else match[3]
    whole = datetime.fromisoformat(match[1] + zone).astimezone(UTC)
    return int(whole.timestamp()) * 1000 + int((match[2] or "0").ljust(9, "0")[:3])
