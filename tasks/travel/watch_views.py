"""Price watches, their quotes and the drops that were told, as they are sent and shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from llmcoder.instants import Instant
from llmcoder.model import Model
from llmcoder.money import Money
from tasks.travel.search import Trip
from tasks.travel.views import Flight

AN_ID = "01937b2e-7c00-7000-8000-000000000001"
HOUR_S = 3_600
SHORTEST_S, LONGEST_S = 900, 7 * 24 * HOUR_S


def _more_than_nothing(price: Money) -> Money:
    if price.minor <= 0:
        raise ValueError("must be more than nothing: no price is under it")
    return price


class NewPriceWatch(Trip):
    """A trip whose price is to be watched."""

    below: Annotated[Money, AfterValidator(_more_than_nothing)] = Field(
        description="You are told when the cheapest flight for all passengers costs less than this; prices are asked "
        "for in its currency.",
        examples=["90.00 EUR"],
    )
    every_s: int = Field(
        6 * HOUR_S, ge=SHORTEST_S, le=LONGEST_S, description="Seconds between two looks.", examples=[6 * HOUR_S]
    )


class PriceWatchChoice(Model):
    """Which watch is meant."""

    watch_id: UUID = Field(description="The watch's id.", examples=[AN_ID])


class ChangedPriceWatch(PriceWatchChoice):
    """Which watch, and what to change of it; a field left out stays as it is."""

    below: Annotated[Money, AfterValidator(_more_than_nothing)] | None = Field(
        None, description="The new threshold, in the currency of the watch.", examples=["80.00 EUR"]
    )
    every_s: int | None = Field(None, ge=SHORTEST_S, le=LONGEST_S, description="Seconds between two looks.")


class PriceWatch(Model):
    """A watch over the price of a trip. Its schedule has the same id."""

    id: UUID = Field(description="The watch's id, and that of its schedule.")
    name: str = Field(description="What is watched, in short; its schedule is called so.")
    trip: Trip = Field(description="What is asked for.")
    source: str = Field(description="Where its prices come from, for ever: those of two sources do not compare.")
    below: Money = Field(description="You are told of a price under this.")
    every_s: int = Field(description="Seconds between two looks.")
    is_below: bool = Field(description="Whether the last price was under it; the next drop is told after a rise.")
    drops: int = Field(description="How many drops were told.")
    last_price: Money | None = Field(description="The cheapest flight at the last look that had any.")
    lowest_price: Money | None = Field(description="The lowest price that was ever seen.")
    quoted_at: datetime | None = Field(description="When the source was asked last.")
    next_at: datetime | None = Field(description="When it looks next; null where it will not.")
    enabled: bool = Field(description="False where its schedule is paused, over, or was removed.")
    note: str | None = Field(description="Why it is paused, or why the last look told nothing.")
    created_at: datetime = Field(description="When it was added.")


class WatchListing(Model):
    """Which watches are wanted."""

    limit: int = Field(20, ge=1, le=100, description="Most to return.")
    before: UUID | None = Field(None, description="`next` of the page before; left out, the newest are returned.")


class PriceWatches(Model):
    """Watches, newest first."""

    items: list[PriceWatch] = Field(description="Them.")
    next: UUID | None = Field(description="`before` of the page after this one; null on the last page.")


class Unwatched(Model):
    """A watch that is gone, with its quotes."""

    removed: PriceWatch | None = Field(description="The watch as it was; null when it was gone already.")


class QuoteListing(WatchListing):
    """Which quotes are wanted."""

    watch_id: UUID = Field(description="Of which watch.", examples=[AN_ID])


class Quote(Model):
    """What a trip cost at one look."""

    id: UUID = Field(description="The job that asked.")
    price: Money | None = Field(description="Of the cheapest flight; null where there was none.")
    source: str = Field(description="Who said so.")
    recorded: bool = Field(description="Whether nobody sells at this price.")
    quoted_at: datetime = Field(description="When.")
    age_s: int = Field(description="How many seconds ago that was.")
    flights: int = Field(description="How many flights there were.")
    complete: bool = Field(description="False where the source had not finished.")
    flight: Flight | None = Field(description="The cheapest one.")


class PriceQuotes(Model):
    """Quotes of a watch, newest first."""

    items: list[Quote] = Field(description="Them.")
    next: UUID | None = Field(description="`before` of the page after this one; null on the last page.")


class Evidence(Model):
    """What a drop is told by: what it cost before, what it costs now, and who said so."""

    watch_id: UUID = Field(description="The watch.", examples=[AN_ID])
    name: str = Field(description="What is watched, in short.", examples=["Berlin - London, 1 June 2030"])
    number: int = Field(ge=1, description="Which drop of this watch it is, from 1.", examples=[1])
    below: Money = Field(description="The threshold.", examples=["90.00 EUR"])
    price: Money = Field(description="The price under it.", examples=["84.50 EUR"])
    quoted_at: Instant = Field(description="When the source said so.", examples=["2030-01-02T06:00:00Z"])
    quote_id: UUID = Field(description="The quote, which is also the job that asked.", examples=[AN_ID])
    price_before: Money | None = Field(None, description="The price at the look before; null where there was none.")
    quoted_before_at: Instant | None = Field(None, description="When that was.")
    quote_before_id: UUID | None = Field(None, description="That quote.")
    source: str = Field(description="Who said so.", examples=["recorded"])
    recorded: bool = Field(description="Whether nobody sells at this price.", examples=[True])
    flight: Flight | None = Field(None, description="The cheapest flight.")

    @model_validator(mode="after")
    def _is_a_drop(self) -> Self:
        others = [self.price, *([] if self.price_before is None else [self.price_before])]
        if any(one.currency != self.below.currency for one in others):
            raise ValueError(f"all prices are in {self.below.currency}, as `below` is")
        if self.price >= self.below:
            raise ValueError(f"{self.price} is not under {self.below}")
        return self


class AlertListing(WatchListing):
    """Which drops are wanted."""

    since: Instant | None = Field(None, description="Only those noticed at this instant or later.")
    watch_id: UUID | None = Field(None, description="Only those of this watch.")


class Alert(Model):
    """A drop that is told once."""

    id: UUID = Field(description="Its id.")
    text: str = Field(description="The same in a sentence.")
    evidence: Evidence = Field(description="What it is told by.")
    created_at: datetime = Field(description="When it was noticed.")
    told_at: datetime | None = Field(description="When it was told; null for the moment in between.")
    note: str | None = Field(description="Why it could not be sent over one of your channels.")


class Alerts(Model):
    """Drops, newest first."""

    items: list[Alert] = Field(description="Them.")
    next: UUID | None = Field(description="`before` of the page after this one; null on the last page.")


class CheckedPrice(Model):
    """What one look found."""

    watch_id: UUID = Field(description="The watch.")
    price: Money | None = Field(description="Of the cheapest flight; null where there was none.")
    is_below: bool = Field(description="Whether it is under the threshold.")
    is_drop: bool = Field(description="Whether that is told: it was not under it at the look before.")
    note: str | None = Field(description="Why a look told nothing.")


def sentence(told: Evidence) -> str:
    """A drop as people are told of it."""
    before = "" if told.price_before is None else f" It was {told.price_before}."
    kind = "Recorded quote, nobody sells at it: " if told.recorded else ""
    return f"{kind}{told.name} costs {told.price}, under {told.below}.{before}"
