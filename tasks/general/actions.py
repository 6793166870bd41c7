"""Notes and to-dos as actions, so that a schedule, a macro or an agent can keep and read them.

A job's id is the id of the record it adds: an attempt that is run again finds its record there and adds no second one.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import Field

from llmcoder import Context, Effect, Model, NotFound, Undo, action
from llmcoder.declare.collection import Page
from llmcoder.declare.cursor import Cursor
from llmcoder.declare.filter import Number
from tasks.general.records import NewNote, NewTodo, Note, NoteChange, NoteFilter, Todo, TodoChange, TodoFilter
from tasks.general.store import NOTES, TODOS

TIMEOUT_S = 15.0
MOST_LISTED: Any = Field(20, ge=1, le=100, description="Most records to return.", examples=[20])
PAGE_BEFORE: Any = Field(
    None,
    description="`next` of the page before, with the same filter and sort; or the id of a record, for those older.",
)


class NoteListing(NoteFilter):
    """Which notes are wanted."""

    limit: Number = MOST_LISTED
    before: Cursor | None = PAGE_BEFORE


class TodoListing(TodoFilter):
    """Which to-dos are wanted."""

    limit: Number = MOST_LISTED
    before: Cursor | None = PAGE_BEFORE


class NoteChoice(Model):
    """Which note is meant."""

    note_id: UUID = Field(description="The note's id.", examples=["01937b2e-7c00-7000-8000-000000000001"])


class TodoChoice(Model):
    """Which to-do is meant."""

    todo_id: UUID = Field(description="The to-do's id.", examples=["01937b2e-7c00-7000-8000-000000000001"])


class ChangedNote(NoteChange):
    """Which note, and what to change of it."""

    note_id: UUID = Field(description="The note's id.", examples=["01937b2e-7c00-7000-8000-000000000001"])


class ChangedTodo(TodoChange):
    """Which to-do, and what to change of it; a field left out stays as it is."""

    todo_id: UUID = Field(description="The to-do's id.", examples=["01937b2e-7c00-7000-8000-000000000001"])


class RemovedNote(Model):
    """A note that is gone."""

    removed: Note | None = Field(description="The note as it was; null when it was gone already.")


class RemovedTodo(Model):
    """A to-do that is gone."""

    removed: Todo | None = Field(description="The to-do as it was; null when it was gone already.")


@action("general.remove_note", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def remove_note(which: NoteChoice, ctx: Context) -> RemovedNote:
    """Remove a note.

    One that is gone already is no error: an attempt that is run again finds its work done.
    """
    return RemovedNote(removed=NOTES.take(ctx.user.id, which.note_id))


@action(
    "general.add_note",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(remove_note, lambda new, note: NoteChoice(note_id=note.id)),
    timeout_s=TIMEOUT_S,
)
def add_note(new: NewNote, ctx: Context) -> Note:
    """Keep a note.

    To change one, use general.change_note; to remove it, general.remove_note.
    """
    return NOTES.add(ctx.user.id, new, ctx.job_id)


@action("general.change_note", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def change_note(change: ChangedNote, ctx: Context) -> Note:
    """Write a note anew.

    What stood there before is gone.
    """
    note = NOTES.change(ctx.user.id, change.note_id, NoteChange(text=change.text))
    if note is None:
        raise NotFound(f"You have no note {change.note_id}; it may have been removed.")
    return note


@action("general.remove_todo", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def remove_todo(which: TodoChoice, ctx: Context) -> RemovedTodo:
    """Remove a to-do.

    One that is gone already is no error. To keep it as done, use general.complete_todo.
    """
    return RemovedTodo(removed=TODOS.take(ctx.user.id, which.todo_id))


@action(
    "general.add_todo",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(remove_todo, lambda new, todo: TodoChoice(todo_id=todo.id)),
    timeout_s=TIMEOUT_S,
)
def add_todo(new: NewTodo, ctx: Context) -> Todo:
    """Keep a thing to do.

    To change one, use general.change_todo; to remove it, general.remove_todo.
    """
    return TODOS.add(ctx.user.id, new, ctx.job_id)


@action("general.change_todo", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def change_todo(change: ChangedTodo, ctx: Context) -> Todo:
    """Change title, time or state of a to-do.

    A field left out stays as it is. To mark it as done only, use general.complete_todo, which can be undone.
    """
    given = {name: getattr(change, name) for name in change.model_fields_set - {"todo_id"}}
    todo = TODOS.change(ctx.user.id, change.todo_id, TodoChange(**given))
    if todo is None:
        raise NotFound(f"You have no to-do {change.todo_id}; it may have been removed.")
    return todo


@action("general.list_notes", effect=Effect.READ, timeout_s=TIMEOUT_S)
def list_notes(wanted: NoteListing, ctx: Context) -> Page[Note]:
    """List, search and sort your notes."""
    return NOTES.page(ctx.user.id, wanted.before, wanted.limit, wanted)


@action("general.list_todos", effect=Effect.READ, timeout_s=TIMEOUT_S)
def list_todos(wanted: TodoListing, ctx: Context) -> Page[Todo]:
    """List, search and sort your to-dos."""
    return TODOS.page(ctx.user.id, wanted.before, wanted.limit, wanted)


@action("general.reopen_todo", effect=Effect.WRITE, repeatable=True, timeout_s=TIMEOUT_S)
def reopen_todo(which: TodoChoice, ctx: Context) -> Todo:
    """Open a to-do again that was done.

    One that is open already stays as it is.
    """
    return _set_done(which, ctx, False)


@action(
    "general.complete_todo",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(reopen_todo, lambda which, todo: which),
    timeout_s=TIMEOUT_S,
)
def complete_todo(which: TodoChoice, ctx: Context) -> Todo:
    """Mark a to-do as done.

    One that is done already stays as it is. To open it again, use general.reopen_todo.
    """
    return _set_done(which, ctx, True)


def _set_done(which: TodoChoice, ctx: Context, done: bool) -> Todo:
    todo = TODOS.change(ctx.user.id, which.todo_id, TodoChange(done=done))
    if todo is None:
        raise NotFound(f"You have no to-do {which.todo_id}; it may have been removed.")
    return todo
