"""Where notes and to-dos are kept, for actions and collections alike."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

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


NOTES: OwnedRows[NewNote, NoteChange, Note] = OwnedRows(
    notes, Note, NoteFilter, {"updated": "updated_at", "text": "text"}
)
TODOS = Todos(todos, Todo, TodoFilter, {"updated": "updated_at", "due": "due_at", "title": "title"})
