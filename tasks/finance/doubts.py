"""Rows of an import that may be transactions that are there already: shown side by side, answered, and taken back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field

from llmcoder import Model
from llmcoder.caseless import fold
from llmcoder.ids import new_id
from llmcoder.money import Money
from models.owned_records import origin_of_changed, was_read
from tasks.finance.categories import rules_of
from tasks.finance.identity import text_key
from tasks.finance.importing import note_sightings, of_json
from tasks.finance.records import Transaction
from tasks.finance.statement import Row
from tasks.finance.store import shown_transaction
from tasks.finance.tables import doubts, sightings, transactions

own = doubts.c


class HeldRow(Model):
    """A row of a statement that is held back."""

    booked_on: date = Field(description="When it was booked.")
    amount: Money = Field(description="Negative is money out.")
    text: str = Field(description="What the bank wrote of it.")


class Doubt(Model):
    """Two rows that may be one."""

    id: UUID = Field(description="The question's id.")
    import_id: UUID = Field(description="The import that met it.")
    held: HeldRow = Field(description="The row of the new statement, which waits.")
    existing: Transaction = Field(description="The transaction that it may be.")
    reason: str = Field(description="Why nobody can tell.")
    answer: str | None = Field(description="same, different, or null while nobody has said.")


def doubts_of_import(conn: sa.Connection, user_id: UUID, import_id: UUID, limit: int) -> list[Doubt]:
    query = sa.select(doubts).where(own.user_id == user_id, own.import_id == import_id).order_by(own.id).limit(limit)
    return shown_doubts(conn, conn.execute(query).all())


def shown_doubts(conn: sa.Connection, rows: Sequence[Any]) -> list[Doubt]:
    ids = [row.transaction_id for row in rows]
    there = conn.execute(sa.select(transactions).where(transactions.c.id.in_(ids))).all()
    existing = {one.id: shown_transaction(one) for one in there}
    return [_shown(row, existing[row.transaction_id]) for row in rows if row.transaction_id in existing]


def _shown(row: Any, existing: Transaction) -> Doubt:
    was_read(row)
    held = of_json(row.row)
    shown = HeldRow(booked_on=held.booked_on, amount=held.amount, text=held.text)
    return Doubt(
        id=row.id, import_id=row.import_id, held=shown, existing=existing, reason=row.reason, answer=row.answer
    )


def open_doubts(conn: sa.Connection, user_id: UUID, before: UUID | None, limit: int) -> Sequence[Any]:
    older = [] if before is None else [own.id < before]
    query = sa.select(doubts).where(own.user_id == user_id, own.answer.is_(None), *older)
    return conn.execute(query.order_by(own.id.desc()).limit(limit)).all()


def locked(
    conn: sa.Connection, user_id: UUID, ids: Sequence[UUID], import_id: UUID | None, limit: int
) -> Sequence[Any]:
    """The questions that are meant: of an import, the first of those nobody has answered."""
    meant = own.id.in_(ids) if import_id is None else sa.and_(own.import_id == import_id, own.answer.is_(None))
    query = sa.select(doubts).where(own.user_id == user_id, meant).order_by(own.id).limit(limit)
    return conn.execute(query.with_for_update()).all()


def count_open(conn: sa.Connection, user_id: UUID, import_id: UUID) -> int:
    """How many questions of an import nobody has answered."""
    query = sa.select(sa.func.count()).where(own.user_id == user_id, own.import_id == import_id, own.answer.is_(None))
    return int(conn.execute(query).scalar_one())


def settle(conn: sa.Connection, row: Any, answer: str, now: datetime) -> None:
    """Write an answer down, and do what it means; the answer that stands already changes nothing."""
    if row.answer == answer:
        return
    reopen(conn, row, now)
    added_id = None
    if answer == "same":
        note_sightings(conn, row.import_id, [row.transaction_id])
    else:
        added_id = _added(conn, row, of_json(row.row), now)
        note_sightings(conn, row.import_id, [added_id])
    _put(conn, row, {"answer": answer, "added_id": added_id}, now)


def reopen(conn: sa.Connection, row: Any, now: datetime) -> None:
    """Take an answer back."""
    if row.added_id is not None:
        conn.execute(sa.delete(transactions).where(transactions.c.id == row.added_id))
    if row.answer == "same":
        seen = sightings.c
        conn.execute(sa.delete(sightings).where(
            seen.import_id == row.import_id, seen.transaction_id == row.transaction_id
        ))  # fmt: skip
    _put(conn, row, {"answer": None, "added_id": None}, now)


def _put(conn: sa.Connection, row: Any, values: dict[str, Any], now: datetime) -> None:
    values = values | origin_of_changed(row) | {"updated_at": now}
    conn.execute(sa.update(doubts).where(own.id == row.id).values(**values))


def _added(conn: sa.Connection, doubt: Any, row: Row, now: datetime) -> UUID:
    key, table = text_key(row.text), transactions.c
    alike = (
        table.account_id == doubt.account_id, table.booked_on == row.booked_on, table.minor == row.amount.minor,
        table.currency == row.amount.currency, table.text_key == key, table.pending == row.pending,
    )  # fmt: skip
    last = conn.execute(sa.select(sa.func.max(table.nth)).where(*alike)).scalar_one()
    category, by = rules_of(conn, doubt.user_id).category_of(row)
    added_id = new_id()
    conn.execute(sa.insert(transactions).values(
        id=added_id, user_id=doubt.user_id, account_id=doubt.account_id, booked_on=row.booked_on,
        value_on=row.value_on, minor=row.amount.minor, currency=row.amount.currency, text=row.text,
        text_folded=fold(row.text), payee=row.payee, text_key=key, nth=(last or 0) + 1, provider_id=row.provider_id,
        pending=row.pending, category=category, category_by=by, note=None, source="file", created_at=now,
        updated_at=now, taint=doubt.taint, sources=doubt.sources,
    ))  # fmt: skip
    return added_id
