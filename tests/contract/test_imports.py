"""What importing a process costs and who may import whom: no vendor SDK until it is used, and one direction only."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator, Set
from functools import cache
from pathlib import Path

import pytest

import llmcoder
from llmcoder.log import OURS
from llmcoder.states import State

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = ["workers.__main__", "workers.app", "api.__main__", "schedules.__main__"]


@cache
def lazily_imported() -> Set[str]:
    """Top-level packages that a domain imports inside a function: its vendors' SDKs and other heavy libraries."""
    found = {name for path in (ROOT / "tasks").rglob("*.py") for name in _imported_in_functions(path)}
    return found - sys.stdlib_module_names - {"llmcoder", "models", "tasks"}


def _imported_in_functions(path: Path) -> Iterator[str]:
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    yield from (alias.name.partition(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    yield node.module.partition(".")[0]


def modules_after(code: str, data_dir: Path) -> set[str]:
    """What a new interpreter has loaded after the code."""
    environ = {**os.environ, "DATA_DIR": str(data_dir)}
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_there_are_sdks_to_keep_out() -> None:
    assert {"openai", "ollama"} <= lazily_imported()


@pytest.mark.parametrize("module", PROCESSES)
def test_no_process_loads_a_vendors_sdk_at_its_start(module: str, tmp_path: Path) -> None:
    loaded = modules_after(f"import {module}\nfrom llmcoder.registry import registry\nregistry()", tmp_path)
    assert lazily_imported() & {name.partition(".")[0] for name in loaded} == set()


def test_a_worker_does_not_load_flower(tmp_path: Path) -> None:
    """Celery's command line loads every command that is installed: 13 MB of Flower and Tornado in each worker."""
    code = "import os, sys\nfrom workers.__main__ import run\nfrom workers.app import app\n"
    code += "sys.stdout = open(os.devnull, 'w')\nassert run(app, ['--help']) == 0\nsys.stdout = sys.__stdout__"
    loaded = {name.partition(".")[0] for name in modules_after(code, tmp_path)}
    assert "celery" in loaded
    assert {"flower", "tornado", "prometheus_client"} & loaded == set()


def test_the_kernel_loads_neither_the_database_nor_the_broker(tmp_path: Path) -> None:
    loaded = modules_after("import llmcoder", tmp_path)
    assert {"sqlalchemy", "celery", "kombu", "redis", "fastapi"} & loaded == set()


def test_dependencies_point_one_way() -> None:
    lint = subprocess.run([Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True)
    assert lint.returncode == 0, lint.stdout


def test_jobs_come_into_the_database_in_one_way() -> None:
    """What inserts a row must reserve its doorbell before and ring after the commit; written twice, one forgets."""
    callers = {
        str(path.relative_to(ROOT))
        for folder in OURS
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("jobs.insert", "store.insert")
    }
    assert callers == {"engine/enqueue.py"}


def test_states_of_jobs_are_values_of_their_own_kind_and_no_bare_words() -> None:
    words = {state.value for state in State}
    bare = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in OURS
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare)
        for side in ast.walk(node)
        if isinstance(side, ast.Constant) and side.value in words
    ]
    assert bare == []


def test_the_kernel_gives_every_name_that_it_promises() -> None:
    assert set(llmcoder.__all__) == set(llmcoder._MODULE_OF)
    assert all(getattr(llmcoder, name).__name__ == name for name in llmcoder.__all__ if name != "Marker")
