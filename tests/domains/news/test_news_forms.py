"""Dates, titles, addresses and people as the world writes them into feeds, whatever the format says of them."""

# ruff: noqa: E501  (a row of a table is a line)

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from publisher_feeds import atom_of, rss_of

from tasks.news.feed import FeedEntry
from tasks.news.feed_reader import read_feed

HERE = "https://site.example/dir/feed.xml"
TEN = datetime(2026, 11, 29, 10, tzinfo=UTC)


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def entry_of(text: str, url: str = HERE) -> FeedEntry:
    return read_feed(text.encode(), "", url).entries[0]


# fmt: off
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Sun, 29 Nov 2026 10:00:00 GMT', TEN),
        ('Sun, 29 Nov 2026 10:00:00 +0000', TEN),
        ('Sun, 29 Nov 26 10:00:00 GMT', TEN),
        ('29 Nov 2026 10:00 UT', TEN),
        ('Sun, 29 November 2026 11:00:00 CET', TEN),
        ('Sun,29 Nov 2026 05:00:00 EST', TEN),
        ('Sun, 29 Nov 2026 05:00:00 -05:00', TEN),
        ('So, 29 Nov 2026 11:00:00 +0100', TEN),
        ('dim., 29 nov. 2026 11:00:00 +0100', TEN),
        ('Sonntag, 29. November 2026 11:00:00 +0100', TEN),
        ('Sunday, November 29, 2026 - 10:00', TEN),
        ('Sunday, 29 November, 2026 - 10:00', TEN),
        ('Nov 29, 2026 10:00:00 GMT', TEN),
        ('November 29, 2026, 5:00 am EST', TEN),
        ('2026-11-29T10:00:00Z', TEN),
        ('2026-11-29T10:00Z', TEN),
        ('2026-11-29T11:00:00+01:00', TEN),
        ('2026-11-29T11:00:00+0100', TEN),
        ('2026-11-29T11:00:00.123456789+01:00', TEN),
        ('2026-11-29 10:00:00', TEN),
        ('2026-11-29 11:00:00 +0100', TEN),
        ('2026-11-29 10:00:00 UTC', TEN),
        ('2026-11-29 10:00:00Z', TEN),
        ('2026-11-29', at(2026, 11, 29)),
        ('20261129T100000Z', TEN),
        ('2026/11/29 10:00:00', TEN),
        ('29.11.2026 10:00', TEN),
        ('03.11.2026 10:00', at(2026, 11, 3, 10)),
        ('03.11.2026', at(2026, 11, 3)),
        ('2026年11月29日 10:00', TEN),
        ('2026年11月29日 10時00分', TEN),
        ('2026. 11. 29. 10:00', TEN),
        ('Sun Nov 29 10:00:00 2026', TEN),
        ('Sun Nov 29 05:00:00 EST 2026', TEN),
        ('Sun Nov 29 2026 11:00:00 GMT+0100 (Central European Standard Time)', TEN),
        ('1795946400', TEN),
        ('1795946400000', TEN),
        ('Sun, 29 Nov 2026 11:00:00 GMT+1', TEN),
        ('Sun, 29 Nov 2026 11:00:00 GMT+0100', TEN),
        ('Sun, 29 Nov 2026 11:00:00 +01:00', TEN),
        ('Sun, 29 Nov 2026 10:00:00 Z', TEN),
        ('Sun, 29 Nov 2026 11:00:00 +0100 (CET)', TEN),
        ('søn, 29 nov 2026 11:00:00 +0100', TEN),
        ('Søn, 29 des 2026 11:00:00 +0100', at(2026, 12, 29, 10)),
        ('sön, 29 maj 2026 12:00:00 +0200', at(2026, 5, 29, 10)),
        ('Dom, 29 Nov 2026 10:00:00 +0000', TEN),
        ('Вс, 29 ноя 2026 13:00:00 +0300', TEN),
        ('Sun, 29 Nov 2026 24:00:00 GMT', at(2026, 11, 30)),
        ('Sun, 29 Nov 2026 10:00:60 GMT', at(2026, 11, 29, 10, 0, 59)),
        ('Sun, 31 Nov 2026 10:00:00 GMT', None),
        ('0000-00-00 00:00:00', None),
        ('Thu, 01 Jan 1970 00:00:00 GMT', None),
        ('Mon, 30 Nov -0001 00:00:00 +0000', None),
        ('0001-01-01T00:00:00Z', None),
        ('Invalid Date', None),
        ('yesterday', None),
        ('11/29/2026 10:00:00 AM', TEN),
        ('29/11/2026 10:00', TEN),
        ('11/29/2026 5:00:00 PM', at(2026, 11, 29, 17)),
        ('Sun, 29 Nov 2026 5:00:00 PM GMT', at(2026, 11, 29, 17)),
        ('Sun, 29 Nov 2026 10:00:00 PM EST', at(2026, 11, 30, 3)),
        ('29 Nov 2026 5:00 PM', at(2026, 11, 29, 17)),
        ('Sun, 29 Nov 2026 05:00 AM -0500', TEN),
        ('2026-11-29 5:00 PM', at(2026, 11, 29, 17)),
        ('2026-333', at(2026, 11, 29)),
        ('Sun, 29 Nov 2026', at(2026, 11, 29)),
        ('29 Nov 2026', at(2026, 11, 29)),
        ('2026-11', at(2026, 11, 1)),
        ('Sun, 29 Nov 2026 11:00:00 Europe/Berlin', TEN),
        ('2026-11-29T11:00:00[Europe/Berlin]', TEN),
        ('2026-11-29T11:00:00+01:00[Europe/Berlin]', TEN),
        ('domingo, 29 de noviembre de 2026 10:00', TEN),
        ('29 de novembro de 2026', at(2026, 11, 29)),
        ('29 novembre 2026', at(2026, 11, 29)),
        ('dimanche 29 novembre 2026 à 10:00', TEN),
        ('29. marraskuuta 2026', at(2026, 11, 29)),
        ('Sun, 29 Nov 2026 10:00:00 &#43;0000', TEN),
        ('Sun, 29 Nov 2026 10.00.00 GMT', TEN),
        ('Sun, 29 Nov 2026  10:00:00  GMT ', TEN),
        ('Sun, 9 Nov 2026 10:00:00 GMT', at(2026, 11, 9, 10)),
        ('Mon, 29 Nov 2026 10:00:00 GMT', TEN),
        ('Sun, 29-Nov-2026 10:00:00 GMT', TEN),
        ('29-Nov-2026', at(2026, 11, 29)),
        ('2026-11-29T10:00:00+00:00Z', TEN),
        ('2026-11-29T5:00:00-05:00', TEN),
        ('2026-11-29T24:00:00Z', at(2026, 11, 30)),
        ('Sun, 29 Nov 2026 11:00:00 MEZ', TEN),
        ('Sun, 29 Jun 2026 12:00:00 MESZ', at(2026, 6, 29, 10)),
        ('Sun, 29 Nov 2026 19:00:00 JST', TEN),
        ('Sun, 29 Nov 2026 15:30:00 IST', TEN),
        ('2026-11-29T10:00:00 Z', TEN),
        ('2026-11-29T10:00:00 +0000', TEN),
        ('Sun Nov 29 10:00:00 +0000 2026', TEN),
    ],
)
def test_a_date_is_the_instant_that_its_writer_means(text: str, expected: datetime | None) -> None:
    assert entry_of(rss_of(f"<item><title>A</title><pubDate>{text}</pubDate></item>")).published_at == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('AT&amp;T', 'AT&T'),
        ('AT&amp;amp;T', 'AT&T'),
        ('AT&T buys', 'AT&T buys'),
        ('&lt;b&gt;Bold&lt;/b&gt; news', 'Bold news'),
        ('<![CDATA[<b>Bold</b> news]]>', 'Bold news'),
        ('<b>Bold</b> news', 'Bold news'),
        ('A &lt; B', 'A < B'),
        ('Vec&lt;T&gt; explained', 'Vec<T> explained'),
        ('std::vector&lt;int&gt; and map&lt;K, V&gt;', 'std::vector<int> and map<K, V>'),
        ('if x&lt;y and y&gt;z', 'if x<y and y>z'),
        ('I &lt;3 Python', 'I <3 Python'),
        ('Email &lt;bob@example.org&gt; today', 'Email <bob@example.org> today'),
        ('Don&#8217;t', 'Don’t'),
        ('Don&amp;#8217;t', 'Don’t'),
        ('Don&amp;rsquo;t', 'Don’t'),
        ('&quot;Q&quot; &apos;s&apos;', '"Q" \'s\''),
        ('Line<br/>break', 'Line break'),
        ('Line&lt;br&gt;break', 'Line break'),
        ('5 &amp;gt; 3 &amp;lt; 7', '5 > 3 < 7'),
        ('<![CDATA[AT&T &amp; more]]>', 'AT&T & more'),
        ('<![CDATA[ ]]>', ''),
        ('  a \n b  ', 'a b'),
        ('H&lt;sub&gt;2&lt;/sub&gt;O', 'H2O'),
        ('&lt;p&gt;P&lt;/p&gt;', 'P'),
        ('Emoji &#x1F600; ok', 'Emoji 😀 ok'),
        ('&lt;img src="x.png" alt="Logo"&gt; Text', 'Text'),
        ('R&amp;D: caf&amp;eacute;', 'R&D: café'),
        ('&#x202E;evil', '\u202eevil'),
        ('Zero\u200bwidth', 'Zerowidth'),
        ('&lt;script&gt;alert(1)&lt;/script&gt;Hi', 'Hi'),
        ('&amp;lt;script&amp;gt; tag', '<script> tag'),
        ('100&#37; &copy; 2026', '100% © 2026'),
        ('&nbsp;Nb&nbsp;sp', 'Nb sp'),
        ('man&shy;chmal', 'manchmal'),
        ('&#150; dash', '– dash'),
        ('Windows &#x92; quote', 'Windows ’ quote'),
    ],
)
def test_a_title_is_what_its_readers_are_to_see(text: str, expected: str) -> None:
    assert entry_of(rss_of(f"<item><title>{text}</title><link>https://x.example/1</link></item>")).title == expected


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ("<link>/p/1</link>", "https://site.example/p/1"),
        ("<link>p/1</link>", "https://site.example/dir/p/1"),
        ("<link>//o.example/1</link>", "https://o.example/1"),
        ("<link>https://o.example/a b.html</link>", "https://o.example/a%20b.html"),
        ('<link>https://o.example/a"b</link>', "https://o.example/a%22b"),
        ("<link>https://o.example/a\tb</link>", "https://o.example/ab"),
        ("<link>https://o.example/a?x=1&y=2</link>", "https://o.example/a?x=1&y=2"),
        ("<guid>https://o.example/g</guid>", "https://o.example/g"),
        ("<guid>abc/1</guid>", ""),
        ("<link>javascript:alert(1)</link><guid>x</guid>", ""),
        ('<enclosure url="https://o.example/my file.mp3" type="audio/mpeg"/>', "https://o.example/my%20file.mp3"),
    ],
)
def test_an_address_is_whole_or_none(xml: str, expected: str) -> None:
    assert entry_of(rss_of(f"<item><title>A</title>{xml}</item>")).url == expected


@pytest.mark.parametrize(
    ("served_at", "link", "source", "expected"),
    [
        ("https://feeds.proxy.example/blog", "https://blog.example/2026/post/", "pic.jpg", "https://blog.example/2026/post/pic.jpg"),
        ("https://feeds.proxy.example/blog", "https://blog.example/2026/post/", "/pic.jpg", "https://blog.example/pic.jpg"),
        ("https://feeds.proxy.example/blog", "/2026/post/", "/pic.jpg", "https://site.example/pic.jpg"),
        (HERE, "", "/pic.jpg", "https://site.example/pic.jpg"),
    ],
)
def test_what_rss_holds_is_relative_to_its_page(served_at: str, link: str, source: str, expected: str) -> None:
    item = f"<item><title>A</title><link>{link}</link><description>&lt;img src='{source}'&gt; text</description></item>"
    assert entry_of(rss_of(item), served_at).image_url == expected


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ("<dc:creator>A</dc:creator><dc:creator>B</dc:creator>", "A, B"),
        ("<author>bob@example.org (Bob Smith)</author>", "Bob Smith"),
        ("<author>bob@example.org</author>", "bob@example.org"),
        ("<author>bob@example.org (Bob)</author><dc:creator>Bob</dc:creator>", "Bob"),
        ("<title>T</title>", ""),
    ],
)
def test_people_are_named_once_and_without_their_addresses(xml: str, expected: str) -> None:
    assert entry_of(rss_of(f"<item><title>R</title>{xml}</item>", "<managingEditor>e@example.org (Ed)</managingEditor>")).author == expected


@pytest.mark.parametrize(
    ("xml", "right"),
    [
        ('<media:content url="https://a.example/x.jpg" medium="image"><media:title>Caption</media:title><media:description>Alt</media:description></media:content><description>Own</description>',
         lambda one: (one.title, one.summary, one.content) == ("R", "Own", "")),
        ('<description>Own</description><media:group><media:content url="https://a.example/x.jpg"/><media:description>Alt</media:description></media:group>',
         lambda one: (one.summary, one.content, one.image_url) == ("Own", "", "https://a.example/x.jpg")),
        ("<description>Own</description><itunes:summary>Other</itunes:summary>", lambda one: (one.summary, one.content) == ("Own", "")),
        ("<itunes:summary>Other</itunes:summary><description>Own</description>", lambda one: (one.summary, one.content) == ("Own", "")),
        ("<itunes:summary>Other</itunes:summary>", lambda one: one.summary == "Other"),
        ("<description>A &amp;amp; b</description>", lambda one: (one.summary, one.content) == ("A & b", "")),
        ('<image><url>https://a.example/i.jpg</url><title>No</title><link>https://a.example/no</link></image><link>https://a.example/1</link>',
         lambda one: (one.title, one.url) == ("R", "https://a.example/1")),
    ],
)
def test_nothing_of_another_element_is_taken_for_the_entry_s_own(xml: str, right: Callable[[FeedEntry], bool]) -> None:
    one = entry_of(rss_of(f"<item><title>R</title>{xml}</item>"))
    assert right(one), one


def test_only_in_atom_an_entry_has_its_feed_s_author() -> None:
    own = "<entry><title>P</title><id>urn:p</id><author><name>A</name></author><author><name>B</name></author></entry>"
    none = "<entry><title>P</title><id>urn:p</id></entry>"
    feed = "<author><name>Feed</name></author>"
    assert [entry_of(atom_of(one, feed)).author for one in (own, none)] == ["A, B", "Feed"]


LONG = "word " * 400


@pytest.mark.parametrize(
    ("item", "more", "right"),
    [
        ({"content_text": "First\n\nSecond <b>"}, {}, lambda one: one.content == "<p>First</p><p>Second &lt;b&gt;</p>"),
        ({"content_text": LONG, "title": "T"}, {}, lambda one: len(one.content) > 1_900),
        ({"content_text": "x"}, {"authors": [{"name": "Al"}, {"name": "Bo"}]}, lambda one: one.author == "Al, Bo"),
        ({"content_text": "x"}, {"author": {"name": "Al"}}, lambda one: one.author == "Al"),
        ({"content_text": "x", "author": {"name": "Al"}, "authors": [{"name": "Al"}]}, {}, lambda one: one.author == "Al"),
        ({"id": "https://j.example/1", "content_text": "x"}, {}, lambda one: one.url == "https://j.example/1"),
        ({"content_text": "x", "banner_image": "https://j.example/b.png"}, {}, lambda one: one.image_url == "https://j.example/b.png"),
        ({"content_text": "x"}, {"version": "http://jsonfeed.org/version/1"}, lambda one: one.title == "x"),
    ],
)
def test_json_feed_says_as_much_as_the_others(item: dict[str, Any], more: dict[str, Any], right: Callable[[FeedEntry], bool]) -> None:
    one = entry_of(json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "J", "items": [{"id": "1", **item}], **more}))
    assert right(one), one


def test_a_feed_that_is_ill_formed_by_its_ampersands_alone_loses_nothing() -> None:
    item = "<item><title>AT&T & R&D caf&eacute;</title><link>https://a.example/?a=1&b=2</link><description><![CDATA[x & y &lt; z]]></description></item>"
    feed = read_feed(rss_of(item).encode(), "", HERE)
    (one,) = feed.entries
    assert (one.title, one.url, one.summary) == ("AT&T & R&D café", "https://a.example/?a=1&b=2", "x & y < z")
    assert "not well-formed" in feed.note
