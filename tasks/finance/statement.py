"""What every format of a statement is read into, and what a reader may refuse."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from llmcoder import BadInput
from llmcoder.money import Money
from llmcoder.text import whole

MIB = 1024 * 1024
#: Ten thousand transactions take 10 to 30 MB in the most talkative format (CAMT).
MOST_BYTES = 256 * MIB
#: All of them are one transaction of the database, during which SQLite lets nobody else write: about a second.
MOST_ROWS = 20_000
MOST_ACCOUNTS = 200
LONGEST_TEXT = 1_000
LONGEST_NAME = 140
#: What nobody's bank has booked; a date beyond is a misread one.
EARLIEST, LATEST = date(1950, 1, 1), date(2150, 1, 1)


class BadStatement(BadInput):
    """The file is no statement that can be read for sure; the detail says where, and what to do."""


class Unclear(BadStatement):
    """It can be read in two ways, and nobody should guess which.

    Attributes:
        field: Of `layout`, which decides it.
        choices: What that field can say.
    """

    def __init__(self, detail: str, field: str, choices: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.field = field
        self.choices = choices


class StatementFormat(StrEnum):
    """How a statement is written."""

    OFX = "ofx"  # and QFX
    QIF = "qif"
    CSV = "csv"
    CAMT = "camt"
    MT940 = "mt940"


@dataclass(frozen=True, slots=True)
class Balance:
    """What was on the account, at the end of a day.

    Attributes:
        on: None where the file does not say.
    """

    amount: Money
    on: date | None


@dataclass(frozen=True, slots=True)
class Row:
    """One transaction as a statement has it.

    Attributes:
        amount: Negative is money out.
        text: What the bank wrote of it, in one line.
        payee: The other side, where the format names it apart.
        provider_id: The bank's own number. A hint: banks renumber.
        category: What the file says; nothing of ours.
        balance: After it, where the file has it.
        place: Where it stands in the file, for people.
    """

    booked_on: date
    amount: Money
    text: str
    payee: str | None = None
    value_on: date | None = None
    provider_id: str | None = None
    pending: bool = False
    category: str | None = None
    balance: Money | None = None
    place: str = ""


@dataclass(slots=True)
class Statement:
    """One statement of one account.

    Attributes:
        number: As the file names the account; None where it does not.
        currency: Of the account; None where the file does not say.
        notes: What the reader left out, for people.
    """

    number: str | None
    currency: str | None
    name: str | None = None
    opening: Balance | None = None
    closing: Balance | None = None
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Given:
    """What is known of a file beside its content.

    Attributes:
        currency: Of amounts that name none.
        decimal: The sign before the decimals, `date_order` the order of a date's parts; None where they must be seen.
        today: What is later was misread.
    """

    today: date
    currency: str | None = None
    decimal: str | None = None
    date_order: str | None = None


class Counter:
    """How many transactions one file may have, over all its statements."""

    def __init__(self) -> None:
        self._rows = 0

    def add(self) -> None:
        self._rows += 1
        if self._rows > MOST_ROWS:
            raise BadStatement(f"The file has more than {MOST_ROWS:,} transactions. Export a shorter time.")


def in_one_line(*parts: str | None, longest: int = LONGEST_TEXT) -> str:
    """The parts that say something new, with single blanks: banks repeat the name in the purpose."""
    wanted: list[str] = []
    for part in parts:
        text = " ".join(whole(part or "").replace("\0", " ").split())
        if text and not any(text.casefold() in one.casefold() for one in wanted):
            wanted = [one for one in wanted if one.casefold() not in text.casefold()] + [text]
    return " · ".join(wanted)[:longest]


def short(text: str | None, longest: int = LONGEST_NAME) -> str | None:
    """A name as it is kept, or nothing."""
    return in_one_line(text, longest=longest) or None


def shown(text: str, longest: int = 60) -> str:
    """What stands in a file, for a message."""
    one = " ".join(text.split())
    return repr(one if len(one) <= longest else one[:longest] + "…")


def day(year: int, month: int, of_month: int, place: str) -> date:
    """A date that a statement may have.

    Raises:
        BadStatement: There is no such day, or no bank has booked anything on it.
    """
    try:
        found = date(year, month, of_month)
    except ValueError:
        raise BadStatement(f"{place}: there is no day {year:04d}-{month:02d}-{of_month:02d}.") from None
    if not EARLIEST <= found <= LATEST:
        raise BadStatement(f"{place}: {found} is no day on which a bank has booked anything.")
    return found
