"""Duffel, against a server whose every request is held against its documentation, each branch of its errors included.

No contract of the vendor's is at hand: the shapes are transcribed by hand from
https://duffel.com/docs/api/v2/offer-requests and https://duffel.com/docs/api/overview/making-requests.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from jsonschema import Draft202012Validator
from travel_kit import Canned, canned, clock, context, look, search

from llmcoder import (
    BadInput,
    Cancelled,
    Forbidden,
    NeedsReconnect,
    NotConfigured,
    NotFound,
    RateLimited,
    Refused,
    Transient,
)
from llmcoder.errors import ActionError
from llmcoder.testing import FakeContext
from tasks.travel.duffel import DUFFEL, DuffelAccount, duffel_error, flight_of, minutes, offer_request, who_am_i
from tasks.travel.settings import DuffelSettings
from tasks.travel.source import MOST_REQUESTS, flight_number, requests_of

__all__ = ["clock"]

pytestmark = pytest.mark.usefixtures("clock")

TOKEN = "duffel_test_secret"
NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def airport(code: str, city: str, zone: str) -> dict[str, Any]:
    return {
        "type": "airport", "time_zone": zone, "name": code, "iata_code": code, "iata_city_code": code,
        "iata_country_code": "GB", "city_name": city, "id": f"arp_{code.lower()}_gb",
    }  # fmt: skip


BER, LHR = airport("BER", "Berlin", "Europe/Berlin"), airport("LHR", "London", "Europe/London")
AMS = airport("AMS", "Amsterdam", "Europe/Amsterdam")


def segment(origin: dict[str, Any], destination: dict[str, Any], departs: str, arrives: str) -> dict[str, Any]:
    return {
        "origin": origin, "destination": destination, "departing_at": departs, "arriving_at": arrives,
        "marketing_carrier": {"name": "Duffel Airways", "iata_code": "ZZ", "id": "arl_1"},
        "marketing_carrier_flight_number": "0021", "operating_carrier": {"name": "Duffel Airways", "iata_code": "ZZ"},
        "duration": "PT2H0M", "id": "seg_1", "passengers": [], "aircraft": None,
    }  # fmt: skip


def offer(amount: str, *segments: dict[str, Any], duration: str = "PT2H0M") -> dict[str, Any]:
    legs = segments or (segment(BER, LHR, "2027-01-10T07:00:00", "2027-01-10T08:00:00"),)
    return {
        "id": "off_1", "total_amount": amount, "total_currency": "GBP", "base_amount": amount,
        "owner": {"name": "Duffel Airways", "iata_code": "ZZ"}, "expires_at": "2026-11-29T12:30:00Z",
        "slices": [{"id": "sli_1", "duration": duration, "origin": BER, "destination": LHR, "segments": list(legs)}],
    }  # fmt: skip


def answer(*offers: dict[str, Any], live: bool = False) -> dict[str, Any]:
    return {"data": {"id": "orq_1", "live_mode": live, "offers": list(offers), "slices": [], "passengers": []}}


CODE = {"type": "string", "pattern": "^[A-Z]{3}$"}
PASSENGER = {
    "oneOf": [
        {"properties": {"type": {"enum": ["adult", "child", "infant_without_seat"]}}, "required": ["type"]},
        {"properties": {"age": {"type": "integer", "minimum": 0, "maximum": 130}}, "required": ["age"]},
    ],
    "maxProperties": 1,
}
SLICE = {
    "type": "object",
    "properties": {"origin": CODE, "destination": CODE, "departure_date": {"pattern": r"^\d{4}-\d\d-\d\d$"}},
    "required": ["origin", "destination", "departure_date"],
    "additionalProperties": False,
}
DATA = {
    "type": "object",
    "properties": {
        "slices": {"type": "array", "minItems": 1, "items": SLICE},
        "passengers": {"type": "array", "minItems": 1, "maxItems": 9, "items": PASSENGER},
        "cabin_class": {"enum": ["first", "business", "premium_economy", "economy"]},
        "max_connections": {"type": "integer", "minimum": 0},
    },
    "required": ["slices", "passengers"],
    "additionalProperties": False,
}
OFFER_REQUEST = Draft202012Validator(
    {"type": "object", "properties": {"data": DATA}, "required": ["data"], "additionalProperties": False}
)


def violations(server: Canned) -> list[str]:
    """What the documentation does not allow of what was asked."""
    wrong: list[str] = []
    for method, path, headers, body in server.requests:
        address, _, query = path.partition("?")
        if headers.get("duffel-version") != "v2" or not headers.get("authorization", "").startswith("Bearer duffel_"):
            wrong.append(f"{path}: no version, or no token")
        if (method, address) == ("POST", "/air/offer_requests"):
            timeout_ms = int(dict(parse_qsl(query)).get("supplier_timeout", 20_000))
            wrong += [error.message for error in OFFER_REQUEST.iter_errors(json.loads(body))]
            wrong += [] if 2_000 <= timeout_ms <= 60_000 and "return_offers=true" in query else [query]
        elif (method, address) != ("GET", "/air/airlines"):
            wrong.append(f"{method} {path} is not there")
    return wrong


@pytest.fixture
def duffel() -> Iterator[Canned]:
    with canned() as server:
        yield server
        assert violations(server) == []


def test_what_the_documentation_does_not_allow_would_be_seen(duffel: Canned) -> None:
    duffel.say(201, answer())
    look(ctx_of(duffel), source="duffel")
    ((method, path, headers, body),) = duffel.requests
    wrong = [
        (method, path, headers, body.replace(b'"BER"', b'"Berlin"')),
        (method, path, headers, body.replace(b'"adult"', b'"pensioner"')),
        (method, path, headers, body.replace(b'"cabin_class"', b'"cabin"')),
        (method, path.replace("20000", "90000"), headers, body),
        (method, "/air/orders", headers, body),
        (method, path, headers | {"duffel-version": "v1"}, body),
    ]
    for one in wrong:
        duffel.requests[:] = [one]
        assert violations(duffel) != [], one
    duffel.requests.clear()


def ctx_of(duffel: Canned, **more: Any) -> FakeContext:
    return context(DuffelSettings(duffel_access_token=TOKEN, duffel_api_url=duffel.url), **more)


def test_offers_are_flights_the_cheapest_first_and_nobody_sells_in_test_mode(duffel: Canned) -> None:
    change = (
        segment(BER, AMS, "2027-01-10T07:00:00", "2027-01-10T08:30:00"),
        segment(AMS, LHR, "2027-01-10T10:00:00", "2027-01-10T10:20:00"),
    )
    duffel.say(201, answer(offer("120.00"), offer("45.50", *change, duration="P0DT4H20M")))
    found = look(ctx_of(duffel), source="duffel", adults=2)
    assert [str(one.price) for one in found.items] == ["45.50 GBP", "120.00 GBP"]
    assert (found.source, found.recorded, found.complete) == ("duffel", True, True)
    assert found.note is not None and "made-up airline" in found.note
    cheapest, direct = found.items
    assert (cheapest.out.stops, cheapest.out.via, cheapest.out.minutes) == (1, ["AMS"], 260)
    assert (cheapest.self_transfer, cheapest.seller) == ("no", "Duffel Airways"), "an offer is one ticket"
    (leg,) = direct.out.legs
    assert (leg.departs_local, str(leg.departs_at), leg.number) == (
        "2027-01-10T07:00", "2027-01-10 07:00:00+01:00", "ZZ 0021",
    )  # fmt: skip
    ((method, path, headers, _),) = duffel.requests
    assert (method, path) == ("POST", "/air/offer_requests?return_offers=true&supplier_timeout=20000")
    assert (headers["authorization"], headers["duffel-version"]) == (f"Bearer {TOKEN}", "v2")


def test_a_live_token_sells(duffel: Canned) -> None:
    duffel.say(201, answer(offer("120.00"), live=True))
    found = look(ctx_of(duffel), source="duffel")
    assert (found.recorded, found.note) == (False, None)


def test_a_currency_that_duffel_does_not_take_is_said_so(duffel: Canned) -> None:
    duffel.say(201, answer(offer("120.00"), live=True))
    found = look(ctx_of(duffel), source="duffel", currency="EUR")
    assert (str(found.items[0].price), found.note) == ("120.00 GBP", "duffel answers in GBP, and not in EUR.")


def test_what_is_asked_is_what_duffel_takes() -> None:
    wanted = search(return_on="2027-01-14", adults=2, children=1, infants=1, cabin="premium_economy", max_stops=1)
    (request,) = requests_of(wanted)
    assert offer_request(request, wanted) == {
        "data": {
            "slices": [
                {"origin": "BER", "destination": "LON", "departure_date": "2027-01-10"},
                {"origin": "LON", "destination": "BER", "departure_date": "2027-01-14"},
            ],
            "passengers": [{"type": "adult"}, {"type": "adult"}, {"age": 8}, {"age": 1}],
            "cabin_class": "premium_economy",
            "max_connections": 1,
        }
    }


def test_each_flexible_day_is_a_request_and_progress_is_shown(duffel: Canned) -> None:
    duffel.say(201, answer(offer("120.00")))
    ctx = ctx_of(duffel)
    look(ctx, source="duffel", flexible_days=1)
    days = [body["data"]["slices"][0]["departure_date"] for body in duffel.bodies()]
    assert days == ["2027-01-10", "2027-01-09", "2027-01-11"]
    assert [message for _, message in ctx.progress_seen] == [f"BER - LON, {day}" for day in days]


def test_too_many_requests_are_refused_with_what_to_say_instead() -> None:
    wide = search(**{"from": "San Jose, US", "to": "Berlin", "flexible_days": 3})
    assert len(requests_of(wide)) <= MOST_REQUESTS
    many = search(**{"from": "Los Angeles", "to": "Paris", "flexible_days": 3})
    object.__setattr__(many.origin, "code", None)
    object.__setattr__(many.origin, "airports", many.origin.airports * 3)
    with pytest.raises(BadInput, match="21 searches"):
        requests_of(many)


def test_a_user_s_own_account_goes_before_the_installation_s(duffel: Canned) -> None:
    duffel.say(201, answer())
    ctx = ctx_of(duffel, connections={DUFFEL: DuffelAccount(access_token="duffel_live_mine")})
    assert look(ctx, source="duffel").items == []
    assert duffel.requests[0][2]["authorization"] == "Bearer duffel_live_mine"


def test_without_an_account_it_says_what_is_missing() -> None:
    with pytest.raises(NotConfigured, match="Duffel"):
        look(context(), source="duffel")


def test_offers_that_are_not_what_duffel_promises_are_left_out_and_that_is_said(duffel: Canned) -> None:
    wrong: list[dict[str, Any]] = []
    for name, value in (
        ("total_amount", "cheap"), ("total_amount", None), ("total_currency", "XXQ"), ("slices", []), ("slices", None),
        ("slices", [{"segments": []}]), ("slices", [{"segments": [{}]}]), ("slices", [1]),
    ):  # fmt: skip
        wrong.append(copy.deepcopy(offer("1.00")) | {name: value})
    duffel.say(201, answer(*wrong, offer("99.00")))
    found = look(ctx_of(duffel), source="duffel")
    assert ([str(one.price) for one in found.items], found.complete) == (["99.00 GBP"], False)
    assert all(flight_of(one, search()) is None for one in (*wrong, None, 7, "x", []))


# --- who we are


def test_an_account_has_a_name_that_is_no_secret(duffel: Canned) -> None:
    duffel.say(200, {"data": []})
    name = who_am_i(DuffelAccount(access_token=TOKEN), ctx_of(duffel))
    assert name.startswith("test-") and "secret" not in name
    assert duffel.requests[0][1] == "/air/airlines?limit=1"
    duffel.answers.clear()
    duffel.say(401, problem("authentication_error", "The access token is not valid."))
    with pytest.raises(NeedsReconnect, match="not valid"):
        who_am_i(DuffelAccount(access_token=TOKEN), ctx_of(duffel))


@pytest.mark.parametrize(
    ("origin", "kept"),
    [("BER", True), ("ber", True), (" BER ", True), ("BERLIN", False), ("B3R", False), (None, False)],
)
def test_a_code_is_one_or_the_offer_is_left_out(duffel: Canned, origin: Any, kept: bool) -> None:
    strange = copy.deepcopy(offer("120.00"))
    strange["slices"][0]["segments"][0]["origin"]["iata_code"] = origin
    duffel.say(201, answer(strange))
    assert [one.out.legs[0].origin for one in look(ctx_of(duffel), source="duffel").items] == ["BER"] * kept


@pytest.mark.parametrize(
    ("carrier", "number", "shown"),
    [("BA", "983", "BA 983"), ("BA", 983, "BA 983"), (None, "983", "983"), ("BA", {"a": 1}, "BA"), (None, None, None)],
)
def test_a_flight_number_is_text(carrier: Any, number: Any, shown: str | None) -> None:
    assert flight_number(carrier, number) == shown


# --- errors


def problem(kind: str, message: str) -> dict[str, Any]:
    one = {"type": kind, "title": "T", "message": message, "code": "c", "documentation_url": "https://duffel.com"}
    return {"errors": [one], "meta": {"request_id": "r", "status": 400}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "why"),
    [
        (400, problem("invalid_request_error", "Missing header"), BadInput, "Missing header"),
        (401, problem("authentication_error", "Expired"), Forbidden, "Expired.* Connect the account again"),
        (403, problem("invalid_request_error", "No permission"), Forbidden, "No permission"),
        (404, problem("invalid_request_error", "No such thing"), NotFound, "No such thing"),
        (406, problem("invalid_request_error", "Only JSON"), Refused, "Only JSON"),
        (408, None, Transient, "408"),
        (422, problem("validation_error", "origin is no airport"), BadInput, "origin is no airport"),
        (429, problem("rate_limit_error", "Slow down"), RateLimited, "asks to wait"),
        (500, problem("api_error", "Oops"), Transient, "Oops"),
        (502, problem("airline_error", "The airline"), Transient, "The airline"),
        (503, b"<html>", Transient, "503"),
        (504, None, Transient, "504"),
        (302, None, Transient, "not what it promises"),
        (418, [1], Refused, "418"),
        (200, b"no json", Transient, "not what it promises"),
        (200, [], Transient, "not what it promises"),
        (200, b'{"data": ' + b"[" * 500_000, Transient, "not what it promises"),
    ],
)
def test_each_refusal_has_its_remedy(duffel: Canned, status: int, body: Any, kind: type[ActionError], why: str) -> None:
    duffel.say(status, body, **({"location": "https://example.org/"} if status == 302 else {}))
    with pytest.raises(kind, match=why) as refused:
        look(ctx_of(duffel), source="duffel")
    assert TOKEN not in str(refused.value.detail)


def test_silence_is_transient_since_to_ask_changes_nothing(duffel: Canned) -> None:
    duffel.hang_up()
    with pytest.raises(Transient, match="Asking again does no harm"):
        look(ctx_of(duffel), source="duffel")


def test_a_refused_connection_is_transient(duffel: Canned) -> None:
    url = duffel.url
    duffel.server_close()
    with pytest.raises(Transient):
        look(context(DuffelSettings(duffel_access_token=TOKEN, duffel_api_url=url)), source="duffel")


def test_a_private_address_is_refused_unless_the_operator_allows_it() -> None:
    settings = DuffelSettings(duffel_access_token=TOKEN, duffel_api_url="http://127.0.0.1:9")
    with pytest.raises(BadInput):
        look(FakeContext([settings]), source="duffel")


def test_a_limit_says_when_it_ends() -> None:
    def until(**headers: str) -> datetime:
        error = duffel_error(429, {name.replace("_", "-"): value for name, value in headers.items()}, None, NOW, "mine")
        assert isinstance(error, RateLimited)
        assert (error.provider, error.account) == ("duffel", "mine")
        return error.retry_at

    assert until(ratelimit_reset="Sun, 29 Nov 2026 12:00:40 GMT") == NOW + timedelta(seconds=40)
    assert until(retry_after="7") == NOW + timedelta(seconds=7)
    usual = NOW + timedelta(seconds=60)
    assert [until(), until(ratelimit_reset="soon"), until(ratelimit_reset="Sun, 29 Nov 2020 12:00:40 GMT")] == [
        usual
    ] * 3
    assert until(ratelimit_reset="Sun, 29 Nov 2037 12:00:40 GMT") == usual, "a header is not to park a job for ever"


def test_a_cancelled_job_asks_no_more(duffel: Canned) -> None:
    duffel.say(201, answer(offer("120.00")))
    with pytest.raises(Cancelled):
        look(ctx_of(duffel, cancel_after=0), source="duffel")
    assert duffel.requests == []


def test_durations_are_those_of_iso_8601() -> None:
    assert [minutes(one) for one in ("PT2H26M", "P1DT30M", "PT55M", "PT12H", "P", "", None, 7, "2:26")] == [
        146, 1470, 55, 720, None, None, None, None, None,
    ]  # fmt: skip
