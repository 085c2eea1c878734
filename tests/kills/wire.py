"""What stands between one process and the two things it changes: it counts each command, and kills at the one wished.

A trap belongs to one process. Its Redis and its engine are reached through proxies that show the trap every command,
in the order in which they come. At the N-th the process is killed from outside, either before the command is passed on,
or after it was carried out and before its answer came back: it has happened then, and nobody knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ormen.store.scripts import VERBS, source

SHAS = {hashlib.sha1(source(verb).encode()).hexdigest(): verb for verb in VERBS}
QUIET = frozenset({"AUTH", "BRPOP", "CLIENT", "HELLO", "INFO", "PING", "SCRIPT", "SELECT"})
"""Commands that belong to no flow: getting connected, and waiting for messages."""
QUIET_CALLS = re.compile(r"GET (/events|/containers/json|/version|/info|/_ping|/images/json|/system/df)\b")
"""The engine's calls that belong to no flow: the list that is read every two seconds, and what a start asks."""
QUIET_CLIENTS = re.compile(r"ormen-pulse-.*")
"""Heartbeats come by the clock, whatever else happens."""


@dataclass
class Trap:
    """Counts the commands of one process, and at the one that it is set to kills or stops it."""

    kill: Callable[[], None]
    stop: Callable[[], None]
    count: int = 0
    at: int = 0
    after: bool = False
    counting: bool = False
    struck: str | None = None
    passed: list[str] = field(default_factory=list)
    freezes_at: str | None = None
    thawed: threading.Event = field(default_factory=threading.Event)

    def arm(self, at: int, *, after: bool) -> None:
        """Count anew, and kill at the `at`-th; 0 never kills."""
        self.count, self.at, self.after, self.struck, self.passed = 0, at, after, None, []
        self.counting = True

    def freeze(self, label: str) -> None:
        """Stop the process at the first command of this name, which is held back until `thaw`."""
        self.arm(0, after=False)
        self.freezes_at = label
        self.thawed.clear()

    def thaw(self) -> None:
        """Let the command through that was held back; whoever calls wakes the process."""
        self.thawed.set()

    def disarm(self) -> None:
        """Let everything pass."""
        self.counting, self.at, self.freezes_at = False, 0, None

    def counts(self, label: str) -> bool:
        """Take in a command; return whether this is the one at which to kill."""
        if not self.counting:
            return False
        self.count += 1
        self.passed.append(label)
        return self.count == self.at

    def strike(self, label: str) -> None:
        """Kill the process; nothing that it has sent goes further."""
        self.counting = False
        self.kill()
        self.struck = label


class Line:
    """One connection of a process, to Redis or to the engine."""

    def __init__(self, trap: Trap, inner: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.trap = trap
        self.reader, self.writer = inner
        self.muted = False
        self.answered = asyncio.Event()

    async def relay(self, upstream: asyncio.StreamReader) -> None:
        """Pass answers back; once muted they are only noticed."""
        with contextlib.suppress(OSError):
            while data := await upstream.read(65536):
                if self.muted:
                    self.answered.set()
                else:
                    self.writer.write(data)
                    await self.writer.drain()
        self.answered.set()
        if not self.muted:
            self.writer.close()

    async def show(self, label: str, raw: bytes, upstream: asyncio.StreamWriter, *, last: bool) -> bool:
        """Show the trap a command and pass it on; return False when the process was killed at it.

        `last`: the far side answers at once, or has answered all when it is told that nothing more comes.
        """
        if not self.trap.counts(label):
            if self.trap.freezes_at == label.partition(" ")[0]:
                await self._frozen(label)
            upstream.write(raw)
            await upstream.drain()
            return True
        if self.trap.after:
            self.muted = True
            self.answered.clear()
            upstream.write(raw)
            if last:
                upstream.write_eof()
            await asyncio.wait_for(self.answered.wait(), 30)
        self.trap.strike(f"{'after' if self.trap.after else 'before'} {label}")
        return False

    async def _frozen(self, label: str) -> None:
        """Stop the process with this command on its lips."""
        trap = self.trap
        trap.freezes_at, trap.struck = None, label
        trap.stop()
        while not trap.thawed.is_set():
            await asyncio.sleep(0.01)


async def read_command(reader: asyncio.StreamReader) -> tuple[list[bytes], bytes]:
    """Return the words of the next command to Redis, and its bytes."""
    head = await reader.readuntil(b"\r\n")
    raw, words = [head], []
    for _ in range(int(head[1:-2])):
        size = await reader.readuntil(b"\r\n")
        body = await reader.readexactly(int(size[1:-2]) + 2)
        raw += [size, body]
        words.append(body[:-2])
    return words, b"".join(raw)


async def redis_line(line: Line, upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """Pass the commands of one connection to Redis."""
    client = ""
    answers = asyncio.create_task(drained(line, upstream[0]))
    try:
        while True:
            words, raw = await read_command(line.reader)
            verb = words[0].decode().upper()
            if verb == "CLIENT" and words[1].upper() == b"SETNAME":
                client = words[2].decode()
            if verb in QUIET or QUIET_CLIENTS.fullmatch(client):
                upstream[1].write(raw)
                await upstream[1].drain()
                continue
            label = SHAS.get(words[1].decode(), verb) if verb == "EVALSHA" else verb
            key = words[1].decode(errors="replace") if verb != "EVALSHA" and len(words) > 1 else ""
            if not await line.show(f"{label} {key}".strip(), raw, upstream[1], last=True):
                return
    finally:
        upstream[1].close()
        answers.cancel()


async def drained(line: Line, upstream: asyncio.StreamReader) -> None:
    """Relay answers; once muted, read on to the end: then Redis has done all that it was sent."""
    with contextlib.suppress(OSError):
        while data := await upstream.read(65536):
            if not line.muted:
                line.writer.write(data)
                await line.writer.drain()
    line.answered.set()
    if not line.muted:
        line.writer.close()


async def engine_line(line: Line, upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """Pass the calls of one connection to the engine."""
    answers = asyncio.create_task(line.relay(upstream[0]))
    try:
        while True:
            head = await line.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            body = await line.reader.readexactly(int(length[1])) if length else b""
            method, path = head.split(b" ", 2)[:2]
            label = re.sub(r"/v[\d.]+/", "/", f"{method.decode()} {path.decode().partition('?')[0]}")
            if QUIET_CALLS.match(label):
                upstream[1].write(head + body)
                await upstream[1].drain()
            elif not await line.show(re.sub(r"[0-9a-f]{64}", "ID", label), head + body, upstream[1], last=False):
                return
    finally:
        upstream[1].close()
        answers.cancel()


class Wire:
    """All proxies of a test, in one thread of their own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="wire")
        self._thread.start()
        self._servers: list[asyncio.Server] = []
        self._lines: set[asyncio.Task[None]] = set()

    def redis(self, trap: Trap, port: int) -> int:
        """Return the port of a new proxy of the Redis at `port` of this machine."""

        async def begin() -> int:
            server = await asyncio.start_server(self._serve(trap, redis_line, port), "127.0.0.1", 0)
            self._servers.append(server)
            return int(server.sockets[0].getsockname()[1])

        return asyncio.run_coroutine_threadsafe(begin(), self.loop).result(10)

    def engine(self, trap: Trap, path: str, far: str) -> None:
        """Make a new proxy at the socket `path` of the engine at `far`."""

        async def begin() -> None:
            self._servers.append(await asyncio.start_unix_server(self._serve(trap, engine_line, far), path))

        asyncio.run_coroutine_threadsafe(begin(), self.loop).result(10)

    def close(self) -> None:
        """End every proxy and the thread."""

        async def end() -> None:
            for server in self._servers:
                server.close()
            for task in self._lines:
                task.cancel()
            await asyncio.gather(*self._lines, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def _serve(self, trap: Trap, speak: Callable[..., object], far: int | str) -> Callable[..., object]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._lines.add(task)
            task.add_done_callback(self._lines.discard)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                there = (
                    asyncio.open_unix_connection(far)
                    if isinstance(far, str)
                    else asyncio.open_connection("127.0.0.1", far)
                )
                await speak(Line(trap, (reader, writer)), await there)  # type: ignore[misc]
            writer.close()

        return serve
