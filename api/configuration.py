"""`/config`: an administrator sees which settings are set, and changes them for every process at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, Body, Depends, Request
from pydantic import JsonValue

from api.auth.identity import Identity, admin
from api.job_view import problems
from api.services import Services, services_of
from llmcoder.config import SettingView
from llmcoder.ids import new_id
from llmcoder.model import Model
from llmcoder.settings import unset
from models.tables import settings_audit

router = APIRouter(prefix="/config", tags=["operations"], responses=problems(401, 403))
Administrator = Annotated[Identity, Depends(admin)]


class Configuration(Model):
    """Every setting, by kind and name."""

    items: list[SettingView]
    problem: str | None = None


class Changed(Model):
    """What a change came to."""

    changed: list[str]
    items: list[SettingView]


Changes = Annotated[
    dict[str, JsonValue],
    Body(
        description="Values by the name of the setting; null removes one.",
        openapi_examples={"key": {"value": {"OPENAI_API_KEY": "sk-…"}}},
    ),
]


@router.get("")
async def show_config(request: Request, _who: Administrator) -> Configuration:
    """Every setting; of secrets only whether they are set."""
    config = services_of(request).config
    return Configuration(items=config.describe(), problem=config.problems)


@router.patch("", responses=problems(409, 422))
async def change_config(request: Request, who: Administrator, changes: Changes) -> Changed:
    """Change settings, all of them or none. Every process has them within two seconds."""
    services = services_of(request)
    changed = await services.sql.write(_change, services, who.user_id, changes)
    return Changed(changed=changed, items=services.config.describe())


def _change(conn: sa.Connection, services: Services, user_id: UUID, changes: dict[str, JsonValue]) -> list[str]:
    """The file is written while the transaction is open: an audit that cannot be kept stops the change."""
    conn.execute(sa.select(settings_audit.c.id).limit(1))
    changed = services.config.patch(changes)
    _audit(conn, user_id, [(name, "unset" if unset(changes[name]) else "set") for name in changed], services.db.now())
    return changed


def _audit(conn: sa.Connection, user_id: UUID, changed: Sequence[tuple[str, str]], now: datetime) -> None:
    rows = [{"id": new_id(), "at": now, "user_id": user_id, "name": name, "change": how} for name, how in changed]
    if rows:
        conn.execute(sa.insert(settings_audit), rows)
