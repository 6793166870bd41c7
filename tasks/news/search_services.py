"""News services that are searched: The Guardian, GNews, NewsAPI. The only module that speaks to them.

Each has one request, one reading of its answer and one pure map of its errors. A search is a source like a feed: what
it finds joins the same stories.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

from pydantic import SecretStr

from llmcoder import strict_json
from llmcoder.declare.connection import Caller
from llmcoder.errors import (
    ActionError,
    BadInput,
    Forbidden,
    NotConfigured,
    RateLimited,
    Refused,
    Transient,
    Uncertain,
)
from llmcoder.net import Limits, Response
from llmcoder.retry_after import retry_at
from llmcoder.settings import Settings
from tasks.news.dates import instant_of
from tasks.news.feed import FeedEntry
from tasks.news.markup import MAX_SUMMARY_CHARS, MAX_TITLE_CHARS, one_line, shortened, text_of, web_address
from tasks.news.settings import GNewsSettings, GuardianSettings, NewsApiSettings

LIMITS = Limits(read_s=15, total_s=30, wire_bytes=5 * 1024 * 1024)
MOST_RESULTS = 50
#: NewsAPI gives its free keys half of the day's requests at a time.
HALF_A_DAY = timedelta(hours=12)
PLAN_NOTE = (
    "NewsAPI's free plan is for development only and shows articles a day late: using its key in production breaks "
    "their terms. Use a paid plan, or feeds, which need no key."
)


@dataclass(frozen=True)
class ServiceSearch:
    """What is searched for.

    Attributes:
        language: Two letters; empty for any.
    """

    query: str
    language: str = ""
    most: int = MOST_RESULTS


class SearchService(ABC):
    """One service.

    Attributes:
        every: How long a search is left alone: free keys have some hundred requests a day.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    settings: ClassVar[type[Settings]]
    every: ClassVar[timedelta]

    def search(self, wanted: ServiceSearch, caller: Caller, now: datetime) -> list[FeedEntry]:
        """The newest articles that a search finds.

        Raises:
            NotConfigured: The installation has no key.
            BadInput: The service does not understand the search.
            Forbidden, Refused, RateLimited, Transient: What it said.
        """
        own = caller.settings(self.settings)
        if missing := own.missing():
            raise NotConfigured(f"{self.title} is not configured: set {', '.join(missing)}.")
        url, headers = self.request(wanted, own)
        try:
            answer = caller.http.request("GET", url, headers=headers, limits=LIMITS)
        except Uncertain as error:  # it only looks
            raise Transient(f"{self.title} did not answer completely.") from error
        said = self._said(answer)
        if answer.status != 200 or self.failed(said):
            raise self.error(answer.status, said, answer.headers, now)
        return list(self.entries(said))

    def _said(self, answer: Response) -> dict[str, Any]:
        try:
            said = strict_json.read_lenient(answer.body)
        except ValueError:
            said = None
        if not isinstance(said, dict) and answer.status == 200:
            raise Transient(f"{self.title} answered with what is no JSON.")
        return said if isinstance(said, dict) else {}

    @abstractmethod
    def request(self, wanted: ServiceSearch, own: Any) -> tuple[str, dict[str, str]]:
        """Address and headers."""

    @abstractmethod
    def entries(self, said: Mapping[str, Any]) -> Iterator[FeedEntry]:
        """What it found."""

    @abstractmethod
    def error(self, status: int, said: Mapping[str, Any], headers: Mapping[str, str], now: datetime) -> ActionError:
        """What a refusal means."""

    def failed(self, said: Mapping[str, Any]) -> bool:
        """Whether an answer with status 200 is a refusal all the same."""
        return False

    def by_status(self, status: int, why: str, headers: Mapping[str, str], now: datetime) -> ActionError:
        """What a status means at every service."""
        what = f"{self.title} answered {status}{': ' + why if why else ''}"
        match status:
            case 400 | 422:
                return BadInput(f"{what}.")
            case 401 | 403:
                return Forbidden(f"{what}. An operator looks at {', '.join(self.settings.needs)}.")
            case 429:
                return RateLimited(f"{what}: it asks to wait.", retry_at(headers, now), self.name)
            case 408 | 500 | 502 | 503 | 504:
                return Transient(f"{what}; it may work later.")
        return Refused(f"{what}.")


class Guardian(SearchService):
    """https://open-platform.theguardian.com/documentation/search"""

    name, title, settings, every = "guardian", "The Guardian", GuardianSettings, timedelta(minutes=30)

    def request(self, wanted: ServiceSearch, own: GuardianSettings) -> tuple[str, dict[str, str]]:
        given = {"q": wanted.query, "order-by": "newest", "page-size": str(wanted.most)}
        given |= {"show-fields": "trailText,byline,thumbnail"} | ({"lang": wanted.language} if wanted.language else {})
        given["api-key"] = _secret(own.guardian_api_key)
        return f"{own.guardian_api_url}/search?{urlencode(given)}", {"Accept": "application/json"}

    def failed(self, said: Mapping[str, Any]) -> bool:
        return _object(said, "response").get("status") != "ok"

    def entries(self, said: Mapping[str, Any]) -> Iterator[FeedEntry]:
        for one in _objects(_object(said, "response"), "results"):
            fields = _object(one, "fields")
            yield FeedEntry(
                guid=_text(one, "id"),
                url=web_address(_text(one, "webUrl")),
                title=shortened(one_line(_text(one, "webTitle")), MAX_TITLE_CHARS),
                summary=shortened(text_of(_text(fields, "trailText")), MAX_SUMMARY_CHARS),
                author=shortened(one_line(_text(fields, "byline")), 200),
                published_at=instant_of(_text(one, "webPublicationDate")),
                image_url=web_address(_text(fields, "thumbnail")),
            )

    def error(self, status: int, said: Mapping[str, Any], headers: Mapping[str, str], now: datetime) -> ActionError:
        why = _why(_text(_object(said, "response"), "message") or _text(said, "message"))
        spent = headers.get("x-ratelimit-remaining-day", "").strip() == "0"
        if status == 429 and spent and not headers.get("retry-after"):
            return RateLimited(f"{self.title}: today's requests are spent.", next_midnight(now), self.name)
        return self.by_status(400 if status == 200 else status, why, headers, now)


class GNews(SearchService):
    """https://docs.gnews.io"""

    name, title, settings, every = "gnews", "GNews", GNewsSettings, timedelta(hours=1)

    def request(self, wanted: ServiceSearch, own: GNewsSettings) -> tuple[str, dict[str, str]]:
        given = {"q": wanted.query, "sortby": "publishedAt", "max": str(wanted.most)}
        given |= {"lang": wanted.language} if wanted.language else {}
        key = {"X-Api-Key": _secret(own.gnews_api_key)}
        return f"{own.gnews_api_url}/search?{urlencode(given)}", {"Accept": "application/json"} | key

    def failed(self, said: Mapping[str, Any]) -> bool:
        return not isinstance(said.get("articles"), list)

    def entries(self, said: Mapping[str, Any]) -> Iterator[FeedEntry]:
        yield from map(_common_entry, _objects(said, "articles"))

    def error(self, status: int, said: Mapping[str, Any], headers: Mapping[str, str], now: datetime) -> ActionError:
        errors = said.get("errors")
        texts = errors.values() if isinstance(errors, dict) else errors if isinstance(errors, list) else []
        why = _why("; ".join(one for one in texts if isinstance(one, str)))
        if status == 403:  # it says so for a quota that is spent, and for nothing else
            return RateLimited(f"{self.title}: today's requests are spent.", next_midnight(now), self.name)
        return self.by_status(502 if status == 200 else status, why, headers, now)


class NewsApi(SearchService):
    """https://newsapi.org/docs; its errors are told apart by `code`, since one status stands for several."""

    name, title, settings, every = "newsapi", "NewsAPI", NewsApiSettings, timedelta(hours=1)

    def request(self, wanted: ServiceSearch, own: NewsApiSettings) -> tuple[str, dict[str, str]]:
        given = {"q": wanted.query, "sortBy": "publishedAt", "pageSize": str(wanted.most), "page": "1"}
        given |= {"language": wanted.language} if wanted.language else {}
        given["apiKey"] = _secret(own.newsapi_api_key)
        return f"{own.newsapi_api_url}/everything?{urlencode(given)}", {"Accept": "application/json"}

    def failed(self, said: Mapping[str, Any]) -> bool:
        return said.get("status") == "error" or not isinstance(said.get("articles"), list)

    def entries(self, said: Mapping[str, Any]) -> Iterator[FeedEntry]:
        kept = (one for one in _objects(said, "articles") if _text(one, "title") != "[Removed]")
        yield from map(_common_entry, kept)

    def error(self, status: int, said: Mapping[str, Any], headers: Mapping[str, str], now: datetime) -> ActionError:
        why = _why(_text(said, "message"))
        match _text(said, "code"):
            case "apiKeyDisabled" | "apiKeyInvalid" | "apiKeyMissing" | "corsNotAllowed":
                return self.by_status(401, why, headers, now)
            case "apiKeyExhausted":
                return RateLimited(f"{self.title}: the key's requests are spent.", now + HALF_A_DAY, self.name)
            case "rateLimited":
                return self.by_status(429, why, headers, now)
            case "parameterInvalid" | "parametersMissing" | "sourcesTooMany" | "sourceDoesNotExist":
                return self.by_status(400, why, headers, now)
            case "maximumResultsReached":
                return Refused(f"{self.title} shows no more results to this key. {PLAN_NOTE}")
            case "unexpectedError":
                return self.by_status(500, why, headers, now)
        return self.by_status(502 if status == 200 else status, why, headers, now)


SERVICES: dict[str, SearchService] = {one.name: one for one in (Guardian(), GNews(), NewsApi())}


def next_midnight(now: datetime) -> datetime:
    """When a quota that is counted by days of UTC begins anew."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=1)


def _common_entry(said: Mapping[str, Any]) -> FeedEntry:
    """As GNews and NewsAPI say an article; both cut the content off, so it is no more than a summary."""
    return FeedEntry(
        guid=web_address(_text(said, "url")),
        url=web_address(_text(said, "url")),
        title=shortened(one_line(_text(said, "title")), MAX_TITLE_CHARS),
        summary=shortened(text_of(_text(said, "description") or _text(said, "content")), MAX_SUMMARY_CHARS),
        author=shortened(one_line(_text(said, "author") or _text(_object(said, "source"), "name")), 200),
        published_at=instant_of(_text(said, "publishedAt")),
        image_url=web_address(_text(said, "urlToImage") or _text(said, "image")),
    )


def _secret(value: SecretStr | None) -> str:
    return value.get_secret_value() if value is not None else ""


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else ""


def _object(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = said.get(name)
    return value if isinstance(value, dict) else {}


def _objects(said: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = said.get(name)
    found = value[:MOST_RESULTS] if isinstance(value, list) else []
    return [one for one in found if isinstance(one, dict)]


def _why(text: str) -> str:
    return one_line(text)[:200].rstrip(". ")
