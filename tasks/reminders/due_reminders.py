"""What becomes of a reminder whose time has come: a job that tells it, and one for each channel of its user.

The jobs and the reminder's next time are one transaction, so it is told once: late rather than never, and once for all
its times that passed meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder.context import User
from llmcoder.declare.channel import Message, over
from llmcoder.declare.trigger import Due, Trigger
from llmcoder.registry import channels
from models.accounts import preferences, users
from models.db.due_rows import each_alone
from tasks.reminders import store
from tasks.reminders.store import own
from tasks.reminders.tables import reminders

TELL = "reminders.tell"
LONGEST_TITLE = 100


def any_due(conn: sa.Connection, now: datetime) -> bool:
    query = sa.select(own.id).where(own.next_at <= now).order_by(own.next_at).limit(1)
    return conn.execute(query).first() is not None


def take(conn: sa.Connection, now: datetime, limit: int) -> Sequence[Due]:
    """The reminders that are due, each with its next time."""
    query = sa.select(reminders).where(own.next_at <= now).order_by(own.next_at).limit(limit)
    rows = conn.execute(query.with_for_update(skip_locked=True)).all()

    def tell(row: Any) -> list[Due]:
        store.put(conn, row.id, {**store.told(row, now), "note": None}, now)
        return _jobs(conn, row, now)

    def give_up(row: Any, why: str) -> None:
        store.put(conn, row.id, {"next_at": None, "note": f"It could not be told: {why}"[:1_000]}, now)

    return each_alone(conn, rows, tell, give_up)


def refused(conn: sa.Connection, due: Due, why: str, now: datetime) -> None:
    """It could not be sent over a channel; it is told by the push all the same."""
    store.put(conn, due.row_id, {"note": f"{due.action}: {why}"[:1_000]}, now)


DUE_REMINDERS = Trigger("reminders.due", any_due=any_due, take=take, refused=refused)


def _jobs(conn: sa.Connection, row: Any, now: datetime) -> list[Due]:
    given = {"reminder_id": str(row.id), "text": row.text, "due_at": row.next_at.isoformat()}
    key = f"{row.id} {row.next_at.isoformat()}"
    wanted = [Due(row.user_id, TELL, given, key, row.id, tainted=row.taint is not None)]
    message = Message(title=f"Reminder: {' '.join(row.text.split())[:LONGEST_TITLE]}", text=row.text)
    to = _user(conn, row.user_id)
    chosen = preferences.load(conn, row.user_id).notify
    return [*wanted, *(over(name, channels(), to, message, wanted[0]) for name in chosen)]


def _user(conn: sa.Connection, user_id: UUID) -> User:
    account = users.by_id(conn, user_id)
    assert account is not None  # the row is theirs, and would be gone with them
    return User(account.id, account.email)
