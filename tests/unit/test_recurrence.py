"""When something is due again, against two oracles: cronsim, and the wall clock walked minute by minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmcoder import BadInput
from llmcoder.day_rules import week_number
from llmcoder.recurrence import Cron, Every, Once

HOUR_ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Africa/Casablanca", "America/Sao_Paulo", "UTC"]
#: Its clock moves by half an hour, where cronsim believes that all move by a whole one.
ZONES = [*HOUR_ZONES, "Australia/Lord_Howe"]
LOOKED_AT = 12

numbers = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 6)}


def field(name: str) -> st.SearchStrategy[str]:
    low, high = numbers[name]
    one = st.integers(low, high)
    several = st.lists(one, min_size=1, max_size=4, unique=True).map(lambda found: ",".join(map(str, found)))
    spans = st.tuples(one, one).map(lambda ends: f"{min(ends)}-{max(ends)}")
    steps = st.integers(2, high).map(lambda step: f"*/{step}")
    return st.one_of(st.just("*"), several, spans, steps)


#: Mostly the hours in which clocks are put forward or back.
hours = st.one_of(st.sampled_from(["1", "2", "3", "0-4", "*", "1,2", "2-3", "*/2"]), field("hour"))
expressions = st.tuples(
    field("minute"),
    hours,
    st.one_of(st.just("*"), field("day")),
    st.just("*"),
    st.one_of(st.just("*"), field("weekday")),
).map(" ".join)
#: Around the days on which one of the zones has its clock moved, and any others.
jumps = [(3, 8), (3, 29), (4, 5), (10, 4), (10, 25), (11, 1), (2, 15), (3, 22)]
starts = st.one_of(
    st.sampled_from(jumps).flatmap(
        lambda day: st.integers(-30 * 60, 10 * 60).map(
            lambda minutes: datetime(2026, *day, tzinfo=UTC) + timedelta(minutes=minutes)
        )
    ),
    st.integers(0, 37 * 366 * 1440).map(lambda minutes: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)),
)


def ours(expression: str, zone: str, start: datetime, number: int) -> list[datetime]:
    found, cron = [start], Cron(expression, ZoneInfo(zone))
    for _ in range(number):
        following = cron.next(found[-1])
        assert following is not None
        found.append(following)
    return found[1:]


@settings(max_examples=100, deadline=None)
@given(expressions, st.sampled_from(HOUR_ZONES), starts)
@example("30 2 * * *", "Europe/Berlin", datetime(2026, 3, 28, 12, tzinfo=UTC))
@example("*/15 * * * *", "America/New_York", datetime(2026, 11, 1, 4, tzinfo=UTC))
def test_it_says_what_an_independent_library_says(expression: str, zone: str, start: datetime) -> None:
    theirs = [one.astimezone(UTC) for one in islice(CronSim(expression, start.astimezone(ZoneInfo(zone))), LOOKED_AT)]
    assert ours(expression, zone, start, LOOKED_AT) == theirs


@settings(max_examples=30, deadline=None)
@given(expressions, st.sampled_from(ZONES), starts)
@example("* 2 * * *", "Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC))
@example("30 * * * *", "Australia/Lord_Howe", datetime(2026, 10, 3, tzinfo=UTC))
@example("10 2 * * *", "Australia/Lord_Howe", datetime(2026, 10, 3, tzinfo=UTC))
def test_it_says_what_the_clock_on_the_wall_shows(expression: str, zone: str, start: datetime) -> None:
    until = start + timedelta(days=3)
    assert list(Cron(expression, ZoneInfo(zone)).between(start, until)) == walked(
        expression, ZoneInfo(zone), start, until
    )


#: Days that lists, spans and steps cannot name; only those that cronsim knows too.
special_days = st.sampled_from(
    [
        "L * *", "LW * *", "* * 1#1", "* * 5#5", "* * 0L", "* 2,9 3#2", "15 * 2#1", "L * 1", "1,L * *", "*/2 * 1#1",
        "L * */3",
    ]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(special_days, st.sampled_from(HOUR_ZONES), starts)
def test_days_that_lists_cannot_name_are_those_of_an_independent_library(days: str, zone: str, start: datetime) -> None:
    expression = f"30 2 {days}"
    theirs = [one.astimezone(UTC) for one in islice(CronSim(expression, start.astimezone(ZoneInfo(zone))), LOOKED_AT)]
    assert ours(expression, zone, start, LOOKED_AT) == theirs


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 53), st.integers(0, 60), st.sampled_from(ZONES), starts)
def test_every_so_many_weeks_is_that_where_clocks_are_moved_and_years_end(
    weeks: int, shift: int, zone: str, start: datetime
) -> None:
    there = ZoneInfo(zone)
    found = [one.astimezone(there) for one in ours(f"30 2 * * tue%{weeks}+{shift}", zone, start, 5)]
    assert {one.weekday() for one in found} == {1}
    apart = {later.date() - earlier.date() for earlier, later in pairwise(found)}
    assert apart == {timedelta(weeks=weeks)}
    assert (week_number(found[0].date()) + shift) % weeks == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 366), st.integers(0, 400), st.sampled_from(ZONES), starts)
def test_every_so_many_days_is_that_whatever_the_month(days: int, shift: int, zone: str, start: datetime) -> None:
    there = ZoneInfo(zone)
    found = [one.astimezone(there).date() for one in ours(f"30 12 *%{days}+{shift} * *", zone, start, 5)]
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(days=days)}


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("0 9 1W * *", ["2026-08-03", "2026-09-01", "2026-10-01"]),  # 1 August is a Saturday
        ("0 9 15W * *", ["2026-08-14", "2026-09-15", "2026-10-15"]),  # 15 August is a Saturday
        ("0 9 31W * *", ["2026-07-31", "2026-08-31", "2026-10-30"]),  # 31 October is one, September has none
        ("0 9 LW * *", ["2026-07-31", "2026-08-31", "2026-09-30"]),
        ("0 9 * * fri#L", ["2026-07-31", "2026-08-28", "2026-09-25"]),
        ("0 9 * * friL", ["2026-07-31", "2026-08-28", "2026-09-25"]),
        ("0 9 * * fri#-1", ["2026-07-31", "2026-08-28", "2026-09-25"]),
        ("0 9 * * mon#1,fri#L", ["2026-07-31", "2026-08-03", "2026-08-28"]),
        ("0 9 * * mon%2,tue%2", ["2026-08-03", "2026-08-04", "2026-08-17"]),  # those of one week
        ("0 9 * * mon#1,wed", ["2026-07-29", "2026-08-03", "2026-08-05"]),
        ("0 9 L,15 * *", ["2026-07-31", "2026-08-15", "2026-08-31"]),
    ],
)
def test_days_that_have_a_notation_of_their_own(expression: str, days: list[str]) -> None:
    found = ours(expression, "Europe/Berlin", datetime(2026, 7, 27, 12, tzinfo=UTC), 3)
    assert [f"{one:%Y-%m-%d}" for one in found] == days


def walked(expression: str, zone: ZoneInfo, start: datetime, until: datetime) -> list[datetime]:
    """The rule of cron(8), by looking at the clock each minute."""
    fields = expression.split()
    rhythm = any("*" in one for one in fields[:2])
    found: set[datetime] = set()
    seen: set[datetime] = set()
    at = start.replace(second=0, microsecond=0) - timedelta(days=1)
    shown = at.astimezone(zone).replace(tzinfo=None)
    while at <= until:
        now = at.astimezone(zone).replace(tzinfo=None)
        skipped = [shown + timedelta(minutes=n) for n in range(1, int((now - shown).total_seconds() // 60))]
        matches = means(fields, now)
        if matches and (rhythm or now not in seen):
            found.add(at)
        if not rhythm and any(means(fields, one) for one in skipped):
            found.add(at)
        seen.update([now, *skipped])
        shown, at = now, at + timedelta(minutes=1)
    return sorted(one for one in found if start < one <= until)


def means(fields: list[str], wall: datetime) -> bool:
    values = (wall.minute, wall.hour, wall.day, wall.month, wall.isoweekday() % 7)
    lows = [low for low, _ in numbers.values()]
    minute, hour, day, month, weekday = (
        matches(one, value, low) for one, value, low in zip(fields, values, lows, strict=True)
    )
    both = day and weekday if "*" in fields[2] or "*" in fields[4] else day or weekday
    return minute and hour and month and both


@cache
def matches(field: str, value: int, low: int) -> bool:
    if field.startswith("*"):
        return (value - low) % int(field[2:] or 1) == 0
    for part in field.split(","):
        first, _, last = part.partition("-")
        if int(first) <= value <= int(last or first):
            return True
    return False


@pytest.mark.parametrize(
    ("expression", "zone", "day", "local"),
    [
        ("30 2 * * *", "Europe/Berlin", (2026, 3, 29), ["03:00"]),  # the clock goes from 02:00 to 03:00
        ("30 2 * * *", "Europe/Berlin", (2026, 10, 25), ["02:30"]),  # and from 03:00 back to 02:00
        ("0 2,3 * * *", "Europe/Berlin", (2026, 3, 29), ["03:00"]),
        ("15 * * * *", "Europe/Berlin", (2026, 3, 29), ["00:15", "01:15", "03:15"]),
        ("15 * * * *", "Europe/Berlin", (2026, 10, 25), ["00:15", "01:15", "02:15", "02:15"]),
        ("15 2 * * *", "Australia/Lord_Howe", (2026, 10, 4), ["02:30"]),  # from 02:00 to 02:30
        ("45 1 * * *", "Australia/Lord_Howe", (2026, 4, 5), ["01:45"]),  # from 02:00 to 01:30
    ],
)
def test_a_day_on_which_the_clock_is_moved(
    expression: str, zone: str, day: tuple[int, int, int], local: list[str]
) -> None:
    there = ZoneInfo(zone)
    begins = datetime(*day, tzinfo=there)
    found = ours(expression, zone, begins - timedelta(seconds=1), len(local))
    assert [one.astimezone(there).strftime("%H:%M") for one in found] == local


@pytest.mark.parametrize(
    ("expression", "same"),
    [
        ("0 9 * * 1-5", "0 9 * * mon-fri"),
        ("0 9 * * 0", "0 9 * * 7"),
        ("0 9 * * 5-7", "0 9 * * fri,sat,sun"),
        ("@weekly", "0 0 * * 0"),
        ("0 0 1 jan *", "0 0 1 1 *"),
        ("*/20 * * * *", "0 */20 * * * *"),
        ("5/20 * * * *", "5,25,45 * * * *"),
        ("0 0 ? * ?", "0 0 * * *"),
    ],
)
def test_two_ways_to_write_one_thing(expression: str, same: str) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert ours(expression, "UTC", start, 20) == ours(same, "UTC", start, 20)


def test_seconds_come_first_where_there_are_six_fields() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert ours("*/20 * * * * *", "UTC", start, 3) == [start + timedelta(seconds=20 * n) for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("", "has 0 fields"),
        ("* * * *", "has 4 fields"),
        ("60 * * * *", "the minute is 0 to 59, not 60"),
        ("* * 0 * *", "the day is 1 to 31"),
        ("* * * foo *", "'foo' is no month"),
        ("5-2 * * * *", "ends before it begins"),
        ("*/0 * * * *", "a step of 0 makes no sense"),
        ("1;2 * * * *", "'1;2' is no minute"),
        ("0 0 30 2 *", "never comes true"),
        ("0 0 31 4,6 *", "never comes true"),
        ("0 0 31W 2 *", "never comes true"),
        ("0 0 */30 2 fri#3", "never comes true"),
        ("0 0 * 2 fri#6", "is no day of week"),
        ("0 0 * * foo#1", "'foo' is no day of week"),
        ("0 0 * * mon%0", "what stands behind % is 1 to 53"),
        ("0 0 *%400 * *", "what stands behind % is 1 to 366"),
        ("0 0 32W * *", "the day is 1 to 31"),
        ("0 L * * *", "'l' is no hour"),
        ("1," * 200 + "1 * * * *", "at most 200 characters"),
    ],
)
def test_what_is_no_expression_is_refused_with_the_reason(expression: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        Cron(expression, UTC)


def test_the_29th_of_february_comes_true_in_leap_years_only() -> None:
    found = ours("0 0 29 2 *", "UTC", datetime(2026, 1, 1, tzinfo=UTC), 2)
    assert [one.year for one in found] == [2028, 2032]
    assert ours("0 0 29 2 *", "UTC", datetime(2097, 1, 1, tzinfo=UTC), 1)[0].year == 2104


def test_an_interval_counts_from_its_anchor_and_skips_nothing() -> None:
    anchor = datetime(2026, 1, 1, tzinfo=UTC)
    every = Every(90, anchor)
    assert every.next(anchor - timedelta(days=1)) == anchor
    assert every.next(anchor) == anchor + timedelta(seconds=90)
    assert every.next(anchor + timedelta(seconds=100)) == anchor + timedelta(seconds=180)


def test_a_single_instant_comes_once() -> None:
    at = datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    assert Once(at).next(at - timedelta(seconds=1)) == at
    assert Once(at).next(at) is None
