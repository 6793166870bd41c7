"""What generators of clients make of the OpenAPI document: each schema is one class, each header has its name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import create_model

from api.app import create_app
from api.http.document import describe
from api.http.lean import LeanRoute
from llmcoder.config import Config
from llmcoder.registry import registry


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("app")
    return create_app(Config.open({"DATA_DIR": str(folder / "data")}, cwd=folder))


@pytest.fixture(scope="module")
def document(app: Any) -> dict[str, Any]:
    found: dict[str, Any] = app.openapi()
    return found


def test_every_schema_has_a_name_of_its_own(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert [name for name in schemas if "__" in name] == [], "two classes share a name, so FastAPI wrote their modules"
    for names in (list(schemas), [schema.get("title", name) for name, schema in schemas.items()]):
        classes = Counter(re.sub(r"\W|_", "", name).lower() for name in names)
        assert [name for name, count in classes.items() if count > 1] == []


def test_the_schemas_of_a_plug_in_that_are_called_as_ours_are_told_apart() -> None:
    first = create_model("Note", __module__="a", text=(str, ...))
    second = create_model("Note", __module__="b", size=(int, ...))
    app = FastAPI()
    app.add_api_route("/first", lambda: None, response_model=first)
    app.add_api_route("/second", lambda: None, response_model=second)
    schemas = describe(app)()["components"]["schemas"]
    assert {name: one["title"] for name, one in schemas.items() if "Note" in name} == {
        "a__Note": "a__Note", "b__Note": "b__Note",
    }  # fmt: skip


def test_every_limit_stands_under_its_name_in_json_schema(document: dict[str, Any]) -> None:
    """Pydantic writes `ge` instead of `minimum` where a validator stands between a number and its limit."""
    pythons = {"ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "decimal_places", "max_digits"}
    assert [schema for schema in objects_in(document) if "type" in schema and pythons & schema.keys()] == []


def test_every_reference_leads_to_a_schema_and_a_job_is_one(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    found = set(references(document))
    assert found <= {f"#/components/schemas/{name}" for name in schemas}
    assert "#/components/schemas/JobView" in found
    assert {"id", "state", "action"} <= schemas["JobView"]["properties"].keys()


def references(part: Any) -> Iterator[str]:
    return (one["$ref"] for one in objects_in(part) if isinstance(one.get("$ref"), str))


def objects_in(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
    for one in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from objects_in(one)


def test_operations_have_ids_of_their_own(document: dict[str, Any]) -> None:
    ids = Counter(
        operation["operationId"] for operations in document["paths"].values() for operation in operations.values()
    )
    assert [name for name, count in ids.items() if count > 1] == []


def documented(operation: dict[str, Any]) -> set[str]:
    return {given["name"].lower() for given in operation.get("parameters", ()) if given["in"] == "header"}


def test_every_door_of_an_action_documents_the_headers_that_all_of_them_honour(
    app: Any, document: dict[str, Any]
) -> None:
    routes = [route for route in app.router.routes if isinstance(route, LeanRoute)]
    reads = [action for action in registry().values() if action.effect.value == "read"]
    assert len([route for route in routes if "GET" in route.methods]) == len(reads) > 0
    for route in routes:
        for method in route.methods:
            operation = document["paths"][route.path][method.lower()]
            assert documented(operation) == {"idempotency-key", "prefer"}, (method, route.path)


def test_nothing_of_ours_reads_headers_past_the_framework() -> None:
    """Else `tests/security/test_documented_headers.py` could not see it."""
    root = Path(__file__).resolve().parents[2]
    names = {
        name.decode() if isinstance(name, bytes) else name
        for file in (root / "api").rglob("*.py")
        for name in re.findall(r"\.header\(b\"([\w-]+)\"\)", file.read_text())
    }
    assert names == {"authorization", "idempotency-key", "prefer"}
