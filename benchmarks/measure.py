"""What a measurement is, and how its rounds interleave: A B C A B C, so that a busy minute hits all alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

Figures = dict[str, float]


@dataclass(frozen=True)
class Column:
    """One figure of every contestant; `key` is its name in what a turn returns."""

    key: str
    title: str
    digits: int = 0


@dataclass(frozen=True)
class Contestant:
    name: str
    turn: Callable[[], Figures]


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
    """Every round gives each contestant of each measurement one turn."""
    for number in range(1, rounds + 1):
        for measurement in measurements:
            for contestant in measurement.contestants:
                figures = contestant.turn()
                measurement.figures.setdefault(contestant.name, []).append(figures)
                shown = "  ".join(f"{name} {value:,.1f}" for name, value in figures.items())
                say(f"round {number}/{rounds}  {measurement.title}: {contestant.name}: {shown}")
