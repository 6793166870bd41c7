"""The duties of the clock: fire what is due, let go what waited for the job before it. Any number of schedulers may."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from llmcoder import faults
from llmcoder.registry import Registry
from models import schedules
from models.db import Database
from workers.firing import Batch
from workers.outbox import Outbox

BATCH = 100


class Firing:
    """One method for each duty.

    Args:
        known: The actions.
    """

    def __init__(self, db: Database, outbox: Outbox, known: Registry) -> None:
        self._db = db
        self._outbox = outbox
        self._registry = known

    def fire(self) -> int:
        """Fire what is due; returns how many jobs were submitted."""
        total = 0
        while self._is_there(schedules.any_due):
            done = self._fire_batch()
            if done is None:
                break  # another scheduler has them
            total += done
        return total

    def follow(self) -> int:
        """Let jobs go that waited for the one before them; returns how many."""
        if not self._is_there(schedules.any_follower):
            return 0
        with self._db.write() as conn:
            moved = schedules.let_follow(conn, self._db.now(), BATCH)
        self._outbox.wake_moved(moved)
        return len(moved)

    def _fire_batch(self) -> int | None:
        now = self._db.now()
        with self._db.write() as conn:
            due = schedules.due(conn, now, BATCH)
            if not due:
                return None
            batch = Batch(conn, self._registry, now)
            batch.take(due)
            faults.reach("schedules.before_commit")
            made = batch.finish(self._outbox.reserve)
        self._outbox.ring(made.rings)
        self._outbox.wake(made.changed)
        return made.submitted

    def _is_there(self, question: Callable[[sa.Connection, datetime], bool]) -> bool:
        with self._db.read() as conn:
            return question(conn, self._db.now())
