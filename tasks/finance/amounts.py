"""Amounts as banks write them: which sign stands before the decimals is seen in all of a column, not in one cell."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import cast

from llmcoder.money import DecimalSign, Money, exponent_of
from tasks.finance.statement import BadStatement, Unclear, shown

_CREDIT_MARK = re.compile(r"\s*\b(?P<mark>CR|DR|C|D|H|S|HABEN|SOLL|CREDIT|DEBIT|Cr\.|Dr\.)\s*$", re.IGNORECASE)
_DEBITS = frozenset({"DR", "D", "S", "SOLL", "DEBIT"})
_RUPEES = re.compile(r"^\s*(?:Rs\.?|INR)\s*", re.IGNORECASE)
_PLAIN = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,40})?", re.ASCII)
#: `300,` is what MT940 writes for 300; `300+` stands beside `12-`.
_TRAILING_SIGN = re.compile(r"(?<=\d)[.,]$|(?<=\d)\s*\+$")
_DIGITS = re.compile(r"\d")
_NOT_NUMBER = re.compile(r"[^\d.,]")
#: Nine hundred thousand of them can be added up in 64 bits.
LARGEST_MINOR = 10**13
#: What stands further behind the point than this is what a float left there, and no amount.
_NOISE_DECIMALS = 6


def amount(text: str, currency: str, decimal: str | None, place: str) -> Money:
    """An amount of a statement, with its sign; `12,50 S`, `(12.50)`, `12.50-` and `12.50 DR` are negative.

    Raises:
        BadStatement: It is none, or may be two.
    """
    found = _amount(text, currency, decimal, place)
    if abs(found.minor) > LARGEST_MINOR:
        raise BadStatement(f"{place}: {found} is more than any account has moved.")
    return found


def _amount(text: str, currency: str, decimal: str | None, place: str) -> Money:
    plain = _plain(text, currency) if decimal != "," else None
    if plain is not None:
        return plain
    negative, text = False, _TRAILING_SIGN.sub("", text.strip())
    if marked := _CREDIT_MARK.search(text):
        negative, text = marked["mark"].rstrip(".").upper() in _DEBITS, text[: marked.start()]
    try:
        found = Money.parse(_RUPEES.sub("", text) or text, currency, cast("DecimalSign | None", decimal))
    except ValueError as error:
        raise BadStatement(f"{place}: {error}") from None
    return -abs(found) if negative else found


def _plain(text: str, currency: str) -> Money | None:
    """An amount that nobody can misread, quickly: `-12.50`, also with what a float left behind (`-49.950000000001`)."""
    text = text.strip()
    if not _PLAIN.fullmatch(text):
        return None
    whole, _, after = text.partition(".")
    if len(after) == 3 and exponent_of(currency) != 3 and whole.lstrip("+-") != "0" and not after.endswith("0"):
        return None
    exact = Decimal(text)
    if len(after) > _NOISE_DECIMALS:
        exact = exact.quantize(Decimal(1).scaleb(-_NOISE_DECIMALS + 1))
    try:
        return Money.of(exact, currency)
    except ValueError:
        return None


@lru_cache(4096)
def _evidence(text: str) -> tuple[str, str]:
    """What one text says of the decimal sign: what it must be, and what it is unless the other is meant."""
    number = _NOT_NUMBER.sub("", text).strip(".,")
    signs = [one for one in number if one in ".,"]
    if not signs:
        return "", ""
    if len(set(signs)) == 2:
        return signs[-1], ""
    if len(signs) > 1:
        return "." if signs[0] == "," else ",", ""
    before, _, after = number.partition(signs[0])
    if len(after) != 3 or len(before) > 3 or not before.strip("0"):
        return signs[0], ""
    return "", signs[0]


def decimal_sign(texts: Iterable[str], currency: str | None = None) -> str | None:
    """The sign before the decimals in all of these amounts; None where none has any.

    Raises:
        Unclear: They may be read in two ways, such as `1,234` and nothing else; or some need one and some the other.
    """
    sure: dict[str, str] = {}
    unsure = ""
    for text in texts:
        must, may = _evidence(text)
        if must:
            sure.setdefault(must, text)
        if may and not unsure:
            unsure = text
    if len(sure) == 2:
        raise Unclear(
            f"Some amounts have a decimal point ({shown(sure['.'])}) and some a decimal comma ({shown(sure[','])})."
            " Say which it is in `layout.decimal`.", "layout.decimal", (".", ","),
        )  # fmt: skip
    if sure:
        return next(iter(sure))
    if not unsure:
        return None
    if currency is not None and exponent_of(currency) == 0:
        return "." if "," in unsure else ","
    raise Unclear(
        f"The amount {shown(unsure)} may be thousands or have three decimals, and no other amount tells which."
        " Say in `layout.decimal` which sign stands before the decimals.", "layout.decimal", (".", ","),
    )  # fmt: skip


def is_currency(code: str) -> bool:
    """Whether ISO 4217 has it."""
    try:
        exponent_of(code)
    except ValueError:
        return False
    return True


def has_digit(text: str) -> bool:
    return _DIGITS.search(text) is not None
