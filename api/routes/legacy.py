"""The Flask application under /legacy: addresses of the old, synchronous service, kept for those who still have them.

It does no work of its own. An old address answers with 308, which keeps method, body and headers, and points at the
route that makes a job of it; a client that follows redirects gets a job where it used to get a result, and can ask for
the result with `Prefer: wait=N`. Flask is loaded with the first request that comes here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from llmcoder.errors import NotFound, problem_type
from llmcoder.registry import Registry

if TYPE_CHECKING:
    from flask import Flask, Response

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
THREADS = 2
DEFECT = "This is a defect of the service; its log has more."

log = structlog.get_logger(__name__)


class Lazy:
    """ASGI: becomes the Flask application when it is first asked for something."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            from a2wsgi import WSGIMiddleware

            self._app = WSGIMiddleware(flask_app(self._registry), workers=THREADS)  # type: ignore[arg-type,assignment]
        assert self._app is not None
        await self._app(scope, receive, send)


def flask_app(registry: Registry) -> Flask:
    """The application; its addresses are relative to where it is mounted."""
    from flask import Flask, jsonify, redirect, request
    from werkzeug.exceptions import HTTPException

    app = Flask("legacy", static_folder=None)

    @app.get("/")
    def index() -> Response:
        offered = [name for name, one in registry.items() if not one.administrators_only]
        routes = {f"/legacy/{name.replace('.', '/')}": f"/{name.replace('.', '/')}" for name in offered}
        return jsonify(detail="These addresses moved; each answers 308 with the new one.", moved=routes)

    @app.route("/<domain>/<verb>", methods=METHODS)
    def moved(domain: str, verb: str) -> Any:
        action = registry.find(f"{domain}.{verb}")
        query = request.query_string.decode("latin-1")
        return redirect(f"/{action.domain}/{action.verb}" + (f"?{query}" if query else ""), 308)

    @app.errorhandler(NotFound)
    def unknown(error: NotFound) -> Response:
        return answer(error.status, error.as_problem())

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Any:
        if error.code is None or error.code < 400:  # a redirect is raised, too
            return error
        return answer(error.code, {"title": error.name, "detail": error.description}, _slug(error.name))

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        """Flask would answer with a page."""
        log.exception("unexpected error", method=request.method, path=request.path)
        return answer(500, {"title": "Something went wrong here", "detail": DEFECT}, "internal")

    def answer(status: int, body: dict[str, Any], slug: str | None = None) -> Response:
        kind = {"type": problem_type(slug)} if slug else {}
        said = jsonify(kind | body | {"status": status})
        said.status_code = status
        said.mimetype = "application/problem+json"
        return said

    return app


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")
