"""A user's own records with plain CRUD over REST, declared by a domain and served without any process naming it.

    notes = Collection(
        "general/notes", title="Notes", new=NewNote, change=NoteChange, item=Note, store=NOTES,
        adds=add_note, changes=change_note, removes=remove_note,
    )

Discovered in `tasks/<domain>/collections.py`. Each change is an action, too: what a person asks for in person is done
at once and answered with the record, and what must wait for a person (an agent's, or what a policy says) is a job of
it. A change without an action is for the user in person alone.

Records that nobody adds or changes by hand (articles of feeds, bookings of a bank) are a collection that is only read:
it has neither `new` nor `change`, and its store is a `ReadableStore`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field

from llmcoder.declare.action import Action, fits_query
from llmcoder.declare.filter import NOT_FILTERING, Filter
from llmcoder.errors import DeclarationError
from llmcoder.model import Model

New = TypeVar("New", bound=BaseModel)
Change = TypeVar("Change", bound=BaseModel)
Item = TypeVar("Item", bound=BaseModel)

#: Parameters of every list, over HTTP or as an action.
PAGING = NOT_FILTERING - {"sort"}
PATH = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*")


class Page(Model, Generic[Item]):
    """Some records, in the order that was asked for; newest first where nothing else was."""

    items: list[Item] = Field(description="The records.")
    next: str | None = Field(
        None, description="Cursor of the page after this one, for the same sort and filter; null on the last page."
    )


class ReadableStore(ABC, Generic[Item]):
    """Where the records of a collection are read. A user's id narrows every method: others' records do not exist.

    Raises:
        Transient: The database is busy or away.
    """

    #: What the list can be asked for.
    filter: type[Filter] = Filter

    @abstractmethod
    def page(self, user_id: UUID, cursor: str | None, limit: int, wanted: Filter | None = None) -> Page[Item]:
        """Some of the user's records.

        Args:
            cursor: `next` of the page before, asked for with the same filter and sort. The id of a record, which may be
                gone, stands for that record where the newest come first.
            wanted: Which, and in which order; the newest first when not given.

        Raises:
            BadInput: The cursor belongs to another list, sort or filter, or is none.
        """

    @abstractmethod
    def get(self, user_id: UUID, item_id: UUID) -> Item | None:
        """The user's record of that id; None also when it is somebody else's."""


class Store(ReadableStore[Item], Generic[New, Change, Item]):
    """Where the records of a collection are kept.

    Raises:
        Transient: The database is busy or away; nothing was changed.
        Uncertain: The connection broke during the commit of a change.
    """

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
class Excerpt:
    """What a record says, as other domains may read it.

    Args:
        title: What it is called; may be empty.
        text: All that it says, as plain text or markdown.
    """

    title: str
    text: str


@dataclass(frozen=True)
class Collection(Generic[New, Change, Item]):
    """One kind of record, and everything a door needs to know about it.

    Args:
        path: `<domain>/<nouns>`, for ever: the address of the collection.
        title: Its entry in a menu.
        item: A record as it is shown; has an `id`.
        store: Where the records are kept.
        new: What is sent to add a record; neither it nor `change` where the collection is only read.
        change: What is sent to change one; a field left out stays.
        adds: The action that adds one; takes `new` and returns `item`.
        changes: The one that changes one; takes the fields of `change` and the record's id, and returns `item`.
        removes: The one that removes one; takes the record's id, and returns what was `removed`, empty if nothing was.
        excerpt: What a record says to domains that draft from whatever a user keeps, a language model included. Without
            it they read none of these records: of money, places and people a user expects that.

    Raises:
        DeclarationError: The declaration breaks a rule; at import, naming the rule.
    """

    path: str
    title: str
    item: type[Item]
    store: Store[New, Change, Item] | ReadableStore[Item]
    new: type[New] | None = None
    change: type[Change] | None = None
    adds: Action[Any, Any] | None = None
    changes: Action[Any, Any] | None = None
    removes: Action[Any, Any] | None = None
    excerpt: Callable[[Any], Excerpt] | None = None

    def __post_init__(self) -> None:
        for broken, rule in self._rules():
            if broken:
                raise DeclarationError(f"{self.path}: {rule}")

    @property
    def filter(self) -> type[Filter]:
        """What the list can be asked for."""
        return self.store.filter

    @property
    def only_read(self) -> bool:
        """Whether nobody adds, changes or removes a record by its address."""
        return self.new is None and self.change is None

    @property
    def changeable(self) -> Store[New, Change, Item]:
        """The store of one that is not only read."""
        assert isinstance(self.store, Store)
        return self.store

    @property
    def domain(self) -> str:
        return self.path.partition("/")[0]

    @property
    def nouns(self) -> str:
        return self.path.partition("/")[2]

    def change_of(self, item_id: UUID, change: Change) -> BaseModel:
        """The input of the action that changes a record."""
        assert self.changes is not None and self.change is not None
        given = {name: getattr(change, name) for name in change.model_fields_set}
        wanted: BaseModel = self.changes.input(**{_id_field(self.changes, self.change): item_id}, **given)
        return wanted

    def removal_of(self, item_id: UUID) -> BaseModel:
        """The input of the action that removes a record."""
        assert self.removes is not None
        wanted: BaseModel = self.removes.input(**{_id_field(self.removes): item_id})
        return wanted

    def _action_rules(self) -> list[tuple[bool, str]]:
        adds, changes, removes = self.adds, self.changes, self.removes
        every = [one for one in (adds, changes, removes) if one is not None]
        if self.new is None or self.change is None:
            return [
                (self.new is not self.change, "a collection has both `new` and `change`, or is only read"),
                (bool(every), "one that is only read names no actions that change it"),
            ]
        if not isinstance(self.store, Store):
            return [(True, "a collection that is changed has a Store, not only a ReadableStore")]
        strange = [one.name for one in every if not one.effect.writes or one.connects or one.requires]
        return [
            (
                bool(strange),
                f"what changes records is a write without accounts and settings; not so {', '.join(strange)}",
            ),
            (
                adds is not None and (adds.input is not self.new or adds.output is not self.item),
                f"what adds a record takes {self.new.__name__} and returns {self.item.__name__}",
            ),
            (
                changes is not None and (not _id_field(changes, self.change) or changes.output is not self.item),
                f"what changes a record takes {self.change.__name__}'s fields and an id, returns {self.item.__name__}",
            ),
            (
                removes is not None and (not _id_field(removes) or "removed" not in removes.output.model_fields),
                "what removes a record takes its id and says what was `removed`",
            ),
        ]

    def _rules(self) -> list[tuple[bool, str]]:
        """Every rule of a declaration, each with whether this one breaks it."""
        given = [kind for kind in (self.new, self.change) if kind is not None]
        lenient = [kind.__name__ for kind in (*given, self.filter) if kind.model_config.get("extra") != "forbid"]
        undescribed = [
            f"{kind.__name__}.{name}"
            for kind in (*given, self.item, self.filter)
            for name, field in kind.model_fields.items()
            if not field.description
        ]
        identity = self.item.model_fields.get("id")
        return [
            (not PATH.fullmatch(self.path), "a path is <domain>/<nouns> in lower case, such as general/notes"),
            (bool(lenient), f"{', '.join(lenient)} must forbid unknown fields (extra='forbid')"),
            (bool(undescribed), f"every field has a description; missing on {', '.join(undescribed)}"),
            (
                not all(fits_query(field.annotation) for field in self.filter.model_fields.values()),
                f"{self.filter.__name__} is asked for in a query, so its fields are scalars or lists of them",
            ),
            (not PAGING.isdisjoint(self.filter.model_fields), f"{', '.join(sorted(PAGING))} are for paging"),
            (identity is None or identity.annotation is not UUID, f"{self.item.__name__} has a field id: UUID"),
            *self._action_rules(),
        ]


def _id_field(action: Action[Any, Any], beside: type[BaseModel] | None = None) -> str:
    """The one field of an action's input that is no field of the model; empty where that is no id, or not the only."""
    known = set() if beside is None else set(beside.model_fields)
    more = [name for name in action.input.model_fields if name not in known]
    whole = known <= set(action.input.model_fields) and len(more) == 1
    return more[0] if whole and action.input.model_fields[more[0]].annotation is UUID else ""
