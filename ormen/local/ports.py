"""Ports of this machine: which are free, and who holds those that are not."""

from __future__ import annotations

import errno
import random
import socket
import sys
import weakref

import psutil

PRIVATE = range(30000, 32768)
"""Where a port nobody asked for is taken: above the tasks' pool (20000 to 29999), and below the range the kernel
gives to outgoing connections (from 32768), so that it is still free when its process is started again."""


def is_free(host: str, port: int) -> bool:
    """Return whether a server could listen on the port now; raise OSError if the address is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


class Claims:
    """Ports that this process has chosen and whose servers do not listen yet, told to every other `up`.

    A claim is a name among the kernel's abstract sockets: it leaves no file, and it ends with this process.
    """

    def __init__(self) -> None:
        self._held: dict[int, socket.socket] = {}
        weakref.finalize(self, _close, self._held)

    def take(self, host: str, port: int) -> bool:
        """Claim the port; return False if somebody listens there, or another process has claimed it."""
        if port in self._held or not is_free(host, port):
            return False
        claim = socket.socket(socket.AF_UNIX)
        try:
            if sys.platform.startswith("linux"):
                claim.bind(f"\0ormen-port-{port}")
        except OSError:
            claim.close()
            return False
        self._held[port] = claim
        return True

    def next_free(self, host: str, first: int) -> int:
        """Claim and return the first port from `first` upwards that can be had."""
        for port in range(first, 65536):
            if self.take(host, port):
                return port
        raise OSError(errno.EADDRINUSE, f"no free port from {first} to 65535 on {host}")

    def close(self) -> None:
        """Give the claims up."""
        _close(self._held)


def _close(claims: dict[int, socket.socket]) -> None:
    for claim in claims.values():
        claim.close()
    claims.clear()


def private(host: str = "127.0.0.1") -> int:
    """Return a free port of the private range, chosen at random so that two starts seldom want the same."""
    for port in random.sample(PRIVATE, len(PRIVATE)):
        if is_free(host, port):
            return port
    raise OSError(errno.EADDRINUSE, f"no free port from {PRIVATE.start} to {PRIVATE.stop - 1} on {host}")


def holder(port: int) -> str:
    """Return who listens on the port, ``nginx, pid 812``; or ``another process`` where that may not be known."""
    try:
        listening = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        pids = [c.pid for c in listening if c.laddr and c.laddr.port == port and c.pid]
        return f"{psutil.Process(pids[0]).name()}, pid {pids[0]}" if pids else "another process"
    except psutil.Error:
        return "another process"
