"""What is on a user's shopping list: every need with the to-do that it went into, until that is done or taken back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid5

import sqlalchemy as sa

from llmcoder.todos import TodoList
from models.db import conflicts
from models.db.database import database, reading, writing
from models.owned_records import origin_of_new, was_read
from tasks.recipe.shopping import Need, Purchase, merged
from tasks.recipe.tables import shopping_entries

WHAT = "shopping list"
LONGEST_TITLE = 500
own = shopping_entries.c


class ShoppingList:
    """Of one user.

    A line is written in this order: its to-do, its entries, its to-do's title from all entries that are there. So an
    attempt that dies and is run again ends with the same list, and two that run at once leave nothing out.
    """

    def __init__(self, user_id: UUID, todos: TodoList) -> None:
        self._user_id = user_id
        self._todos = todos

    def add(self, batch_id: UUID, needs: Sequence[Need]) -> dict[UUID, Purchase]:
        """Put needs on the list; those for a food that is on it already join its line."""
        mine = {row.id for row in _rows(self._user_id, own.batch_id == batch_id)}
        there = self._open_lines([need.food_key for need in needs])
        todo_of: dict[str, UUID] = {}
        for purchase in merged(needs):
            todo_id = there.get(purchase.food_key) or uuid5(batch_id, purchase.food_key)
            todo_of[purchase.food_key] = todo_id
            if purchase.food_key not in there:
                self._todos.add(todo_id, title_of(purchase))
        rows = [
            self._row(batch_id, number, need, todo_of[need.food_key])
            for number, need in enumerate(needs)
            if uuid5(batch_id, str(number)) not in mine
        ]
        if rows:
            with writing(WHAT) as conn:
                new = conflicts.insert(conn.dialect.name, shopping_entries)
                conn.execute(new.on_conflict_do_nothing(), rows)
        return self._rename(set(todo_of.values()))

    def take_off(self, batch_id: UUID | None, recipe_id: UUID | None) -> tuple[list[str], list[str]]:
        """Take what one job, or one recipe, put there off the list; titles of what is gone, and of what is less now."""
        meant = [own.batch_id == batch_id] if batch_id is not None else [own.recipe_id == recipe_id]
        gone = _rows(self._user_id, *meant)
        ids = {row.id for row in gone}
        removed: list[str] = []
        changed: list[str] = []
        is_open = self._todos.still_open({row.todo_id for row in gone})
        for todo_id in dict.fromkeys(row.todo_id for row in gone if row.todo_id in is_open):
            on_it = _rows(self._user_id, own.todo_id == todo_id)
            left = [_need(row) for row in on_it if row.id not in ids]
            if left:
                changed.append(title_of(merged(left)[0]))
                self._todos.rename(todo_id, changed[-1])
            else:
                removed.append(title_of(merged([_need(row) for row in on_it])[0]))
                self._todos.remove(todo_id)
        with writing(WHAT) as conn:
            conn.execute(sa.delete(shopping_entries).where(own.user_id == self._user_id, own.id.in_(ids)))
        return removed, changed

    def _open_lines(self, foods: Sequence[str]) -> dict[str, UUID]:
        """The to-dos that foods are on; entries whose to-do is done or gone are bought, and removed."""
        rows = _rows(self._user_id, own.food_key.in_(set(foods)))
        is_open = self._todos.still_open({row.todo_id for row in rows})
        done = [row.id for row in rows if row.todo_id not in is_open]
        if done:
            with writing(WHAT) as conn:
                conn.execute(sa.delete(shopping_entries).where(own.user_id == self._user_id, own.id.in_(done)))
        return {row.food_key: row.todo_id for row in rows if row.todo_id in is_open}

    def _rename(self, todo_ids: set[UUID]) -> dict[UUID, Purchase]:
        purchases = _by_todo(_rows(self._user_id, own.todo_id.in_(todo_ids)))
        for todo_id, purchase in purchases.items():
            self._todos.rename(todo_id, title_of(purchase))
        return purchases

    def _row(self, batch_id: UUID, number: int, need: Need, todo_id: UUID) -> Mapping[str, Any]:
        return {
            "id": uuid5(batch_id, str(number)), "user_id": self._user_id, "batch_id": batch_id,
            "recipe_id": need.recipe_id, "recipe_title": need.recipe_title[:300], "food_key": need.food_key,
            "line": need.line, "factor": str(need.factor), "todo_id": todo_id, "created_at": database().now(),
            **origin_of_new(),
        }  # fmt: skip


def still_to_buy(user_id: UUID, todos: TodoList) -> dict[UUID, Purchase]:
    """What is on a user's list, by its to-do; what is done is bought."""
    rows = _rows(user_id)
    is_open = todos.still_open({row.todo_id for row in rows})
    return _by_todo(row for row in rows if row.todo_id in is_open)


def _rows(user_id: UUID, *meant: sa.ColumnElement[bool]) -> Sequence[Any]:
    query = sa.select(shopping_entries).where(own.user_id == user_id, *meant)
    with reading(WHAT) as conn:
        rows = conn.execute(query.order_by(own.created_at, own.id)).all()
    for row in rows:
        was_read(row)
    return rows


def title_of(purchase: Purchase) -> str:
    """What the to-do is called: what to buy, and for what."""
    text = f"{purchase.text} ({', '.join(purchase.titles)})"
    return text if len(text) <= LONGEST_TITLE else f"{text[: LONGEST_TITLE - 1]}…"


def _need(row: Any) -> Need:
    return Need(row.recipe_id, row.recipe_title, row.food_key, row.line, Fraction(row.factor))


def _by_todo(rows: Iterable[Any]) -> dict[UUID, Purchase]:
    needs: dict[UUID, list[Need]] = {}
    for row in rows:
        needs.setdefault(row.todo_id, []).append(_need(row))
    return {todo_id: merged(of_todo)[0] for todo_id, of_todo in needs.items()}
