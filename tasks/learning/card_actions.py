"""Cards as actions: kept, changed, listed, removed. Answering them stands in `review_actions.py`."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from llmcoder import Context, Effect, Model, NotFound, Undo, action
from llmcoder.declare.collection import Page
from llmcoder.declare.cursor import Cursor
from llmcoder.declare.filter import Number
from models.db.database import reading, writing
from tasks.learning import card_rows
from tasks.learning.records import Card, CardChange, CardFilter, NewCard
from tasks.learning.resource_actions import EXAMPLE_ID, MOST_LISTED, PAGE_BEFORE, TIMEOUT_S, RemovedCount
from tasks.learning.store import CARDS

MOST_AT_ONCE = 200


class CardListing(CardFilter):
    """Which cards are wanted."""

    limit: Number = MOST_LISTED
    before: Cursor | None = PAGE_BEFORE


class CardChoice(Model):
    """Which card is meant."""

    card_id: UUID = Field(description="The card's id.", examples=[EXAMPLE_ID])


class ChangedCard(CardChange):
    """Which card, and what to change of it; a field left out stays as it is."""

    card_id: UUID = Field(description="The card's id.", examples=[EXAMPLE_ID])


class RemovedCard(Model):
    """A card that is gone."""

    removed: Card | None = Field(description="The card as it was; null when it was gone already.")


class NewCards(Model):
    """Several cards to learn, such as those that learning.suggest has drafted."""

    cards: list[NewCard] = Field(
        min_length=1,
        max_length=MOST_AT_ONCE,
        description="Them; `cards` of a result of learning.suggest, without those that you do not want.",
        examples=[[{"front": "Which command shows who last changed each line of a file?", "back": "git blame"}]],
    )


class AddedCards(Model):
    """Which cards were added."""

    added: list[UUID] = Field(description="Ids of the new cards, in their order.")


class CardRemoval(Model):
    """Which cards to take back."""

    ids: list[UUID] = Field(max_length=MOST_AT_ONCE, description="Ids of cards.", examples=[[EXAMPLE_ID]])


class DeckCount(Model):
    """One deck, and what is in it."""

    deck: str = Field(description="Its name.")
    cards: int = Field(description="How many cards it has.")
    new: int = Field(description="How many of them you have never answered.")
    due: int = Field(description="How many of them are due by the end of your day; more than a day's cap, perhaps.")


class Decks(Model):
    """Your decks, by name."""

    items: list[DeckCount] = Field(description="Them.")


class DeckListing(Model):
    """All decks; nothing is left out."""


@action("learning.remove_card", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def remove_card(which: CardChoice, ctx: Context) -> RemovedCard:
    """Remove a card.

    One that is gone already is no error. To put it aside for a while, use learning.change_card with `suspended`.
    """
    return RemovedCard(removed=CARDS.take(ctx.user.id, which.card_id))


@action(
    "learning.add_card",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(remove_card, lambda new, card: CardChoice(card_id=card.id)),
    timeout_s=TIMEOUT_S,
)
def add_card(new: NewCard, ctx: Context) -> Card:
    """Keep a card to learn.

    It is due at once. To learn it, use learning.due and learning.review.
    """
    return CARDS.add(ctx.user.id, new, ctx.job_id)


@action("learning.change_card", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def change_card(change: ChangedCard, ctx: Context) -> Card:
    """Change what stands on a card, its deck or tags, or put it aside.

    What you have learned of it stays: for another question make another card.
    """
    changes = {name: getattr(change, name) for name in change.model_fields_set - {"card_id"}}
    card = CARDS.change(ctx.user.id, change.card_id, CardChange(**changes))
    if card is None:
        raise NotFound(f"You have no card {change.card_id}; it may have been removed.")
    return card


@action("learning.list_cards", effect=Effect.READ, timeout_s=TIMEOUT_S)
def list_cards(wanted: CardListing, ctx: Context) -> Page[Card]:
    """List and search your cards.

    For those to answer now, use learning.due.
    """
    return CARDS.page(ctx.user.id, wanted.before, wanted.limit, wanted)


@action("learning.remove_cards", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def remove_cards(which: CardRemoval, ctx: Context) -> RemovedCount:
    """Remove several cards; those that are gone already are no error."""
    with writing("learning_cards") as conn:
        return RemovedCount(removed=card_rows.remove(conn, ctx.user.id, which.ids))


@action(
    "learning.add_cards",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(remove_cards, lambda new, done: CardRemoval(ids=done.added)),
    timeout_s=TIMEOUT_S,
)
def add_cards(new: NewCards, ctx: Context) -> AddedCards:
    """Keep several cards to learn, all or none.

    For the cards of a file, use learning.import_cards.
    """
    ids = card_rows.ids_of(ctx.job_id, len(new.cards))
    rows = [{"id": card_id, **card.model_dump()} for card_id, card in zip(ids, new.cards, strict=True)]
    with writing("learning_cards") as conn:
        CARDS.add_all(conn, ctx.user.id, rows)
    return AddedCards(added=ids)


@action("learning.list_decks", effect=Effect.READ, timeout_s=TIMEOUT_S)
def list_decks(wanted: DeckListing, ctx: Context) -> Decks:
    """List your decks, and how much of each is due."""
    with reading("learning_cards") as conn:
        rows = card_rows.decks(conn, ctx.user.id)
    return Decks(items=[DeckCount(deck=row.deck, cards=row.cards, new=row.new, due=row.due) for row in rows])
