"""The packed forms: between what Redis holds and the values the rest of ormen speaks in."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ormen.image_pin import Pin
from ormen.node import Node, NodeState, Resources
from ormen.reasons import Code, Reason
from ormen.spec import PortSpec
from ormen.task import Attempt, Health, Port, Probe, State, Task, Wanted

SPEC_ID_BYTES = 9
"""How random a spec's id is: 72 bits, as each task of the submission has it in its record."""


def spec_id() -> str:
    """Return a new id for a submission's spec."""
    return secrets.token_urlsafe(SPEC_ID_BYTES)


def flat(pairs: Sequence[str]) -> dict[str, str]:
    """Return the mapping of a flat reply ``[field, value, …]``."""
    return dict(zip(pairs[::2], pairs[1::2], strict=True))


def pack_need(need: Resources) -> str:
    """Return a reservation as the record holds it: milli-cores, bytes of memory, bytes of disk."""
    return f"{need.cpu_milli} {need.memory_bytes} {need.disk_bytes}"


def pack_ports(ports: Sequence[Port]) -> str:
    """Return published ports as the record holds them."""
    return json.dumps([port.to_list() for port in ports])


def pack_placement(placement: Mapping[str, Any]) -> str:
    """Return why a node was chosen as the record holds it: ``epvm 0.32 4 node-8 0.35``.

    The third word is how many nodes fit, and behind a stroke how many of them were best suited, where that is said;
    then comes each runner-up with its cost.
    """
    fitted, suited = placement["fitted"], placement.get("suited")
    others = [f"{other['node']} {other['cost']!r}" for other in placement["next"]]
    amount = f"{fitted}" if suited is None else f"{fitted}/{suited}"
    return " ".join([placement["strategy"], repr(placement["cost"]), amount, *others])


_CONTAINER_ID = re.compile(r"[0-9a-f]{64}")
_PACKED_ID = 43
"""The length of what `pack_container_id` makes of a container's id."""


def pack_container_id(container_id: str) -> str:
    """Return an engine's id of a container, 64 hexadecimal digits, in 43 letters; anything else as it is."""
    if not _CONTAINER_ID.fullmatch(container_id):
        return container_id
    return base64.urlsafe_b64encode(bytes.fromhex(container_id)).decode().rstrip("=")


def _container_id(packed: str | None) -> str | None:
    if packed is None or len(packed) != _PACKED_ID:
        return packed or None
    return base64.urlsafe_b64decode(f"{packed}=").hex()


class Decoded:
    """JSON that is read again and again and seldom changes: a text is decoded once for as long as it stays the same.

    Of thousands of nodes nearly all say what they said a second ago, and decoding was half of reading them.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[str, Mapping[str, Any]]] = {}

    def of(self, node: str, what: str, text: str | None) -> Mapping[str, Any]:
        """Return what a text of a node says, nothing for no text; the result is shared and is not to be changed."""
        known = self._known.get((node, what))
        if known is None or known[0] != text:
            known = self._known[node, what] = (text or "", json.loads(text) if text else {})
        return known[1]

    def keep(self, nodes: Collection[str]) -> None:
        """Forget nodes that are gone, now and then."""
        if len(self._known) > 6 * len(nodes) + 100:
            self._known = {key: value for key, value in list(self._known.items()) if key[0] in nodes}


def kept(spec: Mapping[str, Any], task_id: str, name: str) -> Mapping[str, Any]:
    """Return what is stored of a spec as sent, where null stands for the id and the name that are its task's own.

    So the tasks of a list that differ in these only have one spec. Copies of a `count` share theirs as it is.
    """
    own = {"id": task_id, "name": name}
    return {
        field: None if value == own.get(field) else value
        for field, value in spec.items()
        if field not in own or value is not None
    }


def as_sent(spec: Mapping[str, Any], task_id: str, name: str) -> Mapping[str, Any]:
    """Return the spec of this task as it was sent, from what is stored; see `kept`."""
    if spec.get("id", "") is not None and spec.get("name", "") is not None:
        return spec
    own = {"id": task_id, "name": name}
    return {field: own[field] if value is None and field in own else value for field, value in spec.items()}


def task_of(task_id: str, record: Mapping[str, str], spec: Mapping[str, Any], pin: Pin | None = None) -> Task:
    """Return the task of a record and its submission's spec and pinned image; tasks may share both."""
    found: dict[str, Any] = {}
    for field, text in record.items():
        if field in FIELDS:
            name, read = FIELDS[field]
            found[name] = read(text)
    if "code" in record:
        found["reason"] = _reason(record["code"], record.get("text"))
    if "attempts" in record or "assigned" in record:
        found["attempts"] = _attempts(record, found["attempt"], found.get("container_id"))
    if "placement" in record:
        # From before records held it as words; where both are, a deck of that time has placed the task last.
        found["placement"] = json.loads(record["placement"])
    return Task(id=task_id, spec=as_sent(spec, task_id, found["name"]), pin=pin, **found)


def node_of(name: str, view: str, facts: Mapping[str, Any], live: Mapping[str, Any]) -> Node:
    """Return the node of its packed view and its facts.

    `live` holds what is derived when it is read: ``state``, ``reason``, ``heartbeat_ms``, ``age_s``, ``held``
    by the brake, and from the node's own hash ``beat`` (what the last heartbeat measured), ``measured`` (what one
    now and then adds), ``skew_ms``, ``shown`` and ``joined_ms``, where they were read; so are ``since_ms``, ``by`` and
    ``why`` of its state.
    """
    _mode, synced, _trouble, lost, *numbers, load, engine, _rev = view.split()
    cpu, memory, disk, rcpu, rmemory, rdisk, tasks, *used = map(int, numbers)
    beat = live.get("beat") or {}
    gpus = tuple(facts.get("facts", {}).get("gpus") or ())
    lent = dict(word.rsplit("=", 1) for word in (live.get("lent") or "").split())
    labels = {key: value for key, value in {**facts["labels"], **(facts.get("set") or {})}.items() if value != ""}
    return Node(
        name=name,
        state=live["state"],
        state_reason=live.get("reason"),
        address=facts["address"],
        status_url=facts.get("status_url") or None,
        engine=engine,
        engine_version=facts["engine_version"],
        os=facts["os"],
        arch=facts["arch"],
        agent_version=facts["agent_version"],
        labels=labels,
        capacity=Resources(cpu, memory, disk, len(gpus)),
        reserved=Resources(rcpu, rmemory, rdisk, sum(gpu in lent for gpu in gpus)),
        gpus=gpus,
        lent=lent,
        used=Resources(*beat.get("used", used)),
        tasks=tasks,
        synced=synced == "1",
        declared_lost=lost == "1",
        held=live.get("held", False),
        heartbeat_ms=live["heartbeat_ms"],
        heartbeat_age_s=live["age_s"],
        joined_ms=live.get("joined_ms", 0),
        skew_ms=live.get("skew_ms", 0),
        shown=live.get("shown"),
        since_ms=live.get("since_ms"),
        marked_by=live.get("by"),
        marked_why=live.get("why"),
        facts={**facts.get("facts", {}), **live.get("measured", {}), **_ages(beat), "load": int(load) / 1000},
    )


def _ages(beat: Mapping[str, Any]) -> dict[str, Any]:
    """Return how long ago the agent had last seen all of Docker, and read a message, when it sent its heartbeat."""
    return {key: value for key, value in beat.items() if key.endswith("_age_s")}


def node_state(view: str, *, silent_ms: float, suspect_ms: float, lost_ms: float) -> tuple[NodeState, Code | None]:
    """Return a node's state as it is read: the first that holds of lost, suspect, draining, cordoned, ready."""
    mode, _synced, trouble, lost = view.split(maxsplit=4)[:4]
    if lost == "1" or silent_ms > lost_ms:
        return NodeState.LOST, Code.NODE_LOST
    if trouble != "-":
        return NodeState.SUSPECT, Code(trouble)
    if silent_ms > suspect_ms:
        return NodeState.SUSPECT, Code.NODE_SUSPECT
    if mode != "active":
        return NodeState(mode), Code.NODE_DRAINING if mode == "draining" else Code.NODE_CORDONED
    return NodeState.READY, None


def holds_tasks_though_lost(view: str) -> bool:
    """Return whether a node has been declared lost and its tasks have not been taken from it."""
    words = view.split()
    return words[3] == "1" and words[10] != "0"


def pool_ports(ports: Sequence[PortSpec]) -> int:
    """Return how many of a spec's ports are to come from the pool."""
    return sum(port.host is None for port in ports)


def _chosen(text: str) -> dict[str, Any]:
    strategy, cost, amount, *others = text.split(" ")
    fitted, _, suited = amount.partition("/")
    return {
        "strategy": strategy,
        "cost": float(cost),
        "fitted": int(fitted),
        **({"suited": int(suited)} if suited else {}),
        "next": [{"node": node, "cost": float(other)} for node, other in zip(others[::2], others[1::2], strict=True)],
    }


def _attempts(record: Mapping[str, str], current: int, container_id: str | None) -> tuple[Attempt, ...]:
    past = [_attempt(row) for row in json.loads(record["attempts"])] if "attempts" in record else []
    if "assigned" in record:
        past.append(
            Attempt(
                number=current,
                node=record["node"],
                container_id=container_id,
                assigned_ms=int(record["assigned"]),
                started_ms=_number(record.get("started")),
            )
        )
    return tuple(past)


def _attempt(row: Sequence[str]) -> Attempt:
    number, node, cid, assigned, started, ended, exit_code, code, text, log = row
    return Attempt(
        number=int(number),
        node=node,
        container_id=_container_id(cid),
        assigned_ms=_number(assigned),
        started_ms=_number(started),
        ended_ms=_number(ended),
        exit_code=_number(exit_code),
        reason=_reason(code, text),
        log_tail=tuple(json.loads(log)),
    )


def _number(raw: str | None) -> int | None:
    return int(raw) if raw else None


def _reason(code: str | None, text: str | None) -> Reason | None:
    return Reason(Code(code), text or "") if code else None


FIELDS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "name": ("name", str),
    "wanted": ("wanted", Wanted),
    "state": ("state", State),
    "created": ("created_ms", int),
    "container": ("container_name", str),
    "attempt": ("attempt", int),
    "node": ("node", str),
    "seat": ("seat", str),
    "health": ("health", Health),
    "cid": ("container_id", _container_id),
    "exit": ("exit_code", _number),
    "detail": ("detail", str),
    "next": ("next_try_ms", _number),
    "started": ("started_ms", _number),
    "ended": ("ended_ms", _number),
    "healthy": ("healthy_ms", _number),
    "paused": ("paused_ms", _number),
    "until_ms": ("until_ms", _number),
    "resize": ("resize", int),
    "refused": ("refused", str),
    "ports": ("ports", lambda text: tuple(Port(*port) for port in json.loads(text))),
    "address": ("address", str),
    "chosen": ("placement", _chosen),
    "tries": ("tries", int),
    "delays": ("delays", int),
    "fit": ("could_fit", str),
    "restart": ("restart", int),
    "restart_code": ("restart_code", Code),
    "avoid": ("avoid", lambda text: {node: int(until) for node, until in json.loads(text).items()}),
    "probes": ("probes", lambda text: tuple(Probe(*probe) for probe in json.loads(text))),
    "received": ("received", bool),
    "rev": ("revision", int),
    "spec": ("spec_id", str),
    "pin": ("pin_id", str),
    "gpus": ("gpus", lambda text: tuple(json.loads(text))),
}
"""What a record's field is in a task, and what reads it. A task has a default for what most records have not."""
