"""Recipes, what they are found by, and what is to be bought for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "recipe_0001"
down_revision = None
branch_labels = ("recipe",)
depends_on = "0014_provenance"

BY_CODE_POINT = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
TABLES = (
    "recipe_shopping_entries",
    "recipe_built_ins_replaced",
    "recipe_revisions",
    "recipe_words",
    "recipe_terms",
    "recipes",
)


def upgrade() -> None:
    _recipes()
    _terms()
    _revisions()
    _shopping()


def _user(table: str) -> tuple[sa.Column[object], sa.ForeignKeyConstraint]:
    gone = sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=f"fk_{table}_user_id", ondelete="CASCADE")
    return sa.Column("user_id", sa.Uuid(), nullable=False), gone


def _origin() -> tuple[sa.Column[object], sa.Column[object]]:
    return sa.Column("taint", sa.String(8)), sa.Column("sources", sa.Text())


def _recipes() -> None:
    op.create_table(
        "recipes",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_user("recipes"),
        sa.Column("title_key", BY_CODE_POINT, nullable=False),
        sa.Column("minutes_key", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.Uuid()),
        sa.Column("import_id", sa.Uuid()),
        sa.Column("source_key", sa.String(100)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        *_origin(),
        sa.PrimaryKeyConstraint("id", "user_id", name="pk_recipes"),
    )
    op.create_index("ix_recipes_minutes", "recipes", ["user_id", "minutes_key", "id"])
    op.create_index("ix_recipes_newest", "recipes", ["user_id", "id", "minutes_key"])
    op.create_index("ix_recipes_title", "recipes", ["user_id", "title_key", "id"])
    op.create_index("ix_recipes_source", "recipes", ["user_id", "source_key"], unique=True)
    imported = sa.text("import_id IS NOT NULL")
    op.create_index(
        "ix_recipes_import", "recipes", ["user_id", "import_id"], postgresql_where=imported, sqlite_where=imported
    )


def _terms() -> None:
    op.create_table(
        "recipe_terms",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(1), nullable=False),
        sa.Column("term", sa.String(100), nullable=False),
        sa.Column("recipe_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.SmallInteger()),
        sa.Column("needed", sa.SmallInteger()),
        sa.PrimaryKeyConstraint("kind", "term", "user_id", "recipe_id", name="pk_recipe_terms"),
        sa.ForeignKeyConstraint(
            ["user_id", "recipe_id"],
            ["recipes.user_id", "recipes.id"],
            name="fk_recipe_terms_user_id",
            ondelete="CASCADE",
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_recipe_terms_recipe", "recipe_terms", ["user_id", "recipe_id", "kind", "term", "place"])
    placed = sa.text("place IS NOT NULL")
    op.create_index(
        "ix_recipe_terms_place",
        "recipe_terms",
        ["user_id", "kind", "term", "place", "needed", "recipe_id"],
        postgresql_where=placed,
        sqlite_where=placed,
    )
    op.create_table(
        "recipe_words",
        *_user("recipe_words"),
        sa.Column("word", sa.String(60), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "word", name="pk_recipe_words"),
        sqlite_with_rowid=False,
    )


def _revisions() -> None:
    op.create_table(
        "recipe_revisions",
        *_user("recipe_revisions"),
        sa.Column("recipe_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("source_key", sa.String(100)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        *_origin(),
        sa.PrimaryKeyConstraint("user_id", "recipe_id", "revision", name="pk_recipe_revisions"),
    )
    op.create_table(
        "recipe_built_ins_replaced",
        *_user("recipe_built_ins_replaced"),
        sa.Column("recipe_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "recipe_id", name="pk_recipe_built_ins_replaced"),
    )


def _shopping() -> None:
    op.create_table(
        "recipe_shopping_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_user("recipe_shopping_entries"),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("recipe_id", sa.Uuid(), nullable=False),
        sa.Column("recipe_title", sa.String(300), nullable=False),
        sa.Column("food_key", sa.String(100), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("factor", sa.String(40), nullable=False),
        sa.Column("todo_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        *_origin(),
        sa.PrimaryKeyConstraint("id", name="pk_recipe_shopping_entries"),
    )
    for name, columns in {"food": ["user_id", "food_key"], "batch": ["user_id", "batch_id"]}.items():
        op.create_index(f"ix_recipe_shopping_entries_{name}", "recipe_shopping_entries", columns)


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
