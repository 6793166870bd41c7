"""A wrong declaration of a collection fails when it is made, and names the rule."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, Field

import tasks
from llmcoder import Context, DeclarationError, Effect, Model, action
from llmcoder.declare.collection import Collection, Page, ReadableStore
from llmcoder.declare.filter import Filter
from llmcoder.registry import Registry, registry
from models.owned_records import OwnedRows
from models.tables import metadata


class New(Model):
    text: str = Field(description="Some text.")


class Item(Model):
    id: UUID = Field(description="Its id.")
    text: str = Field(description="Some text.")


class Nothing(Model):
    pass


class Lenient(BaseModel):
    text: str = Field(description="Some text.")


class Undescribed(Model):
    text: str


class Nameless(Model):
    text: str = Field(description="Some text.")


rows = sa.Table(
    "rows", sa.MetaData(), *(sa.Column(name, sa.Uuid) for name in ("id", "user_id", "created_at", "updated_at", "text"))
)
STORE = OwnedRows(rows, Item)
RIGHT = {"path": "general/things", "title": "Things", "new": New, "change": New, "item": Item, "store": STORE}


class Shelf(ReadableStore[Item]):
    def page(self, user_id: UUID, cursor: str | None, limit: int, wanted: Filter | None = None) -> Page[Item]:
        return Page[Item](items=[], next=None)

    def get(self, user_id: UUID, item_id: UUID) -> Item | None:
        return None


def test_a_collection_that_is_only_read_needs_no_store_that_changes():
    collection = Collection("general/things", title="Things", item=Item, store=Shelf())
    assert collection.only_read
    assert not Collection(**RIGHT).only_read


def test_a_right_declaration_stands():
    collection = Collection(**RIGHT)
    assert (collection.domain, collection.nouns) == ("general", "things")


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"path": "things"}, "a path is <domain>/<nouns>"),
        ({"path": "general/Things"}, "a path is <domain>/<nouns>"),
        ({"new": Lenient}, "Lenient must forbid unknown fields"),
        ({"change": Lenient}, "Lenient must forbid unknown fields"),
        ({"new": Undescribed}, "missing on Undescribed.text"),
        ({"item": Nameless}, "Nameless has a field id: UUID"),
        ({"change": None}, "both `new` and `change`, or is only read"),
        ({"store": Shelf()}, "has a Store, not only a ReadableStore"),
    ],
)
def test_a_wrong_declaration_names_its_rule(wrong, rule):
    with pytest.raises(DeclarationError, match=rule):
        Collection(**RIGHT | wrong)


def test_a_table_that_cannot_hold_the_records_is_refused():
    with pytest.raises(DeclarationError, match=r"workers: a table of owned rows has .*user_id"):
        OwnedRows(metadata.tables["workers"], Item)


def test_every_collection_is_found_in_the_order_of_paths():
    paths = [collection.path for collection in registry().collections()]
    assert paths == sorted(paths)
    assert {"general/notes", "general/todos"} <= set(paths)


@pytest.fixture
def declare(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Install a domain `odd` whose collection has the given path."""

    def declare(path: str) -> None:
        (tmp_path / "odd").mkdir()
        (tmp_path / "odd" / "__init__.py").touch()
        (tmp_path / "odd" / "collections.py").write_text(ODD.format(path=path))
        importlib.invalidate_caches()

    tasks.__path__.append(str(tmp_path))
    yield declare
    tasks.__path__.remove(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("tasks.odd")]:
        del sys.modules[name]


ODD = """
from dataclasses import replace
from tasks.general import collections as general

things = replace(general.notes, path="{path}")
"""


def test_a_domain_that_arrives_is_found_by_its_folder(declare):
    declare("odd/things")
    assert "odd/things" in [collection.path for collection in registry().collections()]


def test_a_domain_speaks_for_its_own_addresses_only(declare):
    declare("general/things")
    with pytest.raises(DeclarationError, match="another domain's folder"):
        registry().collections()


def test_an_address_is_an_actions_or_a_collections(declare):
    @action("odd.things", effect=Effect.READ)
    def look(given: Nothing, ctx: Context) -> New:
        """Look at things."""
        return New(text="")

    declare("odd/things")
    with pytest.raises(DeclarationError, match="an action has this address"):
        Registry([look]).collections()
