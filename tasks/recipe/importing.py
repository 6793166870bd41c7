"""Imports as rows: all of one or none, each recipe once for its source, and taken back by the job that brought it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.context import Context
from llmcoder.errors import BadInput, Transient
from llmcoder.ids import new_id
from models.db.database import writing
from tasks.recipe.archives import documents
from tasks.recipe.contents import content_of
from tasks.recipe.exports import Export, ExportReader
from tasks.recipe.records import NewRecipe, Recipe
from tasks.recipe.store import WHAT, Arrival, insert, refuse_too_many, shown
from tasks.recipe.tables import recipes

#: Of statements; SQLite takes 32,766 values in one.
AT_ONCE = 500
own = recipes.c


def read_export(file: IO[bytes], name: str, skip_broken: bool, ctx: Context) -> Export:
    """All recipes of an export file.

    Raises:
        BadInput: It is no export that is known, holds none, or holds a broken one that may not be skipped.
    """
    reader = ExportReader(skip_broken)
    for document in documents(file, name):
        ctx.check()
        reader.take(document)
    if not reader.export.recipes and not reader.export.broken:
        raise BadInput(f"{name} holds no recipes of Mealie, Paprika, Nextcloud Cookbook or schema.org.")
    return reader.export


def take_page(user_id: UUID, job_id: UUID, key: str, new: NewRecipe) -> tuple[Recipe, bool]:
    """The recipe of a source, and whether this job brought it."""
    with _importing() as conn:
        row = _of_source(conn, user_id, key)
        if row is None:
            refuse_too_many(conn, user_id, 1)
            insert(conn, user_id, [(job_id, content_of(new), Arrival(job_id, key))])
            row = _of_source(conn, user_id, key)
        return shown(row), row.import_id == job_id


def take_all(user_id: UUID, job_id: UUID, export: Export, ctx: Context) -> list[str]:
    """Keep what is new of an export, in one transaction, and return the titles; those of an attempt before count."""
    new = [(new_id(), content_of(recipe), Arrival(job_id, key)) for key, recipe in export.recipes.items()]
    with _importing() as conn:
        known = _known(conn, user_id, [arrival.source_key for _, _, arrival in new])
        missing = [one for one in new if one[2].source_key not in known]
        refuse_too_many(conn, user_id, len(missing))
        for at in range(0, len(missing), AT_ONCE):
            ctx.progress(at / len(missing), f"{at} of {len(missing)} recipes are kept")
            insert(conn, user_id, missing[at : at + AT_ONCE])
    mine = {key for key, import_id in known.items() if import_id == job_id}
    return [str(content["title"]) for _, content, one in new if one.source_key not in known or one.source_key in mine]


def take_back(user_id: UUID, import_id: UUID) -> tuple[int, list[str]]:
    """Remove what a job brought; how many are gone, and the titles of those that were changed since."""
    brought = (own.user_id == user_id, own.import_id == import_id)
    with writing(WHAT) as conn:
        gone = conn.execute(sa.delete(recipes).where(*brought, own.revision == 0))
        rows = conn.execute(sa.select(own.content).where(*brought).order_by(own.id)).scalars()
        return gone.rowcount, [str(strict_json.read(content)["title"]) for content in rows]


@contextmanager
def _importing() -> Iterator[sa.Connection]:
    try:
        with writing(WHAT) as conn:
            yield conn
    except sa.exc.IntegrityError as error:
        raise Transient("Another import brought in the same recipe just now; nothing of this one was kept.") from error


def _of_source(conn: sa.Connection, user_id: UUID, key: str) -> Any:
    return conn.execute(sa.select(recipes).where(own.user_id == user_id, own.source_key == key)).first()


def _known(conn: sa.Connection, user_id: UUID, keys: Sequence[str]) -> dict[str, UUID | None]:
    found: dict[str, UUID | None] = {}
    for at in range(0, len(keys), AT_ONCE):
        query = sa.select(own.source_key, own.import_id)
        query = query.where(own.user_id == user_id, own.source_key.in_(keys[at : at + AT_ONCE]))
        found |= {str(key): import_id for key, import_id in conn.execute(query)}
    return found
