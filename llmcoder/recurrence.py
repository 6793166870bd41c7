"""When something is due again: cron expressions, intervals, single instants. Pure; APScheduler computes.

A cron expression speaks of the clock on the wall, which stands still or jumps twice a year in many zones. The rule is
that of Debian's cron, see cron(8), "Daylight Saving Time":

- An expression that names its hours and minutes (`30 2 * * *`) fires once for each time it names. One that the clock
  skips fires at the moment of the jump; one that comes twice fires the first time.
- An expression with `*` in hours or minutes (`*/10 * * * *`, `0 * * * *`) means a rhythm: it follows what the clock
  shows, so nothing fires in a skipped hour, and a repeated one has its times twice.

Days that fields of lists, spans and steps cannot name have the notations that other programs have for them (Quartz for
`L`, `W` and `#`, fugit for `%`): `day_rules.py` beside.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING

from llmcoder.day_rules import DayRule, day_rule, weekday_rule
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


@dataclass(frozen=True)
class _Clock:
    """A trigger whose zone has no jumps, and what its days have to obey besides."""

    trigger: CronTrigger
    rules: tuple[DayRule, ...] = ()


class Cron(Recurrence):
    """A cron expression of five fields, or six with seconds first, on the clock of a zone. For one thread at a time.

    Names of months and weekdays are understood, 0 and 7 are Sunday, and where both the day of the month and the
    weekday are restricted either suffices, as in crontab(5). `L` is the last day of the month, `LW` its last working
    day, `15W` the working day nearest to the 15th, `fri#1` the first Friday of a month and `fri#L` its last one,
    `tue%2` every other Tuesday and `*%3` every third day.

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
            found = instant_of(wall, self._zone)
            if found > after:
                return found
            wall = self._wall_after(wall)
        return None

    def _next_of_rhythm(self, after: datetime, local: datetime, wall: datetime | None) -> datetime | None:
        if (found := self._in_second_pass(local, wall)) is not None:
            return found
        while wall is not None:
            first, second = _readings(wall, self._zone)
            if first <= second:  # else the clock never shows it
                return first if first > after else second
            wall = self._wall_after(wall)
        return None

    def _in_second_pass(self, local: datetime, wall: datetime | None) -> datetime | None:
        """The clock shows an hour for the first time: what comes in its second pass, unless something comes before."""
        first, second = _readings(local.replace(tzinfo=None, fold=0), self._zone)
        if first >= second or local.fold == 1:
            return None
        back_at = _jump(first, second, self._zone)
        if wall is not None and _readings(wall, self._zone)[0] < back_at:
            return None
        begins = back_at.astimezone(self._zone).replace(tzinfo=None, fold=0)
        again = self._wall_after(begins - timedelta(microseconds=1))
        return _readings(again, self._zone)[1] if again is not None and self._is_twice(again) else None

    def _is_twice(self, wall: datetime) -> bool:
        first, second = _readings(wall, self._zone)
        return first < second

    def _wall_after(self, wall: datetime) -> datetime | None:
        """The next reading of the clock that the expression means, were it never put forward or back."""
        after = wall.replace(tzinfo=UTC)
        found = [_next_of_clock(clock, after) for clock in self._clocks]
        return min((one.replace(tzinfo=None) for one in found if one is not None), default=None)


def instant_of(wall: datetime, zone: tzinfo) -> datetime:
    """When a clock shows that, in UTC: the first time of two; the moment of the jump where it is skipped."""
    first, second = _readings(wall, zone)
    return _jump(second, first, zone) if first > second else first


def _readings(wall: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """The instants at which the clock shows that, by the offset before a jump and by the one after it.

    The same one twice, mostly; the earlier first where it comes twice; the later first where it never comes.
    """
    before, behind = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return before, behind


def _jump(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """The instant between the two at which the clock is put forward or back, to the second."""
    offset = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        middle = max(middle, low + timedelta(seconds=1))
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high


def _next_of_clock(clock: _Clock, after: datetime) -> datetime | None:
    start = after.replace(microsecond=0) + timedelta(seconds=1)
    # a copy would cost more than the search: the far end of what is looked at moves along
    clock.trigger.end_date = end = start + NEVER_AFTER
    while True:
        found: datetime | None = clock.trigger.get_next_fire_time(None, start)
        if found is None or all(rule(found.date()) for rule in clock.rules):
            return found
        day = found.date()
        while not all(rule(day) for rule in clock.rules):
            day += timedelta(days=1)
            if day > end.date():
                return None
        start = datetime.combine(day, time(), tzinfo=UTC)


def _clocks(words: Mapping[str, str], expression: str) -> tuple[_Clock, ...]:
    """One trigger for each part that has a rule of its own, and one for all others.

    Where the day of the month and the weekday are both restricted, either suffices.
    """
    fields = {name: _field(name, words[name], expression) for name in FIELDS if name not in ("day", "day_of_week")}
    days, weekdays = _days(words["day"], expression), _weekdays(words["day_of_week"], expression)
    if words["day"][0] in "*?" or words["day_of_week"][0] in "*?":
        return tuple(_clock(fields, day, weekday, (*rules, *more)) for day, rules in days for weekday, more in weekdays)
    by_day = [_clock(fields, day, "*", rules) for day, rules in days]
    return (*by_day, *(_clock(fields, "*", weekday, rules) for weekday, rules in weekdays))


def _clock(fields: Mapping[str, str], day: str, weekday: str, rules: tuple[DayRule, ...]) -> _Clock:
    from apscheduler.triggers.cron import CronTrigger

    return _Clock(CronTrigger(**fields, day=day, day_of_week=weekday, timezone=UTC), rules)


_Alternatives = list[tuple[str, tuple[DayRule, ...]]]


def _days(word: str, expression: str) -> _Alternatives:
    """What the field of the day means: in APScheduler's notation, with the rules that it has no notation for."""
    rules = {part: rule for part in word.split(",") if (rule := day_rule(part, expression)) is not None}
    plain = ",".join(part for part in word.split(",") if part not in rules)
    special: _Alternatives = [("*", (rule,)) for rule in rules.values()]
    return [*([(_field("day", plain, expression), ())] if plain or not rules else []), *special]


def _weekdays(word: str, expression: str) -> _Alternatives:
    special: _Alternatives = []
    plain: list[str] = []
    for part in word.split(","):
        name, rule = weekday_rule(part, expression)
        if rule is None:
            plain.append(part)
        else:
            special.append((_field("day_of_week", name, expression), (rule,)))
    return [*([(_field("day_of_week", ",".join(plain), expression), ())] if plain else []), *special]


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
