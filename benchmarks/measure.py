"""What a measurement is, and how its rounds interleave: A B C A B C, so that a busy minute hits all alike.

All contestants stand ready before the first round and idle while another has its turn, so that turns can be short.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from statistics import median

Figures = dict[str, float]


@dataclass(frozen=True)
class Column:
    """One figure of every contestant; `key` is its name in what a turn returns."""

    key: str
    title: str
    digits: int = 0


Turn = Callable[[], Figures]


@dataclass(frozen=True)
class Contestant:
    """One of those who are compared.

    Attributes:
        ready: Starts what it needs and gives its turn; at its end the contestant checks what it did, and stops.
    """

    name: str
    ready: Callable[[], AbstractContextManager[Turn]]


@dataclass
class Measurement:
    """Contestants that do the same work, and the figures they are compared by.

    Attributes:
        how: What one turn does, for the report.
        contestants: The one the others are compared with is called `baseline`.
        compared: Key of the column whose ratio is shown.
    """

    title: str
    how: str
    columns: tuple[Column, ...]
    contestants: Sequence[Contestant]
    baseline: str
    compared: str
    figures: dict[str, list[Figures]] = field(default_factory=dict)

    def middle(self, contestant: str, key: str) -> float | None:
        """The median over the rounds; None where this contestant has no such figure."""
        seen = [turn[key] for turn in self.figures[contestant] if key in turn]
        return median(seen) if seen else None

    def ratios(self, contestant: str) -> list[float]:
        """How many times the baseline, round by round, in order of size."""
        pairs = zip(self.figures[contestant], self.figures[self.baseline], strict=True)
        return sorted(mine[self.compared] / theirs[self.compared] for mine, theirs in pairs)


def run_interleaved(measurements: Sequence[Measurement], rounds: int, say: Callable[[str], None]) -> None:
    """One measurement after the other; every round gives each of its contestants one turn."""
    for measurement in measurements:
        with ExitStack() as stack:
            turns = {one.name: stack.enter_context(one.ready()) for one in measurement.contestants}
            for number in range(1, rounds + 1):
                for name, turn in turns.items():
                    figures = turn()
                    measurement.figures.setdefault(name, []).append(figures)
                    shown = "  ".join(f"{key} {value:,.1f}" for key, value in figures.items())
                    say(f"{measurement.title}, round {number}/{rounds}, {name}: {shown}")
