"""What every kind of source is turned into: a feed with entries, in plain text and safe HTML. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from llmcoder.errors import BadInput


class UnreadableFeed(BadInput):
    """What came is no feed, is too large, or is made to exhaust its readers."""

    slug, title = "unreadable-feed", "The feed cannot be read"


@dataclass(frozen=True)
class Enclosure:
    """A file that belongs to an entry, such as an episode of a podcast.

    Attributes:
        length_bytes: As the feed says; many lie.
        duration_s: Of sound or film, where the feed says it.
    """

    url: str
    media_type: str = ""
    length_bytes: int | None = None
    duration_s: int | None = None


@dataclass(frozen=True)
class FeedEntry:
    """One entry.

    Attributes:
        guid: By what the feed tells it from others; empty where it does not.
        url: http or https; empty where there is none.
        title: Plain text; empty where there is none.
        summary: Plain text of its beginning.
        content: Safe HTML of all that the feed holds of it; empty where that is nothing but the summary.
        original_url: Where the publisher has it, if `url` only counts the readers.
    """

    guid: str
    url: str
    title: str
    summary: str = ""
    content: str = ""
    author: str = ""
    published_at: datetime | None = None
    updated_at: datetime | None = None
    image_url: str = ""
    original_url: str = ""
    categories: tuple[str, ...] = ()
    enclosures: tuple[Enclosure, ...] = ()


@dataclass(frozen=True)
class ParsedFeed:
    """A feed as it was sent.

    Attributes:
        version: Such as rss20, atom10, json.
        site_url: The page that it belongs to; empty where it names none.
        ttl_s: How long it asks to be left alone; None where it does not.
        moved_to: Where it says that it is now; empty where it stays.
        note: What was wrong with it and could be mended.
    """

    version: str
    title: str
    site_url: str = ""
    description: str = ""
    language: str = ""
    ttl_s: int | None = None
    moved_to: str = ""
    note: str = ""
    entries: tuple[FeedEntry, ...] = field(default_factory=tuple)
