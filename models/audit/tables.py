"""Tables of who did what."""

import sqlalchemy as sa

from models.db.base import Id, Instant, metadata

# Who did what, never with which secret; see models.audit.log. Triggers refuse every change but a new row.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),  # 1, 2, 3, … without a gap
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor_id", Id),  # of no account that must still exist
    sa.Column("event", sa.String(40), nullable=False),
    sa.Column("subject", sa.String(300), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("key_id", sa.String(16), nullable=False),  # which key sealed it
    sa.Column("previous", sa.String(64), nullable=False),  # hash of the row before
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Index("ix_audit_event", "event", "seq"),  # the newest of a kind
    sa.Index("ix_audit_actor_id", "actor_id", "seq"),  # what somebody did
    sa.Index("ix_audit_subject", "subject", "seq"),  # what became of a job
)

# Its last row, the one lock that writers of the log wait for: after every other one.
audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column(
        "id",
        sa.SmallInteger,
        sa.CheckConstraint("id = 1", name="ck_audit_head_one"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

# Who changed which setting before there was `audit`. Nothing writes it any more, and its rows stay where they are:
# nothing protected them, so the log's seal must not say that they are as they were written.
settings_audit = sa.Table(
    "settings_audit",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("user_id", Id),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("change", sa.String(8), nullable=False),  # set | unset
)
