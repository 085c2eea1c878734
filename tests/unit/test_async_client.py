"""The client for asyncio: the sync one's own answers, many at once, and threads that a cancelled call gives back."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from contextlib import aclosing

import pytest
from cli_stub import TRAIN, UP, WAY, WEB, Answer, deck, problem

from ormen import AsyncClient, Client
from ormen.async_client import AsyncTaskHandle
from ormen.errors import TaskNotFound
from ormen.handles import TaskHandle
from tests.waiting import wait_until

ONE = f"GET /v1/tasks/{WEB['id']}"


def busy() -> int:
    """How many threads of async clients are inside a call."""
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("ormen-client")]
    return len(names)


@pytest.mark.parametrize(("mine", "theirs"), [(AsyncClient, Client), (AsyncTaskHandle, TaskHandle)])
def test_both_clients_are_called_alike(mine: type, theirs: type) -> None:
    """A method that both have takes the same arguments, so that an example of one is an example of the other."""
    shared = [name for name in vars(mine) if not name.startswith("_") and callable(getattr(theirs, name, None))]
    assert len(shared) >= 8
    for name in shared:
        ours, their = inspect.signature(getattr(mine, name)), inspect.signature(getattr(theirs, name))
        assert list(ours.parameters.values()) == list(their.parameters.values()), name


def test_run_and_wait_are_awaited() -> None:
    """What is awaited is the sync client's answer, as a handle that can be awaited again."""

    async def go(address: str) -> AsyncTaskHandle:
        async with AsyncClient(address) as client:
            return await (await client.run("nginx", ports={80: 8080})).wait(timeout=10)

    with deck({"POST /v1/tasks": Answer(201, [WEB]), ONE: [WEB, UP]}) as stub:
        task = asyncio.run(go(stub.address))
    assert (task.name, task.state, task.address(80)) == ("web", "running", "10.0.0.11:8080")


def test_errors_are_the_same_classes() -> None:
    """What the sync client raises is raised where it is awaited."""

    async def go(address: str) -> None:
        async with AsyncClient(address) as client:
            await client.handle("wbe")

    missing = {"GET /v1/tasks/wbe": problem(404, "TASK_NOT_FOUND", 'no task "wbe"')}
    with deck(missing) as stub, pytest.raises(TaskNotFound, match="wbe"):
        asyncio.run(go(stub.address))


def test_a_hundred_waits_run_at_once() -> None:
    """A hundred answers of half a second each come together, not one after the other."""

    async def go(address: str) -> int:
        async with AsyncClient(address) as client:
            return len(await asyncio.gather(*(client.version() for _ in range(100))))

    with deck({"GET /v1/version": Answer(200, {"version": "1"}, delay_s=0.5)}) as stub:
        began = time.monotonic()
        assert asyncio.run(go(stub.address)) == 100
    assert time.monotonic() - began < 25


def test_a_cancelled_call_gives_its_thread_back() -> None:
    """A wait that is cancelled is cut off at its socket: no thread is left that waits for an answer nobody wants."""

    async def go(address: str) -> None:
        async with AsyncClient(address, timeout=600, patience=600) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.version(), 0.5)

    with deck({"GET /v1/version": Answer(200, {"version": "1"}, delay_s=600)}) as stub:
        asyncio.run(go(stub.address))
        wait_until(lambda: busy() == 0, what="for the client's threads to end")


def test_followed_events_are_taken_up_again_and_end_when_left() -> None:
    """The stream goes on across a break, and whoever leaves it leaves no thread behind."""

    async def go(address: str) -> list[str]:
        seen: list[str] = []
        async with AsyncClient(address) as client, aclosing(client.follow_events()) as events:
            async for event in events:
                seen.append(event["type"])
                if len(seen) == 2:
                    stub.closing.set()
                    stub.events = WAY[2:3]
                if len(seen) == 3:
                    break
        return seen

    with deck({}, WAY[:2]) as stub:
        assert asyncio.run(go(stub.address)) == ["task.accepted", "task.placed", "task.pulling"]
        wait_until(lambda: busy() == 0, what="for the client's threads to end")


def test_lists_are_read_page_by_page_as_needed() -> None:
    """The second page is fetched only when somebody wants its first task."""

    async def go(address: str) -> list[str]:
        async with AsyncClient(address) as client:
            found = client.handles(states=["running"])
            names = [(await anext(found)).name]
            assert len(stub.seen) == 1
            return [*names, *[task.name async for task in found]]

    with deck({"GET /v1/tasks": [{"items": [UP], "next": "c"}, {"items": [TRAIN], "next": None}]}) as stub:
        assert asyncio.run(go(stub.address)) == ["web", "train"]


def test_whatever_the_sync_client_can_do_can_be_awaited() -> None:
    """A method that has no twin is reached through `do`."""

    async def go(address: str) -> bool:
        async with AsyncClient(address) as client:
            return bool((await client.do(lambda sync: sync.brake()))["on"])

    with deck({"GET /v1/brake": {"on": True}}) as stub:
        assert asyncio.run(go(stub.address))
