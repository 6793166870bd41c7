"""When something is due again: cron expressions, intervals, single instants. Pure; APScheduler computes.

A cron expression speaks of the clock on the wall, which stands still or jumps twice a year in many zones. The rule is
that of Debian's cron, see cron(8), "Daylight Saving Time":

- An expression that names its hours and minutes (`30 2 * * *`) fires once for each time it names. One that the clock
  skips fires at the moment of the jump; one that comes twice fires the first time.
- An expression with `*` in hours or minutes (`*/10 * * * *`, `0 * * * *`) means a rhythm: it follows what the clock
  shows, so nothing fires in a skipped hour, and a repeated one has its times twice.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from llmcoder.errors import BadInput

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

#: 29 February on a given weekday comes every 28 years, but 40 around a year such as 2100.
NEVER_AFTER = timedelta(days=366 * 41)
#: Where the search begins whether it ever comes true.
BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)
LONGEST_EXPRESSION = 200
FIELDS = ("second", "minute", "hour", "day", "month", "day_of_week")
LARGEST = {"second": 59, "minute": 59, "hour": 23, "day": 31, "month": 12, "day_of_week": 7}
SMALLEST = {"day": 1, "month": 1}
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
NICKNAMES = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
_PART = re.compile(r"(?:(\*)|([0-9]+|[a-z]{3})(?:-([0-9]+|[a-z]{3}))?)(?:/([0-9]+))?")


class Recurrence(ABC):
    """A series of instants."""

    @abstractmethod
    def next(self, after: datetime) -> datetime | None:
        """The first instant later than that one, in UTC; None when there is none any more."""

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Those later than the one and not later than the other, in order."""
        found = self.next(after)
        while found is not None and found <= until:
            yield found
            found = self.next(found)


@dataclass(frozen=True)
class Once(Recurrence):
    """A single instant."""

    at: datetime

    def next(self, after: datetime) -> datetime | None:
        return self.at.astimezone(UTC) if self.at > after else None


@dataclass(frozen=True)
class Every(Recurrence):
    """A fixed number of seconds, counted from an instant, whatever the clock on the wall does."""

    seconds: int
    anchor: datetime

    def next(self, after: datetime) -> datetime | None:
        step = timedelta(seconds=self.seconds)
        steps = max(0, (after - self.anchor) // step + 1)
        return (self.anchor + steps * step).astimezone(UTC)


class Cron(Recurrence):
    """A cron expression of five fields, or six with seconds first, on the clock of a zone. For one thread at a time.

    Names of months and weekdays are understood, 0 and 7 are Sunday, and where both the day of the month and the
    weekday are restricted either suffices, as in crontab(5).

    Raises:
        BadInput: It is no such expression, or never comes true.
    """

    def __init__(self, expression: str, zone: tzinfo) -> None:
        self.expression = expression
        self._zone = zone
        words = _words(expression)
        self._rhythm = words["minute"].startswith("*") or words["hour"].startswith("*")
        self._clocks = _clocks(words, expression)
        if self._wall_after(BEFORE_ALL) is None:
            raise BadInput(f"{expression!r} never comes true: no such day is in any year.")

    def next(self, after: datetime) -> datetime | None:
        after = after.astimezone(UTC)
        local = after.astimezone(self._zone)
        wall = self._wall_after(local.replace(tzinfo=None, fold=0))
        if self._rhythm:
            return self._next_of_rhythm(after, local, wall)
        while wall is not None:
            found = self._instant_of_named(wall)
            if found > after:
                return found
            wall = self._wall_after(wall)
        return None

    def _instant_of_named(self, wall: datetime) -> datetime:
        first, second = self._readings(wall)
        return self._jump(second, first) if first > second else first

    def _next_of_rhythm(self, after: datetime, local: datetime, wall: datetime | None) -> datetime | None:
        if (found := self._in_second_pass(local, wall)) is not None:
            return found
        while wall is not None:
            first, second = self._readings(wall)
            if first <= second:  # else the clock never shows it
                return first if first > after else second
            wall = self._wall_after(wall)
        return None

    def _in_second_pass(self, local: datetime, wall: datetime | None) -> datetime | None:
        """The clock shows an hour for the first time: what comes in its second pass, unless something comes before."""
        first, second = self._readings(local.replace(tzinfo=None, fold=0))
        if first >= second or local.fold == 1:
            return None
        back_at = self._jump(first, second)
        if wall is not None and self._readings(wall)[0] < back_at:
            return None
        begins = back_at.astimezone(self._zone).replace(tzinfo=None, fold=0)
        again = self._wall_after(begins - timedelta(microseconds=1))
        return self._readings(again)[1] if again is not None and self._is_twice(again) else None

    def _is_twice(self, wall: datetime) -> bool:
        first, second = self._readings(wall)
        return first < second

    def _readings(self, wall: datetime) -> tuple[datetime, datetime]:
        """The instants at which the clock shows that, by the offset before a jump and by the one after it.

        The same one twice, mostly; the earlier first where it comes twice; the later first where it never comes.
        """
        before, behind = (wall.replace(tzinfo=self._zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        return before, behind

    def _jump(self, low: datetime, high: datetime) -> datetime:
        """The instant between the two at which the clock is put forward or back, to the second."""
        offset = low.astimezone(self._zone).utcoffset()
        while high - low > timedelta(seconds=1):
            middle = (low + (high - low) / 2).replace(microsecond=0)
            middle = max(middle, low + timedelta(seconds=1))
            if middle.astimezone(self._zone).utcoffset() == offset:
                low = middle
            else:
                high = middle
        return high

    def _wall_after(self, wall: datetime) -> datetime | None:
        """The next reading of the clock that the expression means, were it never put forward or back."""
        after = wall.replace(tzinfo=UTC)
        found = [_next_of_clock(clock, after) for clock in self._clocks]
        return min((one.replace(tzinfo=None) for one in found if one is not None), default=None)


def _next_of_clock(clock: CronTrigger, after: datetime) -> datetime | None:
    start = after.replace(microsecond=0) + timedelta(seconds=1)
    # a copy would cost more than the search: the far end of what is looked at moves along
    clock.end_date = start + NEVER_AFTER
    found: datetime | None = clock.get_next_fire_time(None, start)
    return found


def _clocks(words: Mapping[str, str], expression: str) -> tuple[CronTrigger, ...]:
    """One trigger, or two where either the day of the month or the weekday suffices. Their zone has no jumps."""
    from apscheduler.triggers.cron import CronTrigger

    fields = {name: _field(name, word, expression) for name, word in words.items()}
    if words["day"][0] in "*?" or words["day_of_week"][0] in "*?":
        return (CronTrigger(**fields, timezone=UTC),)
    by_day, by_weekday = {**fields, "day_of_week": "*"}, {**fields, "day": "*"}
    return CronTrigger(**by_day, timezone=UTC), CronTrigger(**by_weekday, timezone=UTC)


def _words(expression: str) -> dict[str, str]:
    """The fields by APScheduler's names, as they are written."""
    if len(expression) > LONGEST_EXPRESSION:
        raise BadInput(f"A cron expression has at most {LONGEST_EXPRESSION} characters.")
    words = NICKNAMES.get(expression.strip().lower(), expression).lower().split()
    if len(words) == 5:
        words = ["0", *words]
    if len(words) != 6:
        wanted = "minute, hour, day of month, month, day of week; or six, seconds first"
        raise BadInput(f"{expression!r} has {len(words)} fields; a cron expression has five: {wanted}.")
    return dict(zip(FIELDS, words, strict=True))


def _field(name: str, word: str, expression: str) -> str:
    """The field in APScheduler's notation."""
    parts = [_part(name, part, expression) for part in word.split(",")]
    return ",".join(one for part in parts for one in part)


def _part(name: str, part: str, expression: str) -> list[str]:
    found = _PART.fullmatch("*" if part == "?" and name in ("day", "day_of_week") else part)
    if found is None:
        raise BadInput(f"{expression!r}: {part!r} is no {name.replace('_', ' ')}.")
    star, first, last, step = found.groups()
    if step is not None and not 0 < int(step) <= LARGEST[name] + 1:
        raise BadInput(f"{expression!r}: a step of {step} makes no sense for the {name.replace('_', ' ')}.")
    if star and step in (None, "1"):
        return ["*"]
    if star:
        low, high = SMALLEST.get(name, 0), 6 if name == "day_of_week" else LARGEST[name]
        return _span(name, low, high, step)
    low = _number(name, first, expression)
    high = low if last is None else _number(name, last, expression)
    if step is not None and last is None:
        high = LARGEST[name] if name != "day_of_week" else 6
    if low > high:
        raise BadInput(f"{expression!r}: {part!r} ends before it begins.")
    return _span(name, low, high, step)


def _span(name: str, low: int, high: int, step: str | None) -> list[str]:
    if name == "day_of_week":  # by name, since APScheduler counts from Monday and cron from Sunday
        return [WEEKDAYS[day % 7] for day in range(low, high + 1, int(step or 1))]
    if step is not None and int(step) > high - low:  # APScheduler refuses what has no second value
        return [str(low)]
    return [f"{low}-{high}" + (f"/{step}" if step else "")]


def _number(name: str, text: str, expression: str) -> int:
    if text.isdigit():
        number = int(text)
    elif name == "month" and text in MONTHS:
        number = MONTHS.index(text) + 1
    elif name == "day_of_week" and text in WEEKDAYS:
        number = WEEKDAYS.index(text)
    else:
        raise BadInput(f"{expression!r}: {text!r} is no {name.replace('_', ' ')}.")
    if not SMALLEST.get(name, 0) <= number <= LARGEST[name]:
        smallest, largest = SMALLEST.get(name, 0), LARGEST[name]
        raise BadInput(f"{expression!r}: the {name.replace('_', ' ')} is {smallest} to {largest}, not {number}.")
    return number
