"""The table of reminders."""

from __future__ import annotations

import sqlalchemy as sa

from models.db.base import Instant, metadata
from models.owned_records import origin_columns

reminders = sa.Table(
    "reminders",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # the job's id, so that repeating adds nothing
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("words", sa.String(200)),  # by which its time was said
    sa.Column("cron", sa.String(200)),  # of one that comes again
    sa.Column("timezone", sa.String(64), nullable=False),
    sa.Column("due_at", Instant),  # its next own time; null once a single one has come
    sa.Column("snoozed_until", Instant),
    sa.Column("next_at", Instant),  # the earlier of the two
    sa.Column("told_at", Instant),  # last
    sa.Column("done_at", Instant),
    sa.Column("note", sa.Text),  # why a channel could not be used
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    *origin_columns(),
    sa.Index("ix_reminders_user", "user_id", "id"),  # a user's, newest first
)
_COMING = reminders.c.next_at.is_not(None)
sa.Index("ix_reminders_next", reminders.c.next_at, postgresql_where=_COMING, sqlite_where=_COMING)
