"""Notes and to-dos as they are sent and shown: the models that actions and collections share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StrictBool, StringConstraints

from llmcoder import Model
from llmcoder.instants import WrittenInstant
from llmcoder.model import ChangeModel

# NUL is the one character that PostgreSQL keeps in no text.
NO_NUL = r"^[^\x00]*$"
NoteText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000, pattern=NO_NUL)]
TodoTitle = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=NO_NUL)]
SearchText = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_NUL)]


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:  # the first and the last hours of the calendar, in another zone
        raise ValueError("must lie within the years 1 to 9999 in UTC") from None


Instant = Annotated[WrittenInstant, AfterValidator(_in_utc)]


class NewNote(Model):
    """A note to keep."""

    text: NoteText = Field(description="What to remember; plain text or markdown.", examples=["Milk, bread, a stamp"])


class NoteChange(ChangeModel):
    """What to change of a note."""

    text: NoteText = Field(description="The new text.", examples=["Milk, bread, two stamps"])


class Note(Model):
    """A kept note."""

    id: UUID = Field(description="The note's id.")
    text: str = Field(description="What to remember.")
    created_at: datetime = Field(description="When it was added.")
    updated_at: datetime = Field(description="When it last changed.")


class NewTodo(Model):
    """A thing to do."""

    title: TodoTitle = Field(description="What to do.", examples=["Renew the passport"])
    due_at: Instant | None = Field(
        None, description="When it should be done, with a time zone; null for some day.", examples=["2030-06-01T09:00Z"]
    )


class TodoChange(ChangeModel):
    """What to change of a to-do; a field left out stays as it is."""

    title: TodoTitle | None = Field(None, description="The new title; null leaves the old.")
    due_at: Instant | None = Field(None, description="When it should be done now; null for some day.")
    done: StrictBool | None = Field(None, description="True when it is done, false to open it again; null leaves it.")


class Todo(Model):
    """A kept to-do."""

    id: UUID = Field(description="The to-do's id.")
    title: str = Field(description="What to do.")
    due_at: datetime | None = Field(description="When it should be done; null for some day.")
    done_at: datetime | None = Field(description="When it was done; null while it is open.")
    created_at: datetime = Field(description="When it was added.")
    updated_at: datetime = Field(description="When it last changed.")
