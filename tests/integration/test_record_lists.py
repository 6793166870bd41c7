"""Lists of records as a stranger asks for them: the same records in the same order on both stores, page by page.

What a list should be is said a second time in Python, over values of every kind, and compared.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, cast
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field

from llmcoder import Model
from llmcoder.caseless import fold
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.declare import cursor as cursors
from llmcoder.declare.collection import Page
from llmcoder.declare.filter import (
    AtLeast,
    AtMost,
    Before,
    Equals,
    Filter,
    HasPassage,
    HasWords,
    IsSet,
    Passage,
    Words,
    words_of,
)
from llmcoder.errors import BadInput, DeclarationError
from llmcoder.ids import new_id
from models import record_list
from models.db.base import Instant
from models.db.database import Database
from models.owned_records import OwnedRows
from models.record_list import Condition, folded_column
from models.text_index import create_text_index
from tasks.general.records import NewNote, NewTodo, NoteFilter, TodoFilter
from tasks.general.store import NOTES, TODOS

pytestmark = pytest.mark.both_stores


def recipes_table(name: str, *, indexed: bool) -> sa.Table:
    return sa.Table(
        name, sa.MetaData(),
        sa.Column("id", sa.Uuid, primary_key=True), sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("created_at", Instant, nullable=False), sa.Column("updated_at", Instant, nullable=False),
        sa.Column("title", sa.Text, nullable=False), folded_column("title", indexed=indexed),
        sa.Column("story", sa.Text), folded_column("story", indexed=indexed),
        sa.Column("minutes", sa.Integer), sa.Column("rest_minutes", sa.Integer),
        sa.Column("cuisine", sa.String(40)), sa.Column("eaten_at", Instant), sa.Column("rating", sa.Float),
        sa.Column("is_vegan", sa.Boolean), sa.Index(f"ix_{name}_user", "user_id", "id"),
    )  # fmt: skip


recipes = recipes_table("test_recipes", indexed=False)
indexed = recipes_table("test_indexed_recipes", indexed=True)


class NewRecipe(Model):
    title: str = Field(description="What it is called.")
    story: str | None = Field(None, description="Where it comes from.")
    minutes: int | None = Field(None, description="Of work.")
    rest_minutes: int | None = Field(None, description="Of waiting.")
    cuisine: str | None = Field(None, description="From where.")
    eaten_at: datetime | None = Field(None, description="When it was eaten last.")
    rating: float | None = Field(None, description="How good it is.")
    is_vegan: bool | None = Field(None, description="Whether it has nothing of animals.")


class Recipe(NewRecipe):
    id: UUID = Field(description="Its id.")


SORTS = {
    "title": "title", "story": "story", "minutes": "minutes", "eaten": "eaten_at", "rating": "rating",
    "vegan": "is_vegan",
}  # fmt: skip
Sort = Literal[
    "created", "-created", "title", "-title", "story", "-story", "minutes", "-minutes", "eaten", "-eaten",
    "rating", "-rating", "vegan", "-vegan",
]  # fmt: skip


class RecipeFilter(Filter):
    text: Annotated[Words | None, HasWords("title", "story")] = Field(None, description="Words.")
    contains: Annotated[Passage | None, HasPassage("title")] = Field(None, description="A passage.")
    max_minutes: Annotated[int | None, AtMost("minutes")] = Field(None, description="Of work.")
    min_rating: Annotated[float | None, AtLeast("rating")] = Field(None, description="How good at least.")
    eaten_before: Annotated[datetime | None, Before("eaten_at")] = Field(None, description="Eaten earlier.")
    eaten: Annotated[bool | None, IsSet("eaten_at")] = Field(None, description="Whether it was eaten.")
    cuisine: Annotated[list[str], Equals("cuisine")] = Field([], description="One of these.")
    vegan: Annotated[bool | None, Equals("is_vegan")] = Field(None, description="Whether it is.")
    max_total: int | None = Field(None, description="Of work and waiting together.")
    sort: Sort = Field("-created", description="The order.")


class Recipes(OwnedRows[NewRecipe, NewRecipe, Recipe]):
    def condition(self, name: str, value: Any) -> Condition:
        own = self._table.c
        total = sa.func.coalesce(own.minutes, 0) + sa.func.coalesce(own.rest_minutes, 0)
        return cast("Condition", total <= sa.literal(value, sa.BigInteger()))


STORE = Recipes(recipes, Recipe, RecipeFilter, SORTS)
INDEXED = Recipes(indexed, Recipe, RecipeFilter, SORTS)


@pytest.fixture
def store(db: Database, configured: Config) -> Recipes:
    with db.write() as conn:
        recipes.create(conn)
    return STORE


@pytest.fixture(params=["no text index", "few have a word", "many have a word"])
def any_store(store: Recipes, db: Database, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Recipes:
    if request.param == "no text index":
        return store
    monkeypatch.setattr(record_list, "FEW_HITS", 1_000 if request.param == "few have a word" else 1)
    with db.write() as conn:
        indexed.create(conn)
        create_text_index(conn, indexed.name, "title", "story")
    return INDEXED


# --- what a list should be


def matches(one: Recipe, wanted: RecipeFilter) -> bool:
    texts = [fold(one.title), fold(one.story or "")]
    return all([
        wanted.text is None or all(any(word in text for text in texts) for word in words_of(wanted.text)),
        wanted.contains is None or fold(wanted.contains) in fold(one.title),
        wanted.max_minutes is None or (one.minutes is not None and one.minutes <= wanted.max_minutes),
        wanted.min_rating is None or (one.rating is not None and one.rating >= wanted.min_rating),
        wanted.eaten_before is None or (one.eaten_at is not None and one.eaten_at < wanted.eaten_before),
        wanted.eaten is None or (one.eaten_at is not None) == wanted.eaten,
        not wanted.cuisine or one.cuisine in wanted.cuisine,
        wanted.vegan is None or one.is_vegan == wanted.vegan,
        wanted.max_total is None or (one.minutes or 0) + (one.rest_minutes or 0) <= wanted.max_total,
    ])  # fmt: skip


def in_order(all_of_them: list[Recipe], sort: str) -> list[Recipe]:
    name, turned = sort.removeprefix("-"), sort.startswith("-")

    def key(one: Recipe) -> Any:
        if name == "created":
            return one.id
        value = getattr(one, SORTS[name])
        return fold(value)[:200].encode() if isinstance(value, str) else value

    by_age = sorted(all_of_them, key=lambda one: one.id, reverse=turned)
    with_value = [one for one in by_age if key(one) is not None]
    return sorted(with_value, key=key, reverse=turned) + [one for one in by_age if key(one) is None]


def pages(store: Any, user: User, wanted: Filter, limit: int) -> Iterator[Page[Any]]:
    cursor = None
    for _ in range(1_000):
        page = store.page(user.id, cursor, limit, wanted)
        yield page
        cursor = page.next
        if cursor is None:
            return
        assert len(page.items) == limit
    raise AssertionError("the list has no end")


def listed(store: Any, user: User, wanted: Filter, limit: int = 3) -> list[Any]:
    return [one for page in pages(store, user, wanted, limit) for one in page.items]


WORDS = ["Straße", "STRASSE", "crème", "CRÈME", "Ärger", "a\u0308rger", "_", "%", "\\", "/", "'", "zwei  Worte", "日本"]
texts = st.one_of(st.sampled_from(WORDS), st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=5))
instants = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  as hypothesis wants them
new_recipes = st.builds(
    NewRecipe,
    title=texts, story=st.none() | texts, minutes=st.none() | st.integers(-3, 3), rest_minutes=st.none() | st.just(2),
    cuisine=st.none() | st.sampled_from(["it", "IT", "jp"]), eaten_at=st.none() | instants,
    rating=st.none() | st.floats(-2, 2), is_vegan=st.none() | st.booleans(),
)  # fmt: skip
filters = st.builds(
    RecipeFilter,
    text=st.none() | st.sampled_from(WORDS), contains=st.none() | st.sampled_from(WORDS),
    max_minutes=st.none() | st.integers(-3, 3), min_rating=st.none() | st.floats(-2, 2),
    eaten_before=st.none() | instants, eaten=st.none() | st.booleans(),
    cuisine=st.lists(st.sampled_from(["it", "IT", "fr"]), max_size=2), vegan=st.none() | st.booleans(),
    max_total=st.none() | st.integers(-3, 5), sort=st.sampled_from(sorted(Sort.__args__)),  # type: ignore[attr-defined]
)  # fmt: skip
narrow = st.builds(RecipeFilter, sort=st.sampled_from(sorted(Sort.__args__)))  # type: ignore[attr-defined]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(new_recipes, max_size=12), st.one_of(narrow, filters), st.integers(1, 5))
def test_every_page_of_every_list_is_what_it_says(
    any_store: Recipes,
    new_user: Callable[[str], User],
    given_recipes: list[NewRecipe],
    wanted: RecipeFilter,
    limit: int,
) -> None:
    user, other = new_user(f"{new_id().hex}@example.org"), new_user(f"{new_id().hex}@example.org")
    kept = [any_store.add(user.id, one) for one in given_recipes]
    for one in given_recipes[:2]:
        any_store.add(other.id, one)
    expected = in_order([one for one in kept if matches(one, wanted)], wanted.sort)
    assert [one.title for one in listed(any_store, user, wanted, limit)] == [one.title for one in expected]
    assert listed(any_store, user, wanted, limit) == expected


@pytest.mark.parametrize("sort", sorted(Sort.__args__))  # type: ignore[attr-defined]
def test_records_that_come_go_and_change_between_pages_skip_and_double_no_other(
    store: Recipes, user: User, sort: str
) -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    kept = [
        store.add(
            user.id,
            NewRecipe(
                title=f"{number % 3}", story=None if number % 4 else "x", minutes=number % 2 or None,
                eaten_at=at + timedelta(days=number % 3), rating=number % 3 / 10, is_vegan=bool(number % 2),
            ),
        )
        for number in range(12)
    ]  # fmt: skip
    wanted = RecipeFilter(sort=cast("Any", sort))
    seen: list[Recipe] = []
    for number, page in enumerate(pages(store, user, wanted, 3)):
        seen += page.items
        gone = page.items[-1]
        kept = [one for one in kept if one.id != gone.id]
        assert store.remove(user.id, gone.id)  # at which the next page begins
        for title in ("", "1", "\U0010ffff") if number < 3 else ():
            store.add(user.id, NewRecipe(title=title, story=title, minutes=number, eaten_at=at, rating=0.1))
    ids = [one.id for one in seen]
    assert len(ids) == len(set(ids))
    assert {one.id for one in kept} <= set(ids)


def test_a_long_text_sorts_by_its_beginning_and_its_cursor_fits_into_an_address(store: Recipes, user: User) -> None:
    same = "\U0001f9c0" * 300
    kept = [store.add(user.id, NewRecipe(title=same + str(number))) for number in range(5)]
    wanted = RecipeFilter(sort="title")
    for page in pages(store, user, wanted, 1):
        assert len(page.next or "") <= cursors.LONGEST
    assert [one.id for one in listed(store, user, wanted, 1)] == [one.id for one in kept]


# --- cursors


def broken_cursors(cursor: str) -> Iterator[str]:
    for at in range(0, len(cursor), 3):
        yield cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
    yield from (cursor[:-1], cursor + "A", cursor + "=", cursor[::-1], "", "x", "ä", "é" * 10, "!" * 20, "bnVsbA")


def test_a_cursor_that_was_changed_is_refused(store: Recipes, user: User) -> None:
    for number in range(3):
        store.add(user.id, NewRecipe(title=str(number)))
    wanted = RecipeFilter(sort="title")
    cursor = store.page(user.id, None, 1, wanted).next
    assert cursor is not None
    for broken in broken_cursors(cursor):
        with pytest.raises(BadInput, match="cursor"):
            store.page(user.id, broken, 1, wanted)
    assert len(store.page(user.id, cursor, 5, wanted).items) == 2


def test_a_cursor_belongs_to_its_sort_and_its_filter(store: Recipes, user: User) -> None:
    for number in range(3):
        store.add(user.id, NewRecipe(title=str(number), minutes=number))
    asked = [
        RecipeFilter(), RecipeFilter(sort="created"), RecipeFilter(sort="title"), RecipeFilter(sort="-title"),
        RecipeFilter(max_minutes=9), RecipeFilter(max_minutes=8), RecipeFilter(max_minutes=9, sort="title"),
    ]  # fmt: skip
    of = {number: store.page(user.id, None, 1, wanted).next for number, wanted in enumerate(asked)}
    for (number, cursor), (other, wanted) in itertools.product(of.items(), enumerate(asked)):
        if number == other:
            assert len(store.page(user.id, cursor, 5, wanted).items) == 2
        else:
            with pytest.raises(BadInput, match=r"another list, sort or filter"):
                store.page(user.id, cursor, 5, wanted)


@pytest.mark.parametrize(
    "place", [[], [1], ["x", "y"], [{}, "y"], [None, None], ["2030", "x" * 32], [10**30, f"{new_id().hex}"], [True, ""]]
)
def test_a_cursor_that_somebody_made_is_refused_too(store: Recipes, user: User, place: list[Any]) -> None:
    for sort in ("minutes", "eaten", "created", "title"):
        wanted = RecipeFilter(sort=cast("Any", sort))
        forged = cursors.written(["test_recipes", sort, {}], place)
        with pytest.raises(BadInput, match="none that was given out"):
            store.page(user.id, forged, 1, wanted)


def test_the_id_of_a_record_is_a_place_where_the_newest_come_first(store: Recipes, user: User) -> None:
    first, second = (store.add(user.id, NewRecipe(title=title)) for title in ("one", "two"))
    assert store.page(user.id, str(second.id), 5).items == [first]
    with pytest.raises(BadInput):
        store.page(user.id, str(second.id), 5, RecipeFilter(sort="title"))


# --- what values become


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": ""}, {"text": "  "}, {"text": "a\0"}, {"text": "x" * 201}, {"text": " ".join(map(str, range(21)))},
        {"contains": "\0"}, {"max_minutes": 2**63}, {"max_minutes": 1.5}, {"min_rating": float("inf")},
        {"cuisine": ["x"] * 101}, {"cuisine": ["\0"]}, {"sort": "nonsense"}, {"sort": "--title"}, {"nonsense": 1},
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        RecipeFilter.model_validate(wrong)


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63) + 1, 2**31])
def test_the_largest_numbers_are_compared(store: Recipes, user: User, value: int) -> None:
    store.add(user.id, NewRecipe(title="x", minutes=1))
    found = store.page(user.id, None, 5, RecipeFilter(max_minutes=value, max_total=value)).items
    assert len(found) == (value > 0)


# --- declarations


class Unmarked(Filter):
    text: str | None = Field(None, description="x")


class Elsewhere(Filter):
    text: Annotated[str | None, Equals("nowhere")] = Field(None, description="x")


class Unfolded(Filter):
    text: Annotated[str | None, HasPassage("cuisine")] = Field(None, description="x")


class Unsorted(Filter):
    sort: Literal["title", "-title"] = Field("title", description="x")


@pytest.mark.parametrize(
    ("wrong", "sorts", "rule"),
    [
        (Unmarked, {}, "has a mark; not so text"),
        (Elsewhere, {}, "columns that are not there: nowhere"),
        (Unfolded, {}, r"has a folded_column\(\): cuisine"),
        (Unsorted, {"title": "title"}, "is a Literal of created, title"),
        (Filter, {"title": "title"}, "is a Literal of created, title"),
        (Filter, {"cuisine": "cuisine"}, r"has a folded_column\(\): cuisine"),
    ],
)
def test_a_filter_that_does_not_fit_its_table_names_the_rule(
    wrong: type[Filter], sorts: dict[str, str], rule: str
) -> None:
    with pytest.raises(DeclarationError, match=rule):
        OwnedRows[NewRecipe, NewRecipe, Recipe](recipes, Recipe, wrong, sorts)


# --- the index


def plans_of(db: Database, ask: Callable[[], object]) -> list[str]:
    """Of each statement that it takes, in their order."""
    asked: list[tuple[str, Any]] = []

    def hear(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", hear)
    try:
        ask()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", hear)
    how = "EXPLAIN QUERY PLAN " if db.is_sqlite else "EXPLAIN "
    with db.read() as conn:
        return [
            "\n".join(str(row[-1]) for row in conn.exec_driver_sql(how + statement, parameters))
            for statement, parameters in asked
        ]


def test_a_list_reads_what_is_the_users_by_the_index(
    db: Database, configured: Config, user: User, new_user: Callable[[str], User]
) -> None:
    for number in range(100):
        other = new_user(f"other{number}@example.org")
        for _ in range(20):
            NOTES.add(other.id, NewNote(text="x"))
    for number in range(20):
        NOTES.add(user.id, NewNote(text=f"note {number}"))
    if not db.is_sqlite:
        with db.write() as conn:
            conn.exec_driver_sql("ANALYZE notes")
    for wanted in (NoteFilter(), NoteFilter(text="note"), NoteFilter(sort="text"), NoteFilter(sort="-updated")):
        plan = plans_of(db, lambda wanted=wanted: NOTES.page(user.id, None, 5, wanted))[-1]
        assert "ix_notes_user" in plan, plan
    newest = plans_of(db, lambda: NOTES.page(user.id, str(new_id()), 5, NoteFilter()))[-1]
    assert "SORT" not in newest.upper() and "TEMP B-TREE" not in newest.upper(), newest


@pytest.mark.parametrize("any_store", ["few have a word"], indirect=True)
def test_words_are_looked_for_in_the_text_index(any_store: Recipes, db: Database, user: User) -> None:
    now = db.now()
    dated = {"created_at": now, "updated_at": now, "user_id": user.id}
    rows = [
        {"id": new_id(), "title": title, "title_folded": title, "story": title, "story_folded": title, **dated}
        for title in (f"{random.Random(number).randbytes(20).hex()} number" for number in range(5_000))
    ]
    with db.write() as conn:
        conn.execute(sa.insert(indexed), rows)
        if not db.is_sqlite:
            conn.exec_driver_sql(f"ANALYZE {indexed.name}")
    wanted = RecipeFilter(text=rows[7]["title"][:9], sort="title")
    plans = plans_of(db, lambda: any_store.page(user.id, None, 5, wanted))
    with_words = f"COVERING INDEX tx_{indexed.name}" if db.is_sqlite else f"tx_{indexed.name}_title_folded"
    assert with_words in plans[0], plans
    assert [one.id for one in any_store.page(user.id, None, 5, wanted).items] == [rows[7]["id"]]


# --- notes and to-dos


def test_notes_are_found_in_any_case_of_any_alphabet(configured: Config, user: User) -> None:
    for text in ("Die Straße am Ärmelkanal", "ΟΔΟΣ ΣΟΦΙΑΣ", "100% _sure_"):
        NOTES.add(user.id, NewNote(text=text))
    for words, number in (
        ("STRASSE ärmelkanal", 1), ("οδος", 1), ("σοφιας οδος", 1), ("100%", 1), ("_", 1), ("%%", 0), ("arm", 0),
        ("a", 1), ("straße οδος", 0),
    ):  # fmt: skip
        assert len(listed(NOTES, user, NoteFilter(text=words))) == number, words
    assert len(listed(NOTES, user, NoteFilter(contains="strasse AM"))) == 1
    assert listed(NOTES, user, NoteFilter(contains="AM strasse")) == []


def test_a_note_that_an_earlier_version_wrote_is_found_by_its_text(
    db: Database, configured: Config, user: User
) -> None:
    note = NOTES.add(user.id, NewNote(text="Milk"))
    with db.write() as conn:
        conn.execute(sa.text("UPDATE notes SET text_folded = NULL"))
    assert listed(NOTES, user, NoteFilter(text="milk", sort="text")) == [note]


def test_todos_come_by_their_due_date_with_those_of_some_day_last(configured: Config, user: User) -> None:
    soon, later = datetime(2030, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
    dues = {"later": later, "some day": None, "soon": soon}
    for title, due_at in dues.items():
        TODOS.add(user.id, NewTodo(title=title, due_at=due_at))

    def titles(**asked: Any) -> list[str]:
        return [one.title for one in listed(TODOS, user, TodoFilter(**asked), 1)]

    assert titles(sort="due") == ["soon", "later", "some day"]
    assert titles(sort="-due") == ["later", "soon", "some day"]
    assert titles(due_before=later) == ["soon"]
    assert titles(due_after=later) == ["later"]
    assert titles(has_due_date=False) == ["some day"]
    assert titles(sort="title", done=False) == ["later", "some day", "soon"]
    assert titles(done=True) == []


def test_the_filter_of_a_list_fits_its_schema() -> None:
    schema = TodoFilter.model_json_schema()["properties"]
    assert all(one["description"] for one in schema.values())
    assert "-due" in json.dumps(schema["sort"])
