"""Cards of a file: all of them or none, and taken back as one.

A file is read to its end before anything is written, into rows in a file of our own, so that memory does not grow with
it and nobody waits for our transaction while we read what somebody made up. Then everything is one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryFile
from typing import IO
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field

from llmcoder import Context, Effect, FileRef, Model, Undo, action
from models.db.database import writing
from tasks.learning import anki_collection, anki_package, delimited
from tasks.learning.import_rows import ImportedRows
from tasks.learning.incoming import IncomingCard, UnreadableCards
from tasks.learning.records import Deck
from tasks.learning.resource_actions import EXAMPLE_ID
from tasks.learning.scheduling import Kind
from tasks.learning.store import AT_ONCE
from tasks.learning.tables import cards, reviews

TIMEOUT_S = 600.0
#: Of the time, for reading the file; writing down what was read has the rest.
READING_SHARE = 0.7
ZIP = b"PK"
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
        rows, left_out = _spooled(spool, incoming, deadline, ctx)
        ctx.progress(0.5, "All of it was read.")
        return _kept(rows, ctx, left_out, media)


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


def _spooled(
    spool: IO[bytes], incoming: Iterator[IncomingCard], deadline: float, ctx: Context
) -> tuple[ImportedRows, int]:
    """Write the cards down one a line; returns them, and how many are none."""
    rows = ImportedRows(spool, ctx)
    left_out = 0
    for number, card in enumerate(incoming):
        if number % AT_ONCE == 0:
            ctx.check()
            if time.monotonic() > deadline:
                raise UnreadableCards("The file takes too long to read.")
        if card.is_card:
            rows.add(card)
        else:
            left_out += 1
    return rows, left_out


def _kept(rows: ImportedRows, ctx: Context, left_out: int, media: int) -> Imported:
    with writing(cards.name) as conn:
        answers = rows.write(conn)
        own = cards.c
        mine = sa.and_(own.user_id == ctx.user.id, own.import_id == ctx.job_id)
        per_deck = sa.select(own.deck, sa.func.count()).where(mine).group_by(own.deck).order_by(own.deck)
        decks = {row[0]: row[1] for row in conn.execute(per_deck)}
    added = sum(decks.values())
    return Imported(
        import_id=ctx.job_id, added=added, already_there=rows.count - added, reviews=answers, left_out=left_out,
        media=media, decks=decks,
    )  # fmt: skip
