"""Values of a run that stay where they are kept until somebody reads them.

A run may have returned 64 MB; whoever moves it on by one step must not read them all to do so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from llmcoder import strict_json


class Kept:
    """A value that lies somewhere as JSON, maybe megabytes of it: it is loaded, and read, when somebody asks for it."""

    def __init__(self, load: Callable[[], str | None]) -> None:
        self._load = load

    @classmethod
    def of_list(cls, values: Sequence[Any]) -> Kept:
        """A list of values, some of which may be kept; their texts are put together and not read."""
        return cls(lambda: f"[{','.join(as_json(value) or 'null' for value in values)}]")

    @cached_property
    def text(self) -> str | None:
        return self._load()

    @cached_property
    def value(self) -> Any:
        """Raises NotJson when it is none."""
        return None if self.text is None else strict_json.read_lenient(self.text)


def read(value: Any) -> Any:
    """A value, wherever it is kept."""
    return value.value if isinstance(value, Kept) else value


def as_json(value: Any) -> str | None:
    """A value as JSON; None of none."""
    if isinstance(value, Kept):
        return value.text
    return None if value is None else strict_json.write(value)
