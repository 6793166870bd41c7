"""Cards that are due, and what becomes of one that was answered."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field, StringConstraints

from llmcoder import BadInput, Context, Effect, Model, NotFound, Undo, action
from llmcoder.caseless import fold
from llmcoder.declare.filter import NO_BOOL, Number
from llmcoder.ids import new_id
from llmcoder.instants import WrittenInstant
from llmcoder.model import ChangeModel
from models.db.database import database, reading, writing
from tasks.learning import card_rows, cloze, log_rows, options
from tasks.learning.card_rows import Today
from tasks.learning.options import Options
from tasks.learning.records import NO_NUL, Deck
from tasks.learning.resource_actions import EXAMPLE_ID, TIMEOUT_S
from tasks.learning.scheduling import (
    CLOCK_AHEAD,
    EARLIEST,
    CardState,
    Entry,
    Kind,
    Memory,
    Rating,
    of_row,
    retrievability,
    reviewed,
)
from tasks.learning.tables import cards, reviews

CHECK_TIMEOUT_S = 300.0
MOST_SHOWN = 100

ClientKey = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NO_NUL)]
Order = Literal["forgotten_first", "known_first"]


class DueListing(Model):
    """Which of the due cards are wanted."""

    deck: Deck | None = Field(None, description="Only cards of this deck; the day's limits are for all decks.")
    order: Order = Field(
        "forgotten_first",
        description="By the chance that you recall them: the most forgotten first, or those that you know best first, "
        "which makes a backlog shorter sooner and costs some of what you know.",
    )
    limit: Number = Field(20, ge=1, le=200, description="Most cards to return.", examples=[20])


class DueCard(Model):
    """A card to answer now."""

    card_id: UUID = Field(description="The card, for learning.review.")
    deck: str = Field(description="Its deck.")
    question: str = Field(description="What is asked.")
    answer: str = Field(description="What is right.")
    tags: list[str] = Field(description="Its tags.")
    state: CardState = Field(description="Whether you meet it for the first time, or again.")
    retrievability: float | None = Field(description="The chance that you recall it now, 0 to 1; null if it is new.")
    due_at: datetime = Field(description="Since when it is due.")
    source_path: str | None = Field(description="The record or job that it was made from: GET it.")
    source_title: str | None = Field(description="What that is called.")


class DueCards(Model):
    """What to answer now, and what is left of the day."""

    items: list[DueCard] = Field(description="The cards, in the order in which to answer them.")
    summary: str | None = Field(description="In a sentence; null when there is nothing to do.")
    left_today: int = Field(description="How many cards today still holds, these included.")
    waiting: int = Field(description="How many are due that today's limits leave for another day.")
    answered_today: int = Field(description="How many cards you have answered today.")
    next_learning_at: datetime | None = Field(description="When a card comes again that you are learning now.")
    day_ends_at: datetime = Field(description="When the day is over, on the clock of your time zone.")
    timezone: str = Field(description="Your time zone, of your preferences.")


class Answer(Model):
    """How well you knew a card."""

    card_id: UUID = Field(description="The card.", examples=[EXAMPLE_ID])
    rating: Rating = Field(description="again: forgotten; hard: known with effort; good; easy.", examples=["good"])
    key: ClientKey | None = Field(
        None,
        description="Made by the client, one for each answer: the same key counts once, however often it is sent.",
        examples=["6d9c1f0e"],
    )
    reviewed_at: WrittenInstant | None = Field(
        None, description="When you answered, where that was before now, such as without a network; with its zone."
    )
    duration_s: Annotated[float, Field(ge=0, le=86_400)] | None = Field(
        None, description="How long you thought about it, in seconds.", examples=[4.2]
    )


class Reviewed(Model):
    """What became of a card by an answer."""

    review_id: UUID = Field(description="The entry in the log of reviews.")
    card_id: UUID = Field(description="The card.")
    rating: Rating = Field(description="How it was answered.")
    counted: bool = Field(description="False where this key had been counted before; then nothing changed.")
    state: CardState = Field(description="Where the card stands now.")
    due_at: datetime = Field(description="When it comes back.")
    stability: float | None = Field(description="Days until you would recall it with a chance of 90 %.")
    difficulty: float | None = Field(description="How hard it is for you, 1 to 10.")


class ReviewChoice(Model):
    """Which answer is meant."""

    review_id: UUID = Field(description="The entry in the log of reviews.", examples=[EXAMPLE_ID])


class TakenBack(Model):
    """An answer that does not count any more."""

    card_id: UUID = Field(description="The card.")
    state: CardState | None = Field(description="Where it stands without that answer; null if the card is gone.")
    due_at: datetime | None = Field(description="When it is due; likewise.")


class OptionsChange(ChangeModel):
    """What to change of your limits; a field left out stays as it is."""

    daily_reviews: Annotated[int, Field(ge=0, le=10_000), NO_BOOL] | None = Field(
        None, description="Most known cards that come back in a day; null leaves it.", examples=[60]
    )
    daily_new: Annotated[int, Field(ge=0, le=10_000), NO_BOOL] | None = Field(
        None, description="Most cards that you meet for the first time in a day; null leaves it."
    )
    retention: Annotated[float, Field(ge=0.7, le=0.97)] | None = Field(
        None, description="How likely you want to know a card when it comes back; null leaves it. It counts from the "
        "next answer on.",
    )  # fmt: skip
    day_starts_at_hour: Annotated[int, Field(ge=0, le=12), NO_BOOL] | None = Field(
        None, description="Hour of the night at which a day begins; null leaves it."
    )
    fuzz: bool | None = Field(None, description="Whether intervals vary a little; null leaves it.")


class OptionsQuery(Model):
    """All of your limits; nothing is left out."""


class ChangedOptions(Model):
    """Your limits, as they are and as they were."""

    now: Options = Field(description="As they are now.")
    before: Options = Field(description="As they were before.")


class ScheduleQuery(Model):
    """All cards; nothing is left out."""


class ScheduleCheck(Model):
    """Whether every card is what its log of reviews says."""

    cards: int = Field(description="How many cards were compared.")
    differing: list[UUID] = Field(description=f"Those that are something else, up to {MOST_SHOWN}.")


@action("learning.due", effect=Effect.READ, timeout_s=TIMEOUT_S)
def due(wanted: DueListing, ctx: Context) -> DueCards:
    """Show the cards to answer today.

    First those that you are learning now, then those that come back, at last new ones, within your limits of a day
    (learning.change_options). A day ends on the clock of your time zone.
    """
    deck = None if wanted.deck is None else fold(wanted.deck)
    with reading("learning_cards") as conn:
        at = card_rows.today(conn, ctx.user.id)
        answers = card_rows.done(conn, ctx.user.id, at.day)
        waiting = card_rows.waiting(conn, ctx.user.id, at, deck)
        known_left = min(waiting.reviews, max(0, at.options.daily_reviews - answers.reviews))
        new_left = min(waiting.new, max(0, at.options.daily_new - answers.new))
        rows = card_rows.learning(conn, ctx.user.id, at.now, deck, wanted.limit)
        room = min(known_left, wanted.limit - len(rows))
        if room:
            forgotten_first = wanted.order == "forgotten_first"
            rows += card_rows.known(conn, ctx.user.id, at, deck, forgotten_first=forgotten_first, limit=room)
        room = min(new_left, wanted.limit - len(rows))
        if room:
            rows += card_rows.new(conn, ctx.user.id, deck, room)
    left = waiting.learning + known_left + new_left
    beyond = waiting.reviews - known_left
    return DueCards(
        items=[_shown(row, at) for row in rows],
        summary=_summary(waiting.learning, known_left, new_left, beyond),
        left_today=left,
        waiting=beyond,
        answered_today=answers.new + answers.reviews,
        next_learning_at=waiting.next_learning_at,
        day_ends_at=at.day.end,
        timezone=at.zone.key,
    )


@action("learning.take_back_review", effect=Effect.WRITE, repeatable=True, timeout_s=TIMEOUT_S)
def take_back_review(which: ReviewChoice, ctx: Context) -> TakenBack:
    """Take an answer back, as if it had never been given.

    The log keeps both; the card is what the other answers say. One that was taken back stays so.
    """
    with writing("learning_cards") as conn:
        entry = _entry(conn, ctx, reviews.c.id == which.review_id)
        if entry is None or entry.kind != Kind.REVIEW:
            raise NotFound(f"You have no review {which.review_id}.")
        card = _card(conn, ctx, entry.card_id)
        void = Entry(new_id(), database().now(), Kind.VOID, voids=entry.id)
        _write(conn, ctx, entry.card_id, f"void {entry.id}", void)
        if card is None:
            return TakenBack(card_id=entry.card_id, state=None, due_at=None)
        memory = log_rows.replay(conn, ctx.user.id, card)
    return TakenBack(card_id=card.id, state=memory.state, due_at=memory.due_at)


@action(
    "learning.review",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(take_back_review, lambda answer, done: ReviewChoice(review_id=done.review_id)),
    timeout_s=TIMEOUT_S,
)
def review(answer: Answer, ctx: Context) -> Reviewed:
    """Say how well you knew a card, which decides when it comes back.

    Give each answer a key of your own: then one that is sent twice counts once.
    """
    key = f"job {ctx.job_id}" if answer.key is None else f"client {answer.key}"
    with writing("learning_cards") as conn:
        card = _card(conn, ctx, answer.card_id)
        if card is None:
            raise NotFound(f"You have no card {answer.card_id}; it may have been removed.")
        entry = _new_entry(conn, answer, ctx)
        counted = _write(conn, ctx, card.id, key, entry)
        if not counted:
            return _before(_entry(conn, ctx, reviews.c.client_key == key), card, answer)
        memory = _after(conn, ctx, card, entry)
    return _reviewed(entry.id, card.id, answer.rating, memory, counted=True)


@action("learning.show_options", effect=Effect.READ, timeout_s=TIMEOUT_S)
def show_options(wanted: OptionsQuery, ctx: Context) -> Options:
    """Show your limits of a day."""
    with reading("learning_options") as conn:
        return options.load(conn, ctx.user.id)


def _options_before(change: OptionsChange, done: ChangedOptions) -> OptionsChange:
    return OptionsChange(**done.before.model_dump())


@action("learning.restore_options", effect=Effect.WRITE, repeatable=True, timeout_s=TIMEOUT_S)
def restore_options(change: OptionsChange, ctx: Context) -> ChangedOptions:
    """Set your limits of a day back to what they were."""
    return _change_options(change, ctx)


@action(
    "learning.change_options",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(restore_options, _options_before),
    timeout_s=TIMEOUT_S,
)
def change_options(change: OptionsChange, ctx: Context) -> ChangedOptions:
    """Change your limits of a day: how many cards, how sure, and when a day begins."""
    return _change_options(change, ctx)


@action("learning.check_schedule", effect=Effect.READ, timeout_s=CHECK_TIMEOUT_S)
def check_schedule(wanted: ScheduleQuery, ctx: Context) -> ScheduleCheck:
    """Compute every card anew from its log of reviews, and compare."""
    count, wrong = 0, []
    with reading("learning_cards") as conn:
        for card_id, differs in log_rows.differing(conn, ctx.user.id):
            count += 1
            wrong += [card_id] if differs else []
            if count % log_rows.AT_ONCE == 0:
                ctx.check()
    return ScheduleCheck(cards=count, differing=wrong[:MOST_SHOWN])


def _change_options(change: OptionsChange, ctx: Context) -> ChangedOptions:
    changes = {name: value for name, value in change.model_dump().items() if value is not None}
    with writing("learning_options") as conn:
        before = options.load(conn, ctx.user.id)
        options_now = Options(**{**before.model_dump(), **changes})
        options.save(conn, ctx.user.id, options_now)
    return ChangedOptions(now=options_now, before=before)


def _new_entry(conn: sa.Connection, answer: Answer, ctx: Context) -> Entry:
    now = database().now()
    if answer.reviewed_at is not None and answer.reviewed_at > now + CLOCK_AHEAD:
        raise BadInput(f"`reviewed_at` is {answer.reviewed_at:%Y-%m-%d %H:%M}, which is still to come.")
    if answer.reviewed_at is not None and answer.reviewed_at < EARLIEST:
        raise BadInput(f"`reviewed_at` is of {answer.reviewed_at:%Y}; a clock that was never set says such.")
    chosen = options.load(conn, ctx.user.id)
    return Entry(
        new_id(),
        min(answer.reviewed_at or now, now),
        rating=answer.rating,
        duration_s=answer.duration_s,
        retention=chosen.retention,
        chance=random.random() if chosen.fuzz else None,
    )


def _after(conn: sa.Connection, ctx: Context, card: Any, entry: Entry) -> Memory:
    """The state of a card after an answer, which another one may have come after."""
    if card.last_review_at is not None and entry.at <= card.last_review_at:
        return log_rows.replay(conn, ctx.user.id, card)
    memory = reviewed(of_row(card), entry)
    log_rows.put(conn, card.id, memory)
    return memory


def _before(entry: Any, card: Any, answer: Answer) -> Reviewed:
    if entry.card_id != card.id or entry.rating != answer.rating.number:
        raise BadInput("This key was counted for another answer. Each answer has a key of its own.")
    return _reviewed(entry.id, card.id, answer.rating, of_row(card), counted=False)


def _reviewed(review_id: UUID, card_id: UUID, rating: Rating, memory: Memory, *, counted: bool) -> Reviewed:
    return Reviewed(
        review_id=review_id, card_id=card_id, rating=rating, counted=counted, state=memory.state,
        due_at=memory.due_at, stability=memory.stability, difficulty=memory.difficulty,
    )  # fmt: skip


def _write(conn: sa.Connection, ctx: Context, card_id: UUID, key: str, entry: Entry) -> bool:
    """Add an entry to the log; False where its key is there already."""
    own = {"user_id": ctx.user.id, "card_id": card_id, "client_key": key, "created_at": database().now()}
    return log_rows.add(conn, log_rows.columns_of(entry) | own)


def _card(conn: sa.Connection, ctx: Context, card_id: UUID) -> Any:
    """The user's card, locked; None where there is none."""
    mine = sa.and_(cards.c.id == card_id, cards.c.user_id == ctx.user.id)
    return conn.execute(sa.select(cards).where(mine).with_for_update()).first()


def _entry(conn: sa.Connection, ctx: Context, which: sa.ColumnElement[bool]) -> Any:
    return conn.execute(sa.select(reviews).where(reviews.c.user_id == ctx.user.id, which)).first()


def _shown(row: Any, at: Today) -> DueCard:
    question, answer = sides(row.front, row.back)
    return DueCard(
        card_id=row.id, deck=row.deck, question=question, answer=answer, tags=row.tags, state=row.state,
        retrievability=retrievability(of_row(row), at.now), due_at=row.due_at, source_path=row.source_path,
        source_title=row.source_title,
    )  # fmt: skip


def sides(front: str, back: str) -> tuple[str, str]:
    """Question and answer of a card, whose front may have holes.

    A card asks for all its holes at once; those that an import made of one note have one hole each.
    """
    numbers = cloze.numbers_of(front)
    if not numbers:
        return front, back
    full = cloze.answer(front)
    return cloze.question(front), f"{full}\n\n{back}" if back else full


def _summary(learning: int, known: int, new: int, beyond: int) -> str | None:
    parts = [f"{learning} being learned"] * bool(learning) + [f"{known} to review"] * bool(known)
    parts += [f"{new} new"] * bool(new)
    if not parts:
        return None
    count = learning + known + new
    more = f" {beyond} more wait for another day." if beyond else ""
    return f"{count} card{'s' if count != 1 else ''} for today: {', '.join(parts)}.{more}"
