"""Retention as a duty of the scheduler: deletes what the settings no longer keep, in transactions that hold nobody up.

Any number of copies may do it at once: what one deletes the others pass over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta

import sqlalchemy as sa

from llmcoder.settings import EngineSettings
from llmcoder.states import State
from models.accounts import users
from models.audit import log as audit
from models.db.database import Database
from models.jobs import retention, spent_keys
from models.schedules import store as schedules
from models.webhooks import outbound as webhooks

BATCH = 500
#: Leaves room for others' writes.
PAUSE_S = 0.05


class Retention:
    """Keeps what the settings say, and gives back the disk of the rest.

    Args:
        settings: Asked anew each time, so that a change needs no restart.
    """

    def __init__(self, db: Database, settings: Callable[[], EngineSettings]) -> None:
        self._db = db
        self._settings = settings

    def prune(self) -> int:
        """Delete ended jobs past their retention; returns how many. Dead tokens go as well."""
        with self._db.write(durable=False) as conn:
            users.prune(conn, self._db.now())
        settings = self._settings()
        gone = {
            state: self._prune(State(state), days, settings.retention_jobs.get(state))
            for state, days in settings.retention_days.items()
        }
        if any(gone.values()):
            self._write_down({state: count for state, count in gone.items() if count})
        now = self._db.now()
        self._step_by_step(lambda conn: spent_keys.prune(conn, now, BATCH))
        self._step_by_step(retention.shrink)
        longest = self._db.now() - timedelta(days=max(settings.retention_days.values()))
        self._step_by_step(lambda conn: schedules.prune(conn, longest, BATCH))
        self._step_by_step(lambda conn: webhooks.prune(conn, longest, BATCH))
        return sum(gone.values())

    def _write_down(self, gone: Mapping[str, int]) -> None:
        now = self._db.now()
        with self._db.write(durable=False) as conn:
            audit.append(conn, [audit.Entry(audit.Event.RETENTION_PRUNED, "jobs", detail=gone)], now)

    def _prune(self, state: State, days: int, count: int | None) -> int:
        before = self._db.now() - timedelta(days=days)
        if count is not None:
            with self._db.read() as conn:
                before = max(before, retention.count_reached_at(conn, state, count) or before)
        now = self._db.now()
        return self._step_by_step(lambda conn: retention.prune(conn, state, before, BATCH, now))

    def _step_by_step(self, step: Callable[[sa.Connection], int]) -> int:
        """Repeat a small transaction until there is nothing left for it; returns the sum of what it did."""
        total = 0
        while True:
            with self._db.write(durable=False) as conn:
                done = step(conn)
            if not done:
                return total
            total += done
            time.sleep(PAUSE_S)
