"""Look for places and flights."""

from __future__ import annotations

from pydantic import Field

from llmcoder import BadInput, Context, Effect, Model, Retry, action
from models.db.database import database
from tasks.travel.places import MOST_PROPOSALS, candidates, place_of
from tasks.travel.search import FlightQuery, PlaceText, Search, search_of
from tasks.travel.source import FlightSource, SourceAnswer
from tasks.travel.sources import source_of
from tasks.travel.views import Flight, Flights, PlaceView

TIMEOUT_S = 120.0


class PlaceQuery(Model):
    """Which place is wanted."""

    name: PlaceText = Field(
        description="A city in several languages, an airport's name, `London, CA`, or an IATA code.",
        examples=["Berlin"],
    )


class Places(Model):
    """Places of a name."""

    items: list[PlaceView] = Field(description="The one that is meant; several where that is not clear.")
    clear: bool = Field(description="Whether a search takes the name as it is.")


@action("travel.places", effect=Effect.READ, timeout_s=15)
def places(query: PlaceQuery, _ctx: Context) -> Places:
    """Find the airports of a city, with their time zones.

    Nothing is asked: the table comes with the program.
    """
    matches = candidates(query.name)
    if not matches:
        place_of(query.name)  # says what was meant perhaps
    return Places(items=[PlaceView.of(one) for one in matches[: 2 * MOST_PROPOSALS]], clear=len(matches) == 1)


@action("travel.flights", effect=Effect.READ, outside=True, timeout_s=TIMEOUT_S, retry=Retry(first_wait_s=10))
def flights(query: FlightQuery, ctx: Context) -> Flights:
    """Find flights and what they cost for all passengers, the cheapest first.

    Nothing is booked. Without any account these are recorded quotes, marked as such; `source=kiwi` asks a public search
    that needs no key. To be told of a price that falls, use travel.watch_price.
    """
    search = search_of(query, database().now(), query.currency, query.limit)
    source = source_of(query.source, ctx)
    return flights_view(search, source, source.quotes(search, ctx))


def flights_view(search: Search, source: FlightSource, quotes: SourceAnswer) -> Flights:
    """What a source says, with what it was asked.

    Raises:
        BadInput: Its prices are of several currencies, which cannot be held against each other.
    """
    flights, note = of_one_currency(quotes.flights, search, source.name)
    return Flights(
        items=flights,
        origin=PlaceView.of(search.origin),
        destination=PlaceView.of(search.destination),
        passengers=search.passengers.count,
        source=source.name,
        recorded=quotes.recorded,
        quoted_at=database().now(),
        complete=quotes.complete and len(flights) == len(quotes.flights),
        note=" ".join(one for one in (quotes.note, note) if one) or None,
    )


def of_one_currency(flights: list[Flight], search: Search, source: str) -> tuple[list[Flight], str | None]:
    """Those of the asked currency; those of another where all are of that, and what is to be said of it.

    Raises:
        BadInput: They are of several others, which cannot be held against each other.
    """
    currencies = {one.price.currency for one in flights}
    if search.currency in currencies and len(currencies) > 1:
        own = [one for one in flights if one.price.currency == search.currency]
        return own, f"Left out, in other currencies than {search.currency}: {len(flights) - len(own)}."
    if len(currencies) > 1:
        which = "another source" if search.currency else "the currency that you want: currency=EUR"
        raise BadInput(f"{source} answered in several currencies ({', '.join(sorted(currencies))}). Choose {which}.")
    is_other = search.currency is not None and currencies and currencies != {search.currency}
    return flights, f"{source} answers in {', '.join(currencies)}, and not in {search.currency}." if is_other else None
