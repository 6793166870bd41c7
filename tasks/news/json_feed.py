"""JSON Feed, versions 1 and 1.1 (jsonfeed.org). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmcoder import strict_json
from tasks.news.dates import instant_of
from tasks.news.feed import Enclosure, FeedEntry, ParsedFeed, UnreadableFeed
from tasks.news.markup import (
    MAX_SUMMARY_CHARS,
    MAX_TITLE_CHARS,
    first_image,
    more_than,
    one_line,
    paragraphs,
    safe_html,
    shortened,
    text_of,
    web_address,
)

MOST_ENTRIES = 1_000
MOST_AUTHORS = 20
_VERSIONS = ("https://jsonfeed.org/version/", "http://jsonfeed.org/version/")


def read(text: str, url: str) -> ParsedFeed:
    """What a JSON Feed says.

    Raises:
        UnreadableFeed: It is another kind of JSON, or none.
    """
    try:
        said = strict_json.read_lenient(text)
    except ValueError as error:
        raise UnreadableFeed("It is no JSON that can be read.") from error
    version = said.get("version") if isinstance(said, dict) else None
    if not isinstance(version, str) or not version.startswith(_VERSIONS) or not isinstance(said.get("items"), list):
        raise UnreadableFeed("It is JSON, and no JSON Feed.")
    authors = _authors(said)
    return ParsedFeed(
        version="json",
        title=shortened(_line(said, "title"), MAX_TITLE_CHARS),
        site_url=_address(said, "home_page_url", url),
        description=shortened(_line(said, "description"), MAX_SUMMARY_CHARS),
        language=_line(said, "language")[:35],
        entries=tuple(_entry(one, url, authors) for one in said["items"][:MOST_ENTRIES] if isinstance(one, dict)),
    )


def _entry(said: dict[str, Any], url: str, authors: str) -> FeedEntry:
    """An item.

    Args:
        authors: Of items that name none.
    """
    html, plain = _text(said, "content_html"), _text(said, "content_text")
    address = _address(said, "url", url)
    safe = safe_html(html or paragraphs(plain), address or url)
    summary = _line(said, "summary") or (text_of(html) if html else one_line(plain))
    guid, image = said.get("id"), _address(said, "image", url)
    return FeedEntry(
        guid=one_line(str(guid))[:2_000] if isinstance(guid, str | int | float) else "",
        url=address or _address(said, "external_url", url) or web_address(_text(said, "id")),
        title=shortened(_line(said, "title") or shortened(summary, 100), MAX_TITLE_CHARS),
        summary=shortened(summary, MAX_SUMMARY_CHARS),
        content=more_than(shortened(summary, MAX_SUMMARY_CHARS), safe),
        author=shortened(_authors(said) or authors, 200),
        published_at=instant_of(_text(said, "date_published")) or instant_of(_text(said, "date_modified")),
        updated_at=instant_of(_text(said, "date_modified")),
        image_url=image or _address(said, "banner_image", url) or first_image(safe),
        categories=tuple(one_line(one)[:80] for one in _list(said, "tags") if isinstance(one, str)),
        enclosures=tuple(_attachments(said, url)),
    )


def _authors(said: dict[str, Any]) -> str:
    """Names of people, each once."""
    people = [one for one in (said.get("author"), *_list(said, "authors")) if isinstance(one, dict)]
    return ", ".join(dict.fromkeys(filter(None, (_line(one, "name") for one in people[:MOST_AUTHORS]))))


def _attachments(said: dict[str, Any], url: str) -> Iterator[Enclosure]:
    for one in _list(said, "attachments")[:10]:
        address = _address(one, "url", url) if isinstance(one, dict) else ""
        if address:
            yield Enclosure(
                address,
                _line(one, "mime_type")[:100],
                _number(one, "size_in_bytes"),
                _number(one, "duration_in_seconds"),
            )


def _list(said: dict[str, Any], name: str) -> list[Any]:
    value = said.get(name)
    return value if isinstance(value, list) else []


def _number(said: dict[str, Any], name: str) -> int | None:
    value = said.get(name)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e15 else None


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else ""


def _line(said: dict[str, Any], name: str) -> str:
    return one_line(_text(said, name))


def _address(said: dict[str, Any], name: str, base: str) -> str:
    return web_address(_text(said, name), base)
