"""The one interface of everything that knows what flights cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from itertools import pairwise
from typing import TYPE_CHECKING

from llmcoder.errors import BadInput
from llmcoder.money import BadMoney, Money, exponent_of
from tasks.travel.places import airport
from tasks.travel.search import Search
from tasks.travel.views import Flight, Leg, SelfTransfer, Way

if TYPE_CHECKING:
    from llmcoder.context import Context

#: Text of a source is shown, and never longer than this.
LONGEST_TEXT = 120
LONGEST_LINK = 2_000
#: Of one search; the days of a week, to a city whose two airports have no common code.
MOST_REQUESTS = 14
#: Prices have no more digits; what claims to have is none.
LARGEST_EXPONENT = 12
#: From departure to arrival, where a source does not tell the changes in between.
LONGEST_WAY = timedelta(days=5)


@dataclass(frozen=True)
class SourceAnswer:
    """What a source says.

    Attributes:
        complete: False where it had not finished, or had more.
        note: What the user should know about the prices.
        recorded: Nobody sells at these prices.
    """

    flights: list[Flight]
    complete: bool = True
    note: str | None = None
    recorded: bool = False


class FlightSource(ABC):
    """Knows what flights cost.

    Attributes:
        name: As users write it.
    """

    name: str

    @abstractmethod
    def quotes(self, search: Search, ctx: Context) -> SourceAnswer:
        """Ask for flights; progress is shown, and a cancellation ends it. Nothing is booked, so it may be repeated.

        Raises:
            BadInput: The source does not take the search; the detail says what it takes.
            NeedsReconnect, NotConfigured: There are no credentials, or they are refused.
            RateLimited, Transient: It may be asked later.
        """

    def check_account(self, ctx: Context) -> None:  # noqa: B027  (most need none)
        """Refuse to be asked by somebody who has no account, before a watch is kept that could never look.

        Raises:
            NotConfigured: There is neither one of the user's nor one for everybody.
        """

    def check_watch(self, search: Search) -> None:
        """Refuse what it can never quote, before a watch is kept that would tell nothing.

        Raises:
            BadInput: It takes no such search.
        """
        requests_of(search)


@dataclass(frozen=True)
class FlightRequest:
    """One of the requests that a search becomes: a source takes one pair of codes and one pair of days at a time."""

    origin: str
    destination: str
    depart_on: date
    return_on: date | None


def requests_of(search: Search) -> list[FlightRequest]:
    """What a source is asked, the wanted days first.

    Raises:
        BadInput: Those are too many; the detail says how to ask for less.
    """
    requests = [
        FlightRequest(origin, destination, depart_on, return_on)
        for depart_on, return_on in search.days()
        for origin in search.origin.asked_codes
        for destination in search.destination.asked_codes
    ]
    if len(requests) > MOST_REQUESTS:
        raise BadInput(
            f"These are {len(requests)} searches, for each day and pair of airports; at most {MOST_REQUESTS} are made. "
            f"Name one airport ({', '.join([*search.origin.codes, *search.destination.codes])}), or fewer days."
        )
    return requests


def leg(
    origin: str, destination: str, departs: datetime, arrives: datetime,
    carrier: str | None = None, number: str | None = None,
) -> Leg:  # fmt: skip
    """A flight of which a source says the times on the clocks of its airports, without a zone."""
    return Leg(
        origin=origin,
        destination=destination,
        departs_local=_local(departs),
        arrives_local=_local(arrives),
        departs_at=instant(origin, departs),
        arrives_at=instant(destination, arrives),
        carrier=carrier,
        number=number,
    )


def instant(code: str, local: datetime) -> datetime | None:
    """The instant of a time on the clock of an airport. One that comes twice is the first."""
    from zoneinfo import ZoneInfo

    place = airport(code)
    return None if place is None else local.replace(tzinfo=ZoneInfo(place.zone))


def airport_code(text: object) -> str | None:
    """An IATA code as a source writes it; None of anything else, such as the name of a city."""
    code = text.strip().upper() if isinstance(text, str) else ""
    return code if len(code) == 3 and code.isascii() and code.isalpha() else None


def flight_number(carrier_code: object, number: object) -> str | None:
    """Such as `BA 983`; None where the source says neither."""
    return plain(" ".join(str(one) for one in (carrier_code, number) if isinstance(one, str | int)))


def local_time(text: object) -> datetime | None:
    """A time on the clock of an airport, whatever zone is written behind it."""
    if not isinstance(text, str):
        return None
    with suppress(ValueError):
        return datetime.fromisoformat(text).replace(tzinfo=None)
    return None


def way(legs: list[Leg], minutes: int | None = None, via: list[str] | None = None) -> Way:
    """The way of flights in order.

    Args:
        minutes: As the source says it; else computed of the instants.
        via: Where one changes, where the source tells that and not the flights.
    """
    if minutes is not None and not 0 < minutes < LONGEST_WAY / timedelta(minutes=1):
        minutes = None
    changes = [one.destination for one in legs[:-1]] if via is None else via
    return Way(legs=legs, stops=len(changes), via=changes, minutes=_minutes(legs) if minutes is None else minutes)


def _minutes(legs: list[Leg]) -> int | None:
    start, end = legs[0].departs_at, legs[-1].arrives_at
    return None if start is None or end is None else round((end - start).total_seconds() / 60)


def changes_airport(one: Way) -> bool:
    """Whether one lands at another airport than the one from which the next flight departs: a transfer on one's own."""
    return any(before.destination != after.origin for before, after in zip(one.legs, one.legs[1:], strict=False))


def transfer(ways: list[Way], *, separate_tickets: bool | None) -> SelfTransfer:
    """Whether somebody changes on their own.

    Args:
        separate_tickets: What the source says; None where it says nothing.
    """
    if not any(one.stops for one in ways):
        return "no"
    if separate_tickets or any(changes_airport(one) for one in ways):
        return "yes"
    return "possible" if separate_tickets is None else "no"


def is_elsewhere(out: Way, back: Way | None, search: Search) -> bool:
    """Whether a flight departs or lands at an airport that was not asked for."""
    ends = [(out, search.origin, search.destination)]
    ends += [(back, search.destination, search.origin)] if back is not None else []
    return any(
        one.legs[0].origin not in start.codes or one.legs[-1].destination not in end.codes for one, start, end in ends
    )


def is_on_other_day(out: Way, back: Way | None, search: Search) -> bool:
    """Whether a flight departs on days that were not asked for; sources also answer with those."""
    asked = {(str(there), None if home is None else str(home)) for there, home in search.days()}
    return (_departs_on(out), None if back is None else _departs_on(back)) not in asked


def is_possible(out: Way, back: Way | None) -> bool:
    """Whether each flight lands after it departs, and before the next one does."""
    legs = [*out.legs, *(back.legs if back else [])]
    return all(_can_be(one) for one in legs) and all(
        before.arrives_at is None or after.departs_at is None or before.arrives_at <= after.departs_at
        for before, after in pairwise(legs)
    )


def _departs_on(one: Way) -> str:
    return one.legs[0].departs_local.partition("T")[0]


def _can_be(one: Leg) -> bool:
    """Whether it lands after it departs, and soon enough. Clocks differ by 26 hours at most."""
    if one.departs_at is not None and one.arrives_at is not None:
        return timedelta(0) <= one.arrives_at - one.departs_at < LONGEST_WAY
    took = datetime.fromisoformat(one.arrives_local) - datetime.fromisoformat(one.departs_local)
    return -timedelta(hours=26) < took < LONGEST_WAY


def price(amount: object, currency: object, per_unit: int = 1) -> Money | None:
    """What a source wants, as money; None where it says none. Nothing at all is no price: it is written where none is.

    Args:
        amount: A whole number, text, or a number of JSON. Finer than the currency's minor unit it is rounded half up,
            as a shop does.
        per_unit: How many of the amount's units are one of the currency.
    """
    if isinstance(amount, bool) or not isinstance(amount, int | float | str) or not isinstance(currency, str):
        return None
    try:
        exact = Decimal(str(amount)) / per_unit  # the digits of a float that JSON had, and not its binary value
        if not exact.is_finite() or exact < 0 or exact.adjusted() > LARGEST_EXPONENT:
            return None
        code = currency.strip().upper()
        minor = (exact * 10 ** exponent_of(code)).quantize(Decimal(1), ROUND_HALF_UP)
    except (InvalidOperation, BadMoney):
        return None
    return Money(int(minor), code) if minor > 0 else None


def plain(text: object) -> str | None:
    """Text of a source as one short line; None where it is none."""
    if not isinstance(text, str):
        return None
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line[:LONGEST_TEXT] or None


def link(text: object) -> str | None:
    """An address of a source's, if a browser should follow it."""
    if not isinstance(text, str) or len(text) > LONGEST_LINK or not text.isprintable() or " " in text:
        return None
    return text if text.startswith("https://") else None


def cheapest(flights: list[Flight], search: Search) -> list[Flight]:
    """The cheapest ones that have not departed, with no more changes than are wanted; first of the asked currency."""
    few = [
        one
        for one in flights
        if not _has_departed(one, search.now)
        if search.max_stops is None or all(each.stops <= search.max_stops for each in (one.out, one.back) if each)
    ]
    return sorted(few, key=lambda one: _rank(one, search))[: search.limit]


def _has_departed(flight: Flight, now: datetime) -> bool:
    departs_at = flight.out.legs[0].departs_at
    return departs_at is not None and departs_at <= now


def _rank(flight: Flight, search: Search) -> tuple[bool, int, int]:
    is_other = search.currency is not None and flight.price.currency != search.currency
    return is_other, flight.price.minor, flight.out.stops


def _local(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M")
