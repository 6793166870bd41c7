"""Resources, cards, the log of reviews and a user's own limits."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from models.text_index import create_text_index

revision = "learning_0001"
down_revision = None
branch_labels = ("learning",)
depends_on = "0014_provenance"

REFUSAL = "the log of reviews only grows"


def _instant(name: str, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _owned(table: str) -> list[Any]:
    return [
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f(f"fk_{table}_user_id"), ondelete="CASCADE"),
    ]


def _text(name: str, length: int | None = None, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.Text() if length is None else sa.String(length=length), nullable=nullable)


def upgrade() -> None:
    _resources()
    _cards()
    _reviews()
    op.create_table(
        "learning_options",
        *_owned("learning_options"),
        _text("document", nullable=False),
        _instant("updated_at", nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_learning_options")),
    )


def _resources() -> None:
    op.create_table(
        "learning_resources",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_owned("learning_resources"),
        _text("title", 300, nullable=False), _text("title_folded"),
        _text("url", 2000),
        _text("topic", 80, nullable=False), _text("topic_folded"),
        _text("author", 200), _text("author_folded"),
        _text("level", 16, nullable=False),
        _text("kind", 16, nullable=False),
        _text("language", 35),
        sa.Column("minutes", sa.Integer()),
        _text("notes"), _text("notes_folded"),
        _text("progress", 16, nullable=False),
        sa.Column("percent", sa.Integer()),
        _instant("created_at", nullable=False), _instant("updated_at", nullable=False),
        _text("taint", 8), _text("sources"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_learning_resources")),
    )  # fmt: skip
    op.create_index("ix_learning_resources_user", "learning_resources", ["user_id", "id"])
    for name, column in (("topic", "topic_folded"), ("level", "level"), ("kind", "kind"), ("progress", "progress")):
        op.create_index(f"ix_learning_resources_{name}", "learning_resources", ["user_id", column, "id"])
    create_text_index(op.get_bind(), "learning_resources", "title", "topic", "author", "notes")


def _cards() -> None:
    op.create_table(
        "learning_cards",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_owned("learning_cards"),
        _text("deck", 200, nullable=False), _text("deck_folded"),
        _text("front", nullable=False), _text("front_folded"),
        _text("back", nullable=False), _text("back_folded"),
        _text("tags", nullable=False),
        _text("source_path", 300), _text("source_title", 300),
        _text("external_key", 200),
        sa.Column("import_id", sa.Uuid()),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        _text("state", 12, nullable=False),
        sa.Column("step", sa.SmallInteger()),
        sa.Column("stability", sa.Float()), sa.Column("difficulty", sa.Float()),
        _instant("due_at", nullable=False), _instant("introduced_at"), _instant("last_review_at"),
        sa.Column("last_review_s", sa.BigInteger()),
        sa.Column("reviews", sa.Integer(), nullable=False), sa.Column("lapses", sa.Integer(), nullable=False),
        _instant("created_at", nullable=False), _instant("updated_at", nullable=False),
        _text("taint", 8), _text("sources"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_learning_cards")),
    )  # fmt: skip
    for name, columns in {
        "user": ["id"],
        "deck": ["deck_folded", "id"],
        "state": ["state", "id"],
        "source": ["source_path", "id"],
        "due": ["suspended", "state", "due_at", "last_review_s", "stability", "id"],
        "import": ["import_id"],
    }.items():
        op.create_index(f"ix_learning_cards_{name}", "learning_cards", ["user_id", *columns])
    op.create_index("uq_learning_cards_external_key", "learning_cards", ["user_id", "external_key"], unique=True)
    create_text_index(op.get_bind(), "learning_cards", "front", "back", "deck")


def _reviews() -> None:
    op.create_table(
        "learning_reviews",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_owned("learning_reviews"),
        sa.Column("card_id", sa.Uuid(), nullable=False),
        _text("client_key", 120, nullable=False),
        _text("kind", 8, nullable=False),
        sa.Column("rating", sa.SmallInteger()),
        _instant("reviewed_at", nullable=False),
        sa.Column("duration_s", sa.Float()), sa.Column("retention", sa.Float()), sa.Column("chance", sa.Float()),
        sa.Column("voids", sa.Uuid()),
        sa.Column("stability", sa.Float()), sa.Column("difficulty", sa.Float()),
        _instant("due_at"),
        sa.Column("import_id", sa.Uuid()),
        _instant("created_at", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_learning_reviews")),
    )  # fmt: skip
    op.create_index("uq_learning_reviews_client_key", "learning_reviews", ["user_id", "client_key"], unique=True)
    op.create_index("ix_learning_reviews_card", "learning_reviews", ["card_id", "reviewed_at"])
    op.create_index("ix_learning_reviews_day", "learning_reviews", ["user_id", "reviewed_at"])
    op.create_index("ix_learning_reviews_import", "learning_reviews", ["user_id", "import_id"])
    _refuse_changes()


def _refuse_changes() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER learning_reviews_no_update BEFORE UPDATE ON learning_reviews "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION learning_reviews_refuse() RETURNS trigger LANGUAGE plpgsql "
        f"AS $$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER learning_reviews_no_update BEFORE UPDATE ON learning_reviews "
        "FOR EACH STATEMENT EXECUTE FUNCTION learning_reviews_refuse()"
    )


def downgrade() -> None:
    for table in ("learning_options", "learning_reviews", "learning_cards", "learning_resources"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION learning_reviews_refuse()")
