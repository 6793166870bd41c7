"""What Plaid and SimpleFIN say of a transaction, as a row of ours. Pure; amounts are exact from their text on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from llmcoder.money import Money
from tasks.finance.statement import Row, in_one_line, short


class Unusable(ValueError):
    """A provider's transaction that cannot be kept; the message says why."""


@dataclass(frozen=True, slots=True)
class Told:
    """A transaction as a provider tells it.

    Attributes:
        account: The provider's id of the account.
        books: The provider's id of the pending transaction that this one is now.
    """

    account: str
    row: Row
    books: str | None = None


def of_plaid(told: Mapping[str, Any]) -> Told:
    """Positive is money out there (https://plaid.com/docs/api/products/transactions/), and negative here.

    Raises:
        Unusable: It has no id, amount, currency or day.
    """
    number, account = _text(told, "transaction_id"), _text(told, "account_id")
    if not number or not account:
        raise Unusable("a transaction without an id")
    amount = -_money(told.get("amount"), _text(told, "iso_currency_code"), number)
    payee, name = _text(told, "merchant_name"), _text(told, "name")
    category = told.get("personal_finance_category")
    primary = _text(category, "primary") if isinstance(category, Mapping) else ""
    row = Row(
        booked_on=_day(told.get("date"), number), amount=amount, payee=short(payee), provider_id=number[:255],
        text=in_one_line(payee, _text(told, "original_description") or name) or "?",
        pending=told.get("pending") is True, category=short(primary.replace("_", " ").capitalize(), 60),
    )  # fmt: skip
    return Told(account, row, _text(told, "pending_transaction_id") or None)


def of_simplefin(told: Mapping[str, Any], account: str, currency: str) -> Told:
    """Raises `Unusable` where it has no id, amount or day."""
    number = _text(told, "id")
    if not number:
        raise Unusable("a transaction without an id")
    posted, made = told.get("posted"), told.get("transacted_at")
    pending = told.get("pending") is True or not posted
    row = Row(
        booked_on=_instant_day(posted or made, number), amount=_money(told.get("amount"), currency, number),
        payee=short(_text(told, "payee")), provider_id=number[:255], pending=pending,
        text=in_one_line(_text(told, "payee"), _text(told, "description"), _text(told, "memo")) or "?",
    )  # fmt: skip
    return Told(account, row)


def _money(amount: object, currency: str, number: str) -> Money:
    """Rounded to the currency's coins only where a provider has computed a fraction of one."""
    if not currency:
        raise Unusable(f"transaction {number[:40]} is in no currency of ISO 4217")
    try:
        exact = (
            Decimal(str(amount)) if isinstance(amount, Decimal | int | str) and not isinstance(amount, bool) else None
        )
        if exact is None or not exact.is_finite() or exact.adjusted() > 12:
            raise Unusable(f"transaction {number[:40]} has no amount")
        return Money.of(exact, currency.upper(), ROUND_HALF_EVEN)
    except (ValueError, ArithmeticError) as error:
        raise Unusable(f"transaction {number[:40]}: {error}") from None


def _day(text: object, number: str) -> date:
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError:
        raise Unusable(f"transaction {number[:40]} has no day") from None


def _instant_day(seconds: object, number: str) -> date:
    try:
        return datetime.fromtimestamp(int(str(seconds)), UTC).date()
    except (ValueError, OverflowError, OSError):
        raise Unusable(f"transaction {number[:40]} has no day") from None


def _text(told: Mapping[str, Any], name: str) -> str:
    found = told.get(name)
    return found.strip() if isinstance(found, str) else ""
