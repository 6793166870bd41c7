"""Public CI proves what `.ci/run` proves, by its parts and by nothing of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / ".ci" / "run"
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
STEPS = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
COMMANDS = [step["run"].split() for step in STEPS if "run" in step]


def parts() -> list[str]:
    found = re.search(r"^all='([a-z ]+)'$", RUN.read_text(), re.MULTILINE)
    assert found is not None
    return found[1].split()


def test_every_step_is_a_part_of_ours_or_the_checkout() -> None:
    assert {command[0] for command in COMMANDS} == {".ci/run"}
    assert {step["uses"].partition("@")[0] for step in STEPS if "uses" in step} == {"actions/checkout"}


def test_no_part_is_left_out_and_none_is_unknown() -> None:
    assert {part for command in COMMANDS for part in command[1:]} == set(parts())


def test_the_tests_run_on_every_python_from_the_oldest_that_we_promise() -> None:
    versions = WORKFLOW["jobs"]["tests"]["strategy"]["matrix"]["python"]
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    assert versions == ["3.11", "3.12", "3.13", "3.14"]
    assert versions[0] == oldest


@pytest.mark.parametrize("part", ["nothing", "test", "tests nothing"])
def test_a_part_that_is_none_is_refused_before_anything_runs(part: str) -> None:
    done = subprocess.run([RUN, *part.split()], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no part is called" in done.stderr


def test_every_part_is_a_function_of_the_script() -> None:
    names = re.findall(r"^(\w+)\(\) \{", RUN.read_text(), re.MULTILINE)
    assert set(parts()) <= set(names)


@pytest.mark.parametrize(("answer", "code", "told"), [("true", 0, r"lint +\d+ s"), ("false", 2, "lint +did not end")])
def test_a_run_ends_with_the_times_of_its_parts_also_where_one_failed(
    tmp_path: Path, answer: str, code: int, told: str
) -> None:
    checkout = tmp_path / "checkout"
    (checkout / ".ci").mkdir(parents=True)
    (tmp_path / "shared").mkdir()
    shutil.copy(RUN, checkout / ".ci" / "run")
    (checkout / "Makefile").write_text(f"lint:\n\t@{answer}\n")
    done = subprocess.run([checkout / ".ci" / "run", "lint", "lint"], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    table = done.stdout.partition("== how long it took\n")[2]
    assert re.search(told, table), done.stdout
    assert re.search(r"^all +\d+ s$", table, re.MULTILINE)
