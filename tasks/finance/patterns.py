"""What comes again and again, and what is out of the ordinary. Pure; whole minor units and fractions, never floats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

from llmcoder.caseless import fold
from llmcoder.money import Money

#: Rows that must be there before anything is said of them.
FEWEST_RECURRING = 3
FEWEST_USUAL = 5
#: Iglewicz and Hoaglin (1993), "How to detect and handle outliers": the modified z-score, and from where on it is one.
OUTLIER = Fraction(35, 10)
OF_MAD = Fraction(6745, 10_000)
#: Where more than half are equal the MAD is zero, and they take the mean deviation instead.
OF_MEAN_DEVIATION = Fraction(10_000, 12_533)
#: Where all are equal, what differs by a tenth is unusual.
ALL_EQUAL_SHARE = Fraction(1, 10)
MOST_WORDS = 4


class Payment(NamedTuple):
    """A booked transaction, as far as patterns need it."""

    id: UUID
    account_id: UUID
    on: date
    minor: int
    currency: str
    text: str
    payee: str | None
    category: str | None


@dataclass(frozen=True)
class Rhythm:
    """How often something comes: the days between, from and to."""

    name: str
    days: int
    shortest: int
    longest: int


RHYTHMS = (
    Rhythm("weekly", 7, 6, 8), Rhythm("every two weeks", 14, 12, 16), Rhythm("monthly", 30, 26, 35),
    Rhythm("every two months", 61, 56, 66), Rhythm("quarterly", 91, 84, 98), Rhythm("every half year", 182, 172, 192),
    Rhythm("yearly", 365, 350, 380),
)  # fmt: skip


@dataclass(frozen=True)
class Recurrence:
    """Something that comes again and again."""

    payments: list[Payment]
    rhythm: Rhythm
    usual: Money

    @property
    def last(self) -> Payment:
        return self.payments[-1]

    @property
    def next_on(self) -> date:
        return self.last.on + timedelta(days=self.rhythm.days) if self.rhythm.days < 28 else _months_later(self)


@dataclass(frozen=True)
class Oddity:
    """Something out of the ordinary, and why."""

    payment: Payment
    usual: Money
    count: int
    why: str


def name_key(payment: Payment) -> str:
    """The same for all payments to one side: its words, without numbers, which are dates and references."""
    words = fold(payment.payee or payment.text).replace(".", " ").replace(",", " ").split()
    plain = ["".join(one for one in word if one.isalnum()) for word in words]
    kept = [word for word in plain if word and not any(one.isdigit() for one in word)]
    return " ".join(kept[:MOST_WORDS]) or fold(payment.text)


def recurrences(payments: Iterable[Payment], today: date) -> list[Recurrence]:
    """What comes in a rhythm, the largest first; what has not come for two of its periods is over."""
    groups: dict[tuple[Any, ...], list[Payment]] = defaultdict(list)
    for one in sorted(payments, key=lambda one: (one.on, one.id)):
        groups[one.account_id, one.currency, one.minor < 0, name_key(one)].append(one)
    found = [made for group in groups.values() if (made := _recurrence(group)) is not None]
    going_on = [one for one in found if today - one.last.on <= timedelta(days=2 * one.rhythm.days + 7)]
    return sorted(going_on, key=lambda one: one.usual.minor)


def _recurrence(group: list[Payment]) -> Recurrence | None:
    days = sorted({one.on for one in group})
    if len(days) < FEWEST_RECURRING or len(group) > 2 * len(days):
        return None
    gaps = sorted((later - earlier).days for earlier, later in pairwise(days))
    middle = gaps[len(gaps) // 2]
    rhythm = next((one for one in RHYTHMS if one.shortest <= middle <= one.longest), None)
    if rhythm is None:
        return None
    fitting = sum(rhythm.shortest <= gap <= rhythm.longest for gap in gaps)
    if 4 * fitting < 3 * len(gaps):
        return None
    return Recurrence(group, rhythm, Money(_rounded(median([one.minor for one in group])), group[0].currency))


def _months_later(recurrence: Recurrence) -> date:
    """The same day of a later month, or its last."""
    months = {30: 1, 61: 2, 91: 3, 182: 6, 365: 12}[recurrence.rhythm.days]
    last = recurrence.last.on
    year, month = divmod(last.year * 12 + last.month - 1 + months, 12)
    for day in (last.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(day, last.day))
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def oddities(payments: Iterable[Payment], since: date) -> list[Oddity]:
    """Payments since a day that are far from what is usual: for the same side, or for one that is new, at all."""
    out = [one for one in sorted(payments, key=lambda one: (one.on, one.id)) if one.minor < 0]
    by_name: dict[tuple[Any, ...], list[Payment]] = defaultdict(list)
    by_currency: dict[str, list[Payment]] = defaultdict(list)
    found: list[Oddity] = []
    for one in out:
        same, all_of_it = by_name[one.currency, name_key(one)], by_currency[one.currency]
        if one.on >= since and (odd := _oddity(one, same, all_of_it)) is not None:
            found.append(odd)
        same.append(one)
        all_of_it.append(one)
    return found[::-1]


def _oddity(one: Payment, same: list[Payment], all_of_it: list[Payment]) -> Oddity | None:
    known = len(same) >= FEWEST_USUAL
    before = same if known else all_of_it
    if len(before) < FEWEST_USUAL or (not known and same):
        return None
    amounts = [-earlier.minor for earlier in before]
    usual = median(amounts)
    if not is_outlier(-one.minor, amounts) or (not known and -one.minor < usual):
        return None
    middle = Money(_rounded(usual), one.currency)
    return Oddity(one, middle, len(before), _why(one, middle, len(before), known=known))


def _why(one: Payment, usual: Money, count: int, *, known: bool) -> str:
    amount = Money(-one.minor, one.currency)
    times = f", {_times(amount, usual)}" if usual.minor > 0 else ""
    if known:
        return f"{amount} instead of about {usual} (the middle of {count} payments){times}."
    return f"{amount} for somebody new; the middle of your {count} payments is {usual}{times}."


def _times(amount: Money, usual: Money) -> str:
    share = Fraction(amount.minor, usual.minor)
    if share >= 1:
        return f"{_decimal(share)} times as much"
    return f"only {_decimal(share * 100)} %"


def _decimal(number: Fraction) -> str:
    exact = Decimal(number.numerator) / Decimal(number.denominator)
    places = Decimal("0.1") if exact < 10 else Decimal(1)
    return f"{exact.quantize(places, rounding=ROUND_HALF_EVEN).normalize():f}"


def median(values: Sequence[int | Fraction]) -> Fraction:
    ordered = sorted(values)
    half = len(ordered) // 2
    if len(ordered) % 2:
        return Fraction(ordered[half])
    return Fraction(ordered[half - 1] + ordered[half]) / 2


def is_outlier(value: int, others: Sequence[int]) -> bool:
    """By the modified z-score: how far it is from the median, in units of the median deviation from it."""
    middle = median(others)
    deviations = [abs(one - middle) for one in others]
    distance = abs(value - middle)
    if mad := median(deviations):
        return OF_MAD * distance / mad > OUTLIER
    if mean := Fraction(sum(deviations)) / len(deviations):
        return OF_MEAN_DEVIATION * distance / mean > OUTLIER
    return distance > ALL_EQUAL_SHARE * abs(middle)


def _rounded(value: Fraction) -> int:
    return round(value)
