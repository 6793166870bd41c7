"""The index of Confluence pages, and the full-text index beside it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "confluence_0001"
down_revision = None
branch_labels = ("confluence",)
depends_on = "0006_connections"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# Words come analysed, see `tasks.confluence.terms`: lower case, without accents, as stems. So the tokenizer only has to
# split them at spaces, and both stores find the same. `scope` holds whose page it is and in which space.
ON_SQLITE = (
    "CREATE VIRTUAL TABLE confluence_fts USING fts5("
    "scope, title, body, content='', contentless_delete=1, tokenize='ascii', prefix='2 3')",
    "CREATE TRIGGER confluence_pages_gone AFTER DELETE ON confluence_pages "
    "BEGIN DELETE FROM confluence_fts WHERE rowid = old.id; END",
)
ON_POSTGRESQL = (
    "CREATE TABLE confluence_fts (id BIGINT PRIMARY KEY REFERENCES confluence_pages (id) ON DELETE CASCADE, "
    "words TSVECTOR NOT NULL)",
    "CREATE INDEX ix_confluence_fts_words ON confluence_fts USING gin (words)",
    # A vector is read with hundreds of others and cannot be compressed: in its row it costs one look, beside it three.
    "ALTER TABLE confluence_vectors ALTER COLUMN vector SET STORAGE MAIN",
    # For a common word the planner would rather read the whole table, and unpack the words of every page in it.
    "CREATE FUNCTION confluence_hits(wanted tsquery, most integer) RETURNS SETOF bigint LANGUAGE sql STABLE ROWS 1000 "
    "SET enable_seqscan = off SET jit = off "
    "AS 'SELECT id FROM confluence_fts WHERE words @@ wanted LIMIT most'",
)


def upgrade() -> None:
    _wikis()
    _spaces()
    _runs()
    _pages()
    _pieces()
    for statement in ON_SQLITE if op.get_bind().dialect.name == "sqlite" else ON_POSTGRESQL:
        op.execute(statement)


def _wikis() -> None:
    op.create_table(
        "confluence_wikis",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("account", sa.String(254), nullable=False),
        sa.Column("connection_id", sa.Uuid()),
        sa.Column("site", sa.String(500), nullable=False),
        sa.Column("meanings_rev", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("pieces_gone", sa.BigInteger(), nullable=False, server_default="0"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], "fk_confluence_wikis_user_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], "fk_confluence_wikis_connection_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_confluence_wikis"),
        sa.UniqueConstraint("user_id", "provider", "account", name="uq_confluence_wikis_account"),
    )
    op.create_index("ix_confluence_wikis_connection_id", "confluence_wikis", ["connection_id"])


def _spaces() -> None:
    op.create_table(
        "confluence_spaces",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("wiki_id", NUMBER, nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        _belongs_to("confluence_spaces", "wiki_id", "confluence_wikis"),
        sa.PrimaryKeyConstraint("id", name="pk_confluence_spaces"),
        sa.UniqueConstraint("wiki_id", "key", name="uq_confluence_spaces_key"),
    )


def _runs() -> None:
    op.create_table(
        "confluence_runs",
        sa.Column("space_id", NUMBER, nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("cursor", sa.Text()),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        _belongs_to("confluence_runs", "space_id", "confluence_spaces"),
        sa.PrimaryKeyConstraint("space_id", "job_id", name="pk_confluence_runs"),
    )


def _pages() -> None:
    op.create_table(
        "confluence_pages",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("wiki_id", NUMBER, nullable=False),
        sa.Column("space_id", NUMBER, nullable=False),
        sa.Column("page_id", sa.String(64), nullable=False),
        sa.Column("file_id", sa.String(64), nullable=False, server_default=""),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reader", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("text_sha256", sa.String(64), nullable=False),
        sa.Column("seen_run", sa.Integer(), nullable=False),
        _belongs_to("confluence_pages", "wiki_id", "confluence_wikis"),
        _belongs_to("confluence_pages", "space_id", "confluence_spaces"),
        sa.PrimaryKeyConstraint("id", name="pk_confluence_pages"),
        sa.UniqueConstraint("wiki_id", "page_id", "file_id", name="uq_confluence_pages_page"),
    )
    op.create_index("ix_confluence_pages_space_id", "confluence_pages", ["space_id", "seen_run"])


def _pieces() -> None:
    op.create_table(
        "confluence_pieces",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("wiki_id", NUMBER, nullable=False),
        sa.Column("space_id", NUMBER, nullable=False),
        sa.Column("page", NUMBER, nullable=False),
        sa.Column("begins", sa.Integer(), nullable=False),
        sa.Column("ends", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("model", sa.String(200)),
        sa.Column("signs", sa.LargeBinary()),
        sa.Column("rev", sa.BigInteger()),
        _belongs_to("confluence_pieces", "page", "confluence_pages"),
        sa.PrimaryKeyConstraint("id", name="pk_confluence_pieces"),
    )
    op.create_index("ix_confluence_pieces_page", "confluence_pieces", ["page"])
    op.create_index("ix_confluence_pieces_rev", "confluence_pieces", ["wiki_id", "rev"])
    op.create_table(
        "confluence_vectors",
        sa.Column("piece", NUMBER, nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        _belongs_to("confluence_vectors", "piece", "confluence_pieces"),
        sa.PrimaryKeyConstraint("piece", name="pk_confluence_vectors"),
    )


def _belongs_to(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], f"fk_{table}_{column}", ondelete="CASCADE")


def downgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION confluence_hits")
    op.drop_table("confluence_fts")
    for table in ("vectors", "pieces", "pages", "runs", "spaces", "wikis"):
        op.drop_table(f"confluence_{table}")
