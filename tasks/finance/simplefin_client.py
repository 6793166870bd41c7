"""The only module that speaks to a SimpleFIN bridge (https://www.simplefin.org/protocol.html), and knows its errors."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from llmcoder import strict_json
from llmcoder.context import Context
from llmcoder.declare.connection import Caller
from llmcoder.errors import (
    ActionError,
    BadInput,
    NeedsReconnect,
    NotFound,
    RateLimited,
    Refused,
    Transient,
    Uncertain,
    Unreadable,
)
from llmcoder.net import Limits
from llmcoder.net.client import Response
from llmcoder.retry_after import retry_at
from llmcoder.text import one_line

PROVIDER = "simplefin"
CONNECT_S, SILENCE_S, LONGEST_S, MARGIN_S = 5.0, 60.0, 90.0, 1.0
LARGEST_ANSWER_BYTES = 50 * 1024 * 1024
LONGEST_TOKEN, LONGEST_URL = 2_000, 1_000


@dataclass(frozen=True, slots=True)
class AccountSet:
    """What a bridge answers.

    Attributes:
        accounts: As it has them.
        messages: What it wants its user to be told, always.
    """

    accounts: list[dict[str, Any]]
    messages: list[str]


def claim_url(token: str) -> str:
    """The address that a setup token holds.

    Raises:
        BadInput: It is none.
    """
    try:
        url = base64.b64decode(
            "".join(token.split()) + "=" * (-len("".join(token.split())) % 4), validate=True
        ).decode()
    except (binascii.Error, ValueError):
        raise BadInput("This is no setup token of SimpleFIN. Make one in your bridge, and paste it whole.") from None
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or len(url) > LONGEST_URL:
        raise BadInput("This is no setup token of SimpleFIN. Make one in your bridge, and paste it whole.")
    return url


def claim(url: str, ctx: Context) -> str:
    """Give a claim URL for an access URL; it counts once.

    Raises:
        NotFound: It has been claimed before, or never was one.
        Uncertain: No answer came; it may be used up.
        Unreadable: It is used up, and what came is no access URL.
    """
    answer = ctx.http.request("POST", url, content=b"", limits=_limits(ctx))
    if answer.status in (403, 404, 410):
        raise NotFound(
            "The bridge does not know this setup token, or it was claimed before. If that was not you, disable it in"
            " your bridge, and make another one."
        )
    if not 200 <= answer.status < 300:
        raise _error(answer, "", once=True)
    ctx.confirmed()
    access = answer.body.decode("utf-8", "replace").strip()
    parts = urlsplit(access) if len(access) <= LONGEST_URL else urlsplit("")
    if parts.scheme not in ("https", "http") or not parts.hostname or not parts.username:
        raise Unreadable("The bridge has used the token up, and gave no access URL. Make another token.")
    return access


class SimpleFinClient:
    """Requests in the name of one access URL.

    Args:
        account: Whose limits the answers speak of.
        ctx: The job, which may end while it waits; None outside of one.
    """

    def __init__(self, access_url: str, caller: Caller, account: str = "", ctx: Context | None = None) -> None:
        parts = urlsplit(access_url.strip())
        if parts.scheme not in ("https", "http") or not parts.hostname or not parts.username or parts.query:
            raise BadInput("An access URL of SimpleFIN is such as https://user:password@bridge.example/simplefin.")
        host = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
        self._url = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        self._host = host
        self._user = unquote(parts.username)
        secret = f"{self._user}:{unquote(parts.password or '')}".encode()
        self._headers = {"Authorization": f"Basic {base64.b64encode(secret).decode()}", "Accept": "application/json"}
        self._caller = caller
        self._account = account
        self._ctx = ctx

    @property
    def name(self) -> str:
        """Of this access: the host, and what tells one account there from another without naming its user."""
        return f"{self._host} {hashlib.sha256(self._user.encode()).hexdigest()[:8]}"

    def identify(self) -> str:
        """Its name, after one cheap real call."""
        self.accounts(None, balances_only=True)
        return self.name

    def accounts(self, since: datetime | None, *, balances_only: bool = False) -> AccountSet:
        """The accounts with their transactions since an instant, pending ones too.

        Raises:
            NeedsReconnect: The access was taken back, or never was any.
            Refused: The bridge wants to be paid first.
            RateLimited: It was asked too often today.
        """
        asked = {"version": "2", "pending": "1"} | ({"balances-only": "1"} if balances_only else {})
        asked |= {} if since is None else {"start-date": str(int(since.timestamp()))}
        query = "&".join(f"{name}={quote(value)}" for name, value in asked.items())
        check = None if self._ctx is None else self._ctx.check
        try:
            answer = self._caller.http.request(
                "GET", f"{self._url}/accounts?{query}", headers=self._headers, check=check, limits=_limits(self._caller)
            )
        except Uncertain as error:
            raise Transient(f"{error.detail} Asking again does no harm.") from error
        if self._ctx is not None:
            self._ctx.heed(answer.headers, account=self._account, provider=PROVIDER)
        if answer.status != 200:
            raise _error(answer, self._account, once=False)
        return _read(answer.body)


def _read(body: bytes) -> AccountSet:
    try:
        found = strict_json.read_exact(body)
    except ValueError:
        raise Transient("The bridge's answer is no JSON.") from None
    if not isinstance(found, dict) or not isinstance(found.get("accounts"), list):
        raise Transient("The bridge's answer has no accounts in it.")
    accounts = [one for one in found["accounts"] if isinstance(one, dict)]
    errors = [*_listed(found.get("errlist")), *_listed(found.get("errors"))]
    return AccountSet(accounts, list(dict.fromkeys(_message(one) for one in errors))[:50])


def _listed(found: object) -> list[object]:
    return found if isinstance(found, list) else []


def _message(error: object) -> str:
    """Of version 1 a text, of version 2 an object with a code."""
    if isinstance(error, Mapping):
        text = str(error.get("msg") or error.get("message") or error.get("code") or "an error without words")
        return one_line(text, 500)
    return one_line(str(error), 500)


def _error(answer: Response, account: str, *, once: bool) -> ActionError:
    """What a refusal means."""
    status = answer.status
    if status in (401, 403):
        return NeedsReconnect("The bridge does not accept this access any more. Make a new setup token there.")
    if status == 402:
        return Refused("The bridge wants to be paid first: look at your account there.")
    if status == 429:
        now = datetime.now(UTC)
        at = retry_at(answer.headers, now)
        return RateLimited("The bridge was asked too often today.", at, provider=PROVIDER, account=account)
    if status >= 500 or status == 408:
        text = f"The bridge failed with status {status}."
        return Uncertain(f"{text} The token may be used up.") if once else Transient(text)
    if 200 <= status < 400:
        return Transient(f"The bridge answered with status {status}, which says nothing.")
    return Refused(f"The bridge refuses with status {status}.")


def _limits(caller: Caller) -> Limits:
    total_s = min(max(caller.remaining_s - MARGIN_S, 0.5), LONGEST_S)
    return Limits(
        connect_s=min(CONNECT_S, total_s), read_s=min(SILENCE_S, total_s), total_s=total_s,
        wire_bytes=LARGEST_ANSWER_BYTES, decoded_bytes=LARGEST_ANSWER_BYTES, redirects=0,
    )  # fmt: skip
