"""What an agent does to the store. Every verb carries (node, attempt), and late news changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis import Redis

from ormen.errors import NodeRefused, NodeTaken
from ormen.image_pin import Pin
from ormen.settings import Settings
from ormen.store.fleet import interval_ms
from ormen.store.news import Answer, Heartbeat, Joined, NodeCard, Outcome, Remark, Report, Request, Taken
from ormen.store.records import flat, pack_container_id, pack_ports, task_of
from ormen.store.redis import answering
from ormen.store.replies import Answerer
from ormen.task import PLACED, State, Task, sources

__all__ = ["AgentStore", "Answer", "Heartbeat", "Joined", "NodeCard", "Outcome", "Remark", "Report", "Request", "Taken"]

AWAITED_MS = 30_000
"""How long an agent that was ended in order may take to be back: longer than an upgrade on a busy host."""


class Late(Exception):
    """The record has moved on."""


class AgentStore(Answerer):
    """The verbs of one agent. `on_room` is called with no lock held when somebody waits for what a verb has freed.

    It is given the ids of tasks that are to be placed, each once its pause is over; none: whoever waits for room.
    """

    def __init__(self, settings: Settings, client: Redis) -> None:
        super().__init__(settings, client)
        self.on_room: Callable[[Sequence[str]], None] = lambda ids: None

    @answering
    def join(self, card: NodeCard) -> Joined:
        """Become a node. Raises NodeTaken while another engine's agent has the name, NodeRefused if not allowed."""
        cluster = self.cluster()
        nodes = int(self.client.hlen(self.keys.views))
        facts = {
            "address": card.address,
            "status_url": card.status_url,
            "engine_version": card.engine_version,
            "os": card.os,
            "arch": card.arch,
            "agent_version": card.agent_version,
            "labels": dict(card.labels),
            "facts": dict(card.facts),
        }
        reply = self.run(
            "join",
            node=card.name,
            instance=card.instance,
            engine=card.engine,
            facts=json.dumps(facts),
            cpu=str(card.capacity.cpu_milli),
            memory=str(card.capacity.memory_bytes),
            disk=str(card.capacity.disk_bytes),
            aliases=_aliases(card),
            lost=str(interval_ms(nodes) * self.settings.lost_intervals),
            text=f"{card.capacity.cpu_milli / 1000:g} cpu, Docker {card.engine_version}, at {card.address}",
        )
        if reply["code"] == "TAKEN":
            age = int(reply["age"]) / 1000
            raise NodeTaken(
                f"the agent at {reply.get('address') or 'another host'} is {card.name}; heard {age:.1f}s ago",
                hint="choose another --name, or stop that agent",
            )
        if reply["code"] == "REFUSED":
            raise NodeRefused(
                f"the deck does not list {card.name} among the nodes that may join",
                hint=f"start the deck with -w …,{card.name}",
            )
        return Joined(cluster, interval_ms(nodes + 1) / 1000, bool(reply["known"]))

    @answering
    def heartbeat(self, beat: Heartbeat) -> Answer:
        """Say that the node lives, and hear what it should look at."""
        measured = {
            "used": [beat.used.cpu_milli, beat.used.memory_bytes, beat.used.disk_bytes],
            "pass_age_s": round(beat.pass_age_s, 3),
            "consumed_age_s": round(beat.consumed_age_s, 3),
        }
        reply = self.run(
            "heartbeat",
            node=beat.node,
            instance=beat.instance,
            cluster=beat.cluster,
            beat=json.dumps(measured),
            load=str(int(beat.load * 1000)),
            used=[str(beat.used.cpu_milli), str(beat.used.memory_bytes), str(beat.used.disk_bytes)],
            trouble=beat.trouble.code.value if beat.trouble else "-",
            text=beat.trouble.sentence if beat.trouble else "",
            **({"sent": str(beat.sent_ms)} if beat.sent_ms is not None else {}),
            **({"facts": json.dumps(dict(beat.facts))} if beat.facts else {}),
        )
        return Answer(
            known=bool(reply["known"]),
            replaced=bool(reply.get("replaced")),
            resync=bool(reply.get("resync")),
            inbox=int(reply.get("inbox", 0)),
            inbox_age_s=int(reply.get("age", 0)) / 1000,
            interval_s=interval_ms(int(reply.get("nodes", 1))) / 1000,
            now_ms=int(reply["now"]),
            heard_ms=int(reply.get("heard", 0)),
        )

    @answering
    def take(self, node: str, instance: str) -> Taken:
        """Empty the inbox, up to 100 entries, and return what was in it with the records as they are now.

        An attempt that is to be started is received by this, and told to be.
        """
        tasks, gone, requests = [], [], []
        specs: dict[str, Mapping[str, Any]] = {}
        for entry, pairs, spec, pin in self.run("take", node=node, instance=instance):
            record = flat(pairs)
            if entry.startswith("?"):
                if record:
                    requests.append(Request(entry[1:], record["kind"], record["task"], json.loads(record["options"])))
            elif record:
                if spec not in specs:
                    specs[spec] = json.loads(spec) if spec else {}
                tasks.append(task_of(entry, record, specs[spec], Pin.unpack(pin)))
            else:
                gone.append(entry)
        return Taken(tuple(tasks), tuple(gone), tuple(requests))

    @answering
    def held(self, node: str) -> list[Task]:
        """Return every task that belongs to the node, or whose container there is not confirmed gone."""
        ids = sorted(self.client.smembers(self.keys.node_tasks(node)))
        return [task for task in self.read(ids).values() if task is not None]

    @answering
    def report(self, news: Report, *, of: Task | None = None) -> Outcome:
        """Write one transition with its event, if (node, attempt) and the state it comes from still hold.

        `of` is the task as it was read: it spares reading the spec again.
        """
        text = news.reason.sentence if news.reason else news.sentence
        reply = self.run(
            "report",
            id=news.task,
            node=news.node,
            attempt=str(news.attempt),
            # Of what only waits an agent has no news: that its wait is over is the deck's to say.
            sources=[state.value for state in sources(news.target) if state in PLACED],
            to=news.target.value,
            code=news.reason.code.value if news.reason else "",
            text=text,
            stopped="It was stopped.",
            again="A restart was asked for.",
            log=json.dumps(list(news.log_tail)),
            set=_fields(news),
            release="1" if news.release else "0",
            spends="1" if news.spends else "0",
            delay=str(news.delay_ms),
            **({"delays": str(news.delays)} if news.delays is not None else {}),
            **({"avoid": str(news.avoid_ms)} if news.avoid_ms else {}),
            **({"started": news.also_started} if news.also_started is not None else {}),
        )
        if reply["ring"]:
            again = news.target is State.PENDING
            if again:
                # Named also when a pause is due first: the control worker places it at its end.
                self.on_room([news.task])
            if news.release and not (again and news.delay_ms == 0):
                self.on_room([])
        return Outcome(bool(reply["accepted"]), self._as_now(news.task, reply.get("record"), of))

    def _as_now(self, task_id: str, record: Mapping[str, str] | None, of: Task | None) -> Task | None:
        if record is None:
            return None
        if of is None or of.spec_id != record["spec"]:
            return self.read([task_id])[task_id]
        return task_of(task_id, record, of.spec, of.pin)

    @answering
    def note(self, remark: Remark) -> bool:
        """Write an event or a detail of an attempt; return False for late news."""
        fields: dict[str, str] = {}
        if remark.detail is not None:
            fields["detail"] = remark.detail
        if remark.health is not None:
            fields["health"] = remark.health.value
        if remark.container_id is not None:
            fields["cid"] = pack_container_id(remark.container_id)
        if remark.refused is not None:
            fields["refused"] = remark.refused
        if remark.paused:
            fields["paused"] = "now"
        if remark.event == "task.received":
            fields["received"] = "1"
        if remark.probes:
            fields["probes"] = json.dumps([probe.to_list() for probe in remark.probes])
        over = (("detail", remark.detail == ""), ("paused", remark.paused is False), ("probes", remark.probes == ()))
        unset = [field for field, gone in over if gone]
        return bool(
            self.run(
                "note",
                id=remark.task,
                node=remark.node,
                attempt=str(remark.attempt),
                set=fields,
                unset=unset,
                text=remark.sentence,
                code=remark.code.value if remark.code else "",
                **({"event": remark.event} if remark.event else {}),
                **({"rev": str(remark.revision)} if remark.revision is not None else {}),
                **({"resize": str(remark.resize)} if remark.resize else {}),
            )
        )

    @answering
    def pin(self, task: Task, found: Pin | None) -> Pin | None:
        """Say which image the attempt has found; return the one that holds for the submission. Raises Late."""
        reply = self.run(
            "pin", id=task.id, node=task.node, attempt=str(task.attempt), pin=found.packed() if found else ""
        )
        if reply == 0:
            raise Late(f"attempt {task.attempt} of {task.name} is no longer to be started here")
        return None if reply == "-" else Pin.unpack(reply)

    @answering
    def adopt(self, task: Task, *, label: int, container_id: str) -> Outcome:
        """Take over a running container of the task whose label carries attempt `label`; the higher number holds."""
        accepted = self.run(
            "adopt",
            id=task.id,
            node=task.node,
            attempt=str(task.attempt),
            label=str(label),
            cid=pack_container_id(container_id),
            text=f"{task.container_name} was running already and is taken over",
        )
        return Outcome(bool(accepted), self.read([task.id])[task.id])

    @answering
    def confirm(self, task_id: str, *, node: str) -> None:
        """Say that nothing of a task is left on this node."""
        if self.run("confirm", id=task_id, node=node):
            self.on_room([])

    @answering
    def seen(self, ids: Sequence[str]) -> None:
        """Say that these scheduled tasks are in hand, also those that wait for their turn."""
        if ids:
            now = self.now_ms()
            self.client.zadd(self.keys.scheduled, dict.fromkeys(ids, now), xx=True)

    @answering
    def synced(self, node: str, instance: str, *, orphans: Sequence[str]) -> None:
        """Report a complete pass over Docker; `orphans` are containers of ours without a record, left running."""
        if self.run("synced", node=node, instance=instance, orphans=json.dumps(list(orphans)), text=f"{node} is ready"):
            self.on_room([])

    @answering
    def probed(self, node: str, last: Mapping[str, float]) -> None:
        """Report how many seconds ago each task's check was last made, for the overseer."""
        key = self.keys.probes(node)
        now = self.now_ms()
        with self.client.pipeline(transaction=True) as pipe:
            pipe.delete(key)
            if last:
                pipe.hset(key, mapping={task: str(now - age_s * 1000) for task, age_s in last.items()})
            pipe.execute()

    @answering
    def leave(self, node: str, instance: str) -> None:
        """Go down on purpose with all containers: the node is not waited for."""
        self.run("leave", node=node, instance=instance, wait="0")

    @answering
    def pause(self, node: str, instance: str) -> None:
        """End on purpose while the containers run on: whoever is this node next has `AWAITED_MS` before it is lost."""
        self.run("leave", node=node, instance=instance, wait=str(AWAITED_MS))


def _fields(news: Report) -> dict[str, str]:
    fields: dict[str, str] = {}
    if news.container_id is not None:
        fields["cid"] = pack_container_id(news.container_id)
    if news.exit_code is not None:
        fields["exit"] = str(news.exit_code)
    if news.ports is not None:
        fields["ports"] = pack_ports(news.ports)
    if news.health is not None:
        fields["health"] = news.health.value
    return fields


def _aliases(card: NodeCard) -> list[str]:
    page = card.status_url.removeprefix("http://").rstrip("/")
    port = page.rpartition(":")[2]
    return [card.name, page, f"localhost:{port}", f"{card.address}:{port}"]
