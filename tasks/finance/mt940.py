"""SWIFT MT940 and MT942, with what German, Dutch and Polish banks make of the free text in field 86.

Own code instead of mt-940, which keeps a file in memory as one text and fails at the first line that is not as its
expressions want it; its test data is among what this was tried on.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from llmcoder.money import exponent_of
from tasks.finance.amounts import amount
from tasks.finance.statement import (
    BadStatement,
    Balance,
    Counter,
    Given,
    Row,
    Statement,
    day,
    in_one_line,
    short,
    shown,
)

_FIELD = re.compile(r"^:(\d{2}[A-Z]?|NS):", re.ASCII)
#: Of SWIFT's envelope: what stands before and behind the text block.
_ENVELOPE = re.compile(r"\{[1-35]:[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|\{4:|-\}|^-$")
_LINE_61 = re.compile(
    r"(?P<value>\d{6})(?P<entry>\d{4})?\s?(?P<mark>R?[CD]|E[CD])(?P<funds>[A-Z])?\s*(?P<amount>\d[\d.,' ]*)"
    r"(?P<kind>[NFSnfs][A-Za-z0-9 ]{3})?(?P<reference>.*)",
    re.ASCII,
)
_BALANCE = re.compile(r"(?P<mark>R?[CD])(?P<day>\d{6})\s?(?P<currency>[A-Z]{3})?\s*(?P<amount>\d[\d.,' ]*)", re.ASCII)
_FLOOR = re.compile(r"([A-Z]{3})[CD]?\d", re.ASCII)
_CODED = re.compile(r"\d{3}(?P<sign>[^\w\s/])\d{2}", re.ASCII)
_SEPA = re.compile(r"(EREF|KREF|MREF|CRED|DEBT|SVWZ|ABWA|ABWE|IBAN|BIC|PURP|COAM|OAMT|ANAM)\+")
_SLASHED = re.compile(
    r"/(NAME|REMI|CNTP|ORDP|BENM|EREF|TRTP|IBAN|BIC|MARF|CSID|ISDT|PURP|RTRN|PREF|SVCL|ID|TRCD|NRTX)/"
)
_ENDS_WITH_CURRENCY = re.compile(r"(?<=\d)\s?[A-Z]{3}$")
LONGEST_FIELD = 20_000
#: So many characters a subfield of the purpose or the name has at most.
FULL_SUBFIELD = 27


def read(lines: Iterable[str], given: Given) -> list[Statement]:
    """The statements of a file, each page by itself.

    Raises:
        BadStatement: A line is not what the standard and the known dialects have.
    """
    made: list[_Draft] = []
    counter = Counter()
    for number, name, value in _fields(lines):
        if name == "20" or not made or (name == "25" and made[-1].number is not None and made[-1].is_begun):
            made.append(_Draft())
        if name == "61":
            counter.add()
        made[-1].take(number, name, value)
    whole = [draft for draft in made if draft.is_begun]
    if not whole:
        raise BadStatement("The file is MT940, but has no statement of an account in it.")
    return [draft.statement(given) for draft in whole]


def _fields(lines: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """The fields in order: the line where one begins, its name, its lines."""
    number, name, values, size = 0, "", [""], 0
    for at, raw in enumerate(lines, 1):
        line = _ENVELOPE.sub("", raw) if raw[:1] in ("{", "-") or "-}" in raw else raw
        if begun := _FIELD.match(line):
            if name:
                yield number, name, "\n".join(values)
            number, name, values, size = at, begun[1], [line[begun.end() :]], 0
        elif name and line.strip():
            size += len(line)
            if size > LONGEST_FIELD:
                raise BadStatement(f"Line {at}: the field :{name}: goes on for more than {LONGEST_FIELD:,} characters.")
            values.append(line)
    if name:
        yield number, name, "\n".join(values)


class _Draft:
    """One message, whose currency may come after its first lines."""

    def __init__(self) -> None:
        self.number: str | None = None
        self.opening: re.Match[str] | None = None
        self.closing: re.Match[str] | None = None
        self.is_first = self.is_last = True
        self.floor: str | None = None
        self.lines: list[tuple[int, str, list[str]]] = []
        self._last = ""

    @property
    def is_begun(self) -> bool:
        return bool(self.number or self.opening or self.lines)

    def take(self, number: int, name: str, value: str) -> None:
        if name in ("25", "25P"):
            self.number = value.split("\n")[0].strip()
        elif name in ("60F", "60M", "62F", "62M"):
            self._balance(number, name, value)
        elif name == "34F" and self.floor is None and (found := _FLOOR.match(value.strip())):
            self.floor = found[1]
        elif name == "61":
            self.lines.append((number, value, []))
        elif name in ("86", "NS") and self._last == "61" and self.lines:
            self.lines[-1][2].append(value if name == "86" else f"NS{value}")
        if name not in ("86", "NS"):
            self._last = name

    def _balance(self, number: int, name: str, value: str) -> None:
        found = _BALANCE.match(value.strip())
        if found is None:
            raise BadStatement(f"Line {number}: {shown(value)} is no balance of MT940, such as C240131EUR1234,56.")
        if name.startswith("60"):
            self.opening, self.is_first = found, name == "60F"
        else:
            self.closing, self.is_last = found, name == "62F"

    def statement(self, given: Given) -> Statement:
        balances = [one["currency"] for one in (self.opening, self.closing) if one is not None and one["currency"]]
        currency = next(iter(balances), None) or self.floor or given.currency
        if currency is None:
            raise BadStatement("The statement has no balance that names its currency. Say it in `currency`.")
        exponent_of(currency)
        number = _ENDS_WITH_CURRENCY.sub("", self.number) if self.number else None
        rows = [_row(at, line, texts, currency) for at, line, texts in self.lines]
        opening, closing = _of(self.opening, currency), _of(self.closing, currency)
        return Statement(number, currency, opening=opening, closing=closing, rows=rows)


def _of(found: re.Match[str] | None, currency: str) -> Balance | None:
    if found is None:
        return None
    money = amount(found["amount"], found["currency"] or currency, _decimal(found["amount"]), "a balance")
    return Balance(-money if found["mark"].endswith("D") else money, _short_date(found["day"], "a balance"))


def _decimal(text: str) -> str:
    """The standard has the comma; some write a point, and then no comma."""
    return "." if "." in text and "," not in text else ","


def _short_date(text: str, place: str) -> date:
    year = int(text[:2])
    return day(2000 + year if year < 80 else 1900 + year, int(text[2:4]), int(text[4:6]), place)


def _row(number: int, value: str, texts: list[str], currency: str) -> Row:
    first, _, supplement = value.partition("\n")
    place = f"line {number}"
    found = _LINE_61.match(first.strip())
    if found is None and supplement:  # some break the line in the middle
        first, _, supplement = value.replace("\n", "", 1).partition("\n")
        found = _LINE_61.match(first.strip())
    if found is None:
        raise BadStatement(f"{place}: {shown(first)} is no line of MT940, such as 2401310131D12,50NMSCNONREF.")
    money = amount(found["amount"].strip(), currency, _decimal(found["amount"]), place)
    mark = found["mark"]
    negative = mark in ("D", "ED", "RC")  # what reverses a credit takes money away
    value_on = _value_date(found["value"], place)
    own, _, banks = found["reference"].partition("//")
    payee, text = _told("\n".join(texts))
    reference = own.strip() if own.strip().upper() not in ("", "NONREF") else ""
    said = in_one_line(payee, text) or in_one_line(supplement, reference, found["kind"]) or "?"
    return Row(
        booked_on=_entry_date(found["entry"], value_on, place), value_on=value_on, payee=short(payee), text=said,
        amount=-money if negative else money, pending=mark in ("EC", "ED"), place=place,
        provider_id=short(banks.strip() or reference or None, 255),
    )  # fmt: skip


def _value_date(text: str, place: str) -> date:
    """Where each month has 30 days for interest, banks do write the 30th of February: its last day."""
    if text[2:] in ("0230", "0229"):
        last = calendar.monthrange(2000 + int(text[:2]), 2)[1]
        return _short_date(f"{text[:4]}{min(int(text[4:]), last)}", place)
    return _short_date(text, place)


def _entry_date(text: str | None, value_on: date, place: str) -> date:
    """The day of booking has no year: it is the one nearest to the value date."""
    if text is None or text == "0000":
        return value_on
    found = []
    for year in (value_on.year - 1, value_on.year, value_on.year + 1):
        try:
            found.append(date(year, int(text[:2]), int(text[2:])))
        except ValueError:
            continue
    if not found:
        raise BadStatement(f"{place}: there is no day {text[2:]}.{text[:2]}.")
    nearest = min(found, key=lambda one: abs(one - value_on))
    return nearest if abs(nearest - value_on) < timedelta(days=180) else value_on


def _told(text: str) -> tuple[str | None, str]:
    """The other side, and what it is for."""
    if text.startswith("NS"):
        return _numbered(text[2:])
    if coded := _CODED.match(text):
        return _german(text.replace("\n", ""), coded["sign"])
    joined = text.replace("\n", "")
    if len(_SLASHED.findall(joined)) >= 1 and joined.lstrip().startswith("/"):
        return _dutch(joined)
    return None, in_one_line(text)


def _german(text: str, sign: str) -> tuple[str | None, str]:
    """Subfields of two digits: 20 to 29 and 60 to 63 the purpose, 32 and 33 the name, 00 the kind."""
    fields = {piece[:2]: piece[2:] for piece in text[3:].split(sign) if piece[:2].isdigit()}
    purpose = _put_together(fields, (*range(20, 30), *range(60, 64)))
    name = _put_together(fields, (32, 33)).strip() or None
    parts = _SEPA.split(purpose)
    named = dict(zip(parts[1::2], parts[2::2], strict=False))
    return name, in_one_line(
        named.get("SVWZ") or purpose if "SVWZ" in named else purpose, None if purpose else fields.get("00")
    )


def _put_together(fields: dict[str, str], keys: Iterable[int]) -> str:
    """Subfields in a row: one that is full goes on in the next within a word, a shorter one ends with its own."""
    made = ""
    for key in keys:
        piece = fields.get(str(key), "")
        made += piece if len(piece.rstrip()) >= FULL_SUBFIELD or not piece else f"{piece} "
    return made


def _numbered(text: str) -> tuple[str | None, str]:
    """Lines of two digits: 01 to 14 the purpose, 15 and 16 the name, 17 the kind."""
    fields = {line[:2]: line[2:].strip() for line in text.split("\n")}
    purpose = " ".join(fields.get(f"{key:02}", "") for key in range(1, 15))
    return f"{fields.get('15', '')} {fields.get('16', '')}".strip() or None, in_one_line(purpose or fields.get("17"))


def _dutch(text: str) -> tuple[str | None, str]:
    """Words between slashes: /NAME/ and /REMI/, or /CNTP/account/bank/name/ and /REMI/USTD//text/."""
    parts = _SLASHED.split(text)
    named = dict(zip(parts[1::2], parts[2::2], strict=False))
    name = named.get("NAME")
    if name is None and "CNTP" in named:
        other_side = named["CNTP"].split("/")
        name = other_side[2] if len(other_side) > 2 else None
    remittance = named.get("REMI", "").removeprefix("USTD//").removeprefix("STRD/CUR/").strip("/")
    return (name or "").strip("/ ") or None, in_one_line(remittance or (None if name else text))
