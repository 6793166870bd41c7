"""What there is to do with news."""

from __future__ import annotations

from tasks.news.digest_actions import gather_digest
from tasks.news.feed_actions import (
    add_feed,
    export_opml,
    import_opml,
    list_feeds,
    put_topic_back,
    remove_feed,
    restore_feeds,
    set_topic,
    suggest_feeds,
)
from tasks.news.reading_actions import list_articles, mark_read, mark_unread
from tasks.news.refresh_actions import refresh
from tasks.news.search_actions import add_search
from tasks.news.summary_actions import summarize

__all__ = [
    "add_feed", "add_search", "export_opml", "gather_digest", "import_opml", "list_articles", "list_feeds",
    "mark_read", "mark_unread", "put_topic_back", "refresh", "remove_feed", "restore_feeds", "set_topic",
    "suggest_feeds", "summarize",
]  # fmt: skip
