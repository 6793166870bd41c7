"""From the bytes of a feed to what it says. Pure."""

from __future__ import annotations

import mimetypes
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from llmcoder.media_types import is_page
from tasks.news import feed_parser, json_feed
from tasks.news.dates import instant_of
from tasks.news.encoding import text_of_feed
from tasks.news.feed import Enclosure, FeedEntry, ParsedFeed, UnreadableFeed
from tasks.news.feed_parser import MOST_ENTRIES, READING_WITHIN_S
from tasks.news.markup import (
    MAX_SUMMARY_CHARS,
    MAX_TITLE_CHARS,
    MOST_URL_CHARS,
    first_image,
    looks_like_html,
    more_than,
    one_line,
    paragraphs,
    safe_html,
    shortened,
    text_of,
    web_address,
)

MOST_ENCLOSURES = 10
#: Of one entry; more are cut off anyway.
MOST_AUTHORS = 20
#: What content is, as far as it is text; what was written in base64 has lost its type.
_TEXTS = ("text/", "application/xhtml", "application/octet-stream")
_FEED = re.compile(r"<(?:rss|rdf:RDF|feed|channel)[\s>]", re.IGNORECASE)
_DURATION = re.compile(r"(?:(\d{1,3}):)?(\d{1,4}):(\d{1,2})(?:\.\d+)?|(\d{1,7})(?:\.\d+)?")
_PERIODS = {"hourly": 3600, "daily": 86_400, "weekly": 604_800, "monthly": 2_592_000, "yearly": 31_536_000}

Tick = Callable[[], None]


def read_feed(body: bytes, content_type: str, url: str, tick: Tick = lambda: None) -> ParsedFeed:
    """Read RSS 0.9x, 1.0 and 2.0, Atom 0.3 and 1.0, CDF, and JSON Feed.

    Args:
        body: All of it, as it came; also gzip.
        url: Where it came from; relative links are those of this place.
        tick: Called between entries; whatever it raises ends the reading.

    Raises:
        UnreadableFeed: It is no feed, or would take too long.
    """
    text = text_of_feed(body, content_type)
    if text.startswith("{"):
        return json_feed.read(text, url)
    if is_web_page(text):
        raise UnreadableFeed("It is a web page and no feed.")
    parsed = feed_parser.parse(text, url)
    if not parsed["version"] and not parsed["entries"] and _FEED.search(text[:65_536]) is None:
        raise UnreadableFeed(_what_it_is(text))
    return _feed(parsed, url, tick)


def is_web_page(text: str) -> bool:
    """Whether it begins as HTML does, and is no feed below a wrong beginning."""
    return is_page(text[:4096].encode()) and _FEED.search(text[:65_536]) is None


def _what_it_is(text: str) -> str:
    if "<html" in text[:65_536].lower():
        return "It is a web page and no feed."
    return "It is neither RSS nor Atom nor JSON Feed." if text else "There is nothing in it."


# --- what it says


def _feed(parsed: Mapping[str, Any], url: str, tick: Tick) -> ParsedFeed:
    said = parsed["feed"]
    about = next((text for name in ("subtitle", "summary", "itunes_summary") if (text := _text(said, name))), "")
    site_url = _site_of(said, url)
    # Only Atom says that an entry without an author is of its feed's.
    authors = _authors(said) if parsed["version"].startswith("atom") else ""
    return ParsedFeed(
        version=parsed["version"] or "rss",
        title=shortened(_text(said, "title"), MAX_TITLE_CHARS),
        site_url=site_url,
        description=shortened(about, MAX_SUMMARY_CHARS),
        language=one_line(str(dict.get(said, "language") or ""))[:35],
        ttl_s=_ttl_s(said),
        moved_to=web_address(str(dict.get(said, "newlocation") or dict.get(said, "itunes_new-feed-url") or "")),
        note=parsed["note"],
        entries=tuple(_entries(parsed, _FeedPlace(url, site_url, authors, parsed["version"]), tick)),
    )


@dataclass(frozen=True)
class _FeedPlace:
    """What entries have of their feed.

    Attributes:
        url: Where it came from.
        authors: Of entries that name none.
    """

    url: str
    site_url: str
    authors: str
    version: str

    def base(self, declared: str, entry_url: str) -> str:
        """The place that links in HTML are relative to: in RSS, which says nothing of it, the entry's own page."""
        if self.version.startswith("atom") or web_address(declared) not in ("", self.url):
            return web_address(declared) or self.url
        return entry_url or self.site_url or self.url


def _entries(parsed: Mapping[str, Any], place: _FeedPlace, tick: Tick) -> Iterator[FeedEntry]:
    ends_at = time.monotonic() + READING_WITHIN_S
    for one in parsed["entries"][:MOST_ENTRIES]:
        tick()
        if time.monotonic() > ends_at:
            raise UnreadableFeed(f"Its entries take more than {READING_WITHIN_S:g} s to read.")
        yield _entry(one, place)


def _entry(said: Any, place: _FeedPlace) -> FeedEntry:
    url = _address_of(said, place.url)
    content, declared = _longest(said)
    summary_html = _detail(said, "summary")
    told = (_text(said, name) for name in ("summary", "itunes_summary"))
    summary = next(filter(None, told), "") or text_of(content) or _text(said, "media_description")
    safe = safe_html(content or summary_html, place.base(declared, url))
    title = _text(said, "title") or shortened(summary, 100)
    return FeedEntry(
        guid=one_line(str(dict.get(said, "id") or ""))[:MOST_URL_CHARS],
        url=url,
        title=shortened(title, MAX_TITLE_CHARS),
        summary=shortened(summary, MAX_SUMMARY_CHARS),
        content=more_than(shortened(summary, MAX_SUMMARY_CHARS), safe),
        author=shortened(_authors(said) or _authors(dict.get(said, "source") or {}) or place.authors, 200),
        published_at=_instant(said, "published") or _instant(said, "updated") or _instant(said, "created"),
        updated_at=_instant(said, "updated"),
        image_url=_image_of(said, place.url) or first_image(safe),
        original_url=web_address(str(dict.get(said, "feedburner_origlink") or "")),
        categories=tuple(dict.fromkeys(_categories(said))),
        enclosures=tuple(_enclosures(said, place.url)),
    )


def _authors(said: Any) -> str:
    """Names of people, each once; the address of mail of one who has nothing else."""
    people = (dict.get(said, "authors") or [])[:MOST_AUTHORS]
    names = [one_line(str(one.get("name") or one.get("email") or "")) for one in people]
    return ", ".join(dict.fromkeys(filter(None, names))) or one_line(str(dict.get(said, "author") or ""))


def _text(said: Any, name: str) -> str:
    """A text construct as plain text. RSS says of none whether it is HTML, so what looks like it is."""
    value = dict.get(said, name)
    if not isinstance(value, str):
        return ""
    return text_of(value) if "html" in _kind(said, name, value) and looks_like_html(value) else one_line(value)


def _detail(said: Any, name: str) -> str:
    """A text construct as HTML."""
    value = dict.get(said, name)
    if not isinstance(value, str):
        return ""
    return value if "html" in _kind(said, name, value) else paragraphs(value)


def _kind(said: Any, name: str, value: str) -> str:
    """The media type of a text construct; a summary may be a copy of the content, and says so nowhere."""
    detail = dict.get(said, f"{name}_detail")
    if detail is None and name == "summary":
        detail = next((one for one in dict.get(said, "content") or () if one.get("value") == value), None)
    return str((detail or {}).get("type") or "text/html")


def _longest(said: Any) -> tuple[str, str]:
    """Of several contents the longest as HTML, and the place that its links are relative to, as it is declared."""
    contents = [one for one in dict.get(said, "content") or () if isinstance(one.get("value"), str)]
    texts = [one for one in contents if str(one.get("type") or "text/html").startswith(_TEXTS)]
    if not texts:
        return "", str((dict.get(said, "summary_detail") or {}).get("base") or "")
    best = max(texts, key=lambda one: len(one["value"]))
    html = paragraphs(best["value"]) if best.get("type") == "text/plain" else best["value"]
    return html, str(best.get("base") or "")


def _site_of(said: Any, url: str) -> str:
    links = [one for one in dict.get(said, "links") or () if one.get("rel", "alternate") == "alternate"]
    named = [str(dict.get(said, "link") or ""), *(str(one.get("href") or "") for one in links)]
    return next((found for one in named if (found := web_address(one, url))), "")


def _address_of(said: Any, url: str) -> str:
    links = [one for one in dict.get(said, "links") or () if one.get("href")]
    by_rel = {rel: [str(one["href"]) for one in links if one.get("rel") == rel] for rel in ("alternate", "enclosure")}
    guid = str(dict.get(said, "id") or "")
    named = [str(dict.get(said, "link") or ""), *by_rel["alternate"], web_address(guid)]
    return next((found for one in [*named, *by_rel["enclosure"]] if (found := web_address(one, url))), "")


def _instant(said: Any, name: str) -> Any:
    text = dict.get(said, name)
    parsed = dict.get(said, f"{name}_parsed")
    return instant_of(text if isinstance(text, str) else "", parsed) if text or parsed else None


def _categories(said: Any) -> Iterator[str]:
    for tag in dict.get(said, "tags") or ():
        name = one_line(str(tag.get("label") or tag.get("term") or ""))[:80]
        if name:
            yield name


def _enclosures(said: Any, url: str) -> Iterator[Enclosure]:
    duration = _seconds(str(dict.get(said, "itunes_duration") or ""))
    links = [one for one in dict.get(said, "links") or () if one.get("rel") == "enclosure"]
    media = [one for one in dict.get(said, "media_content") or () if one.get("url")]
    seen: set[str] = set()
    for one in [*links, *media]:
        address = web_address(str(one.get("href") or one.get("url") or ""), url)
        kind = str(one.get("type") or one.get("medium") or "")[:100]
        if not address or address in seen or len(seen) >= MOST_ENCLOSURES:
            continue
        seen.add(address)
        length = str(one.get("length") or one.get("filesize") or "")
        lasts = _seconds(str(one.get("duration") or "")) or duration
        yield Enclosure(address, kind, _whole(length), None if kind.startswith("image") else lasts)


def _whole(text: str) -> int | None:
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and 0 < len(digits) < 16 else None


def _seconds(text: str) -> int | None:
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        return None
    hours, minutes, seconds, plain = (int(part or 0) for part in found.groups())
    return plain or hours * 3600 + minutes * 60 + seconds or None


def _image_of(said: Any, url: str) -> str:
    thumbnails = [str(one.get("url") or "") for one in dict.get(said, "media_thumbnail") or ()]
    media = [one for one in dict.get(said, "media_content") or () if _is_image(one)]
    own = str((dict.get(said, "image") or {}).get("href") or "")
    links = [str(one.get("href") or "") for one in dict.get(said, "links") or () if one.get("rel") == "enclosure"
             and str(one.get("type") or "").startswith("image")]  # fmt: skip
    named = [*thumbnails, *(str(one.get("url") or "") for one in media), own, *links]
    return next((found for one in named if (found := web_address(one, url))), "")


def _is_image(media: Any) -> bool:
    """Whether it is one: many say so by the address alone."""
    kind = str(media.get("medium") or media.get("type") or "")
    return (kind or mimetypes.guess_type(urlsplit(str(media.get("url") or "")).path)[0] or "").startswith("image")


def _ttl_s(said: Any) -> int | None:
    """How long the feed asks to be left alone: `ttl` in minutes, or the period of RSS's module for syndication."""
    minutes = _whole(str(dict.get(said, "ttl") or ""))
    if minutes is not None:
        return minutes * 60
    period = _PERIODS.get(str(dict.get(said, "sy_updateperiod") or "").strip().lower())
    times = _whole(str(dict.get(said, "sy_updatefrequency") or "1")) or 1
    return None if period is None else period // times
