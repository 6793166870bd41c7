"""Places by what people write: a city finds its airports, and what is not clear is an error that says what to write."""

from __future__ import annotations

from typing import Any

import pytest

from llmcoder import BadInput
from llmcoder.testing import run_action
from tasks.travel.flight_actions import places
from tasks.travel.place_names import ALSO_OF, NOT_SERVED, SAME_CITY
from tasks.travel.places import candidates, folded, place_of, table


@pytest.mark.parametrize(
    ("written", "codes", "zone"),
    [
        ("Berlin", ("BER",), "Europe/Berlin"),
        ("  berlin ", ("BER",), "Europe/Berlin"),
        ("Berlin, DE", ("BER",), "Europe/Berlin"),
        ("Berlin, US", ("BML",), "America/New_York"),
        ("London", ("LCY", "LGW", "LHR", "LTN", "STN"), "Europe/London"),
        ("London, CA", ("YXU",), "America/Toronto"),
        ("Paris, Texas", ("PRX",), "America/Chicago"),
        ("NYC", ("JFK", "LGA", "EWR"), "America/New_York"),
        ("New York", ("JFK", "LGA", "EWR"), "America/New_York"),
        ("ber", ("BER",), "Europe/Berlin"),
        ("Heathrow", ("LHR",), "Europe/London"),
        ("München", ("MUC",), "Europe/Berlin"),
        ("Köln", ("CGN",), "Europe/Berlin"),
        ("Zürich", ("ZRH",), "Europe/Zurich"),
        ("Wien", ("VIE",), "Europe/Vienna"),
        ("São Paulo", ("CGH", "GRU", "VCP"), "America/Sao_Paulo"),
        ("Sao Paulo", ("CGH", "GRU", "VCP"), "America/Sao_Paulo"),
        ("Frankfurt", ("FRA",), "Europe/Berlin"),
        ("Basel", ("BSL",), "Europe/Paris"),
        ("Mallorca", ("PMI",), "Europe/Madrid"),
        ("Madrid", ("MAD",), "Europe/Madrid"),
        ("Istanbul", ("IST", "SAW"), "Europe/Istanbul"),
        ("Kyiv", ("IEV", "KBP"), "Europe/Kyiv"),
        ("Washington, US", ("DCA", "IAD"), "America/New_York"),
        ("Tokio", ("HND", "NRT"), "Asia/Tokyo"),
        ("東京", None, None),
    ],
)
def test_what_is_written_means_these_airports_and_their_zone(written: str, codes: Any, zone: Any) -> None:
    if codes is None:
        with pytest.raises(BadInput, match="There is no airport or city"):
            place_of(written)
        return
    place = place_of(written)
    assert (place.codes, place.zone) == (codes, zone)


@pytest.mark.parametrize(
    ("written", "proposals"),
    [
        ("Barcelona", ["Barcelona, ES (BCN)", "Barcelona, VE (BLA)"]),
        ("Birmingham", ["Birmingham, GB (BHX)", "Birmingham, US (BHM)"]),
        ("San Jose", ["San Jose, CR (SJO)", "San Jose, US (SJC)"]),
        ("Naples", ["Naples, US (APF)", "Napoli, IT (NAP)"]),
    ],
)
def test_what_may_mean_several_places_is_refused_with_all_of_them(written: str, proposals: list[str]) -> None:
    with pytest.raises(BadInput, match="may mean several places") as refused:
        place_of(written)
    assert [one for one in proposals if one not in refused.value.detail] == []
    for one in proposals:  # and what it proposes is taken
        assert len(candidates(one.partition(" (")[0])) >= 1


@pytest.mark.parametrize(
    ("written", "proposal"),
    [("Berlni", "Berlin, DE (BER)"), ("Londn", "London, GB"), ("Munchn", "Munich, DE (MUC)"), ("Lisbonn", "LIS")],
)
def test_what_nobody_knows_is_refused_with_what_was_meant_perhaps(written: str, proposal: str) -> None:
    with pytest.raises(BadInput, match="There is no airport or city") as refused:
        place_of(written)
    assert proposal in refused.value.detail


@pytest.mark.parametrize(
    "written", ["XQZ", "TXL", "12", "a b", ",", ", DE", "Berlin, XX", "%", "\u200b\u200b", "x" * 80]
)
def test_what_is_no_place_is_an_error_and_nothing_else(written: str) -> None:
    with pytest.raises(BadInput):
        place_of(written)


def test_every_city_finds_its_airport_or_the_metropolitan_area_around_it() -> None:
    astray = []
    for one in table().airports.values():
        assert place_of(one.code).codes == (one.code,)
        city = one.city.replace(",", "/").partition("/")[0].strip()
        found = candidates(f"{city}, {one.country}")
        if not any(one.code in place.codes or place.code in table().areas for place in found):
            astray.append(one.code)
    assert (astray, len(table().airports) > 7_000) == ([], True)


def test_the_lists_name_what_is_there() -> None:
    from airportsdata import load, load_iata_macs

    known, areas = load("IATA"), load_iata_macs()
    assert known.keys() >= NOT_SERVED
    assert areas.keys() >= ALSO_OF.keys()
    assert [code for codes in ALSO_OF.values() for code in codes if code not in known] == []
    assert [name for name in SAME_CITY if folded(name) != name] == []
    lost = [group for group in {*SAME_CITY.values()} if not any(name in table().by_city for name in group)]
    assert lost == [], "a group of names of which none is in the table"


def test_places_are_listed_with_what_to_write() -> None:
    found = run_action(places, {"name": "London"}).result
    assert (found.clear, found.items[0].write, len(found.items[0].airports)) == (True, "LON", 5)
    assert found.items[0].airports[2].name == "London Heathrow Airport"
    several = run_action(places, {"name": "Barcelona"}).result
    assert (several.clear, {one.write for one in several.items}) == (False, {"BCN", "BLA"})
    with pytest.raises(BadInput, match="Did you mean"):
        run_action(places, {"name": "Berlni"})
