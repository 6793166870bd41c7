"""Notes and to-dos as plain records: list, add, show, change, remove under /general/notes and /general/todos."""

from __future__ import annotations

from llmcoder.declare.collection import Collection, Excerpt
from tasks.general.actions import add_note, add_todo, change_note, change_todo, remove_note, remove_todo
from tasks.general.records import NewNote, NewTodo, Note, NoteChange, Todo, TodoChange
from tasks.general.store import NOTES, TODOS

notes = Collection(
    "general/notes", title="Notes", new=NewNote, change=NoteChange, item=Note, store=NOTES,
    adds=add_note, changes=change_note, removes=remove_note,
    excerpt=lambda note: Excerpt(note.text.partition("\n")[0].lstrip("# ")[:100], note.text),
)  # fmt: skip
todos = Collection(
    "general/todos", title="To-dos", new=NewTodo, change=TodoChange, item=Todo, store=TODOS,
    adds=add_todo, changes=change_todo, removes=remove_todo,
)  # fmt: skip
