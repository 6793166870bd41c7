"""Follows docs/adding-an-integration.md word by word in a copy of the project, and looks at every door."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from llmcoder.log import OURS

ROOT = Path(__file__).resolve().parents[2]
FILE = re.compile(r"^`([\w/.]+)`\n\n```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("checkout")
    for name in (*OURS, "tests", "pyproject.toml"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name)  # with what is compiled, which would be half of the work
        else:
            shutil.copyfile(source, copy / name)
    page = (ROOT / "docs" / "adding-an-integration.md").read_text()
    files = FILE.findall(page)
    assert len(files) == 6, [name for name, _ in files]
    for name, text in files:
        path = copy / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return copy


def python(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {"PYTHONPATH": str(checkout), "PATH": "/usr/bin:/bin", "DATA_DIR": str(checkout / "data"), "CI": ""}
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # each that happens to be installed: two seconds of a process
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True, timeout=100, check=False)


def test_the_page_s_own_test_and_the_contracts_of_every_action_pass(checkout: Path) -> None:
    its_own_and_what_is_asked_of_all = "pastes or not ["  # what is asked of another action is not asked once more here
    looked_at = ("tests/domains/pastes", "tests/contract/test_actions.py", "-k", its_own_and_what_is_asked_of_all)
    done = python(checkout, "-m", "pytest", "-p", "no:cacheprovider", "-p", "pytest_timeout", *looked_at)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_every_door_has_the_new_action(checkout: Path) -> None:
    script = """
from api.app import create_app
from llmcoder.registry import registry
from llmcoder.config import config
config().register(*registry().settings())
paths = create_app().openapi()["paths"]
assert "post" in paths["/pastes/keep_text"], sorted(paths)
assert registry()["pastes.keep_text"].input_schema["properties"]["text"]["description"] == "The text to keep."
assert registry()["pastes.keep_text"].undo.action.name == "pastes.remove_text"
assert registry().rates["pastes"].calls == 60
assert sorted(registry().connections()["pastes"].form()["properties"]) == ["token", "url"]
assert {view.name for view in config().describe()} >= {"PASTE_URL", "PASTE_TOKEN"}
from workers.app import app
assert "pastes.keep_text" in app.tasks
"""
    done = python(checkout, "-c", script)
    assert done.returncode == 0, done.stderr


def test_the_command_line_shows_it(checkout: Path) -> None:
    done = python(checkout, "-m", "cli", "actions", "pastes.keep_text")
    assert done.returncode == 0, done.stderr
    assert "Keep a text under an address" in done.stdout
