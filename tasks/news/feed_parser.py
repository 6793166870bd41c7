"""The only module that knows feedparser: its parsers, kept within their time, and kept from what they mix up. Pure.

feedparser gets UTF-8 from us and fetches nothing. Its sanitizer is off, and so is its resolver of links in HTML: both
take the square of a text's length. What else in it does is bounded by the two classes below.
"""

from __future__ import annotations

import io
import math
import re
import time
import xml.sax
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urljoin, urlsplit

from tasks.news.encoding import with_whole_references
from tasks.news.feed import UnreadableFeed
from tasks.news.markup import MOST_URL_CHARS, looks_like_html

#: Of one feed; those that come first are taken.
MOST_ENTRIES = 2_000
#: What is not well-formed is read by regular expressions, and slowly.
MOST_ILL_FORMED_BYTES = 3 * 1024 * 1024
MOST_ATTRIBUTES = 500
MOST_DEPTH = 500
MOST_TAGS = 50
#: Of elements that hold no prose: feedparser takes the square of an author's length, 54 s for 100 KB of dots.
MOST_NAME_CHARS = 300
READING_WITHIN_S = 20.0
LONG = frozenset({
    "content", "description", "summary", "subtitle", "tagline", "info", "rights", "copyright", "title",
    "media_description", "itunes_summary",
})  # fmt: skip
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)


class _EnoughEntries(Exception):
    """All entries that are taken were read."""


class _BoundedParser:
    """What keeps feedparser within its time, whichever of its two parsers reads. Stands before it in the classes.

    Attributes:
        document_url: Where the feed came from.
        channel_url: The site that an RSS feed says it belongs to; empty until it does.
    """

    ends_at: float
    most_depth: float
    document_url: str
    channel_url: str = ""
    baseuri: str
    version: str
    guidislink: int
    depth: int
    infeed: int
    inentry: int
    inimage: int
    intextinput: int
    entries: list[Any]
    elementstack: list[list[Any]]
    #: An id is what it says, and not a place below the feed's.
    can_be_relative_uri = frozenset({"comments", "docs", "href", "icon", "link", "logo", "url"})
    #: By what it takes a text for HTML, where the feed does not say.
    looks_like_html = staticmethod(looks_like_html)

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
        if element == "link" and self.elementstack and self.elementstack[-1][0] == element:
            self.elementstack[-1][2] = [_joined(self.elementstack[-1][2]).replace("&amp;", "&")]
        value = super().pop(element, strip_whitespace)  # type: ignore[misc]
        if is_opaque:
            self.guidislink = 0  # else it would be taken for the entry's own address, below that of the feed
        if element == "link" and self.infeed and not (self.inentry or self.inimage or self.intextinput):
            self.channel_url = self.channel_url or str(value or "")
        return value

    def resolve_uri(self, uri: str) -> str:
        """A whole address. RSS that another host serves than its site's (FeedBurner) means places of the site."""
        try:
            own, site = urlsplit(self.document_url).hostname, urlsplit(self.channel_url).hostname
            of_site = site and site != own and not self.version.startswith("atom") and self.baseuri == self.document_url
            return urljoin((self.channel_url if of_site else self.baseuri) or "", uri)
        except ValueError:
            return ""

    def _start_media_description(self, attrs: Any) -> None:
        """What a picture or a film shows; feedparser would have it for the entry's own summary or content."""
        self.push("media_description", 1)  # type: ignore[attr-defined]

    def _end_media_description(self) -> None:
        self.pop("media_description")

    def _start_itunes_summary(self, attrs: Any) -> None:
        """What a program for podcasts shows; likewise."""
        self.push("itunes_summary", 1)  # type: ignore[attr-defined]

    def _end_itunes_summary(self) -> None:
        self.pop("itunes_summary")

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
    return _ADDRESS.match(_joined(pieces).strip()) is not None


def _joined(pieces: list[Any]) -> str:
    return b"".join(piece.encode() if isinstance(piece, str) else piece for piece in pieces).decode("utf-8", "replace")


def _first(pieces: list[Any], most_chars: int) -> list[Any]:
    kept: list[Any] = []
    for piece in pieces:
        if most_chars <= 0:
            break
        kept.append(piece[:most_chars])
        most_chars -= len(piece)
    return kept


def parse(text: str, url: str) -> Mapping[str, Any]:
    """As `feedparser.parse`, which makes its parsers itself and so leaves no room for limits.

    Returns:
        What feedparser's result has, and a `note`: what was wrong with the feed and could be mended.

    Raises:
        UnreadableFeed: It would take too long.
    """
    from feedparser import api
    from feedparser.sanitizer import replace_doctype

    version, data, entities = replace_doctype(text.encode("utf-8", "replace"))
    parser = _strictly(api, data, url)
    note = ""
    if parser.bozo:
        note = f"It is not well-formed: {str(parser.exc).removeprefix('<unknown>:')[:200]}."
        mended = with_whole_references(data.decode())
        parser = _strictly(api, mended.encode(), url)
        if parser.bozo:
            parser = _loosely(api, mended, url, entities, note)
    return {
        "version": version or parser.version, "feed": parser.feeddata, "entries": parser.entries, "note": note,
        "namespaces": parser.namespaces_in_use,
    }  # fmt: skip


def _loosely(api: Any, text: str, url: str, entities: Any, note: str) -> Any:
    if len(text.encode()) > MOST_ILL_FORMED_BYTES:
        raise UnreadableFeed(f"{note} So large a feed must be.")
    parser = _made(type("Loose", (_BoundedParser, api.LooseFeedParser), {}), url, entities)
    with suppress(_EnoughEntries):
        parser.feed(text)
    return parser


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
    parser.document_url = url
    parser.resolve_relative_uris = False
    parser.sanitize_html = False
    parser.ends_at = time.monotonic() + READING_WITHIN_S
    # The other parser counts an element that nobody ends, such as a line break, as one more deep.
    parser.most_depth = MOST_DEPTH if is_strict else math.inf
    return parser
