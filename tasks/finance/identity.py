"""When two rows are one: the same account, date, amount and normalised text, and the same place among those alike.

A bank's own number is a hint and no proof: banks renumber, and give one number twice. Real twins (two coffees on one
day for one price) stay two, since the first is the first and the second the second in every file that has both.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

from llmcoder.caseless import fold
from tasks.finance.statement import Row

_NO_LETTER = re.compile(r"[\W_]+")
_NO_KEY = re.compile(r"[^0-9A-Z]+")


class Identity(NamedTuple):
    """What tells a transaction from all others of its account."""

    booked_on: date
    minor: int
    currency: str
    text_key: str
    nth: int
    pending: bool


def text_key(text: str) -> str:
    """The same for texts that differ in case, blanks and punctuation only."""
    plain = _NO_LETTER.sub("", fold(text)) or text
    return hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest()[:32]


def identified(rows: Iterable[Row]) -> Iterator[tuple[Identity, Row]]:
    """Each row with its identity; those that are alike are counted in their order, from 1."""
    alike: Counter[tuple[object, ...]] = Counter()
    for row in rows:
        key = (row.booked_on, row.amount.minor, row.amount.currency, text_key(row.text), row.pending)
        alike[key] += 1
        day, minor, currency, words, pending = key
        yield Identity(day, minor, currency, words, alike[key], pending), row


def account_key(number: str) -> str:
    """What an account's number comes to: an IBAN with and without blanks is one."""
    return _NO_KEY.sub("", number.upper())[:200]
