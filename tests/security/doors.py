"""Every door of the application, read from its own routes, so that nobody has to remember a new one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount, WebSocketRoute

from api.http.deferred import DeferredRoutes
from llmcoder.file import MARK
from llmcoder.registry import Registry

PARAMETER = re.compile(r"\{(\w+)[^}]*\}")
#: What a parameter may look like stands in a route's path, and in no document.
CONVERTOR = re.compile(r":\w+\}")


@dataclass(frozen=True, order=True)
class Door:
    """One method at one address; `WS` and `MOUNT` stand for what has no method."""

    path: str
    method: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        return PARAMETER.findall(self.path)

    def address(self, **values: object) -> str:
        return PARAMETER.sub(lambda found: str(values[found[1]]), self.path)


def doors_of(app: FastAPI) -> list[Door]:
    return sorted(set(_doors(app)))


def _doors(app: FastAPI) -> Iterator[Door]:
    made = [one.routes() if isinstance(one, DeferredRoutes) else [one] for one in app.router.routes]
    for route in iter_route_contexts([one for some in made for one in some]):
        assert route.path is not None, f"a route without an address: {route}"
        path = CONVERTOR.sub("}", route.path)
        if route.methods:
            yield from (Door(path, method) for method in route.methods - {"HEAD"})
        elif isinstance(route.original_route, WebSocketRoute):
            yield Door(path, "WS")
        else:
            assert isinstance(route.original_route, Mount), f"a route of an unknown kind: {route}"
            yield Door(path, "MOUNT")


def doors_of_actions(registry: Registry) -> set[str]:
    """They take an input and give back a new job of the caller's."""
    paths = [f"/{action.domain}/{action.verb}" for action in registry.values()]
    legacy = {f"{method} /legacy/{{domain}}/{{verb}}" for method in ("GET", "POST")}
    return {"POST /jobs", *legacy, *(f"{method} {path}" for path in paths for method in ("GET", "POST"))}


def doors_of_hooks(registry: Registry) -> set[str]:
    """They know nobody by a token of ours; whom a call is for, its domain finds out and tests."""
    return {f"POST /{hook.path}" for hook in registry.hooks()}


def ids_in(schema: Any, where: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The places of an input that take an id, by its JSON schema; `[]` stands for a place in a list."""
    if not isinstance(schema, dict) or schema.get(MARK):  # files of others: tests/integration/test_files_http.py
        return
    if schema.get("format") == "uuid":
        yield where
    for name, one in schema.get("properties", {}).items():
        yield from ids_in(one, (*where, name))
    if "items" in schema:
        yield from ids_in(schema["items"], (*where, "[]"))
    for one in schema.get("anyOf", []):
        yield from ids_in(one, where)
