"""What takes long: said at the end, and left out where it says so itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = """
import tests.slow

tests.slow.LONG_S = 0.05

def pytest_configure(config):
    config.addinivalue_line("markers", "slow(reason): left out")
    config.addinivalue_line("markers", "long(reason): not left out")
    config.pluginmanager.register(tests.slow.SlowTests(config))
"""
TESTS = """
import time
import pytest

@pytest.mark.slow("naps")
def test_that_says_so(): time.sleep(0.1)

@pytest.mark.long("is worth it")
def test_that_says_that_it_is_worth_it(): time.sleep(0.1)

def test_that_does_not(): time.sleep(0.1)

def test_that_is_short(): pass
"""


def run(folder: Path, *words: str, tests: str = TESTS) -> str:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_some.py").write_text(tests)
    command = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(folder), *words, str(folder)]
    # each plugin that happens to be installed is loaded otherwise: two seconds of a process
    alone = {"PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environ = os.environ | {"PYTHONPATH": str(ROOT), **alone}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr


@pytest.mark.parametrize("processes", ["0", "2"])
def test_what_takes_long_without_a_word_is_named_and_what_was_left_out_is_counted(
    tmp_path: Path, processes: str
) -> None:
    shown = run(tmp_path, "-p", "xdist.plugin", "-n", processes, "-m", "not slow")
    assert "do not say why" in shown and "test_some.py::test_that_does_not" in shown
    assert "test_that_is_short" not in shown and "worth_it" not in shown and "3 passed" in shown
    assert "slow tests that were left out: 1; `make test-slow` runs them" in shown


def test_nothing_is_said_of_what_says_why_and_runs(tmp_path: Path) -> None:
    shown = run(tmp_path, "-m", "slow")
    assert "1 passed" in shown
    assert "do not say why" not in shown and "left out" not in shown


@pytest.mark.parametrize("mark", ["slow", "slow()", 'slow(" ")', "slow(10)", "long", "long()"])
def test_a_mark_without_its_reason_is_refused(tmp_path: Path, mark: str) -> None:
    shown = run(tmp_path, tests=f"import pytest\n@pytest.mark.{mark}\ndef test_it(): pass\n")
    assert "why it takes more than" in shown
