"""Where resources and cards are kept, for actions and collections alike."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder.caseless import fold
from llmcoder.ids import new_id
from models.db import conflicts
from models.db.database import database, writing
from models.owned_records import OwnedRows, origin_of_new
from models.record_list import Condition
from tasks.learning.records import (
    Card,
    CardChange,
    CardFilter,
    NewCard,
    NewResource,
    Progress,
    Resource,
    ResourceChange,
    ResourceFilter,
)
from tasks.learning.scheduling import CardState
from tasks.learning.tables import cards, resources

#: Rows that are written at once.
AT_ONCE = 500


class Resources(OwnedRows[NewResource, ResourceChange, Resource]):
    """Resources; their progress may be said as a word or in percent."""

    def columns(self, fields: dict[str, Any], now: datetime) -> dict[str, Any]:
        return super().columns(fields, now) | _progress_of(fields)

    def condition(self, name: str, value: Any) -> Condition:
        assert name == "topic"
        return resources.c.topic_folded.in_([fold(one) for one in value])

    def add(self, user_id: UUID, new: NewResource, item_id: UUID | None = None) -> Resource:
        return super().add(user_id, _with_progress(new), item_id)

    def add_all(self, user_id: UUID, new: list[NewResource]) -> list[UUID]:
        """Keep many but those whose address is there already; returns the ids of those that are new."""
        own = resources.c
        with writing(resources.name) as conn:
            there = sa.select(own.url).where(own.user_id == user_id, own.url.in_([one.url for one in new]))
            urls_here = set(conn.execute(there).scalars())
            now = database().now()
            owner = {"user_id": user_id, "created_at": now, "updated_at": now, **origin_of_new()}
            rows = [
                self._with_folded(self.columns(_with_progress(one).model_dump(), now)) | owner | {"id": new_id()}
                for one in new
                if one.url not in urls_here
            ]
            if rows:
                conn.execute(sa.insert(resources), rows)
        return [row["id"] for row in rows]

    def remove_all(self, user_id: UUID, ids: list[UUID]) -> int:
        """Remove those that are there still."""
        with writing(resources.name) as conn:
            mine = sa.and_(resources.c.user_id == user_id, resources.c.id.in_(ids))
            return conn.execute(sa.delete(resources).where(mine)).rowcount


def _with_progress(new: NewResource) -> NewResource:
    return new.model_copy(update={"progress": new.progress or Progress.at(new.percent or 0)})


def _progress_of(fields: dict[str, Any]) -> dict[str, Any]:
    progress, percent = fields.get("progress"), fields.get("percent")
    if percent is not None:
        return {"progress": Progress.at(percent), "percent": percent}
    if progress is None:
        return {}
    known = {Progress.PLANNED: 0, Progress.FINISHED: 100}
    return {"progress": progress, "percent": known.get(Progress(progress))}


class Cards(OwnedRows[NewCard, CardChange, Card]):
    """Cards; a new one is due at once."""

    def columns(self, fields: dict[str, Any], now: datetime) -> dict[str, Any]:
        columns = super().columns(fields, now)
        return columns if "source_path" not in fields else columns | new_card(now)

    def condition(self, name: str, value: Any) -> Condition:
        if name == "deck":
            return cards.c.deck_folded.in_([fold(one) for one in value])
        assert name == "tag"
        return sa.type_coerce(cards.c.tags, sa.Text).contains(f" {value} ", autoescape=True)

    def add_all(self, conn: sa.Connection, user_id: UUID, rows: list[dict[str, Any]]) -> None:
        """Keep many cards, in the caller's transaction; those whose id or external key is there already are left.

        Args:
            rows: Columns that differ from those of a new card, each with its `id`.
        """
        insert = conflicts.insert(conn.dialect.name, cards).on_conflict_do_nothing()
        conn.execute(insert, self.new_rows(user_id, rows))

    def new_rows(self, user_id: UUID, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Every column of new cards, of those that differ."""
        now = database().now()
        own = {"user_id": user_id, "created_at": now, "updated_at": now, **new_card(now), **origin_of_new()}
        own |= {"source_path": None, "source_title": None, "external_key": None, "import_id": None, "tags": []}
        return [self._with_folded(own | row) for row in rows]


def new_card(now: datetime) -> dict[str, Any]:
    """The columns of a card that nobody has reviewed."""
    nothing = dict.fromkeys(
        ("step", "stability", "difficulty", "introduced_at", "last_review_at", "last_review_s"), None
    )
    return {"suspended": False, "state": CardState.NEW, "due_at": now, "reviews": 0, "lapses": 0, **nothing}


RESOURCES = Resources(resources, Resource, ResourceFilter)
CARDS = Cards(cards, Card, CardFilter)
