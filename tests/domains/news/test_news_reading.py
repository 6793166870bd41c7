"""Feeds as they are in the field: every format, encoding and date, and those that are made to hurt."""

from __future__ import annotations

import codecs
import time
from datetime import UTC, datetime

import pytest
from news_kit import ago, many, rss

from tasks.news.dates import instant_of
from tasks.news.discovery import feeds_of
from tasks.news.feed import ParsedFeed, UnreadableFeed
from tasks.news.feed_reader import READING_WITHIN_S, read_feed
from tasks.news.markup import safe_html, text_of

HERE = "https://site.example/feed.xml"
RSS_090 = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://my.netscape.com/rdf/simple/0.9/">
<channel><title>T</title><link>https://site.example/</link></channel>
<item><title>One</title><link>https://site.example/1</link></item></rdf:RDF>"""
RSS_091 = """<rss version="0.91"><channel><title>T</title><link>https://site.example/</link>
<item><title>One</title><link>/1</link></item></channel></rss>"""
RSS_10 = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="https://site.example/"><title>T</title>
<link>https://site.example/</link></channel><item rdf:about="https://site.example/1"><title>One</title>
<link>https://site.example/1</link><dc:date>2026-11-01T10:00:00+01:00</dc:date><dc:creator>Ann</dc:creator></item></rdf:RDF>"""
ATOM_03 = """<feed version="0.3" xmlns="http://purl.org/atom/ns#"><title>T</title>
<link rel="alternate" type="text/html" href="https://site.example/"/><entry><title>One</title>
<link rel="alternate" type="text/html" href="1"/><id>tag:1</id><issued>2026-11-01T09:00:00Z</issued></entry></feed>"""
ATOM_10 = """<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://site.example/blog/">
<title type="html">T</title><link href="https://site.example/"/><entry><title type="xhtml">
<div xmlns="http://www.w3.org/1999/xhtml">O<b>n</b>e</div></title>
<link href="../1"/><id>tag:1</id><updated>2026-11-01T09:00:00Z</updated>
<content type="html">&lt;p&gt;Text &lt;a href="x"&gt;link&lt;/a&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;/p&gt;
</content></entry></feed>"""
JSON = """{"version": "https://jsonfeed.org/version/1.1", "title": "T", "home_page_url": "https://site.example/",
"items": [{"id": 1, "url": "https://site.example/1", "title": "One", "content_html": "<p>Text</p>",
"date_published": "2026-11-01T09:00:00Z", "authors": [{"name": "Ann"}]}]}"""


@pytest.mark.parametrize(
    ("text", "version"),
    [(RSS_090, "rss090"), (RSS_091, "rss091u"), (RSS_10, "rss10"), (ATOM_03, "atom03"), (ATOM_10, "atom10"),
     (JSON, "json")],
)  # fmt: skip
def test_every_format_says_the_same(text: str, version: str) -> None:
    feed = read_feed(text.encode(), "", HERE)
    (entry,) = feed.entries
    assert (feed.version, feed.title, feed.site_url) == (version, "T", "https://site.example/")
    assert (entry.title, entry.url) == ("One", "https://site.example/1")
    if version in ("rss10", "atom03", "atom10", "json"):
        assert entry.published_at == datetime(2026, 11, 1, 9, tzinfo=UTC)


def test_content_is_safe_and_its_links_are_whole() -> None:
    (entry,) = read_feed(ATOM_10.encode(), "", HERE).entries
    assert entry.content == (
        '<p>Text <a href="https://site.example/blog/x" rel="noopener noreferrer nofollow">link</a></p>'
    )
    assert entry.summary == "Text link"


@pytest.mark.parametrize(
    "html",
    [
        "<img src=x onerror=alert(1)>", "<a href='javascript:alert(1)'>x</a>", "<svg onload=alert(1)>",
        "<iframe src='https://a.example'></iframe>", "<style>x</style><script>alert(1)</script>",
        "<img src='https://count.example/p.gif' width=1 height=1>", "<a href='data:text/html,x'>x</a>",
        "<form action='https://a.example'><input name=x></form>", "<math><mtext></mtext></math>",
        '<p title="&quot; onmouseover=alert(1)">x</p>',
    ],
)  # fmt: skip
def test_nothing_of_it_runs_or_counts(html: str) -> None:
    shown = safe_html(html, HERE)
    for evil in ("<script", "onerror", "javascript:", "<svg", "<iframe", "<style", "count.example", "data:", "<form"):
        assert evil not in shown
    assert 'onmouseover=alert(1)"' not in shown.replace("&quot; onmouseover", "")


def test_a_podcast_has_its_episodes() -> None:
    text = """<rss version="2.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"><channel><title>P</title>
    <item><title>Episode &amp;amp; one</title><guid isPermaLink="false">e1</guid>
    <itunes:duration>1:02:03</itunes:duration>
    <enclosure url="https://cdn.example/1.mp3" length="123" type="audio/mpeg"/>
    <itunes:image href="https://cdn.example/1.jpg"/></item></channel></rss>"""
    (entry,) = read_feed(text.encode(), "", HERE).entries
    (file,) = entry.enclosures
    assert (file.url, file.media_type, file.length_bytes, file.duration_s) == (
        "https://cdn.example/1.mp3", "audio/mpeg", 123, 3723,
    )  # fmt: skip
    assert (entry.title, entry.image_url) == ("Episode & one", "https://cdn.example/1.jpg")
    assert entry.url == "https://cdn.example/1.mp3"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Tom &amp;amp; Jerry", "Tom & Jerry"), ("Tom &amp; Jerry", "Tom & Jerry"), ("A &lt;b&gt;B&lt;/b&gt;", "A B"),
        ("<![CDATA[A <b>B</b> &eacute;]]>", "A B é"), ("1 &lt; 2", "1 < 2"), ("x &#8217; y", "x ’ y"),
        ("caf&eacute;", "café"), ("Line\n  two", "Line two"), ("&#x1F600;", "😀"), ("a&nbsp;b", "a b"),
    ],
)  # fmt: skip
def test_a_title_is_plain_text(written: str, read: str) -> None:
    body = f"<rss version='2.0'><channel><title>T</title><item><title>{written}</title></item></channel></rss>"
    assert read_feed(body.encode(), "", HERE).entries[0].title == read


TEXT = "Größe, Straße und Übermut: Ärger in Köln"


def titled(encoding: str, declared: str | None) -> bytes:
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    text = f"{declaration}<rss version='2.0'><channel><title>{TEXT}</title></channel></rss>"
    return text.encode(encoding)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (titled("utf-8", "utf-8"), "application/xml"),
        (titled("utf-8", None), "text/xml"),
        (titled("latin-1", "iso-8859-1"), "text/xml"),
        (titled("latin-1", "utf-8"), "application/rss+xml; charset=utf-8"),
        (titled("utf-8", "iso-8859-1"), "text/xml; charset=iso-8859-1"),
        (titled("utf-8", "windows-1252"), ""),
        (titled("latin-1", None), ""),
        (titled("latin-1", "utf-8"), "text/xml; charset=latin1"),
        (codecs.BOM_UTF8 + titled("utf-8", "iso-8859-1"), ""),
        (titled("utf-16", "utf-16"), ""),
        (titled("utf-16-le", "utf-16"), ""),
        (titled("utf-16-be", None), "application/xml; charset=utf-16be"),
        (titled("utf-8", "utf-16"), ""),
        (titled("utf-32", "utf-32"), ""),
        (titled("cp500", "cp500"), ""),
        (titled("utf-8", "no-such-encoding"), "text/xml; charset=nonsense"),
        (b"\n\n  " + titled("utf-8", "utf-8"), ""),
        (titled("utf-8", "utf-8").replace(b"Gr", b"\x00\x0bGr"), ""),
    ],
)
def test_a_feed_is_read_in_the_encoding_that_it_is_in(body: bytes, content_type: str) -> None:
    assert read_feed(body, content_type, HERE).title == TEXT


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37"),
        ("Sun, 06 Nov 1994 08:49:37 +0530", "1994-11-06T03:19:37"),
        ("06 Nov 94 08:49 EST", "1994-11-06T13:49:00"),
        ("Tue, 1 Jul 2025 10:00:00 CEST", "2025-07-01T08:00:00"),
        ("Tue, 1 Jul 2025 10:00:00 BST", "2025-07-01T09:00:00"),
        ("Di, 1 Juli 2025 10:00:00 +0200", "2025-07-01T08:00:00"),
        ("mardi 1 juillet 2025 10:00", "2025-07-01T10:00:00"),
        ("вт, 1 июля 2025 10:00:00 +0300", "2025-07-01T07:00:00"),
        ("2025-07-01T10:00:00.123-07:00", "2025-07-01T17:00:00"),
        ("2025-07-01", "2025-07-01T00:00:00"),
        ("2025-07-01 10:00", "2025-07-01T10:00:00"),
        ("1751364000", "2025-07-01T10:00:00"),
        ("1751364000000", "2025-07-01T10:00:00"),
        ("July 1, 2025, 10:00 AM PDT", "2025-07-01T17:00:00"),
        ("Tue Jul 1 10:00:00 2025", "2025-07-01T10:00:00"),
    ],
)
def test_a_date_is_read_as_it_is_meant(text: str, at: str) -> None:
    body = f"<rss version='2.0'><channel><item><title>x</title><pubDate>{text}</pubDate></item></channel></rss>"
    (entry,) = read_feed(body.encode(), "", HERE).entries
    assert entry.published_at is not None
    assert entry.published_at.replace(microsecond=0) == datetime.fromisoformat(f"{at}+00:00")


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2025-02-30", "2025-13-01T10:00:00Z", "Tue, 31 Feb 2025 10:00:00 GMT", "0000-00-00 00:00:00",
     "Thu, 01 Jan 1970 00:00:00 GMT", "99999999999999999999", "10:30", "9" * 5000],
)  # fmt: skip
def test_what_is_no_date_is_none(text: str) -> None:
    body = f"<rss version='2.0'><channel><item><title>x</title><pubDate>{text}</pubDate></item></channel></rss>"
    (entry,) = read_feed(body.encode(), "", HERE).entries
    assert entry.published_at is None
    assert instant_of(text) is None


HEAD = b"<rss version='2.0' xmlns:dc='http://purl.org/dc/elements/1.1/'><channel><title>x</title><item>"
END = b"</item></channel></rss>"
N = 200_000
HOSTILE = {
    "an author of dots": HEAD + b"<author>" + b"a." * (N // 2) + b"</author>" + END,
    "many authors of dots": HEAD + (b"<dc:creator>" + b"a." * 140 + b"</dc:creator>") * (N // 310) + END,
    "an author of at signs": HEAD + b"<author>a@" + b"a." * (N // 2) + b"</author>" + END,
    "many categories": HEAD + b"".join(b"<category>%d</category>" % at for at in range(N // 25)) + END,
    "many attributes": HEAD + b"<a " + b" ".join(b"a%d='1'" % at for at in range(N // 10)) + b"/>" + END,
    "deep elements": HEAD + b"<a>" * (N // 8) + b"</a>" * (N // 8) + END,
    "deep markup": HEAD + b"<description>" + b"&lt;div&gt;" * (N // 11) + b"</description>" + END,
    "open tags": HEAD + b"<a " * (N // 3),
    "signs that open nothing": HEAD + b"<" * N,
    "ampersands": HEAD + b"&" * N,
    "comments that nobody ends": HEAD + b"<!-- " * (N // 5),
    "sections that nobody ends": HEAD + b"<![CDATA[" * (N // 9),
    "digits for a date": HEAD + b"<pubDate>" + b"1:" * (N // 2) + b"</pubDate>" + END,
    "many links": HEAD + b"<link>http://e.example/</link>" * (N // 30) + END,
    "one element for each": b"<rss version='2.0'><channel>" + b"<item/>" * (N // 7) + b"</channel></rss>",
    "billion laughs": b"<!DOCTYPE r [<!ENTITY a 'ha'>" + b"".join(
        b"\n<!ENTITY %c '%s'>" % (98 + at, b"&%c;" % (97 + at) * 10) for at in range(9)) + b"]>" + HEAD + b"<title>&j;</title>" + END,  # noqa: E501
    "a file of ours": b"<!DOCTYPE r [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>" + HEAD + b"<title>&a;</title>" + END,
    "nothing but brackets": b"{" * N,
    "blanks": b" " * N + HEAD + END,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_feed_that_is_made_to_hurt_is_read_or_refused_in_time(name: str) -> None:
    begun = time.monotonic()
    try:
        feed = read_feed(HOSTILE[name], "application/xml", HERE)
    except UnreadableFeed as error:
        assert error.detail
    else:
        assert sum(len(str(entry)) for entry in feed.entries) < 3 * N
        assert "root:" not in str(feed) and "hahahahaha" not in str(feed)
    assert time.monotonic() - begun < 3 * READING_WITHIN_S  # a generous bound: none takes more than 3 s on two cores


def test_an_ill_formed_feed_is_mended_and_says_so() -> None:
    feed = read_feed(b"<rss version='2.0'><channel><title>a & b</title><item><title>One<br></title></item>", "", HERE)
    assert (feed.title, feed.entries[0].title) == ("a & b", "One")
    assert "not well-formed" in feed.note


def test_a_long_feed_is_read_as_far_as_its_newest() -> None:
    feed: ParsedFeed = read_feed(rss(many(3_000)), "", HERE)
    assert len(feed.entries) == 2_000 and feed.entries[0].published_at > ago(hours=3)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<link rel=alternate type="application/rss+xml" href="/f">', ["https://site.example/f"]),
        (
            '<base href="https://o.example/"><link rel="alternate feed" type=application/atom+xml href=f>',
            ["https://o.example/f"],
        ),
        ('<link rel="alternate" type="application/feed+json" href="feed://o.example/f">', ["http://o.example/f"]),
        ('<link rel="alternate" type="text/html" hreflang="de" href="/de">', []),
        ('<link rel="stylesheet" type="application/rss+xml" href="/f">', []),
        ('<a href="/rss.xml">RSS</a><a href="/about">x</a>', ["https://site.example/rss.xml"]),
        ('<link rel="alternate" type="application/rss+xml" href="javascript:x">', []),
        ("no tags at all", []),
    ],
)
def test_the_feeds_that_a_page_names_are_found(html: str, found: list[str]) -> None:
    assert [one.url for one in feeds_of(f"<html><head>{html}</head></html>", HERE)] == found


def test_the_text_of_blocks_does_not_run_together() -> None:
    assert text_of("<p>One</p><p>two<br>three</p><ul><li>four</li></ul>") == "One two three four"
