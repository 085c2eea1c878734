"""The same client for asyncio: ``await AsyncClient("deck:5555").run("nginx")``.

Each call is the sync client's own, in a thread: one core that repeats, backs off and takes streams up again, and no
second HTTP library. A call that is cancelled is cut off at its socket, so that its thread is free at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from types import TracebackType
from typing import Any, Final, Self, TypeVar, Unpack

from ormen.client import Client
from ormen.client_base import default_place
from ormen.client_errors import Document
from ormen.handles import Goal, TaskHandle, TaskView
from ormen.spec_fields import ChangeFields, Ports, SpecFields

Found = TypeVar("Found")

MOST_THREADS = 256
"""Calls under way at once; more wait their turn. A thread is made when it is needed."""

_OVER: Final = object()


class AsyncClient:
    """Talks to one deck, from one event loop or several."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        timeout: float = 10.0,
        *,
        patience: float | None = None,
    ) -> None:
        """`url`, `token`, `timeout` and `patience` are those of `Client`."""
        url, token = default_place(url, token)
        self._made_of = (url, token, timeout, patience)
        self.address = self._client().address
        self._threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="ormen-client")

    async def aclose(self) -> None:
        """Let the threads go. Calls that are under way are finished or cancelled first by whoever made them."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # Tasks

    async def run(self, image: str, *, ports: Ports | None = None, **fields: Unpack[SpecFields]) -> AsyncTaskHandle:
        """Submit one task and return at once, as `Client.run` does."""
        return AsyncTaskHandle(self, await self.do(lambda client: client.run(image, ports=ports, **fields).record))

    async def run_all(self, specs: Iterable[Mapping[str, Any]]) -> list[AsyncTaskHandle]:
        """Submit tasks together, all or none, and return at once."""
        chosen = list(specs)
        return [AsyncTaskHandle(self, record) for record in await self.do(lambda client: client.submit(chosen))]

    async def run_file(self, path: str | PathLike[str]) -> list[AsyncTaskHandle]:
        """Submit the tasks of a JSON or YAML file."""
        found = await self.do(lambda client: client.run_file(path))
        return [AsyncTaskHandle(self, each.record) for each in found]

    async def handle(self, word: str) -> AsyncTaskHandle:
        """Return a task by its name, id or a unique beginning of the id; raises TaskNotFound, Ambiguous."""
        return AsyncTaskHandle(self, await self.task(word))

    async def handles(
        self,
        *,
        states: Sequence[str] = (),
        node: str | None = None,
        name: str | None = None,
        labels: Sequence[str] = (),
    ) -> AsyncGenerator[AsyncTaskHandle, None]:
        """Yield the tasks that fit, newest first."""
        async for record in self.tasks(states=states, node=node, name=name, labels=labels):
            yield AsyncTaskHandle(self, record)

    async def submit(self, specs: Sequence[Mapping[str, Any]], *, wait_s: float = 0) -> list[Document]:
        """Submit tasks together and return their records; nothing is stored if one spec has a fault."""
        return await self.do(lambda client: client.submit(specs, wait_s=wait_s))

    async def plan(self, specs: Sequence[Mapping[str, Any]]) -> Document:
        """Return where tasks would go and which would wait, with the reasons; nothing is changed."""
        return await self.do(lambda client: client.plan(specs))

    async def task(self, word: str) -> Document:
        """Return one task by its name, id or a unique beginning of the id."""
        return await self.do(lambda client: client.task(word))

    async def why(self, word: str, *, node: str | None = None, every: bool = False) -> Document:
        """Return why a task waits, failed, moved, is slow or runs; with `node` why it is not there."""
        return await self.do(lambda client: client.why(word, node=node, every=every))

    async def attempts(self, word: str) -> list[Document]:
        """Return the attempts on record, at most ten."""
        return await self.do(lambda client: client.attempts(word))

    def tasks(
        self,
        *,
        states: Sequence[str] = (),
        node: str | None = None,
        name: str | None = None,
        labels: Sequence[str] = (),
    ) -> AsyncGenerator[Document, None]:
        """Yield the tasks that fit, newest first; pages are fetched as they are needed."""
        return self.each(lambda client: client.tasks(states=states, node=node, name=name, labels=labels))

    async def stop(self, word: str, *, wait_s: float = 0) -> Document:
        """Ask for a task to be stopped; with `wait_s` return once its container is gone, or after that time."""
        return await self.do(lambda client: client.stop(word, wait_s=wait_s))

    async def restart(self, word: str, *, wait_s: float = 0) -> Document:
        """Ask for a new attempt; with `wait_s` return once it is up, or after that time."""
        return await self.do(lambda client: client.restart(word, wait_s=wait_s))

    async def retry(self, word: str, *, wait_s: float = 0) -> Document:
        """Try a waiting or failed task now."""
        return await self.do(lambda client: client.retry(word, wait_s=wait_s))

    async def update(self, word: str, *, wait_s: float = 0, **fields: Unpack[ChangeFields]) -> Document:
        """Change a task's name, labels or resources, as `Client.update` does."""
        return await self.do(lambda client: client.update(word, wait_s=wait_s, **fields))

    async def remove(self, word: str, *, force: bool = False, wait_s: float = 0) -> Document | None:
        """Remove an ended task and its record; with `force` stop a running one first."""
        return await self.do(lambda client: client.remove(word, force=force, wait_s=wait_s))

    def logs(
        self,
        word: str,
        *,
        tail: int | None = None,
        since: str | None = None,
        follow: bool = False,
        timestamps: bool = False,
    ) -> AsyncGenerator[bytes, None]:
        """Yield what the task's container printed, in pieces as they arrive."""
        return self.each(lambda client: client.logs(word, tail=tail, since=since, follow=follow, timestamps=timestamps))

    # Nodes, events and the deck itself

    async def nodes(self) -> list[Document]:
        """Return every node, node-2 before node-10."""
        return await self.do(lambda client: client.nodes())

    async def node(self, name: str) -> Document:
        """Return one node."""
        return await self.do(lambda client: client.node(name))

    async def events(
        self, *, task: str | None = None, node: str | None = None, since: str | None = None
    ) -> list[Document]:
        """Return past events, oldest first."""
        return await self.do(lambda client: client.events(task=task, node=node, since=since))

    def follow_events(
        self,
        *,
        task: str | None = None,
        node: str | None = None,
        after: str | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> AsyncGenerator[Document, None]:
        """Yield events for ever, as `Client.follow_events` does; `notice` is called in another thread."""
        return self.each(lambda client: client.follow_events(task=task, node=node, after=after, notice=notice))

    async def version(self) -> str:
        """Return the deck's version."""
        return await self.do(lambda client: client.version())

    # How it is done

    async def do(self, call: Callable[[Client], Found]) -> Found:
        """Return what `call` returns; it is given a sync client of its own, in a thread.

        So whatever `Client` can do can be awaited: ``await deck.do(lambda client: client.brake())``.
        """
        client = self._client()
        return await self._in_thread(client, lambda: call(client))

    async def each(self, begin: Callable[[Client], Iterator[Found]]) -> AsyncGenerator[Found, None]:
        """Yield what the iterator that `begin` makes yields; it is cut off when nobody wants more."""
        client = self._client()
        try:
            iterator = await self._in_thread(client, lambda: begin(client))
            while True:
                found: Any = await self._in_thread(client, lambda: next(iterator, _OVER))
                if found is _OVER:
                    return
                yield found
        finally:
            client.close()

    async def _in_thread(self, client: Client, work: Callable[[], Found]) -> Found:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except asyncio.CancelledError:
            client.close()
            raise

    def _client(self) -> Client:
        url, token, timeout, patience = self._made_of
        return Client(url, token, timeout, patience=patience)


class AsyncTaskHandle(TaskView):
    """A task of one deck. What it knows is as old as the last call; `refresh` asks anew."""

    def __init__(self, client: AsyncClient, record: Document) -> None:
        super().__init__(record)
        self._client = client

    async def refresh(self) -> Self:
        """Ask the deck for the record as it is now."""
        return await self._do(lambda handle: handle.refresh())

    async def wait(self, until: Goal = "running", *, timeout: float = 300.0) -> Self:
        """Return once the task is there; raise TaskFailed or WaitedTooLong, as `TaskHandle.wait` does."""
        return await self._do(lambda handle: handle.wait(until, timeout=timeout))

    def logs(
        self, *, follow: bool = False, tail: int | None = None, since: str | None = None, timestamps: bool = False
    ) -> AsyncGenerator[str, None]:
        """Yield what its container prints, line by line, without line ends."""
        return self._client.each(
            lambda client: self._sync(client).logs(follow=follow, tail=tail, since=since, timestamps=timestamps)
        )

    def events(self, *, follow: bool = False) -> AsyncGenerator[Document, None]:
        """Yield what happened to it, oldest first; with `follow` go on for ever."""
        return self._client.each(lambda client: self._sync(client).events(follow=follow))

    async def attempts(self) -> list[Document]:
        """Return its attempts on record, at most ten."""
        return await self._client.attempts(self.id)

    async def stop(self, *, wait_s: float = 30.0) -> Self:
        """Stop it; return once its container is gone, or after `wait_s`."""
        return await self._do(lambda handle: handle.stop(wait_s=wait_s))

    async def restart(self, *, wait_s: float = 0) -> Self:
        """Want a new attempt."""
        return await self._do(lambda handle: handle.restart(wait_s=wait_s))

    async def retry(self, *, wait_s: float = 0) -> Self:
        """Try it now, if it waits or has failed."""
        return await self._do(lambda handle: handle.retry(wait_s=wait_s))

    async def update(self, *, wait_s: float = 30.0, **fields: Unpack[ChangeFields]) -> Self:
        """Change its name, labels or resources; return once its container has new limits, or after `wait_s`."""
        return await self._do(lambda handle: handle.update(wait_s=wait_s, **fields))

    async def remove(self, *, force: bool = False, wait_s: float = 30.0) -> None:
        """Remove its record; with `force` stop it first."""
        await self._client.remove(self.id, force=force, wait_s=wait_s)

    async def _do(self, call: Callable[[TaskHandle], TaskHandle]) -> Self:
        self.record = await self._client.do(lambda client: call(self._sync(client)).record)
        return self

    def _sync(self, client: Client) -> TaskHandle:
        return TaskHandle(client, self.record)
