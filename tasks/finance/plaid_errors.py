"""What Plaid's refusals mean for us. Pure: an answer goes in, the error whose class is its remedy comes out.

By the tables of https://plaid.com/docs/errors/: an error has a type and a code; the code decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

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
from llmcoder.retry_after import retry_at
from llmcoder.text import one_line

PROVIDER = "plaid"
NAME_LIMIT = 80
#: Plaid's limits are per minute, and its 429 carries no time.
WAIT = timedelta(seconds=60)

#: A person signs in at the bank again, in Link's update mode.
SIGN_IN = {
    "ITEM_LOGIN_REQUIRED", "ITEM_LOCKED", "INVALID_CREDENTIALS", "INVALID_MFA", "INSUFFICIENT_CREDENTIALS",
    "USER_SETUP_REQUIRED", "MFA_NOT_SUPPORTED", "PENDING_DISCONNECT", "PENDING_EXPIRATION", "ITEM_CONCURRENTLY_DELETED",
    "USER_INPUT_TIMEOUT", "ACCESS_NOT_GRANTED", "USER_PERMISSION_REVOKED", "USER_ACCOUNT_REVOKED", "NO_ACCOUNTS",
    "ITEM_NOT_FOUND", "INVALID_ACCESS_TOKEN", "INVALID_UPDATED_USERNAME",
    "PASSWORD_RESET_REQUIRED", "INSTITUTION_NO_LONGER_SUPPORTED", "ADDITIONAL_CONSENT_REQUIRED",
}  # fmt: skip
#: Passing trouble at the bank or at Plaid; nothing was done.
PASSING = {
    "INSTITUTION_DOWN": "The bank does not answer Plaid.",
    "INSTITUTION_NOT_RESPONDING": "The bank does not answer Plaid.",
    "INSTITUTION_NOT_AVAILABLE": "The bank is not available at Plaid now.",
    "PRODUCT_NOT_READY": "Plaid is still fetching this bank's transactions.",
    "TRANSACTIONS_NOT_READY": "Plaid is still fetching this bank's transactions.",
    "INTERNAL_SERVER_ERROR": "Plaid has trouble of its own.",
    "PLANNED_MAINTENANCE": "Plaid is being maintained.",
    "ITEM_NOT_READY": "Plaid is still setting this bank up.",
    "TRANSACTIONS_ERROR": "Plaid could not fetch the transactions.",
}
MUTATION = "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION"
#: An operator's to mend.
MISCONFIGURED = {
    "INVALID_API_KEYS": "Plaid does not know PLAID_CLIENT_ID and PLAID_SECRET in this environment.",
    "INSTITUTION_REGISTRATION_REQUIRED": "Plaid's dashboard has an application to this bank for you to finish.",
    "UNAUTHORIZED_ENVIRONMENT": "This client may not use the environment: look at PLAID_ENVIRONMENT.",
    "UNAUTHORIZED_ROUTE_ACCESS": "This client may not use Transactions: enable it in Plaid's dashboard.",
    "INVALID_PRODUCT": "This client may not use Transactions: enable it in Plaid's dashboard.",
    "PRODUCT_NOT_ENABLED": "This client may not use Transactions: enable it in Plaid's dashboard.",
}
GONE = {
    "INVALID_LINK_TOKEN": "The link has expired. Connect the bank anew.",
    "INVALID_PUBLIC_TOKEN": "Plaid has given the access away already, or it has expired. Connect the bank anew.",
    "INVALID_WEBHOOK_VERIFICATION_KEY_ID": "Plaid has no such key.",
}
LIMITS = {"RATE_LIMIT_EXCEEDED", "RATE_LIMIT"}


class Mutation(Transient):
    """The bank's transactions changed between two pages: the walk begins again at the first one."""


def error_of(
    status: int,
    headers: Mapping[str, str],
    answer: Mapping[str, Any] | None,
    *,
    account: str,
    now: datetime,
    once: bool,
) -> ActionError:
    """The error that an answer stands for.

    Args:
        headers: Names in lower case, or a mapping that does not mind.
        answer: Its body; None where that is no JSON object.
        account: Whose token it was; empty for none's.
        now: Aware.
        once: Whether what was asked for can be had once only, so that a failure may have used it up.
    """
    code, kind = str((answer or {}).get("error_code") or ""), str((answer or {}).get("error_type") or "")
    if status == 429 or kind in LIMITS:
        at = max(retry_at(headers, now), now + WAIT) if "retry-after" not in headers else retry_at(headers, now)
        return RateLimited(f"Plaid asks to wait ({_said(status, code)}).", at, provider=PROVIDER, account=account)
    if 200 <= status < 300:
        text = f"Plaid's answer could not be read ({_said(status, code)})."
        return Unreadable(f"{text} It has done it.") if once else Transient(text)
    if code == MUTATION:
        return Mutation("The transactions changed while they were read.")
    if once and (status >= 500 or code == "INTERNAL_SERVER_ERROR"):
        return Uncertain(f"Plaid failed ({_said(status, code)}). It may have happened.")
    if code in PASSING:
        return Transient(f"{PASSING[code]} ({code})")
    if status >= 500 or (not code and status in (408, 425)):
        return Transient(f"Plaid failed ({_said(status, code)}).")
    return _refusal(status, code, answer or {})


def _refusal(status: int, code: str, answer: Mapping[str, Any]) -> ActionError:
    if code in SIGN_IN:
        return NeedsReconnect(f"The bank wants you to sign in again ({code}): finance.connect_bank with `reconnect`.")
    for known, kind in ((MISCONFIGURED, NotConfigured), (GONE, NotFound)):
        if code in known:
            return kind(f"{known[code]} ({code})")
    said = one_line(str(answer.get("display_message") or answer.get("error_message") or ""), 300)
    if answer.get("error_type") == "INVALID_REQUEST" or answer.get("error_type") == "INVALID_INPUT":
        return BadInput(f"Plaid does not take this ({_said(status, code)}): {said}")
    by_status = {401: NotConfigured, 403: Forbidden, 404: NotFound}
    return by_status.get(status, Refused)(f"Plaid refuses ({_said(status, code)}). {said}".strip())


def _said(status: int, code: str) -> str:
    return one_line(code, NAME_LIMIT) if code else f"status {status}"
