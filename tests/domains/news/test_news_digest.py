"""News in digests: each story is told once, in one digest, and the jobs prove it; crashes and failures in between."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from news_kit import Item, Reader, ServedFeed, ago, many, rss

from engine import commands
from llmcoder import NotConfigured, Refused
from llmcoder.context import User
from llmcoder.registry import Registry, discover
from llmcoder.states import State
from models.db.database import Database
from models.jobs.tables import jobs
from tasks.digest import actions as digest_actions
from tasks.news.actions import add_feed, gather_digest, list_articles

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))

from inline_kit import Inline

pytestmark = pytest.mark.both_stores
Serve = Callable[..., tuple[str, ServedFeed]]
SHARED = [Item("Parliament approves budget after night of talks", "https://paper.example/1", at=ago(hours=3))]


@pytest.fixture
def engine(db: Database, user: User, reader: Reader) -> Inline:
    return Inline(db, user, Registry(discover()))


@pytest.fixture
def ten_feeds(reader: Reader, serve: Serve) -> list[ServedFeed]:
    """The same story ten times, and one of each source's own."""
    served = []
    for number in range(10):
        url, feed = serve(f"/feed{number}", rss([*SHARED, *many(1, f"Own{number}")], f"Source {number}"))
        served.append(feed)
        reader.do(add_feed, url=url)
    return served


def digest(engine: Inline, kind: str = "daily") -> dict[str, Any]:
    run = engine.submit(f"digest.{kind}", {"parts": ["news"], "prose": False})
    engine.run()
    job = engine.job(run)
    assert job.state == State.SUCCEEDED, job.error
    result: dict[str, Any] = json.loads(job.result or "null")
    return result


def lines(*digests: dict[str, Any]) -> Counter[str]:
    """How often each story stands in the digests."""
    found = [line for one in digests for line in one["text"].splitlines() if line.startswith("- ")]
    return Counter(line.removeprefix("- ").rpartition(" (")[0] for line in found)


def test_the_story_of_ten_feeds_is_one_line_in_one_digest_and_in_no_other(
    engine: Inline, reader: Reader, ten_feeds: list[ServedFeed], serve: Serve
) -> None:
    first = digest(engine)
    assert f"- {SHARED[0].title} (Source 0, Source 1, Source 2 and 7 more)" in first["text"]
    assert first["text"].splitlines()[3].startswith(f"- {SHARED[0].title}"), "what most sources tell comes first"
    url, _ = serve("/eleventh", rss([*SHARED, Item("A story of its own", "https://x.example/2", at=ago(hours=1))], "L"))
    reader.do(add_feed, url=url)
    later, weekly = digest(engine), digest(engine, "weekly")
    assert set(lines(first, later, weekly).values()) == {1}
    assert lines(later) == Counter(["A story of its own"])
    assert "News (0)" in weekly["text"]


def test_the_ledger_proves_it(engine: Inline, reader: Reader, ten_feeds: list[ServedFeed]) -> None:
    digest(engine)
    (article,) = [one for one in reader.do(list_articles).items if len(one.sources) == 10]
    assert article.told_at is not None
    job = engine.job(article.told_by)
    assert (job.action, job.state) == ("news.gather_digest", State.SUCCEEDED)
    told = [one["article_id"] for one in json.loads(job.result or "")["items"]]
    assert told.count(str(article.id)) == 1
    every = [json.loads(one.result or "") for one in engine.all("news.gather_digest")]
    assert [one["article_id"] for result in every for one in result["items"]].count(str(article.id)) == 1


def test_an_attempt_that_died_after_taking_them_tells_the_same_and_no_other_digest_does(
    engine: Inline, reader: Reader, ten_feeds: list[ServedFeed]
) -> None:
    ctx = reader.context()
    since = ago(days=1).isoformat()
    first = reader.do(gather_digest, ctx, since=since, limit=3)  # its worker dies before the job's result is written
    another = reader.do(gather_digest, since=since, limit=3)
    again = reader.do(gather_digest, ctx, since=since, limit=3)
    assert again.items == first.items
    assert {one.article_id for one in first.items}.isdisjoint({one.article_id for one in another.items})


def test_a_digest_killed_in_between_is_told_once_when_it_runs_again(
    engine: Inline, db: Database, reader: Reader, ten_feeds: list[ServedFeed], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part's job dies after its transaction; the engine runs it again, and the digest has each story once."""
    from tasks.news import digest_actions

    real, died = digest_actions._line, []

    def dies_once(article: Any) -> Any:
        if not died:
            died.append(article)
            from llmcoder.errors import Transient

            raise Transient("the worker died here")
        return real(article)

    monkeypatch.setattr(digest_actions, "_line", dies_once)
    run = engine.submit("digest.daily", {"parts": ["news"], "prose": False})
    engine.run()
    with db.write() as conn:
        conn.execute(sa.update(jobs).where(jobs.c.state == State.SCHEDULED).values(state=State.QUEUED, due_at=db.now()))
    engine.run()
    job = engine.job(run)
    assert job.state == State.SUCCEEDED and len(died) == 1
    first = json.loads(job.result or "")
    assert set(lines(first, digest(engine)).values()) == {1} and len(lines(first)) == 11


@pytest.mark.parametrize("ending", [State.FAILED, State.CANCELLED])
@pytest.mark.parametrize("which", ["the part", "the digest"])
def test_what_was_taken_for_a_digest_that_was_never_written_is_told_by_the_next(
    engine: Inline, db: Database, reader: Reader, ten_feeds: list[ServedFeed], ending: State, which: str
) -> None:
    digest(engine)
    with db.write() as conn:
        ended = ["digest.write", "news.gather_digest" if which == "the part" else "digest.daily"]
        conn.execute(sa.update(jobs).where(jobs.c.action.in_(ended)).values(state=ending))
    assert len(lines(digest(engine))) == 11
    assert "News (0)" in digest(engine)["text"]


def failed_digest(engine: Inline, monkeypatch: pytest.MonkeyPatch, kind: str = "daily") -> UUID:
    """A digest that gathered its parts, and could not be written."""
    with monkeypatch.context() as patch:

        def fails(*_: Any) -> None:
            raise Refused("The disk is full.")

        patch.setattr(digest_actions, "_keep", fails)
        run = engine.submit(f"digest.{kind}", {"parts": ["news"], "prose": False})
        engine.run()
    assert engine.job(run).state == State.FAILED
    return run


def retried(engine: Inline, run: UUID) -> dict[str, Any]:
    with engine.db.write() as conn:
        commands.retry(conn, engine.known, engine.user.id, run, engine.db.now())
    engine.run()
    job = engine.job(run)
    assert job.state == State.SUCCEEDED, job.error
    result: dict[str, Any] = json.loads(job.result or "null")
    return result


def test_a_failed_digest_that_somebody_retries_tells_what_it_gathered(
    engine: Inline, reader: Reader, ten_feeds: list[ServedFeed], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = retried(engine, failed_digest(engine, monkeypatch))
    assert set(lines(written, digest(engine)).values()) == {1} and len(lines(written)) == 11
    told_by = {one.told_by for one in reader.do(list_articles).items}
    assert told_by == {job.id for job in engine.all("news.gather_digest")[:1]}


def test_a_failed_digest_that_is_retried_after_the_next_one_leaves_out_what_that_told(
    engine: Inline, reader: Reader, ten_feeds: list[ServedFeed], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = failed_digest(engine, monkeypatch)
    later = digest(engine)
    again = retried(engine, run)
    assert len(lines(later)) == 11 and "News (0)" in again["text"]


def test_of_two_failed_digests_that_are_retried_the_first_to_be_written_tells_a_story(
    engine: Inline, reader: Reader, ten_feeds: list[ServedFeed], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = failed_digest(engine, monkeypatch), failed_digest(engine, monkeypatch, "weekly")
    assert set(lines(retried(engine, first), retried(engine, second), digest(engine)).values()) == {1}
    third, fourth = failed_digest(engine, monkeypatch), failed_digest(engine, monkeypatch)
    assert sum(lines(retried(engine, fourth), retried(engine, third)).values()) == 0, "nothing is new"


def test_a_digest_that_was_written_was_told_however_its_run_ended(
    engine: Inline, db: Database, reader: Reader, ten_feeds: list[ServedFeed]
) -> None:
    digest(engine)
    with db.write() as conn:  # cancelled between its last step's end and its own
        conn.execute(sa.update(jobs).where(jobs.c.action == "digest.daily").values(state=State.CANCELLED))
    assert "News (0)" in digest(engine)["text"]


def test_what_nobody_knows_the_end_of_is_left_to_it(
    engine: Inline, db: Database, reader: Reader, ten_feeds: list[ServedFeed]
) -> None:
    digest(engine)
    with db.write() as conn:
        states = {"digest.daily": State.WAITING, "digest.write": State.QUEUED}
        for action, state in states.items():
            conn.execute(sa.update(jobs).where(jobs.c.action == action).values(state=state))
    other = digest(engine, "weekly")
    assert "News (0)" in other["text"]


def test_what_was_too_much_for_one_digest_is_told_by_the_next(reader: Reader, serve: Serve) -> None:
    url, _ = serve("/feed", rss(many(10), "Source"))
    reader.do(add_feed, url=url)
    since = ago(days=2).isoformat()
    first = reader.do(gather_digest, since=since, limit=7)
    second = reader.do(gather_digest, since=since, limit=7)
    assert [(len(first.items), first.left), (len(second.items), second.left)] == [(7, 3), (3, 0)]


def test_old_articles_of_a_new_source_are_no_news(reader: Reader, serve: Serve) -> None:
    url, _ = serve("/feed", rss([Item("Of last month", "https://s.example/1", at=ago(days=30)), *many(1)], "Source"))
    reader.do(add_feed, url=url)
    assert [one.text for one in reader.do(gather_digest, since=ago(days=4).isoformat()).items] == ["Item alpha 0 alpha"]


def test_a_user_without_sources_has_no_such_part(engine: Inline, reader: Reader) -> None:
    with pytest.raises(NotConfigured, match=r"news\.add_feed"):
        reader.do(gather_digest, since=ago(days=4).isoformat())
    assert digest(engine)["left_out"] == ["news"]
