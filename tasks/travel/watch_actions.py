"""Watch the price of a trip, and be told once of each drop under a threshold."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from llmcoder import Context, Effect, Retry, Undo, action
from models.db.database import database, reading, writing
from models.owned_records import was_read
from tasks.travel import watch_store as store
from tasks.travel.search import Search, Trip, search_of
from tasks.travel.source import FlightSource, SourceAnswer
from tasks.travel.sources import source_of
from tasks.travel.views import Flight
from tasks.travel.watch_store import NewQuote
from tasks.travel.watch_views import (
    AlertListing,
    Alerts,
    ChangedPriceWatch,
    CheckedPrice,
    Evidence,
    NewPriceWatch,
    PriceQuotes,
    PriceWatch,
    PriceWatchChoice,
    PriceWatches,
    QuoteListing,
    Unwatched,
    WatchListing,
)

TIMEOUT_S = 15.0
LOOK_TIMEOUT_S = 120.0
WHAT = "price watches"
#: Of one look: cheaper ones that were not asked for do not take the place of those that count.
MOST_FLIGHTS = 100_000


@action("travel.unwatch", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def unwatch(which: PriceWatchChoice, ctx: Context) -> Unwatched:
    """Watch a price no longer.

    Its schedule, its quotes and its alerts go with it; one that is gone already is no error. To pause it, pause its
    schedule.
    """
    with writing(WHAT) as conn:
        return Unwatched(removed=store.remove(conn, ctx.user.id, which.watch_id, database().now()))


@action(
    "travel.watch_price",
    effect=Effect.WRITE,
    repeatable=True,
    undo=Undo(unwatch, lambda new, watch: PriceWatchChoice(watch_id=watch.id)),
    timeout_s=TIMEOUT_S,
)
def watch_price(new: NewPriceWatch, ctx: Context) -> PriceWatch:
    """Watch what a trip costs, and be told once of each drop under a threshold.

    From then on the clock asks for prices, so this is more than a record: a macro's or a schedule's waits. You are told
    where you are told of reminders; after a rise the next drop is told again.
    """
    source = source_of(new.source, ctx)
    search = search_of(new, database().now(), new.below.currency)
    source.check_watch(search)
    source.check_account(ctx)
    with writing(WHAT) as conn:
        row = store.get(conn, ctx.user.id, ctx.job_id)
        if row is None:
            row = store.add(conn, ctx.user.id, ctx.job_id, new, search, source.name, database().now())
        return store.watch_view(conn, row)


@action("travel.change_watch", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def change_watch(change: ChangedPriceWatch, ctx: Context) -> PriceWatch:
    """Change the threshold of a watch, or how often it looks.

    What it saw stays. A price that was told is not told again, unless it is at the new threshold or above it first. For
    another trip or currency, add another watch.
    """
    with writing(WHAT) as conn:
        row = store.change(conn, ctx.user.id, change, database().now())
        return store.watch_view(conn, row)


@action("travel.watches", effect=Effect.READ, timeout_s=TIMEOUT_S)
def watches(listing: WatchListing, ctx: Context) -> PriceWatches:
    """List your price watches, newest first, with what they saw last."""
    with reading(WHAT) as conn:
        rows = store.listed(conn, ctx.user.id, listing.before, listing.limit + 1)
        items = [store.watch_view(conn, row) for row in rows[: listing.limit]]
    return PriceWatches(items=items, next=_next(rows, listing.limit))


@action("travel.quotes", effect=Effect.READ, outside=True, timeout_s=TIMEOUT_S)
def quotes(listing: QuoteListing, ctx: Context) -> PriceQuotes:
    """List what a watched trip has cost, newest first, with source and age."""
    now = database().now()
    with reading(WHAT) as conn:
        rows = store.quotes_of(conn, ctx.user.id, listing.watch_id, listing.before, listing.limit + 1)
    items = [store.quote_view(row, now) for row in rows[: listing.limit]]
    return PriceQuotes(items=items, next=_next(rows, listing.limit))


@action("travel.alerts", effect=Effect.READ, outside=True, timeout_s=TIMEOUT_S)
def alerts(listing: AlertListing, ctx: Context) -> Alerts:
    """List the price drops that you were told of, newest first, with their evidence."""
    with reading(WHAT) as conn:
        rows = store.alerts_of(conn, ctx.user.id, listing.watch_id, listing.since, listing.before, listing.limit + 1)
    return Alerts(items=[store.alert_view(row) for row in rows[: listing.limit]], next=_next(rows, listing.limit))


@action(
    store.CHECK, effect=Effect.DRAFT, keeps=True, outside=True, timeout_s=LOOK_TIMEOUT_S, retry=Retry(first_wait_s=30)
)
def check_price(which: PriceWatchChoice, ctx: Context) -> CheckedPrice:
    """Ask what a watched trip costs now, and keep that.

    The schedule of a watch does it; `POST /schedules/{id}/run` does it at once.
    """
    with reading(WHAT) as conn:
        row = store.existing(conn, ctx.user.id, which.watch_id)
        if (before := store.outcome(conn, ctx.user.id, ctx.job_id)) is not None:
            return before  # an attempt that died had kept it
    was_read(row)
    trip = Trip.model_validate_json(row.trip)
    source = source_of(trip.source, ctx)
    search = search_of(trip, database().now(), row.currency, MOST_FLIGHTS)
    answer = source.quotes(search, ctx)
    with writing(WHAT) as conn:
        return store.keep_quote(conn, ctx.user.id, row.id, _quote(ctx.job_id, source, search, answer))


@action("travel.tell_price_drop", effect=Effect.DRAFT, keeps=True, timeout_s=TIMEOUT_S)
def tell_price_drop(evidence: Evidence, _ctx: Context) -> Evidence:
    """Tell a user that a price fell under their threshold.

    The job itself is the message, at every door that shows jobs.
    """
    return evidence


def _quote(quote_id: UUID, source: FlightSource, search: Search, answer: SourceAnswer) -> NewQuote:
    """The cheapest flight that is what was asked for, at a price that compares."""
    matching = [one for one in answer.flights if not one.other_airport and not one.other_day]
    comparable = [one for one in matching if one.price.currency == search.currency]
    cheapest = min(comparable, key=lambda one: one.price.minor, default=None)
    return NewQuote(
        quote_id, source.name, answer.recorded, cheapest, len(matching), answer.complete, database().now(),
        _why_nothing(matching, cheapest, source.name, search.currency),
    )  # fmt: skip


def _why_nothing(matching: list[Flight], cheapest: Flight | None, source: str, currency: str | None) -> str | None:
    if cheapest is not None:
        return None
    if not matching:
        return f"{source} had no flight."
    return f"{source} answered in {matching[0].price.currency}, which does not compare with {currency}."


def _next(rows: list[Any], limit: int) -> UUID | None:
    if len(rows) <= limit:
        return None
    last: UUID = rows[limit - 1].id
    return last
