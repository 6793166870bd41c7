"""The two pages for people: `/`, what runs here, and `/docs`, the OpenAPI document to read and try.

All that they load comes from here, so they work without the internet and no foreign code runs beside a user's token:
Swagger UI out of the wheel of `fastapi-offline` (of which nothing is imported), and the few lines below. No script and
no style stands in a page itself, so the Content-Security-Policy allows this service's files and nothing else. Their
addresses are relative: a proxy may serve the engine under a path of its own.
"""

from __future__ import annotations

import asyncio
from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, JSONResponse, Response

from api.auth.identity import Unauthorized
from api.http.bodies import Router
from api.http.document import for_everybody
from llmcoder.version import VERSION

if TYPE_CHECKING:
    from api.health_checks import Check
    from api.services import Services

#: A browser may keep what changes with a version of the engine only.
KEPT = {"cache-control": "public, max-age=3600"}
LINKS = {
    "docs": ("docs", "Documentation of the API, to read and try"),
    "openapi": ("openapi.json", "The same as an OpenAPI document"),
    "actions": ("actions", "What can be done (after a login)"),
    "ready": ("health/ready", "Health"),
    "metrics": ("metrics", "Figures for Prometheus"),
}

START = """\
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "none",
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
});
"""

STYLE = """\
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; }
dt { font-weight: 600; margin-top: .5rem; }
dd { margin: 0 0 0 1rem; }
.ok::before { content: "● "; color: #2a9d4a; }
.failed::before { content: "● "; color: #c62828; }
"""

DOCS = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>LLMCoder: API</title>
<link rel="icon" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

HOME = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>LLMCoder</title>
<link rel="icon" href="docs/favicon.png">
<link rel="stylesheet" href="docs/page.css">
</head>
<body>
<h1>LLMCoder {version}</h1>
<p>An engine for background work: every action is a durable job, and nothing is silently done twice.</p>
<ul>
{links}
</ul>
<h2>Health</h2>
<dl>
{checks}
</dl>
</body>
</html>
"""

router = Router(include_in_schema=False)


@router.get("/")
async def home(request: Request) -> Response:
    """What runs here: a page for a browser, JSON for everybody else."""
    if not _wants_page(request.headers.get("accept", "")):
        root = request.scope.get("root_path", "")
        links = {name: f"{root}/{address}" for name, (address, _) in LINKS.items()}
        return JSONResponse({"name": "LLMCoder", "version": VERSION, **links}, headers={"vary": "accept"})
    services: Services = request.app.state.services
    page = _home(await services.health.report())
    return Response(page, media_type="text/html", headers={"vary": "accept"})


def _wants_page(accept: str) -> bool:
    """Browsers name text/html first; curl and the clients of other languages do not name it at all."""
    return any(part.partition(";")[0].strip().lower() == "text/html" for part in accept.split(","))


def _home(checks: dict[str, Check]) -> str:
    links = "\n".join(f'<li><a href="{address}">{escape(text)}</a></li>' for address, text in LINKS.values())
    shown = "\n".join(
        f'<dt class="{check.status}">{escape(name)}</dt>\n<dd>{escape(check.detail)}</dd>'
        for name, check in checks.items()
    )
    return HOME.format(version=VERSION, links=links, checks=shown)


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The OpenAPI document. What is for administrators only stands in it for those who ask with their token."""
    made = await run_in_threadpool(request.app.openapi)
    root = request.scope.get("root_path", "").rstrip("/")
    shown = made if await _is_administrator(request) else for_everybody(made)
    servers = {"servers": [{"url": root}]} if root else {}
    return JSONResponse(shown | servers, headers={"vary": "authorization"})


async def _is_administrator(request: Request) -> bool:
    """Whoever proves nothing sees what strangers see."""
    if "authorization" not in request.headers:
        return False
    services: Services = request.app.state.services
    try:
        return (await services.identities.identify(request.headers)).is_admin
    except Unauthorized:
        return False


@router.get("/docs")
async def docs() -> Response:
    """Swagger UI on our document."""
    return Response(DOCS, media_type="text/html")


@router.get("/docs/start.js")
async def start() -> Response:
    return Response(START, media_type="text/javascript", headers=KEPT)


@router.get("/docs/page.css")
async def style() -> Response:
    return Response(STYLE, media_type="text/css", headers=KEPT)


@router.get("/docs/swagger-ui-bundle.js")
async def bundle() -> Response:
    return await _packed("swagger-ui-bundle.js")


@router.get("/docs/swagger-ui.css")
async def bundle_style() -> Response:
    return await _packed("swagger-ui.css")


@router.get("/docs/favicon.png")
async def favicon() -> Response:
    return await _packed("favicon.png")


async def _packed(name: str) -> Response:
    folder = await asyncio.to_thread(_static_folder)
    return FileResponse(folder / name, headers=KEPT)


@cache
def _static_folder() -> Path:
    """Of the wheel; its code, which would patch FastAPI, is not imported."""
    spec = find_spec("fastapi_offline")
    assert spec is not None and spec.origin is not None, "fastapi-offline is a dependency"
    return Path(spec.origin).parent / "static"
