"""Words about time, on the clock of a zone, against what a person means by them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from time_phrases import ENGLISH, FRENCH, GERMAN, REFUSED, SPANISH

from llmcoder import BadInput
from llmcoder.instants import WrittenInstant
from llmcoder.recurrence import Cron
from llmcoder.time_phrases.understanding import MOST_PIECES
from tasks.reminders.words import understand

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=BERLIN)  # a Monday
WEDNESDAY = datetime(2026, 11, 25, 7, 0, tzinfo=BERLIN)
UNDERSTOOD = [*ENGLISH, *GERMAN, *FRENCH, *SPANISH]


def read(words: str, zone: ZoneInfo = BERLIN, now: datetime = WEDNESDAY) -> str:
    meant = understand(words, zone, now)
    if meant.cron is not None:
        Cron(meant.cron, zone)
        return meant.cron
    assert meant.at is not None
    return f"{meant.at.astimezone(zone):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(("words", "meant"), UNDERSTOOD)
def test_a_phrase_of_each_language_is_understood(words: str, meant: str) -> None:
    assert read(words) == meant


@pytest.mark.parametrize(("words", "why"), REFUSED)
def test_what_is_refused_says_why_and_shows_three_phrases_that_work(words: str, why: str) -> None:
    with pytest.raises(BadInput) as refusal:
        understand(words, BERLIN, WEDNESDAY)
    assert why in refusal.value.detail
    shown = refusal.value.detail.partition("Such phrases work: ")[2].removesuffix(".").split("; ")
    assert len([read(one) for one in shown]) == 3


#: Letters of which no word of a language is made.
unknown_words = st.text("bqvxz", min_size=5, max_size=9)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(UNDERSTOOD), unknown_words, st.integers(0, 12))
@example(("every other tuesday", ""), "bqvxz", 1)
@example(("17h30", ""), "bqvxz", 1)
def test_a_word_that_is_unknown_is_named_wherever_it_stands(phrase: tuple[str, str], word: str, place: int) -> None:
    words = phrase[0].split()
    words.insert(min(place, len(words)), word)
    with pytest.raises(BadInput, match=f"nothing is known of '{word}'"):
        understand(" ".join(words), BERLIN, WEDNESDAY)


#: Each says a day, or how often, and a time.
WHOLE = [
    "tomorrow 9am", "friday at 17:00", "24 dec 18:00", "every other tuesday at 9:30", "tonight at 8",
    "in 2 days at 5pm", "last day of the month at noon", "morgen um 9 Uhr", "jeden Montag um 8 Uhr", "24.12. 18:00",
    "demain à 9h", "le 24 décembre à 18h", "tous les jours à 7h", "mañana a las 9", "cada lunes a las 17:00",
]  # fmt: skip


@pytest.mark.parametrize("one", WHOLE)
def test_what_says_a_thing_twice_is_refused(one: str) -> None:
    assert read(one)
    for other in WHOLE:
        for both in (f"{one} {other}", f"{one}, {other}", f"{one} and {other}"):
            with pytest.raises(BadInput, match="not understood"):
                understand(both, BERLIN, WEDNESDAY)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
@example("9" * 200)
@example("1 m " * 50)
@example("mon " * 50)
@example("mon and " * 13)
@example("the " * 40)
@example("a half a " * 13)
@example("1.1." * 10)
@example("1," * 20)
@example("9 and " * 20)
@example("next month on the 1 and " * 5)
@example(":" * 40)
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        meant = understand(text, BERLIN, WEDNESDAY)
    except BadInput as error:
        assert "not understood" in error.detail
    else:
        assert (meant.at is None) != (meant.cron is None)


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
    assert read(words, now=NOW) == at


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
    assert read(words, now=NOW) == cron


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
    ("words", "first", "then"),
    [
        ("every other tuesday at 2:30", "2026-12-01 02:30 +0100", "2026-12-15 02:30 +0100"),
        ("every 2 weeks on sunday at 2:30", "2026-11-29 02:30 +0100", "2026-12-13 02:30 +0100"),
        ("every other day at 6", "2026-11-26 06:00 +0100", "2026-11-28 06:00 +0100"),
        ("every other day at 8", "2026-11-25 08:00 +0100", "2026-11-27 08:00 +0100"),
        ("every other monday and friday", "2026-11-27 09:00 +0100", "2026-12-07 09:00 +0100"),
        ("every 2 months on the 31st", "2026-12-31 09:00 +0100", "2027-08-31 09:00 +0200"),
        ("last day of every month", "2026-11-30 09:00 +0100", "2026-12-31 09:00 +0100"),
        ("every first monday", "2026-12-07 09:00 +0100", "2027-01-04 09:00 +0100"),
    ],
)
def test_what_comes_every_so_often_is_counted_from_its_first_time(words: str, first: str, then: str) -> None:
    meant = understand(words, BERLIN, WEDNESDAY)
    assert meant.cron is not None
    cron = Cron(meant.cron, BERLIN)
    times = [at.astimezone(BERLIN) for at in cron.between(WEDNESDAY, WEDNESDAY + timedelta(days=400))]
    assert [f"{at:%Y-%m-%d %H:%M %z}" for at in times[:2]] == [first, then]


def test_every_other_week_stays_every_other_where_the_clock_is_moved_and_years_end() -> None:
    meant = understand("every other sunday at 2:30", BERLIN, WEDNESDAY)
    assert meant.cron is not None
    times = list(Cron(meant.cron, BERLIN).between(WEDNESDAY, WEDNESDAY + timedelta(days=2_000)))
    days = [at.astimezone(BERLIN).date() for at in times]
    assert {later - earlier for earlier, later in itertools.pairwise(days)} == {timedelta(days=14)}


@pytest.mark.parametrize(
    ("words", "zone", "at"),
    [
        ("28 mar 2027 02:30", "Europe/Berlin", "2027-03-28 03:00 +0200"),  # skipped: at the moment of the jump
        ("28.3.2027 um 2:00", "Europe/Berlin", "2027-03-28 03:00 +0200"),
        ("31 oct 2027 02:30", "Europe/Berlin", "2027-10-31 02:30 +0200"),  # twice: the first time
        ("14 mar 2027 2:15am", "America/New_York", "2027-03-14 03:00 -0400"),
        ("7 nov 2027 1:30am", "America/New_York", "2027-11-07 01:30 -0400"),
        ("3 oct 2027 2:10", "Australia/Lord_Howe", "2027-10-03 02:30 +1100"),
        ("in 6 months", "Europe/Berlin", "2027-05-25 09:00 +0200"),
        ("in 6 meses", "Europe/Berlin", "refused"),
        ("en 6 meses", "Europe/Berlin", "2027-05-25 09:00 +0200"),
        ("in 240 days at 9", "America/New_York", "2027-07-23 09:00 -0400"),
    ],
)
def test_the_offset_is_that_of_the_day_meant(words: str, zone: str, at: str) -> None:
    place = ZoneInfo(zone)
    try:
        meant = understand(words, place, WEDNESDAY).at
    except BadInput:
        assert at == "refused"
        return
    assert meant is not None and f"{meant.astimezone(place):%Y-%m-%d %H:%M %z}" == at


@pytest.mark.parametrize(
    ("words", "zone"),
    [
        ("0001-01-01", "Europe/Berlin"),
        ("dec 31 9999 11pm PST", "Europe/Berlin"),
        ("9999-12-31 23:59", "America/New_York"),
        ("9999-12-31 23:59", "Pacific/Kiritimati"),
        ("0001-01-01 00:00", "Pacific/Kiritimati"),
        ("in 9000 years", "Europe/Berlin"),
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


def test_a_long_phrase_is_refused_before_it_is_read() -> None:
    with pytest.raises(BadInput, match="too long"):
        understand("9 " * (MOST_PIECES + 1), BERLIN, WEDNESDAY)
