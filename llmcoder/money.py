"""Money: a whole number of minor units in one currency of ISO 4217, and nothing that was ever a float.

The number of decimals is the currency's own (EUR 2, JPY 0, KWD 3), from the table of ISO 4217's maintenance agency,
which the package `iso4217` carries. What has no minor unit, such as gold (XAU), is no money here. An amount with more
decimals than its currency has is refused, not rounded; who wants it rounded says how.

As JSON it is `{"amount": "1234.56", "currency": "EUR"}`: text, since a number would be read as a float, and one above
2**53 wrongly by JavaScript. Where an input takes it, `"1234.56 EUR"` does as well, so that it fits into a query.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext
from fractions import Fraction
from functools import lru_cache, total_ordering
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from llmcoder.errors import BadInput

#: In minor units, of either sign: what a column of 64 bits keeps.
LARGEST_MINOR = 2**63 - 1
LONGEST_TEXT = 100
#: Digits of a Decimal on which we compute; more than any amount has.
PRECISION = 60
DecimalSign = Literal[".", ","]

_PLAIN = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?", re.ASCII)
_CANONICAL = re.compile(r"([+-]?\d{1,40}(?:\.\d{1,40})?)\s+([A-Z]{3})", re.ASCII)
_CODE = r"[A-Z]{3}"


class BadMoney(BadInput, ValueError):
    """It is no amount of money, or not one that can be told for sure; the detail says what to write instead."""


class OtherCurrency(BadMoney):
    """Amounts of two currencies do not add up or compare: nobody said at which rate."""


@lru_cache(512)
def exponent_of(currency: str) -> int:
    """How many decimals the currency has.

    Raises:
        BadMoney: There is no such currency, or it has no minor unit.
    """
    from iso4217 import Currency  # reads a table of 47 KB

    try:
        found = Currency(currency)
    except ValueError:
        raise BadMoney(f"There is no currency {currency[:10]!r} in ISO 4217; one is called such as EUR.") from None
    if found.code != currency:
        raise BadMoney(f"A currency is written in capitals: {found.code}.")
    if found.exponent is None:
        raise BadMoney(f"{currency} ({found.currency_name}) has no minor unit, so no amount of it is money.")
    return int(found.exponent)


@total_ordering
class Money:
    """An amount of one currency. Does not change; equal where amount and currency are.

    Args:
        minor: In minor units: 123456 of EUR is 1234.56 euros.
        currency: Its code.

    Raises:
        BadMoney: There is no such currency, or the amount is larger than 64 bits keep.
        TypeError: The amount is no whole number.
    """

    __slots__ = ("currency", "minor")
    minor: int
    currency: str

    def __init__(self, minor: int, currency: str) -> None:
        if type(minor) is not int:
            raise TypeError(f"minor units are a whole number, not a {type(minor).__name__}")
        exponent_of(currency)
        if abs(minor) > LARGEST_MINOR:
            raise BadMoney(f"The amount is larger than any that is kept: {LARGEST_MINOR} minor units.")
        object.__setattr__(self, "minor", minor)
        object.__setattr__(self, "currency", currency)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("money does not change; make another")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("money does not change; make another")

    def __reduce__(self) -> tuple[type[Money], tuple[int, str]]:
        return Money, (self.minor, self.currency)

    # --- made of

    @classmethod
    def of(cls, amount: Decimal | int | str, currency: str, rounding: str | None = None) -> Money:
        """Money of an amount in major units: `Money.of("12.5", "EUR")`.

        Args:
            amount: A text is plain digits with at most one point; for what people write there is `parse`.
            rounding: One of `decimal`'s, such as ROUND_HALF_EVEN; without, an amount that does not fit is refused.

        Raises:
            BadMoney: It has more decimals than the currency, or is no amount, or too large.
            TypeError: It is a float, which has lost what was meant before it came here.
        """
        exponent = exponent_of(currency)
        exact = _decimal(amount)
        with localcontext(prec=PRECISION):
            try:
                scaled = exact.scaleb(exponent)
                whole = scaled.to_integral_value(rounding or ROUND_HALF_EVEN)
            except InvalidOperation:
                raise BadMoney("The amount is larger than any that is kept.") from None
        if rounding is None and whole != scaled:
            raise BadMoney(f"{currency} has {exponent} decimals, and {exact} has more. Round it first.")
        if abs(whole) > LARGEST_MINOR:
            raise BadMoney(f"The amount is larger than any that is kept: {LARGEST_MINOR} minor units.")
        return cls(int(whole), currency)

    @classmethod
    def parse(cls, text: str, currency: str | None = None, decimal: DecimalSign | None = None) -> Money:
        """Money as people write it: `1.234,56 €`, `US$1,234.56`, `CHF 1'234.50`, `(12.00 EUR)`, `−5 kr`.

        What could mean two amounts is refused: `1,234 EUR` is a thousand or a little more than one, `$5` is of a dozen
        countries. The arguments decide it.

        Args:
            currency: Whose sign an ambiguous one is, and the currency of a text without any.
            decimal: The sign before the decimals, where the writer is known; the others only group.

        Raises:
            BadMoney: It is none, or could mean several; the detail says how to write it.
        """
        return _Reading(text, currency, decimal).money()

    @classmethod
    def zero(cls, currency: str) -> Money:
        return cls(0, currency)

    @classmethod
    def total(cls, amounts: Iterable[Money], currency: str) -> Money:
        """The sum, which is zero of that currency where there is nothing to add.

        Raises:
            OtherCurrency: One is of another.
        """
        found = cls.zero(currency)
        for one in amounts:
            found += one
        return found

    # --- what it is

    @property
    def exponent(self) -> int:
        """How many decimals the currency has."""
        return exponent_of(self.currency)

    @property
    def amount(self) -> Decimal:
        """In major units, with as many decimals as the currency has."""
        with localcontext(prec=PRECISION):
            return Decimal(self.minor).scaleb(-self.exponent)

    def __bool__(self) -> bool:
        return self.minor != 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        return (self.minor, self.currency) == (other.minor, other.currency)

    def __hash__(self) -> int:
        return hash((self.minor, self.currency))

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other).minor

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"

    def __repr__(self) -> str:
        return f"Money.of({f'{self.amount:f}'!r}, {self.currency!r})"

    def written(self, decimal: DecimalSign = ".", group: str = "") -> str:
        """For people: `written(",", ".")` is `1.234,56 EUR`."""
        digits = f"{abs(self.amount):,f}".replace(",", "\0").replace(".", decimal).replace("\0", group)
        return f"{'-' if self.minor < 0 else ''}{digits} {self.currency}"

    # --- computed

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __abs__(self) -> Money:
        return Money(abs(self.minor), self.currency)

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other).minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other).minor, self.currency)

    def __mul__(self, times: int) -> Money:
        if type(times) is not int:
            raise TypeError("money is multiplied by whole numbers; `times` takes a Decimal and says how to round")
        return Money(self.minor * times, self.currency)

    __rmul__ = __mul__

    def times(self, factor: Decimal | int, rounding: str = ROUND_HALF_EVEN) -> Money:
        """A multiple that is rounded to minor units: of a tax rate, an exchange rate within one currency, a discount.

        Raises:
            TypeError: The factor is a float.
        """
        exact = Fraction(_decimal(factor)) * self.minor
        return Money(_rounded(exact, rounding), self.currency)

    def split(self, parts: int) -> list[Money]:
        """As many parts as equal as can be, which add up to the whole; the first ones have a minor unit more."""
        if parts < 1:
            raise BadMoney(f"Money is split into 1 part or more, not into {parts}.")
        return self.allocate([1] * parts)

    def allocate(self, weights: Sequence[int | Decimal]) -> list[Money]:
        """Parts in the ratio of the weights, which add up to the whole: by largest remainders, the earlier one first.

        Raises:
            BadMoney: A weight is negative, or all are zero.
            TypeError: A weight is a float.
        """
        shares = [Fraction(_decimal(weight)) for weight in weights]
        whole = sum(shares, Fraction())
        if not shares or whole <= 0 or min(shares) < 0:
            raise BadMoney("Money is shared out by weights that are not negative, and not all of them zero.")
        exact = [abs(self.minor) * share / whole for share in shares]
        parts = [int(one) for one in exact]
        left = abs(self.minor) - sum(parts)
        for at in sorted(range(len(parts)), key=lambda at: parts[at] - exact[at])[:left]:
            parts[at] += 1
        sign = -1 if self.minor < 0 else 1
        return [Money(sign * part, self.currency) for part in parts]

    def _same(self, other: Money) -> Money:
        if not isinstance(other, Money):
            raise TypeError(f"money goes with money, not with a {type(other).__name__}")
        if other.currency != self.currency:
            raise OtherCurrency(f"{self} and {other} are of two currencies. Convert one of them first.")
        return other

    # --- as a field of a model

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _from_input,
            serialization=core_schema.plain_serializer_function_ser_schema(_as_json, when_used="json"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        whole = {
            "type": "object",
            "title": "Money",
            "description": "An amount of one currency.",
            "properties": {
                "amount": {
                    "type": "string",
                    "pattern": r"^[+-]?\d{1,40}(\.\d{1,40})?$",
                    "description": "In major units, as text: with a point, and no more decimals than the currency has.",
                    "examples": ["1234.56"],
                },
                "currency": {
                    "type": "string",
                    "pattern": f"^{_CODE}$",
                    "description": "Code of ISO 4217.",
                    "examples": ["EUR"],
                },
            },
            "required": ["amount", "currency"],
            "additionalProperties": False,
        }
        if handler.mode == "serialization":
            return whole
        text = {
            "type": "string",
            "pattern": rf"^[+-]?\d{{1,40}}(\.\d{{1,40}})?\s+{_CODE}$",
            "description": "The same in one text.",
            "examples": ["1234.56 EUR"],
        }
        return {"anyOf": [whole, text], "title": "Money"}


def _as_json(money: Money) -> dict[str, str]:
    return {"amount": f"{money.amount:f}", "currency": money.currency}


def _from_input(given: object) -> Money:
    """What an input says; never by way of a float, as which a number with a fraction has already been read."""
    if isinstance(given, Money):
        return given
    if isinstance(given, str):
        found = _CANONICAL.fullmatch(given.strip()) if len(given) <= LONGEST_TEXT else None
        if found is None:
            raise BadMoney("write an amount and a currency, such as 1234.56 EUR")
        return Money.of(found[1], found[2])
    if not isinstance(given, dict) or set(given) != {"amount", "currency"}:
        raise BadMoney('write {"amount": "1234.56", "currency": "EUR"}, or the same as one text: 1234.56 EUR')
    amount, currency = given["amount"], given["currency"]
    if isinstance(amount, float):
        raise BadMoney('write the amount as text, such as "1234.56": a number with a fraction is not exact')
    if isinstance(amount, bool) or not isinstance(amount, int | str | Decimal) or not isinstance(currency, str):
        raise BadMoney("the amount is a text such as 1234.56, and the currency a code such as EUR")
    return Money.of(amount, currency)


def _decimal(amount: object) -> Decimal:
    if isinstance(amount, bool | float) or not isinstance(amount, int | str | Decimal):
        raise TypeError(f"an amount is a Decimal, a whole number or a text, never a {type(amount).__name__}")
    if isinstance(amount, str):
        if len(amount) > LONGEST_TEXT or not _PLAIN.fullmatch(amount):
            raise BadMoney(f"{amount[:LONGEST_TEXT]!r} is no plain amount such as 1234.56.")
        return Decimal(amount)
    if isinstance(amount, int):
        if abs(amount) > LARGEST_MINOR:
            raise BadMoney("The amount is larger than any that is kept.")
        return Decimal(amount)
    if not amount.is_finite() or (amount and not -PRECISION < amount.adjusted() < PRECISION):
        raise BadMoney("An amount is finite, and no larger than any that is kept.")
    return amount


def _rounded(exact: Fraction, rounding: str) -> int:
    """To a whole number as `decimal` rounds, without losing a digit before."""
    whole, rest = divmod(abs(exact), 1)
    # the part below one in three grades is all that any of the ways to round asks for
    grade = Decimal("0.5") if rest * 2 == 1 else Decimal("0.75") if rest * 2 > 1 else Decimal("0.25") if rest else 0
    with localcontext(prec=max(PRECISION, len(str(whole)) + 5)):
        found = (Decimal(whole) + grade) * (-1 if exact < 0 else 1)
        return int(found.to_integral_value(rounding))


# --- what people write

#: Signs that are one currency's.
SIGNS = {
    "€": "EUR", "US$": "USD", "CA$": "CAD", "C$": "CAD", "A$": "AUD", "AU$": "AUD", "NZ$": "NZD", "HK$": "HKD",
    "NT$": "TWD", "S$": "SGD", "MX$": "MXN", "R$": "BRL", "CN¥": "CNY", "JP¥": "JPY", "₹": "INR", "₩": "KRW",
    "₽": "RUB", "₪": "ILS", "₫": "VND", "₴": "UAH", "₺": "TRY", "₦": "NGN", "฿": "THB", "₱": "PHP", "₲": "PYG",
    "₡": "CRC", "₸": "KZT", "₮": "MNT", "₼": "AZN", "₾": "GEL", "zł": "PLN", "Kč": "CZK", "Ft": "HUF", "円": "JPY",
    "元": "CNY",
}  # fmt: skip
#: Signs of several: one of these where it is named, else nobody knows.
SHARED_SIGNS = {
    "$": ("USD", "CAD", "AUD", "NZD", "HKD", "SGD", "TWD", "MXN", "ARS", "CLP", "COP", "UYU", "BBD", "BMD", "BND",
          "BSD", "BZD", "FJD", "GYD", "JMD", "KYD", "LRD", "NAD", "SBD", "SRD", "TTD", "XCD", "CVE", "DOP", "BRL"),
    "¥": ("JPY", "CNY"),
    "£": ("GBP", "EGP", "FKP", "GIP", "LBP", "SHP", "SSP", "SDG", "SYP"),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
    "Fr.": ("CHF", "XAF", "XOF", "XPF", "DJF", "GNF", "KMF", "RWF", "BIF", "CDF"),
    "₨": ("INR", "PKR", "LKR", "NPR", "MUR", "SCR"),
    "Rs": ("INR", "PKR", "LKR", "NPR", "MUR", "SCR"),
}  # fmt: skip
_SIGN = "|".join(re.escape(one) for one in sorted([*SIGNS, *SHARED_SIGNS], key=len, reverse=True))
_NUMBER = r"(?:\d[\d.,' ]*\d|\d|[.,]\d+)"
_SHAPE = re.compile(
    rf"(?P<sign1>[+-]?) ?(?P<mark1>{_SIGN}|(?<![A-Za-z]){_CODE}(?![A-Za-z]))? ?(?P<sign2>[+-]?) ?(?P<number>{_NUMBER})"
    rf"(?P<dash>[.,]-+)?(?P<sign3>-?) ?(?P<mark2>{_SIGN}|{_CODE})?(?P<sign4>-?)",
    re.ASCII | re.IGNORECASE,
)
#: A bookkeeper's way to write what is owed.
_ENCLOSED = re.compile(r"([^()]*)\(([^()]*)\)([^()]*)")
_DASHES = dict.fromkeys(map(ord, "\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d"), "-")
_QUOTES = dict.fromkeys(map(ord, "\u2019\u02bc\u2018\u00b4`"), "'")
_INDIAN = re.compile(r"\d{1,2}(?:,\d\d)*,\d{3}", re.ASCII)


class _Reading:
    """One text, and what is known of its writer."""

    def __init__(self, text: str, currency: str | None, decimal: DecimalSign | None) -> None:
        if not isinstance(text, str):
            raise TypeError(f"what is read is a text, not a {type(text).__name__}")
        self._text = text
        self._currency = currency
        self._sign = decimal

    def money(self) -> Money:
        if len(self._text) > LONGEST_TEXT:
            raise BadMoney(f"An amount has at most {LONGEST_TEXT} characters.")
        plain = _plain(self._text)
        enclosed = _ENCLOSED.fullmatch(plain)
        found = _SHAPE.fullmatch(plain if enclosed is None else " ".join("".join(enclosed.groups()).split()))
        if found is None:
            raise self._refusal("is no amount of money such as 1,234.56 EUR")
        signs = [one for one in found.group("sign1", "sign2", "sign3", "sign4") if one]
        if len(signs) + (enclosed is not None) > 1:
            raise self._refusal("has more than one sign")
        currency = self._currency_of([one for one in found.group("mark1", "mark2") if one])
        amount = Decimal(self._digits(found["number"], exponent_of(currency), whole=found["dash"] is not None))
        return Money.of(-amount if enclosed or "-" in signs else amount, currency)

    def _currency_of(self, marks: list[str]) -> str:
        named = {self._meaning(one) for one in marks}
        if self._currency is not None:
            named.add(self._currency)
        if len(named) > 1:
            raise self._refusal(f"names more than one currency: {', '.join(sorted(named))}")
        if not named:
            raise self._refusal("names no currency. Write its code, such as EUR")
        return named.pop()

    def _meaning(self, mark: str) -> str:
        folded = {sign.casefold(): sign for sign in (*SIGNS, *SHARED_SIGNS)}
        sign = mark if mark in SIGNS or mark in SHARED_SIGNS else folded.get(mark.casefold(), mark)
        if sign in SIGNS:
            return SIGNS[sign]
        if sign not in SHARED_SIGNS:
            return mark.upper()
        if self._currency in SHARED_SIGNS[sign]:
            return self._currency
        if self._currency is not None:
            raise self._refusal(f"has the sign {sign}, which is none of {self._currency}")
        several = ", ".join(SHARED_SIGNS[sign][:4])
        raise self._refusal(f"has the sign {sign}, which may mean {several} …. Write the code instead")

    def _digits(self, number: str, exponent: int, *, whole: bool) -> str:
        """In plain digits with a point."""
        decimal = "" if whole else self._decimal_sign(number, exponent)
        before, _, after = number.rpartition(decimal) if decimal else (number, "", "")
        if decimal and (decimal in before or not after.isdigit()):
            raise self._refusal(f"has the sign {decimal} where it cannot be before decimals")
        self._check_groups(before)
        return f"{''.join(filter(str.isdigit, before)) or '0'}.{after or '0'}"

    def _decimal_sign(self, number: str, exponent: int) -> str:
        if self._sign is not None:
            return self._sign if self._sign in number else ""
        points = [one for one in number if one in ".,"]
        if len(set(points)) == 2:
            return points[-1]
        if not points or len(points) > 1:
            return ""  # all of them group
        before, _, after = number.partition(points[0])
        groups = len(after) == 3 and before.lstrip("0") == before != "" and len(before) <= 3
        if not groups:
            return points[0]
        if exponent:
            raise self._refusal(f"may mean {before}{after} or {before}.{after}. Write it with all decimals")
        return ""

    def _check_groups(self, before: str) -> None:
        marks = {one for one in before if not one.isdigit()}
        if not marks:
            return
        parts = re.split(r"[^\d]", before)
        thirds = 1 <= len(parts[0]) <= 3 and all(len(part) == 3 for part in parts[1:])
        if len(marks) > 1 or not (thirds or (marks == {","} and _INDIAN.fullmatch(before))):
            raise self._refusal("has digits in groups that nobody writes; leave the signs between them out")

    def _refusal(self, why: str) -> BadMoney:
        return BadMoney(f"{self._text.strip()!r} {why}.")


def _plain(text: str) -> str:
    """With one kind of blank, dash and apostrophe, and with the digits of ASCII."""
    one_kind = text.translate(_DASHES).translate(_QUOTES)
    wide = unicodedata.normalize("NFC", one_kind)
    digits = "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in wide)
    return " ".join(digits.replace("\uffe5", "¥").replace("\uff04", "$").split())
