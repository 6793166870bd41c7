"""News: sources, articles, stories, and the words of stories."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "news_0001"
down_revision = None
branch_labels = ("news",)
depends_on = "0014_provenance"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)

# Words come as `tasks.news.search_words` makes them, so the tokenizer only splits them at spaces, and both stores find
# the same. Each stands behind its reader's number.
ON_SQLITE = (
    "CREATE VIRTUAL TABLE news_fts USING fts5(words, content='', contentless_delete=1, tokenize='ascii')",
    "CREATE TRIGGER news_stories_gone AFTER DELETE ON news_stories "
    "BEGIN DELETE FROM news_fts WHERE rowid = old.number; END",
)
ON_POSTGRESQL = (
    "CREATE TABLE news_fts (number BIGINT PRIMARY KEY REFERENCES news_stories (number) ON DELETE CASCADE, "
    "words TSVECTOR NOT NULL)",
    "CREATE INDEX ix_news_fts_words ON news_fts USING gin (words) WITH (fastupdate = off)",
    # For a common word the planner would rather read the whole table; and so it would read all stories for the hits of
    # any, if it took them for many.
    "CREATE FUNCTION news_hits(wanted tsquery, most integer) RETURNS SETOF bigint LANGUAGE sql STABLE ROWS 20 "
    "SET enable_seqscan = off SET jit = off "
    "AS 'SELECT number FROM news_fts WHERE words @@ wanted LIMIT most'",
)


def upgrade() -> None:
    _sources()
    _stories()
    _articles()
    for statement in ON_SQLITE if op.get_bind().dialect.name == "sqlite" else ON_POSTGRESQL:
        op.execute(statement)


def _sources() -> None:
    op.create_table(
        "news_readers",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], "fk_news_readers_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", name="pk_news_readers"),
        sa.UniqueConstraint("user_id", name="uq_news_readers_user_id"),
    )
    op.create_table(
        "news_feeds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("url_key", sa.String(64), nullable=False),
        sa.Column("language", sa.String(35), nullable=False, server_default=""),
        sa.Column("title", sa.String(500), nullable=False),
        sa.Column("own_title", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("site_url", sa.Text(), nullable=False, server_default=""),
        sa.Column("topic", sa.String(60), nullable=False, server_default=""),
        sa.Column("etag", sa.Text()),
        sa.Column("last_modified", sa.Text()),
        sa.Column("next_at", INSTANT, nullable=False),
        sa.Column("fetched_at", INSTANT),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("note", sa.Text()),
        sa.Column("added_by", sa.Uuid(), nullable=False),
        sa.Column("removed_at", INSTANT),
        sa.Column("removed_by", sa.Uuid()),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("taint", sa.String(8)),
        sa.Column("sources", sa.Text()),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], "fk_news_feeds_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_news_feeds"),
        sa.UniqueConstraint("user_id", "url_key", name="uq_news_feeds_url"),
    )
    op.create_index("ix_news_feeds_next", "news_feeds", ["user_id", "next_at"])


def _stories() -> None:
    op.create_table(
        "news_stories",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("topic", sa.String(60), nullable=False, server_default=""),
        sa.Column("sources", sa.Integer(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("read_at", INSTANT),
        sa.Column("read_by", sa.Uuid()),
        sa.Column("told_at", INSTANT),
        sa.Column("told_by", sa.Uuid()),
        sa.Column("told_for_good", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], "fk_news_stories_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", name="pk_news_stories"),
        sa.UniqueConstraint("id", name="uq_news_stories_id"),
    )
    place = ["user_id", "at", "number"]
    _index("at", place, "sources > 0")
    _index("unread", place, "sources > 0 AND read_at IS NULL")
    _index("topic", ["user_id", "topic", "at", "number"], "sources > 0")
    _index("untold", place, "sources > 0 AND told_by IS NULL")
    _index("open", ["user_id", "told_by"], "told_by IS NOT NULL AND told_for_good IS false")
    _index("read_by", ["read_by"], "read_by IS NOT NULL")


def _index(name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where if op.get_bind().dialect.name == "postgresql" else where.replace("false", "0"))
    op.create_index(
        f"ix_news_stories_{name}", "news_stories", columns, postgresql_where=condition, sqlite_where=condition
    )


def _articles() -> None:
    op.create_table(
        "news_articles",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("feed_id", sa.Uuid(), nullable=False),
        sa.Column("story", NUMBER, nullable=False),
        sa.Column("story_at", INSTANT, nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("page_key", sa.String(64)),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("title", sa.String(500), nullable=False),
        sa.Column("author", sa.String(200), nullable=False, server_default=""),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("image_url", sa.Text(), nullable=False, server_default=""),
        sa.Column("media", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("published_at", INSTANT),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("listed_at", INSTANT, nullable=False),
        sa.Column("said", sa.String(64), nullable=False),
        sa.Column("hidden", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.ForeignKeyConstraint(["feed_id"], ["news_feeds.id"], "fk_news_articles_feed_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["story"], ["news_stories.number"], "fk_news_articles_story", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", name="pk_news_articles"),
        sa.UniqueConstraint("feed_id", "key", name="uq_news_articles_key"),
        sa.UniqueConstraint("story", "feed_id", name="uq_news_articles_source"),
    )
    op.create_index("ix_news_articles_page", "news_articles", ["user_id", "page_key"])
    op.create_index("ix_news_articles_feed", "news_articles", ["feed_id", "story_at", "story"])


def downgrade() -> None:
    op.execute("DROP TABLE news_fts")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION news_hits")
    for table in ("news_articles", "news_stories", "news_feeds", "news_readers"):
        op.drop_table(table)
