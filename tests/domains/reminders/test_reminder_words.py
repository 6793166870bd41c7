"""Words about time, on the clock of a zone, against what a person means by them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter, ValidationError

from llmcoder import BadInput
from llmcoder.instants import WrittenInstant
from tasks.reminders.words import understand

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=BERLIN)  # a Monday


@pytest.mark.parametrize(
    ("words", "at"),
    [
        ("tomorrow 9am", "2026-11-24 09:00"),
        ("Tomorrow at 18:00", "2026-11-24 18:00"),
        ("in 20 minutes", "2026-11-23 09:50"),
        ("in an hour", "2026-11-23 10:30"),
        ("friday 17:00", "2026-11-27 17:00"),
        ("next friday at 5pm", "2026-11-27 17:00"),
        ("24 dec 18:00", "2026-12-24 18:00"),
        ("2026-12-01 08:15", "2026-12-01 08:15"),
        ("9am", "2026-11-24 09:00"),
        ("17:30", "2026-11-23 17:30"),
        ("noon", "2026-11-23 12:00"),
        ("tomorrow", "2026-11-24 09:00"),  # a day without a time is its morning
        ("monday", "2026-11-30 09:00"),
        ("tomorrow at 9", "2026-11-24 09:00"),
        ("at 5", "2026-11-24 05:00"),
        ("friday at 17", "2026-11-27 17:00"),
        ("in 2 weeks", "2026-12-07 09:00"),
        ("31 march 2027 02:30", "2027-03-31 02:30"),
    ],
)
def test_one_time_is_understood(words: str, at: str) -> None:
    found = understand(words, BERLIN, NOW)
    assert found.at is not None and f"{found.at.astimezone(BERLIN):%Y-%m-%d %H:%M}" == at


@pytest.mark.parametrize(
    ("words", "cron"),
    [
        ("every weekday at 18:00", "0 18 * * mon-fri"),
        ("every day", "0 9 * * *"),
        ("daily at 7:30 am", "30 7 * * *"),
        ("every monday and friday at 5pm", "0 17 * * 1,5"),
        ("each tuesday, thursday", "0 9 * * 2,4"),
        ("every weekend at noon", "0 12 * * sat,sun"),
        ("every hour", "0 */1 * * *"),
        ("every 15 minutes", "*/15 * * * *"),
        ("every 6 hours", "0 */6 * * *"),
        ("every month on the 3rd at 12am", "0 0 3 * *"),
        ("weekly", "0 9 * * 1"),
        ("every sun at midnight", "0 0 * * 0"),
    ],
)
def test_what_comes_again_is_understood(words: str, cron: str) -> None:
    assert understand(words, BERLIN, NOW).cron == cron


@pytest.mark.parametrize(
    "words",
    [
        "", "5", "soonish", "every", "every now and then", "every blue moon at 9", "every day at 25:00",
        "every day at 13pm", "every 7 minutes", "every month on the 32nd", "yesterday", "2020-01-01 10:00", "!!",
        "every monday at teatime",
    ],
)  # fmt: skip
def test_what_is_not_understood_or_past_says_so(words: str) -> None:
    with pytest.raises(BadInput, match=r"not understood|past|divides"):
        understand(words, BERLIN, NOW)


@pytest.mark.parametrize(
    ("words", "zone"),
    [
        ("0001-01-01", "Europe/Berlin"),
        ("dec 31 9999 11pm PST", "Europe/Berlin"),
        ("9999-12-31 23:59", "America/New_York"),
        ("9999-12-31 23:59", "Pacific/Kiritimati"),
        ("0001-01-01 00:00", "Pacific/Kiritimati"),
    ],
)
def test_what_some_clocks_cannot_show_is_refused_with_the_reason(words: str, zone: str) -> None:
    with pytest.raises(BadInput, match=r"beyond the years|past"):
        understand(words, ZoneInfo(zone), NOW)


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+12:00"])
def test_an_instant_that_some_clocks_cannot_show_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="in every zone"):
        TypeAdapter(WrittenInstant).validate_python(text)


def test_the_clock_is_that_of_the_zone() -> None:
    for zone in (BERLIN, ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/New_York")):
        found = understand("tomorrow 9am", zone, NOW)
        assert found.at is not None and f"{found.at.astimezone(zone):%H:%M}" == "09:00"


def test_so_many_minutes_are_so_many_where_the_clock_is_put_back() -> None:
    first_pass = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # half past two in Berlin, for the first time
    assert understand("in 20 minutes", BERLIN, first_pass).at == first_pass + timedelta(minutes=20)
