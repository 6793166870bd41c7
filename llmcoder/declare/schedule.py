"""A schedule that a domain suggests: offered to everybody, enabled for nobody until they add it.

    DAILY = DefaultSchedule("Daily digest", action="digest.daily", cron="0 7 * * *")

Discovered in `tasks/<domain>/schedules.py`; shown by `GET /schedules/defaults`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llmcoder.errors import DeclarationError


@dataclass(frozen=True, eq=False)
class DefaultSchedule:
    """One of them.

    Args:
        name: As a user sees it, for ever.
        cron: When, on the clock of the user's time zone.
        input: What the action is given.

    Raises:
        DeclarationError: The declaration breaks a rule; at import, naming the rule.
    """

    name: str
    action: str
    cron: str
    input: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name:
            raise DeclarationError("a default schedule has a name")
