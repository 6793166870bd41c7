"""The same story of many sources is one; different ones stay apart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from news_kit import Item, Reader, ServedFeed, ago, many, rss

from models.db.database import Database
from tasks.news.actions import add_feed, list_articles, refresh
from tasks.news.identity import likeness, page_key, title_words
from tasks.news.tables import articles, stories

pytestmark = pytest.mark.both_stores
Serve = Callable[..., tuple[str, ServedFeed]]


def told(reader: Reader, **wanted: Any) -> list[tuple[str, int]]:
    return [(one.title, len(one.sources)) for one in reader.do(list_articles, limit=100, **wanted).items]


SAME_TITLES = [
    "Parliament approves budget after night of talks",
    "Parliament approves budget after night of talks - BBC News",
    "Parliament approves budget after night of talks | Reuters",
    "BREAKING: Parliament approves budget after night of talks",
    "Parliament approves the budget after a night of talks",
    "“Parliament approves budget after night of talks”",
    "PARLIAMENT APPROVES BUDGET AFTER NIGHT OF TALKS",
    "Parliament approves budget after long night of talks",
    "Update 2: Parliament approves budget after night of talks",
    "Parliament approves budget after night of talks – example.org",
]


def test_one_story_of_ten_feeds_by_its_titles_is_one_item_with_ten_sources(reader: Reader, serve: Serve) -> None:
    for number, title in enumerate(SAME_TITLES):
        item = Item(title, f"https://site{number}.example/{number}", f"g{number}", ago(hours=5, minutes=number))
        url, _ = serve(f"/feed{number}", rss([item, *many(2, f"Own{number}")], f"Source {number}"))
        reader.do(add_feed, url=url)
    found = told(reader)
    assert [one for one in found if one[1] > 1] == [(SAME_TITLES[0], 10)]
    assert len(found) == 1 + 20


def test_one_story_of_ten_feeds_by_its_page_is_one_item(reader: Reader, serve: Serve) -> None:
    links = [
        "https://www.paper.example/2026/story.html",
        "http://paper.example/2026/story.html",
        "https://paper.example/2026/story.html?utm_source=rss&utm_medium=feed",
        "https://m.paper.example/2026/story.html#xtor=RSS-1",
        "https://amp.paper.example/2026/story.html/amp",
        "https://paper.example/2026/story.html/?fbclid=abc",
        "https://paper.example:443/2026/story.html?at_medium=RSS&at_campaign=KARANGA",
        "https://PAPER.example/2026/story.html?ref=rss",
        "https://paper.example/2026/story.html?cmp=rss&source=rss",
        "https://paper.example/2026/story.html?gclid=1",
    ]
    for number, link in enumerate(links):
        item = Item(f"{many(10)[number].title} called otherwise {number}", link, f"g{number}", ago(hours=5))
        url, _ = serve(f"/feed{number}", rss([item], f"Source {number}"))
        reader.do(add_feed, url=url)
    ((_, count),) = told(reader)
    assert count == 10


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Fed raises rates by 25 basis points on Wednesday", "Fed raises rates by 50 basis points on Wednesday"),
        ("Minister will resign over budget affair this week", "Minister will not resign over budget affair this week"),
        ("Morning briefing", "Morning briefing"),
        ("Bayern beats Dortmund in final of the cup", "Dortmund beats Leipzig in final of the league"),
        ("New phone of Acme has a better camera", "New watch of Acme has a longer battery life"),
        ("Trump says he will impose tariffs on Canada", "Trump says he will impose tariffs on Mexico"),
        ("Man arrested after stabbing in London", "Man arrested after stabbing in Manchester"),
        ("Earthquake of magnitude 6.1 strikes off Japan", "Earthquake of magnitude 5.4 strikes off Japan"),
        (
            "Germany beats France in the final of the world cup in handball",
            "France beats Germany in the final of the world cup in handball",
        ),
        ("Man Utd beat Man City in derby", "Man City beat Man Utd in derby"),
        (
            "Zwei Tote nach Lawine bei Zermatt in den Schweizer Alpen, Retter suchen weiter nach Opfern",
            "Drei Tote nach Lawine bei Zermatt in den Schweizer Alpen, Retter suchen weiter nach Opfern",
        ),
        (
            "Three dead after avalanche near Zermatt in the Swiss Alps as rescue teams search for victims",
            "Two dead after avalanche near Zermatt in the Swiss Alps as rescue teams search for victims",
        ),
        (
            "Fed will raise interest rates in December, officials say in new minutes",
            "Fed won't raise interest rates in December, officials say in new minutes",
        ),
        ("Court rules president can be tried for fraud", "Court rules president cannot be tried for fraud"),
        ("Le gouvernement augmentera les impôts en 2027", "Le gouvernement n'augmentera pas les impôts en 2027"),
        ("Il governo aumenta le tasse sulla benzina", "Il governo non aumenta le tasse sulla benzina"),
        ("Regeringen höjer skatten på bensin nästa år", "Regeringen höjer inte skatten på bensin nästa år"),
        ("Liverpool 2-1 Arsenal: match report", "Liverpool 1-2 Arsenal: match report"),
    ],
)
def test_different_stories_stay_apart(reader: Reader, serve: Serve, one: str, other: str) -> None:
    for number, title in enumerate((one, other)):
        item = Item(title, f"https://site{number}.example/{number}", f"g{number}", ago(hours=5))
        url, _ = serve(f"/feed{number}", rss([item], f"Source {number}"))
        reader.do(add_feed, url=url)
    assert sorted(count for _, count in told(reader)) == [1, 1]


def test_the_same_title_a_week_later_is_another_story(reader: Reader, serve: Serve) -> None:
    title = "Parliament approves budget after night of talks"
    for number, at in enumerate((ago(days=8), ago(hours=1))):
        url, _ = serve(f"/feed{number}", rss([Item(title, f"https://s{number}.example/{number}", at=at)], f"S{number}"))
        reader.do(add_feed, url=url)
    assert told(reader) == [(title, 1), (title, 1)]


def test_one_source_that_says_a_title_twice_tells_two_stories(reader: Reader, serve: Serve) -> None:
    title = "Parliament approves budget after night of talks"
    items = [Item(title, f"https://s.example/{number}", f"g{number}", ago(hours=number)) for number in (1, 2)]
    url, _ = serve("/feed", rss(items))
    reader.do(add_feed, url=url)
    assert told(reader) == [(title, 1), (title, 1)]


def test_titles_in_a_script_without_spaces_are_compared_too(reader: Reader, serve: Serve) -> None:
    for number, title in enumerate(("国会が予算案を可決、夜通しの協議の末", "国会が予算案を可決 夜通しの協議の末")):
        url, _ = serve(
            f"/f{number}", rss([Item(title, f"https://s{number}.example/a{number}", at=ago(hours=1))], f"S{number}")
        )
        reader.do(add_feed, url=url)
    assert [count for _, count in told(reader)] == [2]
    assert len(told(reader, text="予算案")) == 1


# --- what changes in one source


def test_a_changed_article_is_brought_up_to_date_and_stays_read(reader: Reader, serve: Serve, db: Database) -> None:
    item = Item("First words", "https://s.example/1", "g1", ago(hours=1), "Old")
    url, feed = serve("/feed", rss([item]))
    reader.do(add_feed, url=url)
    with db.write() as conn:
        conn.execute(sa.update(stories).values(read_at=db.now()))
    feed.body = rss([Item("Other words", "https://s.example/1", "g1", item.at, "New")])
    report = reader.do(refresh)
    assert (report.added, report.changed) == (0, 1)
    (article,) = reader.do(list_articles, text="other").items
    assert (article.title, article.summary) == ("Other words", "New") and article.read_at is not None
    assert reader.do(list_articles, text="first").items == []


@pytest.mark.parametrize(
    "again",
    [
        Item("The title", "https://s.example/1", "another guid", ago(days=1)),
        Item("The title", "https://s.example/1?utm_source=x", "another guid", None),
        Item("The title", "https://s.example/moved", "another guid", ago(days=1)),
        Item("A new title", "https://s.example/1", "", None),
    ],
)
def test_an_article_whose_guid_changes_is_not_new(reader: Reader, serve: Serve, db: Database, again: Item) -> None:
    at = again.at or ago(days=1)
    url, feed = serve("/feed", rss([Item("The title", "https://s.example/1", "a guid", at)]))
    reader.do(add_feed, url=url)
    feed.body = rss([again])
    assert reader.do(refresh).added == 0
    with db.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(articles)).scalar_one() == 1


def test_entries_without_guid_link_or_date_are_told_apart_and_found_again(reader: Reader, serve: Serve) -> None:
    items = [Item("Only a title"), Item("Only another title"), Item("", description="Only a text")]
    url, _ = serve("/feed", rss(items))
    assert reader.do(add_feed, url=url).added == 3
    assert reader.do(refresh).added == 0
    assert [title for title, _ in told(reader)] == ["Only a title", "Only another title", "Only a text"]


def test_entries_that_share_a_guid_or_a_page_are_told_apart(reader: Reader, serve: Serve) -> None:
    items = [Item(f"Entry {name}", "https://s.example/page", "same", ago(hours=at)) for at, name in enumerate("abc", 1)]
    url, _ = serve("/feed", rss(items))
    assert reader.do(add_feed, url=url).added == 3
    assert reader.do(refresh).added == 0


def test_a_date_of_the_future_does_not_stand_on_top_for_ever(reader: Reader, serve: Serve, db: Database) -> None:
    url, _ = serve("/feed", rss([Item("Of the future", "https://s.example/1", at=ago(days=-900))]))
    reader.do(add_feed, url=url)
    (article,) = reader.do(list_articles).items
    assert article.published_at <= db.now() + timedelta(minutes=1)
    assert article.sources[0].published_at > db.now()


def test_a_story_is_found_by_the_summary_that_it_shows(reader: Reader, serve: Serve) -> None:
    shared = ("Volcano erupts on the island of Java again", "https://a.example/volcano", "", ago(hours=2))
    for name, description in (("One", ""), ("Two", "Ashes fall on Yogyakarta")):
        url, _ = serve(f"/{name}", rss([Item(*shared, description)], name))
        reader.do(add_feed, url=url)
    assert told(reader, text="yogyakarta") == told(reader)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/x?id=1", "https://a.example/x?id=2", False),
        ("https://a.example/x?id=1&utm_source=a", "http://www.a.example/x/?id=1", True),
        ("https://a.example/x?b=1&a=2", "https://a.example/x?a=2&b=1", True),
        ("https://a.example/log#v1", "https://a.example/log#v2", False),
        ("https://a.example/x#comments", "https://a.example/x", True),
        ("https://a.example/X", "https://a.example/x", False),
        ("https://a.example:8443/x", "https://a.example/x", False),
        ("https://a.example/stra%C3%9Fe", "https://a.example/straße", True),
        ("https://xn--mller-kva.example/a", "https://müller.example/a", True),
        ("https://a.example//x", "https://a.example/x", True),
        ("https://a.example/log#refactoring", "https://a.example/log", False),
        ("https://a.example/x#ref=rss", "https://a.example/x", True),
        ("https://a.example/x?partner=rss&emc=rss&srsltid=A", "https://a.example/x", True),
        ("https://www.google.com/url?rct=j&sa=t&url=https://a.example/x&ct=ga", "https://a.example/x", True),
        (
            "http://www.bing.com/news/apiclick.aspx?ref=FexRss&url=https%3a%2f%2fa.example%2fx&c=1",
            "https://a.example/x",
            True,
        ),
    ],
)
def test_addresses_of_one_page_are_one(one: str, other: str, same: bool) -> None:
    assert (page_key(one) == page_key(other)) is same


@pytest.mark.parametrize("url", ["", "https://a.example", "https://www.a.example/?utm_source=x", "mailto:a@b.example",
                                 "https://[half", "urn:uuid:1"])  # fmt: skip
def test_what_is_no_page_has_no_key(url: str) -> None:
    assert page_key(url) == ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Volkswagen to cut 35,000 jobs by 2030", "Volkswagen to cut 35.000 jobs by 2030 in Germany"),
        ("U.S. Supreme Court hears case on tariffs", "US Supreme Court hears case on tariffs"),
        ("Three dead after avalanche in Swiss Alps", "3 dead after avalanche in Swiss Alps"),
        ("首相　予算案について「年内に編成」", "首相 予算案について「年内に編成」 | NHK"),
    ],
)
def test_a_title_in_another_spelling_is_the_same(one: str, other: str) -> None:
    assert likeness(title_words(one), title_words(other)) > 0
