"""The interface of a user's to-dos, for every domain that finds something for them to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from uuid import UUID


class TodoList(ABC):
    """The to-dos of the job's user. Whose words they hold is kept with them, as of every record.

    Raises:
        Transient: The database is busy or away; nothing was changed.
        Uncertain: The connection broke during the commit of a change.
    """

    @abstractmethod
    def add(self, todo_id: UUID, title: str) -> None:
        """Keep a thing to do under an id that the caller makes; one that is there already stays as it is."""

    @abstractmethod
    def rename(self, todo_id: UUID, title: str) -> None:
        """Give an open one another title; one that is done or gone stays so."""

    @abstractmethod
    def remove(self, todo_id: UUID) -> None:
        """Remove an open one; one that is done or gone stays so."""

    @abstractmethod
    def still_open(self, ids: Collection[UUID]) -> frozenset[UUID]:
        """Which of them are there and not done."""
