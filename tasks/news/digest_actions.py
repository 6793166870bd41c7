"""What news has to say in a digest: the stories that most sources tell, each in one digest and never again."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from llmcoder import Context, Effect, Model, NotConfigured, Retry, action
from llmcoder.declare.filter import Number
from llmcoder.instants import Instant
from models.db.database import database, writing
from tasks.news import feed_store, telling
from tasks.news.article_list import shown
from tasks.news.records import Article

NAMED_SOURCES = 3


class DigestRequest(Model):
    """What a digest is to have of the news."""

    since: Instant = Field(
        description="Older articles are no news; with a time zone.", examples=["2030-06-01T00:00:00Z"]
    )
    limit: Number = Field(12, ge=1, le=40, description="Most stories to tell.", examples=[12])


class DigestStory(Model):
    """A story, as a line of a digest."""

    article_id: UUID = Field(description="The article.")
    text: str = Field(description="Its title.")
    detail: str = Field(description="Who tells it.")
    url: str = Field(description="Where to read it; empty where it has no page.")


class DigestNews(Model):
    """The news of a digest."""

    items: list[DigestStory] = Field(description="The stories, those of the most sources first.")
    left: int = Field(description="Stories that no digest has told yet.")


@action(
    "news.gather_digest",
    effect=Effect.DRAFT,
    keeps=True,
    outside=True,
    timeout_s=60,
    retry=Retry(attempts=5, first_wait_s=1),
)
def gather_digest(wanted: DigestRequest, ctx: Context) -> DigestNews:
    """Take the stories that a digest is to tell: each is in one digest, and in no other.

    Which job took a story stands with it (`told_by`); its result has the line.
    """
    now = database().now()
    with writing("articles") as conn:
        feed_store.lock(conn, ctx.user.id, now)
        if not feed_store.all_of(conn, ctx.user.id):
            raise NotConfigured("You read no sources yet: add one with news.add_feed.")
        rows, left = telling.take(conn, ctx.user.id, ctx.job_id, wanted.since, wanted.limit, now)
        found = shown(conn, rows)
    return DigestNews(items=[_line(one) for one in found], left=left)


def _line(article: Article) -> DigestStory:
    names = list(dict.fromkeys(one.feed for one in article.sources))
    more = len(names) - NAMED_SOURCES
    detail = ", ".join(names[:NAMED_SOURCES]) + (f" and {more} more" if more > 0 else "")
    return DigestStory(article_id=article.id, text=article.title, detail=detail, url=article.url)
