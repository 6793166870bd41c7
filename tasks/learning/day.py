"""A day of learning on the clock of a user's zone: it ends at an hour of the night at which nobody learns. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

#: People who learn past midnight are still in the day before; Anki's hour as well.
STARTS_AT_HOUR = 4


@dataclass(frozen=True)
class LearningDay:
    """One day, from when it starts to when the next one does, both in UTC."""

    date: date
    start: datetime
    end: datetime


def day_of(now: datetime, zone: ZoneInfo, starts_at_hour: int = STARTS_AT_HOUR) -> LearningDay:
    """The day that an instant belongs to.

    A clock that is put forward or back makes a day of 23 or 25 hours; an hour that there is not that day counts as the
    first instant after it.
    """
    local = now.astimezone(zone)
    today = local.date()
    if _start_of(today, zone, starts_at_hour) > now:
        today -= timedelta(days=1)
    tomorrow = today + timedelta(days=1)
    return LearningDay(today, _start_of(today, zone, starts_at_hour), _start_of(tomorrow, zone, starts_at_hour))


def _start_of(day: date, zone: ZoneInfo, hour: int) -> datetime:
    return datetime.combine(day, time(hour), zone).astimezone(UTC)
