"""Days that lists, spans and steps of a cron expression cannot name, in the notations that other programs have.

| notation | day | known from |
|---|---|---|
| `L`, `LW`, `15W` | the last of the month; its last working day; the working day nearest to the 15th | Quartz |
| `fri#1`, `fri#L`, `friL` | the first, the last Friday of a month | Quartz, cronsim, fugit |
| `tue%2`, `tue%2+1` | every other Tuesday; that of the weeks between | fugit |
| `*%3`, `*%3+1` | every third day, whatever the month | |

Days, and weeks from Monday to Sunday, are counted from Monday, 31 December 2018: meant are those whose number, with
what stands behind `+`, can be divided by what stands behind `%`. (fugit's weeks begin on Tuesday, so that Monday and
Tuesday of one week may be meant in turns.) A working day is one from Monday to Friday; no holiday is known.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import date

from llmcoder.errors import BadInput

DayRule = Callable[[date], bool]
#: A Monday.
COUNTED_FROM = date(2018, 12, 31).toordinal()
MOST_DAYS_APART, MOST_WEEKS_APART = 366, 53
_MODULO = r"%(?P<step>[0-9]{1,4})(?:\+(?P<shift>[0-9]{1,4}))?"
_DAY = re.compile(rf"(?P<last>l)|(?P<last_working>lw)|(?P<near>[0-9]{{1,2}})w|\*{_MODULO}")
_WEEKDAY = re.compile(rf"(?P<name>[0-7]|[a-z]{{3}})(?:#(?P<number>[1-5]|l|-1)|(?P<last>l)|{_MODULO})")


def week_number(day: date) -> int:
    return (day.toordinal() - COUNTED_FROM) // 7


def day_number(day: date) -> int:
    return day.toordinal() - COUNTED_FROM


def every_nth_week(weeks: int, containing: date) -> str:
    """What stands behind a weekday that is meant every so many weeks, in that week among others."""
    return _modulo(weeks, week_number(containing))


def every_nth_day(days: int, containing: date) -> str:
    """The day of a cron expression that is meant every so many days, on that day among others."""
    return "*" + _modulo(days, day_number(containing))


def _modulo(step: int, number: int) -> str:
    shift = -number % step
    return f"%{step}" + (f"+{shift}" if shift else "")


def day_rule(part: str, expression: str) -> DayRule | None:
    """The rule of a part of the field of the day; None where it has none.

    Raises:
        BadInput: There is no such day.
    """
    found = _DAY.fullmatch(part)
    if found is None:
        return None
    if found["last"]:
        return lambda day: day.day == _length(day)
    if found["last_working"]:
        return lambda day: day.day == _working_day_near(day, _length(day))
    if found["near"]:
        near = int(found["near"])
        if not 1 <= near <= 31:
            raise BadInput(f"{expression!r}: the day is 1 to 31, not {near}.")
        return lambda day: near <= _length(day) and day.day == _working_day_near(day, near)
    step, shift = _step(found, MOST_DAYS_APART, expression)
    return lambda day: (day_number(day) + shift) % step == 0


def weekday_rule(part: str, expression: str) -> tuple[str, DayRule | None]:
    """The weekday of a part of its field, and the rule of it; None where it has none.

    Raises:
        BadInput: The number of weeks makes no sense.
    """
    found = _WEEKDAY.fullmatch(part)
    if found is None:
        return part, None
    name: str = found["name"]
    if found["last"] or found["number"] in ("l", "-1"):
        return name, lambda day: day.day + 7 > _length(day)
    if found["number"]:
        number = int(found["number"])
        return name, lambda day: (day.day - 1) // 7 + 1 == number
    step, shift = _step(found, MOST_WEEKS_APART, expression)
    return name, lambda day: (week_number(day) + shift) % step == 0


def _step(found: re.Match[str], most: int, expression: str) -> tuple[int, int]:
    step, shift = int(found["step"]), int(found["shift"] or 0)
    if not 1 <= step <= most:
        raise BadInput(f"{expression!r}: what stands behind % is 1 to {most}, not {step}.")
    return step, shift


def _length(day: date) -> int:
    return monthrange(day.year, day.month)[1]


def _working_day_near(day: date, number: int) -> int:
    """The working day of that month that is nearest to the day of that number."""
    weekday = day.replace(day=number).weekday()
    if weekday == 5:
        return number - 1 if number > 1 else number + 2
    if weekday == 6:
        return number + 1 if number < _length(day) else number - 2
    return number
