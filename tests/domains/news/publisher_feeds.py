"""Feeds as publishers and their programs send them, and what a reader should make of each: for the tests.

Made by us after what WordPress, Substack, YouTube, Reddit, Mastodon, GitHub, arXiv, podcasts, the BBC, heise, NHK and
Blogger send; no text is theirs.
"""

# ruff: noqa: E501  (a feed is a line)
# fmt: off

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class FeedCase:
    """A feed with what its first entry, and it itself, should say.

    Attributes:
        entry: By attribute; a function says whether a value is right.
    """

    name: str
    body: bytes
    entry: Mapping[str, Any]
    feed: Mapping[str, Any] = field(default_factory=dict)
    media_type: str = "application/rss+xml"
    url: str = "https://site.example/feed"


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def rss_of(item: str, channel: str = "", namespaces: str = "") -> str:
    """RSS 2.0 with the modules that most feeds use."""
    return f"""<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:wfw="http://wellformedweb.org/CommentAPI/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:sy="http://purl.org/rss/1.0/modules/syndication/" xmlns:slash="http://purl.org/rss/1.0/modules/slash/" xmlns:media="http://search.yahoo.com/mrss/" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" xmlns:podcast="https://podcastindex.org/namespace/1.0" xmlns:googleplay="http://www.google.com/schemas/play-podcasts/1.0" xmlns:webfeeds="http://webfeeds.org/rss/1.0" {namespaces}><channel><title>My Blog</title><atom:link href="https://site.example/feed/" rel="self" type="application/rss+xml" /><link>https://site.example</link><description>Words</description>{channel}{item}</channel></rss>"""


def atom_of(entry: str, feed: str = "", namespaces: str = "") -> str:
    return f"""<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom" {namespaces}><title>Feed</title><id>urn:x</id><updated>2026-11-29T10:00:00Z</updated>{feed}{entry}</feed>"""


YOUTUBE = """<?xml version="1.0" encoding="UTF-8"?><feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns:media="http://search.yahoo.com/mrss/" xmlns="http://www.w3.org/2005/Atom"><link rel="self" href="http://www.youtube.com/feeds/videos.xml?channel_id=UC1"/><id>yt:channel:1</id><yt:channelId>1</yt:channelId><title>Chan</title><link rel="alternate" href="https://www.youtube.com/channel/UC1"/><author><name>Chan</name><uri>https://www.youtube.com/channel/UC1</uri></author><published>2010-01-01T00:00:00+00:00</published><entry><id>yt:video:abc</id><yt:videoId>abc</yt:videoId><yt:channelId>UC1</yt:channelId><title>Video &amp; title</title><link rel="alternate" href="https://www.youtube.com/watch?v=abc"/><author><name>Chan</name><uri>u</uri></author><published>2026-11-28T15:00:06+00:00</published><updated>2026-11-29T01:00:00+00:00</updated><media:group><media:title>Video &amp; title</media:title><media:content url="https://www.youtube.com/v/abc?version=3" type="application/x-shockwave-flash" width="640" height="390"/><media:thumbnail url="https://i1.ytimg.com/vi/abc/hqdefault.jpg" width="480" height="360"/><media:description>Line one.

Line two https://x.example</media:description><media:community><media:starRating count="10" average="5.00" min="1" max="5"/><media:statistics views="1"/></media:community></media:group></entry></feed>"""

PUBLISHERS = [
    FeedCase(
        "wordpress",
        rss_of(
            """<item><title>Hello &#8211; World &#038; more</title><link>https://site.example/2026/11/hello/</link>
<comments>https://site.example/2026/11/hello/#respond</comments><dc:creator><![CDATA[Jane Doe]]></dc:creator><pubDate>Sun, 29 Nov 2026 08:15:00 +0000</pubDate>
<category><![CDATA[News]]></category><category><![CDATA[R&D]]></category><guid isPermaLink="false">https://site.example/?p=42</guid>
<description><![CDATA[<p>Short text [&#8230;]</p><p>The post <a rel="nofollow" href="https://site.example/2026/11/hello/">Hello</a> appeared first on <a href="https://site.example">My Blog</a>.</p>]]></description>
<content:encoded><![CDATA[<p>Long <a href="/about">text</a></p><img width="1" height="1" src="https://p.example/x.gif"/><img src="/pic.jpg"/>]]></content:encoded>
<wfw:commentRss>https://site.example/2026/11/hello/feed/</wfw:commentRss><slash:comments>3</slash:comments></item>""",
            "<sy:updatePeriod>\n\thourly\t</sy:updatePeriod><sy:updateFrequency>\n\t1\t</sy:updateFrequency><language>en-US</language><image><url>https://site.example/i.png</url><title>My Blog image</title><link>https://site.example/other</link></image>",
        ).encode(),
        {
            "title": "Hello – World & more",
            "url": "https://site.example/2026/11/hello/",
            "author": "Jane Doe",
            "guid": "https://site.example/?p=42",
            "published_at": at(2026, 11, 29, 8, 15),
            "categories": ("News", "R&D"),
            "image_url": "https://site.example/pic.jpg",
            "summary": "Short text […] The post Hello appeared first on My Blog.",
            "content": lambda c: "https://site.example/about" in c and "p.example" not in c,
        },
        {"ttl_s": 3600, "title": "My Blog", "site_url": "https://site.example", "language": "en-US"},
    ),
    FeedCase(
        "wordpress-no-title (aside)",
        rss_of(
            """<item><title></title><link>https://site.example/a/</link><guid isPermaLink="false">https://site.example/?p=43</guid><pubDate>Sun, 29 Nov 2026 08:15:00 +0000</pubDate><description><![CDATA[Just a note about things.]]></description></item>"""
        ).encode(),
        {"title": "Just a note about things."},
    ),
    FeedCase(
        "substack",
        rss_of(
            """<item><title><![CDATA[The week's "best" reads]]></title><description><![CDATA[A subtitle]]></description><link>https://x.substack.com/p/reads</link><guid isPermaLink="false">https://x.substack.com/p/reads</guid><dc:creator><![CDATA[X]]></dc:creator><pubDate>Sun, 29 Nov 2026 12:01:02 GMT</pubDate><enclosure url="https://substackcdn.com/image/fetch/$s_!abc!,f_auto,q_auto:good,fl_progressive:steep/https%3A%2F%2Fa.com%2Fb.jpeg" length="0" type="image/jpeg"/><content:encoded><![CDATA[<div class="captioned-image-container"><figure><a class="image-link" href="https://a/b"><img src="https://substackcdn.com/image/1.jpeg" width="1456" height="819"></a></figure></div><p>Hi</p>]]></content:encoded></item>""",
            "<webMaster>x@y (X)</webMaster><itunes:owner><itunes:email>x@substack.com</itunes:email><itunes:name>X</itunes:name></itunes:owner><itunes:author>Own</itunes:author>",
        ).encode(),
        {
            "title": 'The week\'s "best" reads',
            "summary": "A subtitle",
            "author": "X",
            "published_at": at(2026, 11, 29, 12, 1, 2),
            "image_url": "https://substackcdn.com/image/fetch/$s_!abc!,f_auto,q_auto:good,fl_progressive:steep/https%3A%2F%2Fa.com%2Fb.jpeg",
            "content": lambda c: "Hi" in c and "1.jpeg" in c,
        },
    ),
    FeedCase(
        "youtube",
        YOUTUBE.encode(),
        {
            "title": "Video & title",
            "url": "https://www.youtube.com/watch?v=abc",
            "guid": "yt:video:abc",
            "author": "Chan",
            "published_at": at(2026, 11, 28, 15, 0, 6),
            "summary": "Line one. Line two https://x.example",
            "image_url": "https://i1.ytimg.com/vi/abc/hqdefault.jpg",
        },
        {"title": "Chan", "site_url": "https://www.youtube.com/channel/UC1"},
        media_type="text/xml; charset=UTF-8",
        url="https://www.youtube.com/feeds/videos.xml?channel_id=UC1",
    ),
    FeedCase(
        "reddit",
        b"""<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/"><category term="programming" label="r/programming"/><updated>2026-11-29T10:00:00+00:00</updated><icon>https://www.redditstatic.com/icon.png/</icon><id>/r/programming/.rss</id><link rel="self" href="https://www.reddit.com/r/programming/.rss" type="application/atom+xml" /><link rel="alternate" href="https://www.reddit.com/r/programming/" type="text/html" /><subtitle>Computer Programming</subtitle><title>programming</title><entry><author><name>/u/bob</name><uri>https://www.reddit.com/user/bob</uri></author><category term="programming" label="r/programming"/><content type="html">&lt;table&gt; &lt;tr&gt;&lt;td&gt; &lt;a href=&quot;https://www.reddit.com/r/programming/comments/1/x/&quot;&gt; &lt;img src=&quot;https://b.thumbs.redditmedia.com/x.jpg&quot; alt=&quot;A&quot; title=&quot;A&quot; /&gt; &lt;/a&gt; &lt;/td&gt;&lt;td&gt; &amp;#32; submitted by &amp;#32; &lt;a href=&quot;https://www.reddit.com/user/bob&quot;&gt; /u/bob &lt;/a&gt;&lt;/td&gt;&lt;/tr&gt;&lt;/table&gt;</content><id>t3_1abc</id><media:thumbnail url="https://b.thumbs.redditmedia.com/x.jpg" /><link href="https://www.reddit.com/r/programming/comments/1/x/" /><updated>2026-11-29T09:00:00+00:00</updated><published>2026-11-29T08:59:00+00:00</published><title>Why Vec&lt;T&gt; is fast</title></entry></feed>""",
        {
            "title": "Why Vec<T> is fast",
            "author": "/u/bob",
            "guid": "t3_1abc",
            "url": "https://www.reddit.com/r/programming/comments/1/x/",
            "categories": ("r/programming",),
            "summary": "submitted by /u/bob",
            "image_url": "https://b.thumbs.redditmedia.com/x.jpg",
            "published_at": at(2026, 11, 29, 8, 59),
        },
        {"site_url": "https://www.reddit.com/r/programming/"},
        media_type="application/atom+xml; charset=UTF-8",
        url="https://www.reddit.com/r/programming/.rss",
    ),
    FeedCase(
        "mastodon",
        b"""<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:webfeeds="http://webfeeds.org/rss/1.0" xmlns:media="http://search.yahoo.com/mrss/"><channel><title>Eve</title><description>Public posts from @eve@m.example</description><link>https://m.example/@eve</link><image><url>https://f.example/a.jpg</url><title>Eve</title><link>https://m.example/@eve</link></image><lastBuildDate>Sun, 29 Nov 2026 09:00:00 +0000</lastBuildDate><webfeeds:icon>https://f.example/a.jpg</webfeeds:icon><generator>Mastodon v4.4</generator><item><guid isPermaLink="true">https://m.example/@eve/1</guid><link>https://m.example/@eve/1</link><pubDate>Sun, 29 Nov 2026 08:00:00 +0000</pubDate><description>&lt;p&gt;The post &lt;a href=&quot;https://m.example/tags/cats&quot; class=&quot;mention hashtag&quot; rel=&quot;tag&quot;&gt;#&lt;span&gt;cats&lt;/span&gt;&lt;/a&gt;&lt;/p&gt;&lt;p&gt;two&lt;/p&gt;</description><media:content url="https://f.example/o.png" type="image/png" fileSize="12345" medium="image"><media:rating scheme="urn:simple">nonadult</media:rating><media:description type="plain">The alt text</media:description></media:content><category>cats</category></item></channel></rss>""",
        {
            "title": "The post #cats two",
            "summary": "The post #cats two",
            "url": "https://m.example/@eve/1",
            "image_url": "https://f.example/o.png",
            "categories": ("cats",),
            "content": lambda c: "alt text" not in c and "#" in c,
            "enclosures": lambda e: e[0].length_bytes == 12345,
        },
    ),
    FeedCase(
        "github releases",
        b"""<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/" xml:lang="en-US"><id>tag:github.com,2008:https://github.com/o/r/releases</id><link type="text/html" rel="alternate" href="https://github.com/o/r/releases"/><link type="application/atom+xml" rel="self" href="https://github.com/o/r/releases.atom"/><title>Release notes from r</title><updated>2026-11-29T08:00:00Z</updated><entry><id>tag:github.com,2008:Repository/1/v1.2.3</id><updated>2026-11-29T08:00:00Z</updated><link rel="alternate" type="text/html" href="https://github.com/o/r/releases/tag/v1.2.3"/><title>v1.2.3</title><content type="html">&lt;h2&gt;What&#39;s Changed&lt;/h2&gt;&lt;ul&gt;&lt;li&gt;fix: a by &lt;a class=&quot;user-mention&quot; href=&quot;https://github.com/b&quot;&gt;@b&lt;/a&gt;&lt;/li&gt;&lt;/ul&gt;</content><author><name>bot</name></author><media:thumbnail height="60" width="60" url="https://avatars.githubusercontent.com/u/1?s=60&amp;v=4"/></entry></feed>""",
        {
            "title": "v1.2.3",
            "author": "bot",
            "guid": "tag:github.com,2008:Repository/1/v1.2.3",
            "summary": "What's Changed fix: a by @b",
            "published_at": at(2026, 11, 29, 8),
        },
        media_type="application/atom+xml; charset=utf-8",
        url="https://github.com/o/r/releases.atom",
    ),
    FeedCase(
        "github commits",
        atom_of(
            """<entry><id>tag:github.com,2008:Grit::Commit/0a</id><link type="text/html" rel="alternate" href="https://github.com/o/r/commit/0a"/><title>
        Merge pull request #1 from b/c
    </title><updated>2026-11-29T08:00:00Z</updated><media:thumbnail height="30" width="30" url="https://avatars/x"/><author><name>bee</name><uri>https://github.com/bee</uri></author><content type="html">
      &lt;pre style=&#39;white-space:pre-wrap;width:81ex&#39;&gt;Merge pull request #1 from b/c

Use &amp;lt;b&amp;gt;&lt;/pre&gt;
    </content></entry>""",
            namespaces='xmlns:media="http://search.yahoo.com/mrss/"',
        ).encode(),
        {"title": "Merge pull request #1 from b/c", "summary": "Merge pull request #1 from b/c Use <b>"},
    ),
    FeedCase(
        "arxiv rss",
        """<?xml version='1.0' encoding='UTF-8'?><rss xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:content="http://purl.org/rss/1.0/modules/content/" version="2.0"><channel><title>cs.AI updates on arXiv.org</title><link>http://rss.arxiv.org/rss/cs.AI</link><description>cs.AI</description><atom:link href="http://rss.arxiv.org/rss/cs.AI" rel="self" type="application/rss+xml"/><docs>http://www.rssboard.org/rss-specification</docs><language>en-us</language><lastBuildDate>Fri, 27 Nov 2026 05:00:03 +0000</lastBuildDate><managingEditor>rss-help@arxiv.org</managingEditor><pubDate>Fri, 27 Nov 2026 00:00:00 -0500</pubDate><skipDays><day>Saturday</day><day>Sunday</day></skipDays><item><title>Bounding $a &lt; b$ with $\\epsilon$-greedy</title><link>https://arxiv.org/abs/2611.00001</link><description>arXiv:2611.00001v1 Announce Type: new
Abstract: We show $x&lt;y$ and $y&gt;z$ hold.</description><guid isPermaLink="false">oai:arXiv.org:2611.00001v1</guid><category>cs.AI</category><category>cs.LG</category><pubDate>Fri, 27 Nov 2026 00:00:00 -0500</pubDate><arxiv:announce_type>new</arxiv:announce_type><dc:rights>http://creativecommons.org/licenses/by/4.0/</dc:rights><dc:creator>A. One, B. Two, C. Thr\u00e9e</dc:creator></item></channel></rss>""".encode(),
        {
            "title": "Bounding $a < b$ with $\\epsilon$-greedy",
            "author": "A. One, B. Two, C. Thrée",
            "summary": "arXiv:2611.00001v1 Announce Type: new Abstract: We show $x<y$ and $y>z$ hold.",
            "published_at": at(2026, 11, 27, 5),
            "categories": ("cs.AI", "cs.LG"),
            "guid": "oai:arXiv.org:2611.00001v1",
        },
    ),
    FeedCase(
        "arxiv api",
        b"""<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><link href="http://arxiv.org/api/query?x" rel="self" type="application/atom+xml"/><title type="html">ArXiv Query: search_query=all</title><id>http://arxiv.org/api/cHx</id><updated>2026-11-29T00:00:00-05:00</updated><opensearch:totalResults xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">1</opensearch:totalResults><entry><id>http://arxiv.org/abs/hep-ex/0307015v1</id><updated>2026-11-07T13:46:39-05:00</updated><published>2026-11-06T13:46:39-05:00</published><title>Multi-Electron Production at
  High Transverse Momenta</title><summary>  Multi-electron production is studied at high
 transverse momentum.
</summary><author><name>H1 Collaboration</name></author><author><name>Bob Two</name></author><arxiv:comment xmlns:arxiv="http://arxiv.org/schemas/atom">23 pages</arxiv:comment><link href="http://arxiv.org/abs/hep-ex/0307015v1" rel="alternate" type="text/html"/><link title="pdf" href="http://arxiv.org/pdf/hep-ex/0307015v1" rel="related" type="application/pdf"/><arxiv:primary_category xmlns:arxiv="http://arxiv.org/schemas/atom" term="hep-ex" scheme="http://arxiv.org/schemas/atom"/><category term="hep-ex" scheme="http://arxiv.org/schemas/atom"/></entry></feed>""",
        {
            "title": "Multi-Electron Production at High Transverse Momenta",
            "author": "H1 Collaboration, Bob Two",
            "url": "http://arxiv.org/abs/hep-ex/0307015v1",
            "summary": "Multi-electron production is studied at high transverse momentum.",
            "published_at": at(2026, 11, 6, 18, 46, 39),
        },
    ),
    FeedCase(
        "podcast",
        rss_of(
            """<item><itunes:episodeType>full</itunes:episodeType><itunes:episode>5</itunes:episode><itunes:title>Clean title</itunes:title><title>#5: Full title</title><itunes:subtitle>Sub</itunes:subtitle><itunes:summary><![CDATA[<p>Sum</p>]]></itunes:summary><description><![CDATA[<p>Desc <a href="https://x">x</a></p>]]></description><itunes:author>Host</itunes:author><itunes:image href="https://c.example/e5.jpg"/><itunes:duration>01:02:03</itunes:duration><itunes:explicit>false</itunes:explicit><guid isPermaLink="false">b2c-5</guid><pubDate>Sat, 28 Nov 2026 05:00:00 -0500</pubDate><enclosure url="https://traffic.example/my file.mp3?dest-id=1" length="12345678" type="audio/mpeg"/><podcast:transcript url="https://c.example/t.vtt" type="text/vtt"/><podcast:chapters url="https://c.example/c.json" type="application/json+chapters"/></item>""",
            '<itunes:image href="https://c.example/show.jpg"/><itunes:author>Show</itunes:author><itunes:type>episodic</itunes:type><itunes:category text="Technology"/>',
        ).encode(),
        {
            "title": "#5: Full title",
            "summary": "Desc x",
            "author": "Host",
            "image_url": "https://c.example/e5.jpg",
            "guid": "b2c-5",
            "published_at": at(2026, 11, 28, 10),
            "url": "https://traffic.example/my%20file.mp3?dest-id=1",
            "enclosures": lambda e: (
                len(e) == 1
                and e[0].duration_s == 3723
                and e[0].length_bytes == 12345678
                and e[0].media_type == "audio/mpeg"
                and e[0].url == "https://traffic.example/my%20file.mp3?dest-id=1"
            ),
        },
    ),
    FeedCase(
        "podcast title order",
        rss_of(
            """<item><title>Full title</title><itunes:title>Clean</itunes:title><description>D</description><content:encoded><![CDATA[<p>Long</p>]]></content:encoded><itunes:summary>S</itunes:summary><itunes:duration>3723</itunes:duration><enclosure url="https://t.example/a.m4a" type="audio/x-m4a" length=""/><guid>g</guid></item>"""
        ).encode(),
        {
            "title": "Full title",
            "summary": "D",
            "content": "<p>Long</p>",
            "enclosures": lambda e: e[0].duration_s == 3723 and e[0].length_bytes is None,
        },
    ),
    FeedCase(
        "bbc",
        rss_of(
            """<item><title><![CDATA[PM's 'big' week]]></title><description><![CDATA[The leader faces MPs.]]></description><link>https://www.bbc.com/news/articles/c1?at_medium=RSS&amp;at_campaign=rss</link><guid isPermaLink="false">https://www.bbc.com/news/articles/c1#0</guid><pubDate>Sun, 29 Nov 2026 07:00:00 GMT</pubDate><media:thumbnail width="240" height="135" url="https://ichef.bbci.co.uk/ace/standard/240/x.jpg"/></item>""",
            "<ttl>15</ttl>",
        ).encode(),
        {
            "title": "PM's 'big' week",
            "url": "https://www.bbc.com/news/articles/c1?at_medium=RSS&at_campaign=rss",
            "image_url": "https://ichef.bbci.co.uk/ace/standard/240/x.jpg",
        },
        {"ttl_s": 900},
    ),
    FeedCase(
        "heise",
        """<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="de"><title>heise online News</title><subtitle>Nachrichten</subtitle><link href="https://www.heise.de/rss/heise-atom.xml" rel="self"/><link rel="alternate" type="text/html" href="https://www.heise.de/"/><updated>2026-11-29T11:00:00+01:00</updated><author><name>heise online</name></author><id>https://www.heise.de/</id><entry><title type="text">Größte &quot;Überraschung&quot;: c't &amp; Co. &lt;b&gt; kommt</title><link href="https://www.heise.de/news/A-1.html?wt_mc=rss.red.ho.ho.atom.beitrag.beitrag" /><id>http://heise.de/-1</id><published>2026-11-29T10:30:00+01:00</published><updated>2026-11-29T10:35:00+01:00</updated><summary type="html">Kurz &amp;amp; gut.</summary><content type="html"><![CDATA[<p><a href="https://www.heise.de/news/A-1.html"><img src="https://www.heise.de/scale/a.jpeg" alt="x" /></a></p><p>Kurz &amp; gut.</p>]]></content></entry></feed>""".encode(),
        {
            "title": 'Größte "Überraschung": c\'t & Co. <b> kommt',
            "summary": "Kurz & gut.",
            "author": "heise online",
            "image_url": "https://www.heise.de/scale/a.jpeg",
            "published_at": at(2026, 11, 29, 9, 30),
        },
        media_type="application/atom+xml",
    ),
    FeedCase(
        "nhk",
        """<?xml version="1.0" encoding="utf-8"?>
<rss xmlns:nhknews="http://www.nhk.or.jp/rss/rss2.0/modules/nhknews/" version="2.0"><channel><language>ja</language><title>NHKニュース</title><link>https://www.nhk.or.jp/news/</link><description>NHK</description><image><url>https://www.nhk.or.jp/img/nhk.gif</url></image><copyright>Copyright</copyright><docs>x</docs><lastBuildDate>Sun, 29 Nov 2026 19:40:00 +0900</lastBuildDate><item><title>首相　予算案について「年内に編成」</title><link>http://www3.nhk.or.jp/news/html/20261129/k10.html</link><guid>http://www3.nhk.or.jp/news/html/20261129/k10.html</guid><pubDate>Sun, 29 Nov 2026 19:40:00 +0900</pubDate><description>首相は記者会見で…</description><nhknews:new>false</nhknews:new></item></channel></rss>""".encode(),
        {"title": "首相 予算案について「年内に編成」", "published_at": at(2026, 11, 29, 10, 40)},
        media_type="text/xml",
    ),
    FeedCase(
        "rss090",
        b"""<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://my.netscape.com/rdf/simple/0.9/"><channel><title>Moz</title><link>http://www.mozilla.org</link><description>d</description></channel><image><title>M</title><url>http://www.mozilla.org/i.gif</url><link>http://www.mozilla.org/img</link></image><item><title>New Status</title><link>http://www.mozilla.org/status/</link></item></rdf:RDF>""",
        {"title": "New Status", "url": "http://www.mozilla.org/status/", "guid": ""},
        {"site_url": "http://www.mozilla.org", "title": "Moz"},
    ),
    FeedCase(
        "rss091 dtd",
        b"""<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://my.netscape.com/publish/formats/rss-0.91.dtd"><rss version="0.91"><channel><title>WN</title><link>http://w.example/</link><description>d</description><language>en</language><item><title>Caf&eacute; &amp; cr&egrave;me &mdash; yes</title><link>http://w.example/a?x=1&amp;y=2</link><description>It&rsquo;s &lt;i&gt;fun&lt;/i&gt;</description></item><textinput><title>Search</title><description>s</description><name>q</name><link>http://w.example/s</link></textinput></channel></rss>""",
        {"title": "Café & crème — yes", "url": "http://w.example/a?x=1&y=2", "summary": "It’s fun"},
        {"title": "WN", "site_url": "http://w.example/"},
    ),
    FeedCase(
        "rss092",
        b"""<rss version="0.92"><channel><title>Dave</title><link>http://s.example</link><description>d</description><item><description>No title &lt;a href="http://x.example/"&gt;here&lt;/a&gt;, ok.</description><enclosure url="http://s.example/a.mp3" length="100" type="audio/mpeg"/><source url="http://o.example/rss.xml">Other Source</source></item></channel></rss>""",
        {"title": "No title here, ok.", "summary": "No title here, ok."},
        {"title": "Dave"},
    ),
    FeedCase(
        "rss10",
        """<?xml version="1.0" encoding="UTF-8"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/" xml:lang="ja"><channel rdf:about="http://j.example/rss"><title>はてな</title><link>http://j.example/</link><description>d</description><dc:date>2026-11-29T12:00:00+09:00</dc:date><items><rdf:Seq><rdf:li rdf:resource="http://j.example/1"/></rdf:Seq></items></channel><item rdf:about="http://j.example/1"><title>記事 &amp;amp; もの</title><link>http://j.example/1</link><description>概要</description><dc:creator>taro</dc:creator><dc:date>2026-11-29T12:00:00+09:00</dc:date><dc:subject>tech</dc:subject><content:encoded><![CDATA[<p>本文</p>]]></content:encoded></item></rdf:RDF>""".encode(),
        {
            "title": "記事 & もの",
            "guid": "http://j.example/1",
            "author": "taro",
            "published_at": at(2026, 11, 29, 3),
            "categories": ("tech",),
            "summary": "概要",
            "content": "<p>本文</p>",
        },
        {"title": "はてな", "site_url": "http://j.example/"},
        media_type="application/rdf+xml",
    ),
    FeedCase(
        "atom03",
        b"""<?xml version="1.0" encoding="utf-8"?><feed version="0.3" xmlns="http://purl.org/atom/ns#" xml:lang="en"><title mode="escaped" type="text/html">Old &lt;b&gt;blog&lt;/b&gt;</title><link rel="alternate" type="text/html" href="http://old.example/"/><tagline>t</tagline><modified>2026-11-29T10:00:00Z</modified><entry><title>An entry</title><link rel="alternate" type="text/html" href="http://old.example/1"/><id>tag:old.example,2026:1</id><issued>2026-11-28T08:29:29-04:00</issued><modified>2026-11-28T13:00:00Z</modified><created>2026-11-28T12:00:00Z</created><author><name>Mark</name></author><summary type="text/plain">S &lt; T</summary><content type="application/xhtml+xml" mode="xml" xml:base="http://old.example/sub/"><div xmlns="http://www.w3.org/1999/xhtml"><p>Hello <a href="p.html">p</a></p></div></content></entry></feed>""",
        {
            "title": "An entry",
            "author": "Mark",
            "published_at": at(2026, 11, 28, 12, 29, 29),
            "summary": "S < T",
            "content": lambda c: "http://old.example/sub/p.html" in c,
        },
        {"title": "Old blog"},
    ),
    FeedCase(
        "atom03 base64",
        b"""<feed version="0.3" xmlns="http://purl.org/atom/ns#"><title>x</title><entry><title>b</title><content type="text/html" mode="base64">PHA+SGVsbG8gd29ybGQ8L3A+</content></entry></feed>""",
        {"title": "b", "summary": "Hello world"},
    ),
    FeedCase(
        "atom xhtml title",
        atom_of(
            """<entry><title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Less: <em> &lt; </em></div></title><id>urn:1</id><updated>2026-11-29T09:00:00Z</updated><link href="e1"/><content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>A &lt;b&gt; c</p></div></content></entry>""",
            feed='<link rel="alternate" href="/"/>',
        ).encode(),
        {"title": "Less: <", "summary": "A <b> c", "url": "https://site.example/e1"},
        {"site_url": "https://site.example/"},
    ),
    FeedCase(
        "atom text title lt",
        atom_of(
            '<entry><title type="text">Less: &lt;em> &amp;amp; x</title><id>1</id><updated>2026-11-29T09:00:00Z</updated></entry>'
        ).encode(),
        {"title": "Less: <em> &amp; x"},
    ),
    FeedCase(
        "atom html title lt",
        atom_of(
            '<entry><title type="html">Less: &lt;em> &amp;lt; &lt;/em></title><id>1</id><updated>2026-11-29T09:00:00Z</updated></entry>'
        ).encode(),
        {"title": "Less: <"},
    ),
    FeedCase(
        "atom html title cdata",
        atom_of(
            '<entry><title type="html"><![CDATA[Less: <em> &lt; </em>]]></title><id>1</id><updated>2026-11-29T09:00:00Z</updated></entry>'
        ).encode(),
        {"title": "Less: <"},
    ),
    FeedCase(
        "atom xml:base chain",
        atom_of(
            '<entry xml:base="b/"><title>t</title><id>1</id><updated>2026-11-29T09:00:00Z</updated><link href="c"/><content type="html" xml:base="d/">&lt;img src="i.png"&gt;&lt;a href="e"&gt;e&lt;/a&gt;</content></entry>',
            namespaces='xml:base="http://o.example/a/"',
        ).encode(),
        {
            "url": "http://o.example/a/b/c",
            "image_url": "http://o.example/a/b/d/i.png",
            "content": lambda c: "http://o.example/a/b/d/e" in c,
        },
    ),
    FeedCase(
        "atom planet source",
        atom_of(
            '<entry><title>Post</title><id>urn:p</id><updated>2026-11-29T09:00:00Z</updated><link href="http://p.example/1"/><author><name>Pia</name></author><summary>s</summary><source><title>Pia blog</title><id>urn:pia</id><link rel="self" href="http://p.example/atom"/><link href="http://p.example/"/><updated>2026-01-01T00:00:00Z</updated><author><name>Nobody</name></author><subtitle>sub</subtitle></source></entry>'
        ).encode(),
        {
            "title": "Post",
            "guid": "urn:p",
            "url": "http://p.example/1",
            "author": "Pia",
            "published_at": at(2026, 11, 29, 9),
            "summary": "s",
        },
    ),
    FeedCase(
        "atom two authors",
        atom_of(
            "<entry><title>Post</title><id>urn:p</id><updated>2026-11-29T09:00:00Z</updated><author><name>A A</name></author><author><name>B B</name><email>b@x.example</email></author><contributor><name>C</name></contributor></entry>"
        ).encode(),
        {"author": "A A, B B"},
    ),
    FeedCase(
        "atom author of feed",
        atom_of(
            "<entry><title>Post</title><id>urn:p</id><updated>2026-11-29T09:00:00Z</updated></entry>",
            "<author><name>Feed Author</name></author>",
        ).encode(),
        {"author": "Feed Author"},
    ),
    FeedCase(
        "atom links",
        atom_of(
            '<entry><title>Post</title><id>urn:p</id><updated>2026-11-29T09:00:00Z</updated><link rel="edit" href="http://e.example/edit"/><link rel="self" href="http://e.example/self"/><link rel="replies" href="http://e.example/r"/><link rel="alternate" type="application/json" href="http://e.example/j"/><link rel="alternate" type="text/html" href="http://e.example/h"/><link rel="enclosure" href="http://e.example/v.mp4" type="video/mp4" length="5"/></entry>'
        ).encode(),
        {"url": "http://e.example/h", "enclosures": lambda e: [x.url for x in e] == ["http://e.example/v.mp4"]},
    ),
    FeedCase(
        "atom content src",
        atom_of(
            '<entry><title>Post</title><id>urn:p</id><updated>2026-11-29T09:00:00Z</updated><link href="http://e.example/h"/><content src="http://e.example/full.html" type="text/html"/><summary>Sum</summary></entry>'
        ).encode(),
        {"summary": "Sum", "url": "http://e.example/h", "content": ""},
    ),
    FeedCase(
        "atom svg content",
        atom_of(
            '<entry><title>Post</title><id>urn:p</id><updated>2026-11-29T09:00:00Z</updated><content type="image/png">iVBORw0KGgo=</content><summary>Sum</summary></entry>'
        ).encode(),
        {"summary": "Sum", "content": ""},
    ),
    FeedCase(
        "atom text content",
        atom_of(
            '<entry><title>Post</title><id>urn:p</id><updated>2026-11-29T09:00:00Z</updated><content type="text">a &lt;b&gt; c\n\nsecond</content></entry>'
        ).encode(),
        {"summary": "a <b> c second", "content": "<p>a &lt;b&gt; c</p><p>second</p>"},
    ),
    FeedCase(
        "atom prefix",
        b"""<?xml version="1.0"?><a:feed xmlns:a="http://www.w3.org/2005/Atom"><a:title>T</a:title><a:id>x</a:id><a:entry><a:title>E</a:title><a:id>urn:1</a:id><a:link href="http://e.example/1"/><a:updated>2026-11-29T09:00:00Z</a:updated></a:entry></a:feed>""",
        {"title": "E", "url": "http://e.example/1"},
        {"title": "T"},
    ),
    FeedCase(
        "atom IRI",
        atom_of(
            '<entry><title>Post</title><id>urn:p</id><updated>2026-11-29T09:00:00Z</updated><link href="https://de.example/wiki/Größe"/></entry>'
        ).encode(),
        {"url": "https://de.example/wiki/Größe"},
    ),
    FeedCase(
        "blogger",
        atom_of(
            """<entry><id>tag:blogger.com,1999:blog-1.post-2</id><published>2026-11-28T10:00:00.001-08:00</published><updated>2026-11-28T10:00:00.123-08:00</updated><category scheme="http://www.blogger.com/atom/ns#" term="Foo"/><title type='text'>Post title</title><content type='html'>&lt;div class="separator"&gt;&lt;a href="https://blogger.googleusercontent.com/a"&gt;&lt;img border="0" src="https://blogger.googleusercontent.com/s320/a.jpg" /&gt;&lt;/a&gt;&lt;/div&gt;Text</content><link rel='replies' type='application/atom+xml' href='http://b.example/feeds/2/comments/default' title='Post Comments'/><link rel='replies' type='text/html' href='http://b.example/2026/11/p.html#comment-form' title='0 Comments'/><link rel='edit' type='application/atom+xml' href='https://www.blogger.com/feeds/1/posts/default/2'/><link rel='self' type='application/atom+xml' href='https://www.blogger.com/feeds/1/posts/default/2'/><link rel='alternate' type='text/html' href='http://b.example/2026/11/p.html' title='Post title'/><author><name>Unknown</name><uri>http://www.blogger.com/profile/1</uri><email>noreply@blogger.com</email><gd:image rel='http://schemas.google.com/g/2005#thumbnail' width='16' height='16' src='https://img1.blogblog.com/img/b16-rounded.gif'/></author><media:thumbnail url="https://blogger.googleusercontent.com/s72-c/a.jpg" height="72" width="72"/><thr:total>0</thr:total></entry>""",
            namespaces="xmlns:gd='http://schemas.google.com/g/2005' xmlns:thr='http://purl.org/syndication/thread/1.0' xmlns:media='http://search.yahoo.com/mrss/'",
        ).encode(),
        {
            "title": "Post title",
            "author": "Unknown",
            "url": "http://b.example/2026/11/p.html",
            "summary": "Text",
            "categories": ("Foo",),
            "published_at": at(2026, 11, 28, 18, 0, 0),
        },
    ),
]
