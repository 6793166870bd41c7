"""Skyscanner: create and poll, against the contract where it is at hand, each branch of its errors included.

The contract is NOT the vendor's: it was transcribed by hand from the documentation and leaves the answers open
(`skyscanner_TRANSCRIBED_not_vendor.yaml`). What passes it proves our requests, and only as far as that goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from travel_kit import Canned, canned, clock, context, look, search

from llmcoder import BadInput, Cancelled, Forbidden, NotConfigured, RateLimited, Refused, Transient
from llmcoder.errors import ActionError
from llmcoder.testing import FakeContext
from tasks.travel import skyscanner
from tasks.travel.settings import SkyscannerSettings
from tasks.travel.skyscanner import SKYSCANNER, SkyscannerAccount, create_body, who_am_i
from tasks.travel.source import requests_of

__all__ = ["clock"]

pytestmark = pytest.mark.usefixtures("clock")

KEY = "sh-secret"


def moment(text: str) -> dict[str, int]:
    day, _, at = text.partition("T")
    names = ("year", "month", "day", "hour", "minute", "second")
    return dict(zip(names, map(int, [*day.split("-"), *at.split(":"), "0"]), strict=True))


def option(amount: str, *tickets: str, unit: str = "PRICE_UNIT_MILLI", **more: Any) -> dict[str, Any]:
    price = {"amount": amount, "unit": unit, "updateStatus": "PRICE_UPDATE_STATUS_UNSPECIFIED"}
    sold = [{"price": price, "agentId": one, "deepLink": f"https://sky.example/{one}"} for one in tickets]
    return {"price": price, "items": sold} | more


def segment(origin: str, destination: str, departs: str, arrives: str, carrier: str, number: str) -> dict[str, Any]:
    return {
        "originPlaceId": origin, "destinationPlaceId": destination, "marketingCarrierId": carrier,
        "departureDateTime": moment(f"2027-01-10T{departs}"), "arrivalDateTime": moment(f"2027-01-10T{arrives}"),
        "marketingFlightNumber": number,
    }  # fmt: skip


RESULTS: dict[str, Any] = {
    "itineraries": {
        "dear": {"pricingOptions": [option("189990", "a1")], "legIds": ["direct"]},
        "cheap": {"pricingOptions": [option("95000", "a2"), option("90500", "a1")], "legIds": ["change"]},
        "free": {"pricingOptions": [option("0", "a1")], "legIds": ["direct"]},
        "unknown unit": {"pricingOptions": [option("1", "a1", unit="PRICE_UNIT_HECTO")], "legIds": ["direct"]},
        "no leg": {"pricingOptions": [option("1000", "a1")], "legIds": ["gone"]},
        "nothing": {}, "null": None,
    },
    "legs": {
        "direct": {"segmentIds": ["s1"], "durationInMinutes": 125, "stopCount": 0},
        "change": {"segmentIds": ["s2", "s3"], "durationInMinutes": 290, "stopCount": 1},
    },
    "segments": {
        "s1": segment("p1", "p2", "07:00", "08:05", "c1", "983"),
        "s2": segment("p1", "p3", "07:00", "08:30", "c2", "1"),
        "s3": segment("p3", "p2", "10:00", "10:50", "c2", "2"),
    },
    "places": {"p1": {"iata": "BER"}, "p2": {"iata": "LHR"}, "p3": {"iata": "AMS"}},
    "carriers": {"c1": {"name": "British Airways", "iata": "BA"}, "c2": {"name": "KLM", "iata": "KL"}},
    "agents": {"a1": {"name": "Trip"}, "a2": {"name": "Agent Two"}},
}  # fmt: skip


def said(status: str = "COMPLETE", results: Any = None, action: str = "REPLACED", **more: Any) -> dict[str, Any]:
    return {
        "sessionToken": "token/1==", "status": f"RESULT_STATUS_{status}", "action": f"RESULT_ACTION_{action}",
        "content": {"results": results or {}},
    } | more  # fmt: skip


@pytest.fixture
def server() -> Iterator[Canned]:
    with canned() as made:
        yield made


def ctx_of(url: str, **more: Any) -> FakeContext:
    settings = SkyscannerSettings(skyscanner_api_key=KEY, skyscanner_api_url=f"{url}/apiservices/v3")
    return context(settings, **more)


def test_a_search_is_polled_until_it_is_complete_and_shows_how_far_it_is(server: Canned) -> None:
    server.say(200, said("INCOMPLETE"))
    server.say(200, said("INCOMPLETE", RESULTS))
    server.say(200, said("INCOMPLETE", None, "NOT_MODIFIED"))
    server.say(200, said("COMPLETE", None, "NOT_MODIFIED"))
    ctx = ctx_of(server.url)
    found = look(ctx, source="skyscanner", currency="GBP")
    assert [str(one.price) for one in found.items] == ["90.50 GBP", "189.99 GBP"]
    assert (found.complete, found.recorded, found.note) == (True, False, None)
    cheap, direct = found.items
    assert (cheap.seller, cheap.link, cheap.self_transfer) == ("Trip", "https://sky.example/a1", "no")
    assert (cheap.out.stops, cheap.out.via, cheap.out.minutes) == (1, ["AMS"], 290)
    (leg,) = direct.out.legs
    assert (leg.carrier, leg.number, str(leg.departs_at)) == ("British Airways", "BA 983", "2027-01-10 07:00:00+01:00")
    paths = [path for _, path, _, _ in server.requests]
    live = "/apiservices/v3/flights/live/search"
    create, poll = f"{live}/create", f"{live}/poll/token%2F1%3D%3D"
    assert paths == [create, poll, poll, poll]
    assert {headers["x-api-key"] for _, _, headers, _ in server.requests} == {KEY}
    shares = [share for share, _ in ctx.progress_seen]
    assert shares == sorted(shares) and len(set(shares)) == 4
    assert ctx.progress_seen[-1][1] == "7 flights so far"


def test_what_is_asked_is_what_it_takes() -> None:
    wanted = search(return_on="2027-01-14", adults=2, children=1, infants=1, cabin="business", currency="GBP")
    (request,) = requests_of(wanted)
    query = create_body(request, wanted, SkyscannerSettings())["query"]
    assert query["queryLegs"][1] == {
        "originPlaceId": {"iata": "LON"}, "destinationPlaceId": {"iata": "BER"},
        "date": {"year": 2027, "month": 1, "day": 14},
    }  # fmt: skip
    assert (query["market"], query["locale"], query["currency"]) == ("UK", "en-GB", "GBP")
    assert (query["cabinClass"], query["adults"], query["childrenAges"]) == ("CABIN_CLASS_BUSINESS", 2, [8, 1])


@pytest.mark.parametrize(
    ("sold", "transfer"),
    [
        (option("90000", "a1", "a2"), "yes"),
        (option("90000", "a1", transferType="TRANSFER_TYPE_SELF_TRANSFER"), "yes"),
        (option("90000", "a1", transferType="TRANSFER_TYPE_PROTECTED_SELF_TRANSFER"), "yes"),
        (option("90000", "a1", transferType="TRANSFER_TYPE_MANAGED"), "no"),
    ],
)
def test_who_changes_between_tickets_is_told_so(server: Canned, sold: Any, transfer: str) -> None:
    one = {"change": {"pricingOptions": [sold], "legIds": ["change"]}}
    server.say(200, said("COMPLETE", RESULTS | {"itineraries": one}))
    assert [one.self_transfer for one in look(ctx_of(server.url), source="skyscanner").items] == [transfer]


def test_a_search_that_never_ends_gives_what_it_had(server: Canned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skyscanner, "MOST_POLLS", 3)
    server.say(200, said("INCOMPLETE", RESULTS))
    found = look(ctx_of(server.url), source="skyscanner")
    assert (len(found.items), found.complete, found.note) == (2, False, "Skyscanner had not finished.")
    assert len(server.requests) == 4


def test_a_degraded_search_is_said_to_be_none_that_is_whole(server: Canned) -> None:
    server.say(200, said("COMPLETE", RESULTS, degradationReasons=["DEGRADATION_REASON_TIMEOUT"]))
    assert look(ctx_of(server.url), source="skyscanner").complete is False


def test_a_cancellation_ends_the_polling(server: Canned) -> None:
    server.say(200, said("INCOMPLETE", RESULTS))
    with pytest.raises(Cancelled):
        look(ctx_of(server.url, cancel_after=30), source="skyscanner")


def test_an_account_of_the_user_s_own_is_used_and_named_without_its_secret(server: Canned) -> None:
    server.say(200, said("COMPLETE", RESULTS))
    ctx = ctx_of(server.url, connections={SKYSCANNER: SkyscannerAccount(api_key="mine")})
    look(ctx, source="skyscanner")
    assert server.requests[0][2]["x-api-key"] == "mine"
    assert who_am_i(SkyscannerAccount(api_key="mine"), ctx) != who_am_i(SkyscannerAccount(api_key="other"), ctx)
    assert server.requests[-1][1] == "/apiservices/v3/culture/markets/en-GB"


def test_without_a_key_it_says_what_is_missing() -> None:
    with pytest.raises(NotConfigured, match="Skyscanner"):
        look(context(), source="skyscanner")


@pytest.mark.parametrize(
    ("status", "body", "kind", "why"),
    [
        (400, {"code": 3, "message": "The currency is invalid"}, BadInput, "The currency is invalid"),
        (401, {"message": "Invalid key"}, Forbidden, "Invalid key.* Connect the account again"),
        (403, {"message": "Key disabled"}, Forbidden, "Key disabled"),
        (404, {"message": "Session not found"}, Transient, "can be made anew"),
        (410, None, Transient, "can be made anew"),
        (429, {"message": "Too many"}, RateLimited, "asks to wait"),
        (500, {"message": "Oops"}, Transient, "Oops"),
        (503, b"<html>", Transient, "503"),
        (418, None, Refused, "418"),
        (200, b"half of its J", Transient, "not what it promises"),
        (200, said("FAILED"), Transient, "has failed"),
    ],
)
@pytest.mark.parametrize("polled", [False, True], ids=["create", "poll"])
def test_each_refusal_has_its_remedy(
    server: Canned, status: int, body: Any, kind: type[ActionError], why: str, polled: bool
) -> None:
    if polled:
        server.say(200, said("INCOMPLETE"))
    server.say(status, body)
    with pytest.raises(kind, match=why) as refused:
        look(ctx_of(server.url), source="skyscanner")
    assert KEY not in str(refused.value.detail)


def test_a_search_without_a_token_cannot_be_polled(server: Canned) -> None:
    server.say(200, {"status": "RESULT_STATUS_INCOMPLETE"})
    with pytest.raises(Transient, match="has failed"):
        look(ctx_of(server.url), source="skyscanner")


def test_silence_is_transient(server: Canned) -> None:
    server.hang_up()
    with pytest.raises(Transient, match="Asking again does no harm"):
        look(ctx_of(server.url), source="skyscanner")


@pytest.mark.parametrize("action", ["REPLACED", "UNSPECIFIED", None])
def test_results_count_unless_they_are_said_to_be_none(server: Canned, action: str | None) -> None:
    whole = said("COMPLETE", RESULTS, action or "")
    if action is None:
        del whole["action"]
    server.say(200, whole)
    assert len(look(ctx_of(server.url), source="skyscanner", currency="GBP").items) == 2


@pytest.mark.parametrize("action", ["NOT_MODIFIED", "OMITTED"])
def test_results_that_are_said_to_be_none_leave_those_before(server: Canned, action: str) -> None:
    server.say(200, said("INCOMPLETE", RESULTS))
    server.say(200, said("COMPLETE", {"itineraries": {}, "legs": {}}, action))
    assert len(look(ctx_of(server.url), source="skyscanner", currency="GBP").items) == 2


def test_an_answer_of_which_nothing_can_be_read_is_not_whole(server: Canned) -> None:
    server.say(200, said("COMPLETE", RESULTS | {"segments": {}}))
    answer = look(ctx_of(server.url), source="skyscanner", currency="GBP")
    assert (answer.items, answer.complete) == ([], False)


# --- the transcribed contract, which is not the vendor's


@pytest.mark.parametrize("given", [{}, {"return_on": "2027-01-14", "children": 2, "cabin": "first", "currency": "GBP"}])
def test_the_transcribed_contract_refuses_nothing_of_what_we_send(strict_fake: Any, given: dict[str, Any]) -> None:
    fake = strict_fake("skyscanner_TRANSCRIBED_not_vendor.yaml", "--base", "/apiservices/v3")
    token = {"sessionToken": "token-1"}  # the fake's paths know no quoted slash
    fake.override("create", 200, said("INCOMPLETE", **token))
    fake.override("poll", 200, said("COMPLETE", RESULTS, **token))
    settings = SkyscannerSettings(skyscanner_api_key=KEY, skyscanner_api_url=fake.url)
    look(context(settings), source="skyscanner", **given)
    assert (fake.refusals(), len(fake.operations())) == ([], 2)
