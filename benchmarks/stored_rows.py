"""`python -m benchmarks.stored_rows [ROWS]`: how long a GET takes that answers from stored rows, of a user with many.

A real API process on each store, one connection, one request after the other: the first page of each question, and a
page from the middle. Every answer is checked to hold a whole page. Shown are the median and what 99 of 100 stay below.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import sqlalchemy as sa

from benchmarks.harness import BenchError, bench
from benchmarks.load import counted, get, percentile
from benchmarks.user import log_in, only_user
from llmcoder.caseless import fold
from llmcoder.ids import new_id
from models.db.database import Database

ROWS, REQUESTS, PAGE, AT_ONCE = 100_000, 300, 20, 1_000
DEEP_PAGES = 5

#: What is asked of each collection, as a person would.
ASKED: dict[str, list[dict[str, Any]]] = {
    "/finance/transactions": [
        {}, {"category": "Food"}, {"from": "2024-01-01", "to": "2024-03-31"}, {"pending": "true"}, {"text": "shop 29"},
        {"text": "a word in none but one"}, {"sort": "amount"},
    ],
    "/news/articles": [{}, {"unread": "true"}, {"topic": "topic7"}, {"text": "w13"}, {"source": "Source 1"}],
    "/recipe/recipes": [
        {}, {"text": "saffron"}, {"max_minutes": "40"}, {"ingredients": "rice"}, {"tags": "rare"}, {"sort": "title"},
    ],
    "/learning/resources": [{}, {"topic": "T7"}, {"progress": "started"}, {"text": "title 7"}],
}  # fmt: skip


def main(rows: int) -> None:
    print("| store | GET | p50 (ms) | p99 (ms) | p99, a page from the middle (ms) |\n|---|---|--:|--:|--:|")
    with bench(None) as shared:
        for store in shared.stores:
            with shared.engine(store, "api") as engine:
                token = log_in(engine.port)
                with closing(Database(engine.url)) as db:
                    fill(db, only_user(db), rows)
                for path, questions in ASKED.items():
                    for question in questions:
                        _measure(store.name, engine.port, token, path, question)


def _measure(store: str, port: int, token: str, path: str, question: dict[str, Any]) -> None:
    first = f"{path}?{urlencode({**question, 'limit': PAGE})}"
    page, at = _page(port, token, first), first
    for _ in range(DEEP_PAGES):
        if page.get("next") is None:
            break
        at = f"{first}&{urlencode({'cursor': page['next']})}"
        page = _page(port, token, at)
    taken = [_times(port, token, address) for address in (first, at)]
    shown = f"`{path}{'?' + urlencode(question) if question else ''}`"
    print(
        f"| {store} | {shown} | {percentile(taken[0], 50):.1f} | {percentile(taken[0], 99):.1f} "
        f"| {percentile(taken[1], 99):.1f} |",
        flush=True,
    )


def _times(port: int, token: str, address: str) -> list[float]:
    counted(port, get(address, token), connections=1, requests=20, status=200)
    return sorted(counted(port, get(address, token), connections=1, requests=REQUESTS, status=200).latencies_ms)


def _page(port: int, token: str, address: str) -> dict[str, Any]:
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{address}", headers={"authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        page: dict[str, Any] = json.load(answer)
    if not page["items"]:
        raise BenchError(f"{address} found nothing")
    return page


# --- rows as the domains write them


def fill(db: Database, user_id: UUID, rows: int) -> None:
    now = db.now()
    owner = {"user_id": user_id, "created_at": now, "updated_at": now}
    with db.write() as conn:
        for put in (_transactions, _articles, _recipes, _resources):
            put(conn, owner, rows, now)
    if not db.is_sqlite:
        with db.write() as conn:
            conn.exec_driver_sql("ANALYZE")


Value = Any | Callable[[int], Any]


def _put(conn: sa.Connection, table: sa.Table, rows: int, **columns: Value) -> None:
    for numbers in _batches(rows):
        made = [{name: value(n) if callable(value) else value for name, value in columns.items()} for n in numbers]
        conn.execute(sa.insert(table), made)


def _batches(rows: int) -> Iterator[range]:
    for start in range(0, rows, AT_ONCE):
        yield range(start, min(start + AT_ONCE, rows))


def _id(_number: int) -> UUID:
    return new_id()


def _shop(n: int) -> str:
    return f"Shop {n}" if n != 2_000 else "A word in none but one"


def _transactions(conn: sa.Connection, owner: dict[str, Any], rows: int, _now: datetime) -> None:
    from tasks.finance.identity import text_key
    from tasks.finance.tables import accounts, transactions

    account, first = new_id(), date(2020, 1, 1)
    conn.execute(sa.insert(accounts), {**owner, "id": account, "name": "A", "currency": "EUR", "provider": "file"})
    _put(
        conn, transactions, rows, **owner, id=_id, account_id=account, currency="EUR", nth=1,
        booked_on=lambda n: first + timedelta(days=n * 2_000 // rows), minor=lambda n: -100 - n,
        text=_shop, text_folded=lambda n: fold(_shop(n)), text_key=lambda n: text_key(_shop(n)),
        pending=lambda n: n % 50 == 0, category=lambda n: "Food" if n % 7 == 0 else None,
    )  # fmt: skip


def _articles(conn: sa.Connection, owner: dict[str, Any], rows: int, now: datetime) -> None:
    from tasks.news import feed_store, full_text
    from tasks.news.search_words import as_column, words_of
    from tasks.news.tables import articles, feeds, stories

    user_id, sources = owner["user_id"], [new_id(), new_id()]
    reader = feed_store.lock(conn, user_id, now)
    _put(
        conn, feeds, 2, **owner, id=lambda n: sources[n], provider="feed", url=lambda n: f"https://{n}.example/",
        url_key=str, title=lambda n: f"Source {n}", next_at=now, added_by=lambda n: sources[n],
    )  # fmt: skip

    def words(n: int) -> list[str]:
        return words_of([f"Story {n} of the {['alpha', 'beta'][n % 2]} kind w{n % 97}"])

    def at(n: int) -> datetime:
        return now - timedelta(minutes=rows - n)

    _put(
        conn, stories, rows, number=lambda n: n + 1, id=_id, user_id=user_id, at=at, seen_at=now, sources=1,
        topic=lambda n: f"topic{n % 20}", words=lambda n: as_column(words(n)), read_at=lambda n: now if n % 3 else None,
    )  # fmt: skip
    _put(
        conn, articles, rows, user_id=user_id, feed_id=lambda n: sources[n % 50 == 0], story=lambda n: n + 1,
        story_at=at, key=str, page_key=str, url="", title=lambda n: f"Story {n}", summary="x" * 300, content="",
        seen_at=now, listed_at=now, said="",
    )  # fmt: skip
    for numbers in _batches(rows):
        full_text.put(conn, [full_text.StoryWords(n + 1, reader, words(n)) for n in numbers])


def _recipes(conn: sa.Connection, owner: dict[str, Any], rows: int, _now: datetime) -> None:
    from tasks.recipe.contents import content_of
    from tasks.recipe.records import NewRecipe
    from tasks.recipe.store import insert

    def dish(n: int) -> NewRecipe:
        rare = n % 400 == 0
        return NewRecipe(
            title=f"Dish {n:06}", ingredients=["200 g rice", "1 onion", "saffron" if rare else "butter"],
            minutes=30 + n % 50, tags=["rare" if rare else "common"],
        )  # fmt: skip

    for numbers in _batches(rows):
        insert(conn, owner["user_id"], [(new_id(), content_of(dish(n)), None) for n in numbers])


def _resources(conn: sa.Connection, owner: dict[str, Any], rows: int, _now: datetime) -> None:
    from tasks.learning.tables import resources

    _put(
        conn, resources, rows, **owner, id=_id, title=lambda n: f"Title {n}", title_folded=lambda n: f"title {n}",
        topic=lambda n: f"T{n % 50}", topic_folded=lambda n: fold(f"T{n % 50}"), kind="book",
        level=lambda n: ["beginner", "advanced"][n % 2], progress=lambda n: ["planned", "started", "finished"][n % 3],
    )  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
