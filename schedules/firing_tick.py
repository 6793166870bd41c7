"""The duties of the clock: fire what is due, let go what waited for the job before it. Any number of schedulers may."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from engine.outbox import Outbox
from engine.schedule_runs import MOST_OF_USER, Batch, set_aside
from llmcoder import faults
from llmcoder.logger import get_logger
from llmcoder.problems import problem_of
from llmcoder.registry import Registry
from models.db.database import TRANSIENT_ERRORS, Database
from models.schedules import store as schedules

log = get_logger(__name__)

BATCH = 100
#: So long one tick goes on; what is due yet is for the next.
SLICE_S = 2.0


class Firing:
    """One method for each duty.

    Args:
        known: The actions. Schedules of others stay due: a scheduler that knows them fires them, and what it is too
            late for is caught up as after any time in which nobody was there.
    """

    def __init__(self, db: Database, outbox: Outbox, known: Registry) -> None:
        self._db = db
        self._outbox = outbox
        self._registry = known
        self._names = frozenset(known)
        self._fired: Counter[UUID] = Counter()

    def fire(self) -> int:
        """Fire what is due, of each user so much as a tick may; returns how many jobs were submitted."""
        total = 0
        ends_at = time.monotonic() + SLICE_S
        self._fired.clear()
        while time.monotonic() < ends_at and self._is_there(self._any_due):
            done = self._fire_together()
            if done is None:
                break  # another scheduler has them, or it is for the next tick
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

    def _fire_together(self) -> int | None:
        before = self._fired.copy()
        try:
            return self._fire_batch()
        except TRANSIENT_ERRORS:
            raise
        except Exception:
            log.exception("schedules could not be fired together; each is now fired alone")
            self._fired = before
            return self._fire_alone()

    def _fire_alone(self) -> int | None:
        """Find the one that could not be fired: it is paused with the reason, and the others fire."""
        with self._db.read() as conn:
            ids = schedules.due_ids(conn, self._db.now(), BATCH, self._full(), self._names)
        total = 0
        for schedule_id in ids:
            try:
                total += self._fire_batch(schedule_id) or 0
            except TRANSIENT_ERRORS:
                raise
            except Exception as error:  # noqa: BLE001  whatever it is, the others fire
                with self._db.write() as conn:
                    set_aside(conn, schedule_id, problem_of(error)["detail"], self._db.now())
        return total or None

    def _fire_batch(self, only: UUID | None = None) -> int | None:
        now = self._db.now()
        with self._db.write() as conn:
            due = schedules.due(conn, now, BATCH, only, self._full(), self._names)
            if not due:
                return None
            batch = Batch(conn, self._registry, now)
            batch.take(due, self._fired)
            faults.reach("schedules.before_commit")
            fired = batch.finish(self._outbox.reserve)
        self._outbox.follow(fired.after)
        return fired.submitted

    def _any_due(self, conn: sa.Connection, now: datetime) -> bool:
        return schedules.any_due(conn, now, self._names)

    def _full(self) -> list[UUID]:
        """Users of whom enough was fired in this tick."""
        return [user_id for user_id, number in self._fired.items() if number >= MOST_OF_USER]

    def _is_there(self, question: Callable[[sa.Connection, datetime], bool]) -> bool:
        with self._db.read() as conn:
            return question(conn, self._db.now())
