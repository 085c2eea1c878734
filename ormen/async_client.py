"""The same client for asyncio: ``await AsyncClient("deck:5555").run("nginx")``.

Each call is the sync client's own, in a thread: one core that repeats, backs off and takes streams up again, and no
second HTTP library. A call that is cancelled is cut off at its socket, so that its thread is free at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from os import PathLike
from types import TracebackType
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar, Unpack

from ormen.client import Client
from ormen.client_base import default_place
from ormen.client_errors import Document
from ormen.handles import Goal, TaskHandle, TaskView
from ormen.spec_fields import ChangeFields, Ports, SpecFields

Found = TypeVar("Found")
Given = ParamSpec("Given")

MOST_THREADS = 256
"""Calls under way at once; more wait their turn. A thread is made when it is needed."""

_OVER: Final = object()


def _awaited(
    call: Callable[Concatenate[Client, Given], Found],
) -> Callable[Concatenate[AsyncClient, Given], Coroutine[Any, Any, Found]]:
    """Return a method that awaits one of the sync client's: same arguments, same answer, same words on it."""

    @wraps(call)
    async def method(self: AsyncClient, /, *args: Given.args, **kwargs: Given.kwargs) -> Found:
        return await self.do(lambda client: call(client, *args, **kwargs))

    return method


def _streamed(
    call: Callable[Concatenate[Client, Given], Iterator[Found]],
) -> Callable[Concatenate[AsyncClient, Given], AsyncGenerator[Found, None]]:
    """Return a method that yields what one of the sync client's yields, as it comes."""

    @wraps(call)
    def method(self: AsyncClient, /, *args: Given.args, **kwargs: Given.kwargs) -> AsyncGenerator[Found, None]:
        return self.each(lambda client: call(client, *args, **kwargs))

    return method


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

    submit = _awaited(Client.submit)
    plan = _awaited(Client.plan)
    task = _awaited(Client.task)
    why = _awaited(Client.why)
    exec = _awaited(Client.exec)
    attempts = _awaited(Client.attempts)
    tasks = _streamed(Client.tasks)
    stop = _awaited(Client.stop)
    restart = _awaited(Client.restart)
    retry = _awaited(Client.retry)
    update = _awaited(Client.update)
    remove = _awaited(Client.remove)
    stats = _awaited(Client.stats)
    logs = _streamed(Client.logs)
    log_lines = _streamed(Client.log_lines)

    # Nodes, events and the deck itself

    nodes = _awaited(Client.nodes)
    node = _awaited(Client.node)
    events = _awaited(Client.events)
    follow_events = _streamed(Client.follow_events)
    version = _awaited(Client.version)

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
        self,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: str | None = None,
        until: str | None = None,
        timestamps: bool = False,
    ) -> AsyncGenerator[str, None]:
        """Yield what its container prints, as `TaskHandle.logs` does."""
        asked: dict[str, Any] = {"follow": follow, "tail": tail, "since": since, "until": until}
        return self._client.each(lambda client: self._sync(client).logs(**asked, timestamps=timestamps))

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
