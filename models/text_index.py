"""An index for words that are looked for within the texts of a table, on both stores; for its migration to make.

SQLite has the folded texts once more, beside user and id: they are read one after another from there, and a row of the
table only where its text has the word. PostgreSQL has a GIN index of their trigrams, hashed together with the user, so
that a word costs a user nothing that only others' texts have; it needs no extension. Words of one or two letters have
no trigrams: there all texts of the user are read.
"""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

FOLDED = "_folded"
#: Names of these indexes begin so; the metadata knows nothing of them.
PREFIX = "tx_"
TRIGRAM_CHARS = 3

# Letters are numbered and looked at beside each other, since `substr` counts from the beginning each time.
_TRIGRAMS = """
CREATE OR REPLACE FUNCTION llmcoder_trigrams(owner uuid, body text) RETURNS integer[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(DISTINCT hashtext(owner::text || a || b || c)), '{}')
    FROM (
        SELECT letter AS a, lead(letter) OVER beside AS b, lead(letter, 2) OVER beside AS c
        FROM unnest(string_to_array(body, NULL)) WITH ORDINALITY AS letters (letter, place)
        WINDOW beside AS (ORDER BY place)
    ) AS three
    WHERE c IS NOT NULL
$$
"""


def create_text_index(conn: sa.Connection, table: str, *texts: str) -> None:
    """Index columns whose folded ones are `folded_column(…, indexed=True)`."""
    folded = [name + FOLDED for name in texts]
    if conn.dialect.name == "sqlite":
        conn.exec_driver_sql(f"CREATE INDEX {PREFIX}{table} ON {table} (user_id, id, {', '.join(folded)})")
        return
    conn.exec_driver_sql(_TRIGRAMS)
    for name in folded:
        conn.exec_driver_sql(
            f"CREATE INDEX {PREFIX}{table}_{name} ON {table} USING gin (llmcoder_trigrams(user_id, {name}))"
        )


def may_contain(
    column: sa.ColumnElement[str], owner: sa.Column[UUID], user_id: UUID, word: str, dialect: str
) -> sa.ColumnElement[bool] | None:
    """What the index can say beside `contains`; None where that is all that there is to say."""
    if dialect != "postgresql" or len(word) < TRIGRAM_CHARS:
        return None
    wanted = sa.func.llmcoder_trigrams(sa.literal(user_id, sa.Uuid), sa.cast(word, sa.Text))
    return sa.func.llmcoder_trigrams(owner, column).op("@>", is_comparison=True)(wanted)
