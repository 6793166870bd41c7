"""`/health/live` and `/health/ready`: is this process there, and can it do its work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import Request
from starlette.responses import JSONResponse, Response

from api.health_checks import Readiness
from api.http.bodies import Router

if TYPE_CHECKING:
    from api.services import Services


router = Router(prefix="/health", tags=["operations"])


@router.get("/live")
async def live() -> dict[str, str]:
    """Whether this process answers."""
    return {"status": "ok"}


NOT_READY: dict[int | str, dict[str, Any]] = {503: {"model": Readiness, "description": "Not all is well."}}


@router.get("/ready", response_model=Readiness, responses=NOT_READY)
async def ready(request: Request) -> Response:
    """Whether all is well: the database and the broker answer, a worker was seen, and every duty is done in time."""
    services: Services = request.app.state.services
    checks = await services.health.report()
    well = all(check.status == "ok" for check in checks.values())
    readiness = Readiness(status="ok" if well else "failed", checks=checks)
    return JSONResponse(readiness.model_dump(), 200 if well else 503)
