"""The tables of price watches: what is watched, what it cost when, and which drops were told."""

from __future__ import annotations

import sqlalchemy as sa

from models.db.base import Instant, metadata
from models.owned_records import origin_columns

price_watches = sa.Table(
    "price_watches",
    metadata,
    # The job's that made it, so that repeating adds nothing; its schedule has the same.
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("trip", sa.Text, nullable=False),  # as it was asked for, as JSON
    sa.Column("source", sa.String(20), nullable=False),
    sa.Column("threshold_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("every_s", sa.Integer, nullable=False),
    sa.Column("is_below", sa.Boolean, nullable=False),  # the last price was under the threshold, and that was told
    sa.Column("drops", sa.Integer, nullable=False),  # that were told
    sa.Column("last_minor", sa.BigInteger),  # the last price; null as long as there was none
    sa.Column("last_quote_id", sa.Uuid),
    sa.Column("quoted_at", Instant),  # when the source was asked last, with or without flights
    sa.Column("lowest_minor", sa.BigInteger),
    sa.Column("note", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    *origin_columns(),
    sa.Index("ix_price_watches_user", "user_id", "id"),  # a user's, newest first
)

price_quotes = sa.Table(
    "price_quotes",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # the job's that asked, so that it counts once however often it is run
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("watch_id", sa.Uuid, sa.ForeignKey("price_watches.id", ondelete="CASCADE"), nullable=False),
    sa.Column("source", sa.String(20), nullable=False),
    sa.Column("recorded", sa.Boolean, nullable=False),
    sa.Column("price_minor", sa.BigInteger),  # of the cheapest flight; null where there was none
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("flight", sa.Text),  # that flight, as JSON
    sa.Column("flights", sa.Integer, nullable=False),  # how many there were
    sa.Column("complete", sa.Boolean, nullable=False),
    sa.Column("quoted_at", Instant, nullable=False),
    *origin_columns(),  # a source's words, always
    sa.Index("ix_price_quotes_watch", "watch_id", "id"),  # those of a watch, newest first
    sa.Index("ix_price_quotes_user", "user_id"),  # when a user is removed
)

price_alerts = sa.Table(
    "price_alerts",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # the quote's: there is no second alert of one quote
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("watch_id", sa.Uuid, sa.ForeignKey("price_watches.id", ondelete="CASCADE"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),  # which drop of its watch, from 1
    sa.Column("evidence", sa.Text, nullable=False),  # both quotes and the threshold, as JSON
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("told_at", Instant),  # null: the scheduler is to tell it
    sa.Column("note", sa.Text),  # why a channel could not be used
    *origin_columns(),  # those of its quotes
    sa.UniqueConstraint("watch_id", "number", name="uq_price_alerts_number"),
    sa.Index("ix_price_alerts_user", "user_id", "id"),  # a user's, newest first
)
_UNTOLD = price_alerts.c.told_at.is_(None)
sa.Index("ix_price_alerts_untold", price_alerts.c.created_at, postgresql_where=_UNTOLD, sqlite_where=_UNTOLD)
