"""What Confluence's refusals mean for us. Pure: an answer goes in, the error whose class is its remedy comes out.

Cloud v2 complains as `{"errors": [{"status", "code", "title", "detail"}]}`, Data Center and Cloud v1 as
`{"statusCode", "message"}`, and proxies, login pages and wrong addresses in HTML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from llmcoder import strict_json
from llmcoder.errors import (
    ActionError,
    BadInput,
    Forbidden,
    NeedsReconnect,
    NotFound,
    RateLimited,
    Refused,
    Transient,
    Uncertain,
)
from llmcoder.retry_after import retry_at

REASON_LIMIT = 300
#: What Confluence says of credentials beside the answer; with wrong ones some of its answers are those for strangers.
LOGIN_REASON = "x-seraph-loginreason"

_TITLE_TAKEN = re.compile(r"page with this title already exists|page already exists with the (same )?title", re.I)
_LOGIN = re.compile(r"log-?in|sign-?in|sso|saml", re.I)
_NOT_NEXT_VERSION = re.compile(r"version must be incremented|current version is|stale|conflict", re.I)


class TitleTaken(Refused):
    """The space has a page of that title."""


class Conflict(Refused):
    """Somebody has edited the page meanwhile."""


def error_of(
    status: int, headers: Mapping[str, str], body: bytes, *, site: str, now: datetime, writes: bool
) -> ActionError | None:
    """The error that an answer stands for; None if it is none.

    Args:
        headers: Names in lower case, or a mapping that does not mind.
        now: Aware.
        writes: Whether something may have changed when the site failed.
    """
    if "AUTHENTICAT" in (why := headers.get(LOGIN_REASON, "").upper()) and ("FAILED" in why or "DENIED" in why):
        return _not_let_in(site, why)
    if status < 300:
        return _unless_data(headers, site)
    said = complaint(body) or f"status {status}"
    match status:
        case 400 | 409 | 422:
            return _of_input(status, said)
        case 401:
            return NeedsReconnect(f"{site} does not accept this account's token any more. Connect it again.")
        case 403:
            return Forbidden(f"{site} does not allow this account to do that: {said}")
        case 404 | 410:
            return NotFound(f"{site} has no such thing, or this account cannot see it: {said}")
        case 413:
            return Refused(f"This is too large for {site}: {said}")
        case 429:
            return RateLimited(f"{site} asks to wait: {said}", retry_at(headers, now))
        case 408 | 425:
            return Transient(f"{site} could not do it at this moment: {said}")
        case _ if status >= 500:
            return _of_failure(status, headers, said, site, writes)
        case _ if status < 400:
            return _of_redirect(headers.get("location", ""), site)
    return Refused(f"{site} refused with {status}: {said}")


def _not_let_in(site: str, why: str) -> ActionError:
    if "DENIED" in why:
        return NeedsReconnect(f"{site} wants a CAPTCHA after failed logins: log in there with the browser, then check.")
    return NeedsReconnect(f"{site} does not accept this account's token. Connect it again.")


def _unless_data(headers: Mapping[str, str], site: str) -> ActionError | None:
    """A web page in place of data is a login page, wherever a redirect or a proxy had it from."""
    if "html" not in headers.get("content-type", ""):
        return None
    return NeedsReconnect(
        f"{site} shows its login page to this account's token. Connect it again, or correct the site."
    )


def _of_redirect(location: str, site: str) -> ActionError:
    if _LOGIN.search(location):
        return NeedsReconnect(f"{site} sends this account's token to its login page. Connect it again.")
    return Refused(f"{site} sends us elsewhere, so nothing was done; correct the site's address.")


def _of_input(status: int, said: str) -> ActionError:
    if _TITLE_TAKEN.search(said):
        return TitleTaken(f"Confluence has a page of that title in this space: {said}")
    if status == 409 or _NOT_NEXT_VERSION.search(said):
        return Conflict(f"The page has changed meanwhile: {said}")
    return BadInput(f"Confluence does not take this: {said}")


def _of_failure(status: int, headers: Mapping[str, str], said: str, site: str, writes: bool) -> ActionError:
    """A 503 that names a time was said on purpose, before anything was done; others may come from a proxy, after."""
    if status == 503 and "retry-after" in headers:
        return Transient(f"{site} is busy; nothing was done: {said}")
    if writes:
        return Uncertain(f"{site} failed with {status}, and may have done it: {said}")
    return Transient(f"{site} failed with {status}: {said}")


def complaint(body: bytes) -> str:
    """What a refusal says to people, in one short line; empty if it says nothing."""
    try:
        told = strict_json.read_lenient(body)
    except ValueError:
        return ""
    if not isinstance(told, dict):
        return ""
    errors = told.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    said = [first.get("title"), first.get("detail")] if first else [told.get("message") or told.get("error")]
    return _short(": ".join(one for one in said if isinstance(one, str) and one))


def _short(text: str) -> str:
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return plain if len(plain) <= REASON_LIMIT else f"{plain[:REASON_LIMIT]}…"
