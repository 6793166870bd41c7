"""What a domain wants done when a time comes: rows of its own that are due become jobs.

    WATCHES = Trigger("email.watches", any_due=any_due, take=take, refused=refused)

Discovered in `tasks/<domain>/triggers.py`. The scheduler asks; any number of schedulers may. For an action that a user
has put on a schedule nothing is declared: that is a row of `schedules`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from llmcoder.errors import DeclarationError

if TYPE_CHECKING:
    import sqlalchemy as sa

LONGEST_KEY = 150
_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Due:
    """A job that a row wants now.

    Attributes:
        given: Its input.
        key: Names the row and the time for which it is: there is one job of a key, whoever asks again.
        row_id: The row, for `Trigger.refused`.
        sources: Jobs of whose results the input was made; their taint comes with them.
        tainted: The input holds words of others: its row says so, though the job that wrote it may be gone.
        to_self: It goes to the user over a channel that they chose (`llmcoder.declare.channel`), so nobody is asked
            first. One that cannot be made stands among the user's jobs as failed, where they look for what went wrong.
        refusal: Why it cannot be made, where that is known already.
    """

    user_id: UUID
    action: str
    given: Mapping[str, Any]
    key: str
    row_id: UUID
    sources: tuple[UUID, ...] = ()
    to_self: bool = False
    tainted: bool = False
    refusal: str | None = None


@dataclass(frozen=True, eq=False)
class Trigger:
    """One kind of row that makes jobs. The jobs act in their users' names as those of schedules do.

    Args:
        name: `<domain>.<rows>`, for ever: part of the keys of its jobs.
        any_due: Whether `take` would find anything: one cheap look, on an index.
        take: Locks due rows that nobody else holds (`FOR UPDATE SKIP LOCKED`), at most so many; writes down that they
            are due no more; and says which jobs they want. All of it is committed together with the jobs, or not.
        refused: Called in that transaction for a job that could not be made, with the reason for its user.
        every_s: How often the scheduler asks.

    Raises:
        DeclarationError: The declaration breaks a rule; at import, naming the rule.
    """

    name: str
    any_due: Callable[[sa.Connection, datetime], bool]
    take: Callable[[sa.Connection, datetime, int], Sequence[Due]]
    refused: Callable[[sa.Connection, Due, str, datetime], None]
    every_s: float = 1.0

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise DeclarationError(f"{self.name}: a trigger's name is <domain>.<rows> in lower case")
        if self.every_s <= 0:
            raise DeclarationError(f"{self.name}: a trigger is asked every so many seconds, more than 0")

    def job_key(self, key: str) -> str:
        """The idempotency key of the job that was made for a key of ours.

        Raises:
            ValueError: The key is too long to be kept.
        """
        if len(key) > LONGEST_KEY:
            raise ValueError(f"{self.name}: a key has at most {LONGEST_KEY} characters")
        return f"{self.name}\t{key}"  # a tab stands in no key that comes over HTTP, so nobody can take ours
