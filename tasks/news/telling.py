"""Which stories a digest tells: each once, and none of which nobody can say whether it was told.

A story is taken by the job that gathers a digest's part, in one transaction, under that job's id: an attempt that is
run again finds what the one before took, and says the same. It is told for good when that job and the run that it is a
step of have succeeded. Where either ended otherwise, no digest was written, and the next one takes the story. Somebody
may retry that digest days later, with the lines that were gathered then; right before it is written each story is
taken anew, or left out where another digest has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder.states import State
from models.db.database import database, writing
from models.jobs import inquiries
from models.jobs.machine import ENDED
from tasks.news import feed_store
from tasks.news.article_list import SHOWN, own
from tasks.news.tables import stories

#: The step of a digest that takes stories.
GATHERING = "news.gather_digest"
#: The one that writes the digest down.
WRITING = "digest.write"
#: Of what nobody told yet the newest so many are looked at.
LOOKED_AT = 2_000


def take(
    conn: sa.Connection, user_id: UUID, job_id: UUID, since: datetime, most: int, now: datetime
) -> tuple[Sequence[Any], int]:
    """The stories that this job tells, those of the most sources first; and how many it leaves untold.

    Args:
        since: Older ones are no news.
    """
    settle(conn, user_id, job_id)
    if not _taken(conn, user_id, job_id):
        numbers = _choice(conn, user_id, since, most)
        free = sa.update(stories).where(own.number.in_(numbers), own.told_by.is_(None))
        conn.execute(free.values(told_by=job_id, told_at=now, told_for_good=False))
    left = sa.select(sa.func.count()).select_from(stories).where(*_untold(user_id, since))
    return _taken(conn, user_id, job_id), conn.execute(left).scalar_one()


def confirm(user_id: UUID, run_id: UUID, rows: Sequence[Any]) -> list[Any]:
    """Of the lines of a digest that is about to be written those whose stories are its own, now or still."""
    now = database().now()
    with writing("articles") as conn:
        feed_store.lock(conn, user_id, now)
        gathering = [step.id for step in inquiries.steps_of(conn, run_id, GATHERING)]
        if not gathering:
            return list(rows)
        settle(conn, user_id, gathering[0])
        ids = {found for row in rows if (found := _story_id(row)) is not None}
        free = sa.update(stories).where(own.user_id == user_id, own.id.in_(ids), own.told_by.is_(None))
        conn.execute(free.values(told_by=gathering[0], told_at=now, told_for_good=False))
        mine = sa.select(own.id).where(own.user_id == user_id, own.id.in_(ids), own.told_by.in_(gathering))
        told = set(conn.execute(mine).scalars())
    return [row for row in rows if _story_id(row) in told]


def _story_id(row: Any) -> UUID | None:
    try:
        return UUID(row["article_id"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def settle(conn: sa.Connection, user_id: UUID, job_id: UUID) -> None:
    """Look what became of the digests that stories were taken for."""
    is_open = (own.user_id == user_id, own.told_by.is_not(None), own.told_for_good.is_(False))
    for other in conn.execute(sa.select(own.told_by).where(*is_open).distinct()).scalars().all():
        outcome = None if other == job_id else _was_told(conn, other)
        if outcome is not None:
            values = {"told_for_good": True} if outcome else {"told_by": None, "told_at": None}
            conn.execute(sa.update(stories).where(*is_open, own.told_by == other).values(values))


def _was_told(conn: sa.Connection, job_id: UUID) -> bool | None:
    """Whether the digest was written; None while nobody knows. Jobs that are pruned had ended long before."""
    job = inquiries.by_id(conn, job_id)
    run = inquiries.runs_of(conn, [job_id]).get(job_id)
    if run is not None and any(one.state == State.SUCCEEDED for one in inquiries.steps_of(conn, run.id, WRITING)):
        return True  # and was sent, however its run ended after that
    parts = [one for one in (job, run) if one is not None]
    if any(one.state in ENDED and one.state != State.SUCCEEDED for one in parts):
        return False
    return True if all(one.state == State.SUCCEEDED for one in parts) else None


def _untold(user_id: UUID, since: datetime) -> list[sa.ColumnElement[bool]]:
    return [own.user_id == user_id, SHOWN, own.told_by.is_(None), own.at >= since]


def _choice(conn: sa.Connection, user_id: UUID, since: datetime, most: int) -> list[int]:
    query = sa.select(own.number, own.sources).where(*_untold(user_id, since))
    newest = conn.execute(query.order_by(own.at.desc(), own.number.desc()).limit(LOOKED_AT)).all()
    return [row.number for row in sorted(newest, key=lambda row: -row.sources)[:most]]


def _taken(conn: sa.Connection, user_id: UUID, job_id: UUID) -> Sequence[Any]:
    query = sa.select(stories).where(own.user_id == user_id, own.told_by == job_id)
    return conn.execute(query.order_by(own.sources.desc(), own.at.desc(), own.number.desc())).all()
