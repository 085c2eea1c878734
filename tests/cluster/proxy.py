"""A TCP proxy whose line can be slow, dead, shut or cut: what a network does to whoever talks to Redis."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any

Address = tuple[str, int]
Edit = Callable[[bytes], bytes]
PIECE = 65536


class Proxy:
    """Passes on what comes to `listen` to `target`, as the line's present state lets it."""

    def __init__(self, listen: Address, target: Address) -> None:
        self.listen = listen
        self.target = target
        self.delay_s = 0.0
        self.editor: Callable[[], Edit] | None = None
        """Makes for each new connection what alters the bytes on their way to the target."""
        self._loop = asyncio.new_event_loop()
        self._flows = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()
        self._stranded: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy {listen}", daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def open(self) -> None:
        """Let everything pass at once, and accept whoever comes."""
        self.delay_s = 0.0
        self._do(self._open())

    def delay(self, seconds: float) -> None:
        """Hold each piece back for so long, in either direction."""
        self.delay_s = seconds

    def black_hole(self) -> None:
        """Accept everything and answer nothing, also on the connections that are open."""
        self._do(self._set(self._flows.clear))

    def strand(self) -> None:
        """Forget the connections that are open, as a firewall does: neither side hears of it. New ones are served."""
        self._do(self._strand())

    def release(self) -> None:
        """Close what was stranded."""
        self._do(self._set(self._release))

    def refuse(self) -> None:
        """Cut every connection and accept none."""
        self._do(self._refuse())

    def cut(self) -> None:
        """Cut the connections that are open; new ones are accepted."""
        self._do(self._set(self._cut))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _set(self, change: Callable[[], None]) -> None:
        change()

    async def _open(self) -> None:
        self._release()
        self._flows.set()
        if self._server is None:
            self._server = await self._listen()

    async def _strand(self) -> None:
        self._stranded |= self._lines
        self._flows.clear()
        self._flows = asyncio.Event()
        self._flows.set()

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._flows.set()
        self._cut()

    async def _end(self) -> None:
        """Refuse, and return once no connection is open and nobody waits for one."""
        await self._refuse()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A connection that was given up is closed in the loop's next round.
        await asyncio.sleep(0)

    def _release(self) -> None:
        for line in self._stranded:
            line.transport.abort()
        self._stranded.clear()

    def _cut(self) -> None:
        for line in self._lines:
            line.transport.abort()
        self._lines.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer)
        with contextlib.suppress(OSError, asyncio.CancelledError), contextlib.ExitStack() as open_ends:
            open_ends.callback(self._give_up, writer)
            flows = self._flows
            await flows.wait()
            if writer.transport.is_closing():
                return
            far_reader, far_writer = await self._reach()
            self._lines.add(far_writer)
            open_ends.callback(self._give_up, far_writer)
            edit = self.editor() if self.editor else None
            there = asyncio.create_task(self._pump(reader, far_writer, flows, edit))
            open_ends.callback(there.cancel)
            await self._pump(far_reader, writer, flows)

    def _give_up(self, line: asyncio.StreamWriter) -> None:
        line.transport.abort()
        self._lines.discard(line)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, *self.listen, reuse_address=True)

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.target)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flows: asyncio.Event, edit: Edit | None = None
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE):
                await asyncio.sleep(self.delay_s)
                await flows.wait()
                writer.write(edit(piece) if edit else piece)
                await writer.drain()
        self._give_up(writer)


class SocketProxy(Proxy):
    """The same between two Unix sockets: what an agent sees of an engine that is gone, hangs, or keeps silent."""

    def __init__(self, listen: str, target: str) -> None:
        super().__init__((listen, 0), (target, 0))

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_unix_server(self._serve, self.listen[0])

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.target[0])
