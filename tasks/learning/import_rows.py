"""The rows that an import is to write: what can be made before its transaction begins stands in a file till then."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import IO, Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import Context, strict_json
from llmcoder.ids import new_id
from models.db import conflicts
from models.db.database import database, reading
from tasks.learning import anki_writing, card_rows, log_rows
from tasks.learning.bulk_rows import BulkInsert
from tasks.learning.incoming import IncomingCard
from tasks.learning.scheduling import CLOCK_AHEAD, Entry, Kind, Rating, replayed
from tasks.learning.store import AT_ONCE, CARDS
from tasks.learning.tables import cards, reviews

_OWN_KEY = re.compile(rf"{anki_writing.GUID}([0-9a-f]{{32}}):0")


class ImportedRows:
    """Cards of a file with what was answered of them, one card a line.

    Attributes:
        count: How many cards there are.
    """

    def __init__(self, spool: IO[bytes], ctx: Context) -> None:
        self._spool = spool
        self._ctx = ctx
        self._now = database().now()
        with reading(cards.name) as conn:
            dialect = conn.dialect
        new_cards = conflicts.insert(dialect.name, cards).on_conflict_do_nothing()
        self._cards = BulkInsert(dialect, new_cards, cards.columns.keys())
        self._log = BulkInsert(dialect, log_rows.insert_new(dialect.name), reviews.columns.keys())
        self.count = 0

    def add(self, card: IncomingCard) -> None:
        (card_id,) = card_rows.ids_of(self._ctx.job_id, 1, first=self.count)
        log = _log_of(card, self._now)
        (row,) = CARDS.new_rows(self._ctx.user.id, [_columns(card_id, card, log, self._ctx.job_id)])
        entries = [self._log.prepared(_log_columns(self._ctx, card_id, one, self._now)) for one in log]
        answers = sum(one.kind is Kind.REVIEW for one in log)
        line = [str(card_id), _own_id(card.key), self._cards.prepared(row), entries, answers]
        self._spool.write(strict_json.write_exact(line).encode() + b"\n")
        self.count += 1

    def write(self, conn: sa.Connection) -> int:
        """Write those down that are not there yet, with their answers; returns how many of those."""
        self._spool.seek(0)
        answers = 0
        while lines := [strict_json.read(line) for line in islice(self._spool, AT_ONCE)]:
            answers += self._write(conn, lines)
        return answers

    def _write(self, conn: sa.Connection, lines: Sequence[Any]) -> int:
        own = cards.c
        own_ids = {UUID(own_id) for _, own_id, *_ in lines if own_id is not None}
        mine = sa.select(own.id).where(own.user_id == self._ctx.user.id, own.id.in_(own_ids))
        known = {one.hex for one in conn.execute(mine).scalars()} if own_ids else set()
        new = [line for line in lines if line[1] not in known]
        self._cards.run(conn, [row for _, _, row, _, _ in new])
        ids = [UUID(card_id) for card_id, *_ in new]
        added = sa.select(own.id).where(own.id.in_(ids), own.import_id == self._ctx.job_id)
        here = {str(one) for one in conn.execute(added).scalars()}
        ours = [line for line in new if line[0] in here]
        self._log.run(conn, [entry for _, _, _, entries, _ in ours for entry in entries])
        return sum(answers for *_, answers in ours)


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


def _own_id(key: str) -> str | None:
    """The card that a key of a package of ours names."""
    own_key = _OWN_KEY.fullmatch(key)
    return own_key[1] if own_key else None


def _columns(card_id: UUID, card: IncomingCard, log: list[Entry], import_id: UUID) -> dict[str, Any]:
    memory = replayed(log, log[0].at).columns() if log else {}
    return {
        "id": card_id, "import_id": import_id, "external_key": card.key, "front": card.front, "back": card.back,
        "deck": card.deck, "tags": list(card.tags), **memory, "suspended": card.suspended,
    }  # fmt: skip


def _log_columns(ctx: Context, card_id: UUID, entry: Entry, now: datetime) -> dict[str, Any]:
    # by the card's id of this import: what a removed card has left in the log keeps no answer out, and in their order
    # keys are quick to index
    client_key = f"import {card_id.hex} {entry.kind} {entry.at.isoformat()}"
    return log_rows.columns_of(entry) | {
        "user_id": ctx.user.id, "card_id": card_id, "client_key": client_key, "import_id": ctx.job_id,
        "created_at": now,
    }  # fmt: skip
