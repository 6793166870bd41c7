"""Tells SQL how the duties of this scheduler fare, so that readiness, `/metrics` and `llmcoder doctor` know."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from engine.duties import Duties, Duty
from models.db.database import Database
from models.jobs import duties


class Reporting:
    """One scheduler's reports.

    Args:
        own: Its duties; those with a period are told.
    """

    def __init__(self, db: Database, own: Duties) -> None:
        self._db = db
        self._own = own
        self._told: dict[str, Duty] = {}

    def report(self) -> int:
        """Add what happened since the last report; returns how many duties had something to tell."""
        now, monotonic = self._db.now(), time.monotonic()
        current = {name: duty for name, duty in self._own.all().items() if duty.every_s is not None}
        rows = [row for name, duty in current.items() if (row := self._row(name, duty, now, monotonic)) is not None]
        with self._db.write(durable=False) as conn:
            if not self._told:
                duties.take_on(conn, {name: duty.every_s or 0.0 for name, duty in current.items()}, now)
            duties.report(conn, rows)
        self._told = current
        return len(rows)

    def _row(self, name: str, duty: Duty, now: datetime, monotonic: float) -> dict[str, Any] | None:
        told = self._told.get(name) or Duty(duty.every_s)
        failures = duty.failures - told.failures
        if duty.succeeded_at == told.succeeded_at and not failures:
            return None

        def instant(at: float | None, before: float | None) -> datetime | None:
            return None if at is None or at == before else now - timedelta(seconds=monotonic - at)

        return {
            "name": name,
            "every_s": duty.every_s,
            "since": now,
            "succeeded_at": instant(duty.succeeded_at, told.succeeded_at),
            "failed_at": instant(duty.failed_at, told.failed_at),
            "error": duty.error if failures else None,
            "failures": failures,
        }
