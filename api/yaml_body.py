"""A route whose body may be YAML instead of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from models.macros.text import from_yaml

_OF_THE_BODY = (b"content-type", b"content-length")
YAML = ("application/yaml", "application/x-yaml", "text/yaml")


class YamlRoute(APIRoute):
    """Reads such a body as if it had come as JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def read(request: Request) -> Response:
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            return await handle(await _as_json(request) if kind in YAML else request)

        return read


async def _as_json(request: Request) -> Request:
    body = json.dumps(from_yaml(await request.body())).encode()  # numbers have any size here, and orjson's do not
    others = [
        (name, value) for name, value in request.scope["headers"] if name not in (b"content-type", b"content-length")
    ]
    headers = [*others, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({**request.scope, "headers": headers}, receive)
