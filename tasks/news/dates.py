"""Instants out of whatever feeds write for dates. Pure.

What has a form of its own is read here: the mail format in several languages, and dates of figures, the year first or
the day before dots. Of the rest feedparser reads what it knows, and gives naive UTC; then come seconds since 1970, and
`dateutil`.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from time import struct_time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil import parser
from dateutil.tz import tzoffset

LONGEST_CHARS = 100
#: Nobody published on the web before; what says so is a date that was never set.
FIRST_YEAR, LAST_YEAR = 1970, 2200
_EPOCH = re.compile(r"\d{9,10}(?:\.\d+)?|\d{12,13}")
# What stands between a day and its time, the time with its half of the day, and whatever follows.
_TIME = (
    r"(?:[\sT,]+(?:-\s|\u2013\s|\u00e0\s|at\s|um\s|kl\.?\s)?(?P<hour>\d{1,2})[:.](?P<minute>\d{2})"
    r"(?:[:.](?P<second>\d{2})(?:[.,]\d+)?)?:?(?:\s?(?P<half>[ap])\.?m\b\.?)?(?:\sUhr)?)?\s*(?P<zone>\S.{0,60})?"
)
_RFC_822 = re.compile(
    r"(?:[^\W\d_]{2,12}\.?,?\s+)?(?P<day>\d{1,2})\.?(?:\s+de)?[\s-]+(?P<month>[^\W\d_]{3,12})\.?,?(?:\s+de)?[\s-]+"
    rf"(?P<year>\d{{4}}|\d{{2}})\b{_TIME}",
    re.IGNORECASE,
)
_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})(?:[-/\u5e74]|\.\s?)(?P<month>\d{1,2})(?:[-/\u6708]|\.\s?)(?P<day>\d{1,2})(?!\d)[\u65e5.]?"
    rf"(?:\s?\([^()]{{1,3}}\))?{_TIME}",
    re.IGNORECASE,
)
_DOTTED = re.compile(
    r"(?:[^\W\d_]{2,12}\.?,?\s+)?(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})" + _TIME, re.IGNORECASE
)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})?(?!\d)")
_NO_YEAR = re.compile(r"(?<![\d:.+])-?000\d\b(?!:)")
_CLOCK = re.compile(r"\d{1,2}:[\d:.]+(?: ?[a-z]{1,5})?", re.IGNORECASE)  # it would be one of today
_OFFSET = re.compile(r"(?:GMT|UTC|UT|Z)?\s*([+-])(\d{1,2}):?(\d{2})?(?:\s*[(\[].*|Z)?", re.IGNORECASE)
_PLACE = re.compile(r"\[?([A-Z][A-Za-z_]+/[A-Z][A-Za-z_/-]+)\]?")
#: Signs of a Japanese clock.
_CLOCK_SIGNS = {"時": ":", "分": ":", "秒": ""}
#: Of names of zones that feeds use; where two places share one, the one that feeds mean.
_ZONES = {
    "UT": 0, "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 1, "BST": 1, "IST": 5.5, "CET": 1, "MEZ": 1, "CEST": 2,
    "MESZ": 2, "EET": 2, "EEST": 3, "MSK": 3, "SAST": 2,  "NZST": 12, "NZDT": 13, "AEST": 10, "AEDT": 11, "ACST": 9.5,
    "AWST": 8, "JST": 9, "KST": 9, "HKT": 8, "SGT": 8, "PHT": 8, "ICT": 7, "WIB": 7, "PKT": 5, "NPT": 5.75, "BRT": -3,
    "ART": -3, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "AST": -4,
    "ADT": -3, "NST": -3.5, "NDT": -2.5, "AKST": -9, "AKDT": -8, "HST": -10, "ET": -5, "CT": -6, "MT": -7, "PT": -8,
    "MET": 1, "MEST": 2,
}  # fmt: skip
_MONTHS_TEXT = """
    jan january januar janvier janv enero ene gennaio gen janeiro januari stycznia ledna января янв
    feb february februar février févr fevrier febrero febbraio fevereiro fev februari lutego února февраля фев
    mar march märz mär maerz mars marzo março maart mrt marca března марта мар mars
    apr april avril avr abril abr aprile kwietnia dubna апреля апр
    may mai mayo maggio mag maio mei maj maja května мая май
    jun june juni juin junio giugno giu junho czerwca června июня июн
    jul july juli juillet juil julio luglio lug julho lipca července июля июл
    aug august août aout agosto ago augustus augusti sierpnia srpna августа авг
    sep sept september septembre septiembre settembre set setembro września září сентября сен
    oct october oktober okt octobre octubre ottobre ott outubro out października října октября окт
    nov november novembre noviembre novembro listopada ноября ноя
    dec december dezember dez des desember décembre déc diciembre dic dicembre dezembro grudnia prosince декабря дек
"""
_MONTHS = {name: number for number, line in enumerate(_MONTHS_TEXT.strip().splitlines(), 1) for name in line.split()}
_FINNISH = ("tammi", "helmi", "maalis", "huhti", "touko", "kesä", "heinä", "elo", "syys", "loka", "marras", "joulu")
_MONTHS |= {"decembre": 12} | {f"{name}kuuta": number for number, name in enumerate(_FINNISH, 1)}


def instant_of(text: str, parsed: struct_time | None = None) -> datetime | None:
    """An aware instant; None where there is none, or where the calendar has no such day.

    Args:
        text: As the feed has it.
        parsed: What feedparser made of it.
    """
    text = " ".join(text[:LONGEST_CHARS].split())
    for sign, plain in _CLOCK_SIGNS.items():
        text = text.replace(sign, plain)
    try:
        if _NO_YEAR.search(text):
            return None
        for form in (_RFC_822, _YEAR_FIRST, _DOTTED):
            if (found := form.fullmatch(text)) is not None and (month := _month(found["month"])) is not None:
                # feedparser takes zones like CET and BST for UTC, and month 13 for the next January.
                return _of_parts(found, month)
        if (compact := _COMPACT.match(text)) is not None:
            clock = (int(part or 0) for part in compact.groups())
            return _plausible(datetime(*clock, tzinfo=_zone(text[compact.end() :]) or UTC).astimezone(UTC))  # type: ignore[arg-type,misc]
        return None if _CLOCK.fullmatch(text) else _of_struct(parsed) or _of_text(text)
    except (ValueError, OverflowError, OSError):
        return None


def _month(text: str) -> int | None:
    return int(text) if text.isdigit() else _MONTHS.get(text.lower())


def _of_parts(found: re.Match[str], month: int) -> datetime | None:
    year = int(found["year"])
    year += (2000 if year < 69 else 1900) if year < 100 else 0
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    if found["half"] and 1 <= hour <= 12:
        hour = hour % 12 + (12 if found["half"].lower() == "p" else 0)
    if hour > 24 or minute > 59 or second > 60:
        return None
    day = datetime(year, month, int(found["day"]), tzinfo=_zone(found["zone"] or "") or UTC)
    # A day may begin with hour 24 of the one before; a leap second is the one before it.
    clock = timedelta(hours=hour, minutes=minute, seconds=min(second, 59))
    return _plausible((day.replace(tzinfo=None) + clock).replace(tzinfo=day.tzinfo).astimezone(UTC))


def _of_struct(parsed: struct_time | None) -> datetime | None:
    """Of what feedparser read, which is UTC and does not say so."""
    if parsed is None:
        return None
    try:
        return _plausible(datetime(*parsed[:6], tzinfo=UTC))
    except (ValueError, OverflowError, TypeError):
        return _carried(parsed)


def _of_text(text: str) -> datetime | None:
    if not any(char.isdigit() for char in text):
        return None
    return _of_epoch(text) or _by_dateutil(text)


def _carried(parsed: struct_time) -> datetime | None:
    """A leap second, or a day that begins with hour 24."""
    try:
        year, month, day, hour, minute, second = parsed[:6]
        if not (hour <= 24 and minute <= 60 and second <= 61):
            return None
        start = datetime(year, month, day, tzinfo=UTC)
        return _plausible(start + timedelta(hours=hour, minutes=minute, seconds=second))
    except (ValueError, OverflowError, TypeError):
        return None


def _of_epoch(text: str) -> datetime | None:
    if not _EPOCH.fullmatch(text):
        return None
    seconds = float(text)
    return _plausible(datetime.fromtimestamp(seconds / 1000 if seconds > 1e11 else seconds, UTC))


def _zone(text: str) -> tzinfo | None:
    if not text:
        return UTC
    if (offset := _OFFSET.fullmatch(text)) is not None:
        minutes = int(offset[2]) * 60 + int(offset[3] or 0)
        return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    if (place := _PLACE.fullmatch(text)) is not None:
        with suppress(ZoneInfoNotFoundError):
            return ZoneInfo(place[1])
    hours = _ZONES.get(text.split()[0].strip("()").upper())
    return None if hours is None else timezone(timedelta(hours=hours))


def _by_dateutil(text: str) -> datetime | None:
    def zone(name: str | None, offset_s: int | None) -> tzoffset:
        return tzoffset(name, int(_ZONES.get((name or "").upper(), 0) * 3600) if offset_s is None else offset_s)

    # What a text leaves out would be taken from today: a date that has no year, month or day in it is none.
    first = parser.parse(text, default=datetime(2000, 1, 1), tzinfos=zone)  # noqa: DTZ001  to compare
    other = parser.parse(text, default=datetime(2001, 2, 2), tzinfos=zone)  # noqa: DTZ001
    if first.date() != other.date():
        return None
    return _plausible((first if first.tzinfo else first.replace(tzinfo=UTC)).astimezone(UTC))


def _plausible(at: datetime) -> datetime | None:
    return at if FIRST_YEAR <= at.year <= LAST_YEAR and at.timestamp() > 0 else None
