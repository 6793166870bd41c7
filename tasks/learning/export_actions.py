"""Cards out of here: as an Anki package or as a CSV file, both of which can be read in again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa
from pydantic import Field

from llmcoder import Context, Effect, FileRef, Model, action
from llmcoder.caseless import fold
from models.db.database import database, reading
from models.owned_records import was_read
from tasks.learning import cloze, log_rows
from tasks.learning.anki_writing import GUID, OutgoingCard, Package
from tasks.learning.log_rows import AT_ONCE
from tasks.learning.records import Deck
from tasks.learning.scheduling import CardState, Memory, of_row
from tasks.learning.tables import cards

TIMEOUT_S = 600.0
_CSV_HEAD = (
    "#separator:Comma\n#html:false\n#columns:Front,Back,Deck,Tags,GUID\n#deck column:3\n#tags column:4\n"
    "#guid column:5\n"
)


class CardFormat(StrEnum):
    """What kind of file."""

    APKG = "apkg"  # with the schedule and the log
    CSV = "csv"  # what stands on the cards, with Anki's comments at its beginning


class ExportRequest(Model):
    """Which cards, and as what."""

    format: CardFormat = Field(CardFormat.APKG, description="apkg: an Anki package; csv: a text file.")
    deck: Deck | None = Field(None, description="Only cards of this deck; all when left out.", examples=["git"])
    with_history: bool = Field(
        True, description="Whether an Anki package says what you have answered; without it all cards are new in it."
    )


class Exported(Model):
    """The file."""

    file: FileRef = Field(description="The file; `GET /jobs/{id}/files/{name}` downloads it.")
    name: str = Field(description="Its name.")
    cards: int = Field(description="How many cards are in it.")


@action("learning.export", effect=Effect.DRAFT, keeps=True, timeout_s=TIMEOUT_S)
def export(request: ExportRequest, ctx: Context) -> Exported:
    """Write your cards into a file: an Anki package or CSV.

    learning.import_cards reads both; it knows the cards again that are here.
    """
    count = 0

    def counted() -> Iterator[OutgoingCard]:
        nonlocal count
        for card in _cards(request, ctx):
            count += 1
            yield card

    name = f"cards.{request.format}"
    if request.format is CardFormat.CSV:
        file = ctx.attach(name, _as_csv(counted()), "text/csv")
    else:
        with TemporaryDirectory(prefix="llmcoder-cards-") as folder:
            file = ctx.attach(name, Package(Path(folder), database().now()).write(counted()), "application/zip")
    return Exported(file=file, name=name, cards=count)


def _as_csv(outgoing: Iterator[OutgoingCard]) -> Iterator[bytes]:
    yield _CSV_HEAD.encode()
    for card in outgoing:
        line = io.StringIO(newline="")
        values = [cloze.of_one_number(card.front), card.back, card.deck, " ".join(card.tags), f"{GUID}{card.id.hex}"]
        csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(values)
        yield line.getvalue().encode()


def _cards(request: ExportRequest, ctx: Context) -> Iterator[OutgoingCard]:
    """The user's cards, the oldest first, some hundred at a time."""
    own = cards.c
    conditions = [
        own.user_id == ctx.user.id,
        *([] if request.deck is None else [own.deck_folded == fold(request.deck)]),
    ]
    with_log = request.with_history and request.format is CardFormat.APKG
    last = None
    while True:
        ctx.check()
        beyond = sa.true() if last is None else own.id > last
        with reading(cards.name) as conn:
            rows = conn.execute(sa.select(cards).where(*conditions, beyond).order_by(own.id).limit(AT_ONCE)).all()
            logs = log_rows.entries_of(conn, ctx.user.id, [row.id for row in rows]) if with_log else {}
        for row in rows:
            was_read(row)
            yield _outgoing(row, logs.get(row.id, []), with_history=request.with_history)
        if len(rows) < AT_ONCE:
            return
        last = rows[-1].id


def _outgoing(row: Any, log: list[Any], *, with_history: bool) -> OutgoingCard:
    memory = of_row(row) if with_history else Memory(CardState.NEW, due_at=row.created_at)
    return OutgoingCard(
        id=row.id, front=row.front, back=row.back, deck=row.deck, tags=row.tags, suspended=row.suspended,
        created_at=row.created_at, memory=memory, log=log,
    )  # fmt: skip
