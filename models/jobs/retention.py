"""What goes for good: ended jobs that are old, or beyond the newest so many of their state; and the disk they took."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from llmcoder.states import State
from models.jobs import spent_keys
from models.jobs.machine import ENDED
from models.jobs.tables import jobs

#: An uncertain job is a question to a person, so that no number of other jobs may push it out; only its age may.
COUNTED = ENDED - {State.UNCERTAIN}
#: A SQLite file keeps so many free pages, and a quarter of itself: most of them are soon used again.
FREE_PAGES_KEPT = 4096
PAGES_A_STEP = 1000


def prune(conn: sa.Connection, state: State, ended_before: datetime, limit: int, now: datetime) -> int:
    """Delete up to `limit` jobs of an ended state that ended before the instant; returns how many.

    Their idempotency keys stay for as long as `spent_keys` says.
    """
    if state not in ENDED:
        raise ValueError(f"{state}: only ended jobs are pruned")
    old = sa.select(jobs.c.id).where(jobs.c.state == state, jobs.c.finished_at < ended_before)
    free = old.order_by(jobs.c.finished_at).limit(limit).with_for_update(skip_locked=True)
    gone = sa.delete(jobs).where(jobs.c.id.in_(free))
    said = (jobs.c.id, jobs.c.user_id, jobs.c.idempotency_key, jobs.c.fingerprint, jobs.c.created_at)
    pruned = conn.execute(gone.returning(*said)).all()
    spent_keys.keep(conn, pruned, now)
    return len(pruned)


def count_reached_at(conn: sa.Connection, state: State, count: int) -> datetime | None:
    """When the last of a state's newest `count` jobs ended: all that ended before are beyond the count.

    Those of that very instant stay with it. None where there are fewer, and for a state that is not counted.
    """
    if state not in COUNTED:
        return None
    newest = sa.select(jobs.c.finished_at).where(jobs.c.state == state, jobs.c.finished_at.is_not(None))
    found: datetime | None = conn.execute(
        newest.order_by(jobs.c.finished_at.desc()).offset(count - 1).limit(1)
    ).scalar()  # a walk along ix_jobs_ended alone
    return found


def shrink(conn: sa.Connection) -> int:
    """Give pages of a SQLite file that much was deleted from back to the disk, one small step; returns how many.

    Only files that were made with `auto_vacuum=INCREMENTAL` can; PostgreSQL does without being asked.
    """
    if conn.dialect.name != "sqlite":
        return 0
    free, pages = (conn.exec_driver_sql(f"PRAGMA {what}_count").scalar_one() for what in ("freelist", "page"))
    spare = min(free - max(FREE_PAGES_KEPT, pages // 4), PAGES_A_STEP)
    if spare <= 0:
        return 0
    # The driver's cursor: this pragma moves one page a row, and SQLAlchemy does not fetch rows without columns.
    conn.connection.cursor().execute(f"PRAGMA incremental_vacuum({spare})").fetchall()
    left: int = conn.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    return int(free) - left
