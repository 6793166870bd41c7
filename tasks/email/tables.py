"""The table of watches: which mailboxes are looked at for new mail, and how far each look has come."""

from __future__ import annotations

import sqlalchemy as sa

from models.db.base import Instant, metadata
from models.owned_records import origin_columns

watches = sa.Table(
    "email_watches",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("account", sa.String(300)),  # null: the one that is meant where none is named
    sa.Column("label", sa.String(255)),  # null: the inbox
    sa.Column("every_s", sa.Integer, nullable=False),
    sa.Column("instructions", sa.Text),
    sa.Column("labels", sa.JSON(none_as_null=True)),  # to choose from; null: those of the mailbox
    sa.Column("apply_labels", sa.Boolean, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("cursor", sa.String(1_000)),  # where the next look begins; moved on by a look that succeeded
    sa.Column("next_at", Instant),  # null: paused
    sa.Column("looks", sa.BigInteger, nullable=False, server_default="0"),  # that were begun; numbers their jobs
    sa.Column("open_key", sa.String(255)),  # of the look that is under way, or has ended and was not taken note of
    sa.Column("last_job_id", sa.Uuid),  # the last look that ended; may have been pruned since
    sa.Column("looked_at", Instant),  # when the last look succeeded
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),  # in a row
    sa.Column("note", sa.Text),  # what its user should know: why it is paused, what was missed
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    *origin_columns(),
    sa.Index("ix_email_watches_user", "user_id", "id"),  # a user's watches, newest first
)
_DUE = sa.and_(watches.c.next_at.is_not(None), watches.c.open_key.is_(None))
sa.Index("ix_email_watches_due", watches.c.next_at, postgresql_where=_DUE, sqlite_where=_DUE)
_OPEN = watches.c.open_key.is_not(None)
sa.Index("ix_email_watches_open", watches.c.user_id, watches.c.open_key, postgresql_where=_OPEN, sqlite_where=_OPEN)
