"""Fetching what is new, now or by the clock."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from llmcoder import Context, Effect, Model, NotFound, action
from models.db.database import database, reading, writing
from tasks.news import feed_store
from tasks.news.records import Topic
from tasks.news.refresh import refresh as ask_all
from tasks.news.settings import NewsSettings

TIMEOUT_S = 1_800.0


class RefreshRequest(Model):
    """Which sources are asked."""

    feed_id: UUID | None = Field(None, description="Only this one; all that are due when left out.")
    topic: Topic | None = Field(None, description="Only those with this topic.")


class RefreshReport(Model):
    """What came of it."""

    asked: int = Field(description="Sources that were asked: those that are due.")
    unchanged: int = Field(description="Those of them that said that nothing is new.")
    failed: int = Field(description="Those that failed; news.list_feeds says why.")
    added: int = Field(description="New articles.")
    stories: int = Field(description="New stories: what several sources tell is one.")
    changed: int = Field(description="Articles that say something else now.")
    next_at: datetime | None = Field(description="When the next source is due; their servers say so.")


@action("news.refresh", effect=Effect.READ, keeps=True, outside=True, timeout_s=TIMEOUT_S)
def refresh(wanted: RefreshRequest, ctx: Context) -> RefreshReport:
    """Ask the sources that are due for new articles, and take them in.

    No server is asked before it wants to be (Retry-After, max-age), and each is asked only for what is new. One that
    fails is asked later, and stops no other.
    """
    now = database().now()
    with reading("sources") as conn:
        rows = feed_store.due(conn, ctx.user.id, now)
        if wanted.feed_id is not None and feed_store.by_id(conn, ctx.user.id, wanted.feed_id) is None:
            raise NotFound(f"You have no source {wanted.feed_id}.")
    chosen = [
        row for row in rows if wanted.feed_id in (None, row.id) and wanted.topic in (None, row.topic)
    ]  # fmt: skip
    done = ask_all(chosen, ctx)
    with writing("articles") as conn:
        feed_store.lock(conn, ctx.user.id, now)
        feed_store.prune(conn, ctx.user.id, database().now(), ctx.settings(NewsSettings).keep)
        next_at = feed_store.next_due_at(conn, ctx.user.id)
    return RefreshReport(
        asked=done.asked, unchanged=done.unchanged, failed=done.failed, added=done.added, stories=done.stories,
        changed=done.changed, next_at=next_at,
    )  # fmt: skip
