"""What asking language models costs: taken down before each call, and refused where a user's budget does not hold it.

The interface; one domain keeps the ledger, `llmcoder.testing` has one in memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from llmcoder.errors import Refused

Kind = Literal["chat", "embedding"]


class BudgetSpent(Refused):
    """The user's budget of this month does not hold the call; nothing was asked."""

    slug, title = "budget-spent", "The budget is used up"


@dataclass(frozen=True)
class ProviderCall:
    """One call to a provider that is about to be made.

    Attributes:
        tokens_in: Of the prompt, estimated.
        tokens_out: What it counts as generating while nobody knows better.
    """

    provider: str
    model: str
    kind: Kind
    tokens_in: int
    tokens_out: int


class UsageLedger(ABC):
    """The ledger of one job's calls."""

    @abstractmethod
    def begin(self, call: ProviderCall) -> UUID:
        """Take a call down before it is made, so that one whose worker dies counts as well.

        Raises:
            BudgetSpent: The user's budget of this month does not hold it.
            NotConfigured: There is a budget in money, and the model has no price.
            Transient: The database is busy or away.
        """

    @abstractmethod
    def end(self, call_id: UUID, model: str, tokens_in: int | None, tokens_out: int | None, written: int) -> None:
        """Complete a call. A database that is away leaves it as it was begun, and the log says so.

        Args:
            model: Which one answered.
            tokens_in: As the provider counted; None leaves the estimate.
            tokens_out: Likewise; None takes `written`.
            written: Tokens that came, estimated.
        """

    @abstractmethod
    def drop(self, call_id: UUID) -> None:
        """The provider surely did nothing for it: it is not counted. As `end` where the database is away."""
