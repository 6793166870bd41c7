"""The Guardian, GNews and NewsAPI: what they find, and every branch of their error maps, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from news_kit import Item, Reader, ago, rss
from pydantic import SecretStr

from llmcoder import BadInput, Forbidden, NotConfigured, Transient
from llmcoder.context import User
from llmcoder.errors import RateLimited, Refused
from llmcoder.testing import FakeContext
from models.db.database import Database
from tasks.news import checks
from tasks.news.actions import add_feed, add_search, list_articles, list_feeds, refresh
from tasks.news.search_services import SERVICES, ServiceSearch, next_midnight
from tasks.news.settings import GNewsSettings, GuardianSettings, NewsApiSettings

pytestmark = pytest.mark.both_stores
KEY = SecretStr("the-key")
NOW = datetime(2026, 11, 29, 15, 0, tzinfo=UTC)
GUARDIAN = {
    "response": {
        "status": "ok", "total": 1,
        "results": [{
            "id": "world/2026/nov/29/a-story", "type": "article", "webPublicationDate": "2026-11-29T08:00:00Z",
            "webTitle": "Parliament approves budget after night of talks", "webUrl": "https://www.theguardian.com/a",
            "fields": {"trailText": "<strong>Long</strong> night", "byline": "Ann Author",
                       "thumbnail": "https://media.guim.co.uk/a.jpg"},
        }],
    }
}  # fmt: skip
COMMON = {
    "title": "Parliament approves budget after night of talks", "description": "Long night",
    "content": "Cut... [12 chars]", "url": "https://paper.example/a", "publishedAt": "2026-11-29T08:00:00Z",
}  # fmt: skip
GNEWS = {"totalArticles": 1, "articles": [{**COMMON, "image": "https://i.example/a.jpg",
                                           "source": {"name": "Paper", "url": "https://paper.example"}}]}  # fmt: skip
NEWSAPI = {"status": "ok", "totalResults": 2, "articles": [
    {**COMMON, "author": "Ann Author", "urlToImage": None, "source": {"id": None, "name": "Paper"}},
    {"title": "[Removed]", "url": "https://removed.com", "source": {"name": "[Removed]"}, "publishedAt": None},
]}  # fmt: skip
ANSWERS = {"guardian": ("/search", GUARDIAN), "gnews": ("/search", GNEWS), "newsapi": ("/everything", NEWSAPI)}


def settings_at(url: str) -> list[Any]:
    return [
        GuardianSettings(guardian_api_key=KEY, guardian_api_url=url),
        GNewsSettings(gnews_api_key=KEY, gnews_api_url=url),
        NewsApiSettings(newsapi_api_key=KEY, newsapi_api_url=url),
    ]


@pytest.fixture
def caller(server: Any) -> FakeContext:
    return FakeContext(settings_at(server.url), fetch_allow=("127.0.0.1",))


@pytest.fixture
def searcher(configured: Any, user: User, server: Any) -> Reader:
    return Reader(user, *settings_at(server.url))


def answer(server: Any, name: str, status: int, body: object, **headers: str) -> None:
    server.routes[ANSWERS[name][0]] = lambda exchange: exchange.send(status, body, **headers)


@pytest.mark.parametrize("name", ANSWERS)
def test_what_a_service_finds_is_read(name: str, server: Any, caller: FakeContext) -> None:
    answer(server, name, 200, ANSWERS[name][1])
    (entry,) = SERVICES[name].search(ServiceSearch("budget", "en", most=7), caller, NOW)
    assert (entry.title, entry.summary) == ("Parliament approves budget after night of talks", "Long night")
    assert entry.published_at == datetime(2026, 11, 29, 8, tzinfo=UTC)
    assert entry.author in ("Ann Author", "Paper") and entry.url.endswith("/a")
    (seen,) = server.seen
    asked = parse_qs(urlsplit(seen.path).query)
    assert asked["q"] == ["budget"] and ["7"] in asked.values() and ["en"] in asked.values()
    assert KEY.get_secret_value() in f"{seen.path} {seen.headers}"


def test_the_contract_of_newsapi_takes_our_requests(strict_fake: Callable[..., Any]) -> None:
    fake = strict_fake("newsapi_ballerina.yaml", "--base", "/v2")
    ctx = FakeContext([NewsApiSettings(newsapi_api_key=KEY, newsapi_api_url=fake.url)], fetch_allow=("127.0.0.1",))
    SERVICES["newsapi"].search(ServiceSearch("budget", "en"), ctx, NOW)
    SERVICES["newsapi"].search(ServiceSearch("budget"), ctx, NOW)
    assert fake.refusals() == [] and fake.operations() == ["GET /everything"] * 2
    # that contract has no null where the real service does
    full = {**NEWSAPI["articles"][0], "urlToImage": "https://i.example/a.jpg", "source": {"id": "p", "name": "Paper"}}  # type: ignore[dict-item]
    fake.override("GET /everything", 200, {"status": "ok", "totalResults": 1, "articles": [full]})
    assert len(SERVICES["newsapi"].search(ServiceSearch("budget"), ctx, NOW)) == 1
    fake.override("GET /everything", 429, {"status": "error", "code": "rateLimited", "message": "Slow down."})
    with pytest.raises(RateLimited, match="Slow down"):
        SERVICES["newsapi"].search(ServiceSearch("budget"), ctx, NOW)


def newsapi(code: str) -> dict[str, str]:
    return {"status": "error", "code": code, "message": "Because."}


ERRORS: list[tuple[str, int, object, dict[str, str], type[Exception]]] = [
    ("guardian", 400, {"response": {"status": "error", "message": "Bad page"}}, {}, BadInput),
    ("guardian", 200, {"response": {"status": "error", "message": "Bad page"}}, {}, BadInput),
    ("guardian", 401, {"message": "Unauthorized"}, {}, Forbidden),
    ("guardian", 403, {"message": "Forbidden"}, {}, Forbidden),
    ("guardian", 404, {}, {}, Refused),
    ("guardian", 429, {"message": "API rate limit exceeded"}, {}, RateLimited),
    ("guardian", 500, b"oops", {}, Transient),
    ("guardian", 503, b"", {}, Transient),
    ("guardian", 200, b"<html>", {}, Transient),
    ("gnews", 400, {"errors": {"q": "The query has a syntax error"}}, {}, BadInput),
    ("gnews", 401, {"errors": ["Your API key is invalid."]}, {}, Forbidden),
    ("gnews", 403, {"errors": ["You have reached your daily quota"]}, {}, RateLimited),
    ("gnews", 429, {"errors": ["Too many requests"]}, {}, RateLimited),
    ("gnews", 500, {"errors": ["Internal"]}, {}, Transient),
    ("gnews", 503, {}, {}, Transient),
    ("gnews", 200, {"hello": 1}, {}, Transient),
    ("newsapi", 401, newsapi("apiKeyDisabled"), {}, Forbidden),
    ("newsapi", 401, newsapi("apiKeyInvalid"), {}, Forbidden),
    ("newsapi", 401, newsapi("apiKeyMissing"), {}, Forbidden),
    ("newsapi", 429, newsapi("apiKeyExhausted"), {}, RateLimited),
    ("newsapi", 401, newsapi("apiKeyExhausted"), {}, RateLimited),
    ("newsapi", 429, newsapi("rateLimited"), {}, RateLimited),
    ("newsapi", 400, newsapi("parameterInvalid"), {}, BadInput),
    ("newsapi", 400, newsapi("parametersMissing"), {}, BadInput),
    ("newsapi", 400, newsapi("sourcesTooMany"), {}, BadInput),
    ("newsapi", 400, newsapi("sourceDoesNotExist"), {}, BadInput),
    ("newsapi", 426, newsapi("maximumResultsReached"), {}, Refused),
    ("newsapi", 500, newsapi("unexpectedError"), {}, Transient),
    ("newsapi", 418, newsapi("somethingNew"), {}, Refused),
    ("newsapi", 200, newsapi("somethingNew"), {}, Transient),
]  # fmt: skip


@pytest.mark.parametrize(("name", "status", "body", "headers", "kind"), ERRORS, ids=lambda one: str(one)[:40])
def test_an_error_is_the_one_whose_remedy_helps(
    name: str, status: int, body: object, headers: dict[str, str], kind: type[Exception], server: Any,
    caller: FakeContext,
) -> None:  # fmt: skip
    answer(server, name, status, body, **headers)
    with pytest.raises(kind) as refusal:
        SERVICES[name].search(ServiceSearch("budget"), caller, NOW)
    assert type(refusal.value) is kind
    assert "the-key" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "status", "body", "headers", "until"),
    [
        ("gnews", 403, {"errors": ["quota"]}, {}, datetime(2026, 11, 30, tzinfo=UTC)),
        ("gnews", 429, {}, {"retry_after": "90"}, NOW + timedelta(seconds=90)),
        ("guardian", 429, {}, {"retry_after": "90"}, NOW + timedelta(seconds=90)),
        ("guardian", 429, {}, {"x_ratelimit_remaining_day": "0"}, datetime(2026, 11, 30, tzinfo=UTC)),
        ("newsapi", 429, newsapi("apiKeyExhausted"), {}, NOW + timedelta(hours=12)),
        ("newsapi", 429, newsapi("rateLimited"), {"retry_after": "90"}, NOW + timedelta(seconds=90)),
    ],
)
def test_a_limit_says_until_when(
    name: str, status: int, body: object, headers: dict[str, str], until: datetime, server: Any, caller: FakeContext
) -> None:
    answer(server, name, status, body, **headers)
    with pytest.raises(RateLimited) as limit:
        SERVICES[name].search(ServiceSearch("budget"), caller, NOW)
    assert (limit.value.retry_at, limit.value.provider) == (until, name)


@pytest.mark.parametrize("name", ANSWERS)
def test_silence_and_a_server_that_is_not_there_are_tried_again(
    name: str, server: Any, caller: FakeContext, refused_url: str
) -> None:
    server.routes[ANSWERS[name][0]] = lambda exchange: exchange.hang_up()
    with pytest.raises(Transient, match="did not answer completely"):
        SERVICES[name].search(ServiceSearch("budget"), caller, NOW)
    nowhere = FakeContext(settings_at(refused_url), fetch_allow=("127.0.0.1",))
    with pytest.raises(Transient, match="Nothing was sent"):
        SERVICES[name].search(ServiceSearch("budget"), nowhere, NOW)


@pytest.mark.parametrize("name", ANSWERS)
def test_without_a_key_nothing_is_asked(name: str) -> None:
    with pytest.raises(NotConfigured, match="_API_KEY"):
        SERVICES[name].search(ServiceSearch("budget"), FakeContext(), NOW)


def test_a_day_of_utc_ends_at_midnight_wherever_one_is() -> None:
    berlin = datetime.fromisoformat("2026-11-30T00:30:00+01:00")
    assert next_midnight(berlin) == datetime(2026, 11, 30, tzinfo=UTC)


# --- as sources


def test_a_search_is_a_source_whose_finds_join_the_stories_of_feeds(
    searcher: Reader, server: Any, serve: Any, db: Database
) -> None:
    title = str(COMMON["title"])
    url, _ = serve("/feed", rss([Item(title, "https://other.example/1", at=ago(hours=1))], "A feed"))
    searcher.do(add_feed, url=url)
    found = {**GNEWS, "articles": [{**GNEWS["articles"][0], "publishedAt": ago(hours=2).isoformat()}]}  # type: ignore[index]
    answer(server, "gnews", 200, found)
    added = searcher.do(add_search, provider="gnews", query="budget", language="en")
    assert (added.title, added.added, added.stories) == ("GNews: budget", 1, 0)
    (article,) = searcher.do(list_articles).items
    assert [one.feed for one in article.sources] == ["A feed", "GNews: budget"]
    assert added.next_at > db.now() + timedelta(minutes=50)
    assert searcher.do(add_search, provider="gnews", query="budget", language="en").is_new is False
    assert searcher.do(add_search, provider="gnews", query="budget").is_new is True


def test_a_spent_quota_lets_a_search_wait_until_midnight_and_stops_no_feed(
    searcher: Reader, server: Any, serve: Any, db: Database
) -> None:
    import sqlalchemy as sa

    from tasks.news.tables import feeds

    url, _ = serve("/feed", rss([Item("A story", at=ago(hours=1))], "A feed"))
    answer(server, "gnews", 200, GNEWS)
    searcher.do(add_search, provider="gnews", query="budget")
    searcher.do(add_feed, url=url)
    with db.write() as conn:
        conn.execute(sa.update(feeds).values(next_at=db.now()))
    answer(server, "gnews", 403, {"errors": ["You have reached your daily quota"]})
    report = searcher.do(refresh)
    assert (report.asked, report.failed) == (2, 1)
    (waiting,) = searcher.do(list_feeds, failing=True).items
    assert waiting.next_at == next_midnight(db.now()) and "spent" in waiting.note


@pytest.mark.parametrize("name", ANSWERS)
def test_doctor_makes_one_search_and_says_what_a_free_key_may_not(name: str, server: Any, caller: FakeContext) -> None:
    answer(server, name, 200, ANSWERS[name][1])
    check = {"guardian": checks.GUARDIAN, "gnews": checks.GNEWS, "newsapi": checks.NEWSAPI}[name]
    said = check.ask(caller.settings(check.settings), caller)
    assert said.startswith(f"{SERVICES[name].title} takes the key.")
    assert ("development only" in said) is (name == "newsapi")
    answer(server, name, 401, newsapi("apiKeyInvalid"))
    with pytest.raises(Forbidden):
        check.ask(caller.settings(check.settings), caller)
