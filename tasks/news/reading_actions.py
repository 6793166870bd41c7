"""Articles as actions: listed, marked as read, and taken back."""

from __future__ import annotations

from typing import Any, Self
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field, model_validator

from llmcoder import Context, Effect, Model, Undo, action
from llmcoder.declare.collection import Page
from llmcoder.declare.cursor import Cursor
from llmcoder.declare.filter import Number, Passage
from llmcoder.instants import Instant
from models.db.database import database, writing
from tasks.news import feed_store
from tasks.news.article_list import ARTICLES, SHOWN, UNREAD, conditions_of, own, sources_named
from tasks.news.records import Article, ArticleFilter, Topic
from tasks.news.tables import articles, stories

TIMEOUT_S = 30.0
EXAMPLE_ID = "01937b2e-7c00-7000-8000-000000000001"


class ArticleListing(ArticleFilter):
    """Which articles are wanted."""

    limit: Number = Field(20, ge=1, le=100, description="Most articles to return.", examples=[20])
    before: Cursor | None = Field(
        None,
        description="`next` of the page before, with the same filter; or the id of an article, for those after it.",
    )


class ReadArticles(Model):
    """Which articles were read."""

    article_ids: list[UUID] = Field(
        default_factory=list, max_length=1_000, description="These.", examples=[[EXAMPLE_ID]]
    )
    until: Instant | None = Field(None, description="Instead: all that were published before this instant.")
    topic: Topic | None = Field(None, description="With `until`: only those of sources with this topic.")
    source: Passage | None = Field(
        None, description="With `until`: only those that this source tells: its id, a part of its title or address."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.article_ids) == (self.until is not None):
            raise ValueError("give `article_ids` or `until`, and not both")
        if self.until is None and (self.topic or self.source):
            raise ValueError("`topic` and `source` are given with `until`")
        return self


class UnreadArticles(Model):
    """Which articles are unread again."""

    article_ids: list[UUID] = Field(
        default_factory=list, max_length=1_000, description="These.", examples=[[EXAMPLE_ID]]
    )
    marked_by: UUID | None = Field(None, description="Instead: all that this job marked as read.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.article_ids) == (self.marked_by is not None):
            raise ValueError("give `article_ids` or `marked_by`, and not both")
        return self


class MarkedArticles(Model):
    """What was marked."""

    count: int = Field(description="Articles that this changed.")
    marked_by: UUID = Field(description="The job, to take it back.")


@action("news.list_articles", effect=Effect.READ, outside=True, timeout_s=TIMEOUT_S)
def list_articles(wanted: ArticleListing, ctx: Context) -> Page[Article]:
    """List and search the articles of your sources, newest first, each story once with all that tell it."""
    return ARTICLES.page(ctx.user.id, wanted.before, wanted.limit, wanted)


@action("news.mark_unread", effect=Effect.WRITE, repeatable=True, timeout_s=TIMEOUT_S)
def mark_unread(which: UnreadArticles, ctx: Context) -> MarkedArticles:
    """Mark articles as unread again."""
    these = own.id.in_(which.article_ids) if which.marked_by is None else own.read_by == which.marked_by
    with writing("articles") as conn:
        wanted = sa.update(stories).where(own.user_id == ctx.user.id, these, own.read_at.is_not(None))
        changed = conn.execute(wanted.values(read_at=None, read_by=None))
    return MarkedArticles(count=changed.rowcount, marked_by=ctx.job_id)


@action(
    "news.mark_read",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(mark_unread, lambda which, marked: UnreadArticles(marked_by=marked.marked_by)),
    timeout_s=TIMEOUT_S,
)
def mark_read(which: ReadArticles, ctx: Context) -> MarkedArticles:
    """Mark articles as read: some, or all until a time.

    Those that are read already keep the time at which they were.
    """
    now = database().now()
    with writing("articles") as conn:
        feed_store.lock(conn, ctx.user.id, now)
        these = sa.update(stories).where(own.user_id == ctx.user.id, SHOWN, UNREAD, *_chosen(conn, which, ctx))
        conn.execute(these.values(read_at=now, read_by=ctx.job_id))
        marked = sa.select(sa.func.count()).select_from(stories).where(own.read_by == ctx.job_id)
        return MarkedArticles(count=conn.execute(marked).scalar_one(), marked_by=ctx.job_id)


def _chosen(conn: sa.Connection, which: ReadArticles, ctx: Context) -> list[Any]:
    if which.until is None:
        return [own.id.in_(which.article_ids)]
    asked = ArticleFilter(topic=which.topic, until=which.until)
    if which.source is None:
        return conditions_of(asked)
    sources = sources_named(conn, ctx.user.id, which.source)
    told = sa.select(articles.c.story).where(articles.c.feed_id.in_(sources), articles.c.hidden.is_(False))
    return [*conditions_of(asked), own.number.in_(told)]
