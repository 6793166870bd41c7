"""Articles and sources as they are asked for and shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from llmcoder import Model
from llmcoder.declare.filter import Filter, Passage, Words
from llmcoder.instants import Instant

NO_NUL = r"^[^\x00]*$"
Topic = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=NO_NUL)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=NO_NUL)]


class ArticleFilter(Filter):
    """Which articles are wanted; the newest come first."""

    topic: Topic | None = Field(None, description="Only those of sources with this topic.", examples=["technology"])
    source: Passage | None = Field(
        None, description="Only those that this source tells: its id, a part of its title, or of its address.",
        examples=["bbc"],
    )  # fmt: skip
    text: Words | None = Field(
        None, description="Only those with all of these words in title or summary, each as a word's beginning.",
        examples=["election results"],
    )  # fmt: skip
    since: Instant | None = Field(None, description="Only those published at this instant or later, with a time zone.")
    until: Instant | None = Field(None, description="Only those published earlier, with a time zone.")
    unread: bool | None = Field(None, description="True for unread ones, false for read ones; left out, both.")


class Media(Model):
    """A file that belongs to an article, such as an episode of a podcast."""

    url: str = Field(description="Where it is.")
    media_type: str = Field(description="What it is, such as audio/mpeg, as the source says.")
    length_bytes: int | None = Field(description="Its size, as the source says.")
    duration_s: int | None = Field(description="How long it plays.")


class ArticleSource(Model):
    """What one source tells of it."""

    feed_id: UUID = Field(description="The source.")
    feed: str = Field(description="Its title.")
    title: str = Field(description="What it calls the article.")
    url: str = Field(description="Where it has it; empty where it has no page.")
    author: str = Field(description="Who wrote it there; empty where nobody is named.")
    published_at: datetime | None = Field(description="When it published it, as it says.")


class Article(Model):
    """One article, however many sources tell it."""

    id: UUID = Field(description="Its id.")
    title: str = Field(description="Its title, of the source that had it first.")
    url: str = Field(description="Its address there; empty where it has no page.")
    summary: str = Field(description="How it begins, as plain text.")
    content: str | None = Field(None, description="All that its sources sent, as safe HTML; null in lists.")
    image_url: str = Field(description="A picture of it; empty where there is none.")
    media: list[Media] = Field(description="Files that belong to it.")
    topic: str = Field(description="Of the source that had it first; empty where it has none.")
    published_at: datetime = Field(description="When it was first published; when it was seen, where nobody says.")
    read_at: datetime | None = Field(description="When it was marked as read; null while it is unread.")
    told_at: datetime | None = Field(description="When a digest took it.")
    told_by: UUID | None = Field(description="The job that took it into a digest; its result has the line.")
    sources: list[ArticleSource] = Field(description="Who tells it, the first one first.")


class NewsFeed(Model):
    """A source."""

    id: UUID = Field(description="Its id.")
    provider: str = Field(description="`feed`, or the service that is searched.")
    url: str = Field(description="Address of the feed; of a search its words.")
    title: str = Field(description="What it is called.")
    topic: str = Field(description="Its topic; empty where it has none.")
    site_url: str = Field(description="The page that it belongs to; empty where it names none.")
    fetched_at: datetime | None = Field(description="When it last answered.")
    next_at: datetime = Field(description="It is not asked before: its server said so, or it failed.")
    failures: int = Field(description="Failures in a row.")
    note: str | None = Field(description="Why it failed, or what is wrong with it.")
