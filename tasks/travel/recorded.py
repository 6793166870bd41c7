"""Recorded quotes: what one sees without network, account and key, and what a watch can be tried with.

Those that come with the program are made up, as are their airlines; a file of one's own (TRAVEL_RECORDED_FILE) has the
same shape. A quote is of one adult in economy, on days one after the other; the days are moved to the asked ones, and
the next quote counts each day that goes by.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, model_validator

from llmcoder import strict_json
from llmcoder.context import Context
from llmcoder.errors import BadInput, NotConfigured
from llmcoder.model import Model
from llmcoder.money import Money
from tasks.travel.places import airport
from tasks.travel.search import Cabin, CurrencyCode, Passengers, Search, SourceName
from tasks.travel.source import FlightSource, SourceAnswer, cheapest, is_elsewhere, is_on_other_day, leg, transfer, way
from tasks.travel.views import Flight, Leg, Way

NOTE = "Recorded quotes, moved to your days: nobody sells at these prices. Ask another source for those of today."
OWN_FILE = "TRAVEL_RECORDED_FILE"
BUNDLED = Path(__file__).parent / "recorded.json"
MOST_BYTES = 20 * 1024 * 1024
#: What a passenger pays of an adult's price, and a cabin of economy's. Airlines differ; these are round figures.
CHILD, INFANT = Decimal("0.75"), Decimal("0.10")
CABINS = {
    Cabin.ECONOMY: Decimal(1), Cabin.PREMIUM_ECONOMY: Decimal("1.6"), Cabin.BUSINESS: Decimal(3),
    Cabin.FIRST: Decimal(5),
}  # fmt: skip


class RecordedFlight(Model):
    """A flight that there is every day."""

    carrier: str = Field(min_length=1, max_length=80, description="Airline.")
    number: str = Field(min_length=1, max_length=20, description="Flight number.")
    departs: time = Field(description="On the clock of its airport.")
    minutes: int = Field(ge=1, le=2_000, description="How long it flies; the first one where it changes.")
    via: str | None = Field(None, pattern=r"^[A-Z]{3}$", description="Where it changes.")
    wait_minutes: int = Field(60, ge=1, le=2_000, description="How long one waits there.")
    onward_minutes: int = Field(0, ge=0, le=2_000, description="How long the second one flies.")
    cents: list[int] = Field(min_length=1, max_length=1_000, description="Price on one day after the other.")

    @model_validator(mode="after")
    def _whole(self) -> RecordedFlight:
        if (self.via is None) != (self.onward_minutes == 0):
            raise ValueError("`via` and `onward_minutes` come together")
        if min(self.cents) < 0:
            raise ValueError("a price is not negative")
        return self


class RecordedRoute(Model):
    """From one airport to another."""

    origin: str = Field(alias="from", pattern=r"^[A-Z]{3}$", description="IATA code of an airport.")
    destination: str = Field(alias="to", pattern=r"^[A-Z]{3}$", description="Likewise.")
    flights: list[RecordedFlight] = Field(min_length=1, description="Its flights.")


class RecordedQuotes(Model):
    """A file of them."""

    about: str = Field(description="What they are.")
    recorded_on: date = Field(description="The day of the first price.")
    currency: CurrencyCode = Field(description="Of all prices.")
    routes: list[RecordedRoute] = Field(min_length=1, description="What is known.")


class RecordedSource(FlightSource):
    """Answers from a file."""

    name = SourceName.RECORDED

    def __init__(self, file: Path | None) -> None:
        self._known = own_quotes(file) if file is not None else bundled_quotes()

    def quotes(self, search: Search, ctx: Context) -> SourceAnswer:
        self.check_watch(search)
        flights: list[Flight] = []
        days = list(search.days())
        for number, (depart_on, return_on) in enumerate(days):
            ctx.progress(number / len(days), f"{depart_on}")
            flights += self._of_day(search, depart_on, return_on)
        return SourceAnswer(cheapest(flights, search), note=NOTE, recorded=True)

    def check_watch(self, search: Search) -> None:
        if search.currency not in (None, self._known.currency):
            raise BadInput(
                f"Recorded quotes are in {self._known.currency}, not in {search.currency}. Ask another source."
            )
        if not self._flights(search, back=False) or (search.return_on and not self._flights(search, back=True)):
            pairs = sorted({f"{one.origin}-{one.destination}" for one in self._known.routes})
            raise BadInput(
                f"There are no recorded quotes from {search.origin.name} to {search.destination.name}. There are "
                f"some for {', '.join(pairs[:40])}. Live prices need no key: source=kiwi."
            )

    def routes(self) -> int:
        """How many are known."""
        return len(self._known.routes)

    def _of_day(self, search: Search, depart_on: date, return_on: date | None) -> Iterator[Flight]:
        price_of = _Prices(search, self._known.currency)
        outs = [(_way(*one, depart_on), price_of(one[1], depart_on)) for one in self._flights(search, back=False)]
        if return_on is None:
            yield from (_flight(out, None, price, search) for out, price in outs)
            return
        backs = [(_way(*one, return_on), price_of(one[1], return_on)) for one in self._flights(search, back=True)]
        for out, there in outs:
            for back, home in backs:
                if is_after(out, back):
                    yield _flight(out, back, there + home, search)

    def _flights(self, search: Search, *, back: bool) -> list[tuple[RecordedRoute, RecordedFlight]]:
        start, end = (search.destination, search.origin) if back else (search.origin, search.destination)
        return [
            (route, one)
            for route in self._known.routes
            if route.origin in start.codes and route.destination in end.codes
            for one in route.flights
        ]


class _Prices:
    """What a flight costs all passengers of a search."""

    def __init__(self, search: Search, currency: str) -> None:
        self._today, self._currency = search.today, currency
        self._factor = _share(search.passengers) * CABINS[search.cabin]

    def __call__(self, flight: RecordedFlight, day: date) -> Money:
        at = (self._today.toordinal() + day.toordinal()) % len(flight.cents)
        return Money(flight.cents[at], self._currency).times(self._factor)


def _share(passengers: Passengers) -> Decimal:
    return passengers.adults + passengers.children * CHILD + passengers.infants * INFANT


def is_after(out: Way, back: Way) -> bool:
    """Whether one is there before one flies back."""
    there, home = out.legs[-1].arrives_at, back.legs[0].departs_at
    return there is None or home is None or home > there


def _way(route: RecordedRoute, flight: RecordedFlight, day: date) -> Way:
    departs = datetime.combine(day, flight.departs)
    stop = flight.via or route.destination
    first = _leg(route.origin, stop, departs, flight.minutes, flight)
    if flight.via is None:
        return way([first])
    onward = datetime.fromisoformat(first.arrives_local) + timedelta(minutes=flight.wait_minutes)
    return way([first, _leg(stop, route.destination, onward, flight.onward_minutes, flight)])


def _leg(origin: str, destination: str, departs: datetime, minutes: int, flight: RecordedFlight) -> Leg:
    start, end = airport(origin), airport(destination)
    assert start is not None and end is not None  # looked at when the file was read
    lands = (departs.replace(tzinfo=ZoneInfo(start.zone)).timestamp()) + minutes * 60
    arrives = datetime.fromtimestamp(lands, ZoneInfo(end.zone)).replace(tzinfo=None)
    return leg(origin, destination, departs, arrives, flight.carrier, flight.number)


def _flight(out: Way, back: Way | None, price: Money, search: Search) -> Flight:
    ways = [out] if back is None else [out, back]
    return Flight(
        price=price, out=out, back=back, self_transfer=transfer(ways, separate_tickets=False),
        other_airport=is_elsewhere(out, back, search), other_day=is_on_other_day(out, back, search),
        seller=None, link=None,
    )  # fmt: skip


@lru_cache(1)
def bundled_quotes() -> RecordedQuotes:
    """Those that come with the program."""
    return _read(BUNDLED.read_bytes(), BUNDLED.name)


def own_quotes(file: Path) -> RecordedQuotes:
    """Those of a file of the operator's.

    Raises:
        NotConfigured: It cannot be read, or is no such file.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise NotConfigured(f"{OWN_FILE}: {file} cannot be read: {error.strerror}.") from error
    if len(content) > MOST_BYTES:
        raise NotConfigured(f"{OWN_FILE}: {file} has more than {MOST_BYTES} bytes.")
    return _read(content, f"{OWN_FILE}: {file}")


def _read(content: bytes, what: str) -> RecordedQuotes:
    try:
        quotes = RecordedQuotes.model_validate(strict_json.read(content))
    except strict_json.NotJson as error:
        raise NotConfigured(f"{what} is no JSON: {error}.") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise NotConfigured(f"{what} holds no recorded quotes: {place}: {first['msg']}.") from error
    codes = {code for one in quotes.routes for code in (one.origin, one.destination)}
    codes |= {flight.via for one in quotes.routes for flight in one.flights if flight.via}
    if unknown := sorted(code for code in codes if airport(code) is None):
        raise NotConfigured(f"{what} names airports that are unknown: {', '.join(unknown)}.")
    return quotes
