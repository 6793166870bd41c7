"""What asking language models costs: taken down before each call, and refused where a user's budget is used up.

The interface; one domain keeps the ledger, `llmcoder.testing` has one in memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Kind = Literal["chat", "embedding"]


@dataclass(frozen=True)
class Call:
    """One call to a provider that is about to be made.

    Attributes:
        tokens_in: Of the prompt, estimated.
    """

    provider: str
    model: str
    kind: Kind
    tokens_in: int


class UsageLedger(ABC):
    """The ledger of one job's calls."""

    @abstractmethod
    def begin(self, call: Call) -> UUID:
        """Take a call down before it is made, so that one whose worker dies counts as well.

        Raises:
            Refused: The user's budget of this month is used up.
            NotConfigured: There is a budget in money, and the model has no price.
            Transient: The database is busy or away.
        """

    @abstractmethod
    def end(self, call_id: UUID, model: str, tokens_in: int | None, tokens_out: int | None, written: int) -> None:
        """Complete a call.

        Args:
            model: Which one answered.
            tokens_in: As the provider counted; None leaves the estimate.
            tokens_out: Likewise; None estimates them from what was written.
            written: Characters that came.
        """

    @abstractmethod
    def drop(self, call_id: UUID) -> None:
        """The call came to nothing: it is not counted."""
