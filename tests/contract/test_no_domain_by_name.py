"""No process names a domain, by string either: what the engine needs an action for, it finds by its role."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmcoder.registry import Registry, discover

ROOT = Path(__file__).resolve().parents[2]
#: Migrations say what an older version called things, for ever.
OLD = ROOT / "models" / "migrations"
#: What ASGI calls an event, too.
OF_ASGI = "http.request"


def texts(folder: str) -> Iterator[tuple[str, str]]:
    """Every text in the code of a folder, by its file; but for examples in descriptions: nothing is decided by them."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        if OLD not in path.parents:
            tree = ast.parse(path.read_text())
            keywords = [one.value for one in ast.walk(tree) if isinstance(one, ast.keyword) and one.arg == "examples"]
            examples = {id(node) for value in keywords for node in ast.walk(value)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in examples:
                    yield str(path.relative_to(ROOT)), node.value


@pytest.mark.parametrize("folder", ["llmcoder", "models", "engine", "workers", "schedules", "api", "cli"])
def test_no_text_of_a_process_is_the_name_of_a_domains_action(folder: str) -> None:
    ours = {name for name, one in Registry(discover()).items() if one.function.__module__.startswith("tasks.")}
    assert len(ours) > 50
    assert not [(path, text) for path, text in texts(folder) if text in ours - {OF_ASGI}]


def test_a_name_in_the_code_of_a_domain_would_be_found() -> None:
    assert ("tasks/tasks/macro_actions.py", "tasks.start_macro") in set(texts("tasks"))
