"""The wheel, installed alone into an empty environment: it runs the README's first job, and is in nobody's way."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.conftest import ROOT, Engine


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT]
    subprocess.run(command, check=True, timeout=300)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the wheel and, beside it, this environment's packages, but without what points to the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    site = Path(
        subprocess.check_output([python, "-c", "import site; print(site.getsitepackages()[0])"], text=True).strip()
    )
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel]
    subprocess.run(command, check=True, timeout=300)
    # a folder that a .pth file names is searched, and its own .pth files are not read
    (site / "packages-of-the-tests.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder


def test_it_puts_nothing_but_its_own_name_among_others_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"llmcoder"}
    assert "llmcoder/py.typed" in names
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name]


def test_no_other_program_finds_the_application(environment: Path, tmp_path: Path) -> None:
    script = "from importlib.util import find_spec as f; print([n for n in ('api', 'tasks', 'models') if f(n)])"
    found = subprocess.check_output([environment / "bin" / "python", "-c", script], cwd=tmp_path, text=True)
    assert found.strip() == "[]"


def test_it_runs_the_first_job(
    environment: Path, start_engine: Callable[..., Engine], long_page: str, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    engine = start_engine(
        [str(environment / "bin" / "llmcoder")], elsewhere, PYTHONPATH="", DATA_DIR=str(tmp_path / "data")
    )
    done = engine.client.post("/document/summarize", json={"url": long_page}, headers={"Prefer": "wait=30"})
    assert (done.status_code, done.json()["state"]) == (200, "succeeded"), done.text
    assert list(elsewhere.iterdir()) == []
    words = " ".join(word for process in engine.processes("workers io") for word in process.cmdline())
    assert str(environment) in words and str(ROOT) not in words
