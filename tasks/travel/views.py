"""Flights as they are shown, whichever source they come from."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from llmcoder.model import Model
from llmcoder.money import Money
from tasks.travel.places import Airport, TravelPlace

#: Whether one changes between tickets: then nobody waits for a late flight, and luggage is collected and checked in.
SelfTransfer = Literal["no", "yes", "possible"]


class AirportView(Model):
    """An airport."""

    code: str = Field(description="Its IATA code.")
    name: str = Field(description="Its name.")
    city: str = Field(description="Its city.")
    country: str = Field(description="ISO 3166, two letters.")
    timezone: str = Field(description="Its IANA time zone.")

    @classmethod
    def of(cls, one: Airport) -> AirportView:
        return cls(code=one.code, name=one.name, city=one.city, country=one.country, timezone=one.zone)


class PlaceView(Model):
    """A city or an airport, as it was understood."""

    name: str = Field(description="Its name.")
    country: str = Field(description="ISO 3166, two letters.")
    code: str | None = Field(description="IATA code of all of it; null for several airports without a common one.")
    write: str = Field(description="How to write it so that it means nothing else.")
    airports: list[AirportView] = Field(description="Its airports.")

    @classmethod
    def of(cls, place: TravelPlace) -> PlaceView:
        airports = [AirportView.of(one) for one in place.airports]
        return cls(name=place.name, country=place.country, code=place.code, write=place.write, airports=airports)


class Leg(Model):
    """One flight, from taking off to landing; or a way whose single flights the source does not tell."""

    origin: str = Field(description="IATA code of the airport where it departs.")
    destination: str = Field(description="IATA code of the airport where it arrives.")
    departs_local: str = Field(
        description="On the clock of that airport, without a zone.", examples=["2030-06-01T07:50"]
    )
    arrives_local: str = Field(description="Likewise.")
    departs_at: datetime | None = Field(description="The same instant; null where the airport's zone is unknown.")
    arrives_at: datetime | None = Field(description="Likewise.")
    carrier: str | None = Field(description="Airline; null where the source does not say.")
    number: str | None = Field(description="Flight number, likewise.")


class Way(Model):
    """There, or back."""

    legs: list[Leg] = Field(description="Its flights in order.")
    stops: int = Field(description="How often one changes.")
    via: list[str] = Field(description="IATA codes of the airports where one changes.")
    minutes: int | None = Field(description="From departure to arrival; null where nobody knows.")


class Flight(Model):
    """Something that one can book, or could."""

    price: Money = Field(description="For all passengers together, there and back.")
    out: Way = Field(description="There.")
    back: Way | None = Field(description="Back; null one way.")
    self_transfer: SelfTransfer = Field(
        description="`yes`: you change between separate tickets, so nobody waits for you and luggage is collected. "
        "`possible`: the source does not say."
    )
    other_airport: bool = Field(description="It departs or lands at an airport that was not asked for.")
    other_day: bool = Field(False, description="It departs on a day that was not asked for.")
    seller: str | None = Field(description="Who sells it, where the source says so.")
    link: str | None = Field(description="Where to book it, an address of the source's.")


class Flights(Model):
    """Flights, the cheapest first."""

    items: list[Flight] = Field(description="Them.")
    origin: PlaceView = Field(description="Where from, as it was understood.")
    destination: PlaceView = Field(description="Where to, as it was understood.")
    passengers: int = Field(description="How many the prices are for.")
    source: str = Field(description="Where the prices come from.")
    recorded: bool = Field(description="True for recorded quotes: nobody sells at these prices.")
    quoted_at: datetime = Field(description="When the source said so.")
    complete: bool = Field(description="False where the source had not finished, or had more.")
    note: str | None = Field(description="What you should know about these prices.")
