"""Computes the expressions of a run where nobody waits: at once what is quick, and the rest between transactions.

SQLite has one writer, and a run is moved on while holding it; so an expression that takes a few tenths of a second
would make every submit of everybody wait for as long. Pure: what is computed depends on what it reads, and on nothing
else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from models.macros.evaluation import EvaluationBudget, Postponed

#: What one transaction computes, about 20 ms of it; what takes more is computed before the next one begins.
WORK_AT_ONCE = 20_000

#: So often a look is repeated for what it had to compute first; then it computes while others wait, and ends.
MOST_REPEATS = 5

#: Where in a run a template stands: the step, its item, and which of the step's templates.
Place = tuple[str, int, str]
Compute = Callable[[EvaluationBudget], Any]


@dataclass(frozen=True)
class Evaluation:
    """What a template came to, or why it could not be computed.

    Attributes:
        scope: What it read. With another one it is to be computed anew.
    """

    scope: Mapping[str, Any]
    value: Any = None
    error: Exception | None = None


class Computations:
    """Of one look at a run, which is repeated when something was postponed.

    Attributes:
        caught_up: Whether something was postponed and is computed by now.
    """

    def __init__(self, *, postpones: bool) -> None:
        self.caught_up = False
        self._repeats = 0
        self._postpones = postpones
        self._left = WORK_AT_ONCE
        self._outcomes: dict[Place, Evaluation] = {}
        self._postponed: tuple[Place, Mapping[str, Any], Compute] | None = None

    def begin(self) -> None:
        """Begin a transaction, which may compute so much again."""
        self._left = WORK_AT_ONCE

    def value(self, place: Place, scope: Mapping[str, Any], compute: Compute) -> Any:
        """What the template at a place comes to.

        Raises:
            Postponed: It takes more than this transaction has left; `catch_up` computes it.
            BadInput: As `compute`.
        """
        outcome = self._outcomes.get(place)
        if outcome is None or outcome.scope != scope:
            outcome = self._computed(place, scope, compute)
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    def catch_up(self) -> None:
        """Compute what was postponed; outside of any transaction, and before the look is repeated."""
        assert self._postponed is not None
        place, scope, compute = self._postponed
        self.caught_up = True
        self._repeats += 1
        self._postpones = self._repeats < MOST_REPEATS
        try:
            self._outcomes[place] = Evaluation(scope, compute(EvaluationBudget()))
        except Exception as error:  # noqa: BLE001  whatever an expression raises, it raises where it is asked for
            self._outcomes[place] = Evaluation(scope, error=error)

    def _computed(self, place: Place, scope: Mapping[str, Any], compute: Compute) -> Evaluation:
        if not self._postpones:
            return Evaluation(scope, compute(EvaluationBudget()))
        budget = EvaluationBudget(most_at_once=self._left)
        try:
            return Evaluation(scope, compute(budget))
        except Postponed:
            self._postponed = place, scope, compute
            raise
        finally:
            self._left = max(self._left - budget.spent, 0)
