"""The tables of the index: what an account can see of a site, as text, in pieces, and as points of meaning.

The full-text index itself, `confluence_fts`, is made by hand in the migration, since the stores have different kinds
of it: on SQLite a virtual table of FTS5 that keeps no text (rowid = the page's id), on PostgreSQL a table with a
tsvector. Rows of it go with their page, by a trigger or a foreign key.
"""

from __future__ import annotations

import sqlalchemy as sa

from models.db.base import Instant, metadata

# SQLite only numbers rows by itself where the key is exactly INTEGER.
Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# One account of one user at one site. Everything below hangs on it, so that nobody meets another user's pages, and
# removing the connection removes all of it.
wikis = sa.Table(
    "confluence_wikis",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("provider", sa.String(40), nullable=False),
    sa.Column("account", sa.String(254), nullable=False),  # there; empty: the one of this installation
    # null: the account of this installation, which has no row
    sa.Column("connection_id", sa.Uuid, sa.ForeignKey("connections.id", ondelete="CASCADE")),
    sa.Column("site", sa.String(500), nullable=False),  # another site under the same account begins anew
    sa.Column("meanings_rev", sa.BigInteger, nullable=False, server_default="0"),  # counts batches of embedded pieces
    sa.Column("pieces_gone", sa.BigInteger, nullable=False, server_default="0"),  # embedded ones, removed so far
    sa.UniqueConstraint("user_id", "provider", "account", name="uq_confluence_wikis_account"),
    sa.Index("ix_confluence_wikis_connection_id", "connection_id"),  # the cascade
)

spaces = sa.Table(
    "confluence_spaces",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("wiki_id", Number, sa.ForeignKey("confluence_wikis.id", ondelete="CASCADE"), nullable=False),
    sa.Column("key", sa.String(255), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("runs", sa.Integer, nullable=False, server_default="0"),  # begun so far; gives each its number
    sa.Column("completed_at", Instant),  # of the last listing that came to its end
    sa.UniqueConstraint("wiki_id", "key", name="uq_confluence_spaces_key"),
)

# How far one job has come with one space, so that it goes on there after a crash, a rate limit, an outage.
runs = sa.Table(
    "confluence_runs",
    metadata,
    sa.Column("space_id", Number, sa.ForeignKey("confluence_spaces.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("job_id", sa.Uuid, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("cursor", sa.Text),  # of the heads that come next; null: from the beginning
    sa.Column("counts", sa.Text, nullable=False),  # as JSON
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
)

pages = sa.Table(
    "confluence_pages",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("wiki_id", Number, sa.ForeignKey("confluence_wikis.id", ondelete="CASCADE"), nullable=False),
    sa.Column("space_id", Number, sa.ForeignKey("confluence_spaces.id", ondelete="CASCADE"), nullable=False),
    sa.Column("page_id", sa.String(64), nullable=False),  # at the site; of the page, for a file of it as well
    sa.Column("file_id", sa.String(64), nullable=False, server_default=""),  # empty: the page itself
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("reader", sa.Integer, nullable=False),  # which code made the text, see `indexing.READER`
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("text_sha256", sa.String(64), nullable=False),
    sa.Column("seen_run", sa.Integer, nullable=False),  # the last listing of its space that had it
    sa.UniqueConstraint("wiki_id", "page_id", "file_id", name="uq_confluence_pages_page"),
    sa.Index("ix_confluence_pages_space_id", "space_id", "seen_run"),  # what a complete listing did not have; cascade
)

# Pieces of a text that fit into an embedding or an answer; they are cut from the page's text and not kept twice.
pieces = sa.Table(
    "confluence_pieces",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("wiki_id", Number, nullable=False),
    sa.Column("space_id", Number, nullable=False),
    sa.Column("page", Number, sa.ForeignKey("confluence_pages.id", ondelete="CASCADE"), nullable=False),
    sa.Column("begins", sa.Integer, nullable=False),
    sa.Column("ends", sa.Integer, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),  # of what is embedded, the title included
    sa.Column("model", sa.String(200)),  # which made its vector; null: none yet
    sa.Column("signs", sa.LargeBinary),  # one bit a dimension: whether it is positive
    sa.Column("rev", sa.BigInteger),  # of the wiki's meanings, when it got its vector
    sa.Index("ix_confluence_pieces_page", "page"),
    sa.Index("ix_confluence_pieces_rev", "wiki_id", "rev"),  # those embedded since; those without
)

# Apart from the pieces, since a search reads all signs and only the vectors of the nearest.
vectors = sa.Table(
    "confluence_vectors",
    metadata,
    sa.Column("piece", Number, sa.ForeignKey("confluence_pieces.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("vector", sa.LargeBinary, nullable=False),  # float32, little-endian, of norm 1
)
