"""Notes and to-dos as plain records: list, add, show, change, remove under /general/notes and /general/todos."""

from __future__ import annotations

from llmcoder.collection import Collection
from tasks.general.records import NewNote, NewTodo, Note, NoteChange, Todo, TodoChange
from tasks.general.store import NOTES, TODOS

notes = Collection("general/notes", title="Notes", new=NewNote, change=NoteChange, item=Note, store=NOTES)
todos = Collection("general/todos", title="To-dos", new=NewTodo, change=TodoChange, item=Todo, store=TODOS)
