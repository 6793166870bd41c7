"""Macros as every door shows them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field, JsonValue

from models.macros.document import Macro
from models.macros.store import StoredMacro
from models.macros.text import as_object


class MacroView(BaseModel):
    """One macro in one of its versions."""

    id: UUID
    name: str
    version: int
    document: dict[str, JsonValue] = Field(description="As it is written; see GET /macros/schema.")
    created_at: datetime = Field(description="Of its first version.")
    updated_at: datetime = Field(description="Of its newest version.")


def macro_view(one: StoredMacro) -> MacroView:
    """A macro as every door shows it."""
    return MacroView(
        id=one.id,
        name=one.name,
        version=one.version,
        document=as_object(macro_of(one)),
        created_at=one.created_at,
        updated_at=one.updated_at,
    )


def macro_of(one: StoredMacro) -> Macro:
    return Macro.model_validate_json(one.document)
