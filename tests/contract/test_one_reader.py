"""JSON comes in and goes out in one place: a second reader takes, or a second writer makes, what others cannot."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from api.app import create_app
from api.http.bodies import StrictRoute
from api.http.deferred import DeferredRoutes
from llmcoder.config import Config
from llmcoder.log import OURS
from llmcoder.registry import Registry, discover

ROOT = Path(__file__).resolve().parents[2]
READERS = {"json", "orjson", "yaml", "pydantic_core"}
#: What may use them all the same, and why.
EXCUSED = {
    "llmcoder/strict_json.py": "it is the place",
    "llmcoder/form.py": "looks for JSON in a model's prose; what it finds is read by pydantic, which is as strict",
    "llmcoder/config_file.py": "the operator's own file, in which no setting may stand twice",
    "tasks/recipe/loose_json.py": "reads what templates of web pages get wrong; what comes of it is checked",
    "models/macros/text.py": "reads YAML by its events, and writes what was read so",
    "engine/doorbells.py": "a constant envelope with places for ids, of our own names",
    "api/http/bodies.py": "raises the error that FastAPI knows",
}


def _uses(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (f"line {node.lineno}: {one.name}" for one in node.names if one.name.split(".")[0] in READERS)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in READERS:
            names = {one.name for one in node.names}
            if node.module != "pydantic_core" or names & {"from_json", "to_json"}:
                yield f"line {node.lineno}: {node.module}"


def sources() -> list[Path]:
    return [path for folder in OURS for path in sorted((ROOT / folder).rglob("*.py"))]


def test_nothing_of_ours_reads_or_writes_json_by_itself() -> None:
    found = {str(path.relative_to(ROOT)): list(_uses(path)) for path in sources()}
    assert {name: uses for name, uses in found.items() if uses and name not in EXCUSED} == {}, (
        "use llmcoder.strict_json: `read` for what a user sends, `read_lenient` for what nobody could correct, `write`"
    )
    assert all(found[name] for name in EXCUSED), "an excuse that nobody needs any more"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    folder = tmp_path_factory.mktemp("data")
    return create_app(Config.open({"DATA_DIR": str(folder)}, cwd=folder), Registry(discover()))


def _all(routes: Iterable[Any]) -> Iterator[Any]:
    """With those of the routers that are taken in, and those that are made when somebody comes for them."""
    for route in routes:
        if isinstance(route, DeferredRoutes):
            yield from _all(route.routes())
            continue
        router = getattr(route, "original_router", None)
        yield from [route] if router is None else _all(router.routes)


def test_every_route_reads_its_body_strictly(app: FastAPI) -> None:
    routes = [route for route in _all(app.routes) if isinstance(route, APIRoute)]
    assert len(routes) > 50
    assert [route.path for route in routes if not isinstance(route, StrictRoute)] == []
