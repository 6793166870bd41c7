"""What a user decided about how much to learn in a day, and how sure to be."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field, StrictBool

from llmcoder import Model
from llmcoder.declare.filter import NO_BOOL
from models.db import conflicts
from models.db.database import database
from tasks.learning.day import STARTS_AT_HOUR
from tasks.learning.scheduling import RETENTION
from tasks.learning.tables import options

#: Every card that is answered comes back some ten times in its first year, so ten new ones a day are an hour a week.
DAILY_NEW = 10
DAILY_REVIEWS = 100


class Options(Model):
    """How much you learn in a day."""

    daily_reviews: Annotated[int, Field(ge=0, le=10_000), NO_BOOL] = Field(
        DAILY_REVIEWS,
        description="Most known cards that come back in a day; what is over waits for the next day, so that a backlog "
        "does not drown you.",
        examples=[100],
    )
    daily_new: Annotated[int, Field(ge=0, le=10_000), NO_BOOL] = Field(
        DAILY_NEW, description="Most cards that you meet for the first time in a day.", examples=[10]
    )
    retention: float = Field(
        RETENTION, ge=0.7, le=0.97,
        description="How likely you want to know a card when it comes back; more means many more reviews.",
        examples=[0.9],
    )  # fmt: skip
    day_starts_at_hour: Annotated[int, Field(ge=0, le=12), NO_BOOL] = Field(
        STARTS_AT_HOUR, description="Hour of the night, on the clock of your time zone, at which a day begins."
    )
    fuzz: StrictBool = Field(
        True,
        description="Whether intervals vary a little, so that cards added on one day do not come back on one day.",
    )


def load(conn: sa.Connection, user_id: UUID) -> Options:
    document = conn.execute(sa.select(options.c.document).where(options.c.user_id == user_id)).scalar()
    return Options() if document is None else Options.model_validate_json(document)


def save(conn: sa.Connection, user_id: UUID, wanted: Options) -> None:
    row = {"document": wanted.model_dump_json(), "updated_at": database().now()}
    insert = conflicts.insert(conn.dialect.name, options).values(user_id=user_id, **row)
    conn.execute(insert.on_conflict_do_update(index_elements=["user_id"], set_=row))
