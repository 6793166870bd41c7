"""Digests that were written are sent over the channels of their users, each by a job of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder.context import User
from llmcoder.declare.channel import Message, over
from llmcoder.declare.trigger import Due, Trigger
from llmcoder.registry import channels
from models.accounts import preferences, users
from models.db.due_rows import each_alone
from models.jobs import store as jobs
from tasks.digest.tables import digests

own = digests.c
#: Their jobs show them for as long as jobs are kept; these rows are only what is to be sent.
KEPT = timedelta(days=31)


def any_due(conn: sa.Connection, _now: datetime) -> bool:
    query = sa.select(own.id).where(own.sent_at.is_(None)).order_by(own.created_at).limit(1)
    return conn.execute(query).first() is not None


def take(conn: sa.Connection, now: datetime, limit: int) -> Sequence[Due]:
    """The digests that were not sent yet."""
    query = sa.select(digests).where(own.sent_at.is_(None)).order_by(own.created_at).limit(limit)
    rows = conn.execute(query.with_for_update(skip_locked=True)).all()

    def give_up(row: Any, why: str) -> None:
        note = f"It could not be sent: {why}"[:1_000]
        conn.execute(sa.update(digests).where(own.id == row.id).values(sent_at=now, note=note))

    return each_alone(conn, rows, lambda row: _sent(conn, row, now), give_up)


def _sent(conn: sa.Connection, row: Any, now: datetime) -> list[Due]:
    conn.execute(sa.update(digests).where(own.id == row.id).values(sent_at=now))
    conn.execute(sa.delete(digests).where(own.user_id == row.user_id, own.sent_at < now - KEPT))
    message = Message(row.title, row.text, row.html)
    to, of = _user(conn, row.user_id), Due(row.user_id, "", {}, str(row.id), row.id, (row.id,))
    return [over(name, channels(), to, message, of) for name in preferences.load(conn, row.user_id).notify]


def _user(conn: sa.Connection, user_id: UUID) -> User:
    account = users.by_id(conn, user_id)
    assert account is not None  # the row is theirs, and would be gone with them
    return User(account.id, account.email)


def refused(conn: sa.Connection, due: Due, why: str, _now: datetime) -> None:
    """It could not be sent over a channel: the job that wrote the digest and the run that it belongs to say so."""
    note = f"Not sent by {due.action}: {why}"[:1_000]
    conn.execute(sa.update(digests).where(own.id == due.row_id).values(note=note))
    jobs.add_note(conn, due.user_id, [due.row_id], note)


WRITTEN = Trigger("digest.written", any_due=any_due, take=take, refused=refused)
