"""`python -m benchmarks.learning [ROWS]`: how fast lists of learning answer for a user who has very many.

One API process, on SQLite and on PostgreSQL. A user has so many resources and as many cards; every list is asked for
again and again, one request at a time, from the first page and from where a page ended. A word that stands in no text
is the slowest search there is: it reads all of them.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from contextlib import closing
from datetime import timedelta
from statistics import quantiles
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import sqlalchemy as sa

from benchmarks import user
from benchmarks.harness import bench
from llmcoder.ids import new_id
from models.db.database import Database
from tasks.learning.tables import cards, resources

ROWS = 100_000
REQUESTS = 200
AT_ONCE = 500
TOPICS, DECKS = 200, 200
LISTS: dict[str, tuple[str, dict[str, Any]]] = {
    "resources, newest": ("/learning/resources", {}),
    "resources, one topic": ("/learning/resources", {"topic": "topic 7"}),
    "resources, level": ("/learning/resources", {"level": "advanced"}),
    "resources, kind": ("/learning/resources", {"kind": "book"}),
    "resources, progress": ("/learning/resources", {"progress": "started"}),
    "resources, a word of many": ("/learning/resources", {"text": "number"}),
    "resources, a word of one": ("/learning/resources", {"text": "unique77777x"}),
    "resources, a word of none": ("/learning/resources", {"text": "nowhere"}),
    "cards, newest": ("/learning/cards", {}),
    "cards, one deck": ("/learning/cards", {"deck": "deck 7"}),
    "cards, a word of none": ("/learning/cards", {"text": "nowhere"}),
}


def main(rows: int) -> None:
    _say("store", "list", "p50 ms", "p99 ms", "next page p99 ms")
    with bench(None) as shared:
        for store in shared.stores:
            with shared.engine(store, "api") as engine:
                token = user.log_in(engine.port)
                with closing(Database(engine.url)) as db:
                    fill(db, user.only_user(db), rows)
                with closing(http.client.HTTPConnection("127.0.0.1", engine.port, timeout=60)) as connection:
                    for name, (path, wanted) in LISTS.items():
                        measure(store.name, name, connection, token, path, wanted)


def measure(
    store: str, name: str, connection: http.client.HTTPConnection, token: str, path: str, wanted: dict[str, Any]
) -> None:
    first = [_ask(connection, token, path, wanted) for _ in range(REQUESTS)]
    following, cursor = [], first[-1][1].get("next")
    for _ in range(REQUESTS if cursor else 0):
        took, page = _ask(connection, token, path, wanted | {"cursor": cursor})
        following.append(took)
        cursor = page.get("next") or cursor
    _say(store, name, f"{_at([took for took, _ in first], 50):.1f}", *(
        f"{_at(times, 99):.1f}" if times else "" for times in ([took for took, _ in first], following)
    ))  # fmt: skip


def fill(db: Database, user_id: UUID, rows: int) -> None:
    """Resources and cards, in topics and decks; each has its number on it."""
    now = db.now()
    owner = {"user_id": user_id, "created_at": now, "updated_at": now}
    for table, row in ((resources, _resource), (cards, _card)):
        for start in range(0, rows, 20 * AT_ONCE):
            with db.write() as conn:
                batch = [owner | {"id": new_id()} | row(n, now) for n in range(start, min(rows, start + 20 * AT_ONCE))]
                conn.execute(sa.insert(table), batch)
    with db.write() as conn:
        conn.exec_driver_sql("ANALYZE")


def _resource(number: int, _now: Any) -> dict[str, Any]:
    title = f"Resource number {number} unique{number}x"
    notes = f"What it says of its subject, in a sentence or two as people write them: part {number} of many."
    topic, author = f"Topic {number % TOPICS}", f"Author {number % 977}"
    return {
        "title": title, "title_folded": title.lower(), "topic": topic, "topic_folded": topic.lower(),
        "author": author, "author_folded": author.lower(), "notes": notes, "notes_folded": notes.lower(),
        "level": ("beginner", "intermediate", "advanced")[number % 3],
        "kind": ("book", "course", "article")[number % 3],
        "progress": ("planned", "started", "finished")[number % 3], "url": f"https://example.org/{number}",
    }  # fmt: skip


def _card(number: int, now: Any) -> dict[str, Any]:
    front, back, deck = f"Question number {number}?", f"Answer number {number}.", f"Deck {number % DECKS}"
    return {
        "front": front, "front_folded": front.lower(), "back": back, "back_folded": back.lower(), "deck": deck,
        "deck_folded": deck.lower(), "tags": [], "suspended": False, "state": "review", "stability": 1.0 + number % 365,
        "difficulty": 5.0, "due_at": now + timedelta(hours=number % 2_000 - 1_000), "reviews": 3, "lapses": 0,
        "last_review_at": now - timedelta(days=30), "last_review_s": int(now.timestamp()) - 30 * 86_400 - number,
        "introduced_at": now - timedelta(days=60),
    }  # fmt: skip


def _ask(
    connection: http.client.HTTPConnection, token: str, path: str, wanted: dict[str, Any]
) -> tuple[float, dict[str, Any]]:
    began = time.perf_counter()
    query = f"?{urlencode(wanted, quote_via=quote)}" if wanted else ""
    connection.request("GET", path + query, headers={"authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    body = answer.read()
    took_ms = (time.perf_counter() - began) * 1000
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {body[:500]!r}")
    return took_ms, json.loads(body)


def _at(times: list[float], percent: int) -> float:
    return quantiles(times, n=100, method="inclusive")[percent - 1]


def _say(*columns: str) -> None:
    sys.stdout.write("| " + " | ".join(columns) + " |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
