"""The feeds that a web page names. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin

from tasks.news.markup import one_line, without_feed_scheme

MAX_HTML_CHARS = 2_000_000
MOST_LINKS = 50
_KINDS_TEXT = """
    application/rss+xml application/atom+xml application/rdf+xml application/feed+json application/xml text/xml
    text/rss+xml text/atom+xml application/x-rss+xml
"""
_KINDS = frozenset(_KINDS_TEXT.split())
_ASIDE = re.compile(r"comment|kommentar|commentaire|comentario|reply|replies", re.IGNORECASE)
#: What the addresses of feeds end in; for pages that name none in their heads.
_LOOKS_LIKE_ONE = re.compile(
    r"(?:/(?:feed|feeds|rss|atom|rdf)/?|[/.](?:rss|atom|rdf)(?:\.xml)?|/(?:feed|rss|atom|index)\.(?:xml|json)|"
    r"/[\w.-]*(?:rss|feed|atom)[\w.-]*\.(?:xml|rdf|php|aspx?|cgi|json))$",
    re.IGNORECASE,
)
_QUERY_OF_ONE = re.compile(r"(?:^|&)(?:feed|format|type)=(?:rss2?|atom|rdf)(?:&|$)", re.IGNORECASE)


@dataclass(frozen=True)
class FeedLink:
    """A feed that a page names."""

    url: str
    title: str


def feeds_of(html: str, url: str) -> list[FeedLink]:
    """The feeds that a page names, its own before those of its comments.

    Args:
        url: Of the page; relative links are those of this place.
    """
    from lxml import etree  # type: ignore[import-untyped]

    links = _Links(url)
    parser = etree.HTMLParser(target=links, huge_tree=False)
    parser.feed(html[:MAX_HTML_CHARS])
    parser.close()
    found = links.named or links.guessed
    return sorted({one.url: one for one in found}.values(), key=lambda one: bool(_ASIDE.search(one.title + one.url)))


class _Links:
    """What lxml calls for each tag."""

    def __init__(self, url: str) -> None:
        self._base = url
        self.named: list[FeedLink] = []
        self.guessed: list[FeedLink] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        href = (attributes.get("href") or "").strip()
        if not href or len(href) > 2_000 or len(attributes) > 100:
            return
        if tag == "base":
            self._base = self._whole(href) or self._base
        elif tag == "link" and self._is_feed(attributes):
            self._keep(self.named, href, attributes.get("title") or "")
        elif tag == "a" and _looks_like_one(href, attributes.get("title") or ""):
            self._keep(self.guessed, href, attributes.get("title") or "")

    def close(self) -> None:
        """Nothing else was kept."""

    @staticmethod
    def _is_feed(attributes: Mapping[str, str]) -> bool:
        relations = (attributes.get("rel") or "").lower().split()
        kind = (attributes.get("type") or "").partition(";")[0].strip().lower()
        # The first version of JSON Feed had no type of its own; APIs have the same.
        is_json = kind == "application/json" and "feed" in f"{attributes.get('title')} {attributes.get('href')}".lower()
        return ("alternate" in relations and (kind in _KINDS or is_json)) or "feed" in relations

    def _keep(self, found: list[FeedLink], href: str, title: str) -> None:
        whole = self._whole(href)
        if whole and len(found) < MOST_LINKS:
            found.append(FeedLink(whole, one_line(title)[:200]))

    def _whole(self, href: str) -> str:
        try:
            whole = urljoin(self._base, without_feed_scheme(href))
        except ValueError:
            return ""
        return whole if whole.lower().startswith(("http://", "https://")) else ""


def _looks_like_one(href: str, title: str) -> bool:
    path, _, query = href.partition("#")[0].partition("?")
    is_called_so = path.lower().endswith(".xml") and re.search(r"\b(?:rss|atom)\b", title, re.IGNORECASE)
    return bool(_LOOKS_LIKE_ONE.search(path) or _QUERY_OF_ONE.search(query) or is_called_so)
