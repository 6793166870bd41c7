"""Where recipes are kept: the user's own rows, and those that come with the program beside them, as one collection.

Both are sorted by one key, so that one page and its cursor hold both. A change or removal keeps what was there before
as a revision, by which it is taken back.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.caseless import fold
from llmcoder.declare.collection import Page, Store
from llmcoder.declare.filter import Filter
from llmcoder.errors import BadInput
from llmcoder.ids import new_id
from models.db import conflicts
from models.db.database import database, reading, writing
from models.owned_records import origin_of_changed, origin_of_new, was_read
from tasks.recipe.built_in import WRITTEN_AT, BuiltIn, built_ins
from tasks.recipe.contents import Content, changed, content_of, foods_of, terms_of
from tasks.recipe.records import Ingredient, NewRecipe, Recipe, RecipeChange, RecipeFilter
from tasks.recipe.search import Kind, Order, cursor_after, matches, missing_of, place_of, statement
from tasks.recipe.tables import (
    UNKNOWN_MINUTES,
    recipe_built_ins_replaced,
    recipe_revisions,
    recipe_terms,
    recipe_words,
    recipes,
)

#: Of one user. The lists are measured with half as many.
MOST_RECIPES = 200_000
MOST_REVISIONS = 20
#: Of one recipe as JSON; a page of a list holds up to 200 of them.
LARGEST_CONTENT = 200_000
WHAT = "recipes"
own = recipes.c
_PAGE = Page[Recipe]
_FIELDS, _FIELDS_OF_LINE = frozenset(Recipe.model_fields), frozenset(Ingredient.model_fields)


@dataclass(frozen=True)
class Arrival:
    """Where a new recipe comes from.

    Attributes:
        import_id: The job that brings it in.
        source_key: Of what it is made of; a user has one recipe of each.
    """

    import_id: UUID
    source_key: str


class RecipeStore(Store[NewRecipe, RecipeChange, Recipe]):
    """The collection of recipes."""

    filter: type[Filter] = RecipeFilter

    def page(self, user_id: UUID, cursor: str | None, limit: int, wanted: Filter | None = None) -> Page[Recipe]:
        asked = wanted if isinstance(wanted, RecipeFilter) else RecipeFilter()
        place = place_of(cursor, asked)
        with reading(WHAT) as conn:
            rows = [] if asked.own is False else _own_rows(conn, user_id, asked, place, limit + 1)
            replaced = set() if asked.own else _replaced(conn, user_id)
        mine = [(row.sort_key, row.id, row) for row in rows]
        others = [] if asked.own else _built_in_rows(asked, replaced, place, limit + 1)
        merged = heapq.merge(mine, others, key=lambda one: one[:2], reverse=asked.order.startswith("-"))
        found: list[tuple[Any, UUID, Any]] = list(islice(merged, limit + 1))
        following = cursor_after(*found[limit - 1][:2], asked) if len(found) > limit else None
        return _PAGE(items=[_in_list(one, asked) for _, _, one in found[:limit]], next=following)

    def get(self, user_id: UUID, item_id: UUID) -> Recipe | None:
        with reading(WHAT) as conn:
            return _found(conn, user_id, item_id)

    def add(self, user_id: UUID, new: NewRecipe, item_id: UUID | None = None) -> Recipe:
        """As `Store.add`; doing it again with the same id adds nothing, so a job gives its own."""
        item_id = item_id or new_id()
        with writing(WHAT) as conn:
            if (there := _row(conn, user_id, item_id)) is None:
                refuse_too_many(conn, user_id, 1)
                insert(conn, user_id, [(item_id, content_of(new), None)])
                there = _row(conn, user_id, item_id)
        return shown(there)

    def change(self, user_id: UUID, item_id: UUID, change: RecipeChange, job_id: UUID | None = None) -> Recipe | None:
        """As `Store.change`; doing it again by the same job changes nothing."""
        with writing(WHAT) as conn:
            row = _own_version(conn, user_id, item_id)
            if row is None:
                return None
            if job_id is None or row.changed_by != job_id:
                put(conn, row, changed(strict_json.read(row.content), change), job_id)
                row = _row(conn, user_id, item_id)
        return shown(row)

    def remove(self, user_id: UUID, item_id: UUID) -> bool:
        return self.take(user_id, item_id) is not None

    def take(self, user_id: UUID, item_id: UUID) -> Recipe | None:
        """Remove a recipe and give it back as it was; None where it is gone already."""
        with writing(WHAT) as conn:
            row = _row(conn, user_id, item_id, locked=True)
            if row is None:
                gone = _found(conn, user_id, item_id)
                if gone is not None:
                    _replace(conn, user_id, item_id)
                return gone
            _keep_revision(conn, row)
            conn.execute(sa.delete(recipes).where(own.user_id == user_id, own.id == item_id))
        return shown(row)

    def restore(self, user_id: UUID, item_id: UUID, revision: int, job_id: UUID) -> Recipe | None:
        """Put a recipe back to what it was in that revision; None where nobody knows that any more."""
        with writing(WHAT) as conn:
            row = _row(conn, user_id, item_id, locked=True)
            if row is not None and row.changed_by == job_id:
                return shown(row)
            if revision == 0 and item_id in built_ins():
                return _as_it_came(conn, user_id, item_id, row)
            former = _revision(conn, user_id, item_id, revision)
            if former is None:
                return None
            was_read(former)
            if row is not None:
                put(conn, row, strict_json.read(former.content), job_id)
            else:
                _put_back(conn, former, job_id)
            return shown(_row(conn, user_id, item_id))


RECIPES = RecipeStore()


# --- reading


def _own_rows(
    conn: sa.Connection, user_id: UUID, wanted: RecipeFilter, place: tuple[Any, UUID] | None, limit: int
) -> Sequence[Any]:
    query = statement(conn, user_id, wanted, place, limit)
    rows = [] if query is None else conn.execute(query).all()
    return sorted(rows, key=lambda row: (row.sort_key, row.id), reverse=wanted.order.startswith("-"))


def _in_list(one: Any, wanted: RecipeFilter) -> Recipe:
    return _as_recipe(one, wanted) if isinstance(one, BuiltIn) else shown(one, wanted)


def _built_in_rows(
    wanted: RecipeFilter, replaced: set[UUID], place: tuple[Any, UUID] | None, limit: int
) -> list[tuple[Any, UUID, BuiltIn]]:
    order = Order(wanted.order)
    meant = [
        (_sort_key(order, one), one.id, one)
        for one in built_ins().values()
        if one.id not in replaced and matches(one.terms, one.content.get("minutes"), wanted)
    ]
    if place is not None:
        meant = [one for one in meant if (one[:2] < place if order.descending else one[:2] > place)]
    meant.sort(key=lambda one: one[:2], reverse=order.descending)
    return meant[:limit]


def _sort_key(order: Order, one: BuiltIn) -> Any:
    minutes = one.content.get("minutes", UNKNOWN_MINUTES)
    return {"minutes": minutes, "title": one.title_key}.get(order.name.removeprefix("-"), one.id)


def _found(conn: sa.Connection, user_id: UUID, item_id: UUID) -> Recipe | None:
    if (row := _row(conn, user_id, item_id)) is not None:
        return shown(row)
    known = built_ins().get(item_id)
    return None if known is None or item_id in _replaced(conn, user_id) else _as_recipe(known)


def _row(conn: sa.Connection, user_id: UUID, item_id: UUID, *, locked: bool = False) -> Any:
    query = sa.select(recipes).where(own.user_id == user_id, own.id == item_id)
    return conn.execute(query.with_for_update() if locked else query).first()


def _replaced(conn: sa.Connection, user_id: UUID) -> set[UUID]:
    query = sa.select(recipe_built_ins_replaced.c.recipe_id).where(recipe_built_ins_replaced.c.user_id == user_id)
    return set(conn.execute(query).scalars())


def shown(row: Any, wanted: RecipeFilter | None = None) -> Recipe:
    """A row as it is sent; whose words it holds becomes the reader's to know."""
    was_read(row)
    content = strict_json.read(row.content)
    return Recipe.model_validate(
        _known_fields(content)
        | {"id": row.id, "revision": row.revision, "created_at": row.created_at, "updated_at": row.updated_at}
        | {"missing": None if wanted is None or not wanted.ingredients else missing_of(foods_of(content), wanted)}
    )


def _known_fields(content: Content) -> Content:
    """Without what only a later version knows, which may run beside this one."""
    known = {name: value for name, value in content.items() if name in _FIELDS}
    lines = [{name: one[name] for name in one if name in _FIELDS_OF_LINE} for one in content["ingredients"]]
    return known | {"ingredients": lines}


def _as_recipe(one: BuiltIn, wanted: RecipeFilter | None = None) -> Recipe:
    missing = None if wanted is None else missing_of(one.terms.needed, wanted)
    about = {"id": one.id, "built_in": True, "created_at": WRITTEN_AT, "updated_at": WRITTEN_AT, "missing": missing}
    return Recipe.model_validate(one.content | about)


# --- writing


def refuse_too_many(conn: sa.Connection, user_id: UUID, more: int) -> None:
    count = conn.execute(sa.select(sa.func.count()).select_from(recipes).where(own.user_id == user_id)).scalar_one()
    if count + more > MOST_RECIPES:
        raise BadInput(f"A user has at most {MOST_RECIPES} recipes, and you have {count}. Remove some first.")


def insert(conn: sa.Connection, user_id: UUID, new: Sequence[tuple[UUID, Content, Arrival | None]]) -> None:
    """Keep new recipes, each with its id."""
    now = database().now()
    rows = [
        _columns(content)
        | {"id": item_id, "user_id": user_id, "revision": 0, "created_at": now, "updated_at": now, **origin_of_new()}
        | {"import_id": arrival and arrival.import_id, "source_key": arrival and arrival.source_key}
        for item_id, content, arrival in new
    ]
    conn.execute(sa.insert(recipes), rows)
    _index(conn, user_id, [(item_id, content) for item_id, content, _ in new])


def put(conn: sa.Connection, row: Any, content: Content, job_id: UUID | None) -> None:
    """Change a row that is locked to another content, and keep what it was."""
    _keep_revision(conn, row)
    values = _columns(content) | {"revision": row.revision + 1, "changed_by": job_id, "updated_at": database().now()}
    here = (own.user_id == row.user_id, own.id == row.id)
    conn.execute(sa.update(recipes).where(*here).values(**values, **origin_of_changed(row)))
    term = recipe_terms.c
    conn.execute(sa.delete(recipe_terms).where(term.user_id == row.user_id, term.recipe_id == row.id))
    _index(conn, row.user_id, [(row.id, content)])


def _columns(content: Content) -> dict[str, Any]:
    text = strict_json.write(content)
    if len(text) > LARGEST_CONTENT:
        raise BadInput(f"{content['title'][:80]} is longer than a recipe may be: {LARGEST_CONTENT} characters in all.")
    return {
        "title_key": fold(content["title"])[:200],
        "minutes_key": content.get("minutes", UNKNOWN_MINUTES),
        "content": text,
    }


def _index(conn: sa.Connection, user_id: UUID, new: Sequence[tuple[UUID, Content]]) -> None:
    """Write down what recipes are found by."""
    rows: list[dict[str, Any]] = []
    words: set[str] = set()
    for item_id, content in new:
        terms = terms_of(content)
        words |= terms.words
        placed = {food: place for place, food in enumerate(terms.needed)}
        named = {Kind.WORD: terms.words, Kind.FOOD: terms.foods, Kind.TAG: terms.tags, Kind.DIET: terms.diets}
        rows += [
            {"user_id": user_id, "kind": kind.value, "term": term, "recipe_id": item_id}
            | {"place": placed.get(term) if kind is Kind.FOOD else None, "needed": len(placed)}
            for kind, of_kind in named.items()
            for term in sorted(of_kind)
        ]
    if rows:
        conn.execute(sa.insert(recipe_terms), rows)
        known = conflicts.insert(conn.dialect.name, recipe_words).on_conflict_do_nothing()
        conn.execute(known, [{"user_id": user_id, "word": word} for word in sorted(words)])


def _own_version(conn: sa.Connection, user_id: UUID, item_id: UUID) -> Any:
    """The user's row, locked; of a recipe that comes with the program one is made, which is theirs from now on."""
    row = _row(conn, user_id, item_id, locked=True)
    known = built_ins().get(item_id)
    if row is not None or known is None or item_id in _replaced(conn, user_id):
        return row
    insert(conn, user_id, [(item_id, known.content, None)])
    _replace(conn, user_id, item_id)
    conn.execute(sa.update(recipes).where(own.user_id == user_id, own.id == item_id).values(created_at=WRITTEN_AT))
    return _row(conn, user_id, item_id, locked=True)


def _replace(conn: sa.Connection, user_id: UUID, item_id: UUID) -> None:
    new = conflicts.insert(conn.dialect.name, recipe_built_ins_replaced).on_conflict_do_nothing()
    conn.execute(new.values(user_id=user_id, recipe_id=item_id))


def _as_it_came(conn: sa.Connection, user_id: UUID, item_id: UUID, row: Any) -> Recipe:
    """One that comes with the program, without the user's changes."""
    if row is not None:
        _keep_revision(conn, row)
        conn.execute(sa.delete(recipes).where(own.user_id == user_id, own.id == item_id))
    gone = recipe_built_ins_replaced.c
    conn.execute(sa.delete(recipe_built_ins_replaced).where(gone.user_id == user_id, gone.recipe_id == item_id))
    return _as_recipe(built_ins()[item_id])


# --- revisions


def _keep_revision(conn: sa.Connection, row: Any) -> None:
    former = recipe_revisions.c
    here = (former.user_id == row.user_id, former.recipe_id == row.id)
    values = {
        "user_id": row.user_id, "recipe_id": row.id, "revision": row.revision, "content": row.content,
        "source_key": row.source_key, "created_at": row.created_at, "kept_at": database().now(), "taint": row.taint,
        "sources": row.sources,
    }  # fmt: skip
    conn.execute(sa.delete(recipe_revisions).where(*here, former.revision == row.revision))
    conn.execute(sa.insert(recipe_revisions).values(values))
    conn.execute(sa.delete(recipe_revisions).where(*here, former.revision <= row.revision - MOST_REVISIONS))


def _revision(conn: sa.Connection, user_id: UUID, item_id: UUID, revision: int) -> Any:
    former = recipe_revisions.c
    query = sa.select(recipe_revisions).where(
        former.user_id == user_id, former.recipe_id == item_id, former.revision == revision
    )
    return conn.execute(query).first()


def _put_back(conn: sa.Connection, former: Any, job_id: UUID) -> None:
    """A recipe that was removed, under its old id."""
    content = strict_json.read(former.content)
    insert(conn, former.user_id, [(former.recipe_id, content, None)])
    taken = sa.select(own.id).where(own.user_id == former.user_id, own.source_key == former.source_key)
    is_free = former.source_key is not None and conn.execute(taken).first() is None
    values = {
        "revision": former.revision + 1, "changed_by": job_id, "created_at": former.created_at,
        "source_key": former.source_key if is_free else None,
    }  # fmt: skip
    conn.execute(sa.update(recipes).where(own.user_id == former.user_id, own.id == former.recipe_id).values(**values))
