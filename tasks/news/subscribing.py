"""From the address that a user gives to a feed that is known to be one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from llmcoder import BadInput, NotFound
from llmcoder.context import Context
from llmcoder.errors import Forbidden, Refused
from llmcoder.net.guard import parse_target
from tasks.news.catalogue import TIPS_URL
from tasks.news.discovery import FeedLink, feeds_of
from tasks.news.encoding import text_of_feed
from tasks.news.feed import ParsedFeed, UnreadableFeed
from tasks.news.feed_reader import is_web_page, read_feed
from tasks.news.fetching import LONGEST_WAIT, FetchedFeed, fetch

TIPS = Path(__file__).parent / "tips.xml"
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


@dataclass(frozen=True)
class FoundFeed:
    """A feed, as it was found.

    Attributes:
        url: Where; what is asked from now on.
        others: Other feeds that the page names which led here.
    """

    url: str
    answer: FetchedFeed
    feed: ParsedFeed
    others: list[FeedLink] = field(default_factory=list)

    def columns(self, now: datetime) -> dict[str, Any]:
        """What a source's row keeps of the answer."""
        return columns_of(self.answer, self.feed, now)


def columns_of(answer: FetchedFeed, feed: ParsedFeed, now: datetime) -> dict[str, Any]:
    """What a source's row keeps of an answer, in the transaction that writes its articles."""
    wait = min(timedelta(seconds=feed.ttl_s or 0), LONGEST_WAIT)
    fresh_until = answer.fresh_until or (now + wait if feed.ttl_s else now)
    return {
        "etag": answer.etag, "last_modified": answer.last_modified, "next_at": fresh_until,
        "note": _note(feed) or None, "site_url": feed.site_url,
    }  # fmt: skip


def _note(feed: ParsedFeed) -> str:
    moved = f"It says that it has moved to {feed.moved_to}." if feed.moved_to else ""
    return " ".join(filter(None, (feed.note, moved)))


def whole_address(text: str) -> str:
    """An address as people write it: feed:, or without its scheme.

    Raises:
        BadInput: It is none that can be fetched.
    """
    text = re.sub(r"^feed:(?://)?(?=https?:)", "", text.strip(), flags=re.IGNORECASE)
    text = re.sub(r"^feed:(?://)?", "https://", text, flags=re.IGNORECASE)
    if not _SCHEME.match(text) or re.match(r"[\w.-]+:\d", text):
        text = f"https://{text}"
    parse_target(text)
    return text


def find_feed(url: str, ctx: Context, now: datetime) -> FoundFeed:
    """The feed behind an address, or the first one that the page there names.

    Raises:
        UnreadableFeed: There is neither.
        ActionError: As `fetch`.
    """
    answer = fetch(url, ctx, now)
    links = _links(answer)
    if links is None:
        return _read(url, answer, ctx)
    host = parse_target(answer.url).host
    if not links:
        raise UnreadableFeed(f"{host} has a web page there that names no feed. Look for the address of its feed.")
    problems: list[str] = []
    for number, link in enumerate(links[:3]):
        try:
            found = _read(link.url, fetch(link.url, ctx, now), ctx)
        except (BadInput, Forbidden, NotFound, Refused) as error:
            problems.append(error.detail)
            continue
        return replace(found, others=links[:number] + links[number + 1 :])
    raise UnreadableFeed(f"{host} has a web page there, and what it names is no feed: {problems[0]}")


def built_in() -> FoundFeed:
    """The feed that comes with the program, so that there is something to read without a network."""
    body = TIPS.read_bytes()
    answer = FetchedFeed(body, "application/atom+xml", TIPS_URL, None, None, None)
    return FoundFeed(TIPS_URL, answer, read_feed(body, answer.content_type, ""))


def _links(answer: FetchedFeed) -> list[FeedLink] | None:
    """The feeds that a page names; None where the answer is no page."""
    text = text_of_feed(answer.body or b"", answer.content_type)
    return feeds_of(text, answer.url) if is_web_page(text) else None


def _read(url: str, answer: FetchedFeed, ctx: Context) -> FoundFeed:
    try:
        feed = read_feed(answer.body or b"", answer.content_type, answer.url, ctx.check)
    except UnreadableFeed as error:
        raise UnreadableFeed(f"{parse_target(answer.url).host}: {error.detail}") from error
    return FoundFeed(answer.moved_to or url, answer, feed)
