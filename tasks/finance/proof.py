"""Whether a statement adds up: its opening balance and its transactions come to its closing balance.

Where a statement has no opening balance, the last closing balance before it and the transactions that are kept since
do instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder.money import Money
from tasks.finance.statement import Balance, Statement
from tasks.finance.tables import balances, transactions


class Verdict(StrEnum):
    """What an account's statement proves."""

    PROVEN = "proven"  # it adds up to the closing balance
    DIFFERS = "differs"  # it does not
    UNPROVEN = "unproven"  # there is nothing to hold it against


@dataclass(frozen=True, slots=True)
class Proof:
    """One statement's.

    Attributes:
        by: What the closing balance has more than the rest comes to.
    """

    verdict: Verdict
    opening: Money | None
    sum: Money | None
    closing: Money | None
    by: Money | None
    why: str


def of(conn: sa.Connection, account_id: UUID, statement: Statement, has_doubts: bool) -> Proof:
    """The proof of a statement whose rows are kept by now."""
    closing = statement.closing
    booked = [row.amount for row in statement.rows if not row.pending]
    if closing is None:
        return Proof(Verdict.UNPROVEN, None, None, None, None, "The file has no closing balance.")
    if any(amount.currency != closing.amount.currency for amount in booked):
        return Proof(Verdict.UNPROVEN, None, None, closing.amount, None, "Its amounts are in several currencies.")
    if statement.opening is not None and statement.opening.amount.currency == closing.amount.currency:
        total = Money.total(booked, closing.amount.currency)
        return _judged(statement.opening.amount, total, closing.amount, "the opening balance of the file")
    return _since_last(conn, account_id, statement, has_doubts)


def _since_last(conn: sa.Connection, account_id: UUID, statement: Statement, has_doubts: bool) -> Proof:
    closing = statement.closing
    assert closing is not None
    before = [] if closing.on is None else _balances_before(conn, account_id, statement)
    same_currency = [one for one in before if one.currency == closing.amount.currency]
    if not same_currency:
        why = "The file has no opening balance; its closing one will prove the next statement."
        return Proof(Verdict.UNPROVEN, None, None, closing.amount, None, why)
    found = [_from_balance(conn, account_id, last, closing) for last in same_currency]
    proven = next((one for one in found if one.verdict is Verdict.PROVEN), found[0])
    if proven.verdict is Verdict.DIFFERS and has_doubts:
        return replace(proven, why=f"{proven.why} Some rows wait.")
    return proven


def _from_balance(conn: sa.Connection, account_id: UUID, last: Any, closing: Balance) -> Proof:
    own = transactions.c
    kept = sa.select(sa.func.coalesce(sa.func.sum(own.minor), 0)).where(
        own.account_id == account_id, own.booked_on > last.on_day, own.booked_on <= closing.on,
        own.currency == last.currency, own.pending.is_(sa.false()),
    )  # fmt: skip
    total = Money(int(conn.execute(kept).scalar_one()), last.currency)
    since = f"the balance of {last.on_day} and what is kept since"
    return _judged(Money(last.minor, last.currency), total, closing.amount, since)


def _balances_before(conn: sa.Connection, account_id: UUID, statement: Statement) -> list[Any]:
    """The last balance before the statement begins, and the last one within it: a file may go back beyond several."""
    own = balances.c
    closing = statement.closing
    assert closing is not None
    begin = min((row.booked_on for row in statement.rows), default=closing.on)
    query = sa.select(balances).where(own.account_id == account_id).order_by(own.on_day.desc(), own.id.desc()).limit(1)
    found = (conn.execute(query.where(own.on_day < day)).first() for day in (begin, closing.on))
    return [one for one in found if one is not None]


def _judged(opening: Money, total: Money, closing: Money, against: str) -> Proof:
    by = closing - opening - total
    if not by:
        return Proof(Verdict.PROVEN, opening, total, closing, None, f"It adds up, from {against}.")
    why = f"From {against} it comes to {opening + total}, but the closing balance is {closing}: {by} is missing."
    return Proof(Verdict.DIFFERS, opening, total, closing, by, why)
