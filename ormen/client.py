"""ormen from Python: ``Client("deck:5555").run("nginx", ports={80: 8080}).wait()``.

Answers are the API's JSON objects as plain dictionaries. The client chooses every task's id itself, so that a
request whose answer was lost can be repeated without starting anything twice.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ormen.errors import OrmenError
from ormen.outcome import Verdict, judge, sentence_of
from ormen.sse import read_messages
from ormen.transport import Address, ClientError, Document, Request, Transport, segment

__all__ = ["Client", "ClientError", "RunningTask", "TaskFailed"]

LONGEST_WAIT_S = 300
"""The longest single wait that the deck grants one request."""

EVENTS_IDLE_S = 40.0
"""A stream of events sends a comment every 15 s; silence beyond this is a dead connection."""

LOGS_IDLE_S = 86_400.0
"""A followed log may be silent for long."""


PRUNE_S = 150.0
"""How long the deck may take to prune: the nodes have two minutes for their images."""


class TaskFailed(OrmenError):
    """A task that was waited for cannot come up, was stopped, or took too long; `record` is its last state."""

    code = "TASK_FAILED"
    title = "The task is not up"

    def __init__(self, record: Document, sentence: str) -> None:
        super().__init__(sentence)
        self.record = record


class Client:
    """Talks to one deck. Safe to use from several threads."""

    def __init__(self, url: str = "localhost:5555", token: str | None = None, timeout: float = 10.0) -> None:
        """`url` is host:port or a URL; `timeout` is how many seconds one answer may take."""
        self.address = Address.parse(url)
        self._transport = Transport(self.address, token=token, timeout=timeout)

    # Tasks

    def run(self, image: str, *, ports: Mapping[int, int | None] | None = None, **fields: Any) -> RunningTask:
        """Submit one task and return at once; `ports` maps container port to host port (None: a free one).

        `fields` are the spec's other fields, for example ``name="web"`` or ``health={"http": "/"}``.
        """
        spec: Document = {"image": image, **fields}
        if ports:
            spec["ports"] = [
                {"container": inner} if outer is None else {"container": inner, "host": outer}
                for inner, outer in ports.items()
            ]
        return RunningTask(self, self.submit([spec])[0])

    def submit(self, specs: Sequence[Mapping[str, Any]], *, wait_s: float = 0) -> list[Document]:
        """Submit tasks together and return their records; nothing is stored if one spec has a fault.

        A spec without an id gets one. With `wait_s` the answer comes once all run, or after that time.
        """
        body = [{"id": str(uuid.uuid4()), **spec} for spec in specs]
        wait = {"wait": "running", "timeout": _wait(wait_s)} if wait_s else {}
        records = self._transport.send(Request("POST", "/v1/tasks", wait, body, wait_s=wait_s))
        return list(records)

    def task(self, word: str) -> Document:
        """Return one task by its name, id or a unique beginning of the id."""
        return self._object("GET", f"/v1/tasks/{segment(word)}")

    def attempts(self, word: str) -> list[Document]:
        """Return the attempts on record, at most ten."""
        return list(self._object("GET", f"/v1/tasks/{segment(word)}/attempts")["items"])

    def tasks(
        self,
        *,
        states: Sequence[str] = (),
        node: str | None = None,
        name: str | None = None,
        labels: Sequence[str] = (),
    ) -> Iterator[Document]:
        """Yield the tasks that fit, newest first; pages are fetched as they are needed."""
        query = {"state": list(states), "node": node, "name": name, "label": list(labels)}
        return self._pages("/v1/tasks", query)

    def stop(self, word: str, *, wait_s: float = 0) -> Document:
        """Ask for a task to be stopped; with `wait_s` return once its container is gone, or after that time."""
        return self._change(word, "stop", wait_s)

    def restart(self, word: str, *, wait_s: float = 0) -> Document:
        """Ask for a new attempt; with `wait_s` return once it is up, or after that time."""
        return self._change(word, "restart", wait_s)

    def retry(self, word: str, *, wait_s: float = 0) -> Document:
        """Try a waiting or failed task now."""
        return self._change(word, "retry", wait_s)

    def remove(self, word: str, *, force: bool = False, wait_s: float = 0) -> Document | None:
        """Remove an ended task and its record; with `force` stop a running one first.

        With `wait_s` return None once its container is gone, too, or after that time the task and the node that
        has not said so.
        """
        query: Document = {"force": force, **({"wait": True, "timeout": _wait(wait_s)} if wait_s else {})}
        left: Document | None = self._transport.send(
            Request("DELETE", f"/v1/tasks/{segment(word)}", query, wait_s=wait_s)
        )
        return left

    def logs(
        self,
        word: str,
        *,
        tail: int | None = None,
        since: str | None = None,
        follow: bool = False,
        timestamps: bool = False,
    ) -> Iterator[bytes]:
        """Yield what the task's container printed, in pieces as they arrive."""
        query = {"tail": tail, "since": since, "follow": follow, "timestamps": timestamps}
        request = Request("GET", f"/v1/tasks/{segment(word)}/logs", query)
        return self._transport.pieces(request, idle_s=LOGS_IDLE_S if follow else 30.0)

    # Nodes

    def nodes(self) -> list[Document]:
        """Return every node, node-2 before node-10."""
        return list(self._pages("/v1/nodes", {}))

    def fleet(self) -> Document:
        """Return every node (``items``), and the agents of another cluster that call at this Redis (``strangers``)."""
        return self._object("GET", "/v1/nodes")

    def node(self, name: str) -> Document:
        """Return one node."""
        return self._object("GET", f"/v1/nodes/{segment(name)}")

    def drain(self, name: str, *, why: str | None = None, by: str | None = None) -> Document:
        """Let a node take no new tasks and move those it has."""
        return self._object("POST", f"/v1/nodes/{segment(name)}/drain", {"reason": why, "by": by})

    def cordon(self, name: str, *, why: str | None = None, by: str | None = None) -> Document:
        """Let a node take no new tasks."""
        return self._object("POST", f"/v1/nodes/{segment(name)}/cordon", {"reason": why, "by": by})

    def activate(self, name: str, *, by: str | None = None) -> Document:
        """End a drain or a cordon."""
        return self._object("POST", f"/v1/nodes/{segment(name)}/activate", {"by": by})

    def label(self, name: str, labels: Mapping[str, str | None]) -> Document:
        """Set labels of a node; None removes one."""
        return self._object("PATCH", f"/v1/nodes/{segment(name)}", {"labels": dict(labels)})

    def remove_node(self, name: str) -> None:
        """Forget a node that is lost or has no tasks; what waits for its return is placed anew."""
        self._transport.send(Request("DELETE", f"/v1/nodes/{segment(name)}"))

    def brake(self) -> Document:
        """Return whether a mass loss is held back, and what waits."""
        return self._object("GET", "/v1/brake")

    def release_brake(self, *, why: str | None = None, by: str | None = None) -> Document:
        """Let what waits for silent nodes be placed anew; return what that is."""
        answer: Document = self._transport.send(
            Request("POST", "/v1/brake/release", body={"reason": why, "by": by}, repeatable=False)
        )
        return answer

    # What nobody needs

    def prune(self, *, older_than: str | float = 0, kinds: Sequence[str] = (), dry_run: bool = False) -> Document:
        """Remove ended tasks, and of each node the ``kinds`` named (images, volumes, orphans); return what went.

        With `dry_run` nothing is removed. More ended tasks than one request takes are removed by further ones.
        """
        body = {"older_than": older_than, "kinds": list(kinds), "dry_run": dry_run}
        found = part = self._prune(body)
        while part["more"] and not dry_run:
            part = self._prune({**body, "kinds": []})
            found = added(found, part)
        return found

    def _prune(self, body: Document) -> Document:
        answer: Document = self._transport.send(Request("POST", "/v1/prune", body=body, wait_s=PRUNE_S))
        return answer

    # Events and the deck itself

    def events(self, *, task: str | None = None, node: str | None = None, since: str | None = None) -> list[Document]:
        """Return past events, oldest first."""
        return list(self._pages("/v1/events", {"task": task, "node": node, "since": since}))

    def follow_events(
        self,
        *,
        task: str | None = None,
        node: str | None = None,
        after: str | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> Iterator[Document]:
        """Yield events as they happen, with their ``id`` and ``type``, for ever.

        Begins after the event `after` (None: now). When the stream breaks it is taken up again where it ended,
        so nothing is missed; `notice` is told when the deck is away and when it is back. An event of type
        ``gap`` says that events were already forgotten.
        """
        away_since: float | None = None
        connected = False
        while True:
            try:
                resume = {"Last-Event-ID": after} if after else {}
                query = {"follow": True, "task": task, "node": node}
                answer = self._transport.stream(
                    Request("GET", "/v1/events", query, headers=resume), idle_s=EVENTS_IDLE_S
                )
                if away_since is not None and notice:
                    notice(f"back after {time.monotonic() - away_since:.0f}s")
                away_since, connected = None, True
                with answer:
                    for message in read_messages(answer):
                        after = message.id or after
                        yield {**json.loads(message.data), "id": message.id, "type": message.event}
            except ClientError as error:
                if error.http_status not in (0, 503) or not connected:
                    raise
            except OSError:
                pass  # the stream was cut or fell silent: the next round takes it up again
            if away_since is None:
                away_since = time.monotonic()
                if notice:
                    notice(f"the deck at {self.address} does not answer, trying again")
            time.sleep(0.5)

    def version(self) -> str:
        """Return the deck's version."""
        return str(self._object("GET", "/v1/version")["version"])

    def _change(self, word: str, verb: str, wait_s: float) -> Document:
        query = {"wait": True, "timeout": _wait(wait_s)} if wait_s else {}
        path = f"/v1/tasks/{segment(word)}/{verb}"
        # A second restart would end the attempt that the first one began; a second stop changes nothing.
        request = Request("POST", path, query, wait_s=wait_s, repeatable=verb == "stop")
        record: Document = self._transport.send(request)
        return record

    def _object(self, method: str, path: str, body: object = None) -> Document:
        answer: Document = self._transport.send(Request(method, path, body=body))
        return answer

    def _pages(self, path: str, query: Mapping[str, Any]) -> Iterator[Document]:
        cursor: str | None = None
        while True:
            page = self._transport.send(Request("GET", path, {**query, "cursor": cursor}))
            yield from page["items"]
            cursor = page.get("next")
            if cursor is None:
                return


class RunningTask:
    """A submitted task: `record` is what the deck last said of it."""

    def __init__(self, client: Client, record: Document) -> None:
        self._client = client
        self.record = record

    @property
    def id(self) -> str:
        """Return the task's id."""
        return str(self.record["id"])

    def wait(self, *, timeout: float = 300.0) -> Document:
        """Return the record once the task is up, or has completed by itself; raise TaskFailed otherwise."""
        deadline = time.monotonic() + timeout
        while True:
            self.record = self._client.task(self.id)
            verdict = judge(self.record)
            if verdict in (Verdict.UP, Verdict.DONE):
                return self.record
            name = self.record["name"]
            why = sentence_of(self.record) or f"it is {self.record['state']}"
            if verdict is not Verdict.WAITING:
                raise TaskFailed(self.record, f"{name}: {why}")
            if time.monotonic() > deadline:
                raise TaskFailed(self.record, f"{name} is not up within {timeout:g}s: {why}")
            time.sleep(0.1)

    def stop(self, *, wait_s: float = 30.0) -> Document:
        """Stop the task and return its record once the container is gone."""
        self.record = self._client.stop(self.id, wait_s=wait_s)
        return self.record


def _wait(wait_s: float) -> float:
    return min(wait_s, LONGEST_WAIT_S)


def added(first: Document, part: Document) -> Document:
    """Return the answer of several prunes in one: the tasks and containers of both, the rest of the first."""
    more = {node["node"]: node for node in part["nodes"]}
    nodes = [
        {**node, **{key: node[key] + more[node["node"]][key] for key in ("containers", "left") if node["node"] in more}}
        for node in first["nodes"]
    ]
    names = [*first["names"], *part["names"]][:100]
    return {**first, "tasks": first["tasks"] + part["tasks"], "names": names, "more": part["more"], "nodes": nodes}
