"""Cards of a file: all of them or none, and taken back as one.

A file is read to its end before anything is written, into a file of our own, so that memory does not grow with it and
nobody waits for our transaction while we read what somebody made up. Then everything is one transaction.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from tempfile import TemporaryFile
from typing import IO, Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field, TypeAdapter

from llmcoder import Context, Effect, FileRef, Model, Undo, action
from llmcoder.ids import new_id
from models.db.database import database, writing
from tasks.learning import anki_collection, anki_package, anki_writing, card_rows, delimited, log_rows
from tasks.learning.incoming import IncomingCard, UnreadableCards
from tasks.learning.records import Deck
from tasks.learning.resource_actions import EXAMPLE_ID
from tasks.learning.scheduling import CLOCK_AHEAD, Entry, Kind, Memory, Rating, replayed
from tasks.learning.store import AT_ONCE, CARDS
from tasks.learning.tables import cards, reviews

TIMEOUT_S = 600.0
#: Of the time, for reading the file; writing down what was read has the rest.
READING_SHARE = 0.7
ZIP = b"PK"
_OWN_KEY = re.compile(rf"{anki_writing.GUID}([0-9a-f]{{32}}):0")
SQLITE = b"SQLite format 3\x00"


class CardFile(Model):
    """A file of cards."""

    file: FileRef = Field(
        description="An Anki package (.apkg, .colpkg) or a text file (.csv, .tsv, .txt), from POST /files.",
    )
    deck: Deck | None = Field(
        None, description="The deck of cards whose deck the file does not say.", examples=["Spanish"]
    )
    with_history: bool = Field(
        True, description="Whether what you have answered in Anki comes too; without it all cards are new."
    )


class Imported(Model):
    """What came of a file."""

    import_id: UUID = Field(description="By which learning.remove_import takes all of it back.")
    added: int = Field(description="How many cards are new.")
    already_there: int = Field(description="How many you had from an earlier import; they are as they were.")
    reviews: int = Field(description="How many answers of before came with them.")
    left_out: int = Field(description="How many have no question or no answer, or ask for a place in an image.")
    media: int = Field(description="How many sounds and images the package holds; cards name them and have no copy.")
    decks: dict[str, int] = Field(description="How many new cards are in which deck.")


class CardImportChoice(Model):
    """Which import is meant."""

    import_id: UUID = Field(description="Of the result of learning.import_cards.", examples=[EXAMPLE_ID])


class RemovedImport(Model):
    """What is gone with an import."""

    removed: int = Field(description="How many cards there were.")
    answered_here: int = Field(description="How many of them you had answered since.")


@action("learning.remove_import", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def remove_import(which: CardImportChoice, ctx: Context) -> RemovedImport:
    """Remove every card that one import has added, and the answers that came with it.

    One that is gone already is no error. What you answered here since stays in the log.
    """
    own, log = cards.c, reviews.c
    mine = sa.and_(own.user_id == ctx.user.id, own.import_id == which.import_id)
    with writing(cards.name) as conn:
        here = sa.and_(log.user_id == ctx.user.id, log.import_id.is_(None), log.kind == Kind.REVIEW)
        answered = sa.select(sa.func.count(log.card_id.distinct())).where(
            here, log.card_id.in_(sa.select(own.id).where(mine))
        )
        count = conn.execute(answered).scalar_one()
        conn.execute(sa.delete(reviews).where(log.user_id == ctx.user.id, log.import_id == which.import_id))
        removed = conn.execute(sa.delete(cards).where(mine)).rowcount
    return RemovedImport(removed=removed, answered_here=count)


@action(
    "learning.import_cards",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(remove_import, lambda given, done: CardImportChoice(import_id=done.import_id)),
    timeout_s=TIMEOUT_S,
)
def import_cards(given: CardFile, ctx: Context) -> Imported:
    """Keep the cards of an Anki package or of a CSV file, all or none.

    Cards of an earlier import of the same notes stay as they are. HTML becomes text; sounds and images are named.
    """
    deadline = time.monotonic() + ctx.remaining_s * READING_SHARE
    with ExitStack() as stack:
        file = stack.enter_context(ctx.open_file(given.file))
        incoming, media = stack.enter_context(_read(file, given, deadline, ctx))
        spool = stack.enter_context(TemporaryFile())
        left_out = _spooled(spool, incoming, deadline, ctx)
        ctx.progress(0.5, "All of it was read.")
        return _kept(spool, ctx, left_out, media)


@contextmanager
def _read(
    file: IO[bytes], given: CardFile, deadline: float, ctx: Context
) -> Iterator[tuple[Iterator[IncomingCard], int]]:
    """The cards of a file, and how many sounds and images are beside them."""
    begin = file.read(len(SQLITE))
    file.seek(0)
    if begin.startswith(ZIP):
        with (
            anki_package.database_of(file, ctx.check) as (path, media),
            anki_collection.opened(path, deadline, ctx) as conn,
        ):
            oldest = path.name == anki_package.OLDEST
            yield anki_collection.read(conn, with_history=given.with_history, oldest=oldest), media
        return
    if begin == SQLITE:
        raise UnreadableCards("This is a database and no package: export a deck (.apkg) from Anki.")
    if not begin.strip():
        raise UnreadableCards("The file is empty.")
    yield delimited.read(file.read(delimited.MOST_TEXT_BYTES + 1), given.deck), 0


@dataclass(frozen=True)
class _Ready:
    """A card as it is written down: with its log, and what the log comes to; None of one that nobody answered."""

    card: IncomingCard
    log: tuple[Entry, ...]
    memory: Memory | None


_READY: TypeAdapter[_Ready] = TypeAdapter(_Ready)


def _spooled(spool: IO[bytes], incoming: Iterator[IncomingCard], deadline: float, ctx: Context) -> int:
    """Write the cards down one a line; returns how many are none."""
    left_out = 0
    now = database().now()
    for number, card in enumerate(incoming):
        if number % AT_ONCE == 0:
            ctx.check()
            if time.monotonic() > deadline:
                raise UnreadableCards("The file takes too long to read.")
        if card.is_card:
            spool.write(_READY.dump_json(_ready(card, now)) + b"\n")
        else:
            left_out += 1
    spool.seek(0)
    return left_out


def _ready(card: IncomingCard, now: datetime) -> _Ready:
    log = tuple(_log_of(card, now))
    return _Ready(replace(card, history=(), scheduled=None), log, replayed(log, log[0].at) if log else None)


def _log_of(card: IncomingCard, now: datetime) -> list[Entry]:
    """The log of a card that comes from elsewhere: its answers, and where that program stands with it.

    An answer of a clock that ran ahead would come after every answer that is given here, and is left out.
    """
    past = [one for one in card.history if one.at <= now + CLOCK_AHEAD]
    log = [Entry(new_id(), one.at, rating=Rating.of(one.rating), duration_s=one.duration_s) for one in past]
    schedule = card.scheduled
    if schedule is None:
        return log
    at = max(min(schedule.at, now), log[-1].at) if log else min(schedule.at, now)
    stability, difficulty = schedule.stability, schedule.difficulty
    if stability is None or difficulty is None:
        memory = replayed(log, at)
        stability, difficulty = memory.stability, memory.difficulty
    if stability is None or difficulty is None:  # every answer was left out
        return log
    state = Entry(new_id(), at, Kind.STATE, stability=stability, difficulty=difficulty, due_at=schedule.due_at)
    return [*log, state]


def _kept(spool: IO[bytes], ctx: Context, left_out: int, media: int) -> Imported:
    total = answers = 0
    with writing(cards.name) as conn:
        while lines := list(islice(spool, AT_ONCE)):
            ids = card_rows.ids_of(ctx.job_id, len(lines), first=total)
            answers += _add(conn, ctx, dict(zip(ids, map(_READY.validate_json, lines), strict=True)))
            total += len(lines)
        own = cards.c
        mine = sa.and_(own.user_id == ctx.user.id, own.import_id == ctx.job_id)
        per_deck = sa.select(own.deck, sa.func.count()).where(mine).group_by(own.deck).order_by(own.deck)
        decks = {row[0]: row[1] for row in conn.execute(per_deck)}
    added = sum(decks.values())
    return Imported(
        import_id=ctx.job_id, added=added, already_there=total - added, reviews=answers, left_out=left_out,
        media=media, decks=decks,
    )  # fmt: skip


def _add(conn: sa.Connection, ctx: Context, given: dict[UUID, _Ready]) -> int:
    """Write cards down that are not there yet, with their answers of before; returns how many of those."""
    ids_here = _known_here(conn, ctx, given)
    new_cards = {card_id: one for card_id, one in given.items() if _own_id(one.card.key) not in ids_here}
    if not new_cards:
        return 0
    CARDS.add_all(conn, ctx.user.id, [_row(card_id, one, ctx.job_id) for card_id, one in new_cards.items()])
    own = cards.c
    there = sa.select(own.id).where(own.id.in_(list(new_cards)), own.import_id == ctx.job_id)
    now = database().now()
    log = [
        _log_row(ctx, card_id, new_cards[card_id].card.key, entry, now)
        for card_id in conn.execute(there).scalars()
        for entry in new_cards[card_id].log
    ]
    log_rows.add_all(conn, log)
    return sum(row["kind"] == Kind.REVIEW for row in log)


def _known_here(conn: sa.Connection, ctx: Context, given: dict[UUID, _Ready]) -> set[UUID]:
    """Cards of the user's that a package of ours brings back."""
    ids = [one for ready in given.values() if (one := _own_id(ready.card.key)) is not None]
    own = cards.c
    return set(conn.execute(sa.select(own.id).where(own.user_id == ctx.user.id, own.id.in_(ids))).scalars())


def _own_id(key: str) -> UUID | None:
    """The card that a key of a package of ours names."""
    found = _OWN_KEY.fullmatch(key)
    return UUID(found[1]) if found else None


def _row(card_id: UUID, ready: _Ready, import_id: UUID) -> dict[str, Any]:
    card = ready.card
    return {
        "id": card_id, "import_id": import_id, "external_key": card.key, "front": card.front, "back": card.back,
        "deck": card.deck, "tags": list(card.tags), **({} if ready.memory is None else ready.memory.columns()),
        "suspended": card.suspended,
    }  # fmt: skip


def _log_row(ctx: Context, card_id: UUID, key: str, entry: Entry, now: datetime) -> dict[str, Any]:
    # of this import alone: what a card that was removed has left in the log is no reason to leave its answers out
    own = f"{key} {entry.kind} {entry.at.isoformat()}"
    client_key = f"import {ctx.job_id} {hashlib.sha256(own.encode()).hexdigest()}"
    return log_rows.columns_of(entry) | {
        "user_id": ctx.user.id, "card_id": card_id, "client_key": client_key, "import_id": ctx.job_id,
        "created_at": now,
    }  # fmt: skip
