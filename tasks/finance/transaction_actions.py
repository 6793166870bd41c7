"""Transactions as actions: listed, added by hand, changed, removed, put into categories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field

from llmcoder import Context, Effect, Model, NotFound, Undo, action
from llmcoder.declare.collection import Page
from llmcoder.declare.cursor import Cursor
from llmcoder.declare.filter import Number
from models.db.database import database, writing
from models.owned_records import origin_of_changed, was_read
from tasks.finance.records import (
    A_TRANSACTION,
    MOST_LISTED,
    PAGE_BEFORE,
    Category,
    NewTransaction,
    Transaction,
    TransactionChange,
    TransactionFilter,
)
from tasks.finance.store import TRANSACTIONS
from tasks.finance.tables import transactions

TIMEOUT_S = 30.0
MOST_AT_ONCE = 500
MOST_RESTORED = 5_000
own = transactions.c


class TransactionListing(TransactionFilter):
    """Which transactions are wanted."""

    limit: Number = MOST_LISTED
    before: Cursor | None = PAGE_BEFORE


class TransactionChoice(Model):
    """Which transaction is meant."""

    transaction_id: UUID = Field(description="The transaction's id.", examples=[A_TRANSACTION])


class ChangedTransaction(TransactionChange):
    """Which transaction, and what to change of it; a field left out stays as it is."""

    transaction_id: UUID = Field(description="The transaction's id.", examples=[A_TRANSACTION])


class RemovedTransaction(Model):
    """A transaction that is gone."""

    removed: Transaction | None = Field(description="The transaction as it was; null when it was gone already.")


@action("finance.list_transactions", effect=Effect.READ, timeout_s=TIMEOUT_S)
def list_transactions(wanted: TransactionListing, ctx: Context) -> Page[Transaction]:
    """List and search your transactions, newest first."""
    return TRANSACTIONS.page(ctx.user.id, wanted.before, wanted.limit, wanted)


@action("finance.remove_transaction", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def remove_transaction(which: TransactionChoice, ctx: Context) -> RemovedTransaction:
    """Remove a transaction.

    One that a statement has comes back when that statement is imported again; to take a whole import back, use
    finance.undo_import.
    """
    return RemovedTransaction(removed=TRANSACTIONS.take(ctx.user.id, which.transaction_id))


@action(
    "finance.add_transaction",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(remove_transaction, lambda new, added: TransactionChoice(transaction_id=added.id)),
    timeout_s=TIMEOUT_S,
)
def add_transaction(new: NewTransaction, ctx: Context) -> Transaction:
    """Keep a transaction that no statement has, such as one in cash.

    A statement that has it after all asks whether they are one. For a bank's file, use finance.import_statement.
    """
    return TRANSACTIONS.add(ctx.user.id, new, ctx.job_id)


@action("finance.change_transaction", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def change_transaction(change: ChangedTransaction, ctx: Context) -> Transaction:
    """Change category or note of a transaction.

    What stood there before is gone. To put many into a category, so that it can be undone, use finance.categorize.
    """
    given = {name: getattr(change, name) for name in change.model_fields_set - {"transaction_id"}}
    changed = TRANSACTIONS.change(ctx.user.id, change.transaction_id, TransactionChange(**given))
    if changed is None:
        raise NotFound(f"You have no transaction {change.transaction_id}; it may have been removed.")
    return changed


# --- categories


class Categorized(Model):
    """A transaction's category as it was."""

    transaction_id: UUID = Field(description="The transaction's id.", examples=[A_TRANSACTION])
    category: Category | None = Field(None, description="Its category; null for none.", examples=["Groceries"])
    category_by: Literal["user", "rule", "file", "provider"] | None = Field(
        None, description="Who said so.", examples=["user"]
    )
    replaced_by: Category | None = Field(
        None, description="What came in its place; where that has changed again, it stays. Left out: never mind.",
        examples=["Food"],
    )  # fmt: skip


class Categorization(Model):
    """Transactions, and the category that they belong to."""

    transaction_ids: list[UUID] = Field(
        min_length=1, max_length=MOST_AT_ONCE, description="The transactions.", examples=[[A_TRANSACTION]]
    )
    category: Category | None = Field(description="The category; null for none.", examples=["Groceries"])


class CategoryRestoration(Model):
    """Categories as they were."""

    before: list[Categorized] = Field(
        max_length=MOST_RESTORED,
        description="Each transaction with its category.",
        examples=[[{"transaction_id": A_TRANSACTION, "category": "Groceries", "category_by": "user"}]],
    )


class Recategorized(Model):
    """What was changed."""

    changed: int = Field(description="How many.")
    before: list[Categorized] = Field(description="Those that were changed, as they were.")


@action("finance.restore_categories", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def restore_categories(given: CategoryRestoration, ctx: Context) -> Recategorized:
    """Give transactions the categories that they had.

    Transactions that are gone, or that have been put into yet another one since, are passed over.
    """
    with writing("finance_transactions") as conn:
        rows = _chosen(conn, ctx, [one.transaction_id for one in given.before])
        changed: dict[UUID, Any] = {}
        for one in given.before:
            row = rows.get(one.transaction_id)
            if row is None or ("replaced_by" in one.model_fields_set and row.category != one.replaced_by):
                continue
            changed[row.id] = row
            put_category(conn, row, one.category, one.category_by)
        return recategorized(changed, {one.transaction_id: one.category for one in given.before})


@action(
    "finance.categorize",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(restore_categories, lambda given, done: CategoryRestoration(before=done.before)),
    timeout_s=TIMEOUT_S,
)
def categorize(given: Categorization, ctx: Context) -> Recategorized:
    """Put transactions into a category.

    It stays with them when a pending one is booked. For those to come, use finance.add_rule.
    """
    with writing("finance_transactions") as conn:
        rows = _chosen(conn, ctx, given.transaction_ids)
        if missing := [one for one in given.transaction_ids if one not in rows]:
            raise NotFound(f"You have no transaction {missing[0]}; it may have been removed.")
        by = None if given.category is None else "user"
        changed = {key: row for key, row in rows.items() if (row.category, row.category_by) != (given.category, by)}
        for row in changed.values():
            put_category(conn, row, given.category, by)
        return recategorized(changed, dict.fromkeys(changed, given.category))


def _chosen(conn: sa.Connection, ctx: Context, ids: list[UUID]) -> dict[UUID, Any]:
    query = sa.select(transactions).where(own.user_id == ctx.user.id, own.id.in_(ids)).with_for_update()
    return {row.id: row for row in conn.execute(query)}


def put_category(conn: sa.Connection, row: Any, category: str | None, by: str | None) -> None:
    """Write down the category of a transaction, which is locked, and who says so."""
    values = {"category": category, "category_by": by, "updated_at": database().now()} | origin_of_changed(row)
    conn.execute(sa.update(transactions).where(own.id == row.id).values(**values))


def recategorized(rows: dict[UUID, Any], categories: Mapping[UUID, str | None]) -> Recategorized:
    """What was changed, of the rows as they were, and the categories that they have now."""
    for row in rows.values():
        was_read(row)
    before = [
        Categorized(
            transaction_id=row.id, category=row.category, category_by=row.category_by, replaced_by=categories[row.id]
        )
        for row in rows.values()
    ]
    return Recategorized(changed=len(before), before=before)
