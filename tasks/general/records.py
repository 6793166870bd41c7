"""Notes and to-dos as they are sent and shown: the models that actions and collections share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StrictBool, StringConstraints

from llmcoder import Model
from llmcoder.declare.filter import AtLeast, Before, Filter, HasPassage, HasWords, IsSet, Passage, Words
from llmcoder.instants import WrittenInstant
from llmcoder.model import ChangeModel

# NUL is the one character that PostgreSQL keeps in no text.
NO_NUL = r"^[^\x00]*$"
NoteText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000, pattern=NO_NUL)]
TodoTitle = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=NO_NUL)]


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:  # the first and the last hours of the calendar, in another zone
        raise ValueError("must lie within the years 1 to 9999 in UTC") from None


Instant = Annotated[WrittenInstant, AfterValidator(_in_utc)]


class NoteFilter(Filter):
    """Which notes are wanted, and in which order."""

    text: Annotated[Words | None, HasWords("text")] = Field(
        None, description="Only notes with all of these words in them, in any case and order.", examples=["milk bread"]
    )
    contains: Annotated[Passage | None, HasPassage("text")] = Field(
        None, description="Only notes with this passage in them, in any case."
    )
    created_after: Annotated[Instant | None, AtLeast("created_at")] = Field(
        None, description="Only those added at this instant or later, with a time zone."
    )
    created_before: Annotated[Instant | None, Before("created_at")] = Field(
        None, description="Only those added earlier, with a time zone."
    )
    sort: Literal["created", "-created", "updated", "-updated", "text", "-text"] = Field(
        "-created", description="Their order; - turns it round."
    )


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


class TodoFilter(Filter):
    """Which to-dos are wanted, and in which order."""

    text: Annotated[Words | None, HasWords("title")] = Field(
        None, description="Only to-dos with all of these words in their title, in any case and order."
    )
    done: Annotated[bool | None, IsSet("done_at")] = Field(
        None, description="True for those done, false for open ones; left out, both."
    )
    due_before: Annotated[Instant | None, Before("due_at")] = Field(
        None, description="Only those due before this instant, with a time zone."
    )
    due_after: Annotated[Instant | None, AtLeast("due_at")] = Field(
        None, description="Only those due at this instant or later, with a time zone."
    )
    has_due_date: Annotated[bool | None, IsSet("due_at")] = Field(
        None, description="True for those with a due date, false for those of some day; left out, both."
    )
    sort: Literal["created", "-created", "updated", "-updated", "due", "-due", "title", "-title"] = Field(
        "-created", description="Their order; - turns it round. Those without a due date come last in either."
    )


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
