"""Where notes and to-dos are kept, for actions and collections alike."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models.db.database import reading
from models.owned_records import OwnedRows
from tasks.general.records import NewNote, NewTodo, Note, NoteChange, NoteFilter, Todo, TodoChange, TodoFilter
from tasks.general.tables import notes, todos


class Todos(OwnedRows[NewTodo, TodoChange, Todo]):
    """To-dos, whose `done` is kept as the instant they were done."""

    def columns(self, fields: dict[str, Any], now: datetime) -> dict[str, Any]:
        done = fields.pop("done", None)
        columns = super().columns(fields, now)
        if done is None:
            return columns
        first_done_at = sa.func.coalesce(todos.c.done_at, now)  # done twice is done at the first time
        return {**columns, "done_at": first_done_at if done else None}

    def still_open(self, user_id: UUID, ids: Collection[UUID]) -> frozenset[UUID]:
        """Which of the user's to-dos of these ids are there and not done."""
        own = todos.c
        query = sa.select(own.id).where(own.user_id == user_id, own.id.in_(ids), own.done_at.is_(None))
        with reading("todos") as conn:
            return frozenset(conn.execute(query).scalars())


NOTES: OwnedRows[NewNote, NoteChange, Note] = OwnedRows(
    notes, Note, NoteFilter, {"updated": "updated_at", "text": "text"}
)
TODOS = Todos(todos, Todo, TodoFilter, {"updated": "updated_at", "due": "due_at", "title": "title"})
