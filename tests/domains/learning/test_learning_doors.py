"""Learning as people meet it: over HTTP, in a digest, with an index behind every list."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jmespath
import pytest
import sqlalchemy as sa
from learning_kit import START, Learner

from llmcoder.caseless import fold
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.declare.digest import Span
from llmcoder.ids import new_id
from llmcoder.registry import Registry, default_schedules, digest_parts, discover
from models.db.database import Database
from tasks.learning import card_rows
from tasks.learning.actions import add_card, due, list_cards, list_resources, review
from tasks.learning.day import day_of
from tasks.learning.tables import cards, resources, reviews

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))

from inline_kit import Inline
from served import Served

pytestmark = pytest.mark.both_stores
MANY, OTHERS = 2_000, 5


def test_a_new_user_without_a_key_sees_something_real_and_can_take_it_back(
    served: Served, user: User, configured: Config
) -> None:
    engine = Inline(served.db, user, Registry(discover()))
    with served.client(user) as client:
        assert client.get("/learning/resources").json()["items"] == []
        job = client.post("/learning/add_starter_resources", json={}).json()
        engine.run()
        page = client.get("/learning/resources", params={"topic": "git", "level": "beginner"}).json()
        assert [one["title"] for one in page["items"]] == ["Learn Git Branching", "Pro Git"]
        first = client.get("/learning/resources", params={"limit": 10}).json()
        second = client.get("/learning/resources", params={"limit": 10, "cursor": first["next"]}).json()
        assert not {one["id"] for one in first["items"]} & {one["id"] for one in second["items"]}
        place = f"/learning/resources/{first['items'][0]['id']}"
        assert client.patch(place, json={"percent": 30}).json()["progress"] == "started"
        assert len(client.get("/learning/resources", params={"progress": "started"}).json()["items"]) == 1
        assert client.get("/learning/resources", params={"level": "expert"}).status_code == 422
        assert client.post(f"/jobs/{job['id']}/undo").status_code == 202
        engine.run()
        assert client.get("/learning/resources").json()["items"] == []


def test_a_card_is_added_answered_once_and_taken_back_over_http(served: Served, user: User, configured: Config) -> None:
    engine = Inline(served.db, user, Registry(discover()))
    with served.client(user) as client:
        card = client.post("/learning/cards", json={"front": "2 + 2?", "back": "4", "tags": ["math"]}).json()
        answer = {"card_id": card["id"], "rating": "good", "key": "click"}
        jobs = [client.post("/learning/review", json=answer).json()["id"] for _ in range(2)]
        engine.run()
        results = [client.get(f"/jobs/{one}").json()["result"] for one in jobs]
        assert sorted(one["counted"] for one in results) == [False, True]
        shown = client.get(f"/learning/cards/{card['id']}").json()
        assert (shown["reviews"], shown["state"], shown["tags"]) == (1, "learning", ["math"])
        undo = client.post(f"/jobs/{jobs[0]}/undo")
        assert undo.status_code == 202, undo.text
        engine.run()
        assert client.get(f"/learning/cards/{card['id']}").json()["state"] == "new"
        assert client.post("/learning/cards", json={"front": "?", "back": ""}).status_code == 422


def test_a_digest_says_how_many_cards_there_are_and_shows_the_first(learner: Learner) -> None:
    part = digest_parts()["cards"]
    span = Span(START - timedelta(days=1), START, START + timedelta(days=1), ZoneInfo("UTC"))
    picked = lambda: jmespath.search(f"result.{part.pick}", {"result": learner(due, **part.given(span)).model_dump()})  # noqa: E731
    assert picked() == []
    for number in range(7):
        learner(add_card, front=f"{number}?", back="x", deck="Math")
    lines = picked()
    assert lines[0] == {"text": "7 cards for today: 7 new.", "sums_up": True}
    assert lines[1] == {"text": "0?", "detail": "Math"} and len(lines) == 6


def test_a_whole_digest_has_the_cards_in_it(db: Database, learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the engine's own clock
    learner(add_card, front="Who was first?", back="x", deck="History")
    engine = Inline(db, learner.user, Registry(discover()))
    job = engine.done("digest.daily", {"parts": ["cards"], "prose": False})
    assert job.state == "succeeded" and job.result is not None
    assert r"Cards to learn\n- 1 card for today: 1 new." in job.result and "Who was first?" in job.result


def test_the_schedule_that_is_suggested_is_one_of_an_action_that_takes_its_input() -> None:
    (one,) = [one for one in default_schedules() if one.action == "learning.suggest"]
    Registry(discover()).find(one.action).input.model_validate(one.input)


# --- an index behind every list


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    heard: list[tuple[str, Any]] = []

    def hear(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if statement.startswith("SELECT") and "learning_" in statement:
            heard.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", hear)
    try:
        yield heard
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", hear)


def plan(db: Database, statement: tuple[str, Any]) -> str:
    how = "EXPLAIN QUERY PLAN " if db.is_sqlite else "EXPLAIN "
    with db.read() as conn:
        return "\n".join(str(row[-1]) for row in conn.exec_driver_sql(how + statement[0], statement[1]))


def filled(learner: Learner, new_user: Callable[[str], User]) -> None:
    """Many of this user's and of others', in a few topics, decks and states."""
    others = [new_user(f"{number}@example.org") for number in range(OTHERS)]
    with learner.db.write() as conn:
        for one in (learner.user, *others):
            _fill(conn, one, learner.now)
        if not learner.db.is_sqlite:
            for table in ("learning_resources", "learning_cards", "learning_reviews"):
                conn.exec_driver_sql(f"ANALYZE {table}")


def _fill(conn: sa.Connection, user: User, now: datetime) -> None:
    owner = {"user_id": user.id, "created_at": now, "updated_at": now}
    conn.execute(sa.insert(resources), [
        owner | {
            "id": new_id(), "title": f"t{n}", "title_folded": f"t{n}", "topic": f"T{n % 50}",
            "topic_folded": fold(f"T{n % 50}"), "level": ["beginner", "advanced"][n % 2], "kind": "book",
            "progress": ["planned", "started", "finished"][n % 3],
        }
        for n in range(MANY)
    ])  # fmt: skip
    conn.execute(sa.insert(cards), [
        owner | {
            "id": new_id(), "deck": f"D{n % 50}", "deck_folded": fold(f"D{n % 50}"), "front": "f", "back": "b",
            "front_folded": "f", "back_folded": "b", "tags": [], "suspended": False, "reviews": 1, "lapses": 0,
            "state": ["review", "review", "new", "learning"][n % 4], "stability": 1.0 + n % 90, "difficulty": 5.0,
            "due_at": now + timedelta(hours=n - MANY // 2), "last_review_at": now - timedelta(hours=n),
            "last_review_s": int(now.timestamp()) - 3600 * n, "introduced_at": now - timedelta(hours=n),
        }
        for n in range(MANY)
    ])  # fmt: skip
    conn.execute(sa.insert(reviews), [
        {
            "id": new_id(), "user_id": user.id, "card_id": new_id(), "client_key": str(n), "kind": "review",
            "rating": 3, "reviewed_at": now - timedelta(hours=30 + n), "retention": 0.9, "created_at": now,
        }
        for n in range(MANY)
    ])  # fmt: skip


ASKED: list[tuple[Any, dict[str, Any]]] = [
    (list_resources, {}),
    (list_resources, {"sort": "created"}),
    *[(list_resources, one) for one in (
        {"topic": ["t7"]}, {"level": ["advanced"]}, {"kind": ["book"]}, {"progress": ["started"]},
    )],
    (list_cards, {}),
    *[(list_cards, one) for one in ({"deck": ["d7"]}, {"state": ["new"]}, {"source": "/general/notes/1"})],
]  # fmt: skip


def test_every_list_walks_an_index_and_sorts_nothing(learner: Learner, new_user: Callable[[str], User]) -> None:
    filled(learner, new_user)
    for action, wanted in ASKED:
        with statements() as heard:
            page = learner(action, **wanted, limit=20)
            if page.next:
                learner(action, **wanted, limit=20, before=page.next)
        assert heard
        for one in heard:
            found = plan(learner.db, one)
            # newest first, the index of the keys will do as well for PostgreSQL
            assert "ix_learning_" in found or "using pk_learning_" in found, (wanted, found)
            assert "Seq Scan" not in found and "SCAN learning_" not in found, (wanted, found)
            assert "TEMP B-TREE" not in found, (wanted, found)
            if "Sort" in found:  # PostgreSQL may gather the few rows of a topic first, and sort those
                assert set(wanted) & {"topic", "deck", "source"}, (wanted, found)


def test_what_is_due_is_read_from_an_index(learner: Learner, new_user: Callable[[str], User]) -> None:
    filled(learner, new_user)
    learner.limits({"daily_reviews": 10})
    with statements() as heard:
        page = learner(due)
    assert page.waiting > 300 and len(page.items) == 20
    for one in heard:
        found = plan(learner.db, one)
        assert "Seq Scan on learning_cards" not in found and "SCAN learning_" not in found, found
    learner(review, card_id=page.items[0].card_id, rating="good")
    with statements() as heard, learner.db.read() as conn:
        card_rows.done(conn, learner.user.id, day_of(learner.now, ZoneInfo("UTC")))
    found = plan(learner.db, heard[0])
    assert "ix_learning_reviews_" in found and "Seq Scan on learning_" not in found, found
