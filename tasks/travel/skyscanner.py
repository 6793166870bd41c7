"""The only module that speaks to Skyscanner, and the only one that knows its errors.

Flights Live Prices v3 (https://developers.skyscanner.net/docs/flights-live-prices/overview): `create` begins a search
and answers with what is at hand, `poll` with more, until it says that this is all. Partners only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

from pydantic import Field, SecretStr

from llmcoder.context import Context
from llmcoder.declare.connection import Caller, ConnectionKind, GetSettings
from llmcoder.errors import BadInput, Forbidden, NeedsReconnect, RateLimited, Refused, Transient
from llmcoder.model import Model
from llmcoder.money import Money
from llmcoder.retry_after import retry_at
from tasks.travel.asking import Service, ask, items, members, no_wait_for_an_account
from tasks.travel.search import Cabin, Search, SourceName
from tasks.travel.settings import SkyscannerSettings
from tasks.travel.source import (
    FlightRequest,
    FlightSource,
    SourceAnswer,
    airport_code,
    cheapest,
    flight_number,
    is_elsewhere,
    is_on_other_day,
    is_possible,
    leg,
    link,
    plain,
    price,
    requests_of,
    transfer,
    way,
)
from tasks.travel.views import Flight, Leg, Way

PROVIDER = "skyscanner"
LONGEST_S = 30.0
#: Between two polls. Most searches are complete after some 10 of them.
POLL_EVERY_S = 1.5
MOST_POLLS = 40
#: What a search leaves for what comes after it.
KEPT_S = 10.0
#: It wants ages; nobody asks for more than the kind of seat and fare here.
CHILD_AGE, INFANT_AGE = 8, 1
CABINS = {
    Cabin.ECONOMY: "CABIN_CLASS_ECONOMY", Cabin.PREMIUM_ECONOMY: "CABIN_CLASS_PREMIUM_ECONOMY",
    Cabin.BUSINESS: "CABIN_CLASS_BUSINESS", Cabin.FIRST: "CABIN_CLASS_FIRST",
}  # fmt: skip
#: How many of a price's units are one of its currency.
UNITS = {
    "PRICE_UNIT_WHOLE": 1, "PRICE_UNIT_CENTI": 100, "PRICE_UNIT_MILLI": 1_000, "PRICE_UNIT_MICRO": 1_000_000,
}  # fmt: skip
USUAL_CURRENCY = "EUR"
COMPLETE, FAILED = "RESULT_STATUS_COMPLETE", "RESULT_STATUS_FAILED"
UNCHANGED = {"RESULT_ACTION_NOT_MODIFIED", "RESULT_ACTION_OMITTED"}
#: Between tickets, though an agent may answer for the second one: luggage is collected.
SELF_TRANSFERS = {"TRANSFER_TYPE_SELF_TRANSFER", "TRANSFER_TYPE_PROTECTED_SELF_TRANSFER"}


class SkyscannerAccount(Model):
    """What proves who we are at Skyscanner."""

    api_key: SecretStr = Field(description="API key of a partner.")


def who_am_i(account: SkyscannerAccount, caller: Caller) -> str:
    """A name made of a mark of the key: Skyscanner tells none.

    Raises:
        NeedsReconnect: It refuses the key.
    """
    locale = caller.settings(SkyscannerSettings).skyscanner_locale
    # https://developers.skyscanner.net/docs/culture/overview: the cheapest thing that a key is asked for
    ask(caller, _service(account, caller), "GET", f"/culture/markets/{locale}", longest_s=10.0)
    return f"key-{hashlib.sha256(account.api_key.get_secret_value().encode()).hexdigest()[:8]}"


def shared_account(get: GetSettings) -> SkyscannerAccount | None:
    """The key of this installation."""
    key = get(SkyscannerSettings).skyscanner_api_key
    return None if key is None else SkyscannerAccount(api_key=key)


SKYSCANNER: ConnectionKind[SkyscannerAccount] = ConnectionKind(
    PROVIDER,
    title="Skyscanner",
    credentials=SkyscannerAccount,
    identify=who_am_i,
    fallback=shared_account,
    settings=(SkyscannerSettings,),
)


class SkyscannerSource(FlightSource):
    """What travel agents and airlines ask for, by Skyscanner."""

    name = SourceName.SKYSCANNER

    def quotes(self, search: Search, ctx: Context) -> SourceAnswer:
        with no_wait_for_an_account():
            return self._quotes(search, ctx)

    def check_account(self, ctx: Context) -> None:
        with no_wait_for_an_account():
            ctx.connection(SKYSCANNER)

    def _quotes(self, search: Search, ctx: Context) -> SourceAnswer:
        connection = ctx.connection(SKYSCANNER)
        service = _service(connection.credentials, ctx, connection.account)
        requests = requests_of(search)
        flights: list[Flight] = []
        complete = True
        for number, request in enumerate(requests):
            answer = _search(request, search, ctx, service, _Share(number, len(requests)))
            priced = list(flights_of(answer.results, search))
            flights += priced
            is_readable = bool(priced) or not answer.results.get("itineraries")
            complete = complete and answer.complete and is_readable
        return SourceAnswer(cheapest(flights, search), complete, None if complete else "Skyscanner had not finished.")


@dataclass(frozen=True)
class _Share:
    """Which part of the progress is one search's."""

    number: int
    of: int

    def at(self, polls: int) -> float:
        return (self.number + min(polls / MOST_POLLS * 3, 0.95)) / self.of


@dataclass(frozen=True)
class _Answer:
    """What a search has said so far."""

    token: str
    results: dict[str, Any]
    complete: bool
    degraded: bool = False


def _search(request: FlightRequest, search: Search, ctx: Context, service: Service, share: _Share) -> _Answer:
    """A search from its beginning to its end, or to where there is no more time."""
    ctx.progress(share.at(0), f"{request.origin} - {request.destination}, {request.depart_on}")
    body = create_body(request, search, ctx.settings(SkyscannerSettings))
    answer = _next_answer(ask(ctx, service, "POST", "/flights/live/search/create", body, longest_s=LONGEST_S), None)
    for polls in range(1, MOST_POLLS + 1):
        if answer.complete or ctx.remaining_s < KEPT_S:
            break
        ctx.wait(POLL_EVERY_S)
        path = f"/flights/live/search/poll/{quote(answer.token, safe='')}"
        answer = _next_answer(ask(ctx, service, "POST", path, longest_s=LONGEST_S), answer)
        ctx.progress(share.at(polls), f"{len(members(answer.results.get('itineraries')))} flights so far")
    return replace(answer, complete=answer.complete and not answer.degraded)


def _next_answer(document: dict[str, Any], before: _Answer | None) -> _Answer:
    """An answer of create or poll, which may say that nothing has changed.

    Raises:
        Transient: The search has failed, or is none.
    """
    token, status = document.get("sessionToken") or (before.token if before else None), document.get("status")
    if status == FAILED or not isinstance(token, str) or not token:
        raise Transient("Skyscanner's search has failed; it can be made anew.")
    content = members(document.get("content"))
    new_results = {} if document.get("action") in UNCHANGED else members(content.get("results"))
    results = new_results or (before.results if before else {})
    degraded = bool(items(document.get("degradationReasons"))) or (before is not None and before.degraded)
    return _Answer(token, results, status == COMPLETE, degraded)


def _service(account: SkyscannerAccount, caller: Caller, name: str = "") -> Service:
    def error_of(status: int, answer_headers: Mapping[str, str], problem: Any) -> Exception:
        return skyscanner_error(status, answer_headers, problem, datetime.now(UTC), name)

    headers = {"x-api-key": account.api_key.get_secret_value()}
    url = caller.settings(SkyscannerSettings).skyscanner_api_url
    return Service("Skyscanner", PROVIDER, name, url, headers, error_of)


def create_body(request: FlightRequest, search: Search, settings: SkyscannerSettings) -> dict[str, Any]:
    """The body of `create`."""
    legs = [_query_leg(request.origin, request.destination, request.depart_on)]
    if request.return_on is not None:
        legs.append(_query_leg(request.destination, request.origin, request.return_on))
    who = search.passengers
    query: dict[str, Any] = {
        "market": settings.skyscanner_market, "locale": settings.skyscanner_locale,
        "currency": search.currency or USUAL_CURRENCY, "queryLegs": legs, "cabinClass": CABINS[search.cabin],
        "adults": who.adults,
    }  # fmt: skip
    if ages := [CHILD_AGE] * who.children + [INFANT_AGE] * who.infants:
        query["childrenAges"] = ages
    return {"query": query}


def _query_leg(origin: str, destination: str, day: date) -> dict[str, Any]:
    return {
        "originPlaceId": {"iata": origin},
        "destinationPlaceId": {"iata": destination},
        "date": {"year": day.year, "month": day.month, "day": day.day},
    }


def flights_of(results: dict[str, Any], search: Search) -> Iterator[Flight]:
    """The itineraries of an answer, each at its lowest price."""
    currency = search.currency or USUAL_CURRENCY
    for one in members(results.get("itineraries")).values():
        ways = [_way(members(results.get("legs")).get(leg_id), results) for leg_id in items(members(one).get("legIds"))]
        whole = [each for each in ways if each is not None]
        if not whole or len(whole) != len(ways) or len(whole) != (1 if search.return_on is None else 2):
            continue
        if not is_possible(whole[0], whole[1] if len(whole) == 2 else None):
            continue
        options = [_Option.of(each, currency, results) for each in items(members(one).get("pricingOptions"))]
        priced = [each for each in options if each is not None]
        if priced:
            yield _flight(whole, min(priced, key=lambda each: each.cost.minor), search)


@dataclass(frozen=True)
class _Option:
    """One way to buy an itinerary."""

    cost: Money
    separate_tickets: bool
    seller: str | None
    link: str | None

    @classmethod
    def of(cls, option: object, currency: str, results: dict[str, Any]) -> _Option | None:
        one = members(option)
        amount = members(one.get("price"))
        cost = price(amount.get("amount"), currency, UNITS.get(str(amount.get("unit")), 0) or 1)
        if cost is None or amount.get("unit") not in UNITS:
            return None
        tickets = items(one.get("items"))
        first = members(tickets[0]) if tickets else {}
        agent = members(members(results.get("agents")).get(str(first.get("agentId"))))
        separate = len(tickets) > 1 or one.get("transferType") in SELF_TRANSFERS
        return cls(cost, separate, plain(agent.get("name")), link(first.get("deepLink")))


def _flight(ways: list[Way], option: _Option, search: Search) -> Flight:
    out, back = ways[0], ways[1] if len(ways) == 2 else None
    return Flight(
        price=option.cost, out=out, back=back,
        self_transfer=transfer(ways, separate_tickets=option.separate_tickets),
        other_airport=is_elsewhere(out, back, search), other_day=is_on_other_day(out, back, search),
        seller=option.seller, link=option.link,
    )  # fmt: skip


def _way(leg_document: object, results: dict[str, Any]) -> Way | None:
    one = members(leg_document)
    segments = members(results.get("segments"))
    legs = [_leg(segments.get(str(each)), results) for each in items(one.get("segmentIds"))]
    whole = [each for each in legs if each is not None]
    if not whole or len(whole) != len(legs):
        return None
    minutes = one.get("durationInMinutes")
    return way(whole, minutes if isinstance(minutes, int) else None)


def _leg(segment: object, results: dict[str, Any]) -> Leg | None:
    one = members(segment)
    places, carriers = members(results.get("places")), members(results.get("carriers"))
    origin, destination = (
        airport_code(members(places.get(str(one.get(end)))).get("iata"))
        for end in ("originPlaceId", "destinationPlaceId")
    )
    departs, arrives = _local(one.get("departureDateTime")), _local(one.get("arrivalDateTime"))
    if origin is None or destination is None or departs is None or arrives is None:
        return None
    carrier = members(carriers.get(str(one.get("marketingCarrierId"))))
    number = flight_number(carrier.get("iata"), one.get("marketingFlightNumber"))
    return leg(origin, destination, departs, arrives, plain(carrier.get("name")), number)


def _local(moment: object) -> datetime | None:
    """A time on the clock of an airport, of whole numbers."""
    one = members(moment)
    numbers = [one.get(name) for name in ("year", "month", "day", "hour", "minute")]
    if not all(isinstance(each, int) and not isinstance(each, bool) for each in numbers):
        return None
    try:
        return datetime(*numbers)  # type: ignore[arg-type]  # noqa: DTZ001  (its zone is the airport's)
    except ValueError:
        return None


def skyscanner_error(
    status: int, headers: Mapping[str, str], problem: Any, now: datetime, account: str = ""
) -> Exception:
    """The remedy of a refusal."""
    why = plain(members(problem).get("message")) or f"It answered {status}."
    if status == 429:
        return RateLimited("Skyscanner asks to wait.", retry_at(headers, now), PROVIDER, account)
    if status == 401:
        return NeedsReconnect(f"Skyscanner refuses the API key: {why}")
    if status == 403:
        return Forbidden(f"Skyscanner does not allow it with this key: {why}")
    if status == 400:
        return BadInput(f"Skyscanner does not take the search: {why}")
    if status in (404, 408, 410):
        return Transient(f"Skyscanner does not know the search any more; it can be made anew: {why}")
    if status >= 500:
        return Transient(f"Skyscanner is out of order ({status}): {why}")
    return Refused(f"Skyscanner answered {status}: {why}")
