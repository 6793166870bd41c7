"""What somebody wants to fly: the input of a search, and what becomes of it once the places are known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from llmcoder.errors import BadInput
from llmcoder.model import Model
from llmcoder.money import exponent_of
from tasks.travel.places import TravelPlace, place_of

MOST_PASSENGERS = 9
MOST_FLEXIBLE_DAYS = 3
#: Airlines sell seats less than a year ahead; sources refuse later dates, each in its own words.
MOST_DAYS_AHEAD = 360
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Cabin(StrEnum):
    """Where one sits."""

    ECONOMY = "economy"
    PREMIUM_ECONOMY = "premium_economy"
    BUSINESS = "business"
    FIRST = "first"


class SourceName(StrEnum):
    """Where prices come from."""

    RECORDED = "recorded"  # quotes that come with the program: no network, no key, and nobody sells them
    KIWI = "kiwi"  # Kiwi.com's public search, without a key
    DUFFEL = "duffel"
    SKYSCANNER = "skyscanner"


def _written_date(value: object) -> object:
    """pydantic takes a number for seconds since 1970, and text that looks like one too."""
    if isinstance(value, str) and not _DATE.fullmatch(value.strip()):
        raise ValueError("must be a date such as 2030-06-01")
    if isinstance(value, bool | int | float | datetime):
        raise ValueError("must be a date such as 2030-06-01, as text")
    return value.strip() if isinstance(value, str) else value


def _known_currency(code: str) -> str:
    exponent_of(code)
    return code


Day = Annotated[date, BeforeValidator(_written_date)]
CurrencyCode = Annotated[
    str, StringConstraints(strip_whitespace=True, to_upper=True, min_length=3, max_length=3),
    AfterValidator(_known_currency),
]  # fmt: skip
PlaceText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=2, max_length=80, pattern=r"^[^\x00-\x1f]*$")
]


class Trip(Model):
    """Where to, when, and who."""

    # `from` is a word of Python; callers know the field by it, and inside it is `origin`
    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    origin: PlaceText = Field(
        alias="from",
        description="Where from: a city (Berlin; London, CA), or an IATA code of an airport or a city (BER, LON).",
        examples=["Berlin"],
    )
    to: PlaceText = Field(description="Where to, likewise.", examples=["London"])
    depart_on: Day = Field(description="Day of departure, on the clock of its airport.", examples=["2030-06-01"])
    return_on: Day | None = Field(None, description="Day of the flight back; one way when left out.")
    flexible_days: int = Field(
        0, ge=0, le=MOST_FLEXIBLE_DAYS, description="Up to so many days earlier or later; the stay is as long."
    )
    adults: int = Field(1, ge=1, le=MOST_PASSENGERS, description="Passengers from 12 years on.")
    children: int = Field(0, ge=0, le=MOST_PASSENGERS - 1, description="Passengers from 2 to 11 years.")
    infants: int = Field(0, ge=0, le=MOST_PASSENGERS - 1, description="Passengers below 2 years, on somebody's lap.")
    cabin: Cabin = Field(Cabin.ECONOMY, description="Where you sit.")
    max_stops: int | None = Field(None, ge=0, le=3, description="Changes each way, at most; 0 for direct flights.")
    source: SourceName | None = Field(
        None, description="Where prices come from; TRAVEL_SOURCE of the settings when left out."
    )

    @model_validator(mode="after")
    def _can_be_flown(self) -> Self:
        if self.return_on is not None and self.return_on < self.depart_on:
            raise ValueError(f"return_on is {self.return_on}, before depart_on, which is {self.depart_on}")
        if self.adults + self.children + self.infants > MOST_PASSENGERS:
            raise ValueError(f"at most {MOST_PASSENGERS} passengers fly together")
        if self.infants > self.adults:
            raise ValueError("each infant sits on the lap of an adult of its own")
        return self


class FlightQuery(Trip):
    """Which flights are wanted."""

    currency: CurrencyCode | None = Field(
        None, description="Of the prices, by ISO 4217; the source's own when left out.", examples=["EUR"]
    )
    limit: int = Field(20, ge=1, le=100, description="Most flights to return, the cheapest first.")


@dataclass(frozen=True)
class Passengers:
    """Who flies."""

    adults: int
    children: int
    infants: int

    @property
    def count(self) -> int:
        return self.adults + self.children + self.infants


@dataclass(frozen=True)
class Search:
    """A query whose places are known and whose days can be flown; what a source is asked.

    Attributes:
        currency: None for the source's own.
        limit: How many flights are wanted, at most.
        today: At the airport of departure.
    """

    origin: TravelPlace
    destination: TravelPlace
    depart_on: date
    return_on: date | None
    flexible_days: int
    passengers: Passengers
    cabin: Cabin
    max_stops: int | None
    currency: str | None
    limit: int
    today: date
    now: datetime

    def days(self) -> Iterator[tuple[date, date | None]]:
        """The wanted days of departure and return, the asked ones first, then the nearest; none is past or too far."""
        for off in sorted(range(-self.flexible_days, self.flexible_days + 1), key=lambda off: (abs(off), off)):
            day = self.depart_on + timedelta(days=off)
            home = None if self.return_on is None else self.return_on + timedelta(days=off)
            if self.today <= day and (off <= 0 or (home or day) <= last_day(self.today)):
                yield day, home


def last_day(today: date) -> date:
    """The last one on which somebody may fly."""
    return today + timedelta(days=MOST_DAYS_AHEAD)


def search_of(trip: Trip, now: datetime, currency: str | None = None, limit: int = 100) -> Search:
    """What a source is to be asked.

    Raises:
        BadInput: A place is unknown or may mean several, both are the same, or the days are past or too far ahead.
    """
    origin, destination = place_of(trip.origin), place_of(trip.to)
    if set(origin.codes) & set(destination.codes):
        raise BadInput(f"{trip.origin!r} and {trip.to!r} have an airport in common: {origin.name}.")
    today = now.astimezone(ZoneInfo(origin.zone)).date()
    if trip.depart_on < today - timedelta(days=trip.flexible_days):
        raise BadInput(f"depart_on is {trip.depart_on}, which is past: in {origin.name} it is {today}.")
    last = trip.return_on or trip.depart_on
    if last > last_day(today):
        raise BadInput(f"{last} is more than {MOST_DAYS_AHEAD} days ahead; airlines do not sell seats that early.")
    passengers = Passengers(trip.adults, trip.children, trip.infants)
    return Search(
        origin, destination, trip.depart_on, trip.return_on, trip.flexible_days, passengers, trip.cabin,
        trip.max_stops, currency, limit, today, now,
    )  # fmt: skip
