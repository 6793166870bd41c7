"""How the bodies of requests are read: as JSON that every part of the engine takes, on some routes as YAML, too."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, get_args, get_type_hints

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from api.http.problems import errors_at
from llmcoder import strict_json
from llmcoder.errors import BadInput
from llmcoder.model import Model

YAML = ("application/yaml", "application/x-yaml", "text/yaml")
Handle = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRequest(Request):
    """Reads a body by our own reader: Python's takes NaN, 1e999, half of a character and a thousand levels."""

    refusal: BadInput | None = None

    async def json(self) -> Any:
        try:
            return strict_json.read(await self.body(), strict_json.MOST_CONTAINERS)
        except strict_json.NotTaken as error:
            self.refusal = BadInput(f"The body cannot be kept: {error}.")
            raise self.refusal from None
        except strict_json.NotJson as error:
            raise json.JSONDecodeError(str(error), "", 0) from None  # the error that FastAPI answers with 400


class StrictRoute(APIRoute):
    """A route whose body is read so, and refused in one word where thousands of its places are wrong.

    FastAPI describes each of them, twice, with what was given there: of 60,000 unknown names for half a second, in
    which the process answers nobody else.
    """

    def __init__(self, *args: Any, **said: Any) -> None:
        super().__init__(*args, **said)
        for field in self.dependant.body_params:
            field.validate = partial(_validate, field._type_adapter)  # type: ignore[method-assign]

    def get_route_handler(self) -> Handle:
        handle = super().get_route_handler()

        async def read(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            try:
                return await handle(strict)
            except HTTPException as error:  # FastAPI makes one of whatever is raised while a body is read
                raise (strict.refusal or error) from None

        return read


def _validate(
    adapter: TypeAdapter[Any], value: Any, _values: dict[str, Any], *, loc: tuple[int | str, ...] = ()
) -> tuple[Any, list[dict[str, Any]]]:
    """As `ModelField.validate` of FastAPI does."""
    try:
        return adapter.validate_python(value, from_attributes=True), []
    except ValidationError as error:
        return None, errors_at(error, *loc)


class YamlRoute(StrictRoute):
    """A route whose body may be YAML, which is read as if it had come as JSON."""

    def get_route_handler(self) -> Handle:
        handle = super().get_route_handler()

        async def read(request: Request) -> Response:
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            return await handle(await _as_json(request) if kind in YAML else request)

        return read


def unique_id(route: APIRoute) -> str:
    """What an operation is called in the OpenAPI document, and in clients generated from it."""
    return route.name


class Router(APIRouter):
    """A router whose routes read their bodies strictly, unless they are told otherwise."""

    def __init__(self, *args: Any, **said: Any) -> None:
        usual = {"route_class": StrictRoute, "generate_unique_id_function": unique_id}
        super().__init__(*args, **{**usual, **said})

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **said: Any) -> None:
        for annotation in get_type_hints(endpoint).values():
            _build_now(annotation)
        super().add_api_route(path, endpoint, **said)


def _build_now(annotation: Any) -> None:
    """Have a model's validator built before FastAPI makes its own of it, which it cannot make later without warnings.

    Other models are built when first used, see `llmcoder.model`; what our own routes take is used here.
    """
    if isinstance(annotation, type) and issubclass(annotation, Model) and annotation.model_config.get("defer_build"):
        annotation.model_config["defer_build"] = False
        annotation.model_rebuild()
    for inner in get_args(annotation):
        _build_now(inner)


async def _as_json(request: Request) -> Request:
    from models.macros.text import from_yaml

    value = await run_in_threadpool(from_yaml, await request.body())  # a document takes up to a second
    body = strict_json.write_bytes(value)
    others = [
        (name, value) for name, value in request.scope["headers"] if name not in (b"content-type", b"content-length")
    ]
    headers = [*others, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({**request.scope, "headers": headers}, receive)
