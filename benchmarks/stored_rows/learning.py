"""Resources and cards, in topics and decks, as `tasks.learning` keeps them; each has its number on it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from benchmarks.stored_rows.question import Question
from llmcoder.ids import new_id
from models.db.database import Database
from tasks.learning.tables import cards, resources

RESOURCES, CARDS = "/learning/resources", "/learning/cards"
AT_ONCE = 5_000
TOPICS, DECKS = 200, 200


def questions(chance: random.Random) -> Iterator[Question]:
    def nowhere() -> dict[str, Any]:
        return {"text": f"nowhere{chance.randint(0, 99)}"}

    yield Question(RESOURCES, "resources, newest", dict)
    yield Question(RESOURCES, "resources, one topic", lambda: {"topic": f"topic {chance.randrange(TOPICS)}"})
    yield Question(RESOURCES, "resources, level", lambda: {"level": "advanced"})
    yield Question(RESOURCES, "resources, kind", lambda: {"kind": "book"})
    yield Question(RESOURCES, "resources, progress", lambda: {"progress": "started"})
    yield Question(RESOURCES, "resources, a word of many", lambda: {"text": "number"})
    yield Question(RESOURCES, "resources, a word of one", lambda: {"text": f"unique{chance.randrange(9_000)}x"})
    yield Question(RESOURCES, "resources, a word of none", nowhere, is_vain=True)
    yield Question(CARDS, "cards, newest", dict)
    yield Question(CARDS, "cards, one deck", lambda: {"deck": f"deck {chance.randrange(DECKS)}"})
    yield Question(CARDS, "cards, a word of one", lambda: {"text": f"{chance.randrange(1_000, 9_000):06}?"})
    yield Question(CARDS, "cards, a word of none", nowhere, is_vain=True)


def fill(db: Database, user_id: UUID, rows: int, _chance: random.Random) -> None:
    now = db.now()
    owner = {"user_id": user_id, "created_at": now, "updated_at": now}
    for table, row in ((resources, _resource), (cards, _card)):
        for start in range(0, rows, AT_ONCE):
            batch = [owner | {"id": new_id()} | row(n, now) for n in range(start, min(rows, start + AT_ONCE))]
            with db.write() as conn:
                conn.execute(sa.insert(table), batch)


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
    front, back, deck = f"Question number {number:06}?", f"Answer number {number}.", f"Deck {number % DECKS}"
    return {
        "front": front, "front_folded": front.lower(), "back": back, "back_folded": back.lower(), "deck": deck,
        "deck_folded": deck.lower(), "tags": [], "suspended": False, "state": "review", "stability": 1.0 + number % 365,
        "difficulty": 5.0, "due_at": now + timedelta(hours=number % 2_000 - 1_000), "reviews": 3, "lapses": 0,
        "last_review_at": now - timedelta(days=30), "last_review_s": int(now.timestamp()) - 30 * 86_400 - number,
        "introduced_at": now - timedelta(days=60),
    }  # fmt: skip
