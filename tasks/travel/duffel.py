"""The only module that speaks to Duffel, and the only one that knows its errors.

https://duffel.com/docs/api/v2/offer-requests: one request asks all airlines, and its answer holds their offers. Times
are on the clocks of the airports, amounts are texts and for all passengers. An offer is one ticket of one airline.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import Field, SecretStr

from llmcoder.context import Context
from llmcoder.declare.connection import Caller, ConnectionKind, GetSettings
from llmcoder.errors import (
    BadInput,
    Forbidden,
    NeedsReconnect,
    NotFound,
    RateLimited,
    Refused,
    Transient,
)
from llmcoder.model import Model
from llmcoder.retry_after import retry_at
from tasks.travel.asking import Service, ask, items, members, no_wait_for_an_account
from tasks.travel.search import Passengers, Search, SourceName
from tasks.travel.settings import DuffelSettings
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
    local_time,
    plain,
    price,
    requests_of,
    transfer,
    way,
)
from tasks.travel.views import Flight, Leg, Way

VERSION = "v2"
PROVIDER = "duffel"
#: How long airlines may take; Duffel answers with the offers that it has then.
SUPPLIER_TIMEOUT_MS = 20_000
LONGEST_S = 40.0
#: Duffel wants ages below 18 and not types; nobody asks for more than the kind of seat and fare here.
CHILD_AGE, INFANT_AGE = 8, 1
TEST_NOTE = "Duffel's test mode: a made-up airline, at whose prices nobody sells."
#: Where an answer does not say how long to wait. Its windows are of a minute.
USUAL_WAIT = timedelta(seconds=60)
_DURATION = re.compile(r"P(?:(\d{1,3})D)?(?:T(?:(\d{1,3})H)?(?:(\d{1,4})M)?(?:\d+S)?)?")


class DuffelAccount(Model):
    """What proves who we are at Duffel."""

    access_token: SecretStr = Field(description="Access token, duffel_test_… or duffel_live_….")


def who_am_i(account: DuffelAccount, caller: Caller) -> str:
    """A name made of the token's mode and a mark of it: Duffel tells no other.

    Raises:
        NeedsReconnect: It refuses the token.
    """
    ask(caller, _service(account, caller), "GET", "/air/airlines?limit=1", longest_s=10.0)
    token = account.access_token.get_secret_value()
    mode = "live" if token.startswith("duffel_live") else "test"
    return f"{mode}-{hashlib.sha256(token.encode()).hexdigest()[:8]}"


def shared_account(get: GetSettings) -> DuffelAccount | None:
    """The account of this installation."""
    token = get(DuffelSettings).duffel_access_token
    return None if token is None else DuffelAccount(access_token=token)


DUFFEL: ConnectionKind[DuffelAccount] = ConnectionKind(
    PROVIDER,
    title="Duffel",
    credentials=DuffelAccount,
    identify=who_am_i,
    fallback=shared_account,
    settings=(DuffelSettings,),
)


class DuffelSource(FlightSource):
    """Offers of Duffel's airlines, in the name of the user's account or the installation's."""

    name = SourceName.DUFFEL

    def quotes(self, search: Search, ctx: Context) -> SourceAnswer:
        with no_wait_for_an_account():
            return self._quotes(search, ctx)

    def check_account(self, ctx: Context) -> None:
        with no_wait_for_an_account():
            ctx.connection(DUFFEL)

    def _quotes(self, search: Search, ctx: Context) -> SourceAnswer:
        connection = ctx.connection(DUFFEL)
        service = _service(connection.credentials, ctx, connection.account)
        requests = requests_of(search)
        flights: list[Flight] = []
        live, dropped = True, 0
        for number, request in enumerate(requests):
            ctx.progress(number / len(requests), f"{request.origin} - {request.destination}, {request.depart_on}")
            path = f"/air/offer_requests?return_offers=true&supplier_timeout={SUPPLIER_TIMEOUT_MS}"
            body = offer_request(request, search)
            answer = members(ask(ctx, service, "POST", path, body, longest_s=LONGEST_S).get("data"))
            offers = items(answer.get("offers"))
            read = [one for one in (flight_of(offer, search) for offer in offers) if one is not None]
            live, dropped = live and answer.get("live_mode") is not False, dropped + len(offers) - len(read)
            flights += read
        return SourceAnswer(cheapest(flights, search), dropped == 0, None if live else TEST_NOTE, recorded=not live)


def _service(account: DuffelAccount, caller: Caller, name: str = "") -> Service:
    headers = {
        "authorization": f"Bearer {account.access_token.get_secret_value()}",
        "duffel-version": VERSION,
    }

    def error_of(status: int, answer_headers: Mapping[str, str], problem: Any) -> Exception:
        return duffel_error(status, answer_headers, problem, datetime.now(UTC), name)

    return Service("Duffel", PROVIDER, name, caller.settings(DuffelSettings).duffel_api_url, headers, error_of)


def offer_request(request: FlightRequest, search: Search) -> dict[str, Any]:
    """The body of an offer request."""
    slices = [_slice(request.origin, request.destination, request.depart_on)]
    if request.return_on is not None:
        slices.append(_slice(request.destination, request.origin, request.return_on))
    data: dict[str, Any] = {
        "slices": slices,
        "passengers": _passengers(search.passengers),
        "cabin_class": search.cabin.value,
    }
    if search.max_stops is not None:
        data["max_connections"] = search.max_stops
    return {"data": data}


def _slice(origin: str, destination: str, day: date) -> dict[str, str]:
    return {"origin": origin, "destination": destination, "departure_date": day.isoformat()}


def _passengers(who: Passengers) -> list[dict[str, Any]]:
    adults: list[dict[str, Any]] = [{"type": "adult"} for _ in range(who.adults)]
    return [
        *adults,
        *({"age": CHILD_AGE} for _ in range(who.children)),
        *({"age": INFANT_AGE} for _ in range(who.infants)),
    ]


def flight_of(offer: object, search: Search) -> Flight | None:
    """An offer as a flight; None where it is not what Duffel promises."""
    document = members(offer)
    cost = price(document.get("total_amount"), document.get("total_currency"))
    ways = [_way(one) for one in items(document.get("slices"))]
    if cost is None or len(ways) != (1 if search.return_on is None else 2) or None in ways:
        return None
    whole = [one for one in ways if one is not None]
    out, back = whole[0], whole[1] if len(whole) == 2 else None
    if not is_possible(out, back):
        return None
    return Flight(
        price=cost, out=out, back=back, self_transfer=transfer(whole, separate_tickets=False),
        other_airport=is_elsewhere(out, back, search), other_day=is_on_other_day(out, back, search), link=None,
        seller=plain(members(document.get("owner")).get("name")),
    )  # fmt: skip


def _way(offered_slice: object) -> Way | None:
    legs = [_leg(one) for one in items(members(offered_slice).get("segments"))]
    whole = [one for one in legs if one is not None]
    return way(whole, minutes(members(offered_slice).get("duration"))) if whole and len(whole) == len(legs) else None


def _leg(segment: object) -> Leg | None:
    one = members(segment)
    origin, destination = (airport_code(members(one.get(end)).get("iata_code")) for end in ("origin", "destination"))
    departs, arrives = local_time(one.get("departing_at")), local_time(one.get("arriving_at"))
    if origin is None or destination is None or departs is None or arrives is None:
        return None
    carrier = members(one.get("marketing_carrier"))
    number = flight_number(carrier.get("iata_code"), one.get("marketing_carrier_flight_number"))
    return leg(origin, destination, departs, arrives, plain(carrier.get("name")), number)


def minutes(duration: object) -> int | None:
    """Of an ISO 8601 duration such as PT2H26M."""
    match = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
    if match is None or not any(match.groups()):
        return None
    days, hours, rest = (int(one or 0) for one in match.groups())
    return (days * 24 + hours) * 60 + rest


def duffel_error(status: int, headers: Mapping[str, str], problem: Any, now: datetime, account: str = "") -> Exception:
    """The remedy of a refusal: https://duffel.com/docs/api/overview/response-handling/errors."""
    first = members(next(iter(items(members(problem).get("errors"))), None))
    why = plain(first.get("message")) or plain(first.get("title")) or f"It answered {status}."
    if status == 429 or first.get("type") == "rate_limit_error":
        return RateLimited("Duffel asks to wait.", _again_at(headers, now), PROVIDER, account)
    if status == 401:
        return NeedsReconnect(f"Duffel refuses the access token: {why}")
    if status == 403:
        return Forbidden(f"Duffel does not allow it: {why}")
    if status in (400, 422):
        return BadInput(f"Duffel does not take the search: {why}")
    if status == 404:
        return NotFound(f"Duffel knows no such thing: {why}")
    if status >= 500 or status == 408:
        return Transient(f"Duffel is out of order ({status}): {why}")
    return Refused(f"Duffel answered {status}: {why}")


def _again_at(headers: Mapping[str, str], now: datetime) -> datetime:
    """Duffel says the end of its window as a date."""
    if headers.get("retry-after"):
        return retry_at(headers, now)
    with suppress(ValueError, TypeError):
        until = parsedate_to_datetime(headers.get("ratelimit-reset", ""))
        if now < until < now + timedelta(days=1):
            return until
    return now + USUAL_WAIT
