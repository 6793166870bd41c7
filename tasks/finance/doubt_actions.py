"""Imports as they are listed, and the questions that they left: listed, answered, and answers taken back."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field

from llmcoder import Context, Effect, Model, NotFound, Undo, action
from llmcoder.declare.filter import Number
from models.db.database import database, reading, writing
from models.owned_records import was_read
from tasks.finance import doubts as doubt_store
from tasks.finance.doubts import Doubt
from tasks.finance.records import (
    A_TRANSACTION,
    MOST_LISTED,
)
from tasks.finance.tables import imports

TIMEOUT_S = 30.0
MOST_AT_ONCE = 500


class ImportListing(Model):
    """Which imports are wanted."""

    limit: Number = MOST_LISTED
    before: UUID | None = Field(None, description="`next` of the page before; left out, the newest.")


class StatementImport(Model):
    """An import of a statement."""

    import_id: UUID = Field(description="Its id, to undo it.")
    file_name: str = Field(description="The file.")
    format: str = Field(description="Its format.")
    added: int = Field(description="Transactions that it added.")
    undone: bool = Field(description="Whether it was taken back.")
    at: str = Field(description="When, in UTC.")


class StatementImports(Model):
    """Imports, newest first."""

    items: list[StatementImport] = Field(description="Them.")
    next: UUID | None = Field(description="`before` of the page after this one; null on the last page.")


class DoubtListing(Model):
    """Which questions are wanted."""

    limit: Number = MOST_LISTED
    before: UUID | None = Field(None, description="`next` of the page before; left out, the newest.")


class Doubts(Model):
    """Rows that may be transactions that are there already, newest first."""

    items: list[Doubt] = Field(description="Them.")
    next: UUID | None = Field(description="`before` of the page after this one; null on the last page.")


class DoubtChoice(Model):
    """Which questions are meant."""

    doubt_ids: list[UUID] = Field(
        max_length=MOST_AT_ONCE, description="The questions' ids.", examples=[[A_TRANSACTION]]
    )


class DoubtAnswer(Model):
    """What a person says of rows that may be one."""

    answer: Literal["same", "different"] = Field(
        description="same: it is the transaction that is there; different: it is another one.", examples=["same"]
    )
    doubt_ids: list[UUID] | None = Field(
        None, min_length=1, max_length=MOST_AT_ONCE, description="The questions' ids.", examples=[[A_TRANSACTION]]
    )
    import_id: UUID | None = Field(None, description="Instead: all open questions of an import.")


class Settled(Model):
    """What was answered."""

    doubt_ids: list[UUID] = Field(description="The questions that have this answer now.")
    left: Number = Field(0, description="Open questions of the import beyond these 500; say it again for them.")


@action("finance.list_imports", effect=Effect.READ, timeout_s=TIMEOUT_S)
def list_imports(wanted: ImportListing, ctx: Context) -> StatementImports:
    """List your imports of statements, newest first."""
    older = [] if wanted.before is None else [imports.c.id < wanted.before]
    query = sa.select(imports).where(imports.c.user_id == ctx.user.id, *older).order_by(imports.c.id.desc())
    with reading("finance_imports") as conn:
        rows = conn.execute(query.limit(wanted.limit + 1)).all()
    items = [_shown_import(row) for row in rows[: wanted.limit]]
    return StatementImports(items=items, next=rows[wanted.limit - 1].id if len(rows) > wanted.limit else None)


def _shown_import(row: Any) -> StatementImport:
    was_read(row)
    return StatementImport(
        import_id=row.id, file_name=row.file_name, format=row.format, added=row.added,
        undone=row.undone_at is not None, at=row.created_at.isoformat(),
    )  # fmt: skip


@action("finance.list_doubts", effect=Effect.READ, timeout_s=TIMEOUT_S)
def list_doubts(wanted: DoubtListing, ctx: Context) -> Doubts:
    """List rows of statements that may be transactions you have already."""
    with reading("finance_doubts") as conn:
        rows = doubt_store.open_doubts(conn, ctx.user.id, wanted.before, wanted.limit + 1)
        items = doubt_store.shown_doubts(conn, rows[: wanted.limit])
    return Doubts(items=items, next=rows[wanted.limit - 1].id if len(rows) > wanted.limit else None)


@action("finance.reopen_doubts", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def reopen_doubts(which: DoubtChoice, ctx: Context) -> Settled:
    """Take answers about doubtful rows back, so that they wait again."""
    now = database().now()
    with writing("finance_doubts") as conn:
        rows = doubt_store.locked(conn, ctx.user.id, which.doubt_ids, None, MOST_AT_ONCE)
        for row in rows:
            doubt_store.reopen(conn, row, now)
    return Settled(doubt_ids=[row.id for row in rows])


@action(
    "finance.settle_doubts",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(reopen_doubts, lambda given, settled: DoubtChoice(doubt_ids=settled.doubt_ids)),
    timeout_s=TIMEOUT_S,
)
def settle_doubts(given: DoubtAnswer, ctx: Context) -> Settled:
    """Say whether doubtful rows of a statement are transactions you have already.

    Those that are different are added. The same file imported again does not ask again.
    """
    now = database().now()
    with writing("finance_doubts") as conn:
        rows = doubt_store.locked(conn, ctx.user.id, given.doubt_ids or [], given.import_id, MOST_AT_ONCE)
        if not rows:
            raise NotFound("There is no such question: all are answered, or its import has been undone.")
        for row in rows:
            doubt_store.settle(conn, row, given.answer, now)
        left = 0 if given.import_id is None else doubt_store.count_open(conn, ctx.user.id, given.import_id)
    return Settled(doubt_ids=[row.id for row in rows], left=left)
