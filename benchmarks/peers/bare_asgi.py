"""The least that uvicorn can serve; what the load client reaches here is its ceiling."""

from __future__ import annotations

from typing import Any

BODY = b'{"id": "00000000-0000-0000-0000-000000000000"}'
START = {
    "type": "http.response.start",
    "status": 202,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))],
}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await receive()
        await send(START)
        await send({"type": "http.response.body", "body": BODY})
