"""What takes long says why, by a mark: `slow` where `make test` leaves it out, `long` where it is worth its time there.

A plugin of the suite, see tests/conftest.py. How long a test took is told and never a failure: a busy machine is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

LONG_S = 10.0
KEY = "slow tests left out"


class SlowTests:
    """One run's, or one process's of a run on several."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._left_out: set[str] = set()
        self._unsaid: dict[str, float] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Refuse a mark without its reason."""
        for item in items:
            for mark in (*item.iter_markers("slow"), *item.iter_markers("long")):
                if len(mark.args) != 1 or not isinstance(mark.args[0], str) or not mark.args[0].strip():
                    wanted = f'@pytest.mark.{mark.name}("why it takes more than {LONG_S:g} s")'
                    raise pytest.UsageError(f"{item.nodeid}: {wanted}")

    def pytest_deselected(self, items: Iterable[pytest.Item]) -> None:
        self._left_out |= {item.nodeid for item in items if item.get_closest_marker("slow") is not None}

    def pytest_sessionfinish(self) -> None:
        """In a process of several: tell the one that speaks."""
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput[KEY] = sorted(self._left_out)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._left_out |= set(getattr(node, "workeroutput", {}).get(KEY, ()))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.duration > LONG_S and not {"slow", "long"} & report.keywords.keys():
            self._unsaid[report.nodeid] = report.duration

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._unsaid:
            terminalreporter.section(f"took more than {LONG_S:g} s and do not say why, by a mark `slow` or `long`")
            for name, took_s in sorted(self._unsaid.items(), key=lambda one: -one[1]):
                terminalreporter.line(f"{took_s:6.1f} s {name}")
        if self._left_out:
            terminalreporter.line(f"slow tests that were left out: {len(self._left_out)}; `make test-slow` runs them")
