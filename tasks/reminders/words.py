"""What people say about time, such as "tomorrow 9am" or "every weekday at 18:00", on the clock of their zone. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from llmcoder.errors import BadInput
from llmcoder.instants import on_every_clock

EXAMPLES = "tomorrow 9am, in 20 minutes, friday 17:00, 24 dec 18:00, every weekday at 18:00, every monday and friday"
#: When something is meant whose words say the day and no time.
MORNING = (9, 0)
DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_TIME = r"(?:at\s+)?(?P<hour>\d{1,2})(?:[:.](?P<minute>\d\d))?\s*(?P<half>am|pm|a\.m\.|p\.m\.|o'clock)?"
_AT = re.compile(rf"(?:{_TIME}|(?:at\s+)?(?P<word>noon|midnight))$")
_EVERY = re.compile(r"(?:every|each)\s+(?P<what>.+)$|(?P<daily>daily|weekly|hourly)(?P<rest>.*)$")
_STEP = re.compile(r"(?:(?P<number>\d{1,2})\s+)?(?P<unit>minute|hour)s?$")
_MONTHLY = re.compile(r"month\s+on\s+the\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?\b(?P<rest>.*)$")
_SPAN = re.compile(r"in (?P<number>an?|\d{1,4}) (?P<unit>second|minute|min|hour)s?")
#: Which dateparser does not read as a time of day.
_BARE_HOUR = re.compile(r"\bat (\d{1,2})(?!\d|\s*[:.]\s*\d|\s*(?:am|pm|a\.m|p\.m|o'clock))")
_DAY = re.compile(rf"(?:,|and|\s)*({'|'.join(f'{day}s?|{day[:3]}' for day in DAYS)})\b(.*)$")
#: Words that say a time of day; without them a day means its morning.
_HAS_TIME = re.compile(
    r"\d\s*[:.]\s*\d\d|\d\s*(am|pm|a\.m|p\.m|o'clock|h\b)|noon|midnight|tonight|hour|minute|second|\bmin\b|\bat\s+\d"
)


@dataclass(frozen=True)
class Understood:
    """What was meant; exactly one of the two.

    Attributes:
        at: Once, in UTC.
        cron: Again and again, on the clock of the zone.
    """

    at: datetime | None = None
    cron: str | None = None


def understand(words: str, zone: ZoneInfo, now: datetime) -> Understood:
    """What somebody means by words about time.

    Raises:
        BadInput: It cannot be understood, or lies in the past.
    """
    text = " ".join(words.lower().split())
    every = _EVERY.match(text)
    if every is not None:
        return Understood(cron=_recurring(every, words))
    try:
        return Understood(at=on_every_clock(_instant(text, words, zone, now)))
    except (OverflowError, ValueError):  # also of dateparser's own reckoning
        raise BadInput(f"{words!r} lies beyond the years that there are.") from None


def _instant(text: str, words: str, zone: ZoneInfo, now: datetime) -> datetime:
    import dateparser

    if not re.search(r"[a-z]|\d[:.\-/]\d", text):
        raise _puzzled(words)
    if (span := _SPAN.fullmatch(text)) is not None:  # on no clock, so that none that is moved matters
        return (now + _length(span)).astimezone(UTC)
    text = _BARE_HOUR.sub(r"at \1:00", text)
    local = now.astimezone(zone)
    found: datetime | None = dateparser.parse(
        text,
        languages=["en"],
        settings={
            "TIMEZONE": zone.key,
            "RETURN_AS_TIMEZONE_AWARE": True,
            "PREFER_DATES_FROM": "future",
            "RELATIVE_BASE": local.replace(tzinfo=None),
        },
    )
    if found is None:
        raise _puzzled(words)
    if not _HAS_TIME.search(text):
        found = found.replace(hour=MORNING[0], minute=MORNING[1], second=0, microsecond=0)
    if found <= now:
        raise BadInput(f"{words!r} was understood as {found:%Y-%m-%d %H:%M} in {zone.key}, which is past.")
    return found.astimezone(UTC)


def _length(span: re.Match[str]) -> timedelta:
    number = 1 if span["number"].startswith("a") else int(span["number"])
    unit = {"second": "seconds", "hour": "hours"}.get(span["unit"], "minutes")
    return timedelta(**{unit: number})


def _recurring(every: re.Match[str], words: str) -> str:
    if every["daily"] is not None:
        what = {"daily": "day", "weekly": "monday", "hourly": "hour"}[every["daily"]] + every["rest"]
    else:
        what = every["what"]
    if (step := _STEP.match(what)) is not None:
        return _stepping(step, words)
    if (monthly := _MONTHLY.match(what)) is not None:
        hour, minute = _clock(monthly["rest"], words)
        if not 1 <= int(monthly["day"]) <= 31:
            raise _puzzled(words)
        return f"{minute} {hour} {int(monthly['day'])} * *"
    days, rest = _days(what, words)
    hour, minute = _clock(rest, words)
    return f"{minute} {hour} * * {days}"


def _stepping(step: re.Match[str], words: str) -> str:
    number = int(step["number"] or 1)
    most = 60 if step["unit"] == "minute" else 24
    if number < 1 or most % number:
        raise BadInput(f"{words!r}: the clock goes round in {most} {step['unit']}s, so take a number that divides it.")
    if step["unit"] == "minute":
        return f"*/{number} * * * *" if number < most else "0 * * * *"
    return f"0 */{number} * * *" if number < most else "0 0 * * *"


def _days(what: str, words: str) -> tuple[str, str]:
    """The weekdays of a cron expression, and what was said behind them."""
    for name, days in (("weekday", "mon-fri"), ("weekend", "sat,sun"), ("day", "*")):
        found = re.match(rf"{name}s?\b(.*)$", what)
        if found is not None:
            return days, found[1]
    chosen: list[int] = []
    rest = what
    while (
        found := re.match(rf"(?:,|and|\s)*({'|'.join(f'{day}s?|{day[:3]}' for day in DAYS)})\b(.*)$", rest)
    ) is not None:
        chosen.append(next(number for number, day in enumerate(DAYS) if day.startswith(found[1].rstrip("s")[:3])))
        rest = found[2]
    if not chosen:
        raise _puzzled(words)
    return ",".join(str(number) for number in sorted(set(chosen))), rest


def _clock(text: str, words: str) -> tuple[int, int]:
    text = text.strip(" ,")
    if not text:
        return MORNING
    found = _AT.match(text)
    if found is None:
        raise _puzzled(words)
    if found["word"] is not None:
        return (12, 0) if found["word"] == "noon" else (0, 0)
    hour, minute = int(found["hour"]), int(found["minute"] or 0)
    half = (found["half"] or "")[:1]
    if half in ("a", "p"):
        if not 1 <= hour <= 12:
            raise _puzzled(words)
        hour = hour % 12 + (12 if half == "p" else 0)
    if hour > 23 or minute > 59:
        raise _puzzled(words)
    return hour, minute


def _puzzled(words: str) -> BadInput:
    return BadInput(f"{words!r} is not understood as a time. Write it such as: {EXAMPLES}.")
