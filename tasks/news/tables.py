"""The tables of news: sources, what they said, and the stories that it makes.

A story is what a reader sees: one item, however many sources tell it. An article is what one source says of it, so of
each story a source has at most one. `news_fts`, made by hand in the migration, holds the words of the stories
(rowid = the story's number) and goes with them.
"""

from __future__ import annotations

import sqlalchemy as sa

from models.db.base import Instant, metadata
from models.owned_records import origin_columns

# SQLite only numbers rows by itself where the key is exactly INTEGER.
Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# One row for each user who has a source. Who puts articles into stories locks it: two at once would make two of one.
readers = sa.Table(
    "news_readers",
    metadata,
    sa.Column("number", Number, primary_key=True),  # by which the full-text index knows them
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.UniqueConstraint("user_id", name="uq_news_readers_user_id"),
)

feeds = sa.Table(
    "news_feeds",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("provider", sa.String(20), nullable=False),  # `feed`, or the service that is searched
    sa.Column("url", sa.Text, nullable=False),  # of a feed; of a search its words
    sa.Column("url_key", sa.String(64), nullable=False),  # SHA-256 of provider and address
    sa.Column("language", sa.String(35), nullable=False, server_default=""),
    sa.Column("title", sa.String(500), nullable=False),
    sa.Column("own_title", sa.Boolean, nullable=False, server_default=sa.false()),  # the user named it
    sa.Column("site_url", sa.Text, nullable=False, server_default=""),
    sa.Column("topic", sa.String(60), nullable=False, server_default=""),
    sa.Column("etag", sa.Text),  # as it was sent; written with the articles that it stands for
    sa.Column("last_modified", sa.Text),  # likewise
    sa.Column("next_at", Instant, nullable=False),  # not asked before
    sa.Column("fetched_at", Instant),  # when it last answered
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),  # in a row
    sa.Column("note", sa.Text),  # why the last attempt failed, or what is wrong with the feed
    sa.Column("added_by", sa.Uuid, nullable=False),  # the job
    sa.Column("removed_at", Instant),  # it can be given back for a while
    sa.Column("removed_by", sa.Uuid),  # the job
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    *origin_columns(),
    sa.UniqueConstraint("user_id", "url_key", name="uq_news_feeds_url"),
    sa.Index("ix_news_feeds_next", "user_id", "next_at"),  # those that are due
)

stories = sa.Table(
    "news_stories",
    metadata,
    sa.Column("number", Number, primary_key=True),
    sa.Column("id", sa.Uuid, nullable=False),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("at", Instant, nullable=False),  # when it was first published; it sorts by that
    sa.Column("seen_at", Instant, nullable=False),  # when it was first seen here
    sa.Column("topic", sa.String(60), nullable=False, server_default=""),  # of the source that had it first
    sa.Column("sources", sa.Integer, nullable=False),  # of those that are not removed
    sa.Column("words", sa.Text, nullable=False),  # as `search_words` makes them, between spaces
    sa.Column("read_at", Instant),
    sa.Column("read_by", sa.Uuid),  # the job that marked it
    sa.Column("told_at", Instant),
    sa.Column("told_by", sa.Uuid),  # the job that took it into a digest
    sa.Column("told_for_good", sa.Boolean, nullable=False, server_default=sa.false()),  # that digest was written
    sa.UniqueConstraint("id", name="uq_news_stories_id"),
)
_SHOWN = stories.c.sources > 0
_UNREAD = sa.and_(_SHOWN, stories.c.read_at.is_(None))
_UNTOLD = sa.and_(_SHOWN, stories.c.told_by.is_(None))
_OPEN = sa.and_(stories.c.told_by.is_not(None), stories.c.told_for_good.is_(False))
_PLACE = (stories.c.user_id, stories.c.at, stories.c.number)
sa.Index("ix_news_stories_at", *_PLACE, postgresql_where=_SHOWN, sqlite_where=_SHOWN)  # newest first
sa.Index("ix_news_stories_unread", *_PLACE, postgresql_where=_UNREAD, sqlite_where=_UNREAD)
sa.Index(  # those of a topic
    "ix_news_stories_topic", stories.c.user_id, stories.c.topic, stories.c.at, stories.c.number,
    postgresql_where=_SHOWN, sqlite_where=_SHOWN,
)  # fmt: skip
sa.Index("ix_news_stories_untold", *_PLACE, postgresql_where=_UNTOLD, sqlite_where=_UNTOLD)  # for the next digest
sa.Index(  # what a digest has taken that nobody has looked after yet
    "ix_news_stories_open", stories.c.user_id, stories.c.told_by, postgresql_where=_OPEN, sqlite_where=_OPEN
)
sa.Index("ix_news_stories_read_by", stories.c.read_by, sqlite_where=stories.c.read_by.is_not(None),
         postgresql_where=stories.c.read_by.is_not(None))  # fmt: skip

articles = sa.Table(
    "news_articles",
    metadata,
    sa.Column("number", Number, primary_key=True),
    sa.Column("user_id", sa.Uuid, nullable=False),
    sa.Column("feed_id", sa.Uuid, sa.ForeignKey("news_feeds.id", ondelete="CASCADE"), nullable=False),
    sa.Column("story", Number, sa.ForeignKey("news_stories.number", ondelete="CASCADE"), nullable=False),
    sa.Column("story_at", Instant, nullable=False),  # as the story has it, which never changes
    sa.Column("key", sa.String(64), nullable=False),  # what tells it from the others of its source
    sa.Column("page_key", sa.String(64)),  # SHA-256 of the page that it leads to
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("title", sa.String(500), nullable=False),
    sa.Column("author", sa.String(200), nullable=False, server_default=""),
    sa.Column("summary", sa.Text, nullable=False),  # plain text
    sa.Column("content", sa.Text, nullable=False),  # safe HTML; empty where the summary is all there is
    sa.Column("image_url", sa.Text, nullable=False, server_default=""),
    sa.Column("media", sa.Text, nullable=False, server_default="[]"),  # files that belong to it, as JSON
    sa.Column("published_at", Instant),  # as the source says
    sa.Column("seen_at", Instant, nullable=False),
    sa.Column("listed_at", Instant, nullable=False),  # when its source last had it, give or take a day
    sa.Column("said", sa.String(64), nullable=False),  # SHA-256 of all that it says, so that a change is seen
    sa.Column("hidden", sa.Boolean, nullable=False, server_default=sa.false()),  # its source is removed
    sa.UniqueConstraint("feed_id", "key", name="uq_news_articles_key"),
    sa.UniqueConstraint("story", "feed_id", name="uq_news_articles_source"),
    sa.Index("ix_news_articles_page", "user_id", "page_key"),  # another source has the same page
    sa.Index("ix_news_articles_feed", "feed_id", "story_at", "story"),  # those of one source, newest first
)
