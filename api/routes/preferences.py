"""`/preferences`: a user's own rules for what is done in their name."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from fastapi import Depends, Request

from api.auth.identity import Identity, current, person
from api.http.bodies import Router
from api.http.job_view import problems
from api.services import Services, services_of
from models.accounts import preferences
from models.accounts.preferences import Preferences
from models.audit import log as audit
from models.audit.log import Entry, Event

router = Router(prefix="/preferences", tags=["approvals"], responses=problems(401, 503))


@router.get("")
async def show_preferences(request: Request, who: Annotated[Identity, Depends(current)]) -> Preferences:
    """Which writes ask first, who may answer, and how long one may change one's mind."""
    return await services_of(request).sql.read(preferences.load, who.user_id)


@router.put("", responses=problems(403, 422))
async def change_preferences(
    request: Request, who: Annotated[Identity, Depends(person)], wanted: Preferences
) -> Preferences:
    """Replace your preferences; what is left out has its default again."""
    services = services_of(request)
    return await services.sql.write(_save, services, who.user_id, wanted)


def _save(conn: sa.Connection, services: Services, user_id: UUID, wanted: Preferences) -> Preferences:
    now = services.db.now()
    preferences.save(conn, user_id, wanted, now)
    audit.append(conn, [Entry(Event.PREFERENCES_CHANGED, str(user_id), user_id)], now)
    return preferences.load(conn, user_id)
