"""The only module that knows Kiwi.com's public search, an MCP server that asks for no key.

Its tools are read before one is called: what they take is looked at, and what they say of themselves is not, since a
description is somebody's text. It answers with a list of itineraries: times on the clocks of the airports without a
zone, a price for the whole party, and no word of airlines or of whether one changes between tickets. Kiwi combines
flights of airlines that do not know each other, so a change may be a self-transfer for all that we know, and is marked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from llmcoder.context import Context
from llmcoder.declare.connection import Caller
from llmcoder.errors import Refused, Transient
from tasks.travel.asking import items, members, read
from tasks.travel.mcp_session import McpServer, ToolAnswer, converse
from tasks.travel.search import Cabin, Search, SourceName
from tasks.travel.settings import TravelSettings
from tasks.travel.source import (
    FlightRequest,
    FlightSource,
    SourceAnswer,
    airport_code,
    cheapest,
    is_elsewhere,
    is_on_other_day,
    is_possible,
    leg,
    link,
    local_time,
    price,
    requests_of,
    transfer,
    way,
)
from tasks.travel.views import Flight, Way

TITLE = "Kiwi.com"
TOOL = "search-flight"
#: What the tool must take; the rest is sent where it does.
NEEDED = frozenset({"flyFrom", "flyTo", "departureDate"})
CABINS = {Cabin.ECONOMY: "M", Cabin.PREMIUM_ECONOMY: "W", Cabin.BUSINESS: "C", Cabin.FIRST: "F"}
USUAL_CURRENCY = "EUR"
#: Who waits longer at an airport has arrived.
LONGEST_CHANGE_S = 12 * 3_600
#: Under which a list of itineraries may stand where an answer is an object.
LISTS = ("itineraries", "flights", "results", "data", "result")
NOTE = "Kiwi.com combines airlines that do not know each other; see `self_transfer`."


class KiwiSource(FlightSource):
    """Kiwi.com's public search."""

    name = SourceName.KIWI

    def quotes(self, search: Search, ctx: Context) -> SourceAnswer:
        requests = requests_of(search)

        async def talk(server: McpServer) -> list[tuple[FlightRequest, list[Any]]]:
            parameters = _parameters(await server.tools())
            answers = []
            for number, request in enumerate(requests):
                ctx.progress(number / len(requests), f"{request.origin} - {request.destination}, {request.depart_on}")
                answer = await server.call(TOOL, arguments_of(request, search, parameters))
                answers.append((request, itineraries_of(answer)))
            return answers

        answers = converse(TITLE, ctx.settings(TravelSettings).kiwi_mcp_url, ctx, talk)
        readings = [flight_of(one, request, search) for request, raw in answers for one in raw]
        flights = [one for one in readings if one is not None]
        return SourceAnswer(cheapest(flights, search), len(flights) == len(readings), NOTE)


def what_it_offers(settings: TravelSettings, caller: Caller) -> str:
    """Ask for its tools, for `doctor`. Raises as a search does."""

    async def talk(server: McpServer) -> str:
        _parameters(await server.tools())
        return f"{TITLE}'s public search, without a key."

    return converse(TITLE, settings.kiwi_mcp_url, caller, talk)


def _parameters(tools: dict[str, dict[str, Any]]) -> frozenset[str]:
    """The arguments that the tool takes now.

    Raises:
        Refused: There is no such tool, or it wants something else: it is another program than the one we know.
    """
    schema = tools.get(TOOL)
    if schema is None:
        raise Refused(f"{TITLE} offers no {TOOL} any more. Choose another source, such as duffel.")
    parameters = frozenset(members(schema.get("properties")))
    unknown = {name for name in items(schema.get("required")) if isinstance(name, str)} - KNOWN
    if not parameters >= NEEDED or unknown:
        raise Refused(f"{TITLE}'s {TOOL} takes other arguments than it did. Choose another source, such as duffel.")
    return parameters


#: All arguments that we know how to fill in.
KNOWN = NEEDED | {
    "returnDate", "passengers", "cabinClass", "sort", "curr", "locale", "departureDateFlexRange", "returnDateFlexRange",
}  # fmt: skip


def arguments_of(request: FlightRequest, search: Search, parameters: frozenset[str]) -> dict[str, Any]:
    """The arguments of a call, as far as the tool takes them.

    Raises:
        Refused: It does not take what the search is about.
    """
    who = search.passengers
    arguments: dict[str, Any] = {
        "flyFrom": request.origin, "flyTo": request.destination, "departureDate": _day(request.depart_on),
        "departureDateFlexRange": 0,
        "passengers": {"adults": who.adults, "children": who.children, "infants": who.infants},
        "cabinClass": CABINS[search.cabin], "sort": "price", "curr": search.currency or USUAL_CURRENCY, "locale": "en",
    }  # fmt: skip
    if request.return_on is not None:
        arguments |= {"returnDate": _day(request.return_on), "returnDateFlexRange": 0}
    needed = {"passengers"} if who.count > 1 else set()
    needed |= {"cabinClass"} if search.cabin is not Cabin.ECONOMY else set()
    needed |= {"returnDate"} if request.return_on is not None else set()
    needed |= {"curr"} if search.currency is not None else set()
    if missing := sorted(needed - parameters):
        raise Refused(f"{TITLE}'s {TOOL} does not take {', '.join(missing)} any more.")
    return {name: value for name, value in arguments.items() if name in parameters}


def _day(day: date) -> str:
    return day.strftime("%d/%m/%Y")


def itineraries_of(answer: ToolAnswer) -> list[Any]:
    """The list in what a tool said, as data or as JSON text.

    Raises:
        Transient: There is none.
    """
    documents = [answer.data, *(read(text.encode("utf-8", "replace")) for text in answer.texts)]
    for document in documents:
        if (listing := _listing(document)) is not None:
            return listing
    single = [one for one in documents[1:] if "flyFrom" in members(one)]  # each item of a list is a text of its own
    if single:
        return single
    raise Transient(f"{TITLE} answered with something that is no list of flights.")


def _listing(document: object) -> list[Any] | None:
    """A list, or the one in an object, or in an object in one."""
    for one in (document, *(members(document).get(name) for name in LISTS)):
        if isinstance(one, list):
            return one
        for name in LISTS:
            if isinstance(inner := members(one).get(name), list):
                return inner
    return None


def flight_of(itinerary: object, request: FlightRequest, search: Search) -> Flight | None:
    """An itinerary as a flight; None where it is not what we know."""
    one = members(itinerary)
    cost = price(one.get("price"), one.get("currency") or search.currency or USUAL_CURRENCY)
    ways = _ways(one, request, search)
    if cost is None or ways is None or not is_possible(*ways):
        return None
    out, back = ways
    both = [out] if back is None else [out, back]
    return Flight(
        price=cost, out=out, back=back, self_transfer=transfer(both, separate_tickets=None),
        other_airport=is_elsewhere(out, back, search), other_day=is_on_other_day(out, back, search),
        seller=TITLE, link=link(one.get("deepLink")),
    )  # fmt: skip


def _ways(one: dict[str, Any], request: FlightRequest, search: Search) -> tuple[Way, Way | None] | None:
    """There and back. The way back is a `return` of its own, or the stay is one of the layovers."""
    if request.return_on is None:
        out = _way(one)
        return None if out is None else (out, None)
    if not one.get("return"):
        return _split(one, search, request.return_on)
    out, back = _way(one), _way(members(one["return"]))
    return None if out is None or back is None else (out, back)


@dataclass(frozen=True)
class _Stop:
    """Where one changes, and when where that is told."""

    at: str
    leaves_from: str
    arrives: datetime | None
    departs: datetime | None

    @classmethod
    def of(cls, layover: object) -> _Stop:
        one = members(layover)
        at = airport_code(one.get("at")) or airport_code(one.get("cityCode")) or "?"
        leaves_from = airport_code(one.get("departureAirport")) or at
        return cls(at, leaves_from, _time(one.get("arrival")), _time(one.get("departure")))

    @property
    def left_on(self) -> date | None:
        return None if self.departs is None else self.departs.date()

    @property
    def stays_s(self) -> float:
        return 0.0 if self.arrives is None or self.departs is None else (self.departs - self.arrives).total_seconds()


#: Where and when one departs or arrives.
_End = tuple[str, datetime]


def _way(one: dict[str, Any]) -> Way | None:
    start, end = _end(one, "flyFrom", "departure"), _end(one, "flyTo", "arrival")
    return None if start is None or end is None else _way_of(start, _stops(one), end)


def _split(one: dict[str, Any], search: Search, return_on: date) -> tuple[Way, Way] | None:
    """There and back of a circle, which stays longest at the destination; or near it, until the day of return."""
    stops = _stops(one)
    timed = [at for at, stop in enumerate(stops) if stop.departs is not None and stop.stays_s > 0]
    stays = [at for at in timed if stops[at].at in search.destination.codes] or [
        at for at in timed if stops[at].left_on == return_on and stops[at].stays_s > LONGEST_CHANGE_S
    ]
    start, end = _end(one, "flyFrom", "departure"), _end(one, "flyTo", "arrival")
    if not stays or start is None or end is None:
        return None
    at = max(stays, key=lambda number: stops[number].stays_s)
    stay = stops[at]
    assert stay.arrives is not None and stay.departs is not None  # it has a length
    out = _way_of(start, stops[:at], (stay.at, stay.arrives))
    return out, _way_of((stay.leaves_from, stay.departs), stops[at + 1 :], end)


def _stops(one: dict[str, Any]) -> list[_Stop]:
    return [_Stop.of(each) for each in items(one.get("layovers"))]


def _way_of(start: _End, stops: list[_Stop], end: _End) -> Way:
    """Each flight of a way; the whole of it in one where Kiwi does not tell when one changes."""
    departures, arrivals = [start], []
    for stop in stops:
        if stop.arrives is None or stop.departs is None:
            return way([leg(start[0], end[0], start[1], end[1])], via=[one.at for one in stops])
        arrivals.append((stop.at, stop.arrives))
        departures.append((stop.leaves_from, stop.departs))
    both = zip(departures, [*arrivals, end], strict=True)
    return way([leg(origin, to, departs, arrives) for (origin, departs), (to, arrives) in both])


def _end(one: dict[str, Any], place: str, moment: str) -> _End | None:
    code, at = airport_code(one.get(place)), _time(one.get(moment))
    return None if code is None or at is None else (code, at)


def _time(raw: object) -> datetime | None:
    """A moment on the clock of its airport; the zone that is written behind it, if any, is not the airport's."""
    return local_time(raw.get("local") if isinstance(raw, dict) else raw)
