"""What comes again, as a cron expression."""

from __future__ import annotations

from datetime import date, datetime, tzinfo

from llmcoder.day_rules import every_nth_day, every_nth_week
from llmcoder.errors import BadInput
from llmcoder.recurrence import WEEKDAYS, instant_of
from llmcoder.time_phrases.parts import (
    MONTHS_OF,
    Clock,
    Day,
    DayOfYear,
    DaysOfMonth,
    Element,
    Frequency,
    NthWeekday,
    Weekday,
    Weekdays,
    clocks_of,
)

MINUTES_OF = {"minute": 1, "quarterhour": 15, "halfhour": 30, "threequarterhour": 45, "hour": 60}
WEEKS_OF = {"week": 1, "fortnight": 2}
#: Of what comes every week or month and says no day: its first.
FIRST_OF_WEEK, FIRST_OF_MONTH = Weekdays((0,)), DaysOfMonth((1,))
MOST_APART = {"day": 366, "week": 52, "fortnight": 26}


def expression(element: Element, zone: tzinfo, now: datetime) -> str | None:
    """The cron expression; None where the parts of the phrase do not go together.

    Raises:
        BadInput: No cron expression says it, with the reason.
    """
    frequency = element.frequency
    assert frequency is not None
    if element.zone is not None:
        raise BadInput("what comes again is on the clock of `timezone`, so name the zone there")
    if frequency.number > MOST_APART.get(frequency.unit, frequency.number):
        raise BadInput(f"{frequency.number} {frequency.unit}s are too many")
    if frequency.unit in MINUTES_OF or frequency.unit == "second":
        return _rhythm(element, frequency)
    clocks = clocks_of(element)
    if clocks is None or any(later and frequency.unit != "day" for _clock, later in clocks):
        return None
    if any(clock.second for clock, _later in clocks):
        raise BadInput("what comes again comes at whole minutes")
    if len({clock.minute for clock, _later in clocks}) > 1:
        raise BadInput("its times of day differ in their minutes, so make one of each")
    hours = ",".join(str(hour) for hour in sorted({clock.hour for clock, _later in clocks}))
    days = _days(element.day, frequency, _First(zone, now, max(clock for clock, _later in clocks)))
    return None if days is None else f"{clocks[0][0].minute} {hours} {days}"


def _rhythm(element: Element, frequency: Frequency) -> str | None:
    if element.day is not None or element.clocks is not None or element.part is not None:
        return None
    if frequency.unit == "second":
        raise BadInput("what comes again comes every minute at most")
    minutes = MINUTES_OF[frequency.unit] * frequency.number
    hours, rest = divmod(minutes, 60)
    if frequency.unit != "hour" and 60 % minutes == 0:
        return f"*/{minutes} * * * *" if minutes < 60 else "0 * * * *"
    if rest == 0 and 24 % hours == 0:
        return f"0 */{hours} * * *" if hours < 24 else "0 0 * * *"
    most, unit = (24, "hour") if frequency.unit == "hour" else (60, "minute")
    raise BadInput(f"the clock goes round in {most} {unit}s, so take a number that divides it")


class _First:
    """The first day that is meant whose time is to come: what comes every so many days or weeks is counted from it."""

    def __init__(self, zone: tzinfo, now: datetime, clock: Clock) -> None:
        self._zone, self._now, self._clock = zone, now, clock
        self.today = now.astimezone(zone).date()

    def of(self, day: Day) -> date | None:
        return next((one for one in day.candidates(self.today) if self._comes(one)), None)

    def _comes(self, day: date) -> bool:
        return instant_of(self._clock.on(day), self._zone) > self._now


class _FirstOfYear(_First):
    """Quarters are those of the calendar, whenever it is said."""

    def __init__(self, first: _First) -> None:
        self.__dict__.update(vars(first))
        self.today = first.today.replace(month=1, day=1)

    def _comes(self, day: date) -> bool:
        return True


def _days(day: Day | None, frequency: Frequency, first: _First) -> str | None:
    """The fields of the day, the month and the weekday."""
    if frequency.unit == "day":
        return _daily(day, frequency.number, first)
    if frequency.unit in WEEKS_OF:
        return _weekly(day or FIRST_OF_WEEK, frequency.number * WEEKS_OF[frequency.unit], first)
    months = frequency.number * MONTHS_OF[frequency.unit]
    return _monthly(day, months, _FirstOfYear(first) if frequency.unit == "quarter" else first)


def _daily(day: Day | None, number: int, first: _First) -> str | None:
    if day is not None:
        return None
    if number == 1:
        return "* * *"
    begins = first.of(Weekdays(tuple(range(7))))
    assert begins is not None
    return f"{every_nth_day(number, begins)} * *"


def _weekly(day: Day, weeks: int, first: _First) -> str | None:
    if isinstance(day, Weekday) and not day.next_one and not day.next_week:
        day = Weekdays((day.weekday,))
    if not isinstance(day, Weekdays):
        return None
    if weeks == 1:
        return f"* * {_names(day.weekdays)}"
    begins = first.of(day)
    assert begins is not None
    behind = every_nth_week(weeks, begins)
    return "* * " + ",".join(f"{WEEKDAYS[(one + 1) % 7]}{behind}" for one in day.weekdays)


def _names(weekdays: tuple[int, ...]) -> str:
    if weekdays == (0, 1, 2, 3, 4):
        return "mon-fri"
    if weekdays == (5, 6):
        return "sat,sun"
    return ",".join(str(one) for one in sorted((one + 1) % 7 for one in weekdays))


def _monthly(day: Day | None, months: int, first: _First) -> str | None:
    if isinstance(day, DayOfYear):
        return _once_a_year(day, first) if months == 12 and day.year is None else None
    if months > 12 or 12 % months:
        raise BadInput("the year goes round in 12 months, so take a number that divides it")
    if day is None:
        if months == 12:
            raise BadInput("say on which day of the year")
        day = FIRST_OF_MONTH
    if not isinstance(day, DaysOfMonth | NthWeekday) or day.later is not None:
        return None
    month = day.month
    if months == 12 and month is None:
        return None
    fields = _numbered(day) if isinstance(day, DaysOfMonth) else _nth(day)
    return fields.format(month=month or _months(day, months, first))


def _once_a_year(day: DayOfYear, first: _First) -> str:
    if first.of(day) is None:
        raise BadInput("there is no such day")
    return f"{day.day} {day.month} *"


def _months(day: Day, apart: int, first: _First) -> str:
    begins = first.of(day)
    if apart == 1 or begins is None:
        return "*"
    return ",".join(str(one) for one in range((begins.month - 1) % apart + 1, 13, apart))


def _numbered(day: DaysOfMonth) -> str:
    numbers = [str(one) for one in sorted(day.days) if one > 0]
    return ",".join([*numbers, *(["L"] if -1 in day.days else [])]) + " {month} *"


def _nth(day: NthWeekday) -> str:
    if day.weekday is not None:
        return "* {month} " + f"{WEEKDAYS[(day.weekday + 1) % 7]}#{'L' if day.number < 0 else day.number}"
    if day.number not in (1, -1):
        raise BadInput("of the working days of a month only the first and the last can be meant again and again")
    return ("1W" if day.number == 1 else "LW") + " {month} *"
