"""Who listens on this host: at a port that was wanted, at the engine's socket."""

from __future__ import annotations

import socket
import struct

import psutil

from ormen.clock import rfc3339
from ormen.task import Port

_WILD = ("0.0.0.0", "::")


def holder_of(port: Port) -> str | None:
    """Return ``outside ormen by nginx, pid 812``, or less if less can be seen; None if nobody is seen to listen there.

    Other users' processes have no pid for us unless we are root.
    """
    kind = socket.SOCK_DGRAM if port.protocol == "udp" else socket.SOCK_STREAM
    try:
        connections = psutil.net_connections("inet")
    except (psutil.Error, OSError, RuntimeError):  # it only words a refusal, and must never cost it
        return None
    for item in connections:
        listens = item.status == psutil.CONN_LISTEN or kind == socket.SOCK_DGRAM
        if item.type != kind or not listens or not item.laddr or item.laddr.port != port.host:
            continue
        if item.laddr.ip != port.bind and not {item.laddr.ip, port.bind} & set(_WILD):
            continue
        if item.pid is None:
            return "outside ormen by another user's process"
        return f"outside ormen by {_name(item.pid)}, pid {item.pid}"
    return None


def engine_since(address: str) -> str | None:
    """Return when the process behind a ``unix://`` socket started, None where that cannot be told.

    systemd may own the socket; then the only process named dockerd counts. In another pid namespace the socket's
    owner has no number for us, and nothing can be told.
    """
    if not address.startswith("unix://"):
        return None
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(address.removeprefix("unix://"))
            pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        except OSError:
            return None
    try:
        found = _sole_engine() if pid == 1 else psutil.Process(pid) if pid else None
        return rfc3339(int(found.create_time() * 1000)) if found else None
    except psutil.Error:
        return None


def _sole_engine() -> psutil.Process | None:
    found = [item for item in psutil.process_iter(["name"]) if item.info["name"] == "dockerd"]
    return found[0] if len(found) == 1 else None


def _name(pid: int) -> str:
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return "a process"
