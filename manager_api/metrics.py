"""`/metrics`: what Prometheus reads.

Requests are counted where they are answered. With several API processes their counters are added up through
prometheus-client's files (``PROMETHEUS_MULTIPROC_DIR``, set before the fork); what the cluster is doing is
read from the store at each scrape, so it is the same whichever process answers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from ormen.errors import StoreUnavailable
from ormen.messages import CONTROL_QUEUE, TICK_QUEUE, node_queue
from ormen.node import NodeState
from ormen.task import State

if TYPE_CHECKING:
    from manager_api.services import Services

BUCKETS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0)


class Metrics:
    """This process's counters and the cluster's gauges."""

    def __init__(self, services: Services) -> None:
        self._own = CollectorRegistry()
        self._cluster = Cluster(services)
        self._requests = Counter(
            "ormen_http_requests", "Answers given", ["method", "route", "status"], registry=self._own
        )
        self._seconds = Histogram(
            "ormen_http_request_seconds",
            "Time to an answer's first byte",
            ["route"],
            registry=self._own,
            buckets=BUCKETS,
        )
        self._listeners = Gauge(
            "ormen_event_subscribers",
            "Streams and waits that listen to the event feed",
            registry=self._own,
            multiprocess_mode="livesum",
        )
        self._long = Gauge(
            "ormen_long_answers",
            "Streams and waits under way; each process has 200 places",
            registry=self._own,
            multiprocess_mode="livesum",
        )
        self._services = services

    def answered(self, response: Response) -> Response:
        """Count an answer under its route, never under its path: paths hold names without number."""
        route = request.url_rule.rule if request.url_rule else "none"
        self._requests.labels(request.method, route, str(response.status_code)).inc()
        if "began" in g:
            self._seconds.labels(route).observe(time.perf_counter() - g.began)
        self._sample()
        return response

    def _sample(self) -> None:
        self._listeners.set(self._services.feed.count)
        self._long.set(self._services.long.count)

    def render(self) -> bytes:
        """Return everything in Prometheus's text format."""
        self._sample()
        registry = self._own
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        cluster = CollectorRegistry()
        cluster.register(self._cluster)
        return generate_latest(registry) + generate_latest(cluster)


class Cluster(Collector):
    """The gauges that are read from the store at a scrape."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterable[Metric]:
        """Yield the cluster's gauges; without a store only that it does not answer."""
        try:
            found = list(self._read())
        except StoreUnavailable:
            found = []
        yield GaugeMetricFamily("ormen_store_up", "Whether the store answers", value=1 if found else 0)
        yield from found

    def _read(self) -> Iterator[Metric]:
        store = self._services.deck.store
        tasks = GaugeMetricFamily("ormen_tasks", "Tasks by state", labels=["state"])
        counts = store.counts()
        for state in State:
            tasks.add_metric([state.value], counts.get(state, 0))
        yield tasks
        known = store.nodes()
        nodes = GaugeMetricFamily("ormen_nodes", "Nodes by state", labels=["state"])
        for node_state in NodeState:
            nodes.add_metric([node_state.value], sum(node.state is node_state for node in known))
        yield nodes
        brake = store.brake(known)
        yield GaugeMetricFamily("ormen_brake_nodes", "Lost nodes whose tasks wait for them", value=len(brake.nodes))
        yield GaugeMetricFamily("ormen_brake_tasks", "Tasks that wait for a lost node", value=brake.tasks)
        now_ms = store.now_ms()
        loops = GaugeMetricFamily("ormen_loop_age_seconds", "Since a loop last succeeded", labels=["loop"])
        for loop, last_ms in store.loops().items():
            loops.add_metric([loop], max(0.0, (now_ms - last_ms) / 1000))
        yield loops
        queues = GaugeMetricFamily("ormen_queue_messages", "Messages that wait in a queue", labels=["queue"])
        names = [TICK_QUEUE, CONTROL_QUEUE, *(node_queue(node.name) for node in known)]
        for name, length in store.queue_lengths(names).items():
            queues.add_metric([name], length)
        yield queues


def install(app: Flask, metrics: Metrics) -> None:
    """Count every answer of `app`, and serve ``/metrics``."""

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()

    app.after_request(metrics.answered)

    @app.get("/metrics")
    def show() -> Response:
        return Response(metrics.render(), content_type=CONTENT_TYPE_LATEST)
