"""Lists of feeds as other readers write and read them: OPML 1.0 and 2.0. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from html import unescape
from typing import Any
from xml.sax.saxutils import quoteattr

from llmcoder import BadInput
from tasks.news.encoding import text_of_feed, with_whole_references
from tasks.news.markup import one_line, web_address, without_feed_scheme

MAX_BYTES = 5 * 1024 * 1024
MOST_FEEDS = 2_000
MOST_DEPTH = 20
# FreshRSS makes feeds of pages and of JSON by rules that no other reader has.
_SCRAPED = re.compile(r"html|\w+\+xpath|json\+", re.IGNORECASE)


class UnreadableOutline(BadInput):
    """What came is no OPML, or names no feed."""

    slug, title = "unreadable-outline", "The list of feeds cannot be read"


@dataclass(frozen=True)
class OutlineFeed:
    """A feed in a list.

    Attributes:
        topic: The outline that it stands in; empty where it stands in none.
    """

    url: str
    title: str
    topic: str = ""
    site_url: str = ""


def read(body: bytes) -> list[OutlineFeed]:
    """The feeds of a list, each once.

    Raises:
        UnreadableOutline: It is no OPML, names no feed, or too many.
    """
    from lxml import etree  # type: ignore[import-untyped]

    if len(body) > MAX_BYTES:
        raise UnreadableOutline(f"The list has {len(body)} bytes; at most {MAX_BYTES} are read.")
    text = with_whole_references(text_of_feed(body, ""))
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=True, encoding="utf-8"
    )
    try:
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError as error:
        raise UnreadableOutline("It is no OPML that can be read.") from error
    if root is None or _name(root) != "opml":
        raise UnreadableOutline("It is no OPML: that begins with <opml>.")
    found: dict[str, OutlineFeed] = {}
    for element in [root, *root]:  # some have their outlines beside a body, or none
        if _name(element) in ("body", "opml"):
            _gather(element, "", 0, found)
    if not found:
        raise UnreadableOutline("The list names no feed: none of its outlines has an xmlUrl.")
    return list(found.values())


def _name(element: Any) -> str:
    return element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else ""


def _gather(parent: Any, topic: str, depth: int, found: dict[str, OutlineFeed]) -> None:
    if depth > MOST_DEPTH:
        raise UnreadableOutline(f"Its outlines stand more than {MOST_DEPTH} deep in each other.")
    for element in parent:
        if _name(element) != "outline":
            continue
        said = {name.lower(): one_line(value) for name, value in element.attrib.items()}
        title = one_line(unescape(said.get("title") or said.get("text") or ""))  # several readers escape it twice
        url = _address(said)
        if url:
            own = said.get("category", "").split(",")[0].strip("/ ").rpartition("/")[2]
            found.setdefault(
                url.partition("://")[2],  # http and https are one
                OutlineFeed(url, title[:500], (topic or own)[:60], web_address(said.get("htmlurl", ""))),
            )
        if len(found) > MOST_FEEDS:
            raise UnreadableOutline(f"The list names more than {MOST_FEEDS} feeds.")
        _gather(element, "" if url else title or topic, depth + 1, found)


def _address(said: Mapping[str, str]) -> str:
    """Of a feed; of a page that a reader scrapes for itself, none."""
    kind = said.get("type", "").lower()
    named = said.get("xmlurl") or (said.get("url", "") if kind in ("rss", "atom") else "")
    return "" if _SCRAPED.match(kind) else web_address(without_feed_scheme(named))


def write(feeds: Iterable[OutlineFeed], now: datetime) -> str:
    """A list that every reader takes, with an outline for each topic."""
    by_topic: dict[str, list[OutlineFeed]] = {}
    for feed in feeds:
        by_topic.setdefault(feed.topic, []).append(feed)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>', '<opml version="2.0">',
        f"  <head><title>Feeds</title><dateCreated>{format_datetime(now)}</dateCreated></head>", "  <body>",
    ]  # fmt: skip
    for topic, own in sorted(by_topic.items()):
        lines += [f"    <outline text={quoteattr(topic)} title={quoteattr(topic)}>"] if topic else []
        lines += [f"{'      ' if topic else '    '}{_outline(feed)}" for feed in own]
        lines += ["    </outline>"] if topic else []
    return "\n".join([*lines, "  </body>", "</opml>", ""])


def _outline(feed: OutlineFeed) -> str:
    site = f" htmlUrl={quoteattr(feed.site_url)}" if feed.site_url else ""
    title = quoteattr(feed.title)
    return f'<outline type="rss" text={title} title={title} xmlUrl={quoteattr(feed.url)}{site}/>'
