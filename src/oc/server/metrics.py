"""Figures for Prometheus. Labels are route names, states and status codes: few, whatever clients do."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from oc.model.sandbox import Status
from oc.server.preview.meter import Meter
from oc.store.sandboxes import Sandboxes

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)  # seconds


class Metrics:
    def __init__(self, sandboxes: Sandboxes) -> None:
        self._rows = sandboxes
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "opencomputer_request_seconds",
            "Time to answer, by route and status.",
            ("route", "status"),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self.previews = Meter(self._registry)
        self._sandboxes = Gauge("opencomputer_sandboxes", "Sandboxes, by state.", ("status",), registry=self._registry)

    def observe(self, route: str, status: int, seconds: float) -> None:
        self._requests.labels(route, str(status)).observe(seconds)

    async def show(self, _: Request) -> Response:
        counts = await self._rows.count_by_status()
        for status in Status:
            self._sandboxes.labels(status).set(counts.get(status, 0))
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)
