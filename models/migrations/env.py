"""Alembic's entry point: one connection, one transaction, one upgrader at a time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from models.db.database import Database
from models.db.migrate import is_declared, load_domain_tables, make_file
from models.tables import metadata

UPGRADE_LOCK = 0x11C0DE  # any constant; concurrent upgrades on PostgreSQL wait for each other on it

load_domain_tables()
make_file(sa.make_url(context.config.attributes["url"]))
db = Database(context.config.attributes["url"], pool_size=1)
with db.write() as conn:  # on SQLite this is BEGIN IMMEDIATE, so a second upgrader waits
    if not db.is_sqlite:
        conn.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
    context.configure(
        connection=conn,
        target_metadata=metadata,
        render_as_batch=db.is_sqlite,
        transaction_per_migration=False,
        compare_type=True,
        include_name=is_declared,
    )
    context.run_migrations()
db.close()
