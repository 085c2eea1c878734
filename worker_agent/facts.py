"""What the agent can say of its host: once when it joins, and with every heartbeat."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from ormen import __version__
from ormen.node import Resources
from ormen.node_labels import key_trouble, value_trouble
from ormen.settings import Settings
from ormen.store.agent import NodeCard
from worker_agent.gpus import read_gpus
from worker_agent.runtime import Engine

WILD = ("", "0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class Usage:
    """What the whole host uses now. `load` is the one-minute load average divided by the number of cores."""

    used: Resources
    load: float


def card(settings: Settings, engine: Engine, *, instance: str) -> NodeCard:
    """Return what the node says of itself when it joins.

    The share is taken of what the engine has, so nodes that share an engine add up to it at most. Raise ValueError
    naming the setting that cannot be read.
    """
    address = settings.address or facing(settings.redis_url)
    gpus = read_gpus(settings.gpus, whole=read_share(settings.share) == 1)
    model = {"gpu": gpus.model} if gpus.model else {}
    return NodeCard(
        name=node_name(settings),
        instance=instance,
        address=address,
        status_url=f"http://{address if settings.status_host in WILD else settings.status_host}:{settings.status_port}",
        engine=engine.id,
        engine_version=engine.version,
        os=engine.os,
        arch=engine.arch,
        agent_version=__version__,
        labels={**model, **read_labels(settings.node_labels)},
        capacity=capacity(engine, settings.share),
        facts={
            "bind": settings.bind,
            "share": settings.share,
            "pid": os.getpid(),
            **({"gpus": list(gpus.ids)} if gpus.ids else {}),
        },
    )


def node_name(settings: Settings) -> str:
    """Return the node's name: as set, else the host's first name."""
    return settings.node or socket.gethostname().partition(".")[0]


def capacity(engine: Engine, share: str = "1/1") -> Resources:
    """Return what may be reserved here: the share of the engine's cores, memory and disk, rounded down."""
    part = read_share(share)
    return Resources(
        cpu_milli=int(engine.cpus * 1000 * part),
        memory_bytes=int(engine.memory_bytes * part),
        disk_bytes=int(psutil.disk_usage(_disk(engine.root_dir)).total * part),
    )


def read_share(text: str) -> Fraction:
    """Return the fraction that ``1/3`` says; raise ValueError unless it is above 0 and at most 1."""
    try:
        part = Fraction(text.replace(" ", ""))
    except (ValueError, ZeroDivisionError):
        part = Fraction(0)
    if not 0 < part <= 1:
        raise ValueError(f"ORMEN_SHARE is {text!r}; it can be a part such as 1/3, or 1/1 for all")
    return part


def read_labels(text: str) -> dict[str, str]:
    """Return the labels that ``disk=ssd,zone=eu`` says; raise ValueError for one that no constraint can name."""
    found = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        key, given, value = item.partition("=")
        if not given or not key.strip():
            raise ValueError(f"ORMEN_NODE_LABELS has {item!r}; each label is KEY=VALUE")
        trouble = key_trouble(key.strip()) or value_trouble(value.strip())
        if trouble:
            raise ValueError(f"ORMEN_NODE_LABELS has {item!r}, which {trouble}")
        found[key.strip()] = value.strip()
    return found


def facing(url: str) -> str:
    """Return this host's address on the way to the host of `url`; nothing is sent. Without a way, 127.0.0.1."""
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname or "127.0.0.1", parts.port or 9, type=socket.SOCK_DGRAM)
        family, _, _, _, target = found[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(target)
            return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"


def usage(root_dir: str = "/") -> Usage:
    """Return what the host uses now. CPU is that since the last call in this process, 0 at the first."""
    cores = psutil.cpu_count() or 1
    memory = psutil.virtual_memory()
    return Usage(
        used=Resources(
            cpu_milli=round(psutil.cpu_percent(interval=None) * 10 * cores),
            memory_bytes=memory.total - memory.available,
            disk_bytes=psutil.disk_usage(_disk(root_dir)).used,
        ),
        load=os.getloadavg()[0] / cores,
    )


def disk_percent(root_dir: str) -> float:
    """Return how full the engine's disk is, of what its users may fill."""
    return float(psutil.disk_usage(_disk(root_dir)).percent)


def seed_stats(task_count: int) -> dict[str, Any]:
    """Return what the seed systems' workers answer to ``GET /stats``: their names, their units."""
    return {
        "MemStats": _memory(),
        "DiskStats": _root_disk(),
        "CpuStats": _jiffies(),
        "LoadStats": _load(),
        "TaskCount": task_count,
    }


def _memory() -> dict[str, int]:
    """Return /proc/meminfo: kB under the kernel's names in snake case, so Active(anon) is active_anon."""
    found = {}
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, rest = line.partition(":")
        found[_snake(name)] = int(rest.split()[0])
    return found


def _snake(name: str) -> str:
    words = name.replace("(", "_").replace(")", "")
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", words).lower()


def _root_disk() -> dict[str, int]:
    disk = os.statvfs("/")
    total, free = disk.f_blocks * disk.f_frsize, disk.f_bfree * disk.f_frsize
    return {"all": total, "used": total - free, "free": free, "freeInodes": disk.f_ffree}


def _jiffies() -> dict[str, Any]:
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
    first = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0].split()
    return {"id": first[0], **dict(zip(names, map(int, first[1:]), strict=False))}


def _load() -> Mapping[str, Any]:
    one, five, fifteen, processes, last = Path("/proc/loadavg").read_text(encoding="ascii").split()
    running, _, total = processes.partition("/")
    return {
        "last1min": float(one),
        "last5min": float(five),
        "last15min": float(fifteen),
        "process_running": int(running),
        "process_total": int(total),
        "last_pid": int(last),
    }


def _disk(root_dir: str) -> str:
    # An agent in a container does not see the engine's folder; its own root lies on the same disk then.
    return root_dir if os.path.isdir(root_dir) else "/"
