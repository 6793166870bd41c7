"""The only module that knows feedparser: from the bytes of a feed to what it says. Pure.

feedparser gets UTF-8 from us and fetches nothing. Its sanitizer is off, and so is its resolver of links in HTML: both
take the square of a text's length. What else in it does is bounded by the two classes below.
"""

from __future__ import annotations

import io
import math
import re
import time
import xml.sax
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from llmcoder.media_types import is_page
from tasks.news import json_feed
from tasks.news.dates import instant_of
from tasks.news.encoding import text_of_feed
from tasks.news.feed import Enclosure, FeedEntry, ParsedFeed, UnreadableFeed
from tasks.news.markup import (
    MAX_SUMMARY_CHARS,
    MAX_TITLE_CHARS,
    MOST_URL_CHARS,
    first_image,
    looks_like_html,
    one_line,
    safe_html,
    shortened,
    text_of,
    web_address,
)

#: Of one feed; those that come first are taken.
MOST_ENTRIES = 2_000
#: What is not well-formed is read by regular expressions, and slowly.
MOST_ILL_FORMED_BYTES = 3 * 1024 * 1024
MOST_ATTRIBUTES = 500
MOST_DEPTH = 500
MOST_TAGS = 50
MOST_ENCLOSURES = 10
#: Of elements that hold no prose: feedparser takes the square of an author's length, 54 s for 100 KB of dots.
MOST_NAME_CHARS = 300
READING_WITHIN_S = 20.0
LONG = frozenset({"content", "description", "summary", "subtitle", "tagline", "info", "rights", "copyright", "title"})
#: What content is, as far as it is text; what was written in base64 has lost its type.
_TEXTS = ("text/", "application/xhtml", "application/octet-stream")
_FEED = re.compile(r"<(?:rss|rdf:RDF|feed|channel)[\s>]", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
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
    parsed = _parsed(text, url)
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


# --- feedparser, bounded


class _EnoughEntries(Exception):
    """All entries that are taken were read."""


class _BoundedParser:
    """What keeps feedparser within its time, whichever of its two parsers reads. Stands before it in the classes."""

    ends_at: float
    most_depth: float
    guidislink: int
    depth: int
    entries: list[Any]
    elementstack: list[list[Any]]

    def unknown_starttag(self, tag: str, attrs: Any) -> Any:
        if len(self.entries) > MOST_ENTRIES:
            raise _EnoughEntries
        self._check_time()
        if len(attrs) > MOST_ATTRIBUTES or self.depth > self.most_depth:
            raise UnreadableFeed("It nests its elements too deeply, or loads one with too many attributes.")
        return super().unknown_starttag(tag, attrs)  # type: ignore[misc]

    def handle_data(self, text: str, escape: int = 1) -> None:
        self._check_time()
        super().handle_data(text, escape)  # type: ignore[misc]

    def parse_starttag(self, at: int) -> Any:
        self._check_time()
        return super().parse_starttag(at)  # type: ignore[misc]

    def _check_time(self) -> None:
        if time.monotonic() > self.ends_at:
            raise UnreadableFeed(f"It takes more than {READING_WITHIN_S:g} s to read.")

    def startElementNS(self, name: Any, qname: Any, attrs: Any) -> Any:  # noqa: N802  as SAX calls it
        if len(attrs) > MOST_ATTRIBUTES:
            raise UnreadableFeed("It loads an element with too many attributes.")
        return super().startElementNS(name, qname, attrs)  # type: ignore[misc]

    def pop(self, element: str, strip_whitespace: int = 1) -> Any:
        is_opaque = element == "id" and self.elementstack and not _is_address(self.elementstack[-1][2])
        if element not in LONG and self.elementstack and self.elementstack[-1][0] == element:
            self.elementstack[-1][2] = _first(self.elementstack[-1][2], MOST_URL_CHARS)
        value = super().pop(element, strip_whitespace)  # type: ignore[misc]
        if is_opaque:
            self.guidislink = 0  # else it would be taken for the entry's own address, below that of the feed
        return value

    def _sync_author_detail(self, key: str = "author") -> None:
        context = self._get_context()  # type: ignore[attr-defined]
        if isinstance(name := dict.get(context, key), str):
            context[key] = name[:MOST_NAME_CHARS]
        super()._sync_author_detail(key)  # type: ignore[misc]

    def _add_tag(self, term: Any, scheme: Any, label: Any) -> None:
        tags = self._get_context().setdefault("tags", [])  # type: ignore[attr-defined]
        if len(tags) < MOST_TAGS:
            super()._add_tag(term, scheme, label)  # type: ignore[misc]


def _is_address(pieces: list[Any]) -> bool:
    text = b"".join(piece.encode() if isinstance(piece, str) else piece for piece in pieces).decode("utf-8", "replace")
    return _ADDRESS.match(text.strip()) is not None


def _first(pieces: list[Any], most_chars: int) -> list[Any]:
    kept: list[Any] = []
    for piece in pieces:
        if most_chars <= 0:
            break
        kept.append(piece[:most_chars])
        most_chars -= len(piece)
    return kept


def _parsed(text: str, url: str) -> Mapping[str, Any]:
    """As `feedparser.parse`, which makes its parsers itself and so leaves no room for limits."""
    from feedparser import api
    from feedparser.sanitizer import replace_doctype

    version, data, entities = replace_doctype(text.encode("utf-8", "replace"))
    parser = _strictly(api, data, url)
    note = ""
    if parser.bozo:
        note = f"It is not well-formed: {str(parser.exc).removeprefix('<unknown>:')[:200]}."
        parser = _made(type("Loose", (_BoundedParser, api.LooseFeedParser), {}), url, entities)
        if len(data) > MOST_ILL_FORMED_BYTES:
            raise UnreadableFeed(f"{note} So large a feed must be.")
        with suppress(_EnoughEntries):
            parser.feed(data.decode())
    return {
        "version": version or parser.version, "feed": parser.feeddata, "entries": parser.entries, "note": note,
        "namespaces": parser.namespaces_in_use,
    }  # fmt: skip


def _strictly(api: Any, data: bytes, url: str) -> Any:
    parser = _made(type("Strict", (_BoundedParser, api.StrictFeedParser), {}), url, is_strict=True)
    reader = xml.sax.make_parser()
    reader.setFeature(xml.sax.handler.feature_namespaces, True)
    reader.setFeature(xml.sax.handler.feature_external_ges, False)
    reader.setFeature(xml.sax.handler.feature_external_pes, False)
    reader.setContentHandler(parser)
    reader.setErrorHandler(parser)
    source = xml.sax.xmlreader.InputSource()
    source.setByteStream(io.BytesIO(data))
    source.setEncoding("utf-8")
    try:
        with suppress(_EnoughEntries):
            reader.parse(source)
    except xml.sax.SAXException as error:
        parser.bozo, parser.exc = 1, parser.exc or error
    return parser


def _made(kind: Any, url: str, *more: Any, is_strict: bool = False) -> Any:
    parser = kind(url, None, "utf-8", *more)
    parser.resolve_relative_uris = False
    parser.sanitize_html = False
    parser.ends_at = time.monotonic() + READING_WITHIN_S
    # The other parser counts an element that nobody ends, such as a line break, as one more deep.
    parser.most_depth = MOST_DEPTH if is_strict else math.inf
    return parser


# --- what it says


def _feed(parsed: Mapping[str, Any], url: str, tick: Tick) -> ParsedFeed:
    said = parsed["feed"]
    return ParsedFeed(
        version=parsed["version"] or "rss",
        title=shortened(_text(said, "title"), MAX_TITLE_CHARS),
        site_url=_site_of(said, url),
        description=shortened(_text(said, "subtitle") or _text(said, "summary"), MAX_SUMMARY_CHARS),
        language=one_line(str(dict.get(said, "language") or ""))[:35],
        ttl_s=_ttl_s(said),
        moved_to=web_address(str(dict.get(said, "newlocation") or dict.get(said, "itunes_new-feed-url") or "")),
        note=parsed["note"],
        entries=tuple(_entries(parsed["entries"], url, tick)),
    )


def _entries(entries: list[Any], url: str, tick: Tick) -> Iterator[FeedEntry]:
    ends_at = time.monotonic() + READING_WITHIN_S
    for one in entries[:MOST_ENTRIES]:
        tick()
        if time.monotonic() > ends_at:
            raise UnreadableFeed(f"Its entries take more than {READING_WITHIN_S:g} s to read.")
        yield _entry(one, url)


def _entry(said: Any, url: str) -> FeedEntry:
    content, base = _longest(said, url)
    summary_html = _detail(said, "summary")
    summary = _text(said, "summary") or (text_of(content) if content else "")
    safe = safe_html(content or summary_html, base)
    title = _text(said, "title") or shortened(summary, 100)
    return FeedEntry(
        guid=one_line(str(dict.get(said, "id") or ""))[:MOST_URL_CHARS],
        url=_address_of(said, url),
        title=shortened(title, MAX_TITLE_CHARS),
        summary=shortened(summary, MAX_SUMMARY_CHARS),
        content="" if one_line(safe) == one_line(summary) else safe,
        author=shortened(one_line(str(dict.get(said, "author") or "")), 200),
        published_at=_instant(said, "published") or _instant(said, "updated") or _instant(said, "created"),
        updated_at=_instant(said, "updated"),
        image_url=_image_of(said, url) or first_image(safe),
        original_url=web_address(str(dict.get(said, "feedburner_origlink") or "")),
        categories=tuple(dict.fromkeys(_categories(said))),
        enclosures=tuple(_enclosures(said, url)),
    )


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
    return value if "html" in _kind(said, name, value) else _as_html(value)


def _kind(said: Any, name: str, value: str) -> str:
    """The media type of a text construct; a summary may be a copy of the content, and says so nowhere."""
    detail = dict.get(said, f"{name}_detail")
    if detail is None and name == "summary":
        detail = next((one for one in dict.get(said, "content") or () if one.get("value") == value), None)
    return str((detail or {}).get("type") or "text/html")


def _as_html(text: str) -> str:
    from html import escape

    paragraphs = (part.strip() for part in re.split(r"\n\s*\n", text))
    return "".join(f"<p>{escape(part, quote=False)}</p>" for part in paragraphs if part)


def _longest(said: Any, url: str) -> tuple[str, str]:
    """Of several contents the longest as HTML, and the place that its links are relative to."""
    contents = [one for one in dict.get(said, "content") or () if isinstance(one.get("value"), str)]
    texts = [one for one in contents if str(one.get("type") or "text/html").startswith(_TEXTS)]
    base = str((dict.get(said, "summary_detail") or {}).get("base") or "")
    if not texts:
        return "", web_address(base) or url
    best = max(texts, key=lambda one: len(one["value"]))
    html = _as_html(best["value"]) if best.get("type") == "text/plain" else best["value"]
    return html, web_address(str(best.get("base") or "")) or url


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
    media = [one for one in dict.get(said, "media_content") or () if str(one.get("medium") or one.get("type") or "")
             .startswith("image")]  # fmt: skip
    own = str((dict.get(said, "image") or {}).get("href") or "")
    links = [str(one.get("href") or "") for one in dict.get(said, "links") or () if one.get("rel") == "enclosure"
             and str(one.get("type") or "").startswith("image")]  # fmt: skip
    named = [*thumbnails, *(str(one.get("url") or "") for one in media), own, *links]
    return next((found for one in named if (found := web_address(one, url))), "")


def _ttl_s(said: Any) -> int | None:
    """How long the feed asks to be left alone: `ttl` in minutes, or the period of RSS's module for syndication."""
    minutes = _whole(str(dict.get(said, "ttl") or ""))
    if minutes is not None:
        return minutes * 60
    period = _PERIODS.get(str(dict.get(said, "sy_updateperiod") or "").strip().lower())
    times = _whole(str(dict.get(said, "sy_updatefrequency") or "1")) or 1
    return None if period is None else period // times
