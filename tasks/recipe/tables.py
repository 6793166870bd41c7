"""The tables of recipes: the recipes, what they are found by, their former states, and what is to be bought.

A user's recipe has its id within that user's: a recipe that comes with the program keeps its id when a user changes it.
"""

from __future__ import annotations

import sqlalchemy as sa

from models.db.base import Instant, metadata
from models.owned_records import origin_columns

#: Compared by code points in both stores, whatever the locale of a database is.
ByCodePoint = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
#: The time of a recipe that says none: it comes last.
UNKNOWN_MINUTES = 2_000_000_000


def _user() -> sa.Column[object]:
    return sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False)


recipes = sa.Table(
    "recipes",
    metadata,
    sa.Column("id", sa.Uuid, nullable=False),  # the job's id where a job added it, so that repeating adds nothing
    _user(),
    sa.Column("title_key", ByCodePoint, nullable=False),  # folded
    sa.Column("minutes_key", sa.Integer, nullable=False),
    sa.Column("content", sa.Text, nullable=False),  # JSON, see `contents`
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("changed_by", sa.Uuid),  # the job that changed it last, which is not to change it twice
    sa.Column("import_id", sa.Uuid),  # the job that brought it in
    sa.Column("source_key", sa.String(100)),  # of what it was imported from: once for each user
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    *origin_columns(),
    # In this order, so that SQLite takes no index for a user's list that lacks the time.
    sa.PrimaryKeyConstraint("id", "user_id"),
    sa.Index("ix_recipes_minutes", "user_id", "minutes_key", "id"),
    sa.Index("ix_recipes_newest", "user_id", "id", "minutes_key"),  # newest first, by time without a look at the row
    sa.Index("ix_recipes_title", "user_id", "title_key", "id"),
)
sa.Index("ix_recipes_source", recipes.c.user_id, recipes.c.source_key, unique=True)
sa.Index(
    "ix_recipes_import", recipes.c.user_id, recipes.c.import_id,
    postgresql_where=recipes.c.import_id.is_not(None), sqlite_where=recipes.c.import_id.is_not(None),
)  # fmt: skip

#: An inverted index: which recipes have a word, a food, a tag, a diet. Its order within a term is that of the list.
recipe_terms = sa.Table(
    "recipe_terms",
    metadata,
    sa.Column("user_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.String(1), nullable=False),  # see `Kind`
    sa.Column("term", sa.String(100), nullable=False),
    sa.Column("recipe_id", sa.Uuid, nullable=False),
    # Of a food that is needed: how many rarer ones the recipe needs; null of anything else.
    sa.Column("place", sa.SmallInteger),
    sa.Column("needed", sa.SmallInteger),  # of such a food: how many the recipe needs in all
    # A term of one user has its recipes in the order of the list. The user comes late, so that no look at one recipe
    # takes this for its index: without figures SQLite believes that a user has ten terms.
    sa.PrimaryKeyConstraint("kind", "term", "user_id", "recipe_id"),
    sa.ForeignKeyConstraint(["user_id", "recipe_id"], ["recipes.user_id", "recipes.id"], ondelete="CASCADE"),
    sa.Index("ix_recipe_terms_recipe", "user_id", "recipe_id", "kind", "term", "place"),
    sqlite_with_rowid=False,
)

# What is nearly all at home: the recipes of which a food is among the rarest.
sa.Index(
    "ix_recipe_terms_place",
    *(recipe_terms.c[name] for name in ("user_id", "kind", "term", "place", "needed", "recipe_id")),
    postgresql_where=recipe_terms.c.place.is_not(None), sqlite_where=recipe_terms.c.place.is_not(None),
)  # fmt: skip

#: The words of all of a user's recipes, each once: parts of words are looked for here.
recipe_words = sa.Table(
    "recipe_words",
    metadata,
    _user(),
    sa.Column("word", sa.String(60), nullable=False),
    sa.PrimaryKeyConstraint("user_id", "word"),
    sqlite_with_rowid=False,
)

#: What a recipe was before it was changed or removed.
recipe_revisions = sa.Table(
    "recipe_revisions",
    metadata,
    _user(),
    sa.Column("recipe_id", sa.Uuid, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("source_key", sa.String(100)),
    sa.Column("created_at", Instant, nullable=False),  # of the recipe
    sa.Column("kept_at", Instant, nullable=False),
    *origin_columns(),
    sa.PrimaryKeyConstraint("user_id", "recipe_id", "revision"),
)

#: Recipes that come with the program and that a user has removed, or has an own version of.
recipe_built_ins_replaced = sa.Table(
    "recipe_built_ins_replaced",
    metadata,
    _user(),
    sa.Column("recipe_id", sa.Uuid, nullable=False),
    sa.PrimaryKeyConstraint("user_id", "recipe_id"),
)

#: What was put on the shopping list: one line of one recipe each, with the to-do that it went into.
shopping_entries = sa.Table(
    "recipe_shopping_entries",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    _user(),
    sa.Column("batch_id", sa.Uuid, nullable=False),  # the job that put it there
    sa.Column("recipe_id", sa.Uuid, nullable=False),
    sa.Column("recipe_title", sa.String(300), nullable=False),
    sa.Column("food_key", sa.String(100), nullable=False),
    sa.Column("line", sa.Text, nullable=False),  # as the recipe has it
    sa.Column("factor", sa.String(40), nullable=False),  # by which it was scaled, as a fraction
    sa.Column("todo_id", sa.Uuid, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    *origin_columns(),
    sa.Index("ix_recipe_shopping_entries_food", "user_id", "food_key"),
    sa.Index("ix_recipe_shopping_entries_batch", "user_id", "batch_id"),
)
