"""When a mail was sent, as its Date header says it: in RFC 5322's form or any that programs write in its stead. Pure.

What can be read in two ways (1/12/2025) is not read.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

from llmcoder.zones import zone_of

LONGEST_CHARS = 300

#: The first letters that tell a month from the others, of languages whose programs write their own; without accents.
_MONTH_WORDS = (
    "jan ene gen sty led tam oca янв січ ιαν",
    "feb fev lut uno sub hel фев лют φεβ",
    "mar mrt bre maa мар бер μαρ",
    "apr abr avr kwi dub nis huh апр кві απρ",
    "may mai mag maj mei kve tou май мая тра μαι",
    "jun giu juin cze cer haz kes июн чер ιουν",
    "jul lug juil lip cervence cervenec tem hei июл лип ιουλ",
    "aug ago aou sie srp agu elo авг сер αυγ",
    "sep set szep wrz zar eyl syy сен вер σεπ",
    "oct okt ott out paz rij eki lok окт жов οκτ",
    "nov lis kas marras ноя лис νοε",
    "dec dez dic des gru pro ara jou дек гру δεκ",
)


def _without_accents(word: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFD", word.lower()) if not unicodedata.combining(one))


_MONTHS = {_without_accents(word): number for number, words in enumerate(_MONTH_WORDS, 1) for word in words.split()}

_COLONS = re.compile(
    r"(?<![\d:.])(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?(?:[.,]\d{1,9})?(?: ?([AP])\.?M\b\.?)?", re.IGNORECASE
)
_POINTS = re.compile(r"(?<![\d:.])(\d{1,2})\.(\d{2})(?:\.(\d{2}))?(?![\d.])(?: ?([AP])\.?M\b\.?)?", re.IGNORECASE)
_COMPACT = re.compile(r"\b(\d{4})(\d\d)(\d\d)T?(\d\d)(\d\d)(\d\d)(?!\d)")
_ISO = re.compile(r"(?<!\d)(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})(?!\d)")
_WORD = r"([^\W\d_]{3,12})\.?"
_DAY_FIRST = re.compile(
    rf"(?<!\d)(\d{{1,2}})(?:st|nd|rd|th|\.|º)?[ .,/-]{{1,3}}(?:de |of )?{_WORD}[ .,/-]{{1,3}}(?:de )?(\d{{2,4}})(?!\d)"
)
_MONTH_FIRST = re.compile(rf"{_WORD}[ .-]{{1,3}}(\d{{1,2}})(?:st|nd|rd|th)?(?=[ ,]|$)(?:[ ,]{{1,3}}(\d{{4}})(?!\d))?")
_NUMBERS = re.compile(r"(?<!\d)(\d{1,2})([ .])(\d{1,2})\2(\d{4})(?!\d)")
_YEAR = re.compile(r"(?<![\d+-])(\d{4})(?!\d)")
_OFFSET = re.compile(r"(?:GMT|UTC|UT|Z)? ?([+-]) ?(\d{1,2}):?(\d{2})?(?![\d:])", re.IGNORECASE)
_NAME = re.compile(r"[A-Z]{1,5}(?![a-zA-Z])")
_REGION = re.compile(r"[A-Z][A-Za-z_]+/[A-Z][A-Za-z_/]+")
#: Those that mean one thing, or nearly always one.
_ZONES = {
    "GMT": 0, "UTC": 0, "UT": 0, "Z": 0, "WET": 0, "WEST": 60, "BST": 60, "CET": 60, "MET": 60, "MEZ": 60, "CEST": 120,
    "MEST": 120, "MESZ": 120, "EET": 120, "SAST": 120, "EEST": 180, "MSK": 180, "IST": 330, "HKT": 480, "SGT": 480,
    "AWST": 480, "JST": 540, "KST": 540, "ACST": 570, "AEST": 600, "AEDT": 660, "NZST": 720, "NZDT": 780, "BRT": -180,
    "AKST": -540, "AKDT": -480, "HST": -600, "EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420,
    "MDT": -360, "PST": -480, "PDT": -420, "AST": -240, "ADT": -180,
}  # fmt: skip


def date_of(value: str) -> datetime | None:
    """When a mail was sent; None where that cannot be read. Without a zone it is UTC."""
    text = " ".join(value[:LONGEST_CHARS].replace("\u2212", "-").split())
    try:
        found = _read(text) or parsedate_to_datetime(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _read(text: str) -> datetime | None:
    if compact := _COMPACT.search(text):
        year, month, date, hour, minute, second = map(int, compact.groups())
        return datetime(year, month, date, hour, minute, second, tzinfo=_zone(text[compact.end() :]))
    text = re.sub(r"(?<=\d)T(?=\d)", " ", text)
    time = _COLONS.search(text) or _POINTS.search(text)
    if time is None:
        return None
    before, after = text[: time.start()], text[time.end() :]
    day = _day(before, after)
    if day is None:
        return None
    hour, minute, second = int(time[1]), int(time[2]), int(time[3] or 0)
    if time[4]:
        hour = hour % 12 + (12 if time[4].upper() == "P" else 0)
    # 24:00 is the next day's first moment, and a minute may have a 61st second
    later = timedelta(days=int(hour == 24), minutes=int(second == 60))
    hour, second = (0 if hour == 24 else hour), (0 if second == 60 else second)
    return datetime(*day, hour, minute, second, tzinfo=_zone(after)) + later


def _day(before: str, after: str) -> tuple[int, int, int] | None:
    """Year, month and day: before the time, or as Unix writes them, with the year behind it."""
    if found := _ISO.search(before):
        return int(found[1]), int(found[2]), int(found[3])
    if (found := _DAY_FIRST.search(before)) and (month := _month(found[2])):
        return _year(found[3]), month, int(found[1])
    for found in _MONTH_FIRST.finditer(before):
        year = found[3] or ((later := _YEAR.search(after)) and later[1])
        if year and (month := _month(found[1])):
            return int(year), month, int(found[2])
    if found := _NUMBERS.search(before):
        return int(found[4]), int(found[3]), int(found[1])
    return None


def _year(digits: str) -> int:
    """Of two figures as RFC 5322 reads them (4.3); of three what programs wrote that counted from 1900."""
    year = int(digits)
    if len(digits) == 4:
        return year
    return year + (1900 if year >= 50 or len(digits) == 3 else 2000)


def _month(word: str) -> int | None:
    """The month of a word; the longest beginning that is known tells."""
    plain = _without_accents(word)
    return next((_MONTHS[plain[:size]] for size in range(min(len(plain), 8), 2, -1) if plain[:size] in _MONTHS), None)


def _zone(text: str) -> tzinfo:
    """By the offset, wherever it stands behind the time, else by the first name that is known, else UTC."""
    bare = re.sub(r"\([^()]*\)", " ", text)
    if found := _OFFSET.search(bare):
        hours, minutes = int(found[2]), int(found[3] or 0)
        minutes += 60 * hours
        return timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes))
    if (found := _REGION.search(bare)) and (zone := _region(found[0])):
        return zone
    names = (name[0] for name in _NAME.finditer(text))
    known = next((_ZONES[name] for name in names if name in _ZONES), None)
    return UTC if known is None else timezone(timedelta(minutes=known))


def _region(name: str) -> ZoneInfo | None:
    try:
        return zone_of(name)
    except ValueError:
        return None
