"""Sources: added by address, by the page that names them or from the catalogue; removed, listed, moved by OPML."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from llmcoder import BadInput, Context, Effect, FileRef, Model, NotFound, Undo, action
from llmcoder.ids import new_id
from llmcoder.provenance import Taint
from models.db.database import database, reading, writing
from models.owned_records import was_read
from tasks.news import catalogue, feed_store, opml
from tasks.news.feed_store import BUILT_IN, FEED, NewSource
from tasks.news.ingest import KnownTitles, ingest
from tasks.news.records import NO_NUL, NewsFeed, Title, Topic
from tasks.news.settings import NewsSettings
from tasks.news.subscribing import FoundFeed, built_in, find_feed, whole_address

TIMEOUT_S = 120.0
QUICK_S = 30.0
FEED_ID: Any = Field(None, description="Which one.", examples=["01937b2e-7c00-7000-8000-000000000001"])
ADDED_BY: Any = Field(None, description="Instead: all that this job added.")
Address = Annotated[str, StringConstraints(strip_whitespace=True, min_length=4, max_length=2_000, pattern=NO_NUL)]


class NewFeed(Model):
    """A source to read."""

    url: Address | None = Field(
        None,
        description="Address of a feed (RSS, Atom, JSON Feed), or of a web page that names one.",
        examples=["https://feeds.bbci.co.uk/news/world/rss.xml"],
    )
    name: str | None = Field(
        None, max_length=60, description="Instead: a feed of the catalogue, see news.suggest_feeds; such as bbc-world."
    )
    topic: Topic | None = Field(None, description="Its topic, such as technology; that of the catalogue if left out.")
    title: Title | None = Field(None, description="What you call it; what it calls itself when left out.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.url is None) == (self.name is None):
            raise ValueError("give `url` or `name`, and not both")
        return self


class FeedChoice(Model):
    """Which sources are meant."""

    feed_id: UUID | None = FEED_ID
    added_by: UUID | None = ADDED_BY

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.feed_id is None) == (self.added_by is None):
            raise ValueError("give `feed_id` or `added_by`, and not both")
        return self


class FeedChoices(Model):
    """Several sources."""

    feed_ids: list[UUID] = Field(
        max_length=feed_store.MOST_FEEDS, description="Which ones.",
        examples=[["01937b2e-7c00-7000-8000-000000000001"]],
    )  # fmt: skip


class AddedFeed(NewsFeed):
    """A source that was added."""

    is_new: bool = Field(description="False where it was there already.")
    added_by: UUID = Field(description="The job, to take it back; of one that was there already that does nothing.")
    added: int = Field(description="Articles that came with it.")
    stories: int = Field(description="Those of them that no other source had told yet.")
    others: list[str] = Field(description="Other feeds that the page names.")


class SourceTopic(Model):
    """A source and its topic."""

    feed_id: UUID = Field(description="Which one.", examples=["01937b2e-7c00-7000-8000-000000000001"])
    topic: Topic | None = Field(None, description="Its topic, such as technology; null for none.", examples=["science"])


class ChangedTopic(Model):
    """The topic of a source."""

    before: str | None = Field(description="What it was; null for none.")
    topic: str | None = Field(description="What it is now.")


class FeedListing(Model):
    """Which sources are wanted."""

    topic: Topic | None = Field(None, description="Only those with this topic.")
    failing: bool | None = Field(None, description="True for those whose last attempt failed, false for the others.")


class Feeds(Model):
    """Sources."""

    items: list[NewsFeed] = Field(description="Them, the first added first.")


class ChangedFeeds(Model):
    """What became of sources. Their titles are not here: they are a feed's words, and to take this back would wait."""

    feed_ids: list[UUID] = Field(description="Those that it was done to.")


class CatalogueListing(Model):
    """Which feeds of the catalogue are wanted."""

    topic: Literal["tips", "world", "business", "science", "technology", "comics"] | None = Field(
        None, description="Only those of this topic."
    )
    language: str | None = Field(None, max_length=10, description="Only those in this language, such as en or de.")


class SuggestedFeed(Model):
    """A feed of the catalogue."""

    name: str = Field(description="What news.add_feed takes.")
    title: str = Field(description="What it is called.")
    url: str = Field(description="Its address.")
    topic: str = Field(description="Its topic.")
    language: str = Field(description="Its language.")


class SuggestedFeeds(Model):
    """Feeds to begin with."""

    items: list[SuggestedFeed] = Field(description="Them.")


class Outline(Model):
    """A list of feeds to be taken in."""

    file: FileRef | None = Field(None, description="The list as another reader writes it (OPML); upload it first.")
    text: str | None = Field(
        None, min_length=1, max_length=1_000_000, description="Instead: the list itself.",
        examples=['<opml version="2.0"><body><outline xmlUrl="https://xkcd.com/atom.xml" text="xkcd"/></body></opml>'],
    )  # fmt: skip

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.file is None) == (self.text is None):
            raise ValueError("give `file` or `text`, and not both")
        return self


class TakenOutline(Model):
    """What came of a list of feeds."""

    added: int = Field(description="Feeds that were added; their articles come with the next news.refresh.")
    known: int = Field(description="Feeds that were there already.")
    topics: list[str] = Field(description="Topics that the list has.")
    added_by: UUID = Field(description="The job, to take all of them back.")


class WholeOutline(Model):
    """Nothing to say: all sources."""


class WrittenOutline(Model):
    """A list of feeds that every reader takes."""

    file: FileRef = Field(description="The list, attached to the job.")
    feeds: int = Field(description="How many it has.")
    left_out: list[str] = Field(description="What is no feed elsewhere: searches, and the tips of this program.")


@action("news.restore_feeds", effect=Effect.WRITE, repeatable=True, timeout_s=QUICK_S)
def restore_feeds(which: FeedChoices, ctx: Context) -> ChangedFeeds:
    """Give removed sources back, with their articles; possible for 30 days."""
    now = database().now()
    with writing("sources") as conn:
        feed_store.lock(conn, ctx.user.id, now)
        rows = feed_store.put_back(conn, ctx.user.id, which.feed_ids, now)
    return ChangedFeeds(feed_ids=[row.id for row in rows])


@action(
    "news.remove_feed",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(restore_feeds, lambda which, gone: FeedChoices(feed_ids=gone.feed_ids)),
    timeout_s=QUICK_S,
)
def remove_feed(which: FeedChoice, ctx: Context) -> ChangedFeeds:
    """Remove a source and the articles that only it tells; one that is gone already is no error."""
    now = database().now()
    with writing("sources") as conn:
        feed_store.lock(conn, ctx.user.id, now)
        if which.feed_id is not None:
            ids = [which.feed_id]
            if feed_store.by_id(conn, ctx.user.id, which.feed_id) is None:
                raise NotFound(f"You have no source {which.feed_id}.")
        else:
            assert which.added_by is not None
            ids = feed_store.added_by(conn, ctx.user.id, which.added_by)
        rows = feed_store.remove(conn, ctx.user.id, ids, ctx.job_id, now)
    return ChangedFeeds(feed_ids=[row.id for row in rows])


@action(
    "news.add_feed",
    effect=Effect.WRITE,
    repeatable=True,
    outside=True,
    undo=Undo(remove_feed, lambda new, added: FeedChoice(added_by=added.added_by)),
    timeout_s=TIMEOUT_S,
)
def add_feed(new: NewFeed, ctx: Context) -> AddedFeed:
    """Read a feed from now on, and its articles at once.

    Takes the address of a feed or of a page that names one, or a name of the catalogue (news.suggest_feeds). One that
    is there already stays as it is. To try other feeds of a page, add one of `others`.
    """
    known = _of_catalogue(new.name)
    address = whole_address(new.url or "") if known is None else known.url
    ctx.progress(0.1, f"Fetching {address}")
    is_built_in = address == catalogue.TIPS_URL
    found = built_in() if is_built_in else find_feed(address, ctx, database().now())
    ctx.progress(0.6, f"Reading {found.feed.title or found.url}")
    source = NewSource(
        url=found.url,
        title=new.title or (known.title if known else found.feed.title) or found.url,
        provider=BUILT_IN if is_built_in else FEED,
        topic=new.topic or (known.topic if known else ""),
        site_url=found.feed.site_url,
        own_title=new.title is not None or known is not None,
    )
    return _added(source, found, ctx)


def _of_catalogue(name: str | None) -> catalogue.KnownFeed | None:
    if name is None:
        return None
    if name not in catalogue.BY_NAME:
        raise BadInput(f"The catalogue has no {name!r}; it has {', '.join(catalogue.BY_NAME)}.")
    return catalogue.BY_NAME[name]


def _added(source: NewSource, found: FoundFeed, ctx: Context) -> AddedFeed:
    now, keep = database().now(), ctx.settings(NewsSettings).keep
    with writing("sources") as conn:
        feed_store.lock(conn, ctx.user.id, now)
        # One that redirects to a source of the user's is that source under another address.
        is_known = feed_store.reads(conn, ctx.user.id, found.answer.url)
        source = replace(source, url=found.answer.url) if is_known else source
        row = feed_store.add(conn, ctx.user.id, source, ctx.job_id, ctx.job_id, now)
        report = ingest(conn, row, found.feed.entries, KnownTitles(ctx.user.id), now, keep)
        feed_store.succeeded(conn, row.id, found.columns(now), now)
        row = feed_store.by_id(conn, ctx.user.id, row.id)
        return AddedFeed(
            **shown(row), is_new=row.added_by == ctx.job_id, added_by=ctx.job_id, added=report.added,
            stories=report.stories, others=[one.url for one in found.others],
        )  # fmt: skip


@action("news.put_topic_back", effect=Effect.WRITE, repeatable=True, timeout_s=QUICK_S)
def put_topic_back(given: SourceTopic, ctx: Context) -> ChangedTopic:
    """Give a source the topic again that it had."""
    return _with_topic(given, ctx)


@action(
    "news.set_topic",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(put_topic_back, lambda given, was: SourceTopic(feed_id=given.feed_id, topic=was.before)),
    timeout_s=QUICK_S,
)
def set_topic(given: SourceTopic, ctx: Context) -> ChangedTopic:
    """Give a source, and the articles that it told, another topic."""
    return _with_topic(given, ctx)


def _with_topic(given: SourceTopic, ctx: Context) -> ChangedTopic:
    now = database().now()
    with writing("sources") as conn:
        feed_store.lock(conn, ctx.user.id, now)
        row = feed_store.by_id(conn, ctx.user.id, given.feed_id)
        if row is None:
            raise NotFound(f"You have no source {given.feed_id}.")
        feed_store.set_topic(conn, row, given.topic or "", now)
    return ChangedTopic(before=row.topic or None, topic=given.topic)


@action("news.list_feeds", effect=Effect.READ, outside=True, timeout_s=QUICK_S)
def list_feeds(wanted: FeedListing, ctx: Context) -> Feeds:
    """List your sources, and what is wrong with them."""
    with reading("sources") as conn:
        rows = feed_store.all_of(conn, ctx.user.id)
    kept = [
        row
        for row in rows
        if wanted.topic in (None, row.topic) and wanted.failing in (None, row.failures > 0)
    ]  # fmt: skip
    return Feeds(items=[NewsFeed(**shown(row)) for row in kept])


@action("news.suggest_feeds", effect=Effect.READ, timeout_s=QUICK_S)
def suggest_feeds(wanted: CatalogueListing, _ctx: Context) -> SuggestedFeeds:
    """List feeds to begin with, which news.add_feed takes by their names."""
    return SuggestedFeeds(
        items=[
            SuggestedFeed(name=one.name, title=one.title, url=one.url, topic=one.topic, language=one.language)
            for one in catalogue.CATALOGUE
            if wanted.topic in (None, one.topic) and wanted.language in (None, one.language)
        ]
    )


@action(
    "news.import_opml",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(remove_feed, lambda given, taken: FeedChoice(added_by=taken.added_by)),
    timeout_s=TIMEOUT_S,
)
def import_opml(given: Outline, ctx: Context) -> TakenOutline:
    """Take in the list of feeds of another reader; all of it or nothing."""
    if given.file is not None:
        with ctx.open_file(given.file) as file:
            found = opml.read(file.read(opml.MAX_BYTES + 1))
    else:
        found = opml.read((given.text or "").encode("utf-8", "replace"))
    now = database().now()
    with writing("sources") as conn:
        feed_store.lock(conn, ctx.user.id, now)
        for one in found:
            source = NewSource(
                one.url, one.title or one.url, topic=one.topic, site_url=one.site_url, own_title=bool(one.title)
            )
            feed_store.add(conn, ctx.user.id, source, ctx.job_id, new_id(), now)
        added = len(feed_store.added_by(conn, ctx.user.id, ctx.job_id))
    topics = sorted({one.topic for one in found if one.topic})
    return TakenOutline(added=added, known=len(found) - added, topics=topics, added_by=ctx.job_id)


@action("news.export_opml", effect=Effect.DRAFT, keeps=True, outside=True, timeout_s=QUICK_S)
def export_opml(_given: WholeOutline, ctx: Context) -> WrittenOutline:
    """Write your sources as a list that every reader takes (OPML), as a file of the job."""
    now = database().now()
    with reading("sources") as conn:
        rows = feed_store.all_of(conn, ctx.user.id)
    ctx.trail.read(Taint.OUTSIDE)
    feeds = [opml.OutlineFeed(row.url, row.title, row.topic, row.site_url) for row in rows if row.provider == FEED]
    file = ctx.attach("feeds.opml", opml.write(feeds, now).encode(), "text/x-opml")
    return WrittenOutline(
        file=file, feeds=len(feeds), left_out=[row.title for row in rows if row.provider != FEED]
    )  # fmt: skip


def shown(row: Any) -> dict[str, Any]:
    was_read(row)
    return {name: getattr(row, name) for name in NewsFeed.model_fields}
