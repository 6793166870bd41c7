"""One list that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Question:
    """A list under a name.

    Attributes:
        path: Its route.
        ask: Makes the query parameters, others each time.
        is_vain: Nothing need be found.
    """

    path: str
    name: str
    ask: Callable[[], dict[str, Any]]
    is_vain: bool = False
