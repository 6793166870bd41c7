"""StatementImports as rows: begun, found again, undone; and the questions that they left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from models.owned_records import origin_of_new
from tasks.finance.csv_layout import CsvLayout
from tasks.finance.tables import balances, doubts, imports, sightings, transactions

AT_ONCE = 500


def get(conn: sa.Connection, user_id: UUID, import_id: UUID, *, locked: bool = False) -> Any:
    """The user's import; None also where it is somebody else's."""
    query = sa.select(imports).where(imports.c.id == import_id, imports.c.user_id == user_id)
    return conn.execute(query.with_for_update() if locked else query).first()


def begin(conn: sa.Connection, user_id: UUID, import_id: UUID, file_name: str, kind: str, now: datetime) -> None:
    conn.execute(sa.insert(imports).values(
        id=import_id, user_id=user_id, file_name=file_name[:255], format=kind, added=0, report="", created_at=now,
        updated_at=now, **origin_of_new(),
    ))  # fmt: skip


def finish(conn: sa.Connection, import_id: UUID, report: str, added: int, layout: tuple[str, str] | None) -> None:
    key, text = layout or (None, None)
    values = {"report": report, "added": added, "layout_key": key, "layout": text}
    conn.execute(sa.update(imports).where(imports.c.id == import_id).values(**values))


def last_layout(conn: sa.Connection, user_id: UUID, layout_key: str) -> tuple[CsvLayout, list[UUID]] | None:
    """How the last file with these columns was read, and into which accounts."""
    query = (
        sa.select(imports.c.layout)
        .where(imports.c.user_id == user_id, imports.c.layout_key == layout_key, imports.c.undone_at.is_(None))
        .order_by(imports.c.id.desc())
        .limit(1)
    )
    text = conn.execute(query).scalar_one_or_none()
    if text is None:
        return None
    kept = strict_json.read_lenient(text)
    return CsvLayout.model_validate(kept["layout"]), [UUID(one) for one in kept["accounts"]]


def layout_text(layout: CsvLayout, accounts: Sequence[UUID]) -> str:
    return strict_json.write(
        {"layout": layout.model_dump(mode="json", exclude_none=True), "accounts": [str(one) for one in accounts]}
    )


def undo(conn: sa.Connection, import_id: UUID, now: datetime) -> tuple[int, int]:
    """Take back what an import brought: how many transactions went, and how many stay since another import has them."""
    own = sightings.c
    seen = conn.execute(sa.select(own.transaction_id).where(own.import_id == import_id)).scalars().all()
    conn.execute(sa.delete(sightings).where(own.import_id == import_id))
    gone = 0
    for at in range(0, len(seen), AT_ONCE):
        ids = seen[at : at + AT_ONCE]
        elsewhere = sa.select(own.transaction_id).where(own.transaction_id.in_(ids))
        others = sa.select(transactions.c.id).where(
            transactions.c.id.in_(ids), transactions.c.source != "file", transactions.c.id.not_in(elsewhere)
        )
        kept = set(conn.execute(elsewhere).scalars()) | set(conn.execute(others).scalars())
        left = [one for one in ids if one not in kept]
        conn.execute(sa.delete(transactions).where(transactions.c.id.in_(left)))
        gone += len(left)
    conn.execute(sa.delete(balances).where(balances.c.import_id == import_id))
    conn.execute(sa.delete(doubts).where(doubts.c.import_id == import_id))
    conn.execute(sa.update(imports).where(imports.c.id == import_id).values(undone_at=now, updated_at=now))
    return gone, len(seen) - gone
