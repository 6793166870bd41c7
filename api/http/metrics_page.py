"""The page for Prometheus: what this process did, what the workers counted, and what stands in the queues."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from engine.metrics import BUCKETS_S, QUEUE_TO_START, RESCUED, RUN
from models.jobs import known_actions
from models.jobs.counters import Key
from models.jobs.counters import read as read_tallies
from models.jobs.duties import DutyState
from models.jobs.duties import read as read_duties
from models.jobs.store import waiting_counts

if TYPE_CHECKING:
    from api.http.database import AsyncDatabase


#: However often it is scraped, the database is asked this often at most.
GOOD_FOR_S = 2.0


class Metrics:
    """What this process counts, and the page that shows it together with what SQL knows."""

    def __init__(self) -> None:
        # a line for each line, with the time at which counting began
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._own = CollectorRegistry()
        self._submits = Counter(
            "llmcoder_submits", "Jobs accepted by this process.", ["action", "door"], registry=self._own
        )
        self._responses = Counter(
            "llmcoder_http_responses", "Responses of this process.", ["route", "status"], registry=self._own
        )
        # prometheus_client looks a child up under a lock, by way of strings; there are few, so they are kept
        self._submits_of = cache(self._submits.labels)
        self._responses_of = cache(self._responses.labels)
        self._waits = Histogram("llmcoder_job_wait_seconds", "How long requests waited for a job.", registry=self._own)
        self._own.register(_FromSql(self))
        self._lock = asyncio.Lock()
        self._asked_at = float("-inf")
        self.tallies: Mapping[Key, float] = {}
        self.waiting: Mapping[tuple[str, str], int] = {}
        self.duties: Mapping[str, tuple[float, int]] = {}
        self.unknown: Mapping[tuple[str, str], int] = {}

    def submitted(self, action: str, door: str) -> None:
        self._submits_of(action, door).inc()

    def responded(self, route: str, status: int) -> None:
        self._responses_of(route, status).inc()

    def waited(self, seconds: float) -> None:
        self._waits.observe(seconds)

    async def page(self, sql: AsyncDatabase, now: Callable[[], datetime]) -> bytes:
        """Everything, in Prometheus's text format."""
        async with self._lock:
            if time.monotonic() - self._asked_at > GOOD_FOR_S:
                asked_at = await sql.run(now)
                self.tallies, self.waiting, known, self.unknown = await sql.read(_ask, asked_at)
                self.duties = {duty.name: (duty.idle(asked_at).total_seconds(), duty.failures) for duty in known}
                self._asked_at = time.monotonic()
        return generate_latest(self._own)


def _ask(
    conn: sa.Connection, now: datetime
) -> tuple[Mapping[Key, float], Mapping[tuple[str, str], int], list[DutyState], Mapping[tuple[str, str], int]]:
    unknown = known_actions.counts(conn, known_actions.read(conn, now))
    return read_tallies(conn), waiting_counts(conn), read_duties(conn), unknown


class _FromSql:
    """The part of the page that every API process shows alike: take the maximum over processes, not the sum."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> Iterable[Metric]:
        return ()  # the names are not known before the first scrape, and registering must not ask the database

    def collect(self) -> Iterator[Metric]:
        tallies = self._metrics.tallies
        jobs = GaugeMetricFamily("llmcoder_jobs", "Unfinished jobs by queue and state.", labels=["queue", "state"])
        for where, count in sorted(self._metrics.waiting.items()):
            jobs.add_metric(where, count)
        yield jobs
        about = "Jobs that wait for a worker which knows their action."
        unknown = GaugeMetricFamily("llmcoder_jobs_unknown_action", about, labels=["queue", "action"])
        for where, count in sorted(self._metrics.unknown.items()):
            unknown.add_metric(where, count)
        yield unknown
        rescued = CounterMetricFamily(
            "llmcoder_leases_rescued", "Jobs taken from workers whose lease ran out.", labels=["to"]
        )
        for (name, labels), value in sorted(tallies.items()):
            if name == RESCUED:
                rescued.add_metric(labels, value)
        yield rescued
        yield from self._duties()
        yield _histogram(tallies, QUEUE_TO_START, "Seconds from due to claimed.", ["action"])
        yield _histogram(tallies, RUN, "Seconds an attempt ran.", ["action", "outcome"])

    def _duties(self) -> Iterator[Metric]:
        about = "Seconds beyond its period for which a scheduler's duty got nothing done."
        idle = GaugeMetricFamily("llmcoder_duty_idle_seconds", about, labels=["duty"])
        failed = CounterMetricFamily("llmcoder_duty_failures", "Failures of a scheduler's duty.", labels=["duty"])
        for name, (idle_s, failures) in sorted(self._metrics.duties.items()):
            idle.add_metric([name], idle_s)
            failed.add_metric([name], failures)
        yield from (idle, failed)


def _histogram(tallies: Mapping[Key, float], name: str, about: str, labels: list[str]) -> Metric:
    family = HistogramMetricFamily(f"llmcoder_{name}", about, labels=labels)
    for values in sorted({key[:-1] for found, key in tallies if found == name}):
        total = 0.0
        buckets = []
        for bound in BUCKETS_S:
            total += tallies.get((name, (*values, f"{bound:g}")), 0.0)
            buckets.append(("+Inf" if bound == float("inf") else f"{bound:g}", total))
        family.add_metric(values, buckets, tallies.get((f"{name}_sum", values), 0.0))
    return family
