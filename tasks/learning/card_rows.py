"""Questions about many cards at once, each answered from an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from models.accounts import preferences
from models.db.database import database
from models.owned_records import was_read
from tasks.learning import options
from tasks.learning.day import LearningDay, day_of
from tasks.learning.options import Options
from tasks.learning.scheduling import CardState, Kind
from tasks.learning.tables import cards, reviews

own = cards.c
log = reviews.c
DAY_S = 86_400
#: States in which a card comes again within minutes.
SOON = (CardState.LEARNING, CardState.RELEARNING)


def ids_of(job_id: UUID, count: int, first: int = 0) -> list[UUID]:
    """Ids of several cards of one job: the same in each attempt, as young as the job, and in order.

    The last 62 bits of a UUIDv7 are random; here 40 bits of a hash of the job and the card's number stand there.
    """
    young = job_id.int >> 62 << 62
    own_bits = int.from_bytes(sha256(job_id.bytes).digest()[:5], "big") << 22
    return [UUID(int=young | own_bits | number) for number in range(first, first + count)]


def remove(conn: sa.Connection, user_id: UUID, ids: Sequence[UUID]) -> int:
    """Remove those of the cards that are there still."""
    return conn.execute(sa.delete(cards).where(own.user_id == user_id, own.id.in_(ids))).rowcount


@dataclass(frozen=True)
class Today:
    """A user's day, and the limits that they set for it."""

    now: datetime
    day: LearningDay
    zone: ZoneInfo
    options: Options


def today(conn: sa.Connection, user_id: UUID) -> Today:
    now = database().now()
    zone = ZoneInfo(preferences.load(conn, user_id).timezone)
    chosen = options.load(conn, user_id)
    return Today(now, day_of(now, zone, chosen.day_starts_at_hour), zone, chosen)


@dataclass(frozen=True)
class Done:
    """What was answered in a day: cards that were met for the first time, and others that came back."""

    new: int
    reviews: int


def done(conn: sa.Connection, user_id: UUID, day: LearningDay) -> Done:
    """Each card counts once, however often it was answered_cards that day; what was taken back does not count."""
    answered_cards = (
        sa.select(log.card_id)
        .where(
            log.user_id == user_id, log.reviewed_at >= day.start, log.reviewed_at < day.end,
            log.kind == Kind.REVIEW, log.import_id.is_(None), sa.not_(_voided(user_id, day)),
        )
        .distinct()
        .subquery()
    )  # fmt: skip
    is_new = own.introduced_at >= day.start
    query = sa.select(
        sa.func.count().filter(is_new), sa.func.count().filter(sa.or_(own.id.is_(None), sa.not_(is_new)))
    ).select_from(answered_cards.outerjoin(cards, own.id == answered_cards.c.card_id))
    new, known = conn.execute(query).one()
    return Done(new, known)


def _voided(user_id: UUID, day: LearningDay) -> sa.ColumnElement[bool]:
    """Whether an entry was taken back; whoever does so does it later than the entry."""
    void = reviews.alias()
    return log.id.in_(
        sa.select(void.c.voids).where(
            void.c.user_id == user_id, void.c.reviewed_at >= day.start, void.c.kind == Kind.VOID
        )
    )


def is_due(user_id: UUID, deck: str | None) -> list[sa.ColumnElement[bool]]:
    """Of all cards that can be due at all."""
    return [own.user_id == user_id, own.suspended.is_(False), *([] if deck is None else [own.deck_folded == deck])]


def learning(conn: sa.Connection, user_id: UUID, now: datetime, deck: str | None, limit: int) -> list[Any]:
    """Cards within their minutes, whose time has come; the longest waiting first."""
    query = sa.select(cards).where(*is_due(user_id, deck), own.state.in_(SOON), own.due_at <= now)
    return _rows(conn, query.order_by(own.due_at, own.id).limit(limit))


def known(
    conn: sa.Connection, user_id: UUID, at: Today, deck: str | None, forgotten_first: bool, limit: int
) -> list[Any]:
    """Cards that come back today, by how likely they are recalled.

    That chance falls with the whole days since the last review, as a share of the stability: (1 + f·t/S)^-d. So the
    order is that of t/S, which SQL can compute from the index alone.
    """
    elapsed_days = (int(at.now.timestamp()) - own.last_review_s) // DAY_S
    faded = elapsed_days / own.stability
    due = sa.and_(*is_due(user_id, deck), own.state == CardState.REVIEW, own.due_at < at.day.end)
    order = (faded.desc(), own.id) if forgotten_first else (faded, own.id)
    chosen = [row.id for row in conn.execute(sa.select(own.id).where(due).order_by(*order).limit(limit))]
    rows = {row.id: row for row in _rows(conn, sa.select(cards).where(own.id.in_(chosen)))}
    return [rows[one] for one in chosen if one in rows]


def new(conn: sa.Connection, user_id: UUID, deck: str | None, limit: int) -> list[Any]:
    """Cards that were never answered, the oldest first."""
    query = sa.select(cards).where(*is_due(user_id, deck), own.state == CardState.NEW)
    return _rows(conn, query.order_by(own.id).limit(limit))


@dataclass(frozen=True)
class Waiting:
    """How many cards are due in all, whatever a day may hold."""

    learning: int
    reviews: int
    new: int
    next_learning_at: datetime | None


def waiting(conn: sa.Connection, user_id: UUID, at: Today, deck: str | None) -> Waiting:
    base = is_due(user_id, deck)

    def count(*conditions: sa.ColumnElement[bool]) -> int:
        return int(conn.execute(sa.select(sa.func.count()).select_from(cards).where(*base, *conditions)).scalar_one())

    later = sa.select(sa.func.min(own.due_at)).where(*base, own.state.in_(SOON), own.due_at > at.now)
    return Waiting(
        learning=count(own.state.in_(SOON), own.due_at <= at.now),
        reviews=count(own.state == CardState.REVIEW, own.due_at < at.day.end),
        new=count(own.state == CardState.NEW),
        next_learning_at=conn.execute(later).scalar(),
    )


def decks(conn: sa.Connection, user_id: UUID) -> list[Any]:
    """Every deck with its counts, by name."""
    at = today(conn, user_id)
    is_new = own.state == CardState.NEW
    due = sa.and_(own.suspended.is_(False), sa.not_(is_new), own.due_at < at.day.end)
    query = (
        sa.select(
            sa.func.min(own.deck).label("deck"), sa.func.count().label("cards"),
            sa.func.count().filter(is_new).label("new"), sa.func.count().filter(due).label("due"),
            sa.func.max(own.taint).label("taint"), sa.func.max(own.sources).label("sources"),
        )
        .where(own.user_id == user_id)
        .group_by(own.deck_folded)
        .order_by(own.deck_folded)
    )  # fmt: skip
    return _rows(conn, query)


def _rows(conn: sa.Connection, query: sa.Executable) -> list[Any]:
    """The rows, each noted as read, since whose words they hold goes with what is made of them."""
    rows = list(conn.execute(query))
    for row in rows:
        was_read(row)
    return rows
