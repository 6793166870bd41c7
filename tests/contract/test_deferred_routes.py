"""Routes that are made when somebody comes for them: nobody comes for one that its addresses leave out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts

from api.app import create_app
from api.http.deferred import DeferredRoutes
from llmcoder.config import Config

PARAMETER = re.compile(r"\{[^}]*\}")


@pytest.fixture(scope="module")
def deferred(tmp_path_factory: pytest.TempPathFactory) -> list[DeferredRoutes]:
    folder = tmp_path_factory.mktemp("data")
    app = create_app(Config.open({"DATA_DIR": str(folder)}, cwd=folder))
    return [one for one in app.router.routes if isinstance(one, DeferredRoutes)]


def paths(routes: DeferredRoutes) -> Iterator[str]:
    for context in iter_route_contexts(list(routes.routes())):
        assert context.path is not None
        yield PARAMETER.sub("0", context.path)


def test_each_of_them_lies_at_or_below_an_address_of_its_own(deferred: list[DeferredRoutes]) -> None:
    for routes in deferred:
        found = list(paths(routes))
        assert [path for path in found if not routes.has_address(path)] == []
        assert found
    assert len(deferred) > 10


@pytest.mark.parametrize(
    ("path", "is_there"),
    [
        ("/notes", True),
        ("/notes/1/2", True),
        ("/notes2", False),
        ("/jobs/1/files", True),
        ("/jobs/1/files/a.csv", True),
        ("/jobs/1", False),
        ("/jobs", False),
        ("/files", False),
        ("", False),
    ],
)
def test_an_address_has_what_lies_below_it(path: str, is_there: bool) -> None:
    def never() -> Any:
        raise AssertionError("nobody asked for a route")

    assert DeferredRoutes(never, "/notes", "/jobs/*/files").has_address(path) is is_there
