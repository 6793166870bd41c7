"""No door looks at a header that the OpenAPI document does not name."""

from __future__ import annotations

import re

import httpx
import pytest
from served import Served
from starlette.datastructures import Headers

from llmcoder.ids import new_id

#: Of every HTTP request; OpenAPI has other places for them, and forbids three of them among the parameters.
GENERAL = {
    "accept", "authorization", "connection", "content-length", "content-type", "cookie", "host", "origin",
    "access-control-request-method", "transfer-encoding",
}  # fmt: skip
#: The caller is a provider, which sends what its own documentation says: signatures, times, the event's name.
OF_PROVIDERS = re.compile(r"^/(hooks/\{hook_id\}|\w+/(events|commands|interactions))$")
ENDLESS = "/jobs/stream"


def test_no_door_looks_at_a_header_that_is_not_documented(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    seen: set[str] = set()
    get, item = Headers.getlist, Headers.__getitem__
    monkeypatch.setattr(Headers, "getlist", lambda own, name: asked.add(name.lower()) or get(own, name))
    monkeypatch.setattr(Headers, "__getitem__", lambda own, name: asked.add(name.lower()) or item(own, name))
    with httpx.Client(base_url=served.url, timeout=60) as client:
        for path, operations in served.app.openapi()["paths"].items():
            for method, operation in operations.items():
                if OF_PROVIDERS.match(path) or path == ENDLESS:
                    continue
                asked.clear()
                token = served.token(served.users["root"])  # another one each time, since one door ends it
                address = re.sub(r"\{\w+\}", str(new_id()), path)
                client.request(method, address, headers={"authorization": f"Bearer {token}"})
                named = {given["name"].lower() for given in operation.get("parameters", ()) if given["in"] == "header"}
                assert asked - GENERAL <= named, (method, path)
                seen |= asked
    assert {"if-none-match", "device-token"} <= seen, "it does not see what is asked for"
