"""`/config`: an administrator sees which settings are set, and changes them for every process at once."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from fastapi import Body, Depends, Request
from pydantic import JsonValue

from api.auth.identity import Identity, admin
from api.http.bodies import Router
from api.http.job_view import problems
from api.services import Services, services_of
from llmcoder.config import SettingView
from llmcoder.model import Model
from llmcoder.settings import unset
from models.audit import log as audit
from models.audit.log import Entry, Event
from models.audit.tables import audit_head

router = Router(prefix="/config", tags=["operations"], responses=problems(401, 403))
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
    conn.execute(sa.select(audit_head.c.seq)).scalar_one()
    changed = services.config.patch(changes)
    kinds = {name: Event.CONFIG_UNSET if unset(changes[name]) else Event.CONFIG_SET for name in changed}
    audit.append(conn, [Entry(kind, name, user_id) for name, kind in kinds.items()], services.db.now())
    return changed
