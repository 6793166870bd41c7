"""Dates as banks write them. The order of day and month is seen in all of a file, and asked for where it cannot be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache

from tasks.finance.statement import EARLIEST, LATEST, BadStatement, Unclear, shown

_TIME = r"(?:[T ,]+\d{1,2}[:.]\d{2}.*)?"
_NUMBERS = re.compile(rf"(\d{{1,4}})\s*([./\-' ])\s*(\d{{1,2}})\s*([./\-' ])\s*(\d{{1,4}})\.?{_TIME}", re.ASCII)
_SOLID = re.compile(r"(\d{4})(\d{2})(\d{2})(?:\d{6})?", re.ASCII)
_DAY_NAME_YEAR = re.compile(rf"(\d{{1,2}})[. \-/]*([^\W\d_]{{3,12}})\.?[. ,\-/]*'?(\d{{2,4}}){_TIME}")
_NAME_DAY_YEAR = re.compile(rf"([^\W\d_]{{3,12}})\.?[ \-]*(\d{{1,2}}),?[ \-]+'?(\d{{2,4}}){_TIME}")
_WEEKDAY = re.compile(r"^[^\W\d_]{2,10}\.?,?\s+(?=\d)")
#: First letters of the months in the languages of those who send such files; what is longer must begin so.
_MONTHS = (
    ("jan", "gen", "ene", "sty", "led", "tam", "janv"), ("feb", "fev", "fév", "lut", "úno", "hel", "févr"),
    ("mar", "mär", "mrt", "maa", "maj_", "mrz", "bře", "mars"), ("apr", "avr", "abr", "kwi", "dub", "huh"),
    ("may", "mai", "mag", "mei", "maj", "toukok", "kvě"), ("jun", "juin", "giu", "cze", "červen", "kesäk"),
    ("jul", "juil", "lug", "lip", "červenec", "heinä"), ("aug", "aoû", "aou", "ago", "sie", "srp", "elo"),
    ("sep", "set", "wrz", "zář", "syys"), ("oct", "okt", "ott", "out", "paź", "paz", "říj", "loka"),
    ("nov", "lis", "marras"), ("dec", "dez", "déc", "dic", "gru", "pro", "joulu"),
)  # fmt: skip
#: Of a year in two digits: so many years ahead of today are this century.
_YEARS_AHEAD = 10


def _month(name: str) -> int | None:
    folded = name.casefold()
    found = [
        (len(start), number) for number, starts in enumerate(_MONTHS, 1) for start in starts if folded.startswith(start)
    ]
    return max(found)[1] if found else None


def _year(digits: str, this_year: int) -> int:
    if len(digits) > 2:
        return int(digits)
    year = this_year // 100 * 100 + int(digits)
    return year if year <= this_year + _YEARS_AHEAD else year - 100


def _made(year: int, month: int, of_month: int) -> date | None:
    try:
        return date(year, month, of_month)
    except ValueError:
        return None


@lru_cache(8192)
def readings(text: str, this_year: int) -> dict[str, date | None] | None:
    """What a text means in each order that fits its shape; None where it is no date, a None for no such day."""
    text = _WEEKDAY.sub("", text.strip())
    if solid := _SOLID.fullmatch(text):
        return _solid(solid)
    if found := _NUMBERS.fullmatch(text):
        return _of_numbers(found, this_year)
    if named := _DAY_NAME_YEAR.fullmatch(text):
        of_month, name, year = named.groups()
    elif named := _NAME_DAY_YEAR.fullmatch(text):
        name, of_month, year = named.groups()
    else:
        return None
    month = _month(name)
    return None if month is None else {"named": _made(_year(year, this_year), month, int(of_month))}


def _solid(found: re.Match[str]) -> dict[str, date | None]:
    year, month, of_month = found.groups()
    if int(year) > LATEST.year or int(year) < EARLIEST.year:  # 31012024
        return {"dmy": _made(int(month + of_month), int(year[2:]), int(year[:2])),
                "mdy": _made(int(month + of_month), int(year[:2]), int(year[2:]))}  # fmt: skip
    return {"ymd": _made(int(year), int(month), int(of_month))}


def _of_numbers(found: re.Match[str], this_year: int) -> dict[str, date | None] | None:
    first, sign, second, last_sign, third = found.groups()
    if len(first) >= 3:
        return {"ymd": _made(int(first), int(second), int(third))} if len(third) <= 2 else None
    if len(third) == 3:
        return None
    year = 2000 + int(third) if last_sign == "'" and len(third) <= 2 else _year(third.zfill(2), this_year)
    as_dmy = _made(year, int(second), int(first))
    if sign == "." and last_sign == ".":  # with points, nobody begins with the month
        return {"dmy": as_dmy}
    read = {"dmy": as_dmy, "mdy": _made(year, int(first), int(second))}
    if len(third) <= 2 and len(first) == 2 and sign == "-":
        return {**read, "ymd": _made(_year(first, this_year), int(second), int(third))}
    return read


def order_of(texts: Iterable[str], today: date) -> str | None:
    """The order in which all of these dates are days; None where that changes nothing.

    Raises:
        Unclear: Two orders give other days, and both are possible.
    """
    possible: dict[str, tuple[str, ...]] = {}
    example = ""
    orders: set[str] | None = None
    for text in texts:
        read = readings(text, today.year)
        if read is None or set(read) <= {"named"} or len(read) == 1:
            continue
        fitting = {order for order, found in read.items() if found is not None}
        if not fitting:
            continue  # no day in any order; whoever reads it says so
        orders = fitting if orders is None else orders & fitting
        if len({read[order] for order in fitting}) > 1 and not example:
            example = text
        possible[text] = tuple(sorted(fitting))
    if orders is None:
        return None
    if not orders:
        raise BadStatement("Its dates are written in two orders of day and month; no order fits all of them.")
    return _decided(possible, orders, today, example)


def _decided(possible: dict[str, tuple[str, ...]], orders: set[str], today: date, example: str) -> str:
    """The order that is left; the usual ones count before a year of two digits that comes first."""
    usual = orders - {"ymd"} or orders
    meanings = {order: [(readings(text, today.year) or {})[order] for text in possible] for order in usual}
    if len(usual) == 1 or len({tuple(map(str, days)) for days in meanings.values()}) == 1:
        return sorted(usual)[0]
    read = readings(example, today.year) or {}
    both = " or ".join(str(read[order]) for order in sorted(usual) if read.get(order))
    raise Unclear(
        f"The date {shown(example)} may be {both}, and no other date in the file tells which. Say in"
        " `layout.date_order` whether the day (dmy) or the month (mdy) comes first.",
        "layout.date_order", tuple(sorted(usual)),
    )  # fmt: skip


def day_of(text: str, order: str | None, today: date, place: str) -> date:
    """The day that a text means.

    Raises:
        BadStatement: It is no date, no day, or none on which a bank has booked anything.
    """
    read = readings(text, today.year)
    if read is None:
        raise BadStatement(f"{place}: {shown(text)} is no date.")
    found = next(iter(read.values())) if len(read) == 1 else read.get(order or "", next(iter(read.values())))
    if found is None:
        raise BadStatement(f"{place}: there is no day {shown(text)}.")
    if not EARLIEST <= found <= min(LATEST, today + timedelta(days=400)):
        raise BadStatement(f"{place}: {found} is no day on which a bank has booked anything.")
    return found
