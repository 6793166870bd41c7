"""Kiwi.com's public search, by the official MCP client over the guarded network, against real servers on loopback."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flight_server import (
    HOSTILE,
    OlderServer,
    Tool,
    itinerary,
    layover,
    moment,
    older_server,
    older_tool,
    served_by_the_package,
)
from travel_kit import Canned, canned, clock, context, look

from llmcoder import BadInput, Cancelled, Forbidden, RateLimited, Refused, Transient
from llmcoder.errors import ActionError
from llmcoder.testing import FakeContext
from tasks.travel import mcp_session
from tasks.travel.kiwi import what_it_offers
from tasks.travel.settings import TravelSettings

__all__ = ["clock"]

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def tool() -> Tool:
    return Tool()


@pytest.fixture(scope="module")
def package() -> Iterator[tuple[str, Tool]]:
    """One server for all tests of the module; a second one would not begin."""
    tool = Tool()
    with served_by_the_package(tool) as url:
        yield url, tool


@pytest.fixture
def older(tool: Tool) -> Iterator[OlderServer]:
    with older_server(tool) as server:
        yield server


def ctx_of(url: str, **more: Any) -> FakeContext:
    return context(TravelSettings(kiwi_mcp_url=url), **more)


def ask(url: str, **given: Any) -> Any:
    return look(ctx_of(url), source="kiwi", **given)


def needing(argument: str) -> dict[str, Any]:
    found = older_tool()
    found["inputSchema"]["required"].append(argument)
    return found


# --- the protocol


def test_a_real_server_is_asked_without_a_key_and_progress_is_shown(package: tuple[str, Tool]) -> None:
    url, tool = package
    tool.calls.clear()
    ctx = ctx_of(url)
    found = look(ctx, source="kiwi", adults=2, children=1, flexible_days=1, cabin="business", currency="GBP", limit=5)
    assert (found.source, found.recorded, len(found.items)) == ("kiwi", False, 3)
    assert [one["departureDate"] for one in tool.calls] == ["10/01/2027", "09/01/2027", "11/01/2027"]
    first = tool.calls[0]
    assert (first["flyFrom"], first["flyTo"], first["curr"], first["cabinClass"]) == ("BER", "LON", "GBP", "C")
    assert first["passengers"] == {"adults": 2, "children": 1, "infants": 0}
    assert [message for _, message in ctx.progress_seen] == [
        "BER - LON, 2027-01-10", "BER - LON, 2027-01-09", "BER - LON, 2027-01-11",
    ]  # fmt: skip


def test_a_server_of_the_older_protocol_is_asked_by_the_handshake(older: OlderServer, tool: Tool) -> None:
    assert len(ask(older.url).items) == 1
    wanted = ["initialize", "notifications/initialized", "tools/list", "tools/call", "end of the session"]
    assert [one for one in older.methods if one in wanted] == wanted, "the tools are read before one is called"
    assert "departureDateFlexRange" not in tool.calls[0], "what the tool does not take is not sent"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("is_left_open", [False, True], ids=["closed", "left open"])
def test_an_answer_in_events_is_whole_when_it_has_come(older: OlderServer, newline: str, is_left_open: bool) -> None:
    older.newline, older.is_left_open = newline, is_left_open
    begun = time.monotonic()
    assert len(ask(older.url).items) == 1
    assert time.monotonic() - begun < 20, "nobody waits for the end of a stream that has none"


def test_what_a_server_says_of_itself_and_its_tools_is_shown_nowhere(older: OlderServer) -> None:
    older.result = {"content": [{"type": "text", "text": HOSTILE}], "isError": True}
    with pytest.raises(Transient) as refused:
        ask(older.url)
    older.result = {"content": [{"type": "text", "text": HOSTILE}]}
    with pytest.raises(Transient, match="no list of flights") as unread:
        ask(older.url)
    older.result = None
    ctx = ctx_of(older.url)
    found = look(ctx, source="kiwi")
    everything = f"{refused.value}{unread.value}{found.model_dump_json()}{ctx.progress_seen}{ctx.log_seen}"
    assert "mallory" not in everything and "Ignore" not in everything


@pytest.mark.parametrize(
    ("tools", "why"),
    [
        ([], "offers no search-flight any more"),
        ([older_tool("book-flight")], "offers no search-flight any more"),
        ([{**older_tool(), "inputSchema": {"type": "object", "properties": {}}}], "other arguments"),
        (
            [{**older_tool(), "inputSchema": {**older_tool()["inputSchema"], "required": ["creditCard"]}}],
            "other arguments",
        ),
    ],
)
def test_a_tool_that_is_another_one_is_not_called(older: OlderServer, tool: Tool, tools: Any, why: str) -> None:
    older.tools = tools
    with pytest.raises(Refused, match=why):
        ask(older.url)
    assert tool.calls == []


def test_what_a_search_is_about_is_never_left_out_silently(older: OlderServer, tool: Tool) -> None:
    del older.tools[0]["inputSchema"]["properties"]["cabinClass"]
    assert len(ask(older.url).items) == 1
    with pytest.raises(Refused, match="does not take cabinClass any more"):
        ask(older.url, cabin="first")


def test_doctor_asks_for_the_tools(older: OlderServer) -> None:
    said = what_it_offers(TravelSettings(kiwi_mcp_url=older.url), ctx_of(older.url))
    assert said == "Kiwi.com's public search, without a key."
    assert "tools/call" not in older.methods


def test_a_cancelled_job_ends_the_conversation(older: OlderServer) -> None:
    with pytest.raises(Cancelled):
        look(ctx_of(older.url, cancel_after=12), source="kiwi", flexible_days=3)


# --- what it says


def test_times_are_on_the_clocks_of_the_airports_and_the_price_is_of_the_party(package: tuple[str, Tool]) -> None:
    url, tool = package
    tool.answers = lambda _: [itinerary(102.5)]
    (one,) = ask(url, adults=2).items
    (leg,) = one.out.legs
    assert (leg.departs_local, str(leg.departs_at)) == ("2027-01-10T07:50", "2027-01-10 07:50:00+01:00")
    assert (leg.arrives_local, str(leg.arrives_at)) == ("2027-01-10T08:50", "2027-01-10 08:50:00+00:00")
    assert (str(one.price), one.out.minutes, one.self_transfer) == ("102.50 EUR", 120, "no")
    assert (one.seller, one.link, leg.carrier) == ("Kiwi.com", "https://on.kiwi.com/42QuYx", None)


@pytest.mark.parametrize(
    ("stop", "transfer", "via"),
    [
        (layover("AMS", "2027-01-10T07:55", "2027-01-10T08:30"), "possible", ["AMS"]),
        (layover("LGW", "2027-01-10T07:55", "2027-01-10T08:30", departureAirport="LHR"), "yes", ["LGW"]),
        ({"at": "AMS", "city": "Amsterdam"}, "possible", ["AMS"]),
    ],
)
def test_a_change_is_marked_by_us_since_kiwi_says_nothing_of_tickets(
    package: tuple[str, Tool], stop: Any, transfer: str, via: list[str]
) -> None:
    url, tool = package
    tool.answers = lambda _: [itinerary(51, stop)]
    (one,) = ask(url).items
    assert (one.self_transfer, one.out.stops, one.out.via) == (transfer, 1, via)
    assert ask(url, max_stops=0).items == []


BACK = {
    "flyFrom": "STN", "flyTo": "BER", "departure": moment("2027-01-14T18:00"), "arrival": moment("2027-01-14T20:50"),
    "layovers": [],
}  # fmt: skip
CIRCLE = {"flyTo": "BER", "arrival": moment("2027-01-14T20:50")}
STAY = layover("STN", "2027-01-10T08:50", "2027-01-14T18:00")


@pytest.mark.parametrize(
    ("said", "stops"),
    [
        (itinerary(120, **{"return": BACK}), (0, 0)),
        (itinerary(120, STAY, **CIRCLE), (0, 0)),
        (itinerary(120, STAY, **CIRCLE, **{"return": None}), (0, 0)),
        (itinerary(120, layover("AMS", "2027-01-10T08:10", "2027-01-10T08:30"), STAY, **CIRCLE), (1, 0)),
        (itinerary(120, STAY, layover("AMS", "2027-01-14T19:00", "2027-01-14T19:30"), **CIRCLE), (0, 1)),
    ],
    ids=[
        "a return of its own",
        "a circle that stays",
        "with a return of null",
        "with a change there",
        "with a change back",
    ],
)
def test_there_and_back_comes_in_two_shapes(package: tuple[str, Tool], said: Any, stops: tuple[int, int]) -> None:
    url, tool = package
    tool.answers = lambda _: [said]
    (one,) = ask(url, return_on="2027-01-14").items
    assert one.back is not None
    assert (one.out.stops, one.back.stops) == stops
    assert (one.out.legs[-1].destination, one.out.legs[-1].arrives_local) == ("STN", "2027-01-10T08:50")
    assert (one.back.legs[0].origin, one.back.legs[0].departs_local) == ("STN", "2027-01-14T18:00")
    assert (one.back.legs[-1].destination, str(one.price)) == ("BER", "120.00 EUR")


def test_a_circle_may_stay_at_an_airport_near_the_asked_one(package: tuple[str, Tool]) -> None:
    url, tool = package
    near = layover("SEN", "2027-01-10T08:50", "2027-01-14T18:00")
    tool.answers = lambda _: [itinerary(120, near, **CIRCLE)]
    (one,) = ask(url, return_on="2027-01-14").items
    assert (one.out.legs[-1].destination, one.other_airport) == ("SEN", True)
    assert ask(url, return_on="2027-01-15").items == []


def test_what_is_no_flight_is_left_out_and_that_is_said(package: tuple[str, Tool]) -> None:
    url, tool = package
    wrong: list[Any] = [
        {}, itinerary(None), itinerary(-1), itinerary("cheap"), itinerary(True), itinerary(1, flyFrom=None),
        itinerary(1, departure=None), itinerary(1, departure={"local": "tomorrow"}), itinerary(1, currency="XXQ"),
    ]  # fmt: skip
    tool.answers = lambda _: [*wrong, itinerary(77)]
    found = ask(url)
    assert ([str(one.price) for one in found.items], found.complete) == (["77.00 EUR"], False)
    assert ask(url, return_on="2027-01-14").items == [], "a flight without a way back is none there and back"


def test_an_airport_that_was_not_asked_for_and_a_link_that_is_none_are_marked(package: tuple[str, Tool]) -> None:
    url, tool = package
    tool.answers = lambda _: [itinerary(51, flyTo="SEN", deepLink="javascript:alert(1)"), itinerary(52)]
    near, asked = ask(url).items
    assert (near.other_airport, near.link, asked.other_airport) == (True, None, False)


@pytest.mark.parametrize("name", ["data", "itineraries", "flights", "results"])
def test_a_list_may_stand_in_an_object(older: OlderServer, name: str) -> None:
    older.result = {"content": [], "structuredContent": {name: [itinerary()]}}
    assert len(ask(older.url).items) == 1


# --- what refuses


@pytest.fixture
def wall() -> Iterator[Canned]:
    with canned() as server:
        yield server


PAGE = b"<!DOCTYPE html><title>Just a moment...</title>"


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (403, {"cf_mitigated": "challenge", "content_type": "text/html; charset=UTF-8"}, PAGE),
        (403, {"content_type": "text/html"}, PAGE),
        (503, {"content_type": "text/html"}, PAGE),
        (429, {"x_vercel_mitigated": "challenge", "content_type": "text/html"}, PAGE),
        (202, {"x_amzn_waf_action": "challenge"}, b""),
        (405, {"x_amzn_waf_action": "captcha", "content_type": "text/html"}, PAGE),
        (403, {"x_datadome": "protected"}, {"url": "https://geo.captcha-delivery.com/captcha/?cid=1"}),
        (403, {}, {"appId": "PX1", "vid": "v", "blockScript": "/b.js"}),
        (428, {}, {"sec-cp-challenge": "true", "provider": "crypto"}),
        (200, {"content_type": "text/html"}, b"<html><script src='/_Incapsula_Resource?x=1'></script></html>"),
        (200, {"content_type": "text/html"}, b"<html><script src='/cdn-cgi/challenge-platform/x.js'></script></html>"),
    ],
)
def test_a_challenge_for_robots_is_transient_and_named(wall: Canned, status: int, headers: Any, body: Any) -> None:
    wall.say(status, body, **{name.replace("_", "-"): value for name, value in headers.items()})
    with pytest.raises(Transient, match="bot challenge, which only a browser can answer") as refused:
        ask(f"{wall.url}/mcp")
    assert "Just a moment" not in refused.value.detail


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "why"),
    [
        (401, {}, {"error": "login"}, Forbidden, "wants to know who we are"),
        (403, {}, {"error": "no"}, Forbidden, "wants to know who we are"),
        (404, {}, None, Transient, "its protocol does not know"),
        (429, {"retry_after": "30"}, {"error": "slow"}, RateLimited, "asks to wait"),
        (500, {}, None, Transient, "out of order"),
        (503, {}, {"error": "busy"}, Transient, "out of order"),
        (200, {"content_type": "text/html"}, PAGE, Transient, "out of order"),
        (200, {}, b"half of its J", Transient, "its protocol does not know"),
        (200, {"content_type": "text/event-stream"}, b"data: {\n\n", Transient, "its protocol does not know"),
        (200, {"content_type": "text/event-stream"}, b": only a ping\n\n", Transient, "its protocol does not know"),
        (200, {}, {"jsonrpc": "2.0", "id": "another", "result": {}}, Transient, "its protocol does not know"),
    ],
)
def test_each_refusal_has_its_remedy(
    wall: Canned,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    headers: Any,
    body: Any,
    kind: type[ActionError],
    why: str,
) -> None:
    monkeypatch.setattr(mcp_session, "LONGEST_IDLE_S", 0.5)  # what answers another request is not waited for for ever
    wall.say(status, body, **headers)
    with pytest.raises(kind, match=why) as refused:
        ask(f"{wall.url}/mcp")
    assert "mallory" not in refused.value.detail


@pytest.mark.parametrize(("code", "kind"), [(-32602, BadInput), (-32603, Transient), (-32000, Transient)])
def test_an_error_of_the_protocol_has_its_remedy(older: OlderServer, code: int, kind: type[ActionError]) -> None:
    older.code = code
    with pytest.raises(kind) as refused:
        ask(older.url)
    assert "mallory" not in refused.value.detail


@pytest.mark.parametrize("method", ["initialize", "tools/list", "tools/call"])
@pytest.mark.parametrize(
    ("status", "headers", "kind", "why"),
    [
        (429, {"retry_after": "30"}, RateLimited, "asks to wait"),
        (401, {}, Forbidden, "wants to know who we are"),
        (503, {}, Transient, "out of order"),
        (403, {"cf_mitigated": "challenge"}, Transient, "bot challenge"),
        (404, {}, Transient, "its protocol does not know"),  # the session has expired: the next attempt begins one
    ],
)
def test_a_refusal_amid_the_conversation_is_told_although_the_goodbye_is_taken(
    older: OlderServer, method: str, status: int, headers: dict[str, str], kind: type[ActionError], why: str
) -> None:
    older.refusals[method] = (status, headers, b"{}")
    with pytest.raises(kind, match=why):
        ask(older.url)


@pytest.mark.parametrize(
    "result",
    [
        {"content": [{"type": "text", "text": json.dumps(one)} for one in (itinerary(51), itinerary(60))]},
        {"content": [], "structuredContent": {"data": {"itineraries": [itinerary(51), itinerary(60)]}}},
        {"content": [{"type": "text", "text": json.dumps({"result": {"results": [itinerary(51), itinerary(60)]}})}]},
        {
            "content": [
                {"type": "text", "text": "Here:"},
                {"type": "text", "text": json.dumps([itinerary(), itinerary()])},
            ]
        },
    ],
    ids=["each in a text", "an object in an object", "the same as text", "words before it"],
)
def test_a_list_is_found_where_servers_put_it(older: OlderServer, result: dict[str, Any]) -> None:
    older.result = result
    assert len(ask(older.url).items) == 2


@pytest.mark.parametrize(
    "said",
    [
        itinerary(0),
        itinerary("0.00"),
        itinerary(-5),
        itinerary(51, arrival=moment("2027-01-10T05:00")),  # lands before it departs
        itinerary(51, arrival=moment("1800-01-01T05:00")),
        itinerary(51, arrival=moment("2027-02-10T08:50")),  # a month later
        itinerary(51, layover("AMS", "2027-01-10T12:00", "2027-01-10T08:00")),
        itinerary(51, layover("AMS", "2027-01-10T08:30", "2027-01-10T08:10")),
    ],
)
def test_what_cannot_be_flown_or_costs_nothing_is_no_flight(older: OlderServer, tool: Tool, said: Any) -> None:
    tool.answers = lambda _: [said, itinerary(99)]
    answer = ask(older.url)
    assert ([str(one.price) for one in answer.items], answer.complete) == (["99.00 EUR"], False)


def test_a_day_that_was_not_asked_for_is_marked(older: OlderServer, tool: Tool) -> None:
    other = itinerary(40, departure=moment("2027-01-11T07:50"), arrival=moment("2027-01-11T08:50"))
    tool.answers = lambda _: [other, itinerary(51)]
    assert [one.other_day for one in ask(older.url).items] == [True, False]
    assert [one.other_day for one in ask(older.url, flexible_days=1).items] == [False] * 6


def test_flights_over_midnight_and_the_date_line_are_possible(older: OlderServer, tool: Tool) -> None:
    east = itinerary(51, departure=moment("2027-01-10T23:50"), arrival=moment("2027-01-11T00:45"))
    west = itinerary(
        800, flyFrom="NRT", flyTo="LAX", departure=moment("2027-01-10T17:00"), arrival=moment("2027-01-10T09:50")
    )
    tool.answers = lambda _: [east, west]
    first, second = ask(older.url).items
    assert (first.out.minutes, second.out.minutes) == (115, 590)


def test_a_currency_is_one_however_it_is_written(older: OlderServer, tool: Tool) -> None:
    tool.answers = lambda _: [itinerary(51, currency="eur")]
    assert str(ask(older.url).items[0].price) == "51.00 EUR"


def test_prices_of_another_currency_do_not_hide_those_of_the_asked_one(older: OlderServer, tool: Tool) -> None:
    tool.answers = lambda _: [itinerary(5, currency="USD"), itinerary(51), itinerary(60)]
    answer = ask(older.url, currency="EUR", limit=3)
    assert ([str(one.price) for one in answer.items], answer.complete) == (["51.00 EUR", "60.00 EUR"], False)
    assert "in other currencies than EUR: 1." in str(answer.note)
    with pytest.raises(BadInput, match=r"several currencies.*currency=EUR"):
        ask(older.url)
    with pytest.raises(BadInput, match=r"several currencies.*another source"):
        ask(older.url, currency="GBP")


def test_a_name_that_cannot_be_looked_up_is_no_fault_of_whoever_asks() -> None:
    with pytest.raises(Transient, match=r"cannot be reached: There is no host named|cannot be looked up"):
        ask("https://mcp.kiwi.invalid/mcp")


def test_silence_is_transient(wall: Canned) -> None:
    wall.hang_up()
    with pytest.raises(Transient, match="Asking again does no harm"):
        ask(f"{wall.url}/mcp")


def test_a_refused_connection_is_transient_and_a_private_address_is_refused(wall: Canned) -> None:
    url = wall.url
    wall.server_close()
    with pytest.raises(Transient):
        ask(f"{url}/mcp")
    with pytest.raises(BadInput):
        look(FakeContext([TravelSettings(kiwi_mcp_url=f"{url}/mcp")]), source="kiwi")
