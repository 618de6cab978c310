"""Metrics for Prometheus, and one log line per request: routes by their templates, never paths or words."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from qingting import __version__
from qingting.api import problems
from qingting.api.dependencies import Needs
from qingting.model.account import Actor, Permission
from qingting.service.operating import OperatingFigures, operating_figures

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from qingting.service.center import Service

log = logging.getLogger("qingting.api.access")

router = APIRouter(tags=["operations"])
UNMATCHED = "unmatched"
"""Stands for all paths that no route has: callers must not make series."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds: logged when debugging only."""
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
_CACHE_SECONDS = 5.0


class Metrics:
    """The metrics of one process."""

    def __init__(self, service: Service) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "qingting_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "qingting_request_seconds", "From a request's arrival to the end of its answer.", ["method", "route"],
            buckets=_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.under_way = Gauge("qingting_requests_under_way", "Requests under way.", registry=self.registry)
        info = Gauge("qingting_info", "Release; always 1.", ["version"], registry=self.registry)
        info.labels(__version__).set(1)
        ProcessCollector(registry=self.registry)
        self.registry.register(_Installation(service))

    def text(self) -> bytes:
        """Everything in the exposition format."""
        return generate_latest(self.registry)


class _Installation(Collector):
    """Figures of the whole installation, asked of the database at most every few seconds."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._known: OperatingFigures | None = None
        self._at = 0.0

    def describe(self) -> Iterable[Metric]:
        """Name nothing in advance: the database is not asked when the application is built."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Give what is known now."""
        now = self._figures()
        yield _gauge("database_up", "Whether the database answers.", float(now.database_up))
        yield _gauge("recordings_up", "Whether a recording could be stored.", float(now.recordings_up))
        if not now.database_up:
            return
        yield _gauges("jobs", "Jobs that wait, run, or were set aside.", "state", now.jobs)
        yield _gauge("oldest_waiting_seconds", "Age of the oldest waiting job.", now.oldest_waiting_seconds)
        yield _gauge("workers", "Workers that live.", now.workers)
        yield _gauge("worker_places", "Recordings that the workers handle at once.", now.worker_places)
        yield _gauge("live_calls", "Calls that run now.", now.live_calls)
        yield _gauges("deliveries", "Messages that did not arrive.", "state", now.deliveries)
        yield _gauges("alerts", "Alerts that nobody acknowledged.", "state", now.alerts)
        yield _gauge("reports_last_10_minutes", "Reports stored in the last ten minutes.", now.reports)
        waits = {str(quantile): seconds for quantile, seconds in now.report_wait_seconds.items()}
        yield _gauges("report_wait_seconds", "From acceptance to report, last ten minutes.", "quantile", waits)

    def _figures(self) -> OperatingFigures:
        with self._lock:
            if self._known is None or time.monotonic() - self._at >= _CACHE_SECONDS:
                self._known, self._at = operating_figures(self._service), time.monotonic()
            return self._known


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"qingting_{name}", words, value=value)


def _gauges(name: str, words: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"qingting_{name}", words, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


class Observer:
    """ASGI middleware: counts and times each request, and writes its line into the log."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        began = time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._metrics.under_way.track_inprogress():
            try:
                await self._app(scope, receive, noted)
            finally:
                self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route = getattr(scope.get("route"), "path", UNMATCHED)
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.seconds.labels(method, route).observe(seconds)
        request_id = scope.get("state", {}).get("request_id", "")
        level = logging.DEBUG if route in _PROBES else logging.INFO
        log.log(level, "%s %s %d in %d ms, request %s", method, route, status, round(seconds * 1000), request_id)


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={
        **problems.documented(),
        200: {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}},
    },
)
def get_metrics(request: Request, _: Annotated[Actor, Depends(Needs(Permission.JOBS_READ))]) -> Response:
    """Return what those who run the service watch: requests, jobs, workers, messages, alerts, memory."""
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)
