"""What Gmail's refusals mean for us. Pure: an answer goes in, the error whose class is its remedy comes out.

By https://developers.google.com/workspace/gmail/api/guides/handle-errors. A 403 has many meanings there: a limit that
passes, a scope that is missing, an administrator's policy; only the reasons in the body tell them apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from llmcoder import strict_json
from llmcoder.errors import (
    ActionError,
    BadInput,
    Forbidden,
    NeedsReconnect,
    NotConfigured,
    NotFound,
    RateLimited,
    Refused,
    Transient,
    Uncertain,
    Unreadable,
)
from llmcoder.retry_after import MAX_WAIT_S, retry_at
from llmcoder.text import one_line

#: Covers reading, drafts, sending and labels, and does not delete for good.
SCOPE = "https://www.googleapis.com/auth/gmail.modify"
PROVIDER = "gmail"
REASON_LIMIT = 300

#: Quotas are counted by the minute, those of a project by the day.
QUOTA_WAIT_S = 60.0
DAILY_WAIT_S = 3600.0
#: The time that Gmail names has been seen to lie in the past, and such a wait is not counted as an attempt.
SHORTEST_WAIT_S = 10.0

DAILY = {"dailyLimitExceeded", "dailyLimitExceededUnreg"}
LIMITS = DAILY | {
    "rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "concurrentLimitExceeded", "RATE_LIMIT_EXCEEDED",
    "RESOURCE_EXHAUSTED",
}  # fmt: skip
TOO_FEW_SCOPES = {"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}
API_IS_OFF = {"accessNotConfigured", "SERVICE_DISABLED"}
_RETRY_AFTER = re.compile(r"[Rr]etry after (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z)")


class GmailConflict(Transient):
    """Somebody changes the same at this moment, or what is to be made exists: Gmail calls both `aborted`."""


@dataclass(frozen=True)
class Complaint:
    """What the body of a refusal says.

    Attributes:
        reasons: Every machine-readable name in it, of the old form of Google's errors and of the new one.
        message: For people.
    """

    reasons: frozenset[str]
    message: str


def read_complaint(body: bytes) -> Complaint:
    """Whatever can be read of it; proxies in between answer in HTML."""
    try:
        answer = strict_json.read_lenient(body)
    except ValueError:
        answer = None
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return Complaint(frozenset(), str(error or ""))
    parts = [*_dicts(error.get("errors")), *_dicts(error.get("details")), {"reason": error.get("status")}]
    reasons = frozenset(str(part["reason"]) for part in parts if part.get("reason"))
    return Complaint(reasons, str(error.get("message") or ""))


def _dicts(value: object) -> list[dict[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def error_of(
    status: int, headers: Mapping[str, str], body: bytes, *, account: str, now: datetime, sends: bool
) -> ActionError:
    """The error that an answer stands for.

    Args:
        headers: Names in lower case.
        account: Whose mailbox it is; empty for the one of this installation.
        now: Aware.
        sends: Whether a mail may be on its way when the server failed.
    """
    told = read_complaint(body)
    said = one_line(told.message, REASON_LIMIT) or f"status {status}"
    if status == 429 or (status == 403 and told.reasons & LIMITS):
        return RateLimited(
            f"Gmail asks to wait: {said}", _again_at(headers, told, now), provider=PROVIDER, account=account
        )
    match status:
        case 401:
            return NeedsReconnect("Google does not accept our access to this mailbox any more. Connect it again.")
        case 400:
            return _of_400(told, said)
        case 403:
            return _of_403(told, said)
        case 404:
            return NotFound(f"Gmail does not find it in this mailbox: {said}")
        case 409:
            return GmailConflict(f"Gmail could not do it at this moment: {said}")
        case 408 | 425:
            return Transient(f"Gmail could not do it at this moment: {said}")
        case 413:
            return Refused(f"This is too large for Gmail: {said}")
        case _ if status >= 500 and sends:
            return Uncertain(f"Gmail failed with {status} while it was sending: {said}")
        case _ if status >= 500:
            return Transient(f"Gmail failed with {status}: {said}")
        case 303 if sends:  # "it is done, see there" (RFC 9110, 15.4.4)
            return Unreadable("Gmail has sent the message, and shows elsewhere what it made; look in Sent.")
        case _ if status < 400:
            return NotConfigured(f"Gmail sends us elsewhere ({status}); correct GMAIL_API_URL.")
    return Refused(f"Gmail refused with {status}: {said}")


def _of_400(told: Complaint, said: str) -> ActionError:
    if "mail service not enabled" in said.lower():
        return Forbidden("This Google account has no Gmail, or its administrator has switched it off.")
    if "invalid id value" in said.lower():
        return NotFound("There is no such message, thread or draft in this mailbox.")
    if told.reasons & {"failedPrecondition", "FAILED_PRECONDITION"}:
        return Refused(f"Gmail does not do this now: {said}")
    return BadInput(f"Gmail does not take this request: {said}")


def _of_403(told: Complaint, said: str) -> ActionError:
    if told.reasons & TOO_FEW_SCOPES:
        return NeedsReconnect(
            f"This account did not grant what is needed, {SCOPE}. Connect it again and tick that box at Google."
        )
    if "domainPolicy" in told.reasons:
        return Forbidden("The administrator of this Google Workspace does not let this application read or send mail.")
    if told.reasons & API_IS_OFF:
        return NotConfigured(
            "The Gmail API is off in the Google project of GMAIL_CLIENT_ID; switch it on under APIs & Services."
        )
    return Forbidden(f"Gmail does not allow this: {said}")


def _again_at(headers: Mapping[str, str], told: Complaint, now: datetime) -> datetime:
    named = _RETRY_AFTER.search(told.message)
    if headers.get("retry-after"):
        wait_s = (retry_at(headers, now) - now).total_seconds()
    elif named:
        wait_s = (datetime.fromisoformat(named[1]) - now).total_seconds()
    else:
        wait_s = DAILY_WAIT_S if told.reasons & DAILY else QUOTA_WAIT_S
    return now + timedelta(seconds=min(max(wait_s, SHORTEST_WAIT_S), MAX_WAIT_S))
