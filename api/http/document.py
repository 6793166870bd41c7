"""The OpenAPI document: FastAPI's, with what is true of every operation said once, so that no new route forgets it."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.warnings import UnsupportedFieldAttributeWarning
from starlette.routing import BaseRoute

from api.http.deferred import DeferredRoutes
from api.http.job_view import Problem, problems
from api.http.lean import LeanRoute

# FastAPI keeps it quiet where it makes the fields of a route; those of actions are built later, with this document.
warnings.filterwarnings("ignore", category=UnsupportedFieldAttributeWarning)

#: Says of an operation that only an administrator may ask for it; strangers do not see that there is one.
_MARK = "x-administrators-only"
FOR_ADMINISTRATORS = {_MARK: True}
_REFERENCE = "#/components/schemas/"


def describe(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """What `app.openapi` is to be; FastAPI's documentation gives this way. It loads every domain."""
    lock = Lock()

    def openapi() -> dict[str, Any]:
        with lock:
            if app.openapi_schema is None:
                document = get_openapi(
                    title=app.title, version=app.version, openapi_version=app.openapi_version,
                    description=app.description, routes=list(_documented(app.routes)),
                )  # fmt: skip
                _describe_problems(document)
                _name_apart(document["components"]["schemas"])
                for operation in _operations(document):
                    _describe_refusals(operation)
                app.openapi_schema = document
            return app.openapi_schema

    return openapi


def _documented(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """As FastAPI knows them; some are something leaner until they are to be documented."""
    for route in routes:
        if isinstance(route, LeanRoute):
            yield route.documented()
        elif isinstance(route, DeferredRoutes):
            yield from route.routes()
        else:
            yield route


def for_everybody(document: dict[str, Any]) -> dict[str, Any]:
    """The document without what is for administrators only: their operations, and the schemas that only these name."""
    hidden: dict[str, Any] = {}
    shown: dict[str, Any] = {}
    for path, by_method in document["paths"].items():
        for method, operation in by_method.items():
            (hidden if operation.get(_MARK) else shown).setdefault(path, {})[method] = operation
    if not hidden:
        return document
    schemas = document["components"]["schemas"]
    secret = _named_in(hidden, schemas) - _named_in(shown, schemas)
    kept = {name: schema for name, schema in schemas.items() if name not in secret}
    return document | {"paths": shown, "components": document["components"] | {"schemas": kept}}


def _named_in(part: Any, schemas: dict[str, Any]) -> set[str]:
    """The schemas that a part of the document names, and those that they name."""
    found: set[str] = set()
    waiting = [part]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(one.values())
            name = str(one.get("$ref", "")).removeprefix(_REFERENCE)
            if name in schemas and name not in found:
                found.add(name)
                waiting.append(schemas[name])
        elif isinstance(one, list):
            waiting.extend(one)
    return found


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for by_method in document["paths"].values():
        yield from by_method.values()


def _describe_problems(document: dict[str, Any]) -> None:
    """Ours, where FastAPI describes validation errors of its own."""
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema()


def _name_apart(schemas: dict[str, dict[str, Any]]) -> None:
    """Generators call a class by its title: of two with one title they drop one, and whatever refers to it.

    Ours differ (a test says so); those of a plug-in may be called as ours are.
    """
    titles = Counter(schema.get("title") for schema in schemas.values())
    for name, schema in schemas.items():
        if titles[schema.get("title")] > 1:
            schema["title"] = name


def _describe_refusals(operation: dict[str, Any]) -> None:
    """Answers of the layers that every request passes, and of what stands behind every route with a caller."""
    responses = operation["responses"]
    if "422" in responses:
        responses["422"] = problems(422)[422]
    refused = []
    if operation.get("requestBody"):
        refused += [400, 413, 503]
    if any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
        refused.append(414)
    if operation.get("security"):
        refused += [401, 503]
    for status in refused:
        responses.setdefault(str(status), problems(status)[status])
