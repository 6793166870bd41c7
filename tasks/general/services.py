"""To-dos for the actions of all other domains."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from llmcoder.context import Context
from llmcoder.declare.service import provides
from llmcoder.todos import TodoList
from tasks.general.records import NewTodo, TodoChange
from tasks.general.store import TODOS


class KeptTodos(TodoList):
    """Those of one user."""

    def __init__(self, user_id: UUID) -> None:
        self._user_id = user_id

    def add(self, todo_id: UUID, title: str) -> None:
        TODOS.add(self._user_id, NewTodo(title=title), todo_id)

    def rename(self, todo_id: UUID, title: str) -> None:
        if todo_id in self.still_open([todo_id]):
            TODOS.change(self._user_id, todo_id, TodoChange(title=title))

    def remove(self, todo_id: UUID) -> None:
        if todo_id in self.still_open([todo_id]):
            TODOS.remove(self._user_id, todo_id)

    def still_open(self, ids: Collection[UUID]) -> frozenset[UUID]:
        return TODOS.still_open(self._user_id, ids)


@provides(TodoList)
def todo_list(ctx: Context) -> TodoList:
    """The to-dos of the job's user."""
    return KeptTodos(ctx.user.id)
