"""The list of transactions: what it can be asked for, over HTTP and as an action, and by which index it answers."""

# ruff: noqa: E501  (a row of a table is a line)

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from llmcoder import User
from llmcoder.caseless import fold
from llmcoder.ids import new_id
from models.db.database import Database
from models.record_list import RecordList
from tasks.finance.identity import text_key
from tasks.finance.records import TransactionFilter
from tasks.finance.store import SORTS, TRANSACTIONS
from tasks.finance.tables import accounts, transactions

pytestmark = [pytest.mark.both_stores, pytest.mark.usefixtures("configured")]
NOW = datetime(2030, 1, 1, tzinfo=UTC)
FIRST = date(2020, 1, 1)


def fill(db: Database, user: User, count: int, account_id: UUID | None = None) -> UUID:
    """So many transactions of one account, a few on each day."""
    account_id = account_id or new_id()
    base = {"user_id": user.id, "created_at": NOW, "updated_at": NOW}
    rows = [
        {
            **base, "id": new_id(), "account_id": account_id, "booked_on": FIRST + timedelta(days=n // 5), "value_on": None,
            "minor": -100 - n, "currency": "EUR", "text": f"Shop {n}", "text_folded": fold(f"Shop {n}"), "payee": None,
            "text_key": text_key(f"Shop {n}"), "nth": 1, "provider_id": None, "pending": n % 50 == 0,
            "category": "Food" if n % 7 == 0 else None, "category_by": None, "note": None, "source": "file", "taint": None, "sources": None,
        }
        for n in range(count)
    ]  # fmt: skip
    with db.write() as conn:
        account = {**base, "id": account_id, "name": "A", "number": None, "currency": "EUR", "provider": "file"}
        conn.execute(sa.insert(accounts).values(**account, taint=None, sources=None))
        for at in range(0, count, 1000):
            conn.execute(sa.insert(transactions), rows[at : at + 1000])
    return account_id


@pytest.fixture
def ask(user: User) -> Callable[..., list[str]]:
    """The texts that a filter finds, page by page of three."""

    def ask(**wanted: Any) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            page = TRANSACTIONS.page(user.id, cursor, 3, TransactionFilter.model_validate(wanted))
            found += [one.text for one in page.items]
            cursor = page.next
            if cursor is None:
                return found

    return ask


def test_pages_of_every_order_have_each_transaction_once(ask, db: Database, user: User):
    fill(db, user, 20)
    everything = [f"Shop {n}" for n in range(20)]
    for order in ("date", "created"):
        assert ask(sort=order) == everything
        assert ask(sort=f"-{order}") == everything[::-1]
    assert ask(sort="-amount") == everything
    assert ask(sort="amount") == everything[::-1]


def test_each_filter_finds_what_it_says_and_they_all_count(ask, db: Database, user: User):
    account = fill(db, user, 60)
    fill(db, user, 5)
    assert len(ask(account=account)) == 60
    assert ask(account=account, **{"from": "2020-01-03", "to": "2020-01-03"}) == [f"Shop {n}" for n in range(14, 9, -1)]
    assert ask(account=account, text="SHOP 42") == ["Shop 42"]
    assert ask(account=account, category="Food", **{"to": "2020-01-02"}) == ["Shop 7", "Shop 0"]
    assert ask(account=account, pending=True) == ["Shop 50", "Shop 0"]
    assert len(ask(account=account, has_category=False)) == 60 - 9
    assert ask(account=new_id()) == []
    assert ask(currency="USD") == []


# --- by which index


def plan(db: Database, user: User, sort: str, place: list[Any] | None, **wanted: Any) -> str:
    """How the store answers a page of the list."""
    asked = TransactionFilter.model_validate({"sort": sort, **wanted})
    listed = RecordList(transactions, TransactionFilter, SORTS, None)
    with db.read() as conn:
        cursor = None
        if place is not None:
            first = listed.statement([transactions.c.id], user.id, asked, None, conn.dialect.name).limit(2)
            cursor = listed.cursor_after(conn.execute(first).all()[-1], asked)
        query = listed.statement([transactions.c.id], user.id, asked, cursor, conn.dialect.name).limit(51)
        text = str(query.compile(conn.engine, compile_kwargs={"literal_binds": True}))
        explain = "EXPLAIN QUERY PLAN" if db.is_sqlite else "EXPLAIN"
        return "\n".join(str(row[-1]) for row in conn.exec_driver_sql(f"{explain} {text}".replace("%", "%%")))


@pytest.mark.parametrize("place", [None, ["a place"]], ids=["first page", "later page"])
@pytest.mark.parametrize(
    ("sort", "wanted", "index"),
    [
        ("-date", {}, "date"), ("date", {}, "date"), ("-date", {"account": True}, "account"),
        ("-date", {"category": "Food"}, "category"), ("-date", {"pending": True}, "pending"), ("-amount", {}, "amount"),
        ("-created", {}, "user"), ("-date", {"from": "2020-02-01", "to": "2020-12-20"}, "date"),
        ("-date", {"account": True, "from": "2020-02-01"}, "account"),
    ],
)  # fmt: skip
def test_the_main_filters_walk_an_index_and_none_sorts_the_table(
    db: Database, user: User, new_user: Callable[[str], User], sort: str, wanted: dict[str, Any], index: str, place: Any
):
    mine = fill(db, user, 2_000)
    fill(db, new_user("bob@example.org"), 2_000)
    if not db.is_sqlite:
        with db.write() as conn:
            conn.exec_driver_sql("ANALYZE finance_transactions")
    given = {name: mine if value is True and name == "account" else value for name, value in wanted.items()}
    found = plan(db, user, sort, place, **given)
    # ids are in the order of time, so that the primary key does as well where few others have any
    assert re.search(rf"ix_finance_transactions_{index}|using pk_finance_transactions", found), found
    assert not re.search(r"TEMP B-TREE|Sort Key|Seq Scan|SCAN finance", found), found
