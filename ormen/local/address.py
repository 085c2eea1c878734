"""A Redis URL as the commands of this machine need it: where it is, how to show it, whether it is safe."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from ormen.local.failure import NOT_ALLOWED, WRONG_USE, LocalFailure


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where a Redis is. Its password is never part of what is shown."""

    host: str
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    tls: bool = False
    path: str = ""

    def __str__(self) -> str:
        """Return ``10.0.0.5:6379``, or the path of a local socket."""
        return self.path or f"{self.host}:{self.port}"

    @property
    def is_private(self) -> bool:
        """Return whether only this machine reaches it."""
        return bool(self.path) or is_loopback(self.host)

    def answer(self, timeout_s: float = 1.0) -> str:
        """Return what it answers to PING: ``+PONG``, its error (``-NOAUTH …``, ``-LOADING …``), ``""`` if nothing.

        Speaks the protocol by itself, so that a command need not load a client library to know this.
        """
        login = [part for part in (self.username, self.password) if part]
        commands = ([("AUTH", *login)] if login else []) + [("PING",)]
        try:
            with self._connect(timeout_s) as connection:
                connection.sendall(b"".join(_encode(command) for command in commands))
                answers = connection.makefile("r", encoding="utf-8", errors="replace")
                lines = [answers.readline().strip() for _ in commands]
        except OSError:
            return ""
        return next((line for line in lines if line.startswith("-")), lines[-1])

    def answers(self) -> bool:
        """Return whether it takes commands."""
        return self.answer() == "+PONG"

    def _connect(self, timeout_s: float) -> socket.socket:
        if self.path:
            local = socket.socket(socket.AF_UNIX)
            local.settimeout(timeout_s)
            local.connect(self.path)
            return local
        plain = socket.create_connection((self.host, self.port), timeout=timeout_s)
        return ssl.create_default_context().wrap_socket(plain, server_hostname=self.host) if self.tls else plain


def parse_url(url: str) -> StoreAddress:
    """Return the address of a ``redis://``, ``rediss://`` or ``unix://`` URL; raise `LocalFailure` for another."""
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        raise _bad_url(url) from None
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme == "unix" and parts.path:
        return StoreAddress("", 0, username, password, path=parts.path)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise _bad_url(url)
    return StoreAddress(parts.hostname, port, username, password, tls=parts.scheme == "rediss")


def is_loopback(host: str) -> bool:
    """Return whether the name or address is this machine's own loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_store(address: StoreAddress, *, insecure: bool) -> None:
    """Refuse a Redis that others may write to without a password: who writes to it is root on every host."""
    if not (address.is_private or address.password or insecure):
        raise LocalFailure(
            f"Redis at {address} is beyond this machine and its URL has no password; "
            "who can write to it is root on every host",
            hint=f"set requirepass there and use redis://:PASSWORD@{address}, or insist with --insecure",
            exit_code=NOT_ALLOWED,
            code="STORE_INSECURE",
        )


def check_deck(host: str, *, has_token: bool, insecure: bool) -> None:
    """Refuse a deck that others can reach and that asks no token."""
    if not (is_loopback(host) or has_token or insecure):
        raise LocalFailure(
            f"a deck on {host} can be reached by others, and no token protects it",
            hint="set ORMEN_TOKEN or --token-file, or listen on 127.0.0.1, or insist with --insecure",
            exit_code=NOT_ALLOWED,
            code="TOKEN_MISSING",
        )


def _encode(command: tuple[str, ...]) -> bytes:
    words = [word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def _bad_url(url: str) -> LocalFailure:
    shown = url.rpartition("@")[2]
    return LocalFailure(
        f'"{shown}" is no Redis URL',
        hint="redis://[:PASSWORD@]HOST[:PORT][/DB], rediss:// for TLS, or unix:///PATH",
        exit_code=WRONG_USE,
    )
