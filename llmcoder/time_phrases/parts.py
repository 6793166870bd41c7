"""What the parts of a phrase mean: a time of day, a day, a length, how often."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import islice

#: Of a day whose words say no time.
MORNING = (9, 0)
#: The years looked at for a day that not every year has: 29 February on a given weekday comes every 40 at most.
YEARS_LOOKED_AT = 41
LENGTHS_S = {
    "second": 1, "minute": 60, "quarterhour": 900, "halfhour": 1_800, "threequarterhour": 2_700, "hour": 3_600,
}  # fmt: skip
MONTHS_OF = {"month": 1, "quarter": 3, "year": 12}
DAYS_OF = {"day": 1, "week": 7, "fortnight": 14}


@dataclass(frozen=True)
class PartOfDay:
    """A part of the day: its hour where no time is said, and the hours that lie in it."""

    hour: int
    first: int
    last: int


PARTS = {
    "dawn": PartOfDay(5, 0, 6), "morning": PartOfDay(MORNING[0], 0, 11), "afternoon": PartOfDay(15, 12, 18),
    "pm": PartOfDay(16, 12, 20), "evening": PartOfDay(18, 16, 23), "tonight": PartOfDay(20, 17, 23),
    "night": PartOfDay(21, 18, 23),
}  # fmt: skip
#: Whose hours after midnight belong to the day after.
NIGHTS = ("night", "tonight")
LAST_HOUR_OF_NIGHT = 5


@dataclass(frozen=True, order=True)
class Clock:
    """A time of day.

    Attributes:
        bare: It is a number alone, which is a time only beside a day.
        halved: It said whether it is before noon.
        day_after: It is 24:00, the end of the day said.
    """

    hour: int
    minute: int = 0
    second: int = 0
    bare: bool = False
    halved: bool = False
    midnight: bool = False
    day_after: bool = False

    @property
    def valid(self) -> bool:
        return 0 <= self.hour < 24 and 0 <= self.minute < 60 and 0 <= self.second < 60

    def on(self, day: date) -> datetime:
        return datetime.combine(day, time(self.hour, self.minute, self.second))

    def within(self, part: str) -> tuple[Clock, int] | None:
        """The time in that part of the day, and days that it is later; None if it does not lie in it."""
        span = PARTS[part]
        if part in NIGHTS and self.hour in (0, 12) and not self.halved:
            return replace(self, hour=0), 1
        if span.first <= self.hour <= span.last:
            return self, 0
        if not self.halved and 1 <= self.hour <= 11 and span.first <= self.hour + 12 <= span.last:
            return replace(self, hour=self.hour + 12), 0
        if part in NIGHTS and self.hour <= LAST_HOUR_OF_NIGHT:
            return self, 1
        return None


@dataclass(frozen=True)
class Length:
    """So many months, days and seconds."""

    months: int = 0
    days: int = 0
    seconds: float = 0

    def __add__(self, other: Length) -> Length:
        return Length(self.months + other.months, self.days + other.days, self.seconds + other.seconds)

    @property
    def on_the_calendar(self) -> bool:
        """It ends on a day, and not at a time of its own."""
        return bool(self.months or self.days) and not self.seconds


def length(number: float, unit: str) -> Length | None:
    """So many of a unit; None where there is no such thing, as half a month."""
    if unit in LENGTHS_S:
        return Length(seconds=number * LENGTHS_S[unit])
    if unit in DAYS_OF:
        days = number * DAYS_OF[unit]
        if days != int(days):
            return Length(seconds=days * 86_400) if unit == "day" else None
        return Length(days=int(days))
    months = number * MONTHS_OF[unit]
    return Length(months=int(months)) if months == int(months) else None


def months_later(day: date, months: int) -> date:
    """The same day so many months later, or the last of that month where it has none such.

    Raises:
        ValueError: There is no such year.
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


class Day:
    """A day that is meant."""

    def candidates(self, today: date) -> Iterator[date]:
        """The days that it may be, in order; the first of them whose time is to come is meant."""
        raise NotImplementedError


@dataclass(frozen=True)
class Relative(Day):
    """So many days from today."""

    days: int

    def candidates(self, today: date) -> Iterator[date]:
        yield today + timedelta(days=self.days)


@dataclass(frozen=True)
class Later(Day):
    """The day after a length."""

    length: Length

    def candidates(self, today: date) -> Iterator[date]:
        yield months_later(today, self.length.months) + timedelta(days=self.length.days)


@dataclass(frozen=True)
class Weekday(Day):
    """The one that comes; of the week after this one, if `next_week`; not today, if `next_one`."""

    weekday: int
    next_one: bool = False
    next_week: bool = False

    def candidates(self, today: date) -> Iterator[date]:
        if self.next_week:
            yield today + timedelta(days=7 - today.weekday() + self.weekday)
            return
        ahead = (self.weekday - today.weekday()) % 7
        if ahead or not self.next_one:
            yield today + timedelta(days=ahead)
        yield today + timedelta(days=ahead + 7)


@dataclass(frozen=True)
class Next(Day):
    """The first day of the next week, month or year."""

    unit: str

    def candidates(self, today: date) -> Iterator[date]:
        if self.unit == "week":
            yield today + timedelta(days=7 - today.weekday())
        elif self.unit in ("month", "year"):
            first = today.replace(day=1) if self.unit == "month" else today.replace(month=1, day=1)
            yield months_later(first, MONTHS_OF[self.unit])


@dataclass(frozen=True)
class DayOfYear(Day):
    """A day of a month."""

    day: int
    month: int
    year: int | None = None

    def candidates(self, today: date) -> Iterator[date]:
        years = range(today.year, today.year + YEARS_LOOKED_AT) if self.year is None else [self.year]
        for year in years:
            if self.day <= monthrange(year, self.month)[1]:
                yield date(year, self.month, self.day)


@dataclass(frozen=True)
class DaysOfMonth(Day):
    """Days of a month by number, -1 the last; of this month and those after it, of one so many months later, or of one
    of the year.
    """

    days: tuple[int, ...]
    later: int | None = None
    month: int | None = None

    def candidates(self, today: date) -> Iterator[date]:
        for first in _months(today, self.later):
            if self.month not in (None, first.month):
                continue
            last = monthrange(first.year, first.month)[1]
            for day in sorted(last if one == -1 else one for one in self.days):
                if day <= last:
                    yield first.replace(day=day)


@dataclass(frozen=True)
class NthWeekday(Day):
    """The first, second, last (-1) one of some weekday, or working day, of a month."""

    number: int
    weekday: int | None  # None: a working day
    later: int | None = None
    month: int | None = None

    def candidates(self, today: date) -> Iterator[date]:
        for first in _months(today, self.later):
            days = [first.replace(day=n + 1) for n in range(monthrange(first.year, first.month)[1])]
            fitting = [day for day in days if self._fits(day)]
            index = self.number if self.number < 0 else self.number - 1
            if (self.month is None or first.month == self.month) and index < len(fitting):
                yield fitting[index]

    def _fits(self, day: date) -> bool:
        return day.weekday() < 5 if self.weekday is None else day.weekday() == self.weekday


def _months(today: date, later: int | None) -> Iterator[date]:
    first = today.replace(day=1)
    for number in range(YEARS_LOOKED_AT * 12) if later is None else [later]:
        yield months_later(first, number)


@dataclass(frozen=True)
class OnWeekday(Day):
    """A day that is also said to be a certain weekday: `friday the 13th`."""

    weekday: int
    day: Day

    def candidates(self, today: date) -> Iterator[date]:
        days = self.day.candidates(today)
        if isinstance(self.day, DayOfYear):  # not a later year in which the two agree
            days = islice((one for one in days if one >= today), 1)
        return (one for one in days if one.weekday() == self.weekday)


@dataclass(frozen=True)
class Shifted(Day):
    """So much later than another day: `a week from friday`."""

    day: Day
    length: Length

    def candidates(self, today: date) -> Iterator[date]:
        return (next(Later(self.length).candidates(one)) for one in self.day.candidates(today))


class Weekend(Day):
    """The one that comes, from its first day on."""

    def candidates(self, today: date) -> Iterator[date]:
        begins = today + timedelta(days=max(5 - today.weekday(), 0))
        yield from (begins + timedelta(days=n) for n in range(7 - begins.weekday()))


@dataclass(frozen=True)
class Weekdays(Day):
    """Several weekdays; a time only where they come again."""

    weekdays: tuple[int, ...]

    def candidates(self, today: date) -> Iterator[date]:
        return (day for n in range(8) if (day := today + timedelta(days=n)).weekday() in self.weekdays)


@dataclass(frozen=True)
class Frequency:
    """Every so many units."""

    unit: str
    number: int = 1


@dataclass(frozen=True)
class Element:
    """What a part of a phrase says. A phrase says each thing once."""

    day: Day | None = None
    clocks: tuple[Clock, ...] | None = None
    part: str | None = None
    zone: tzinfo | None = None
    frequency: Frequency | None = None
    length: Length | None = None
    weekday: int | None = None

    def merged(self, other: Element) -> Element | None:
        """Both; None where they say the same thing twice."""
        values = {}
        for name in self.__dataclass_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine is not None and theirs is not None:
                return None
            values[name] = theirs if mine is None else mine
        return Element(**values)


def clocks_of(element: Element) -> list[tuple[Clock, int]] | None:
    """The times of day that are said, each with the days that it lies after the day said; None where they contradict.

    Where none is said, it is that of the part of the day, and else the morning's.
    """
    if element.clocks is None:
        return [(Clock(PARTS[element.part].hour) if element.part is not None else Clock(*MORNING), 0)]
    if element.part is None:
        return [(clock, int(clock.day_after)) for clock in element.clocks]
    within = [clock.within(element.part) for clock in element.clocks]
    placed = [one for one in within if one is not None]
    return placed if len(placed) == len(within) else None
