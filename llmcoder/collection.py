"""A user's own records with plain CRUD over REST, declared by a domain and served without any process naming it.

    notes = Collection("general/notes", title="Notes", new=NewNote, change=NoteChange, item=Note, store=NOTES)

Discovered in `tasks/<domain>/collections.py`. Records are not jobs: they are written at once and answered with 201.
What should also be a step of a macro or the target of a schedule is an action beside it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field

from llmcoder.errors import DeclarationError
from llmcoder.model import Model

New = TypeVar("New", bound=BaseModel)
Change = TypeVar("Change", bound=BaseModel)
Item = TypeVar("Item", bound=BaseModel)

PATH = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*")


class Page(Model, Generic[Item]):
    """Some records, newest first."""

    items: list[Item] = Field(description="The records, newest first.")
    next: UUID | None = Field(None, description="Cursor of the page after this one; null on the last page.")


class Store(ABC, Generic[New, Change, Item]):
    """Where the records of a collection are kept. A user's id narrows every method: others' records do not exist.

    Raises:
        Transient: The database is busy or away; nothing was changed.
        Uncertain: The connection broke during the commit of a change.
    """

    @abstractmethod
    def page(self, user_id: UUID, before: UUID | None, limit: int) -> Page[Item]:
        """The user's newest records, or the newest of those older than the record `before`, which may be gone."""

    @abstractmethod
    def get(self, user_id: UUID, item_id: UUID) -> Item | None:
        """The user's record of that id; None also when it is somebody else's."""

    @abstractmethod
    def add(self, user_id: UUID, new: New) -> Item:
        """Keep a new record."""

    @abstractmethod
    def change(self, user_id: UUID, item_id: UUID, change: Change) -> Item | None:
        """Set the fields that the change was given; those left out stay. None where `get` says None."""

    @abstractmethod
    def remove(self, user_id: UUID, item_id: UUID) -> bool:
        """Delete for good; False where `get` says None."""


@dataclass(frozen=True)
class Collection(Generic[New, Change, Item]):
    """One kind of record, and everything a door needs to know about it.

    Args:
        path: `<domain>/<nouns>`, for ever: the address of the collection.
        title: Its entry in a menu.
        new: What is sent to add a record.
        change: What is sent to change one; a field left out stays.
        item: A record as it is shown; has an `id`.
        store: Where the records are kept.

    Raises:
        DeclarationError: The declaration breaks a rule; at import, naming the rule.
    """

    path: str
    title: str
    new: type[New]
    change: type[Change]
    item: type[Item]
    store: Store[New, Change, Item]

    def __post_init__(self) -> None:
        for broken, rule in self._rules():
            if broken:
                raise DeclarationError(f"{self.path}: {rule}")

    @property
    def domain(self) -> str:
        return self.path.partition("/")[0]

    @property
    def nouns(self) -> str:
        return self.path.partition("/")[2]

    def _rules(self) -> list[tuple[bool, str]]:
        """Every rule of a declaration, each with whether this one breaks it."""
        given = (self.new, self.change)
        lenient = [kind.__name__ for kind in given if kind.model_config.get("extra") != "forbid"]
        undescribed = [
            f"{kind.__name__}.{name}"
            for kind in (*given, self.item)
            for name, field in kind.model_fields.items()
            if not field.description
        ]
        identity = self.item.model_fields.get("id")
        return [
            (not PATH.fullmatch(self.path), "a path is <domain>/<nouns> in lower case, such as general/notes"),
            (bool(lenient), f"{', '.join(lenient)} must forbid unknown fields (extra='forbid')"),
            (bool(undescribed), f"every field has a description; missing on {', '.join(undescribed)}"),
            (identity is None or identity.annotation is not UUID, f"{self.item.__name__} has a field id: UUID"),
        ]
