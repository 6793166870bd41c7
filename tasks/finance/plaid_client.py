"""The only module that speaks to plaid-python, and so to Plaid.

The SDK writes requests and checks them; what it sends goes through our guarded HTTP client. Its reading of answers is
not used: it makes floats of amounts, and fails at a value that its version does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from llmcoder import strict_json
from llmcoder.context import Context
from llmcoder.declare.connection import Caller
from llmcoder.errors import NotConfigured, Transient, Uncertain
from llmcoder.net import Limits
from tasks.finance.plaid_errors import PROVIDER, error_of
from tasks.finance.settings import PlaidSettings

VERSION = "2020-09-14"
#: As far back as Plaid goes; what is not asked for when a bank is connected is never to be had.
DAYS_REQUESTED = 730
PAGE = 500
CONNECT_S, SILENCE_S, LONGEST_S = 5.0, 30.0, 60.0
MARGIN_S = 1.0
LARGEST_ANSWER_BYTES = 50 * 1024 * 1024
#: The guarded client frames requests itself.
FRAMING = {"content-length", "accept-encoding", "connection", "host"}


@dataclass(frozen=True, slots=True)
class Link:
    """Where a person signs in at their bank, and what tells how it went."""

    token: str
    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """What became of a link.

    Attributes:
        public_tokens: One for each bank that was connected, and what the bank is called.
        is_finished: A person has gone through it, to the end.
        exit_reason: Why they left before it, where they did.
    """

    public_tokens: dict[str, str | None]
    is_finished: bool
    exit_reason: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some changes of an item's transactions, as Plaid has them, with exact amounts."""

    added: list[dict[str, Any]]
    modified: list[dict[str, Any]]
    removed: list[dict[str, Any]]
    accounts: list[dict[str, Any]]
    next_cursor: str
    has_more: bool
    status: str


class PlaidClient:
    """Requests in the name of this installation. For one thread at a time.

    Args:
        caller: With what is asked.
        account: The item, whose limits the answers speak of; empty where it is none's.
        ctx: The job, which may end while it waits; None outside of one.
    """

    def __init__(self, caller: Caller, account: str = "", ctx: Context | None = None) -> None:
        self._caller = caller
        self._account = account
        self._ctx = ctx

    # --- connecting

    def create_link(self, user_id: UUID, webhook: str | None, access_token: str | None = None) -> Link:
        """A page of Plaid's own (Hosted Link) at which a person signs in at a bank.

        Args:
            access_token: Of the item that is to be signed in to again; None for a new one.
        """
        from plaid.model.country_code import CountryCode
        from plaid.model.link_token_create_hosted_link import LinkTokenCreateHostedLink
        from plaid.model.link_token_create_request import LinkTokenCreateRequest
        from plaid.model.link_token_create_request_user import LinkTokenCreateRequestUser
        from plaid.model.link_token_transactions import LinkTokenTransactions
        from plaid.model.products import Products

        countries = self._settings.plaid_countries.split(",")
        new = {
            "products": [Products("transactions")],
            "transactions": LinkTokenTransactions(days_requested=DAYS_REQUESTED),
        }
        about = new if access_token is None else {"access_token": access_token}
        request = LinkTokenCreateRequest(
            client_name="LLMCoder", language="en", country_codes=[CountryCode(one) for one in countries],
            user=LinkTokenCreateRequestUser(client_user_id=str(user_id)), hosted_link=LinkTokenCreateHostedLink(),
            **about, **({} if webhook is None else {"webhook": webhook}),
        )  # fmt: skip
        answer = self._ask(lambda api, how: api.link_token_create(request, **how))
        token, url = _text(answer, "link_token"), _text(answer, "hosted_link_url")
        if not token or not url:
            raise NotConfigured("Plaid gives no page to sign in at: ask Plaid to enable Hosted Link for this client.")
        return Link(token, url, _instant(answer.get("expiration")))

    def session_of(self, link_token: str) -> Session:
        """What became of a link; a public token that was lost stands there again."""
        from plaid.model.link_token_get_request import LinkTokenGetRequest

        request = LinkTokenGetRequest(link_token=link_token)
        answer = self._ask(lambda api, how: api.link_token_get(request, **how))
        sessions = [one for one in answer.get("link_sessions") or [] if isinstance(one, dict)]
        tokens = {token: bank for one in sessions for token, bank in _public_tokens(one)}
        exits = [one["exit"] for one in sessions if isinstance(one.get("exit"), dict)]
        reason = _exit_reason(exits[-1]) if exits else None
        finished = any(one.get("finished_at") for one in sessions)
        return Session(tokens, finished and (bool(tokens) or not exits), reason)

    def exchange(self, public_token: str) -> tuple[str, str]:
        """Give a public token for an item's access token; it counts once.

        Returns:
            The access token, and the item's id.
        """
        from plaid.model.item_public_token_exchange_request import ItemPublicTokenExchangeRequest

        request = ItemPublicTokenExchangeRequest(public_token=public_token)
        answer = self._called(lambda api, how: api.item_public_token_exchange(request, **how), once=True)
        if self._ctx is not None:
            self._ctx.confirmed()
        access_token, item_id = _text(answer, "access_token"), _text(answer, "item_id")
        if not access_token or not item_id:
            raise self._unreadable(200, once=True)
        return access_token, item_id

    def item(self, access_token: str) -> dict[str, Any]:
        """What Plaid knows of an item. Raises `NeedsReconnect` where its bank wants a person to sign in again."""
        from plaid.model.item_get_request import ItemGetRequest

        request = ItemGetRequest(access_token=access_token)
        answer = self._ask(lambda api, how: api.item_get(request, **how))
        item = answer.get("item")
        if not isinstance(item, dict):
            raise self._unreadable(200, once=False)
        if isinstance(item.get("error"), dict):
            raise self._error(400, {}, item["error"], once=False)
        return item

    def institutions(self) -> int:
        """How many banks there are for this client: a cheap question that needs no account."""
        from plaid.model.country_code import CountryCode
        from plaid.model.institutions_get_request import InstitutionsGetRequest

        countries = [CountryCode(one) for one in self._settings.plaid_countries.split(",")]
        request = InstitutionsGetRequest(count=1, offset=0, country_codes=countries)
        total = self._ask(lambda api, how: api.institutions_get(request, **how)).get("total")
        return total if isinstance(total, int) else 0

    # --- transactions

    def changes(self, access_token: str, cursor: str | None) -> Page:
        """A page of what changed since a cursor; the first pages of an item when there is none.

        Raises:
            Mutation: Something changed since the first page; begin there again.
        """
        from plaid.model.transactions_sync_request import TransactionsSyncRequest
        from plaid.model.transactions_sync_request_options import TransactionsSyncRequestOptions

        options = TransactionsSyncRequestOptions(include_original_description=True)
        since = {} if cursor is None else {"cursor": cursor}
        request = TransactionsSyncRequest(access_token=access_token, count=PAGE, options=options, **since)
        answer = self._ask(lambda api, how: api.transactions_sync(request, **how))
        lists = {name: answer.get(name) for name in ("added", "modified", "removed", "accounts")}
        if not all(isinstance(one, list) for one in lists.values()) or not isinstance(answer.get("has_more"), bool):
            raise self._unreadable(200, once=False)
        return Page(
            **{name: [one for one in found or [] if isinstance(one, dict)] for name, found in lists.items()},
            next_cursor=_text(answer, "next_cursor"), has_more=answer["has_more"],
            status=_text(answer, "transactions_update_status"),
        )  # fmt: skip

    def webhook_key(self, kid: str) -> dict[str, Any]:
        """The public key by which Plaid signs webhooks, as a JWK. Raises `NotFound` where there is none of that id."""
        from plaid.model.webhook_verification_key_get_request import WebhookVerificationKeyGetRequest

        request = WebhookVerificationKeyGetRequest(key_id=kid)
        key = self._ask(lambda api, how: api.webhook_verification_key_get(request, **how)).get("key")
        if not isinstance(key, dict):
            raise self._unreadable(200, once=False)
        return key

    # --- the wire

    @property
    def _settings(self) -> PlaidSettings:
        return self._caller.settings(PlaidSettings)

    def _ask(self, call: Callable[[Any, Mapping[str, Any]], Any]) -> dict[str, Any]:
        """Send what may be sent again."""
        if self._ctx is not None:
            self._ctx.check()
        try:
            return self._called(call, once=False)
        except Uncertain as error:
            raise Transient(f"{error.detail} Asking again does no harm.") from error

    def _called(self, call: Callable[[Any, Mapping[str, Any]], Any], *, once: bool) -> dict[str, Any]:
        from plaid.exceptions import ApiException

        try:
            answer = call(self._api(once=once), {"_preload_content": False})
        except ApiException as error:  # its text holds what was sent
            raise self._error(
                int(error.status or 0), dict(error.headers or {}), _object(error.body), once=once
            ) from None
        if (found := _object(answer.data)) is not None:
            return found
        raise self._error(answer.status, dict(answer.headers), None, once=once)

    def _error(
        self, status: int, headers: Mapping[str, str], answer: Mapping[str, Any] | None, *, once: bool
    ) -> Exception:
        lower = {name.lower(): value for name, value in headers.items()}
        return error_of(status, lower, answer, account=self._account, now=datetime.now(UTC), once=once)

    def _unreadable(self, status: int, *, once: bool) -> Exception:
        return self._error(status, {}, None, once=once)

    def _api(self, *, once: bool) -> Any:
        import plaid
        from plaid.api import plaid_api

        settings = self._settings
        if settings.plaid_client_id is None or settings.plaid_secret is None:
            raise NotConfigured("This installation is not registered at Plaid: set PLAID_CLIENT_ID and PLAID_SECRET.")
        keys = {"clientId": settings.plaid_client_id, "secret": settings.plaid_secret.get_secret_value()}
        made = plaid.Configuration(host=settings.host, api_key={**keys, "plaidVersion": VERSION})
        client = plaid.ApiClient(made)
        client.rest_client.pool_manager = _Wire(self._caller, None if once else self._ctx, self._heard)
        return plaid_api.PlaidApi(client)

    def _heard(self, headers: Mapping[str, str]) -> None:
        if self._ctx is not None:
            self._ctx.heed(headers, account=self._account, provider=PROVIDER)


@dataclass(slots=True)
class _Answer:
    """As the SDK wants one."""

    status: int
    reason: str
    data: bytes
    headers: Mapping[str, str]

    def getheaders(self) -> Mapping[str, str]:
        return self.headers


class _Wire:
    """In the place of the SDK's own connections."""

    def __init__(self, caller: Caller, ctx: Context | None, heard: Callable[[Mapping[str, str]], None]) -> None:
        self._caller = caller
        self._check = None if ctx is None else ctx.check
        self._heard = heard

    def request(
        self, method: str, url: str, *, body: str | None = None, headers: Mapping[str, str] | None = None, **_more: Any
    ) -> _Answer:
        given = {name: value for name, value in (headers or {}).items() if name.lower() not in FRAMING}
        answer = self._caller.http.request(
            method, url, headers=given, content=(body or "").encode(), check=self._check, limits=limits(self._caller)
        )
        self._heard(answer.headers)
        # the SDK reads what goes with a refusal as UTF-8, whatever it is
        data = answer.body if answer.status < 300 else answer.body.decode("utf-8", "replace").encode()
        return _Answer(answer.status, "", data, dict(answer.headers))

    def clear(self) -> None:
        """Nothing is kept open."""


def limits(caller: Caller) -> Limits:
    """What one request may take of the time that is left."""
    total_s = min(max(caller.remaining_s - MARGIN_S, 0.5), LONGEST_S)
    return Limits(
        connect_s=min(CONNECT_S, total_s), read_s=min(SILENCE_S, total_s), total_s=total_s,
        wire_bytes=LARGEST_ANSWER_BYTES, decoded_bytes=LARGEST_ANSWER_BYTES, redirects=0,
    )  # fmt: skip


def _object(body: bytes | str | None) -> dict[str, Any] | None:
    try:
        found = strict_json.read_exact(body or "")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _text(answer: Mapping[str, Any], name: str) -> str:
    found = answer.get(name)
    return found if isinstance(found, str) else ""


def _instant(text: object) -> datetime:
    try:
        found = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return datetime.now(UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _public_tokens(session: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Those of a session, each with the name of its bank."""
    results = session.get("results")
    items = results.get("item_add_results") if isinstance(results, dict) else None
    found = [(_text(one, "public_token"), _bank(one)) for one in items or [] if isinstance(one, dict)]
    older = session.get("on_success")
    if not found and isinstance(older, dict):
        metadata = older.get("metadata")
        found = [(_text(older, "public_token"), _bank(metadata if isinstance(metadata, dict) else {}))]
    return [(token, bank) for token, bank in found if token]


def _bank(told: Mapping[str, Any]) -> str | None:
    institution = told.get("institution")
    return _text(institution, "name") or None if isinstance(institution, dict) else None


def _exit_reason(left: Mapping[str, Any]) -> str:
    error = left.get("error")
    if isinstance(error, dict) and error.get("error_code"):
        return str(error["error_code"])[:100]
    metadata = left.get("metadata")
    return str(metadata.get("status") or "left")[:100] if isinstance(metadata, dict) else "left"
