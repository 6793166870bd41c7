"""The whole of feedparser's own test data: nothing of it crashes, and what it states of itself comes out right."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from feedparser_data import Case, cases
from news_kit import Reader, ServedFeed

from tasks.news.actions import add_feed
from tasks.news.feed import FeedEntry, ParsedFeed, UnreadableFeed
from tasks.news.feed_reader import read_feed
from tasks.news.markup import MAX_SUMMARY_CHARS, MAX_TITLE_CHARS, one_line, paragraphs, shortened, text_of, web_address

#: Where its own tests serve it.
SERVED = "http://127.0.0.1:8097/tests/"
#: What is no feed, and what only the HTTP client unpacks.
REFUSED = {
    "compression/deflate-no-headers.z", "compression/deflate.z", "compression/gzip-struct-error.gz",
    "http/http_status_302-no-location.xml", "illformed/rss_empty_document.xml",
}  # fmt: skip
#: Where we say something else, and why.
OTHERWISE = {
    "wellformed/atom10/entry_content_text_plain_brackets.xml": "content is HTML here, so text comes as escaped HTML",
    "wellformed/base/http_entry_id_base_content_location.xml": "an id is what it says, wherever the feed comes from",
    "wellformed/base/http_entry_id_base_docuri.xml": "the same",
    "wellformed/atom/entry_author_map_author.xml": "of who has a name, the address of mail is left out",
    "wellformed/atom10/entry_author_map_author.xml": "the same",
    "wellformed/http/headers_content_location-relative.xml": "browsers do not heed Content-Location, and neither do we",
    "wellformed/http/headers_content_location-unsafe.xml": "the same",
    "wellformed/lang/http_content_language.xml": "a server's Content-Language is that of its operator",
    "wellformed/rss/item_description_not_a_doctype.xml": "an HTML comment that is none; browsers show nothing",
    "wellformed/sanitize/item_content_encoded_script_nested_cdata.xml": "as browsers read CDATA in HTML",
    "wellformed/sanitize/xml_malicious_comment.xml": "an HTML comment that nobody ends; browsers show nothing more",
    "encoding/bozo_linenoise.xml": "noise",
    "encoding/x80_ms-cyrl.xml": "no codec of Python's has this name",
    "encoding/x80_tcvn-5712.xml": "the same",
    "encoding/x80_tcvn.xml": "the same",
    "encoding/x80_tcvn5712-1.xml": "the same",
    "encoding/x80_viscii.xml": "the same",
}


def read(case: Case) -> ParsedFeed:
    headers = case.headers
    url = headers.get("content-location") or f"{SERVED}{case.name}"
    return read_feed(case.body, headers.get("content-type", ""), url)


def test_every_file_is_read_or_refused_and_none_crashes() -> None:
    refused, count = set(), 0
    for case in cases():
        count += 1
        try:
            read(case)
        except UnreadableFeed:
            refused.add(case.name)
    assert count >= 2_240
    assert refused == REFUSED


def test_what_the_files_state_of_themselves_comes_out_right() -> None:
    compared: Counter[str] = Counter()
    wrong: dict[str, list[Any]] = {}
    for case in cases():
        if case.name in REFUSED:
            continue
        feed = read(case)
        for place, expected in case.claims:
            is_right = holds(feed, place, expected)
            if is_right is not None:
                compared[case.name.partition("/")[0]] += 1
            if is_right is False:
                wrong.setdefault(case.name, []).append((place, expected))
    assert {name: claims for name, claims in wrong.items() if name not in OTHERWISE} == {}
    assert set(OTHERWISE) == set(wrong), "an excuse that nobody needs any more"
    assert compared["wellformed"] >= 1_030 and compared["encoding"] >= 130 and compared["entities"] == 256


def holds(feed: ParsedFeed, place: tuple[str | int, ...], expected: Any) -> bool | None:
    """Whether a statement is true of what we read; None where we keep no such thing."""
    if place[0] == "feed":
        return _of_feed(feed, place[1:], expected)
    if place[0] != "entries" or not isinstance(place[1], int):
        return None
    return place[1] < len(feed.entries) and _of_entry(feed.entries[place[1]], place[2:], expected)


def _of_feed(feed: ParsedFeed, place: tuple[str | int, ...], expected: Any) -> bool | None:
    match place:
        case ("title",) | ("title_detail", "value"):
            return same_text(feed.title, expected, MAX_TITLE_CHARS)
        case ("link",):
            return feed.site_url == web_address(expected) if web_address(expected) else None
        case ("subtitle" | "tagline" | "description",) | (
            "subtitle_detail" | "tagline_detail" | "description_detail", "value",
        ):  # fmt: skip
            return same_text(feed.description, expected, MAX_SUMMARY_CHARS)
        case ("language",):
            return feed.language == expected
    return None


def _of_entry(entry: FeedEntry, place: tuple[str | int, ...], expected: Any) -> bool | None:
    match place:
        case ("title",) | ("title_detail", "value"):
            return same_text(entry.title, expected, MAX_TITLE_CHARS) if expected else None
        case ("link",):
            return entry.url == web_address(expected) if web_address(expected) else None
        case ("summary" | "description",) | ("summary_detail" | "description_detail", "value"):
            return same_text(entry.summary, expected, MAX_SUMMARY_CHARS)
        case ("content", 0, "value"):
            ours = entry.content or paragraphs(entry.summary)
            return text_of(ours) == text_of(expected) or one_line(ours) == one_line(expected)
        case ("id" | "guid",):
            return entry.guid == one_line(expected)
        case ("author",):
            return entry.author == one_line(expected)
        case (
            "published_parsed" | "updated_parsed" | "created_parsed" | "date_parsed" | "modified_parsed"
            | "issued_parsed",
        ):  # fmt: skip
            at = datetime(*expected[:6], tzinfo=UTC) if expected else None
            return at in (entry.published_at, entry.updated_at) if at else None
    return None


def same_text(ours: str, expected: str, most_chars: int) -> bool:
    """We keep plain text, whatever it was."""
    return ours in (shortened(one_line(expected), most_chars), shortened(text_of(expected), most_chars))


@pytest.mark.both_stores
@pytest.mark.parametrize("packed", ["gzip", "deflate", "gzip although nobody says so"])
def test_a_packed_feed_is_unpacked(reader: Reader, serve: Callable[..., tuple[str, ServedFeed]], packed: str) -> None:
    (case,) = (one for one in cases() if one.name == "wellformed/atom10/entry_title.xml")
    body = zlib.compress(case.body) if packed == "deflate" else gzip.compress(case.body)
    headers = {} if "nobody" in packed else {"content-encoding": packed}
    url, _ = serve("/packed", body, headers=headers)
    assert reader.do(add_feed, url=url).added == 1
