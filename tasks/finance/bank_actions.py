"""Banks that are connected: signed in to at Plaid's own page, or by a SimpleFIN token; and what they say since."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field, SecretStr

from llmcoder import BadInput, Context, Effect, Marker, Model, NotFound, Retry, action, strict_json
from llmcoder.connection import Connection
from llmcoder.declare.connection import ConnectionKind
from llmcoder.provenance import Taint
from llmcoder.settings import EngineSettings
from models.connections import store as connections
from models.db.database import database, reading, writing
from tasks.finance import plaid_sync, provider_rows, simplefin_client
from tasks.finance.connections import PLAID, SIMPLEFIN, PlaidItem, SimpleFinAccess
from tasks.finance.plaid_client import PlaidClient
from tasks.finance.plaid_errors import PROVIDER as PLAID_PROVIDER
from tasks.finance.provider_rows import Unusable
from tasks.finance.settings import PlaidSettings
from tasks.finance.simplefin_client import SimpleFinClient
from tasks.finance.statement import short
from tasks.finance.sync_store import Applied, Changes, ProviderAccount, Sync, cursor_of, oldest_first
from tasks.finance.tables import bank_links

TIMEOUT_S = 300.0
LINK = "01937b2e-7c00-7000-8000-000000000001"
#: Plaid calls us here when there is something new.
WEBHOOK = "/finance/plaid"
#: A bridge goes back 90 days at most; what is older was read before.
FIRST_DAYS, OVERLAP_DAYS = 89, 14
NOT_YET = "Plaid is still fetching this bank's transactions; nothing is wrong. They come in minutes, up to a day."


class NewBank(Model):
    """A bank to connect by Plaid."""

    reconnect: str | None = Field(
        None, max_length=300, description="A connected account of yours that wants you to sign in again, by its name."
    )


class BankLink(Model):
    """A page at which you sign in at your bank."""

    link_id: UUID = Field(description="Give it to finance.finish_connecting when you have signed in.")
    url: str = Field(description="Plaid's own page. Open it, sign in at your bank, and choose accounts.")
    expires_at: datetime = Field(description="Until then.")


class LinkChoice(Model):
    """Which sign-in is meant."""

    link_id: UUID = Field(description="The link_id that finance.connect_bank gave.", examples=[LINK])


class ConnectedBanks(Model):
    """Accounts that are connected now."""

    accounts: list[str] = Field(description="Their names, for finance.sync; GET /connections has them, too.")


class SetupToken(Model):
    """A token of a SimpleFIN bridge."""

    token: str = Field(
        min_length=8,
        max_length=simplefin_client.LONGEST_TOKEN,
        description="The setup token that your bridge shows. It counts once.",
        examples=["aHR0cHM6Ly9icmlkZ2UuZXhhbXBsZS9jbGFpbS9kZW1v"],
    )


class SyncRequest(Model):
    """Which connected account is read."""

    account: str | None = Field(
        None, max_length=300, description="A connected account, by its name; the one you connected first when left out."
    )


class Synced(Model):
    """What was new at a bank."""

    ready: bool = Field(description="False while the provider itself is still fetching the first transactions.")
    added: int = Field(description="Transactions that are new.")
    changed: int = Field(description="Those that the bank has changed.")
    booked: int = Field(description="Pending ones that are booked now; what you said of them stays.")
    removed: int = Field(description="Those that the bank has taken back.")
    messages: list[str] = Field(description="What the provider wants you to know, and what could not be kept.")


@action(
    "finance.connect_bank",
    effect=Effect.DRAFT,  # a page at which nobody has been yet
    keeps=True,
    provider=PLAID_PROVIDER,
    requires=(PlaidSettings,),
    timeout_s=60,
)
def connect_bank(new: NewBank, ctx: Context) -> BankLink:
    """Make a page at which you sign in at your bank, by Plaid.

    Sign in there, then run finance.finish_connecting. Transactions of two years are asked for. Without Plaid, import
    files (finance.import_statement), or connect a SimpleFIN bridge (finance.connect_simplefin).
    """
    access_token = None if new.reconnect is None else _held(ctx, new.reconnect)
    public_url = ctx.settings(EngineSettings).public_url
    webhook = f"{public_url.rstrip('/')}{WEBHOOK}" if public_url and public_url.startswith("https://") else None
    link = PlaidClient(ctx, ctx=ctx).create_link(ctx.user.id, webhook, access_token)
    with writing("finance_bank_links") as conn:
        now = database().now()
        conn.execute(sa.delete(bank_links).where(bank_links.c.id == ctx.job_id, bank_links.c.user_id == ctx.user.id))
        conn.execute(sa.insert(bank_links).values(
            id=ctx.job_id, user_id=ctx.user.id, token=link.token[:300], item=new.reconnect, connected=None,
            created_at=now, updated_at=now,
        ))  # fmt: skip
    return BankLink(link_id=ctx.job_id, url=link.url, expires_at=link.expires_at)


def _held(ctx: Context, account: str) -> str:
    """The access token of an account that may be broken."""
    with reading("connections") as conn:
        stored = connections.choose(conn, ctx.user.id, [PLAID.provider], account)
        if stored is None:
            raise NotFound(f"You have connected no {account!r} by Plaid.")
        return connections.credentials(conn, stored, PLAID)[1].access_token.get_secret_value()


def find_connected(which: LinkChoice, marker: Marker, ctx: Context) -> ConnectedBanks | None:
    """Whether an attempt that nobody heard of again kept the access.

    Where it did not, running again does no harm: Plaid gives the access for a public token once, and says so.
    """
    with reading("finance_bank_links") as conn:
        row = _link(conn, ctx, which.link_id)
    known = {} if row is None else _exchanges(row)
    return ConnectedBanks(accounts=list(dict.fromkeys(known.values()))) if known else None


@action(
    "finance.finish_connecting",
    effect=Effect.WRITE,
    repeatable=False,
    reconcile=find_connected,
    provider=PLAID_PROVIDER,
    requires=(PlaidSettings,),
    retry=Retry(attempts=4, first_wait_s=5),
    timeout_s=60,
)
def finish_connecting(which: LinkChoice, ctx: Context) -> ConnectedBanks:
    """Connect the bank at which you have signed in at Plaid's page.

    Then run finance.sync, or put it on a schedule.
    """
    with reading("finance_bank_links") as conn:
        row = _link(conn, ctx, which.link_id)
    if row is None:
        raise NotFound(f"You have begun no sign-in {which.link_id}.")
    client = PlaidClient(ctx, ctx=ctx)
    if row.item is not None:
        return _mended(client, row, ctx)
    known = _exchanges(row)
    session = client.session_of(row.token)
    if not session.public_tokens and not known:
        why = f" It was left ({session.exit_reason})." if session.exit_reason else ""
        raise BadInput(f"Nobody has signed in at that page yet.{why} Open it, sign in, then run this again.")
    ctx.armed({"link": str(row.id)})
    for token, bank in session.public_tokens.items():
        key = hashlib.sha256(token.encode()).hexdigest()
        if key not in known:
            known[key] = _exchanged(client, token, bank, ctx)
            _keep_exchanges(row, known)
    return ConnectedBanks(accounts=list(dict.fromkeys(known.values())))


def _link(conn: sa.Connection, ctx: Context, link_id: UUID) -> Any:
    return conn.execute(
        sa.select(bank_links).where(bank_links.c.id == link_id, bank_links.c.user_id == ctx.user.id)
    ).first()


def _exchanges(row: Any) -> dict[str, str]:
    """The items that came of a link, by the SHA-256 of the public tokens that stood for them."""
    found = strict_json.read_lenient(row.connected) if row.connected else {}
    return found if isinstance(found, dict) else {}


def _keep_exchanges(row: Any, known: dict[str, str]) -> None:
    with writing("finance_bank_links") as conn:
        values = {"connected": strict_json.write(known), "updated_at": database().now()}
        conn.execute(sa.update(bank_links).where(bank_links.c.id == row.id).values(**values))


def _exchanged(client: PlaidClient, public_token: str, bank: str | None, ctx: Context) -> str:
    """The item that a public token stands for, kept before anything else is asked: it is given once."""
    access_token, item_id = client.exchange(public_token)
    _keep(PLAID, item_id, PlaidItem(access_token=SecretStr(access_token), institution=short(bank, 200)), ctx)
    return item_id


def _mended(client: PlaidClient, row: Any, ctx: Context) -> ConnectedBanks:
    """In update mode nothing is exchanged: the access is the one that is there, and works again or does not."""
    access_token = _held(ctx, row.item)
    item = client.item(access_token)
    ctx.armed({})
    bank = short(str(item.get("institution_name") or ""), 200)
    _keep(PLAID, row.item, PlaidItem(access_token=SecretStr(access_token), institution=bank), ctx)
    return ConnectedBanks(accounts=[row.item])


def _keep(kind: ConnectionKind[Any], account: str, credentials: Model, ctx: Context) -> None:
    with writing("connections") as conn:
        connections.keep(conn, ctx.user.id, kind, account, credentials, database().now(), ctx.user.id)


# --- SimpleFIN


def find_claimed(given: SetupToken, marker: Marker, ctx: Context) -> ConnectedBanks | None:
    """Whether an attempt that nobody heard of again kept the access.

    Where it did not, running again does no harm: a bridge gives the access for a token once, and says so.
    """
    with reading("connections") as conn:
        mine = connections.listed(conn, ctx.user.id, SIMPLEFIN.provider)
    names = [one.account for one in mine if strict_json.read_lenient(one.shown or "{}").get("claim") == marker["claim"]]
    return ConnectedBanks(accounts=names) if names else None


@action(
    "finance.connect_simplefin",
    effect=Effect.WRITE,
    repeatable=False,
    reconcile=find_claimed,
    provider="simplefin",
    retry=Retry(attempts=3, first_wait_s=5),
    timeout_s=120,
)
def connect_simplefin(given: SetupToken, ctx: Context) -> ConnectedBanks:
    """Connect a SimpleFIN bridge by the setup token that it shows.

    The token counts once. Then run finance.sync, or put it on a schedule: a bridge answers 24 times a day.
    """
    url = simplefin_client.claim_url(given.token)
    claim = hashlib.sha256(url.encode()).hexdigest()
    ctx.armed({"claim": claim})
    access_url = simplefin_client.claim(url, ctx)
    name = SimpleFinClient(access_url, ctx).name
    _keep(SIMPLEFIN, name, SimpleFinAccess(access_url=SecretStr(access_url), claim=claim), ctx)
    return ConnectedBanks(accounts=[name])


# --- reading


@action(
    "finance.sync",
    effect=Effect.DRAFT,
    keeps=True,
    outside=True,
    connects=(PLAID, SIMPLEFIN),
    retry=Retry(attempts=5, first_wait_s=30),
    timeout_s=TIMEOUT_S,
)
def sync(wanted: SyncRequest, ctx: Context) -> Synced:
    """Read what is new at a connected bank.

    What a bank changes or takes back is changed here; categories and notes stay, also when a pending one is booked.
    """
    connection = ctx.connection_of((PLAID, SIMPLEFIN))
    ctx.trail.read(Taint.OUTSIDE)
    if connection.kind is PLAID:
        return _sync_plaid(connection, ctx)
    return _sync_simplefin(connection, ctx)


def _sync_plaid(connection: Connection[PlaidItem], ctx: Context) -> Synced:
    before = _cursor(connection, ctx)
    client = PlaidClient(ctx, connection.account, ctx)
    token = connection.credentials.access_token.get_secret_value()
    found = plaid_sync.walk(client, token, before, ctx)
    if found.cursor is None:
        return Synced(ready=False, added=0, changed=0, booked=0, removed=0, messages=[NOT_YET])
    return _applied(connection, before, found.changes, found.cursor, found.notes, ctx)


def _cursor(connection: Connection[Any], ctx: Context) -> str | None:
    with reading("finance_syncs") as conn:
        row = cursor_of(conn, ctx.user.id, connection.kind.provider, connection.account)
    return None if row is None else row.cursor


def _applied(
    connection: Connection[Any], before: str | None, changes: Changes, cursor: str, messages: list[str], ctx: Context
) -> Synced:
    ctx.check()
    with writing("finance_syncs") as conn:
        now = database().now()
        one = Sync(conn, ctx.user.id, connection.kind.provider, connection.account, before, now)
        done: Applied = one.keep(changes, cursor)
    return Synced(
        ready=True, added=done.added, changed=done.changed, booked=done.booked, removed=done.removed,
        messages=messages[:50],
    )  # fmt: skip


def _sync_simplefin(connection: Connection[SimpleFinAccess], ctx: Context) -> Synced:
    """The bridge tells what there is since a day; the cursor is when it was asked last."""
    before = _cursor(connection, ctx)
    now = database().now()
    first = now - timedelta(days=FIRST_DAYS)
    since = first if before is None else max(first, datetime.fromisoformat(before) - timedelta(days=OVERLAP_DAYS))
    client = SimpleFinClient(connection.credentials.access_url.get_secret_value(), ctx, connection.account, ctx)
    found = client.accounts(since)
    # a bank that the bridge could not ask now has no pending ones in its answer, and they are not gone for that
    changes = Changes([], [], window=None if found.messages else since.date())
    messages = list(found.messages)
    for told in found.accounts:
        _take_account(told, changes, messages)
    changes.told = oldest_first(changes.told)
    return _applied(connection, before, changes, now.isoformat(), messages, ctx)


def _take_account(told: Mapping[str, Any], changes: Changes, messages: list[str]) -> None:
    number, currency = str(told.get("id") or ""), str(told.get("currency") or "").upper()
    bank = told.get("org")
    bank_name = str(bank.get("name") or bank.get("domain") or "") if isinstance(bank, Mapping) else ""
    name = short(f"{bank_name} {told.get('name') or number}") or "Account"
    if not number or len(currency) != 3:
        messages.append(f"The account {name!r} is in no currency of ISO 4217, so it is left out.")
        return
    changes.accounts.append(ProviderAccount(number, name, currency))
    rows = told.get("transactions")
    for one in rows if isinstance(rows, list) else []:
        try:
            changes.told.append(provider_rows.of_simplefin(one if isinstance(one, Mapping) else {}, number, currency))
        except Unusable as why:
            messages.append(str(why))
