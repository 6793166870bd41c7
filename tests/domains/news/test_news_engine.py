"""News on a real engine: by the clock without asking, taken back, and with a worker that is killed in between."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from news_kit import Item, Reader, ServedFeed, ago, many, rss

from engine import commands
from llmcoder.config import Config, use
from llmcoder.context import User
from llmcoder.registry import Registry, discover
from llmcoder.states import Reason, State
from models.db.database import Database
from models.jobs.approvals import Origin
from tasks.news.actions import list_articles

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))

from engine_kit import Engine, engine_on
from inline_kit import Inline
from served import serving

pytestmark = pytest.mark.both_stores
Serve = Callable[..., tuple[str, ServedFeed]]


@pytest.fixture
def inline(db: Database, db_url: str, user: User, tmp_path: Path) -> Iterator[Inline]:
    environ = {"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": db_url, "FETCH_ALLOW": "127.0.0.1"}
    with use(Config.open(environ, cwd=tmp_path)):
        yield Inline(db, user, Registry(discover()))


def result(engine: Inline, action: str, given: dict[str, Any], origin: Origin = Origin.PERSON) -> dict[str, Any]:
    job_id = engine.submit(action, given, origin)
    engine.run()
    job = engine.job(job_id)
    assert job.state == State.SUCCEEDED, (job.state, job.reason, job.error)
    found: dict[str, Any] = json.loads(job.result or "null")
    return found | {"job": job}


def test_a_source_is_added_refreshed_by_the_clock_read_and_removed_and_given_back(inline: Inline, serve: Serve) -> None:
    url, feed = serve("/feed", rss(many(3), "A feed"))
    added = result(inline, "news.add_feed", {"url": url})
    assert added["added"] == 3
    feed.body = rss(many(4), "A feed")
    assert result(inline, "news.refresh", {}, Origin.SCHEDULE)["added"] == 1, "the clock asks nobody"
    listed = result(inline, "news.list_articles", {"unread": True})
    assert len(listed["items"]) == 4
    some = [one["id"] for one in listed["items"][:2]]
    marked = result(inline, "news.mark_read", {"article_ids": some}, Origin.SCHEDULE)
    assert marked["count"] == 2, "the user's own records are changed without asking"
    removed = result(inline, "news.remove_feed", {"feed_id": added["id"]})
    assert result(inline, "news.list_articles", {})["items"] == []
    for job in (removed["job"], marked["job"]):
        with inline.db.write() as conn:
            commands.undo(conn, inline.known, inline.user.id, job.id, Origin.PERSON, inline.db.now())
        inline.run()
    assert len(result(inline, "news.list_articles", {"unread": True})["items"]) == 4


def test_what_a_macro_makes_of_an_article_is_tainted_and_an_agent_s_source_waits(inline: Inline, serve: Serve) -> None:
    url, _ = serve("/feed", rss(many(1), "A feed"))
    waits = inline.submit("news.add_feed", {"url": url}, Origin.AGENT)
    inline.run()
    assert inline.job(waits).reason == Reason.APPROVAL
    inline.approve(waits)
    assert inline.job(waits).state == State.SUCCEEDED
    note = {"text": "${{ steps.look.result.items[0].title }}"}
    steps = [
        {"id": "look", "action": "news.list_articles", "with": {"limit": 1}},
        {"id": "keep", "action": "general.add_note", "with": note},
    ]
    inline.submit("tasks.start_macro", {"document": {"name": "keep", "steps": steps}})
    inline.run()
    (kept,) = inline.all("general.add_note")
    assert (kept.tainted, kept.reason) == (True, Reason.APPROVAL)


@pytest.fixture
def running(db_url: str, tmp_path: Path) -> Iterator[Engine]:
    with engine_on(Engine, db_url, tmp_path, FETCH_ALLOW="127.0.0.1") as made:
        yield made


def test_the_first_three_commands_of_the_page_show_something_real_to_a_new_user(
    running: Engine, server: Any, serve: Serve, tmp_path: Path
) -> None:
    serve("/feed", rss(many(2), "Own"))
    page = b'<html><head><link rel="alternate" type="application/rss+xml" href="/feed"></head></html>'
    serve("/", page, media_type="text/html")
    running.start_worker()
    with (
        use(Config.open(running.own_environ, cwd=tmp_path)),
        serving(running.db, running.redis.url, tmp_path, FETCH_ALLOW="127.0.0.1") as served,
        served.client(running.user) as client,
    ):
        assert client.get("/news/articles").json() == {"items": [], "next": None}
        for given in ({"name": "tips"}, {"url": f"{server.url}/", "topic": "technology"}):
            done = client.post("/news/add_feed", json=given, headers={"prefer": "wait=60"}).json()
            assert done["state"] == "succeeded", done
        found = client.get("/news/articles", params={"unread": "true", "limit": 10}).json()
        assert len(found["items"]) == 10 and found["next"] is not None
        rest = client.get("/news/articles", params={"unread": "true", "limit": 10, "cursor": found["next"]}).json()
        assert len(rest["items"]) == 2 and rest["next"] is None
        one = client.get(f"/news/articles/{found['items'][0]['id']}").json()
        assert one["title"] == found["items"][0]["title"] and one["content"] is not None
        assert client.post("/news/articles", json={}).status_code == 405


@pytest.mark.slow("kills a worker and waits for its lease")
def test_a_worker_killed_after_it_took_the_stories_tells_each_once(
    running: Engine, serve: Serve, tmp_path: Path
) -> None:
    """It dies between the transaction in which its job takes them and the one that would end the job."""
    known = Registry(discover())
    shared = Item("Parliament approves budget after night of talks", "https://paper.example/1", at=ago(hours=3))
    worker = running.start_worker()
    for number in range(3):
        url, _ = serve(f"/feed{number}", rss([shared, *many(2, f"Own{number}")], f"Source {number}"))
        running.until(running.submit(known["news.add_feed"], url=url), State.SUCCEEDED)
    worker.kill()
    worker.wait(120)
    first = running.submit(known["digest.daily"], parts=["news"], prose=False)
    doomed = running.start("workers", "io", LLMCODER_FAULTS="worker.after_effect=kill")
    assert doomed.wait(120) != 0, "it died with the stories taken and nothing written"
    running.start_worker()
    second = running.submit(known["digest.weekly"], parts=["news"], prose=False)
    texts = [json.loads(job.result or "")["text"] for job in running.until_all_ended([first, second])]
    lines = [line for text in texts for line in text.splitlines() if line.startswith("- ")]
    assert len(lines) == len(set(lines)) == 7
    assert sum(shared.title in line for line in lines) == 1
    with use(Config.open(running.own_environ, cwd=tmp_path)):
        reader = Reader(running.user)
        told = [one.told_by for one in reader.do(list_articles).items]
    ledger = [running.job(one) for one in set(told) if one is not None]
    assert None not in told and {(one.action, one.state) for one in ledger} == {("news.gather_digest", State.SUCCEEDED)}
    every = [item["article_id"] for one in ledger for item in json.loads(one.result or "")["items"]]
    assert len(every) == len(set(every)) == 7
    assert sum(one.attempt == 2 for one in ledger) == 1, "the killed one was run again and took nothing twice"
