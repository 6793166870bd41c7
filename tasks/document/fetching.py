"""Fetches the document behind a URL, and says what a refusal of its server means."""

from __future__ import annotations

from datetime import UTC, datetime

from llmcoder.context import Context
from llmcoder.errors import ActionError, Forbidden, NotFound, RateLimited, Refused, Transient, Uncertain
from llmcoder.net import Limits, Response
from llmcoder.net.guard import parse_target
from llmcoder.retry_after import retry_at

LIMITS = Limits(read_s=15, total_s=60)
ACCEPT = "text/html, application/xhtml+xml, application/pdf, text/markdown, text/plain;q=0.9, */*;q=0.1"


def fetch(url: str, ctx: Context) -> Response:
    """The document as it was sent.

    Raises:
        BadInput: The address may not be fetched, or the answer is too large.
        NotFound, Forbidden, Refused, RateLimited: What its server said.
        Transient: No whole answer; looking again changes nothing, so even silence after sending is no riddle.
    """
    try:
        answer = ctx.http.request("GET", url, headers={"Accept": ACCEPT}, check=ctx.check, limits=LIMITS)
    except Uncertain as error:
        raise Transient(error.detail) from error
    if not 200 <= answer.status < 300:
        raise _refusal(answer)
    return answer


def _refusal(answer: Response) -> ActionError:
    host = parse_target(answer.url).host
    what = f"{host} answered {answer.status}"
    match answer.status:
        case 401 | 402 | 403 | 407 | 451:
            return Forbidden(f"{what}: the page is not for everybody. Fetch it yourself and give its text.")
        case 404 | 410:
            return NotFound(f"{what}: there is no such page.")
        case 429:
            return RateLimited(f"{what}: it asks to wait.", retry_at(answer.headers, datetime.now(UTC)), host)
        case 408 | 425 | 500 | 502 | 503 | 504:
            return Transient(f"{what}; it may work later.")
    return Refused(f"{what} instead of a page.")
