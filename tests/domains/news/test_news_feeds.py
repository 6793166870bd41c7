"""Sources: found, added, refused with a reason, asked only for what is new, removed and given back."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from news_kit import Item, Reader, ServedFeed, ago, many, new_id, rss

from llmcoder import BadInput, Forbidden, NotFound, Transient
from llmcoder.errors import Cancelled, RateLimited
from models.db.database import Database
from tasks.news import feed_store
from tasks.news.actions import (
    add_feed,
    export_opml,
    import_opml,
    list_articles,
    list_feeds,
    put_topic_back,
    refresh,
    remove_feed,
    restore_feeds,
    set_topic,
    suggest_feeds,
)
from tasks.news.feed import UnreadableFeed
from tasks.news.feed_actions import FeedChoice, NewFeed, SourceTopic
from tasks.news.tables import articles, feeds, stories

pytestmark = pytest.mark.both_stores
Serve = Callable[..., tuple[str, ServedFeed]]
PAGE = """<!doctype html><html><head><title>A site</title>
<link rel="alternate" type="application/rss+xml" title="Comments" href="/comments">
<link rel="alternate" type="application/rss+xml" title="News" href="/feed">
<link rel="alternate" type="application/atom+xml" title="Atom" href="/atom">
</head><body>Hello</body></html>"""


def titles(reader: Reader, **wanted: Any) -> list[str]:
    return [one.title for one in reader.do(list_articles, limit=100, **wanted).items]


def test_a_feed_brings_its_articles_at_once(reader: Reader, serve: Serve) -> None:
    url, _ = serve("/feed", rss(many(3), "Example"))
    added = reader.do(add_feed, url=url, topic="science")
    assert (added.title, added.topic, added.added, added.stories, added.is_new) == ("Example", "science", 3, 3, True)
    (first, *_) = reader.do(list_articles).items
    assert first.title == "Item alpha 0 alpha"
    assert [one.feed for one in first.sources] == ["Example"]
    assert [one.title for one in reader.do(list_feeds).items] == ["Example"]


def test_a_page_leads_to_the_feed_that_it_names_and_not_to_its_comments(
    reader: Reader, serve: Serve, server: Any
) -> None:
    serve("/site", PAGE.encode(), media_type="text/html; charset=utf-8")
    serve("/feed", rss(many(1), "News"))
    added = reader.do(add_feed, url=f"{server.url}/site")
    assert (added.title, added.url) == ("News", f"{server.url}/feed")
    assert added.others == [f"{server.url}/atom", f"{server.url}/comments"]


@pytest.mark.parametrize(
    ("body", "media_type", "why"),
    [
        (b"<html><body>No feed here</body></html>", "text/html", "names no feed"),
        (b"<html><body>No feed here</body></html>", "application/rss+xml", "names no feed"),
        (b"%PDF-1.4 ...", "application/pdf", "neither RSS nor Atom nor JSON Feed"),
        (b"", "application/rss+xml", "nothing in it"),
        (b'{"version": "https://jsonfeed.org/version/1"}', "application/json", "no JSON Feed"),
        (b"<opml version='2.0'><body/></opml>", "text/xml", "neither RSS nor Atom"),
        (gzip.compress(b" " * 30_000_000), "application/rss+xml", "unpacked to more than"),
        (b"<rss>" + b"<a>" * 1000, "application/rss+xml", "nests its elements too deeply"),
    ],
)  # fmt: skip
def test_what_is_no_feed_is_refused_and_nothing_is_kept(
    reader: Reader, serve: Serve, db: Database, body: bytes, media_type: str, why: str
) -> None:
    url, _ = serve("/it", body, media_type=media_type)
    with pytest.raises(UnreadableFeed, match=why):
        reader.do(add_feed, url=url)
    with db.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(feeds)).scalar_one() == 0


def test_a_feed_that_never_ends_is_refused(reader: Reader, server: Any) -> None:
    def never_ends(exchange: Any) -> None:
        exchange.start("application/rss+xml")
        exchange.piece(b"<rss version='2.0'><channel><title>x</title>")
        item = b"<item><title>once more</title></item>" * 1000
        while True:
            exchange.piece(item)

    server.routes["/endless"] = never_ends
    with pytest.raises(BadInput, match="sent more than 10 MiB"):
        reader.do(add_feed, url=f"{server.url}/endless")
    assert server.left.wait(10)


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (401, {}, Forbidden), (403, {}, Forbidden), (404, {}, NotFound), (410, {}, NotFound), (500, {}, Transient),
        (503, {}, Transient), (429, {"retry-after": "70"}, RateLimited), (503, {"retry-after": "70"}, RateLimited),
    ],
)  # fmt: skip
def test_a_refusal_says_what_its_server_said(
    reader: Reader, serve: Serve, status: int, headers: dict[str, str], kind: type[Exception]
) -> None:
    url, _ = serve("/feed", b"no", status=status, headers=headers)
    with pytest.raises(kind, match=str(status)):
        reader.do(add_feed, url=url)


def test_a_server_that_is_not_there_is_tried_again(reader: Reader, refused_url: str) -> None:
    with pytest.raises(Transient, match="Nothing was sent"):
        reader.do(add_feed, url=refused_url)


def test_a_feed_that_is_there_already_stays_and_taking_the_second_back_takes_nothing(
    reader: Reader, serve: Serve
) -> None:
    url, _ = serve("/feed", rss(many(2), "Example"))
    reader.do(add_feed, url=url, title="Mine")
    ctx = reader.context()
    again = reader.do(add_feed, ctx, url=url)
    assert (again.title, again.is_new, again.added) == ("Mine", False, 0)
    undo = add_feed.undo.input(NewFeed(url=url), again)
    assert undo == FeedChoice(added_by=ctx.job_id)
    assert reader.do(remove_feed, **undo.model_dump()).feed_ids == []
    assert len(reader.do(list_feeds).items) == 1


def test_an_address_that_redirects_to_a_source_is_that_source(reader: Reader, serve: Serve, server: Any) -> None:
    url, _ = serve("/feed", rss(many(2), "Example"))
    added = reader.do(add_feed, url=url)
    serve("/old", b"", status=301, headers={"location": url})
    again = reader.do(add_feed, url=f"{server.url}/old")
    assert (again.id, again.is_new, again.added) == (added.id, False, 0)
    assert {len(one.sources) for one in reader.do(list_articles).items} == {1}


def redirect(server: Any, path: str, status: int, target: str) -> None:
    server.routes[path] = lambda exchange: exchange.send(status, b"", "text/plain", location=target)


@pytest.mark.parametrize(("status", "moves"), [(301, True), (308, True), (302, False), (307, False)])
def test_a_source_is_asked_where_its_server_says_that_it_is_for_good(
    reader: Reader, serve: Serve, server: Any, db: Database, status: int, moves: bool
) -> None:
    old, _ = serve("/old", rss(many(2), "Example"))
    added = reader.do(add_feed, url=old)
    new, feed = serve("/new", rss(many(3), "Example"))
    redirect(server, "/old", status, new)
    assert reader.do(refresh).added == 1
    (source,) = reader.do(list_feeds).items
    assert (source.id, source.url) == (added.id, new if moves else old)
    make_due(db)
    reader.do(refresh)
    assert len(feed.asked) == 2
    other, _ = serve("/other", rss(many(1), "Other"))
    redirect(server, "/moved", status, other)
    assert reader.do(add_feed, url=f"{server.url}/moved").url == (other if moves else f"{server.url}/moved")


def test_a_source_that_has_moved_stays_where_it_is_while_no_feed_is_there_or_another_source_is(
    reader: Reader, serve: Serve, server: Any, db: Database
) -> None:
    old, _ = serve("/old", rss(many(2), "Example"))
    reader.do(add_feed, url=old)
    page, _ = serve("/login", PAGE.encode(), media_type="text/html")
    redirect(server, "/old", 301, page)
    assert reader.do(refresh).failed == 1
    other, _ = serve("/other", rss(many(1), "Other"))
    reader.do(add_feed, url=other)
    redirect(server, "/old", 301, other)
    make_due(db)
    assert reader.do(refresh).failed == 0
    assert [one.url for one in reader.do(list_feeds).items] == [old, other]


def test_the_first_feed_of_a_page_that_can_be_read_is_taken(reader: Reader, serve: Serve, server: Any) -> None:
    serve("/dead", b"no", status=404)
    serve("/closed", b"no", status=403)
    feed, _ = serve("/feed", rss(many(1), "Example"))
    links = "".join(
        f'<link rel="alternate" type="application/rss+xml" href="/{name}">' for name in ("dead", "closed", "feed")
    )
    page, _ = serve("/page", f"<html><head>{links}</head></html>".encode(), media_type="text/html")
    assert reader.do(add_feed, url=page).url == feed


def test_several_versions_of_one_entry_are_one_article(reader: Reader, serve: Serve) -> None:
    at = ago(hours=2)
    new, old = (Item(title, "https://s.example/1", "g1", at) for title in ("As it is", "As it was"))
    url, _ = serve("/feed", rss([new, old, Item("Another", "https://s.example/1", "g1", ago(hours=3))]))
    assert reader.do(add_feed, url=url).added == 2
    assert titles(reader) == ["As it is", "Another"]


def test_an_attempt_that_is_run_again_adds_nothing_twice(reader: Reader, serve: Serve, db: Database) -> None:
    url, _ = serve("/feed", rss(many(5)))
    ctx = reader.context()
    first = reader.do(add_feed, ctx, url=url)
    second = reader.do(add_feed, ctx, url=url)
    assert (first.id, second.is_new) == (second.id, True)
    with db.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(articles)).scalar_one() == 5


def test_a_removed_source_takes_what_only_it_tells_and_comes_back_with_it(reader: Reader, serve: Serve) -> None:
    shared = Item("Volcano erupts on the island of Java again", "https://a.example/volcano", at=ago(hours=2))
    one, _ = serve("/one", rss([shared, *many(2, "One")], "One"))
    two, _ = serve("/two", rss([shared, *many(2, "Two")], "Two"))
    reader.do(add_feed, url=one)
    second = reader.do(add_feed, url=two)
    assert (second.added, second.stories, len(titles(reader))) == (3, 2, 5)
    gone = reader.do(remove_feed, feed_id=str(second.id))
    assert (gone.feed_ids, len(titles(reader))) == ([second.id], 3)
    assert reader.do(remove_feed, feed_id=str(second.id)).feed_ids == []
    undo = remove_feed.undo.input(FeedChoice(feed_id=second.id), gone)
    assert reader.do(restore_feeds, **undo.model_dump(mode="json")).feed_ids == [second.id]
    assert len(titles(reader)) == 5
    (volcano,) = reader.do(list_articles, text="volcano").items
    assert [source.feed for source in volcano.sources] == ["One", "Two"]


def test_the_catalogue_has_about_twenty_feeds_that_are_taken_by_name(reader: Reader) -> None:
    found = reader.do(suggest_feeds).items
    assert 18 <= len(found) <= 30 and found[0].name == "tips"
    assert len({one.name for one in found}) == len({one.url for one in found}) == len(found)
    assert {one.language for one in reader.do(suggest_feeds, language="de").items} == {"de"}
    with pytest.raises(BadInput, match="it has tips, bbc-world"):
        reader.do(add_feed, name="no-such")


def test_a_topic_is_changed_with_the_articles_that_have_it_and_back(reader: Reader, serve: Serve) -> None:
    url, _ = serve("/feed", rss(many(2)))
    added = reader.do(add_feed, url=url, topic="old")
    given = SourceTopic(feed_id=added.id, topic="new")
    changed = reader.do(set_topic, **given.model_dump(mode="json"))
    assert (len(titles(reader, topic="new")), titles(reader, topic="old")) == (2, [])
    undo = set_topic.undo.input(given, changed)
    reader.do(put_topic_back, **undo.model_dump(mode="json"))
    assert (titles(reader, topic="new"), len(titles(reader, topic="old"))) == ([], 2)
    with pytest.raises(NotFound):
        reader.do(set_topic, feed_id=str(new_id()), topic="x")


def test_what_no_store_keeps_is_left_out(reader: Reader, serve: Serve) -> None:
    odd = "a\\u0000b\\ud800c"
    item = f'''{{"id": "{odd}", "url": "https://a.example/{odd}", "title": "{odd}", "content_html": "<p>{odd}</p>",
      "image": "https://a.example/{odd}", "authors": [{{"name": "{odd}"}}], "tags": ["{odd}"],
      "attachments": [{{"url": "https://a.example/x", "mime_type": "{odd}", "size_in_bytes": 1e400}}]}}'''
    body = f'{{"version": "https://jsonfeed.org/version/1", "title": "{odd}", "items": [{item}]}}'
    url, _ = serve("/feed", body.encode(), media_type="application/feed+json")
    assert reader.do(add_feed, url=url).added == 1
    (title,) = titles(reader)
    assert title.startswith("ab")


def test_there_is_something_to_read_without_a_network(reader: Reader) -> None:
    added = reader.do(add_feed, name="tips")
    assert (added.added, added.provider, added.topic) == (10, "built-in", "tips")
    assert "Try out what is configured" in titles(reader, source="tips")
    make_due_at_once(reader, added.id)
    report = reader.do(refresh)
    assert (report.asked, report.failed, report.added, report.changed) == (1, 0, 0, 0)
    assert reader.do(export_opml).feeds == 0


def make_due_at_once(reader: Reader, feed_id: Any) -> None:
    from models.db.database import database

    with database().write() as conn:
        conn.execute(sa.update(feeds).where(feeds.c.id == feed_id).values(next_at=database().now()))


# --- asked only for what is new


def test_the_validators_go_back_as_they_came_and_only_after_the_articles_are_kept(
    reader: Reader, serve: Serve, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"etag": 'W/"a,b: c"', "last-modified": "Sat, 1 Jan 2000 00:00:00 +0000 (odd)"}
    url, feed = serve("/feed", rss(many(2)), headers=headers)
    reader.do(add_feed, url=url)
    assert "if-none-match" not in feed.asked[0]
    report = reader.do(refresh)
    assert (report.asked, report.unchanged, report.added) == (1, 1, 0)
    assert feed.asked[1]["if-none-match"] == headers["etag"]
    assert feed.asked[1]["if-modified-since"] == headers["last-modified"]

    feed.body, feed.headers = rss([Item("Brand new", "https://site.example/new", at=ago(minutes=1))]), {"etag": '"2"'}

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:  # dies after the articles were written and before the commit
        patch.setattr(feed_store, "succeeded", broken)
        with pytest.raises(ZeroDivisionError):
            reader.do(refresh)
    assert "Brand new" not in titles(reader)
    assert reader.do(refresh).added == 1
    assert feed.asked[-1]["if-none-match"] == headers["etag"], "the new one stands for what was not kept yet"
    assert "Brand new" in titles(reader)


@pytest.mark.parametrize(
    ("headers", "more", "least", "most"),
    [
        ({"cache-control": "public, max-age=7200"}, "", 7100, 7200),
        ({"cache-control": "max-age=7200", "age": "3600"}, "", 3500, 3600),
        ({"cache-control": "max-age=31536000"}, "", 86_300, 86_400),
        ({"cache-control": "no-cache, max-age=7200"}, "", -60, 0),
        ({"retry-after": "600"}, "", 500, 600),
        ({}, "<ttl>60</ttl>", 3500, 3600),
        ({}, "", -60, 0),
    ],
)
def test_a_server_is_not_asked_before_it_wants_to_be(
    reader: Reader, serve: Serve, db: Database, headers: dict[str, str], more: str, least: int, most: int
) -> None:
    url, feed = serve("/feed", rss(many(1), more=more), headers=headers)
    added = reader.do(add_feed, url=url)
    wait = (added.next_at - db.now()).total_seconds()
    assert least <= wait <= most
    report = reader.do(refresh)
    assert report.asked == (0 if wait > 0 else 1)
    assert len(feed.asked) == 1 + report.asked


def test_one_that_fails_stops_no_other_and_is_asked_later_and_later(
    reader: Reader, serve: Serve, db: Database, server: Any
) -> None:
    bad, broken = serve("/bad", rss(many(1, "Bad"), "Bad"))
    good, fine = serve("/good", rss(many(1, "Good"), "Good"))
    reader.do(add_feed, url=bad)
    reader.do(add_feed, url=good)
    broken.status, fine.body = 500, rss(many(3, "Good"), "Good")
    report = reader.do(refresh)
    assert (report.asked, report.failed, report.added) == (2, 1, 2)
    (failing,) = reader.do(list_feeds, failing=True).items
    assert "answered 500" in failing.note and failing.next_at > db.now() + timedelta(minutes=10)
    assert reader.do(refresh).asked == 1
    broken.status = 429
    broken.headers = {"retry-after": "3000"}
    make_due(db)
    assert reader.do(refresh).failed == 1
    (failing,) = reader.do(list_feeds, failing=True).items
    assert (failing.failures, round((failing.next_at - db.now()).total_seconds(), -2)) == (2, 3000)
    broken.status, broken.headers = 200, {}
    make_due(db)
    assert reader.do(refresh).failed == 0
    assert reader.do(list_feeds, failing=True).items == []


def test_a_feed_that_becomes_a_page_is_named_and_its_articles_stay(reader: Reader, serve: Serve) -> None:
    url, feed = serve("/feed", rss(many(2)))
    reader.do(add_feed, url=url)
    feed.body, feed.media_type = PAGE.encode(), "text/html"
    assert reader.do(refresh).failed == 1
    (source,) = reader.do(list_feeds).items
    assert "web page and no feed" in source.note
    assert len(titles(reader)) == 2


def test_a_cancelled_refresh_ends(reader: Reader, serve: Serve) -> None:
    url, _ = serve("/feed", rss(many(1)))
    reader.do(add_feed, url=url)
    with pytest.raises(Cancelled):
        reader.do(refresh, reader.context(cancel_after=0))


def test_old_articles_go_and_what_is_listed_stays(reader: Reader, serve: Serve, db: Database) -> None:
    old = Item("Of long ago", "https://site.example/old", at=ago(days=400))
    url, feed = serve("/feed", rss([*many(30), old]))
    reader.do(add_feed, url=url)
    assert "Of long ago" not in titles(reader), "older than what is kept"
    with db.write() as conn:
        conn.execute(sa.update(articles).values(listed_at=db.now() - timedelta(days=31)))
        conn.execute(sa.update(stories).values(at=db.now() - timedelta(days=300)))
    feed.body = rss(many(3))
    reader.do(refresh)
    assert len(titles(reader)) == 3


def test_a_source_that_was_removed_long_ago_is_gone_with_what_only_it_told(
    reader: Reader, serve: Serve, db: Database
) -> None:
    shared = Item("Volcano erupts on the island of Java again", "https://a.example/volcano", at=ago(hours=2))
    for name in ("One", "Two"):
        url, _ = serve(f"/{name}", rss([shared, *many(2, name)], name))
        last = reader.do(add_feed, url=url)
    reader.do(remove_feed, feed_id=str(last.id))
    with db.write() as conn:
        conn.execute(sa.update(feeds).values(removed_at=db.now() - timedelta(days=31)).where(feeds.c.id == last.id))
    reader.do(refresh)
    with db.read() as conn:
        left = [conn.execute(sa.select(sa.func.count()).select_from(one)).scalar_one() for one in (feeds, stories)]
        sources = set(conn.execute(sa.select(stories.c.sources)).scalars())
    assert (left, sources) == ([1, 3], {1})


def make_due(db: Database) -> None:
    with db.write() as conn:
        conn.execute(sa.update(feeds).values(next_at=db.now() - timedelta(seconds=1)))


# --- lists of other readers


def test_a_list_goes_out_and_comes_in_the_same(reader: Reader, serve: Serve, new_user: Any) -> None:
    url, _ = serve("/feed", rss(many(1), 'Quotes " & <tags>'))
    reader.do(add_feed, url=url, topic="A & B")
    ctx = reader.context()
    written = reader.do(export_opml, ctx)
    assert (written.feeds, list(ctx.attached)) == (1, ["feeds.opml"])
    other = Reader(new_user("bob@example.org"))
    text = ctx.attached["feeds.opml"].decode()
    taken = other.do(import_opml, text=text)
    assert (taken.added, taken.known, taken.topics) == (1, 0, ["A & B"])
    (source,) = other.do(list_feeds).items
    assert (source.title, source.url, source.topic) == ('Quotes " & <tags>', url, "A & B")
    assert other.do(refresh).added == 1
    assert (other.do(import_opml, text=text).known, len(other.do(list_feeds).items)) == (1, 1)
    assert len(other.do(remove_feed, added_by=str(taken.added_by)).feed_ids) == 1
    assert other.do(list_feeds).items == []


def test_a_list_as_a_file_in_another_encoding(reader: Reader) -> None:
    body = """<?xml version="1.0" encoding="iso-8859-1"?><opml version="1.0"><head/><body>
      <outline text="Größe"><outline type="rss" text="Äpfel" xmlUrl="https://a.example/feed"/>
      <outline text="Tiefer"><outline text="B" xmlurl="feed://b.example/rss"/></outline></outline>
      <outline text="no feed"/><outline xmlUrl="javascript:alert(1)" text="bad"/></body></opml>"""
    ctx = reader.context()
    file = ctx.give_file("feeds.opml", body.encode("latin-1"))
    taken = reader.do(import_opml, ctx, file=file.model_dump(mode="json"))
    assert (taken.added, taken.topics) == (2, ["Größe", "Tiefer"])
    assert [(one.title, one.url) for one in reader.do(list_feeds).items] == [
        ("Äpfel", "https://a.example/feed"), ("B", "http://b.example/rss"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no XML at all", "no OPML"),
        ("<rss/>", "no OPML"),
        ("<opml><body/></opml>", "names no feed"),
        ("<opml><body>" + "<outline text='x'>" * 30 + "</outline>" * 30 + "</body></opml>", "deep in each other"),
        ("<opml><body>" + "".join(f"<outline xmlUrl='http://a.example/{n}'/>" for n in range(2001)) + "</body></opml>",
         "more than 2000"),
        ('<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><opml><body>&c;</body></opml>', "names no feed"),
    ],
)  # fmt: skip
def test_a_list_that_is_none_is_refused_whole(reader: Reader, text: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        reader.do(import_opml, text=text)
    assert reader.do(list_feeds).items == []
