"""Fetches a feed or a page, says what a refusal means, and when the server wants to be asked again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from llmcoder.declare.connection import Caller
from llmcoder.errors import ActionError, NotFound, Transient, Uncertain
from llmcoder.net import Limits, Response
from llmcoder.net.guard import parse_target
from llmcoder.net.refusal import refusal
from llmcoder.retry_after import retry_at

LIMITS = Limits(read_s=15, total_s=45)
ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml;q=0.9, "
    "application/xml;q=0.8, text/xml;q=0.8, text/html;q=0.5, */*;q=0.1"
)
#: Who asks not to be asked for longer is asked again after this long.
LONGEST_WAIT = timedelta(days=1)
NOT_MODIFIED = 304
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,10})", re.IGNORECASE)


class FeedGone(NotFound):
    """The server says that the feed is gone for good."""

    slug, title = "feed-gone", "The feed is gone"


@dataclass(frozen=True)
class FetchedFeed:
    """What a server answered.

    Attributes:
        body: None where nothing has changed since the validators were given out.
        url: Where it was found, after redirects.
        etag: As it was sent, to be sent back.
        last_modified: Likewise.
        fresh_until: Until when it need not be asked again; None where it does not say.
        moved_to: Where it is from now on, as its server says; empty where it stays.
    """

    body: bytes | None
    content_type: str
    url: str
    etag: str | None
    last_modified: str | None
    fresh_until: datetime | None
    moved_to: str = ""


def fetch(
    url: str, caller: Caller, now: datetime, etag: str | None = None, last_modified: str | None = None
) -> FetchedFeed:
    """Ask for a feed, or whether it has changed.

    Args:
        caller: May be asked from several threads.
        etag: The ETag that came with what is known already, unchanged.
        last_modified: The Last-Modified, likewise.

    Raises:
        BadInput: The address may not be fetched, or the answer is too large.
        FeedGone, NotFound, Forbidden, Refused, RateLimited: What its server said.
        Transient: No whole answer; looking again changes nothing, so even silence after sending is no riddle.
    """
    headers = {"Accept": ACCEPT} | _conditions(etag, last_modified)
    check = getattr(caller, "check", None)
    try:
        answer = caller.http.request("GET", url, headers=headers, check=check, limits=LIMITS)
    except Uncertain as error:
        raise Transient(error.detail) from error
    unchanged = answer.status == NOT_MODIFIED
    if not unchanged and not 200 <= answer.status < 300:
        raise _refusal(answer, now)
    return FetchedFeed(
        body=None if unchanged else answer.body,
        content_type=answer.headers.get("content-type", ""),
        url=answer.url,
        etag=answer.headers.get("etag") or (etag if unchanged else None),
        last_modified=answer.headers.get("last-modified") or (last_modified if unchanged else None),
        fresh_until=fresh_until(answer.headers, now),
        moved_to=answer.moved_to,
    )


def _conditions(etag: str | None, last_modified: str | None) -> dict[str, str]:
    given = {"If-None-Match": etag, "If-Modified-Since": last_modified}
    return {name: value for name, value in given.items() if value and value.isascii()}


def fresh_until(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """Until when an answer says that it holds: `Retry-After`, `max-age` less `Age`, else `Expires`; a day at most."""
    if headers.get("retry-after"):
        return retry_at(headers, now)
    said = headers.get("cache-control", "")
    if re.search(r"no-(?:cache|store)", said, re.IGNORECASE):
        return None
    seconds = _seconds(said, headers, now)
    return None if seconds is None or seconds <= 0 else now + min(timedelta(seconds=seconds), LONGEST_WAIT)


def _seconds(cache_control: str, headers: Mapping[str, str], now: datetime) -> float | None:
    if (age := _MAX_AGE.search(cache_control)) is not None:
        waited = headers.get("age", "").strip()
        return int(age[1]) - (int(waited) if waited.isascii() and waited.isdigit() and len(waited) < 10 else 0)
    try:
        expires, date = (parsedate_to_datetime(headers[name]) for name in ("expires", "date"))
        return (expires - date).total_seconds()
    except (KeyError, ValueError, TypeError):
        return None


def _refusal(answer: Response, now: datetime) -> ActionError:
    if answer.status == 410:
        return FeedGone(f"{parse_target(answer.url).host} answered 410: the feed is gone for good.")
    return refusal(answer, "feed", now)
