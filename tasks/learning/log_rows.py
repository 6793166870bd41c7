"""The log of reviews as rows, and cards made anew from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models.db import conflicts
from tasks.learning.scheduling import Entry, Kind, Memory, Rating, of_row, replayed
from tasks.learning.tables import cards, reviews

log = reviews.c
own = cards.c
#: Cards whose logs are read by one statement.
AT_ONCE = 500


def entry_of(row: Any) -> Entry:
    return Entry(
        id=row.id, at=row.reviewed_at, kind=Kind(row.kind),
        rating=None if row.rating is None else Rating.of(row.rating),
        retention=Entry.retention if row.retention is None else row.retention,
        chance=row.chance, voids=row.voids, stability=row.stability, difficulty=row.difficulty, due_at=row.due_at,
        duration_s=row.duration_s,
    )  # fmt: skip


def columns_of(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id, "reviewed_at": entry.at, "kind": entry.kind,
        "rating": None if entry.rating is None else entry.rating.number, "retention": entry.retention,
        "chance": entry.chance, "voids": entry.voids, "stability": entry.stability, "difficulty": entry.difficulty,
        "due_at": entry.due_at, "duration_s": entry.duration_s,
    }  # fmt: skip


def add(conn: sa.Connection, row: dict[str, Any]) -> bool:
    """Add an entry; False where one of its client key is there already."""
    new = insert_new(conn.dialect.name).values({"import_id": None} | row).returning(log.id)
    return conn.execute(new).first() is not None


def insert_new(dialect: str) -> Any:
    """An INSERT that leaves out entries whose client key is there already."""
    return conflicts.insert(dialect, reviews).on_conflict_do_nothing(index_elements=["user_id", "client_key"])


def entries_of(conn: sa.Connection, user_id: UUID, card_ids: Sequence[UUID]) -> dict[UUID, list[Entry]]:
    """The logs of these cards."""
    logs: dict[UUID, list[Entry]] = defaultdict(list)
    query = sa.select(reviews).where(log.card_id.in_(card_ids), log.user_id == user_id)
    for row in conn.execute(query):
        logs[row.card_id].append(entry_of(row))
    return logs


def replay(conn: sa.Connection, user_id: UUID, card: Any) -> Memory:
    """Make a card's state anew from its log."""
    memory = replayed(entries_of(conn, user_id, [card.id])[card.id], card.created_at)
    put(conn, card.id, memory)
    return memory


def put(conn: sa.Connection, card_id: UUID, memory: Memory) -> None:
    conn.execute(sa.update(cards).where(own.id == card_id).values(memory.columns()))


def differing(conn: sa.Connection, user_id: UUID) -> Iterator[tuple[UUID, bool]]:
    """Every card of a user, with whether it is other than its log says."""
    last = None
    while True:
        beyond = sa.true() if last is None else own.id > last
        query = sa.select(cards).where(own.user_id == user_id, beyond).order_by(own.id).limit(AT_ONCE)
        rows = conn.execute(query).all()
        if not rows:
            return
        logs = entries_of(conn, user_id, [row.id for row in rows])
        for row in rows:
            yield row.id, of_row(row) != replayed(logs[row.id], row.created_at)
        last = rows[-1].id
