"""Price watches as rows: kept with their schedule, and moved on by one quote at a time.

A quote, what it makes of its watch, and the alert of a drop are one transaction, and a quote has the id of the job that
asked. So a job that is run again after a crash counts once: it finds its quote, or nothing of it was kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine import scheduling
from llmcoder import strict_json
from llmcoder.errors import BadInput, NotFound
from llmcoder.money import Money
from llmcoder.provenance import Taint
from llmcoder.registry import registry
from models.db import conflicts
from models.jobs import taint
from models.owned_records import origin_of_new, was_read
from models.schedules import store as schedules
from models.schedules.store import CatchUp, Overlap, Schedule
from tasks.travel.search import Cabin, Search, Trip
from tasks.travel.tables import price_alerts, price_quotes, price_watches
from tasks.travel.views import Flight
from tasks.travel.watch_views import (
    Alert,
    ChangedPriceWatch,
    CheckedPrice,
    Evidence,
    NewPriceWatch,
    PriceWatch,
    Quote,
    sentence,
)

CHECK = "travel.check_price"
MOST_WATCHES = 100
#: Of one watch; older ones give way. An alert keeps both of its quotes for as long as the watch.
MOST_QUOTES = 5_000
LONGEST_NOTE = 1_000
PAUSE_AFTER_FAILURES = 10
#: What the clock noticed of fire times while nobody was there to fire.
CAUGHT_UP_WITHIN_S = 86_400
DOUBTFUL_RISE = "The source's answer was not whole, so the price may not have risen; the next look says."
_MOMENT = timedelta(milliseconds=1)

own = price_watches.c


# --- a watch


def add(conn: sa.Connection, user_id: UUID, watch_id: UUID, new: NewPriceWatch, search: Search, source: str,
        now: datetime) -> Any:  # fmt: skip
    """Keep a watch and its schedule, which looks at once and then until the last day of departure is over.

    Raises:
        BadInput: The user has as many as anybody may have.
    """
    count = conn.execute(sa.select(sa.func.count()).select_from(price_watches).where(own.user_id == user_id))
    if count.scalar_one() >= MOST_WATCHES:
        raise BadInput(f"You have {MOST_WATCHES} price watches, which is the most. Remove one first.")
    name = name_of(search)
    row = {
        "id": watch_id, "user_id": user_id, "name": name, "trip": trip_of(new, source), "source": source,
        "threshold_minor": new.below.minor, "currency": new.below.currency, "every_s": new.every_s, "is_below": False,
        "drops": 0, "created_at": now, "updated_at": now, **origin_of_new(),
    }  # fmt: skip
    conn.execute(sa.insert(price_watches).values(row))
    schedule = scheduling.check(registry(), _schedule(user_id, watch_id, name, new.every_s, search, now), now)
    scheduling.add(conn, registry(), schedule, now)
    return existing(conn, user_id, watch_id)


def name_of(search: Search) -> str:
    """What is watched, in short."""
    back = "" if search.return_on is None else f" to {search.return_on}"
    party = "" if search.passengers.count == 1 else f", {search.passengers.count} passengers"
    cabin = "" if search.cabin is Cabin.ECONOMY else f", {search.cabin.value.replace('_', ' ')}"
    return f"{search.origin.label} - {search.destination.label}, {search.depart_on}{back}{party}{cabin}"[:200]


def trip_of(new: NewPriceWatch, source: str) -> str:
    """What is asked for at each look, as JSON; its source does not change with the settings."""
    names = set(Trip.model_fields)
    fields = new.model_dump(mode="json", by_alias=False, include=names) | {"source": source}
    return Trip.model_validate(fields).model_dump_json()


def _schedule(user_id: UUID, watch_id: UUID, name: str, every_s: int, search: Search, now: datetime) -> Schedule:
    zone = search.origin.zone
    last = search.depart_on + timedelta(days=search.flexible_days)
    return Schedule(
        id=watch_id, user_id=user_id, name=name, action=CHECK,
        input=strict_json.write({"watch_id": str(watch_id)}), cron=None, every_s=every_s, at=None, timezone=zone,
        jitter_s=0, starts_at=now + _MOMENT, ends_at=datetime.combine(last, time.max, ZoneInfo(zone)).astimezone(UTC),
        catch_up=CatchUp.ONCE, catch_up_within_s=CAUGHT_UP_WITHIN_S, overlap=Overlap.SKIP,
        pause_after_failures=PAUSE_AFTER_FAILURES, enabled=True, note=None, resumed_at=now, next_fire_at=None,
        version=1, created_at=now, updated_at=now,
    )  # fmt: skip


def get(conn: sa.Connection, user_id: UUID, watch_id: UUID, *, locked: bool = False) -> Any:
    """The user's watch; None also where it is somebody else's."""
    query = sa.select(price_watches).where(own.id == watch_id, own.user_id == user_id)
    return conn.execute(query.with_for_update() if locked else query).first()


def existing(conn: sa.Connection, user_id: UUID, watch_id: UUID, *, locked: bool = False) -> Any:
    """As `get`.

    Raises:
        NotFound: There is none.
    """
    row = get(conn, user_id, watch_id, locked=locked)
    if row is None:
        raise NotFound(f"You have no price watch {watch_id}; it may have been removed.")
    return row


def listed(conn: sa.Connection, user_id: UUID, before: UUID | None, limit: int) -> list[Any]:
    """The user's watches, the newest first."""
    older = [] if before is None else [own.id < before]
    query = sa.select(price_watches).where(own.user_id == user_id, *older)
    return list(conn.execute(query.order_by(own.id.desc()).limit(limit)).all())


def change(conn: sa.Connection, user_id: UUID, wanted: ChangedPriceWatch, now: datetime) -> Any:
    """Set the threshold of a watch, and how often its schedule looks.

    Raises:
        NotFound: There is none, or its schedule was removed.
        BadInput: The threshold is in another currency, in which its prices do not compare.
    """
    row = existing(conn, user_id, wanted.watch_id, locked=True)
    values: dict[str, Any] = {}
    if wanted.below is not None:
        if wanted.below.currency != row.currency:
            raise BadInput(f"This watch is in {row.currency}. Add another one for {wanted.below.currency}.")
        was_told = row.is_below and row.last_minor is not None and row.last_minor < wanted.below.minor
        values |= {"threshold_minor": wanted.below.minor, "is_below": was_told}
    if wanted.every_s is not None:
        timing = {"every_s": wanted.every_s, "cron": None}
        scheduling.change(conn, registry(), user_id, row.id, timing, None, now)
        values["every_s"] = wanted.every_s
    if values:
        conn.execute(sa.update(price_watches).where(own.id == row.id).values(values | {"updated_at": now}))
    return existing(conn, user_id, row.id)


def remove(conn: sa.Connection, user_id: UUID, watch_id: UUID, now: datetime) -> PriceWatch | None:
    """Delete a watch with its quotes, alerts and schedule; gives it back as it was, None where it is gone already."""
    row = get(conn, user_id, watch_id, locked=True)
    if row is None:
        return None
    removed = watch_view(conn, row)
    if schedules.get(conn, user_id, watch_id) is not None:
        scheduling.remove(conn, user_id, watch_id, now)
    for table in (price_alerts, price_quotes):
        conn.execute(sa.delete(table).where(table.c.watch_id == watch_id))
    conn.execute(sa.delete(price_watches).where(own.id == watch_id))
    return removed


def watch_view(conn: sa.Connection, row: Any) -> PriceWatch:
    """A watch with what its schedule says."""
    was_read(row)
    schedule = schedules.get(conn, row.user_id, row.id)
    enabled = schedule is not None and schedule.enabled and schedule.next_fire_at is not None
    return PriceWatch(
        id=row.id, name=row.name, trip=Trip.model_validate_json(row.trip), source=row.source,
        below=Money(row.threshold_minor, row.currency), every_s=_every_s(schedule, row),
        is_below=row.is_below, drops=row.drops,
        last_price=_money(row.last_minor, row.currency), lowest_price=_money(row.lowest_minor, row.currency),
        quoted_at=row.quoted_at, next_at=schedule.next_fire_at if schedule is not None else None, enabled=enabled,
        note=_why_not(schedule) or row.note, created_at=row.created_at,
    )  # fmt: skip


def _every_s(schedule: Schedule | None, row: Any) -> int:
    """As its schedule says, which may have been changed by itself."""
    every_s: int = row.every_s if schedule is None or schedule.every_s is None else schedule.every_s
    return every_s


def _why_not(schedule: Schedule | None) -> str | None:
    if schedule is None:
        return "Its schedule was removed, so it looks no more. Remove the watch, or add it again."
    return schedule.note


# --- a quote


@dataclass(frozen=True)
class NewQuote:
    """What a source said at one look.

    Attributes:
        quote_id: The job that asked.
        cheapest: None where there is no flight whose price compares.
        note: Why not.
    """

    quote_id: UUID
    source: str
    recorded: bool
    cheapest: Flight | None
    flights: int
    complete: bool
    quoted_at: datetime
    note: str | None

    @property
    def minor(self) -> int | None:
        return None if self.cheapest is None else self.cheapest.price.minor


def keep_quote(conn: sa.Connection, user_id: UUID, watch_id: UUID, new: NewQuote) -> CheckedPrice:
    """Keep a quote, and the alert of a drop; once, however often the same job comes with one.

    Raises:
        NotFound: The watch was removed meanwhile.
    """
    row = existing(conn, user_id, watch_id, locked=True)
    if not _insert(conn, row, new):
        return outcome(conn, user_id, new.quote_id) or _too_late(row)
    if row.quoted_at is not None and new.quoted_at <= row.quoted_at:
        return _too_late(row)  # a later look has told already what it costs
    is_drop = _is_below(row, new) and not row.is_below
    if is_drop:
        _add_alert(conn, row, new)
    conn.execute(sa.update(price_watches).where(own.id == watch_id).values(_after(row, new, is_drop)))
    _prune(conn, watch_id)
    return CheckedPrice(
        watch_id=watch_id, price=new.cheapest.price if new.cheapest else None, is_below=_is_below(row, new),
        is_drop=is_drop, note=DOUBTFUL_RISE if _is_doubtful_rise(row, new) else new.note,
    )  # fmt: skip


def outcome(conn: sa.Connection, user_id: UUID, quote_id: UUID) -> CheckedPrice | None:
    """What a job has kept already; None where it has kept nothing."""
    quotes = price_quotes.c
    row = conn.execute(sa.select(price_quotes).where(quotes.id == quote_id, quotes.user_id == user_id)).first()
    if row is None:
        return None
    watch = existing(conn, user_id, row.watch_id)
    is_drop = conn.execute(sa.select(price_alerts.c.id).where(price_alerts.c.id == quote_id)).first() is not None
    is_below = row.price_minor is not None and row.price_minor < watch.threshold_minor
    price = _money(row.price_minor, row.currency)
    return CheckedPrice(watch_id=watch.id, price=price, is_below=is_below, is_drop=is_drop, note=None)


def _insert(conn: sa.Connection, row: Any, new: NewQuote) -> bool:
    values = {
        "id": new.quote_id, "user_id": row.user_id, "watch_id": row.id, "source": new.source,
        "recorded": new.recorded, "price_minor": new.minor, "currency": row.currency,
        "flight": None if new.cheapest is None else strict_json.write(new.cheapest.model_dump(mode="json")),
        "flights": new.flights, "complete": new.complete, "quoted_at": new.quoted_at, **_origin(new),
    }  # fmt: skip
    new_row = conflicts.insert(conn.dialect.name, price_quotes).values(values)
    inserted = conn.execute(new_row.on_conflict_do_nothing(index_elements=["id"]).returning(price_quotes.c.id))
    return inserted.first() is not None


def _origin(new: NewQuote) -> dict[str, Any]:
    """Names of airlines and addresses are a source's words."""
    return {"taint": Taint.OUTSIDE, "sources": taint.as_column([new.quote_id])}


def _is_below(row: Any, new: NewQuote) -> bool:
    """Where no price compares, nothing has changed; nor where a rise may be none."""
    if new.minor is None or _is_doubtful_rise(row, new):
        return bool(row.is_below)
    return bool(new.minor < row.threshold_minor)


def _is_doubtful_rise(row: Any, new: NewQuote) -> bool:
    """Whether the cheaper flight may still be there: the answer was not whole, and is the first that lacks it."""
    if new.complete or new.minor is None or new.minor < row.threshold_minor or not row.is_below:
        return False
    return bool(row.last_minor is None or row.last_minor < row.threshold_minor)


def _after(row: Any, new: NewQuote, is_drop: bool) -> dict[str, Any]:
    """What a quote changes of its watch."""
    values: dict[str, Any] = {"quoted_at": new.quoted_at, "updated_at": new.quoted_at, "note": new.note}
    if _is_doubtful_rise(row, new):
        values["note"] = DOUBTFUL_RISE
    if new.minor is None:
        return values
    lowest = new.minor if row.lowest_minor is None else min(row.lowest_minor, new.minor)
    return values | {
        "is_below": _is_below(row, new), "drops": row.drops + is_drop, "last_minor": new.minor,
        "last_quote_id": new.quote_id, "lowest_minor": lowest,
    }  # fmt: skip


def _too_late(row: Any) -> CheckedPrice:
    note = "A later look has told the price already."
    price = _money(row.last_minor, row.currency)
    return CheckedPrice(watch_id=row.id, price=price, is_below=row.is_below, is_drop=False, note=note)


def _prune(conn: sa.Connection, watch_id: UUID) -> None:
    quotes = price_quotes.c
    oldest = sa.select(quotes.id).where(quotes.watch_id == watch_id).order_by(quotes.id.desc()).offset(MOST_QUOTES)
    last = conn.execute(oldest.limit(1)).scalar_one_or_none()
    if last is not None:
        conn.execute(sa.delete(price_quotes).where(quotes.watch_id == watch_id, quotes.id <= last))


def quotes_of(conn: sa.Connection, user_id: UUID, watch_id: UUID, before: UUID | None, limit: int) -> list[Any]:
    """The quotes of the user's watch, the newest first. Raises as `existing`."""
    existing(conn, user_id, watch_id)
    quotes = price_quotes.c
    older = [] if before is None else [quotes.id < before]
    query = sa.select(price_quotes).where(quotes.watch_id == watch_id, *older)
    return list(conn.execute(query.order_by(quotes.id.desc()).limit(limit)).all())


def quote_view(row: Any, now: datetime) -> Quote:
    was_read(row)
    return Quote(
        id=row.id, price=_money(row.price_minor, row.currency), source=row.source, recorded=row.recorded,
        quoted_at=row.quoted_at, age_s=max(0, int((now - row.quoted_at).total_seconds())), flights=row.flights,
        complete=row.complete, flight=None if row.flight is None else Flight.model_validate_json(row.flight),
    )  # fmt: skip


# --- an alert


def _add_alert(conn: sa.Connection, row: Any, new: NewQuote) -> None:
    assert new.cheapest is not None  # without a price there is no drop
    before = _quote_before(conn, row)
    evidence = Evidence(
        watch_id=row.id, name=row.name, number=row.drops + 1, below=Money(row.threshold_minor, row.currency),
        price=new.cheapest.price, quoted_at=new.quoted_at, quote_id=new.quote_id,
        price_before=_money(row.last_minor, row.currency),
        quoted_before_at=None if before is None else before.quoted_at, quote_before_id=row.last_quote_id,
        source=new.source, recorded=new.recorded, flight=new.cheapest,
    )  # fmt: skip
    values = {
        "id": new.quote_id, "user_id": row.user_id, "watch_id": row.id, "number": evidence.number,
        "evidence": evidence.model_dump_json(), "created_at": new.quoted_at, **_origin(new),
    }  # fmt: skip
    conn.execute(sa.insert(price_alerts).values(values))


def _quote_before(conn: sa.Connection, row: Any) -> Any:
    return conn.execute(sa.select(price_quotes).where(price_quotes.c.id == row.last_quote_id)).first()


def alerts_of(
    conn: sa.Connection, user_id: UUID, watch_id: UUID | None, since: datetime | None, before: UUID | None, limit: int
) -> list[Any]:
    """The user's alerts, the newest first."""
    alerts = price_alerts.c
    conditions = [alerts.user_id == user_id]
    conditions += [] if watch_id is None else [alerts.watch_id == watch_id]
    conditions += [] if since is None else [alerts.created_at >= since]
    conditions += [] if before is None else [alerts.id < before]
    return list(conn.execute(sa.select(price_alerts).where(*conditions).order_by(alerts.id.desc()).limit(limit)).all())


def alert_view(row: Any) -> Alert:
    was_read(row)
    evidence = Evidence.model_validate_json(row.evidence)
    return Alert(
        id=row.id, text=sentence(evidence), evidence=evidence, created_at=row.created_at, told_at=row.told_at,
        note=row.note,
    )  # fmt: skip


def _money(minor: int | None, currency: str) -> Money | None:
    return None if minor is None else Money(minor, currency)
