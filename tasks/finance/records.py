"""Transactions, accounts and rules as they are sent and shown: the models that actions and collections share."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from llmcoder import Model
from llmcoder.declare.filter import AtLeast, AtMost, Equals, Filter, HasWords, IsSet, Words
from llmcoder.model import ChangeModel
from llmcoder.money import Money
from tasks.finance.amounts import LARGEST_MINOR

NO_NUL = r"^[^\x00]*$"
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=140, pattern=NO_NUL)]
Category = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=NO_NUL)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000, pattern=NO_NUL)]
Currency = Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")]


def _no_number(given: object) -> object:
    """pydantic takes numbers for seconds since 1970."""
    if isinstance(given, bool | int | float) or (isinstance(given, str) and given.isdigit()):
        raise ValueError("must be a day such as 2030-06-01")
    return given


Day = Annotated[date, BeforeValidator(_no_number)]


def _bounded(amount: Money) -> Money:
    if abs(amount.minor) > LARGEST_MINOR:
        raise ValueError("is more than any account has moved")
    return amount


Amount = Annotated[Money, AfterValidator(_bounded)]
A_TRANSACTION = "01937b2e-7c00-7000-8000-000000000001"
MOST_LISTED: Any = Field(50, ge=1, le=200, description="Most to return.", examples=[50])
PAGE_BEFORE: Any = Field(
    None, description="`next` of the page before, with the same filter and sort; left out, the first page."
)


class TransactionFilter(Filter):
    """Which transactions are wanted, and in which order."""

    # `from` is no name that Python lets a field have
    model_config = Model.model_config | {"validate_by_name": True, "serialize_by_alias": True}

    account: Annotated[UUID | None, Equals("account_id")] = Field(
        None, description="Only those of this account, by its id."
    )
    since: Annotated[Day | None, AtLeast("booked_on")] = Field(
        None, alias="from", description="Only those booked on this day or later, such as 2030-06-01."
    )
    until: Annotated[Day | None, AtMost("booked_on")] = Field(
        None, alias="to", description="Only those booked on this day or earlier."
    )
    text: Annotated[Words | None, HasWords("text")] = Field(
        None, description="Only those with all of these words in their text, in any case and order."
    )
    category: Annotated[Category | None, Equals("category")] = Field(None, description="Only those of this category.")
    has_category: Annotated[bool | None, IsSet("category")] = Field(
        None, description="False for those that nobody has put into a category; left out, both."
    )
    pending: Annotated[bool | None, Equals("pending")] = Field(
        None, description="True for those that are not booked yet, false for booked ones; left out, both."
    )
    currency: Annotated[Currency | None, Equals("currency")] = Field(None, description="Only those in this currency.")
    sort: Literal["date", "-date", "amount", "-amount", "created", "-created"] = Field(
        "-date", description="Their order; - turns it round. Amounts sort by minor units, money out first."
    )


class NewTransaction(Model):
    """A transaction that no statement has, such as one in cash."""

    account: Name = Field(
        description="An account of yours: its id, its name, or the name of a new one.", examples=["Cash"]
    )
    booked_on: Day = Field(description="The day.", examples=["2030-06-01"])
    amount: Amount = Field(description="Negative for money out.", examples=["-3.50 EUR"])
    text: Note = Field(description="What it was.", examples=["Coffee"])
    category: Category | None = Field(None, description="Its category; left out, your rules say.")
    note: Note | None = Field(None, description="What you want to remember of it.")


class TransactionChange(ChangeModel):
    """What to change of a transaction; what the bank says of it stays."""

    category: Category | None = Field(None, description="Its category; null for none.")
    note: Note | None = Field(None, description="What you want to remember of it; null for nothing.")


class Transaction(Model):
    """One transaction."""

    id: UUID = Field(description="Its id.")
    account_id: UUID = Field(description="The account that it is on.")
    booked_on: date = Field(description="When it was booked, on the bank's clock; for a pending one, when it was made.")
    value_on: date | None = Field(description="From when on it bears interest, where the bank says so.")
    amount: Money = Field(description="Negative is money out.")
    text: str = Field(description="What the bank wrote of it.")
    payee: str | None = Field(description="The other side, where the bank names it apart.")
    pending: bool = Field(description="Whether it is not booked yet.")
    category: str | None = Field(description="Its category.")
    category_by: str | None = Field(description="Who says so: user, rule, file or provider.")
    note: str | None = Field(description="What you wanted to remember of it.")
    created_at: datetime = Field(description="When it came here.")
    updated_at: datetime = Field(description="When it last changed here.")


class AccountFilter(Filter):
    """Which accounts are wanted."""

    currency: Annotated[Currency | None, Equals("currency")] = Field(None, description="Only those in this currency.")


class NewBankAccount(Model):
    """An account to keep transactions of."""

    name: Name = Field(description="What you call it.", examples=["Cash"])
    currency: Currency = Field(description="Its currency, a code of ISO 4217.", examples=["EUR"])
    number: Name | None = Field(None, description="Its number as your bank's files write it, such as an IBAN.")


class AccountChange(ChangeModel):
    """What to change of an account."""

    name: Name = Field(description="What you call it now.", examples=["Household"])


class Account(Model):
    """An account."""

    id: UUID = Field(description="Its id.")
    name: str = Field(description="What you call it.")
    number: str | None = Field(description="Its number as the bank writes it.")
    currency: str = Field(description="Its currency.")
    provider: str = Field(description="Where its transactions come from: file, simplefin or plaid.")
    created_at: datetime = Field(description="When it was added.")
    updated_at: datetime = Field(description="When it last changed.")


def money_of(row: Any) -> Money:
    return Money(row.minor, row.currency)
