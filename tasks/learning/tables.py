"""The tables of learning: resources, cards, the log of reviews, imports and a user's own limits."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from models.db.base import Instant, metadata
from models.owned_records import origin_columns
from models.record_list import folded_column


class Tags(sa.TypeDecorator[list[str]]):
    """Tags in one text, each between blanks, as Anki keeps them: ` verbs lesson_1 `; none has a blank in it."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else f" {' '.join(value)} " if value else ""

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> list[str]:
        return str(value or "").split()


def _user() -> sa.Column[Any]:
    return sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False)


resources = sa.Table(
    "learning_resources",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # the job's id where a job made it, so that repeating adds nothing
    _user(),
    sa.Column("title", sa.String(300), nullable=False),
    folded_column("title", indexed=True),
    sa.Column("url", sa.String(2000)),
    sa.Column("topic", sa.String(80), nullable=False),
    folded_column("topic", indexed=True),
    sa.Column("author", sa.String(200)),
    folded_column("author", indexed=True),
    sa.Column("level", sa.String(16), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("language", sa.String(35)),
    sa.Column("minutes", sa.Integer),
    sa.Column("notes", sa.Text),
    folded_column("notes", indexed=True),
    sa.Column("progress", sa.String(16), nullable=False),
    sa.Column("percent", sa.Integer),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    *origin_columns(),
    sa.Index("ix_learning_resources_user", "user_id", "id"),  # a user's, newest first
    sa.Index("ix_learning_resources_topic", "user_id", "topic_folded", "id"),  # of one topic
    sa.Index("ix_learning_resources_level", "user_id", "level", "id"),
    sa.Index("ix_learning_resources_kind", "user_id", "kind", "id"),
    sa.Index("ix_learning_resources_progress", "user_id", "progress", "id"),
    # and one for words in title, topic, author and notes, which its migration makes (models.text_index)
)

cards = sa.Table(
    "learning_cards",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # likewise
    _user(),
    sa.Column("deck", sa.String(200), nullable=False),
    folded_column("deck", indexed=True),
    sa.Column("front", sa.Text, nullable=False),
    folded_column("front", indexed=True),
    sa.Column("back", sa.Text, nullable=False),
    folded_column("back", indexed=True),
    sa.Column("tags", Tags, nullable=False),
    sa.Column("source_path", sa.String(300)),  # what it was drafted from: /general/notes/ID
    sa.Column("source_title", sa.String(300)),
    sa.Column("external_key", sa.String(200)),  # what an import knows it by: the note's guid and the card's number
    sa.Column("import_id", sa.Uuid),  # the job that brought it
    sa.Column("suspended", sa.Boolean, nullable=False),
    # All below follows from the log of reviews, see scheduling.replayed.
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("step", sa.SmallInteger),
    sa.Column("stability", sa.Float),  # days until the chance to recall it is 90 %
    sa.Column("difficulty", sa.Float),  # 1 to 10
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("introduced_at", Instant),  # its first review
    sa.Column("last_review_at", Instant),
    sa.Column("last_review_s", sa.BigInteger),  # the same in seconds since 1970, for SQL to compute with
    sa.Column("reviews", sa.Integer, nullable=False),
    sa.Column("lapses", sa.Integer, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    *origin_columns(),
    sa.Index("ix_learning_cards_user", "user_id", "id"),  # a user's, newest first
    sa.Index("ix_learning_cards_deck", "user_id", "deck_folded", "id"),  # of one deck
    sa.Index("ix_learning_cards_state", "user_id", "state", "id"),  # new ones, oldest first
    sa.Index("ix_learning_cards_source", "user_id", "source_path", "id"),  # drafted from one record
    # what is due: all that the order needs stands in the index
    sa.Index("ix_learning_cards_due", "user_id", "suspended", "state", "due_at", "last_review_s", "stability", "id"),
    sa.Index("ix_learning_cards_import", "user_id", "import_id"),  # to take an import back
    sa.Index(
        "uq_learning_cards_external_key", "user_id", "external_key", unique=True
    ),  # an import finds its card again
    # and one for words in front, back and deck, which its migration makes (models.text_index)
)

# The log only grows: what was taken back has an entry that says so, and triggers refuse to change one. A card that is
# removed leaves its entries, since they are what its user did; they go with the user, and an import's with the import.
reviews = sa.Table(
    "learning_reviews",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    _user(),
    sa.Column("card_id", sa.Uuid, nullable=False),
    sa.Column("client_key", sa.String(120), nullable=False),  # `client` and what the client said, or a key of ours
    sa.Column("kind", sa.String(8), nullable=False),  # review, void, state: see scheduling.Kind
    sa.Column("rating", sa.SmallInteger),  # 1 again to 4 easy
    sa.Column("reviewed_at", Instant, nullable=False),
    sa.Column("duration_s", sa.Float),
    sa.Column("retention", sa.Float),  # what the interval was computed for
    sa.Column("chance", sa.Float),  # 0 to 1, by which it was varied; null where it was not
    sa.Column("voids", sa.Uuid),  # the entry that it takes back
    sa.Column("stability", sa.Float),  # of an entry `state`: what another program knew of the card
    sa.Column("difficulty", sa.Float),
    sa.Column("due_at", Instant),
    sa.Column("import_id", sa.Uuid),
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("uq_learning_reviews_client_key", "user_id", "client_key", unique=True),  # a double click counts once
    sa.Index("ix_learning_reviews_card", "card_id", "reviewed_at"),  # a card's history
    sa.Index("ix_learning_reviews_day", "user_id", "reviewed_at"),  # what was done today
    sa.Index("ix_learning_reviews_import", "user_id", "import_id"),
)

options = sa.Table(
    "learning_options",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
)
