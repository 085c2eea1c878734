"""`/metrics`: what Prometheus reads.

Requests are counted where they are answered. With several API processes their counters are added up through
prometheus-client's files (``PROMETHEUS_MULTIPROC_DIR``, set before the fork); what the cluster is doing stands in
`cluster_metrics` and comes from the store.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from manager_api.cluster_metrics import Cluster

if TYPE_CHECKING:
    from manager_api.services import Services

BUCKETS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0)
STORE_BUCKETS = (0.001, 0.005, 0.02, 0.1, 1.0)

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
"""Any other word that a client sends for a method is counted as "other"."""

WAITS = frozenset({"follow"})
"""Calls of the store that wait for something to happen: how long they take says nothing of the store."""


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
        self._now = Gauge(
            "ormen_http_requests_in_flight",
            "Requests whose answer has not begun",
            registry=self._own,
            multiprocess_mode="livesum",
        )
        self._store = Histogram(
            "ormen_store_seconds",
            "Time of the API's calls to the store",
            ["call"],
            registry=self._own,
            buckets=STORE_BUCKETS,
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

    def began(self) -> None:
        """Note that a request has come in."""
        g.began = time.perf_counter()
        self._now.inc()

    def ended(self, error: BaseException | None = None) -> None:
        """Note that a request is over: its answer is given, or it has failed. A stream goes on after that."""
        if "began" in g:
            self._now.dec()

    def called(self, call: str, seconds: float) -> None:
        """Note how long a call to the store took."""
        if call not in WAITS:
            self._store.labels(call).observe(seconds)

    def answered(self, response: Response) -> Response:
        """Count an answer under its route, never under its path: paths hold names without number."""
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in METHODS else "other"
        self._requests.labels(method, route, str(response.status_code)).inc()
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


def install(app: Flask, metrics: Metrics) -> None:
    """Count every answer of `app`, and serve ``/metrics``."""
    app.before_request(metrics.began)
    app.after_request(metrics.answered)
    app.teardown_request(metrics.ended)

    @app.get("/metrics")
    def show() -> Response:
        return Response(metrics.render(), content_type=CONTENT_TYPE_LATEST)
