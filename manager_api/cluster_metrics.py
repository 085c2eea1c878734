"""What `/metrics` tells of the cluster: read from the store at each scrape, so the same whichever process answers.

The number of series grows with the nodes (two for each: its queue) and with nothing else; no task has one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ormen import __version__
from ormen.errors import StoreUnavailable
from ormen.messages import CONTROL_QUEUE, TICK_QUEUE, node_queue
from ormen.node import Node, NodeState, Resources
from ormen.reasons import SPENDS, Code
from ormen.store.figures import Durations, EventKind, Figures
from ormen.store.hooks import HookStore
from ormen.store.manager import ManagerStore
from ormen.task import State

if TYPE_CHECKING:
    from manager_api.services import Services

AMOUNTS = (("capacity", "that nodes have"), ("reserved", "that placements have taken"), ("used", "that hosts use"))

FROM_ZERO = (
    *(EventKind("task.failed", code.value) for code in (*SPENDS, Code.DEADLINE_WAIT, Code.DEADLINE_RUN)),
    *(EventKind("task.pending", code.value) for code in (*SPENDS, Code.INTERRUPTED, Code.NODE_LOST)),
    EventKind("node.lost", Code.NODE_LOST.value),
    EventKind("brake.on", Code.BRAKE.value),
)
"""Events that are shown before the first of them: Prometheus sees no increase in a series that begins with 1."""


class Cluster(Collector):
    """The families that are read from the store at a scrape."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterable[Metric]:
        """Yield the cluster's families; without a store only that it does not answer."""
        build = GaugeMetricFamily("ormen_build_info", "1 for the version that answers", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        try:
            found = list(read(self._services.deck.store))
        except StoreUnavailable:
            found = []
        yield GaugeMetricFamily("ormen_store_up", "Whether the store answers", value=1 if found else 0)
        yield from found


def read(store: ManagerStore) -> Iterator[Metric]:
    """Yield what the store tells; raises StoreUnavailable."""
    nodes, now_ms, figures = store.nodes(), store.now_ms(), store.figures()
    yield of_tasks(store)
    yield from of_nodes(nodes)
    brake = store.brake(nodes)
    yield GaugeMetricFamily("ormen_brake_nodes", "Lost nodes whose tasks wait for them", value=len(brake.nodes))
    yield GaugeMetricFamily("ormen_brake_tasks", "Tasks that wait for a lost node", value=brake.tasks)
    loops = GaugeMetricFamily("ormen_loop_age_seconds", "Since a loop last succeeded", labels=["loop"])
    for loop, last_ms in store.loops().items():
        loops.add_metric([loop], max(0.0, (now_ms - last_ms) / 1000))
    yield loops
    yield from of_queues(store, nodes)
    yield from of_webhooks(HookStore(store.settings, store.client))
    yield from of_figures(figures)


def of_tasks(store: ManagerStore) -> Metric:
    """Return the tasks by state."""
    tasks = GaugeMetricFamily("ormen_tasks", "Tasks by state", labels=["state"])
    counts = store.counts()
    for state in State:
        tasks.add_metric([state.value], counts.get(state, 0))
    return tasks


def of_nodes(known: Sequence[Node]) -> Iterator[Metric]:
    """Yield the nodes by state, and what those of each state have, have given away, and use."""
    nodes = GaugeMetricFamily("ormen_nodes", "Nodes by state", labels=["state"])
    for state in NodeState:
        nodes.add_metric([state.value], sum(node.state is state for node in known))
    yield nodes
    for name, what in AMOUNTS:
        text = f"Cores, bytes of memory and disk, and GPUs {what}, by the nodes' state"
        family = GaugeMetricFamily(f"ormen_nodes_{name}", text, labels=["state", "resource"])
        for state in NodeState:
            total = sum((getattr(node, name) for node in known if node.state is state), Resources())
            family.add_metric([state.value, "cpu"], total.cpu_milli / 1000)
            family.add_metric([state.value, "memory"], total.memory_bytes)
            family.add_metric([state.value, "disk"], total.disk_bytes)
            family.add_metric([state.value, "gpu"], total.gpus)
        yield family


def of_queues(store: ManagerStore, nodes: Sequence[Node], clock: Callable[[], float] = time.time) -> Iterator[Metric]:
    """Yield how many messages wait in each queue, and for how long the oldest has."""
    lengths = store.queue_lengths([TICK_QUEUE, CONTROL_QUEUE, *(node_queue(node.name) for node in nodes)])
    oldest = store.oldest_messages([name for name, length in lengths.items() if length])
    queues = GaugeMetricFamily("ormen_queue_messages", "Messages that wait in a queue", labels=["queue"])
    ages = GaugeMetricFamily("ormen_queue_oldest_seconds", "For how long the oldest has waited", labels=["queue"])
    for name, length in lengths.items():
        queues.add_metric([name], length)
        ages.add_metric([name], max(0.0, clock() - oldest[name] / 1000) if name in oldest else 0.0)
    yield queues
    yield ages


def of_webhooks(store: HookStore) -> Iterator[Metric]:
    """Yield how deliveries go; webhooks have no series of their own, `ormen webhook ls` shows each."""
    found = store.progress([hook.name for hook in store.hooks()]).values()
    waiting = "Messages that wait to be sent to webhooks, or to be sent again"
    yield GaugeMetricFamily("ormen_webhook_messages", waiting, value=sum(each.waiting for each in found))
    failing = sum(each.failing_ms > 0 for each in found)
    yield GaugeMetricFamily("ormen_webhooks_failing", "Webhooks whose last try has failed", value=failing)


def of_figures(figures: Figures) -> Iterator[Metric]:
    """Yield what is counted since the cluster began."""
    events = CounterMetricFamily("ormen_events", "Events written", labels=["type", "reason"])
    for kind, amount in sorted((dict.fromkeys(FROM_ZERO, 0) | figures.events).items()):
        events.add_metric([kind.type, kind.code], amount)
    yield events
    tries = CounterMetricFamily("ormen_webhook_tries", "Tries to deliver a message, and given up", labels=["result"])
    for result, amount in figures.webhooks.items():
        tries.add_metric([result], amount)
    yield tries
    races = "Placements chosen anew, since another scheduler had taken the room"
    yield CounterMetricFamily("ormen_placement_races", races, value=figures.races)
    text = "Time to place one request's tasks, or those of one look of a loop"
    yield histogram("ormen_placing_seconds", text, {(): figures.placings})
    yield histogram("ormen_task_start_seconds", "From a task's placement to its running", {(): figures.starts})
    loops: dict[tuple[str, ...], Durations] = {(loop,): durations for loop, durations in sorted(figures.loops.items())}
    yield histogram("ormen_loop_seconds", "Time that a loop's turn took", loops, labels=["loop"])


def histogram(
    name: str, text: str, rows: dict[tuple[str, ...], Durations], *, labels: Sequence[str] = ()
) -> HistogramMetricFamily:
    """Return a histogram with one row of buckets for each set of label values."""
    family = HistogramMetricFamily(name, text, labels=list(labels))
    for values, durations in rows.items():
        buckets = [("+Inf" if limit == float("inf") else f"{limit:g}", count) for limit, count in durations.buckets()]
        family.add_metric(list(values), buckets, durations.sum_ms / 1000)
    return family
