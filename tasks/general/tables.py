"""The tables of notes and to-dos."""

from __future__ import annotations

import sqlalchemy as sa

from models.db.base import Instant, metadata
from models.owned_records import origin_columns
from models.record_list import folded_column

notes = sa.Table(
    "notes",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # the job's id where a job made it, so that repeating adds nothing
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    folded_column("text"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    *origin_columns(),
    sa.Index("ix_notes_user", "user_id", "id"),  # a user's notes, newest first
)

todos = sa.Table(
    "todos",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # likewise
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("title", sa.String(500), nullable=False),
    folded_column("title"),
    sa.Column("due_at", Instant),
    sa.Column("done_at", Instant),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    *origin_columns(),
    sa.Index("ix_todos_user", "user_id", "id"),  # a user's to-dos, newest first
)
