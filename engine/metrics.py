"""What worker and scheduler processes count for `/metrics`.

They come and go and may live on other machines, so the counts are kept in SQL: each process gathers its own in memory
and adds them every few seconds. What a killed process had gathered since then is lost, and nothing else.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import defaultdict

import sqlalchemy as sa

from llmcoder.logger import get_logger
from models.db.database import Database
from models.jobs.counters import Key, add

#: Upper bounds of the histograms' buckets, in seconds; the last is everything else.
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, float("inf"))
_BUCKET_NAMES = tuple(f"{bound:g}" for bound in BUCKETS_S)
FLUSH_EVERY_S = 5.0

log = get_logger(__name__)

QUEUE_TO_START = "queue_to_start_seconds"
RUN = "run_seconds"
RESCUED = "leases_rescued"


class ProcessCounts:
    """What this process has counted and not yet added."""

    def __init__(self) -> None:
        self._counts: dict[Key, float] = defaultdict(float)
        self._lock = threading.Lock()
        self._flushed_at = time.monotonic()

    def observe(self, name: str, labels: tuple[str, ...], seconds: float) -> None:
        bucket = _BUCKET_NAMES[bisect_left(BUCKETS_S, seconds)]
        with self._lock:
            self._counts[name, (*labels, bucket)] += 1
            self._counts[f"{name}_sum", labels] += seconds

    def count(self, name: str, labels: tuple[str, ...]) -> None:
        with self._lock:
            self._counts[name, labels] += 1

    def flush(self, db: Database) -> None:
        with self._lock:
            counts, self._counts = self._counts, defaultdict(float)
            self._flushed_at = time.monotonic()
        if not counts:
            return
        try:
            with db.write(durable=False) as conn:
                add(conn, counts)
        except sa.exc.DataError:  # they would be refused each time, and all that is counted later with them
            log.exception("counts for /metrics were dropped", counts=len(counts))
        except BaseException:
            with self._lock:
                for key, n in counts.items():
                    self._counts[key] += n
            raise

    @property
    def due(self) -> bool:
        return bool(self._counts) and time.monotonic() - self._flushed_at > FLUSH_EVERY_S


_counts = ProcessCounts()


def started(action: str, waited_s: float) -> None:
    """A job was claimed after waiting so long since it was due."""
    _counts.observe(QUEUE_TO_START, (action,), waited_s)


def ended(action: str, outcome: str, ran_s: float) -> None:
    """An attempt ended in that state after running so long."""
    _counts.observe(RUN, (action, outcome), ran_s)


def rescued(to: str) -> None:
    """A job was taken from a worker whose lease ran out, and went to that state."""
    _counts.count(RESCUED, (to,))


def flush(db: Database, *, now: bool = False) -> None:
    """Add what was counted here to what everybody counted; every few seconds, or at once.

    Raises:
        sqlalchemy.exc.OperationalError: The database did not take it; the counts are kept for the next time.
    """
    if now or _counts.due:
        _counts.flush(db)
