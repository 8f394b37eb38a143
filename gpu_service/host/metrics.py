"""Metrics for Prometheus at /metrics. One registry per app, so that several apps can run in one process."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from gpu_service.wire import Phases

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    def __init__(self, waiting_pictures: Callable[[], float], held_bytes: Callable[[], float]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "inference_requests", "requests answered", ["routine", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "inference_request_seconds",
            "from the first byte to the answer",
            ["routine"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._pictures = Counter("inference_pictures", "pictures answered", ["routine"], registry=self._registry)
        self._phases = Histogram(
            "inference_phase_seconds",
            "a picture's time by phase",
            ["routine", "phase"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._batches = Histogram(
            "inference_batch_pictures",
            "size of the batch a picture ran in",
            ["routine"],
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self._registry,
        )
        Gauge("inference_waiting_pictures", "accepted, not yet answered", registry=self._registry).set_function(
            waiting_pictures
        )
        Gauge("inference_body_bytes", "bytes of request bodies held", registry=self._registry).set_function(held_bytes)

    def request(self, routine: str, status: int, seconds: float) -> None:
        self._requests.labels(routine, str(status)).inc()
        self._seconds.labels(routine).observe(seconds)

    def picture(self, routine: str, batch_size: int, ms: Phases) -> None:
        self._pictures.labels(routine).inc()
        self._batches.labels(routine).observe(batch_size)
        for phase, phase_ms in (("queue", ms.queue_ms), ("decode", ms.decode_ms), ("run", ms.run_ms)):
            self._phases.labels(routine, phase).observe(phase_ms / 1000)

    def text(self) -> bytes:
        return generate_latest(self._registry)
