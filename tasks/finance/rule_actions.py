"""Rules that put transactions into categories by their words: as actions, and where they are kept."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import AfterValidator, Field

from llmcoder import BadInput, Context, Effect, Model, NotFound, Undo, action
from llmcoder.declare.collection import Page
from llmcoder.declare.cursor import Cursor
from llmcoder.declare.filter import Filter, HasWords, Number, Words
from llmcoder.model import ChangeModel
from models.db.database import reading, writing
from models.owned_records import OwnedRows
from tasks.finance.categories import rules_of
from tasks.finance.records import A_TRANSACTION, MOST_LISTED, PAGE_BEFORE, Category
from tasks.finance.tables import rules, transactions
from tasks.finance.transaction_actions import (
    MOST_RESTORED,
    CategoryRestoration,
    Recategorized,
    put_category,
    recategorized,
    restore_categories,
)

TIMEOUT_S = 60.0
MOST_RULES = 500
own = transactions.c


def _stripped(words: str) -> str:
    return " ".join(words.split())


RuleWords = Annotated[Words, AfterValidator(_stripped)]
Direction = Literal["in", "out"]


class RuleFilter(Filter):
    """Which rules are wanted."""

    text: Annotated[Words | None, HasWords("words")] = Field(None, description="Only those with all of these words.")


class NewRule(Model):
    """Words, and the category of what has them."""

    words: RuleWords = Field(
        description="A transaction fits whose text has all of these words, in any case and order, also within longer"
        " ones.",
        examples=["rewe"],
    )
    category: Category = Field(description="Its category.", examples=["Groceries"])
    direction: Direction | None = Field(None, description="Only for money that comes in, or goes out; null for both.")


class RuleChange(ChangeModel):
    """What to change of a rule; transactions keep their categories."""

    words: RuleWords | None = Field(None, description="The words now; null leaves them.")
    category: Category | None = Field(None, description="The category now; null leaves it.")
    direction: Direction | None = Field(None, description="in, out, or null for both.")


class Rule(Model):
    """A rule. Of several that fit the newest counts."""

    id: UUID = Field(description="Its id.")
    words: str = Field(description="What a text must have.")
    category: str = Field(description="The category.")
    direction: str | None = Field(description="in, out, or null for both.")
    created_at: datetime = Field(description="When it was added.")
    updated_at: datetime = Field(description="When it last changed.")


class Rules(OwnedRows[NewRule, RuleChange, Rule]):
    """Rules, of which there may be so many."""

    def add(self, user_id: UUID, new: NewRule, item_id: UUID | None = None) -> Rule:
        """As `Store.add`. Raises `BadInput` where there are too many."""
        with reading(rules.name) as conn:
            query = sa.select(sa.func.count()).select_from(rules).where(rules.c.user_id == user_id)
            if conn.execute(query).scalar_one() >= MOST_RULES:
                raise BadInput(f"You have {MOST_RULES} rules, which is the most. Remove one first.")
        return super().add(user_id, new, item_id)


RULES = Rules(rules, Rule, RuleFilter)


class RuleListing(RuleFilter):
    """Which rules are wanted."""

    limit: Number = MOST_LISTED
    before: Cursor | None = PAGE_BEFORE


class RuleChoice(Model):
    """Which rule is meant."""

    rule_id: UUID = Field(description="The rule's id.", examples=[A_TRANSACTION])


class ChangedRule(RuleChange):
    """Which rule, and what to change of it."""

    rule_id: UUID = Field(description="The rule's id.", examples=[A_TRANSACTION])


class RemovedRule(Model):
    """A rule that is gone."""

    removed: Rule | None = Field(description="The rule as it was; null when it was gone already.")


@action("finance.list_rules", effect=Effect.READ, timeout_s=TIMEOUT_S)
def list_rules(wanted: RuleListing, ctx: Context) -> Page[Rule]:
    """List your rules for categories, newest first."""
    return RULES.page(ctx.user.id, wanted.before, wanted.limit, wanted)


@action("finance.remove_rule", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def remove_rule(which: RuleChoice, ctx: Context) -> RemovedRule:
    """Remove a rule; transactions keep their categories."""
    return RemovedRule(removed=RULES.take(ctx.user.id, which.rule_id))


@action(
    "finance.add_rule",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(remove_rule, lambda new, added: RuleChoice(rule_id=added.id)),
    timeout_s=TIMEOUT_S,
)
def add_rule(new: NewRule, ctx: Context) -> Rule:
    """Keep a rule that puts transactions to come into a category.

    For those that are there already, use finance.apply_rules after it.
    """
    return RULES.add(ctx.user.id, new, ctx.job_id)


@action("finance.change_rule", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def change_rule(change: ChangedRule, ctx: Context) -> Rule:
    """Change a rule; transactions keep their categories."""
    given = {name: getattr(change, name) for name in change.model_fields_set - {"rule_id"}}
    changed = RULES.change(ctx.user.id, change.rule_id, RuleChange(**given))
    if changed is None:
        raise NotFound(f"You have no rule {change.rule_id}; it may have been removed.")
    return changed


class RuleApplication(Model):
    """To which transactions the rules are applied."""

    limit: Number = Field(
        1_000, ge=1, le=MOST_RESTORED, description="How many of the newest to look at.", examples=[1_000]
    )


@action(
    "finance.apply_rules",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(restore_categories, lambda given, done: CategoryRestoration(before=done.before)),
    timeout_s=TIMEOUT_S,
)
def apply_rules(given: RuleApplication, ctx: Context) -> Recategorized:
    """Put transactions that are there into categories by your rules.

    What you have put into a category yourself stays there.
    """
    query = (
        sa.select(transactions)
        .where(own.user_id == ctx.user.id)
        .order_by(own.booked_on.desc(), own.id.desc())
        .limit(given.limit)
        .with_for_update()
    )
    with writing("finance_transactions") as conn:
        known = rules_of(conn, ctx.user.id)
        changed: dict[UUID, Any] = {}
        categories: dict[UUID, str | None] = {}
        for row in conn.execute(query).all():
            category = None if row.category_by == "user" else known.match(row.text, row.minor)
            if category is not None and category != row.category:
                changed[row.id], categories[row.id] = row, category
                put_category(conn, row, category, "rule")
        return recategorized(changed, categories)
