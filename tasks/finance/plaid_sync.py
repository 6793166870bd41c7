"""All that changed at Plaid since a cursor, page by page; nothing of it is kept before the last page has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llmcoder.context import Context
from llmcoder.errors import Refused, Transient
from tasks.finance import provider_rows
from tasks.finance.plaid_client import PlaidClient
from tasks.finance.plaid_errors import Mutation
from tasks.finance.provider_rows import Told, Unusable
from tasks.finance.statement import short
from tasks.finance.sync_store import Changes, ProviderAccount, oldest_first

#: 500 transactions each; an account of two years has a few thousand.
MOST_PAGES = 400
#: A bank that changes while it is read is read again so often.
MOST_WALKS = 5
NOT_READY = "NOT_READY"


@dataclass(slots=True)
class Walk:
    """What a walk over all pages has found.

    Attributes:
        cursor: Behind the last page; None where Plaid has nothing yet.
        notes: What could not be kept.
    """

    changes: Changes
    cursor: str | None
    notes: list[str]


def walk(client: PlaidClient, access_token: str, cursor: str | None, ctx: Context) -> Walk:
    """Read all that changed since a cursor.

    A change between two pages makes the pages read so far worthless: it begins again at the cursor of the first
    (https://plaid.com/docs/errors/transactions/).

    Raises:
        Transient: It changed each time.
    """
    for _ in range(MOST_WALKS):
        try:
            return _walk_once(client, access_token, cursor, ctx)
        except Mutation:
            ctx.log("The transactions changed while they were read; they are read again.")
    raise Transient("The transactions changed each time they were read.")


def _walk_once(client: PlaidClient, access_token: str, cursor: str | None, ctx: Context) -> Walk:
    told: dict[str, dict[str, Any]] = {}
    removed: dict[str, None] = {}
    accounts: dict[str, dict[str, Any]] = {}
    at = cursor
    for number in range(MOST_PAGES):
        page = client.changes(access_token, at)
        accounts |= {str(one.get("account_id")): one for one in page.accounts}
        for one in (*page.added, *page.modified):
            told[str(one.get("transaction_id"))] = one
            removed.pop(str(one.get("transaction_id")), None)
        for one in page.removed:
            removed[str(one.get("transaction_id"))] = None
            told.pop(str(one.get("transaction_id")), None)
        at = page.next_cursor or None
        if not page.has_more:
            is_ready = at is not None and not (page.status == NOT_READY and not told and not removed)
            return _found(told, list(removed), accounts, at if is_ready else None)
        if at is None:
            raise Transient("Plaid said there was more, and not where.")
        ctx.progress(0.0, f"{len(told)} changes, page {number + 1}")
    raise Refused("Plaid has more changes than one reading takes. Connect the bank anew.")


def _found(
    told: dict[str, dict[str, Any]], removed: list[str], accounts: dict[str, dict[str, Any]], cursor: str | None
) -> Walk:
    rows: list[Told] = []
    notes: list[str] = []
    for one in told.values():
        try:
            rows.append(provider_rows.of_plaid(one))
        except Unusable as why:
            notes.append(str(why))
    named = [_account(one) for one in accounts.values()]
    known = [one for one in named if one is not None]
    return Walk(Changes(known, oldest_first(rows), removed), cursor, notes)


def _account(told: dict[str, Any]) -> ProviderAccount | None:
    balances = told.get("balances")
    currency = balances.get("iso_currency_code") if isinstance(balances, dict) else None
    if not isinstance(told.get("account_id"), str) or not isinstance(currency, str):
        return None
    mask = f" ··{told['mask']}" if told.get("mask") else ""
    name = short(str(told.get("official_name") or told.get("name") or "Account"), 120) or "Account"
    return ProviderAccount(told["account_id"], f"{name}{mask}"[:140], currency)
