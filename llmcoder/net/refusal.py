"""What it means when a site of the web answers something other than what was asked for."""

from __future__ import annotations

from datetime import datetime

from llmcoder.errors import ActionError, Forbidden, NotFound, RateLimited, Refused, Transient
from llmcoder.net.client import Response
from llmcoder.net.guard import parse_target
from llmcoder.retry_after import retry_at


def refusal(answer: Response, thing: str, now: datetime, remedy: str = "") -> ActionError:
    """The error of an answer that is no success.

    Args:
        thing: What was asked for, such as `page`.
        remedy: What a person may do where it is not for everybody.
    """
    host = parse_target(answer.url).host
    what = f"{host} answered {answer.status}"
    match answer.status:
        case 401 | 402 | 403 | 407 | 451:
            return Forbidden(f"{what}: the {thing} is not for everybody. {remedy}".rstrip())
        case 404 | 410:
            return NotFound(f"{what}: there is no such {thing}.")
        case 429:
            return RateLimited(f"{what}: it asks to wait.", retry_at(answer.headers, now), host)
        case 503 if answer.headers.get("retry-after"):
            return RateLimited(f"{what}: it asks to wait.", retry_at(answer.headers, now), host)
        case 408 | 425 | 500 | 502 | 503 | 504:
            return Transient(f"{what}; it may work later.")
    return Refused(f"{what} instead of a {thing}.")
