"""The table of digests: those that were written, until they are sent over the channels of their users."""

from __future__ import annotations

import sqlalchemy as sa

from models.db.base import Instant, metadata

digests = sa.Table(
    "digests",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # of the job that wrote it, so that repeating adds nothing
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("html", sa.Text, nullable=False),
    sa.Column("note", sa.Text),  # why a channel could not be used
    sa.Column("sent_at", Instant),
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("ix_digests_user", "user_id", "id"),
)
_UNSENT = digests.c.sent_at.is_(None)
sa.Index("ix_digests_unsent", digests.c.created_at, postgresql_where=_UNSENT, sqlite_where=_UNSENT)
