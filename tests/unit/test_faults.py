"""Named points for faults: the list and the program say the same, and neither can be misspelt."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmcoder import faults

ROOT = Path(__file__).parents[2]
SOURCES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]


def calls_of_reach() -> Iterator[tuple[str, ast.Call]]:
    for folder in SOURCES:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and "reach" in (
                    getattr(node.func, "attr", None),
                    getattr(node.func, "id", None),
                ):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_the_points_of_the_program_are_those_of_the_list() -> None:
    reached: dict[str, str] = {}
    for where, call in calls_of_reach():
        (point,) = call.args
        assert isinstance(point, ast.Constant), f"{where}: a point is named where it is reached"
        reached[str(point.value)] = where
    assert reached.keys() - faults.POINTS == set(), f"cannot be planted: {reached}"
    assert faults.POINTS - reached.keys() == set(), "is planted in vain: nothing reaches it"


@pytest.mark.parametrize("point", sorted(faults.POINTS))
def test_every_point_can_be_planted(point: str) -> None:
    assert faults.planted(f"{point}=nap:0.5:0.1") == {point: ("nap", 0.5, 0.1)}


@pytest.mark.parametrize("text", ["webhooks.after_sent=kill", "worker.after_arm=burn", "worker.after_arm=nap:1:1:1"])
def test_what_cannot_be_planted_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="point=what"):
        faults.planted(text)


def test_a_point_that_is_not_in_the_list_fails_where_it_is_reached() -> None:
    faults.reach("webhooks.after_send")
    with pytest.raises(LookupError, match=r"webhooks\.after_sent"):
        faults.reach("webhooks.after_sent")
