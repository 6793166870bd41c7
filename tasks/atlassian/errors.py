"""What a refusal means for us. Pure: an answer goes in, the error whose class is its remedy comes out.

Each product complains in its own form, gateways as `{"message": ...}`; proxies and login pages in HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
    Unreadable,
)
from llmcoder.retry_after import retry_at
from llmcoder.text import one_line

#: What a site says of credentials beside the answer; with wrong ones some of its answers are those for strangers.
LOGIN_REASON = "x-seraph-loginreason"
DENIED_REASON = "x-authentication-denied-reason"

#: Of a page, to know it for one that wants a login.
_LOOKED_AT_BYTES = 256 * 1024
_LOGIN_PAGE = re.compile(rb"log[-_ ]?in|sign[-_ ]?in|password|sso|saml|<form", re.IGNORECASE)
_LOGIN = re.compile(r"log-?in|sign-?in|sso|saml", re.I)


def members(body: bytes) -> Mapping[str, Any]:
    """The members of an answer; none where it is no JSON object."""
    try:
        told = strict_json.read_lenient(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _message(told: Mapping[str, Any]) -> str:
    return next((one for name in ("message", "error") if isinstance(one := told.get(name), str) and one), "")


def _bad_input(_status: int, said: str, site: str) -> ActionError:
    return BadInput(f"{site} does not take this: {said}")


@dataclass(frozen=True)
class Refusals:
    """How a product refuses, as far as it does so in its own way.

    Args:
        complaint: What the members of an answer say to people; empty if nothing.
        of_input: The error for 400, 409 and 422, given status, complaint and site.
        longest_reason: Characters of a complaint that are quoted.
    """

    complaint: Callable[[Mapping[str, Any]], str] = _message
    of_input: Callable[[int, str, str], ActionError] = _bad_input
    longest_reason: int = 300

    def reason(self, body: bytes) -> str:
        """What a refusal says to people, in one short line; empty if it says nothing."""
        return one_line(self.complaint(members(body)), self.longest_reason)

    def error_of(
        self, status: int, headers: Mapping[str, str], body: bytes, *, site: str, now: datetime, writes: bool
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
            return _unless_data(status, headers, body, site, writes)
        said = self.reason(body) or f"status {status}"
        if status in (400, 409, 422):
            return self.of_input(status, said, site)
        if status >= 500:
            return _of_failure(status, headers, said, site, writes)
        if status < 400:
            return _of_redirect(status, headers.get("location", ""), site, writes)
        return _of_refusal(status, headers, said, site, now)


def _of_refusal(status: int, headers: Mapping[str, str], said: str, site: str, now: datetime) -> ActionError:
    match status:
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
    return Refused(f"{site} refused with {status}: {said}")


def _not_let_in(site: str, headers: Mapping[str, str]) -> ActionError | None:
    reason = headers.get(LOGIN_REASON, "").upper()
    why = reason if "AUTHENTICAT" in reason else ""  # AUTHORISATION_FAILED: the token is good, its account may not
    if "DENIED" in why or "CAPTCHA" in headers.get(DENIED_REASON, "").upper():
        return NeedsReconnect(
            f"{site} wants a CAPTCHA after failed logins: log in there with the browser, then check the account."
        )
    if "FAILED" in why:
        return NeedsReconnect(f"{site} does not accept this account's token. Connect it again.")
    return None


def _unless_data(status: int, headers: Mapping[str, str], body: bytes, site: str, writes: bool) -> ActionError | None:
    """A web page in place of data is a login page, wherever a redirect or a proxy had it from.

    Of what writes that must be seen: another page, or one under another status than a page's, says that it was done.
    """
    if "html" not in headers.get("content-type", ""):
        return None
    if writes and (status != 200 or not _LOGIN_PAGE.search(body[:_LOOKED_AT_BYTES])):
        return None
    return NeedsReconnect(
        f"{site} shows its login page to this account's token. Connect it again, or correct the site."
    )


def _of_redirect(status: int, location: str, site: str, writes: bool) -> ActionError:
    if _LOGIN.search(location):
        return NeedsReconnect(f"{site} sends this account's token to its login page. Connect it again.")
    if status == 303 and writes:  # "it is done, see there" (RFC 9110, 15.4.4)
        return Unreadable(f"{site} has done it, and shows elsewhere what it made; look there.")
    return Refused(f"{site} sends us elsewhere, so nothing was done; correct the site's address.")


def _of_failure(status: int, headers: Mapping[str, str], said: str, site: str, writes: bool) -> ActionError:
    """A 503 that names a time was said on purpose, before anything was done; others may come from a proxy, after."""
    if status == 503 and "retry-after" in headers:
        return Transient(f"{site} is busy; nothing was done: {said}")
    if writes:
        return Uncertain(f"{site} failed with {status}, and may have done it: {said}")
    return Transient(f"{site} failed with {status}: {said}")
