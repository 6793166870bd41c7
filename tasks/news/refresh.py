"""Asks the sources that are due, several at a time, and takes in what they say, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from llmcoder.context import Context
from llmcoder.errors import ActionError, Cancelled, RateLimited
from llmcoder.net.guard import parse_target
from models.db.database import database, writing
from tasks.news import feed_store
from tasks.news.feed import ParsedFeed, UnreadableFeed
from tasks.news.feed_reader import read_feed
from tasks.news.feed_store import BUILT_IN, FEED
from tasks.news.fetching import LONGEST_WAIT, FeedGone, FetchedFeed, fetch
from tasks.news.ingest import IngestReport, KnownTitles, ingest
from tasks.news.search_services import SERVICES, ServiceSearch
from tasks.news.settings import NewsSettings
from tasks.news.subscribing import built_in, columns_of

#: Sources that are asked at the same time.
AT_ONCE = 6
#: What says that it is gone is looked after once in a while, since some servers lie for a day.
GONE_WAIT = timedelta(days=7)


@dataclass(frozen=True)
class FeedAnswer:
    """What asking one source came to.

    Attributes:
        feed: None where nothing changed.
        columns: What its row keeps of the answer.
        moved_to: Where it is asked from now on; empty where it stays.
    """

    row: Any
    feed: ParsedFeed | None = None
    columns: dict[str, Any] | None = None
    error: ActionError | None = None
    moved_to: str = ""


@dataclass
class RefreshTally:
    """What came of all of them."""

    asked: int = 0
    unchanged: int = 0
    failed: int = 0
    added: int = 0
    stories: int = 0
    changed: int = 0

    def count(self, report: IngestReport) -> None:
        self.added += report.added
        self.stories += report.stories
        self.changed += report.changed


def refresh(rows: Sequence[Any], ctx: Context) -> RefreshTally:
    """Ask these sources; one that fails is asked later, and stops no other."""
    total, titles = RefreshTally(), KnownTitles(ctx.user.id)
    for answer in _answers(rows, ctx):
        total.asked += 1
        ctx.progress(0.95 * total.asked / len(rows), answer.row.title)
        if answer.error is not None:
            total.failed += 1
            _keep_failure(answer, answer.error)
        elif answer.feed is None:
            total.unchanged += 1
            _keep_unchanged(answer)
        else:
            total.count(_keep(answer, answer.feed, titles, ctx))
    return total


def _answers(rows: Sequence[Any], ctx: Context) -> Iterator[FeedAnswer]:
    """As they come in. What ends the job ends the asking; what is on the way is waited for."""
    left = iter(rows)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="news") as pool:
        running: set[Future[FeedAnswer]] = set()
        try:
            while True:
                while len(running) < AT_ONCE and (row := next(left, None)) is not None:
                    running.add(pool.submit(_ask, row, ctx))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for one in done:
                    yield one.result()
        finally:
            for one in running:
                one.cancel()


def _ask(row: Any, ctx: Context) -> FeedAnswer:
    try:
        return ASK[row.provider](row, ctx)
    except Cancelled:
        raise
    except ActionError as error:
        return FeedAnswer(row, error=error)


def _ask_feed(row: Any, ctx: Context) -> FeedAnswer:
    now = database().now()
    answer = fetch(row.url, ctx, now, row.etag, row.last_modified)
    if answer.body is None:
        return FeedAnswer(row, columns=_unchanged(answer, now))
    try:
        feed = read_feed(answer.body, answer.content_type, answer.url, ctx.check)
    except UnreadableFeed as error:
        raise UnreadableFeed(f"{parse_target(answer.url).host}: {error.detail}") from error
    return FeedAnswer(row, feed, columns_of(answer, feed, now), moved_to=answer.moved_to)


def _unchanged(answer: FetchedFeed, now: datetime) -> dict[str, Any]:
    return {
        "etag": answer.etag, "last_modified": answer.last_modified, "next_at": answer.fresh_until or now, "note": None
    }  # fmt: skip


def _ask_nobody(row: Any, ctx: Context) -> FeedAnswer:
    now, found = database().now(), built_in()
    return FeedAnswer(row, found.feed, found.columns(now) | {"next_at": now + LONGEST_WAIT})


def _ask_service(row: Any, ctx: Context) -> FeedAnswer:
    now, service = database().now(), SERVICES[row.provider]
    entries = service.search(ServiceSearch(row.url, row.language), ctx, now)
    columns = {"next_at": now + service.every, "note": None}
    return FeedAnswer(row, ParsedFeed(row.provider, "", entries=tuple(entries)), columns)


#: How the sources of a provider are asked.
ASK: dict[str, Callable[[Any, Context], FeedAnswer]] = {
    FEED: _ask_feed,
    BUILT_IN: _ask_nobody,
    **dict.fromkeys(SERVICES, _ask_service),
}


def _keep(answer: FeedAnswer, feed: ParsedFeed, titles: KnownTitles, ctx: Context) -> IngestReport:
    """The articles, and what stands for them at the server, in one transaction."""
    row, keep = answer.row, ctx.settings(NewsSettings).keep
    columns = dict(answer.columns or {})
    if feed.title and not row.own_title:
        columns["title"] = feed.title
    with writing("articles") as conn:
        now = database().now()
        feed_store.lock(conn, row.user_id, now)
        kept = feed_store.by_id(conn, row.user_id, row.id)
        if kept is None or kept.removed_at is not None:
            return IngestReport()
        if answer.moved_to:  # and a feed is there, which those who only stand in the way do not have
            columns |= feed_store.place_of(conn, kept, answer.moved_to)
        report = ingest(conn, kept, feed.entries, titles, now, keep)
        feed_store.succeeded(conn, row.id, columns, now)
    return report


def _keep_unchanged(answer: FeedAnswer) -> None:
    with writing("sources") as conn:
        feed_store.succeeded(conn, answer.row.id, answer.columns or {}, database().now())


def _keep_failure(answer: FeedAnswer, error: ActionError) -> None:
    retry_at = error.retry_at if isinstance(error, RateLimited) else None
    with writing("sources") as conn:
        now = database().now()
        if isinstance(error, FeedGone):
            retry_at = now + GONE_WAIT
        feed_store.failed(conn, answer.row, error.detail, retry_at, now)
