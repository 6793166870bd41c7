"""Flights without network, key and account: recorded quotes, marked as such; and every input that cannot be right."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from travel_kit import NOW, canned, clock, context, look, recorded_file, search

from llmcoder import BadInput, Cancelled, NeedsReconnect, NotConfigured
from llmcoder.money import Money
from llmcoder.testing import FakeContext
from tasks.travel.checks import what_is_asked
from tasks.travel.recorded import bundled_quotes
from tasks.travel.search import FlightQuery
from tasks.travel.settings import DuffelSettings, TravelSettings
from tasks.travel.source import leg, price, transfer, way

__all__ = ["clock"]

pytestmark = pytest.mark.usefixtures("clock")

local = datetime.fromisoformat
EIGHT = local("2027-01-01T08:00")


def test_a_new_user_finds_flights_that_say_that_they_are_recorded() -> None:
    found = look(adults=2)
    assert (found.source, found.recorded, found.passengers, found.quoted_at) == ("recorded", True, 2, NOW)
    assert found.note is not None and "nobody sells" in found.note
    prices = [one.price for one in found.items]
    assert len(prices) == 4 and prices == sorted(prices)
    assert {one.out.legs[0].origin for one in found.items} == {"BER"}
    assert (found.origin.name, found.destination.code) == ("Berlin", "LON")
    direct = next(one for one in found.items if not one.out.stops)
    (flown,) = direct.out.legs
    assert (flown.departs_local, str(flown.departs_at)[-6:]) == ("2027-01-10T07:10", "+01:00")
    assert (flown.arrives_local, direct.out.minutes, direct.self_transfer) == ("2027-01-10T08:05", 115, "no")


def test_the_price_is_of_the_whole_party_and_of_the_cabin() -> None:
    alone = look(max_stops=0, limit=1).items[0].price
    family = look(max_stops=0, limit=1, adults=2, children=1, infants=1).items[0].price
    assert abs(family.minor * 100 - alone.minor * 285) <= 100, "2 + 0.75 + 0.1, to the cent"
    assert look(max_stops=0, limit=1, cabin="business").items[0].price == alone * 3


def test_there_and_back_is_one_price_and_one_is_there_before_one_flies_back() -> None:
    found = look(return_on="2027-01-14", max_stops=0)
    assert len(found.items) == 9
    for one in found.items:
        assert one.back is not None
        assert (one.back.legs[0].origin, one.back.legs[-1].destination) == ("LHR", "BER")
    there = {one.out.legs[0].number: one.price for one in look(max_stops=0).items}
    back = {one.out.legs[0].number: one.price for one in look(**_back(), max_stops=0).items}
    first = found.items[0]
    assert first.back is not None
    assert first.price == there[first.out.legs[0].number] + back[first.back.legs[0].number]
    same_day = look(return_on="2027-01-10", max_stops=0)
    for one in same_day.items:
        assert one.back is not None and one.back.legs[0].departs_at > one.out.legs[-1].arrives_at  # type: ignore[operator]
    assert 0 < len(same_day.items) < 9


def _back() -> dict[str, str]:
    return {"from": "London", "to": "Berlin", "depart_on": "2027-01-14"}


def test_flexible_days_are_looked_at_with_the_same_stay_and_progress_is_shown() -> None:
    ctx = FakeContext()
    found = look(ctx, flexible_days=2, return_on="2027-01-14", limit=100)
    stays = set()
    for one in found.items:
        assert one.back is not None
        days = [date.fromisoformat(way.legs[0].departs_local[:10]) for way in (one.out, one.back)]
        stays.add(days[1] - days[0])
    assert stays == {timedelta(days=4)}
    assert {one.out.legs[0].departs_local[:10] for one in found.items} >= {"2027-01-08", "2027-01-12"}
    assert [round(share, 1) for share, _ in ctx.progress_seen] == [0.0, 0.2, 0.4, 0.6, 0.8]
    assert ctx.progress_seen[0][1] == "2027-01-10", "the asked day comes first"


def test_flexible_days_do_not_look_into_the_past() -> None:
    days = [day for day, _ in search(depart_on="2026-11-30", flexible_days=3).days()]
    assert days == [date(2026, 11, 30), date(2026, 11, 29), *(date(2026, 12, day) for day in (1, 2, 3))]


def test_a_cancelled_search_ends() -> None:
    with pytest.raises(Cancelled):
        look(FakeContext(cancel_after=1), flexible_days=3)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"depart_on": "2027-02-30"}, "depart_on"),
        ({"depart_on": "10.01.2027"}, "a date such as 2030-06-01"),
        ({"depart_on": "2027-01-10T08:00:00Z"}, "a date such as 2030-06-01"),
        ({"depart_on": "1800000000"}, "a date such as 2030-06-01"),
        ({"depart_on": 1800000000}, "a date such as 2030-06-01"),
        ({"depart_on": True}, "a date such as 2030-06-01"),
        ({"return_on": "2027-01-09"}, "before depart_on"),
        ({"currency": "XXQ"}, "no currency"),
        ({"currency": "XAU"}, "no minor unit"),
        ({"currency": "EURO"}, "at most 3"),
        ({"adults": 0}, "greater than or equal to 1"),
        ({"adults": 5, "children": 5}, "at most 9 passengers"),
        ({"adults": 1, "infants": 2}, "lap of an adult"),
        ({"flexible_days": 4}, "less than or equal to 3"),
        ({"cabin": "cockpit"}, "economy"),
        ({"source": "oracle"}, "recorded"),
        ({"from": ""}, "at least 2"),
        ({"from": "a\x00b"}, "pattern"),
        ({"gate": "7"}, "Extra inputs"),
    ],
)
def test_an_input_that_cannot_be_right_is_refused_at_the_submit(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        search(**given)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"depart_on": "2026-11-28"}, "which is past: in Berlin it is 2026-11-29"),
        ({"depart_on": "2029-01-10"}, "more than 360 days ahead"),
        ({"depart_on": "2027-11-20", "return_on": "2027-12-20"}, "more than 360 days ahead"),
        ({"to": "Berlin"}, "have an airport in common"),
        ({"from": "LHR", "to": "London"}, "have an airport in common"),
        ({"from": "Atlantis"}, "There is no airport or city 'Atlantis'"),
        ({"to": "Barcelona"}, "may mean several places: Barcelona, ES"),
        ({"to": "Oslo"}, "no recorded quotes from Berlin to Oslo"),
        ({"currency": "USD"}, "Recorded quotes are in EUR, not in USD"),
    ],
)
def test_what_nobody_can_fly_is_refused_with_what_to_do(given: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        look(**given)


def test_what_has_departed_today_is_shown_no_more() -> None:
    # it is 12:00 in UTC and 13:00 in Berlin, and each day has flights at 07:10, 09:35, 13:25 and 19:40
    today = [one.out.legs[0].departs_local[-5:] for one in look(depart_on=str(NOW.date())).items]
    assert sorted(today) == ["13:25", "19:40"]
    assert len(look(depart_on=str((NOW + timedelta(days=1)).date())).items) == 4


@pytest.mark.parametrize("day", ["9999-12-31", "9999-12-30", "0001-01-01"])
def test_the_ends_of_the_calendar_are_no_days_to_fly_on(day: str) -> None:
    with pytest.raises(BadInput):
        look(depart_on=day, flexible_days=3)


def test_flexible_days_do_not_look_further_ahead_than_airlines_sell() -> None:
    last = str((NOW + timedelta(days=360)).date())
    assert [str(day) for day, _ in search(depart_on=last, flexible_days=2).days()] == [
        last, *(str((NOW + timedelta(days=360 - off)).date()) for off in (1, 2)),
    ]  # fmt: skip


def test_today_is_the_day_at_the_airport_of_departure() -> None:
    """At noon in London it is tomorrow in Banana, Kiritimati, and today is past there."""
    with pytest.raises(BadInput, match="in Banana it is 2026-11-30"):
        search(**{"from": "CXI", "depart_on": "2026-11-29"})


def test_a_currency_may_be_written_small() -> None:
    assert (
        FlightQuery.model_validate({"from": "BER", "to": "LHR", "depart_on": "2027-01-10", "currency": "eur"}).currency
        == "EUR"
    )


# --- recorded quotes


def test_the_quotes_that_come_with_the_program_are_whole() -> None:
    known = bundled_quotes()
    assert len(known.routes) == 30 and {len(one.cents) for route in known.routes for one in route.flights} == {30}
    pairs = {(one.origin, one.destination) for one in known.routes}
    assert {(there, here) for here, there in pairs} == pairs, "each can be flown back"
    assert "Made-up" in known.about


def test_each_day_that_goes_by_has_the_next_recorded_price(tmp_path: Path) -> None:
    own = recorded_file(tmp_path / "own.json", [10_000, 20_000, 30_000])
    days = look(context(TravelSettings(travel_recorded_file=own)), flexible_days=1, limit=3)
    assert {one.price.minor for one in days.items} == {10_000, 20_000, 30_000}
    assert days.items[0].out.legs[0].carrier == "Test Air"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read"),
        (b"\x00\xff", "is no JSON"),
        (b"[]", "holds no recorded quotes"),
        (b'{"about": "x"}', "holds no recorded quotes"),
        (json.dumps({"about": "x", "recorded_on": "2026-01-01", "currency": "XXQ", "routes": []}).encode(), "currency"),
    ],
)
def test_a_file_that_is_none_is_named_with_the_reason(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "own.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NotConfigured, match=why) as refused:
        look(context(TravelSettings(travel_recorded_file=path)))
    assert "TRAVEL_RECORDED_FILE" in refused.value.detail


def test_a_file_that_names_no_airport_is_refused(tmp_path: Path) -> None:
    path = recorded_file(tmp_path / "own.json", [1])
    path.write_text(path.read_text().replace('"LHR"', '"QQQ"'))
    with pytest.raises(NotConfigured, match="unknown: QQQ"):
        look(context(TravelSettings(travel_recorded_file=path)))


# --- what is said of flights, whatever the source


def test_times_on_the_clocks_of_two_airports_make_the_right_length_over_a_change_of_clocks() -> None:
    night = way([leg("BER", "LHR", local("2027-03-28T01:30"), local("2027-03-28T02:30"))])
    assert night.minutes == 60, "both clocks go forward that night"
    assert leg("BER", "QQQ", EIGHT, EIGHT).arrives_at is None


def test_who_changes_the_airport_or_the_ticket_is_on_their_own() -> None:
    at = EIGHT
    direct = way([leg("BER", "LHR", at, at)])
    change = way([leg("BER", "CDG", at, at), leg("CDG", "LHR", at, at)])
    other_airport = way([leg("BER", "CDG", at, at), leg("ORY", "LHR", at, at)])
    said = [
        transfer([one], separate_tickets=separate)
        for one in (direct, change, other_airport)
        for separate in (False, None, True)
    ]
    assert said == ["no", "no", "no", "no", "possible", "yes", "yes", "yes", "yes"]


def test_money_of_a_source_is_never_guessed() -> None:
    assert price("189990", "GBP", 1_000) == Money.of("189.99", "GBP")
    assert price(51.37, "EUR") == Money.of("51.37", "EUR")
    assert price("1234.5", "JPY") == Money(1235, "JPY")
    for amount, currency in [
        ("", "EUR"), ("1e9999", "EUR"), ("NaN", "EUR"), (-1, "EUR"), (True, "EUR"), (None, "EUR"), (1, "XXQ"),
        (1, None), ("9" * 300, "EUR"), ({"a": 1}, "EUR"),
    ]:  # fmt: skip
        assert price(amount, currency) is None


# --- doctor


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (TravelSettings(), "recorded quotes of 30 routes; nobody sells at them."),
        (TravelSettings(travel_source="duffel"), "Duffel; users connect their own accounts"),
        (TravelSettings(travel_source="skyscanner"), "Skyscanner; users connect their own accounts"),
    ],
)
def test_doctor_says_which_source_is_asked(settings: TravelSettings, said: str) -> None:
    assert what_is_asked(settings, context(settings)).startswith(said)


def test_doctor_says_what_is_wrong_with_a_file_of_one_s_own(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="cannot be read"):
        what_is_asked(TravelSettings(travel_recorded_file=tmp_path / "none.json"), context())


def test_doctor_asks_the_source_who_we_are() -> None:
    with canned() as server:
        server.say(200, {"data": []})
        own = DuffelSettings(duffel_access_token="duffel_test_x", duffel_api_url=server.url)
        assert what_is_asked(TravelSettings(travel_source="duffel"), context(own)).startswith("Duffel, as test-")
        server.answers.clear()
        server.say(401, {"errors": [{"message": "No such token"}]})
        with pytest.raises(NeedsReconnect, match="No such token"):
            what_is_asked(TravelSettings(travel_source="duffel"), context(own))
