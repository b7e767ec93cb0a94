"""Figures of preview traffic for Prometheus: there are too many requests for a line each in the log."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
LEFT = "left"  # the client went away before the end of its answer


class Meter:
    def __init__(self, registry: CollectorRegistry) -> None:
        requests = Counter(
            "opencomputer_preview_requests", "Requests to previews, by class of status.", ("status",), registry=registry
        )
        passed = Counter(
            "opencomputer_preview_bytes", "Bytes of bodies and WebSockets, by direction.", ("to",), registry=registry
        )
        # Looked up once: that takes longer than to count.
        self._requests = [requests.labels(name) for name in CLASSES]
        self._left = requests.labels(LEFT)
        self.inward, self.outward = passed.labels("sandbox"), passed.labels("client")
        self.upgraded = Gauge("opencomputer_preview_websockets", "Open WebSockets of previews.", registry=registry)

    def answered(self, status: int) -> None:
        self._requests[status // 100 - 1].inc()

    def left(self) -> None:
        self._left.inc()
