"""How long a GET takes that answers from stored rows, of a user with many.

    python -m benchmarks.stored_rows [ROWS] [REQUESTS] [articles|learning|recipes|transactions ...]

A real API process on each store, one request after the other, each asked for with other words, topics and dates; the
rows of a second user, a tenth as many, stand between. Shown are the median, what 99 of 100 stay below, and the same of
pages that follow.
"""

from __future__ import annotations

import gc
import http.client
import json
import random
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from statistics import median
from types import ModuleType
from typing import Any
from urllib.parse import quote, urlencode

import sqlalchemy as sa

from benchmarks.harness import BenchError, bench
from benchmarks.load import percentile
from benchmarks.stored_rows import articles, learning, recipes, transactions
from benchmarks.stored_rows.question import Question
from benchmarks.user import add_user, log_in, only_user
from llmcoder.config import Config, use
from models.db.database import Database

ROWS, REQUESTS, PAGE = 100_000, 200, 50
KINDS = {"transactions": transactions, "articles": articles, "recipes": recipes, "learning": learning}
SEED = 7


def main(rows: int, requests: int, filled: Sequence[ModuleType]) -> None:
    print("| store | list | p50 (ms) | p99 (ms) | following pages, p50 | p99 |\n|---|---|--:|--:|--:|--:|", flush=True)
    with bench(None) as shared:
        for store in shared.stores:
            with shared.engine(store, "api") as engine:
                token = log_in(engine.port)
                with closing(Database(engine.url)) as db, use(Config.open(engine.env)):
                    fill(db, rows, filled)
                gc.collect()
                gc.freeze()  # else what was made for the rows is looked through amid the requests, here
                with closing(http.client.HTTPConnection("127.0.0.1", engine.port, timeout=60)) as connection:
                    for kind in filled:
                        for question in kind.questions(random.Random(SEED)):
                            _measure(store.name, connection, token, question, requests)


def fill(db: Database, rows: int, filled: Sequence[ModuleType]) -> None:
    """The user who logged in has so many of each, and another one a tenth."""
    own = only_user(db)
    for user_id, count in ((own, rows), (add_user(db), rows // 10)):
        for kind in filled:
            kind.fill(db, user_id, count, random.Random(SEED))
    _settle(db)


def _settle(db: Database) -> None:
    """As PostgreSQL's own autovacuum would after a while."""
    if db.is_sqlite:
        return
    engine = sa.create_engine(db.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


def _measure(store: str, connection: http.client.HTTPConnection, token: str, question: Question, requests: int) -> None:
    first, following = list[float](), list[float]()
    hits = 0
    for number in range(-10, requests):  # some to begin with
        wanted = question.ask()
        took_ms, page = _ask(connection, token, question.path, wanted)
        hits += bool(page["items"])
        if number >= 0:
            first.append(took_ms)
        if page["next"] is not None and number >= 0:
            following.append(_ask(connection, token, question.path, wanted | {"cursor": page["next"]})[0])
    if hits == 0 and not question.is_vain:
        raise BenchError(f"{question.path}, {question.name}: nothing was found")
    more = f"{median(following):.1f} | {percentile(sorted(following), 99):.1f}" if following else "|"
    print(
        f"| {store} | {question.path.split('/')[1]}: {question.name} | {median(first):.1f} "
        f"| {percentile(sorted(first), 99):.1f} | {more} |",
        flush=True,
    )


def _ask(
    connection: http.client.HTTPConnection, token: str, path: str, wanted: dict[str, Any]
) -> tuple[float, dict[str, Any]]:
    began = time.perf_counter()
    query = urlencode({"limit": PAGE, **wanted}, doseq=True, quote_via=quote)
    connection.request("GET", f"{path}?{query}", headers={"authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    body = answer.read()
    took_ms = (time.perf_counter() - began) * 1000
    if answer.status != 200:
        raise BenchError(f"{path}?{query}: {answer.status} {body[:500]!r}")
    return took_ms, json.loads(body)


if __name__ == "__main__":
    numbers = [int(one) for one in sys.argv[1:] if one.isdigit()]
    names = [one for one in sys.argv[1:] if not one.isdigit()] or list(KINDS)
    main(*numbers, *(ROWS, REQUESTS)[len(numbers) :], filled=[KINDS[name] for name in names])
