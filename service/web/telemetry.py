"""What operators see: Prometheus figures, counted here or read from the shop when they are asked for."""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.errors import ServiceError
from service.jobs import State
from service.shop import Shop

__all__ = ["Telemetry"]

_log = logging.getLogger(__name__)

_BUCKETS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0)  # seconds


class Telemetry:
    """The figures of one web process, and of the whole shop."""

    def __init__(self, shop: Shop) -> None:
        """Begin at 0."""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "film_http_requests", "Requests answered", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "film_http_seconds", "Time to answer", ("route",), buckets=_BUCKETS, registry=self._registry
        )
        self._errors = Counter("film_http_errors", "Errors answered", ("code",), registry=self._registry)
        self._submits = Counter("film_submits", "Jobs taken", ("version",), registry=self._registry)
        self._registry.register(_ShopFigures(shop))

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def count_error(self, code: str) -> None:
        """Count an error by its code."""
        self._errors.labels(code).inc()

    def count_submit(self, version: str) -> None:
        """Count a job that was taken."""
        self._submits.labels(version).inc()

    def text(self) -> bytes:
        """Give all figures in Prometheus' text format."""
        return generate_latest(self._registry)


class _ShopFigures(Collector):
    """Reads the shop at each scrape, so that figures are right whichever process is asked."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering must not read the shop."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Read the shop; where its store is away, say so rather than fail."""
        now = self._shop.clock()
        try:
            figures = [*self._jobs(now), *self._work(now), *self._sales()]
        except ServiceError:
            _log.exception("the shop couldn't be read for its figures")
            figures = []
        yield GaugeMetricFamily("film_store_up", "Whether the store answers", value=bool(figures))
        yield from figures

    def _jobs(self, now: datetime) -> Iterator[Metric]:
        census = self._shop.index.census(now, self._lease())
        jobs = GaugeMetricFamily("film_jobs", "Jobs kept, by state", labels=["state"])
        for state, count in census.by_state.items():
            jobs.add_metric([state.value], count)
        yield jobs
        oldest = census.oldest_queued_at
        age = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
        yield GaugeMetricFamily("film_queue_depth", "Jobs that wait", value=census.by_state.get(State.QUEUED, 0))
        yield GaugeMetricFamily("film_queue_oldest_seconds", "How long the first of them has waited", value=age)
        yield GaugeMetricFamily(
            "film_frames_per_second", "Output frames made a second, by all workers", value=census.frames_per_second
        )

    def _work(self, now: datetime) -> Iterator[Metric]:
        alive = self._shop.roster.alive(now - self._lease())
        if alive is not None:
            yield GaugeMetricFamily("film_workers", "Workers alive", value=alive)

    def _sales(self) -> Iterator[Metric]:
        usage = self._shop.ledger.usage()
        yield CounterMetricFamily("film_jobs_completed", "Jobs that COMPLETED", value=sum(one.jobs for one in usage))
        yield CounterMetricFamily("film_frames", "Output frames of these", value=sum(one.frames for one in usage))
        credits = float(sum(one.credits for one in usage))
        yield CounterMetricFamily("film_credits_spent", "Credits that they took", value=credits)

    def _lease(self) -> timedelta:
        return self._shop.runs.rules.lease
