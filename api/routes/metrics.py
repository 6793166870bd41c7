"""`/metrics` for Prometheus: what this process did, what the workers counted, and what stands in the queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from api.http.bodies import Router
from api.http.job_view import problems

if TYPE_CHECKING:
    from api.services import Services


router = Router(tags=["operations"])


@router.get("/metrics", response_class=Response, responses=problems(503))
async def metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    services: Services = request.app.state.services
    return Response(await services.metrics.page(services.sql, services.db.now), media_type=CONTENT_TYPE_LATEST)
