"""Searches at news services, as sources beside feeds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from llmcoder import Context, Effect, Model, Undo, action
from models.db.database import database, writing
from tasks.news import feed_store
from tasks.news.feed_actions import AddedFeed, FeedChoice, remove_feed, shown
from tasks.news.feed_store import NewSource
from tasks.news.ingest import KnownTitles, ingest
from tasks.news.records import NO_NUL, Title, Topic
from tasks.news.search_services import SERVICES, ServiceSearch
from tasks.news.settings import NewsSettings

Query = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=200, pattern=NO_NUL)]


class NewSearch(Model):
    """A search to be kept."""

    provider: Literal["guardian", "gnews", "newsapi"] = Field(
        description="The service; an operator has set its key.", examples=["guardian"]
    )
    query: Query = Field(description="What is searched for, in the service's own words.", examples=["fusion energy"])
    language: str | None = Field(None, pattern=r"^[a-z]{2}$", description="Only articles in this language, such as en.")
    topic: Topic | None = Field(None, description="Its topic, such as science.")
    title: Title | None = Field(None, description="What you call it; the service and the query when left out.")


@action(
    "news.add_search",
    effect=Effect.WRITE,
    repeatable=True,
    outside=True,
    undo=Undo(remove_feed, lambda new, added: FeedChoice(added_by=added.added_by)),
    timeout_s=60,
)
def add_search(new: NewSearch, ctx: Context) -> AddedFeed:
    """Read from now on what a news service finds for a query, and what it finds now at once.

    For a feed, which needs no key, use news.add_feed.
    """
    service, now = SERVICES[new.provider], database().now()
    ctx.progress(0.1, f"Asking {service.title}")
    entries = service.search(ServiceSearch(new.query, new.language or ""), ctx, now)
    title = new.title or f"{service.title}: {new.query}"
    source = NewSource(
        new.query, title, provider=new.provider, topic=new.topic or "", language=new.language or "", own_title=True
    )
    with writing("sources") as conn:
        feed_store.lock(conn, ctx.user.id, now)
        row = feed_store.add(conn, ctx.user.id, source, ctx.job_id, ctx.job_id, now)
        report = ingest(conn, row, entries, KnownTitles(ctx.user.id), now, ctx.settings(NewsSettings).keep)
        feed_store.succeeded(conn, row.id, {"next_at": now + service.every, "note": None}, now)
        row = feed_store.by_id(conn, ctx.user.id, row.id)
        return AddedFeed(
            **shown(row), is_new=row.added_by == ctx.job_id, added_by=ctx.job_id, added=report.added,
            stories=report.stories, others=[],
        )  # fmt: skip
