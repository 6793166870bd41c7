"""Accounts as actions: listed, added, called something else, removed with all that is on them."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from llmcoder import Context, Effect, Model, NotFound, Undo, action
from llmcoder.declare.collection import Page
from llmcoder.declare.cursor import Cursor
from llmcoder.declare.filter import Number
from tasks.finance.records import (
    A_TRANSACTION,
    MOST_LISTED,
    PAGE_BEFORE,
    Account,
    AccountChange,
    AccountFilter,
    NewBankAccount,
)
from tasks.finance.store import ACCOUNTS

TIMEOUT_S = 30.0


class AccountListing(AccountFilter):
    """Which accounts are wanted."""

    limit: Number = MOST_LISTED
    before: Cursor | None = PAGE_BEFORE


class BankAccountChoice(Model):
    """Which account is meant."""

    account_id: UUID = Field(description="The account's id.", examples=[A_TRANSACTION])


class ChangedAccount(AccountChange):
    """Which account, and what to change of it."""

    account_id: UUID = Field(description="The account's id.", examples=[A_TRANSACTION])


class RemovedAccount(Model):
    """An account that is gone, with its transactions."""

    removed: Account | None = Field(description="The account as it was; null when it was gone already.")


@action("finance.list_accounts", effect=Effect.READ, timeout_s=TIMEOUT_S)
def list_accounts(wanted: AccountListing, ctx: Context) -> Page[Account]:
    """List your bank accounts, cards and cash."""
    return ACCOUNTS.page(ctx.user.id, wanted.before, wanted.limit, wanted)


@action("finance.remove_account", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def remove_account(which: BankAccountChoice, ctx: Context) -> RemovedAccount:
    """Remove an account with all of its transactions."""
    return RemovedAccount(removed=ACCOUNTS.take(ctx.user.id, which.account_id))


@action(
    "finance.add_account",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(remove_account, lambda new, added: BankAccountChoice(account_id=added.id)),
    timeout_s=TIMEOUT_S,
)
def add_account(new: NewBankAccount, ctx: Context) -> Account:
    """Keep an account by name, such as cash.

    An import adds the accounts that its file names by itself.
    """
    return ACCOUNTS.add(ctx.user.id, new, ctx.job_id)


@action("finance.change_account", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def change_account(change: ChangedAccount, ctx: Context) -> Account:
    """Call an account something else."""
    changed = ACCOUNTS.change(ctx.user.id, change.account_id, AccountChange(name=change.name))
    if changed is None:
        raise NotFound(f"You have no account {change.account_id}; it may have been removed.")
    return changed
