"""Transactions of four accounts over twenty years, as `tasks.finance` keeps them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from benchmarks.stored_rows.question import Question
from llmcoder.caseless import fold
from llmcoder.ids import new_id
from models.db.database import Database
from tasks.finance.identity import text_key
from tasks.finance.tables import accounts, transactions

PATH = "/finance/transactions"
AT_ONCE = 5_000
FIRST, DAYS = date(2006, 1, 1), 7_300
SHOPS = ("Rewe Markt", "Deutsche Bahn", "Amazon Marketplace", "Stadtwerke", "Bäckerei Krume", "Netflix", "Miete Januar")
CATEGORIES = 12


def fill(db: Database, user_id: UUID, rows: int, chance: random.Random) -> None:
    now, own = db.now(), [new_id() for _ in range(4)]
    base = {"user_id": user_id, "created_at": now, "updated_at": now, "taint": None, "sources": None}
    about = {**base, "number": None, "currency": "EUR", "provider": "file"}
    with db.write() as conn:
        conn.execute(sa.insert(accounts), [{**about, "id": one, "name": f"Account {at}"} for at, one in enumerate(own)])
    for start in range(0, rows, AT_ONCE):
        made = [_row(base, own, n, n * DAYS // rows, chance) for n in range(start, min(start + AT_ONCE, rows))]
        with db.write() as conn:
            conn.execute(sa.insert(transactions), made)


def _row(base: dict[str, Any], own: list[UUID], n: int, day: int, chance: random.Random) -> dict[str, Any]:
    text = f"{chance.choice(SHOPS)} {n:06}"
    return {
        **base, "id": new_id(), "account_id": own[n % 4], "booked_on": FIRST + timedelta(days=day), "value_on": None,
        "minor": chance.randint(-100_000, 50_000), "currency": "EUR", "text": text, "text_folded": fold(text),
        "payee": None, "text_key": text_key(text), "nth": 1, "provider_id": str(n), "pending": n % 5_000 == 0,
        "category": f"Category {n % CATEGORIES}" if n % 3 else None, "category_by": None, "note": None,
        "source": "file",
    }  # fmt: skip


def questions(chance: random.Random) -> Iterator[Question]:
    def month() -> dict[str, Any]:
        first = FIRST + timedelta(days=chance.randint(0, DAYS - 40))
        return {"from": first.isoformat(), "to": (first + timedelta(days=30)).isoformat()}

    yield Question(PATH, "newest", dict)
    yield Question(PATH, "of one month", month)
    yield Question(PATH, "of one category", lambda: {"category": f"Category {chance.randrange(1, CATEGORIES)}"})
    yield Question(PATH, "pending", lambda: {"pending": "true"})
    yield Question(PATH, "by amount", lambda: {"sort": "amount"})
    yield Question(PATH, "a word that many have", lambda: {"text": "netflix"})
    yield Question(PATH, "a word that one has", lambda: {"text": f"{chance.randrange(1_000, 9_000):06}"})
    yield Question(
        PATH,
        "a category and a word that one has",
        lambda: {"category": "Category 4", "text": f"{12 * chance.randrange(100, 700) + 4:06}"},
    )
    yield Question(PATH, "a word that none has", lambda: {"text": f"nothing {chance.randint(0, 99)}"}, is_vain=True)
    yield Question(PATH, "two letters that none has", lambda: {"text": "qx"}, is_vain=True)
