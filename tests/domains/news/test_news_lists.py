"""Lists of feeds as other readers write them, and pages as they name their feeds."""

# ruff: noqa: E501  (a row of a table is a line)

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.news import opml
from tasks.news.discovery import feeds_of

# fmt: off
# The program, its list, and what should come of it: address, title, topic.
LISTS: list[tuple[str, str, list[tuple[str, str, str]]]] = [
    ('feedly', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline text="Tech" title="Tech"><outline type="rss" text="Verge" title="The Verge" xmlUrl="https://v.example/rss?a=1&amp;b=2" htmlUrl="https://v.example/"/></outline></body></opml>', [('https://v.example/rss?a=1&b=2', 'The Verge', 'Tech')]),
    ('freshrss', '<?xml version="1.0" encoding="UTF-8"?><opml xmlns:frss="https://freshrss.org/opml" version="2.0"><head><title>x</title></head><body><outline text="Cat &quot;A&quot;"><outline text="B &amp;amp; C" type="rss" xmlUrl="https://b.example/f" htmlUrl="https://b.example" description="d" frss:priority="important"/></outline></body></opml>', [('https://b.example/f', 'B & C', 'Cat "A"')]),
    ('netnewswire', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline text="Apple" title="Apple" description="" type="rss" version="RSS" htmlUrl="https://a.example/" xmlUrl="https://a.example/feed"/></body></opml>', [('https://a.example/feed', 'Apple', '')]),
    ('miniflux', '<?xml version="1.0" encoding="UTF-8"?><opml version="2.0"><head><title>x</title></head><body><outline text="All"><outline title="X" text="X" xmlUrl="https://x.example/f" htmlUrl="" description=""></outline></outline></body></opml>', [('https://x.example/f', 'X', 'All')]),
    ('thunderbird', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0" xmlns:fz="urn:forumzilla:"><head><title>x</title></head><body><outline title="Blogs"><outline type="rss" title="Foo" text="Foo" version="RSS" fz:quickMode="true" fz:options="{&quot;version&quot;:2}" xmlUrl="https://f.example/rss" htmlUrl="https://f.example"/></outline></body></opml>', [('https://f.example/rss', 'Foo', 'Blogs')]),
    ('liferea', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline title="Feeds" text="Feeds" description="Feeds" type="folder" id="a" sortColumn="time"><outline title="Planet" text="Planet" description="Planet" type="rss" id="b" xmlUrl="https://p.example/atom.xml" updateInterval="-1"/></outline></body></opml>', [('https://p.example/atom.xml', 'Planet', 'Feeds')]),
    ('inoreader dup', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline text="A" title="A"><outline text="X" title="X" type="rss" xmlUrl="https://x.example/f"/></outline><outline text="B" title="B"><outline text="X" title="X" type="rss" xmlUrl="https://x.example/f"/></outline></body></opml>', [('https://x.example/f', 'X', 'A')]),
    ('overcast', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline text="playlists"><outline type="podcast-playlist" title="All" smart="1"/></outline><outline text="feeds"><outline type="rss" overcastId="1" text="Pod" title="Pod" xmlUrl="https://p.example/rss" subscribed="1"><outline type="podcast-episode" title="E" url="https://overcast.fm/+a" enclosureUrl="https://p.example/1.mp3"/></outline></outline></body></opml>', [('https://p.example/rss', 'Pod', 'feeds')]),
    ('newsblur deep', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline text="Top" title="Top"><outline text="Sub" title="Sub"><outline text="X" xmlUrl="https://x.example/f"/></outline></outline></body></opml>', [('https://x.example/f', 'X', 'Sub')]),
    ('youtube takeout', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline text="YouTube Subscriptions" title="YouTube Subscriptions"><outline text="C" title="C" type="rss" xmlUrl="https://www.youtube.com/feeds/videos.xml?channel_id=UC1"/></outline></body></opml>', [('https://www.youtube.com/feeds/videos.xml?channel_id=UC1', 'C', 'YouTube Subscriptions')]),
    ('link type url', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline type="rss" text="A" url="https://a.example/rss"/></body></opml>', [('https://a.example/rss', 'A', '')]),
    ('outline type link', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline type="link" text="A" url="https://a.example/page"/><outline text="B" xmlUrl="https://b.example/f"/></body></opml>', [('https://b.example/f', 'B', '')]),
    ('unnamed folder', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline text="Tech"><outline><outline text="X" xmlUrl="https://x.example/f"/></outline></outline></body></opml>', [('https://x.example/f', 'X', 'Tech')]),
    ('bare amp', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline text="R&D" xmlUrl="https://x.example/f?a=1&b=2"/></body></opml>', [('https://x.example/f?a=1&b=2', 'R&D', '')]),
    ('nbsp entity', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline text="A&nbsp;B caf&eacute;" xmlUrl="https://x.example/f"/></body></opml>', [('https://x.example/f', 'A B café', '')]),
    ('no opml close', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline text="A" xmlUrl="https://x.example/f"/>', [('https://x.example/f', 'A', '')]),
    ('category', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline text="A" category="/Tech/Linux,/News" xmlUrl="https://x.example/f"/></body></opml>', [('https://x.example/f', 'A', 'Linux')]),
    ('bom', '\ufeff<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline text="A" xmlUrl="https://x.example/f"/></body></opml>', [('https://x.example/f', 'A', '')]),
    ('feed scheme', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline text="A" xmlUrl="feed:https://x.example/f"/></body></opml>', [('https://x.example/f', 'A', '')]),
    ('uppercase tags', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><BODY><OUTLINE TEXT="A" XMLURL="https://x.example/f"/></BODY></opml>', [('https://x.example/f', 'A', '')]),
    ('spaces in url', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline text="A" xmlUrl=" https://x.example/my feed.xml "/></body></opml>', [('https://x.example/my%20feed.xml', 'A', '')]),
    ('http and https', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline text="A" xmlUrl="https://x.example/f"/><outline text="A" xmlUrl="http://x.example/f"/></body></opml>', [('https://x.example/f', 'A', '')]),
    ('doctype', '<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE opml SYSTEM "x.dtd"><opml version="1.0"><head><title>x</title></head><body><outline text="A" xmlUrl="https://x.example/f"/></body></opml>', [('https://x.example/f', 'A', '')]),
    ('no title', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline xmlUrl="https://x.example/f"/></body></opml>', [('https://x.example/f', '', '')]),
    ('title differs from text', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline text="" title="T" xmlUrl="https://x.example/f"/></body></opml>', [('https://x.example/f', 'T', '')]),
    ('outlines in head too', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title><outline xmlUrl="https://no.example/"/></head><body><outline text="A" xmlUrl="https://x.example/f"/></body></opml>', [('https://x.example/f', 'A', '')]),
    ('tt-rss', '<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>x</title></head><body><outline text="Cat"><outline type="rss" text="A" xmlUrl="https://x.example/f" ttrssPurgeInterval="0"/></outline><outline text="tt-rss-prefs" schema-version="1"><outline pref-name="X" value="1"/></outline></body></opml>', [('https://x.example/f', 'A', 'Cat')]),
    ('no body wrapper', '<opml version="1.0"><outline text="A" xmlUrl="https://x.example/f"/></opml>', [('https://x.example/f', 'A', '')]),
]


@pytest.mark.parametrize(("program", "text", "expected"), LISTS, ids=[one[0] for one in LISTS])
def test_the_list_of_another_reader_is_taken_whole(program: str, text: str, expected: list[tuple[str, str, str]]) -> None:
    assert [(one.url, one.title, one.topic) for one in opml.read(text.encode())] == expected


def test_what_another_reader_scrapes_for_itself_is_no_feed() -> None:
    scraped = '<outline text="S" type="HTML+XPath" xmlUrl="https://b.example/page"/>'
    feed = '<outline text="A" type="rss" xmlUrl="https://b.example/f"/>'
    assert [one.url for one in opml.read(f"<opml><body>{scraped}{feed}</body></opml>".encode())] == ["https://b.example/f"]


def test_what_is_written_is_read_the_same() -> None:
    feeds = [
        opml.OutlineFeed("https://y.example/f", "", "", ""),
        opml.OutlineFeed("https://x.example/f?a=1&b=2", 'A <b> "q" & ü', 'T/1, "x"', "https://x.example/"),
    ]
    assert opml.read(opml.write(feeds, datetime(2026, 1, 1, tzinfo=UTC)).encode()) == feeds


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ('<html><head><link rel="alternate" type="application/rss+xml" title="Blog &raquo; Feed" href="https://site.example/feed/" /><link rel="alternate" type="application/rss+xml" title="Blog &raquo; Kommentar-Feed" href="https://site.example/comments/feed/" /><link rel="alternate" title="oEmbed (JSON)" type="application/json+oembed" href="https://site.example/wp-json/oembed"/><link rel="alternate" title="JSON" type="application/json" href="https://site.example/wp-json/wp/v2/posts/1" /></head>', ['https://site.example/feed/', 'https://site.example/comments/feed/']),
        ('<link rel=alternate type=application/rss+xml title="Comments" href=/c><link rel=alternate type=application/atom+xml href=/a>', ['https://site.example/a', 'https://site.example/c']),
        ('<link rel="alternate" type="application/rss+xml" title="Blog &raquo; Feed" href="/feed/"/><link rel="alternate" type="application/rss+xml" title="Blog &raquo; My post Comments Feed" href="/2026/my-post/feed/"/>', ['https://site.example/feed/', 'https://site.example/2026/my-post/feed/']),
        ('<base href="https://o.example/x/"><link rel="alternate feed" type="application/rss+xml" href="f">', ['https://o.example/x/f']),
        ('<link rel="alternate" type="application/feed+json" href="/feed.json"><link rel="alternate" type="application/rss+xml" href="/rss">', ['https://site.example/feed.json', 'https://site.example/rss']),
        ('<link rel="alternate" type="application/json" title="JSON Feed" href="/feed.json">', ['https://site.example/feed.json']),
        ('<LINK REL="ALTERNATE" TYPE="Application/RSS+XML" HREF="/rss">', ['https://site.example/rss']),
        ('<link rel="alternate" type="application/rss+xml; charset=utf-8" href="/rss">', ['https://site.example/rss']),
        ('<link rel="alternate" type="application/rss+xml" href="/rss?a=1&amp;b=2">', ['https://site.example/rss?a=1&b=2']),
        ('<body><p>x</p><link rel="alternate" type="application/rss+xml" href="/rss">', ['https://site.example/rss']),
        ('<!-- <link rel="alternate" type="application/rss+xml" href="/rss"> -->', []),
        ('<a href="/feed.xml">RSS</a><a href="/rss-info">i</a>', ['https://site.example/feed.xml']),
        ('<a href="/rss.php">RSS</a>', ['https://site.example/rss.php']),
        ('<a href="https://feeds.bbci.co.uk/news/rss.xml">RSS</a>', ['https://feeds.bbci.co.uk/news/rss.xml']),
        ('<a href="/news/latest.xml" title="RSS">RSS</a>', ['https://site.example/news/latest.xml']),
        ('<a href="/SiteGlobals/Functions/RSSFeed/RSSNewsfeed/RSSNewsfeed.xml">RSS</a>', ['https://site.example/SiteGlobals/Functions/RSSFeed/RSSNewsfeed/RSSNewsfeed.xml']),
        ('<a href="/?feed=rss2">RSS</a>', ['https://site.example/?feed=rss2']),
        ('<link rel="alternate" type="application/rss+xml" href="/rss"><link rel="alternate" type="application/atom+xml" href="/rss">', ['https://site.example/rss']),
        ('<link rel="alternate stylesheet" type="text/css" href="/a.css"><link rel="alternate" hreflang="de" href="/de/">', []),
        ('<title>x</title><svg><title>y</title></svg><link type="application/rss+xml" rel="alternate" href="/rss">', ['https://site.example/rss']),
        ('<noscript><link rel="alternate" type="application/rss+xml" href="/rss"></noscript>', ['https://site.example/rss']),
        ('<link rel="alternate" type="application/rss+xml" href="feed://site.example/rss">', ['http://site.example/rss']),
        ('<link href="https://m.example/@eve.rss" rel="alternate" type="application/rss+xml"><link href="https://m.example/users/eve" rel="alternate" type="application/activity+json">', ['https://m.example/@eve.rss']),
    ],
)
def test_a_page_names_its_feeds_its_own_before_those_of_comments(page: str, expected: list[str]) -> None:
    assert [one.url for one in feeds_of(page, "https://site.example/blog/")] == expected
