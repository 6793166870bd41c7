"""What JIRA's refusals mean for us. Pure: an answer goes in, the error whose class is its remedy comes out.

Both kinds of site complain as `{"errorMessages": [...], "errors": {"field": "why"}}`, gateways as `{"message": ...}`,
and proxies, login pages and wrong addresses in HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

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

REASON_LIMIT = 600
#: What JIRA says of credentials beside the answer; with wrong ones, some of its answers are those for strangers.
LOGIN_REASON = "x-seraph-loginreason"
DENIED_REASON = "x-authentication-denied-reason"

_LOGIN = re.compile(r"log-?in|sign-?in|sso|saml", re.I)


class Conflict(Refused):
    """Somebody has changed the issue meanwhile."""


def error_of(
    status: int, headers: Mapping[str, str], body: bytes, *, site: str, now: datetime, writes: bool
) -> ActionError | None:
    """The error that an answer stands for; None if it is none.

    Args:
        headers: Names in lower case, or a mapping that does not mind.
        now: Aware.
        writes: Whether something may have changed when the site failed.
    """
    if (refused := _not_let_in(site, headers)) is not None:
        return refused
    if status < 300:
        return _unless_data(headers, site)
    said = complaint(body) or f"status {status}"
    match status:
        case 400 | 422:
            return BadInput(f"JIRA does not take this: {said}")
        case 401:
            return NeedsReconnect(f"{site} does not accept this account's token any more. Connect it again.")
        case 403:
            return Forbidden(f"{site} does not allow this account to do that: {said}")
        case 404 | 410:
            return NotFound(f"{site} has no such thing, or this account cannot see it: {said}")
        case 409:
            return Conflict(f"{site} is changing this already, or it has changed meanwhile: {said}")
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


def _not_let_in(site: str, headers: Mapping[str, str]) -> ActionError | None:
    why = headers.get(LOGIN_REASON, "").upper()
    if "DENIED" in why or "CAPTCHA" in headers.get(DENIED_REASON, "").upper():
        return NeedsReconnect(
            f"{site} wants a CAPTCHA after failed logins: log in there with the browser, then check the account."
        )
    if "FAILED" in why:
        return NeedsReconnect(f"{site} does not accept this account's token. Connect it again.")
    return None


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
    except (ValueError, RecursionError):
        return ""
    return _short("; ".join(_said(told))) if isinstance(told, dict) else ""


def _said(told: Mapping[str, Any]) -> Iterator[str]:
    messages, fields = told.get("errorMessages"), told.get("errors")
    if isinstance(messages, list):
        yield from (one for one in messages if isinstance(one, str) and one)
    if isinstance(fields, dict):
        yield from (f"{name}: {why}" for name, why in fields.items() if isinstance(why, str))
    for name in ("errorMessage", "message", "error_description"):
        if isinstance(one := told.get(name), str) and one:
            yield one


def _short(text: str) -> str:
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return plain if len(plain) <= REASON_LIMIT else f"{plain[:REASON_LIMIT]}…"
