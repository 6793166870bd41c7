"""How the list of recipes is asked of SQL: from the rarest thing that is asked for, or along the list's own order.

Every user's recipes have an inverted index (`recipe_terms`). What is asked for is counted there, up to a bound: the
rarest thing says which recipes may be meant, and each is looked at for the rest. Where everything is common, the list
of the rarest term, or of all recipes, is walked in its order until the page is full, which is soon. Between the two,
where few recipes have all of several things, what was counted is taken as sets of ids, which a recipe's is to be in.

"What I have" is a search for sets: at most m of a recipe's foods are missing, so one of its m + 1 rarest is there
(prefix filtering, Chaudhuri et al. 2006). Those are looked for first, and rare foods have short lists.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from llmcoder.declare import cursor as cursors
from llmcoder.declare.filter import words_of
from llmcoder.errors import BadInput
from tasks.recipe.contents import Terms, tag_term
from tasks.recipe.foods import STAPLES, food_key
from tasks.recipe.records import DIETS, RecipeFilter
from tasks.recipe.tables import recipe_terms, recipe_words, recipes

#: So many recipes are sorted, and looked at one by one; with more, the list is walked in its order.
RARE = 4_000
#: As far as anybody counts what has a term, and how many recipes there are at all.
COUNTED = 20_000
RECIPES_COUNTED = 200_000
#: To have one recipe more in a set costs so much less than to look at one for all that is asked for.
SET_GAIN = 20
#: More terms than these are looked for among all that a recipe has, and not one by one.
MOST_SEEKS = 3
#: More words than this with a part in them are common.
MOST_MATCHING_WORDS = 200
DEFAULT_MISSING = 2
#: The place of what is not needed. A look at one recipe says it so that PostgreSQL takes the index of that recipe, and
#: not the one of places, which it would read as a whole for each.
NOWHERE = 1_000
Condition = sa.ColumnElement[bool]
own = recipes.c


class Kind(StrEnum):
    """What a term is."""

    WORD = "w"
    FOOD = "f"
    TAG = "t"
    DIET = "d"


@dataclass(frozen=True)
class Order:
    """An order of the list: by a column, and what is equal by age."""

    name: str

    @property
    def descending(self) -> bool:
        return self.name.startswith("-")

    @property
    def column(self) -> sa.ColumnElement[Any]:
        columns: dict[str, sa.ColumnElement[Any]] = {"minutes": own.minutes_key, "title": own.title_key}
        return columns.get(self.name.removeprefix("-"), own.id)

    def turned(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return column.desc() if self.descending else column


class Unindexed(sa.ColumnElement[str]):
    """A column that SQLite takes no index for: else it might read the terms of all recipes that are of this kind, which
    the primary key begins with."""

    inherit_cache = True

    def __init__(self, column: sa.ColumnElement[str]) -> None:
        self.column = column
        self.type = column.type


@compiles(Unindexed)
def _plain(element: Unindexed, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.column, **options)


@compiles(Unindexed, "sqlite")
def _hidden(element: Unindexed, compiler: SQLCompiler, **options: Any) -> str:
    return f"coalesce({compiler.process(element.column, **options)}, '')"


def _of_recipe(kind: Kind) -> tuple[Condition, ...]:
    """All terms of the recipe at hand."""
    term = recipe_terms.c
    return term.user_id == own.user_id, term.recipe_id == own.id, Unindexed(term.kind) == kind


def _exists(*conditions: Condition) -> sa.Exists:
    """Of an index alone: SQLite would fetch the rows for `SELECT *`."""
    return sa.select(sa.literal_column("1")).select_from(recipe_terms).where(*conditions).exists()


@dataclass(frozen=True)
class Wanted:
    """One thing that is asked for, as the index has it: any of some terms."""

    kind: Kind
    terms: tuple[str, ...]
    #: Of foods: at most so many rarer ones in the recipe; None where it does not matter.
    place: int | None = None
    #: A part of words, where too many words have it.
    part: str | None = None

    @property
    def is_one_list(self) -> bool:
        """Whether the index has it as one list in the order of ids."""
        return len(self.terms) == 1 and self.place is None

    @property
    def most_looked_at(self) -> int:
        """Up to so many recipes with it are looked at one by one: of those with something that is at home, few are
        nearly all at home, however many there are."""
        return RARE if self.place is None else COUNTED - 1

    def rows(self, user_id: UUID) -> sa.Select[Any]:
        """The ids of the recipes with it."""
        term = recipe_terms.c
        found = sa.select(term.recipe_id).where(term.user_id == user_id, term.kind == self.kind)
        found = found.where(term.term == self.terms[0] if len(self.terms) == 1 else term.term.in_(self.terms))
        if self.place is None:
            return found
        # of k things that are there, and m that may be missing, no recipe is made that needs more than k + m
        return found.where(term.place <= self.place, term.needed <= len(self.terms) + self.place)

    def holds(self) -> Condition:
        """Whether the recipe at hand has it."""
        term = recipe_terms.c
        if self.part is not None:
            return _exists(*_of_recipe(self.kind), term.term.contains(self.part, autoescape=True))
        here: tuple[Condition, ...] = (term.user_id == own.user_id, term.recipe_id == own.id, term.kind == self.kind)
        if len(self.terms) > MOST_SEEKS:
            here = _of_recipe(self.kind)
        named = term.term == self.terms[0] if len(self.terms) == 1 else term.term.in_(self.terms)
        placed = [] if self.place is None else [sa.func.coalesce(term.place, NOWHERE) <= self.place]
        return _exists(*here, named, *placed)


def foods_asked_for(names: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for key in map(food_key, names or ()) if key))


def place_of(cursor: str | None, wanted: RecipeFilter) -> tuple[Any, UUID] | None:
    """Where the page before ended: the value that sorts and the id.

    Raises:
        BadInput: It is no cursor of this list.
    """
    if cursor is None:
        return None
    if wanted.order == "-created":
        try:
            record = UUID(cursor)
        except ValueError:
            pass
        else:
            return record, record
    value, record_id = _read(cursor, wanted)
    try:
        record = UUID(record_id)
        kinds = {"minutes": int, "title": str}
        kind = kinds.get(wanted.order.removeprefix("-"))
        if kind is None:
            return record, record
        if not isinstance(value, kind) or isinstance(value, bool) or "\0" in str(value):
            raise TypeError
        return value, record
    except (ValueError, TypeError, AttributeError):  # one that somebody made, sums and all
        raise BadInput("The cursor is none that was given out. Take `next` of a page as it is.") from None


def _read(cursor: str, wanted: RecipeFilter) -> tuple[Any, Any]:
    place = cursors.read(_scope(wanted), cursor)
    if len(place) != 2:
        raise BadInput("The cursor is none that was given out. Take `next` of a page as it is.")
    return place[0], place[1]


def cursor_after(value: Any, record_id: UUID, wanted: RecipeFilter) -> str:
    key = None if isinstance(value, UUID) else value
    return cursors.written(_scope(wanted), [key, record_id.hex])


def _scope(wanted: RecipeFilter) -> list[Any]:
    return ["recipe/recipes", wanted.order, wanted.given()]


def statement(
    conn: sa.Connection, user_id: UUID, wanted: RecipeFilter, place: tuple[Any, UUID] | None, limit: int
) -> sa.Select[Any] | None:
    """The user's own recipes from a place on, those of one page and in no order; None where surely none is meant.

    Which they are is found out in the indexes alone; only then their contents are read.
    """
    if wanted.ingredients and not foods_asked_for(wanted.ingredients):
        return None  # nothing that is a food
    things = _things(conn, user_id, wanted)
    counts = {thing: _count(conn, user_id, thing) for thing in things if thing.part is None}
    if 0 in counts.values():
        return None
    order = Order(wanted.order)
    conditions = [*_plain_conditions(wanted), *_quick(conn, user_id, wanted)]
    rarest = min(counts, key=lambda thing: counts[thing]) if counts else None
    is_rare = rarest is not None and counts[rarest] <= rarest.most_looked_at
    if rarest is not None and (is_rare or _are_sets_shorter(conn, user_id, things, counts, limit)):
        conditions += _in_sets(conn.dialect.name, user_id, things, counts, rarest)
    elif rarest is not None and order.column is own.id and rarest.is_one_list:
        conditions += [thing.holds() for thing in things if thing is not rarest]
        return _with_contents(user_id, _along(rarest, user_id, order, place, conditions).limit(limit))
    else:
        conditions += [thing.holds() for thing in things]
    ids = sa.select(own.id.label("recipe_id"), order.column.label("sort_key"))
    ids = ids.where(own.user_id == user_id, *conditions, *_beyond(order, own.id, place))
    by = (order.column,) if order.column is own.id else (order.column, own.id)
    return _with_contents(user_id, ids.order_by(*map(order.turned, by)).limit(limit))


def _in_sets(
    dialect: str, user_id: UUID, things: Sequence[Wanted], counts: Mapping[Wanted, int], rarest: Wanted
) -> list[Condition]:
    """That a recipe has all of them: what is not common is taken as sets, which the recipe's id is in."""
    others = [thing for thing in things if thing is not rarest]
    if dialect == "postgresql":
        sets = [thing.rows(user_id) for thing in things if counts.get(thing, COUNTED) < COUNTED]
        common = sa.intersect(*sets) if len(sets) > 1 else sets[0]
        # An array, of which PostgreSQL makes no join: it believes what it guesses of such sets, and took 24 s for one.
        in_all = own.id == sa.any_(sa.func.array(common.scalar_subquery(), type_=sa.ARRAY(sa.Uuid)))
        return [in_all, *(thing.holds() for thing in others if counts.get(thing, COUNTED) >= COUNTED)]
    found: list[Condition] = [own.id.in_(rarest.rows(user_id))]
    for thing in others:
        is_small = counts.get(thing, COUNTED) < min(COUNTED, SET_GAIN * counts[rarest])
        # not of the bare id, or SQLite might begin with this set
        found.append(sa.func.coalesce(own.id, None).in_(thing.rows(user_id)) if is_small else thing.holds())
    return found


def _along(
    thing: Wanted, user_id: UUID, order: Order, place: tuple[Any, UUID] | None, conditions: list[Condition]
) -> sa.Select[Any]:
    """The ids that the index has under a term, which are in the order of the list, as far as they fulfil the rest."""
    there = recipe_terms.alias("there")
    both = there.join(recipes, sa.and_(own.user_id == there.c.user_id, own.id == there.c.recipe_id))
    ids = sa.select(there.c.recipe_id.label("recipe_id"), there.c.recipe_id.label("sort_key")).select_from(both)
    named = (there.c.user_id == user_id, there.c.kind == thing.kind, there.c.term == thing.terms[0])
    return ids.where(*named, *conditions, *_beyond(order, there.c.recipe_id, place)).order_by(
        order.turned(there.c.recipe_id)
    )


def _with_contents(user_id: UUID, ids: sa.Select[Any]) -> sa.Select[Any]:
    page = ids.subquery("page")
    both = page.join(recipes, sa.and_(own.user_id == user_id, own.id == page.c.recipe_id))
    return sa.select(recipes, page.c.sort_key).select_from(both)


def _beyond(order: Order, record_id: sa.ColumnElement[Any], place: tuple[Any, UUID] | None) -> list[Condition]:
    """What comes after the place where the page before ended."""
    if place is None:
        return []
    alone = order.column is own.id
    mine: Any = record_id if alone else sa.tuple_(order.column, record_id)
    other: Any = place[1] if alone else sa.tuple_(*place)
    return [mine < other if order.descending else mine > other]


def _count(conn: sa.Connection, user_id: UUID, thing: Wanted) -> int:
    """How many recipes have it, up to a bound."""
    rows = thing.rows(user_id).limit(COUNTED).subquery()
    return int(conn.execute(sa.select(sa.func.count()).select_from(rows)).scalar_one())


def _are_sets_shorter(
    conn: sa.Connection, user_id: UUID, things: Sequence[Wanted], counts: Mapping[Wanted, int], limit: int
) -> bool:
    """Whether what is not common, taken as sets of which the recipes are in all, costs less than to walk through the
    list until the page is full; as if one thing said nothing of another."""
    known = [count for count in counts.values() if count < COUNTED]
    if not known:
        return False
    rows = sa.select(own.id).where(own.user_id == user_id).limit(RECIPES_COUNTED).subquery()
    total = max(1, int(conn.execute(sa.select(sa.func.count()).select_from(rows)).scalar_one()))
    common = max(COUNTED, total / 2)  # how many have it nobody has counted
    sizes = [*known, *[common] * (len(things) - len(known))]
    walk = limit / math.prod(min(1.0, size / total) for size in sizes)
    return SET_GAIN * min(walk, total) > sum(known)


def _things(conn: sa.Connection, user_id: UUID, wanted: RecipeFilter) -> list[Wanted]:
    things = [_word(conn, user_id, word) for word in words_of(wanted.text or "")]
    things += [Wanted(Kind.FOOD, (food,)) for food in foods_asked_for(wanted.uses)]
    things += [Wanted(Kind.TAG, (tag_term(tag),)) for tag in wanted.tags or ()]
    things += [Wanted(Kind.DIET, (diet,)) for diet in DIETS if diet in (wanted.diet or ())]
    if wanted.ingredients:
        things.append(Wanted(Kind.FOOD, foods_asked_for(wanted.ingredients), place=_missing(wanted)))
    return [thing for thing in things if thing.terms or thing.part]


def _word(conn: sa.Connection, user_id: UUID, word: str) -> Wanted:
    """The words of the user's recipes that it is a part of."""
    known = recipe_words.c
    query = sa.select(known.word).where(known.user_id == user_id, known.word.contains(word, autoescape=True))
    words = tuple(conn.execute(query.limit(MOST_MATCHING_WORDS + 1)).scalars())
    if len(words) > MOST_MATCHING_WORDS:
        return Wanted(Kind.WORD, (), part=word)
    return Wanted(Kind.WORD, words or (word,))


def _missing(wanted: RecipeFilter) -> int:
    return DEFAULT_MISSING if wanted.missing is None else wanted.missing


def _quick(conn: sa.Connection, user_id: UUID, wanted: RecipeFilter) -> list[Condition]:
    """Recipes that take no longer. SQLite would look for them by their time and sort them, however many there are."""
    if wanted.max_minutes is None:
        return []
    quick = own.minutes_key <= wanted.max_minutes
    if conn.dialect.name != "sqlite" or wanted.order == "minutes":
        return [quick]
    rows = sa.select(own.id).where(own.user_id == user_id, quick).limit(RARE + 1).subquery()
    count = conn.execute(sa.select(sa.func.count()).select_from(rows)).scalar_one()
    return [quick if count <= RARE else own.minutes_key + 0 <= wanted.max_minutes]


def _plain_conditions(wanted: RecipeFilter) -> list[Condition]:
    found: list[Condition] = []
    term = recipe_terms.c
    here = (term.user_id == own.user_id, term.recipe_id == own.id, term.kind == Kind.FOOD)
    if without := foods_asked_for(wanted.without):
        found.append(~_exists(*here, term.term.in_(without)))
    if wanted.ingredients:
        there = foods_asked_for(wanted.ingredients)
        needed = sa.func.coalesce(term.place, NOWHERE) < NOWHERE
        lacking = sa.select(sa.func.count()).where(*_of_recipe(Kind.FOOD), needed, term.term.not_in(there))
        found.append(lacking.scalar_subquery() <= _missing(wanted))
    return found


# --- the same, of a recipe that has no row


def matches(terms: Terms, minutes: int | None, wanted: RecipeFilter) -> bool:
    """Whether a recipe that comes with the program is meant: what `statement` says of rows."""
    if wanted.max_minutes is not None and (minutes is None or minutes > wanted.max_minutes):
        return False
    if any(not any(word in known for known in terms.words) for word in words_of(wanted.text or "")):
        return False
    if not set(map(tag_term, wanted.tags or ())) <= terms.tags or not set(wanted.diet or ()) <= terms.diets:
        return False
    if not set(foods_asked_for(wanted.uses)) <= terms.foods or terms.foods & set(foods_asked_for(wanted.without)):
        return False
    return not wanted.ingredients or _is_nearly_there(terms, wanted)


def _is_nearly_there(terms: Terms, wanted: RecipeFilter) -> bool:
    there, most = set(foods_asked_for(wanted.ingredients)), _missing(wanted)
    lacking = [food for food in terms.needed if food not in there]
    return len(lacking) <= most and bool(there & set(terms.needed[: most + 1]))


def missing_of(needed: Sequence[str], wanted: RecipeFilter) -> list[str] | None:
    """What a recipe needs beside what is there."""
    if not wanted.ingredients:
        return None
    there = {*foods_asked_for(wanted.ingredients), *STAPLES}
    return [food for food in needed if food not in there]
