"""Reminders as rows: what stands of one, and what becomes of it when its time comes."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from llmcoder.recurrence import Cron
from tasks.reminders.tables import reminders

own = reminders.c


def get(conn: sa.Connection, user_id: UUID, reminder_id: UUID, *, locked: bool = False) -> Any:
    """The user's reminder; None also where it is somebody else's."""
    query = sa.select(reminders).where(own.id == reminder_id, own.user_id == user_id)
    return conn.execute(query.with_for_update() if locked else query).first()


def put(conn: sa.Connection, reminder_id: UUID, values: dict[str, Any], now: datetime) -> None:
    conn.execute(sa.update(reminders).where(own.id == reminder_id).values(**values, updated_at=now))


def following(cron: str | None, timezone: str, after: datetime) -> datetime | None:
    """The next own time of one that comes again."""
    return None if cron is None else Cron(cron, ZoneInfo(timezone)).next(after)


def told(row: Any, now: datetime) -> dict[str, Any]:
    """The columns of a reminder whose time has come: late or not, it is told once for all times that passed."""
    snoozed = None if row.snoozed_until is not None and row.snoozed_until <= now else row.snoozed_until
    due_at = row.due_at
    if due_at is not None and due_at <= now:
        due_at = following(row.cron, row.timezone, now)
    return {"due_at": due_at, "snoozed_until": snoozed, "next_at": earlier(due_at, snoozed), "told_at": now}


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((at for at in (one, other) if at is not None), default=None)
