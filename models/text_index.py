"""An index for words that are looked for within the texts of a table, on both stores; for its migration to make.

SQLite has the folded texts once more, beside user and id: they are read one after another from there, and a row of the
table only where its text has the word. PostgreSQL has trigrams (pg_trgm), of which every word of three letters or more
is made. An ordinary owner of a database may create that extension, since it is a trusted one; where it cannot be had,
all texts of the user are read.
"""

from __future__ import annotations

import sqlalchemy as sa

from llmcoder.logger import get_logger
from models.record_list import FOLDED

log = get_logger(__name__)


def create_text_index(conn: sa.Connection, table: str, *texts: str) -> None:
    """Index columns whose folded ones are `folded_column(…, always=True)`."""
    folded = [name + FOLDED for name in texts]
    if conn.dialect.name == "sqlite":
        conn.exec_driver_sql(f"CREATE INDEX ix_{table}_text ON {table} (user_id, id, {', '.join(folded)})")
    elif _has_trigrams(conn):
        for name in folded:
            conn.exec_driver_sql(f"CREATE INDEX ix_{table}_{name} ON {table} USING gin ({name} gin_trgm_ops)")


def _has_trigrams(conn: sa.Connection) -> bool:
    try:
        with conn.begin_nested():
            conn.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except sa.exc.DBAPIError as error:
        why = type(error.orig).__name__
        log.warning("no extension pg_trgm: words are looked for in all of a user's texts", error=why)
        return False
    return True
