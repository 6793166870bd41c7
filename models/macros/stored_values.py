"""Values of a run that stay where they are kept until somebody reads them.

A run may have returned 64 MB; whoever moves it on by one step must not read them all to do so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from llmcoder import strict_json
from llmcoder.errors import BadInput

#: Lists and objects that one value may have to be read; so many take a tenth of a second and 20 MB.
MOST_CONTAINERS = 200_000


class StoredValue:
    """A value that lies somewhere as JSON, maybe megabytes of it: it is loaded, and read, when somebody asks for it."""

    def __init__(self, load: Callable[[], str | None]) -> None:
        self._load = load

    @classmethod
    def of_list(cls, values: Sequence[Any]) -> StoredValue:
        """A list of values, some of which may be kept; their texts are put together and not read."""
        return cls(lambda: f"[{','.join(as_json(value) or 'null' for value in values)}]")

    @cached_property
    def text(self) -> str | None:
        return self._load()

    @cached_property
    def value(self) -> Any:
        """What it says.

        Raises:
            NotJson: It is none.
            BadInput: It has more lists and objects than anybody may read at once.
        """
        if self.text is None:
            return None
        if strict_json.has_more_containers(self.text.encode(), MOST_CONTAINERS):
            raise BadInput(
                f"What a step returned has more than {MOST_CONTAINERS:,} lists and objects, too many to be read by an "
                "expression. Have it return less."
            )
        return strict_json.read_lenient(self.text)

    def __eq__(self, other: object) -> bool:
        return bool(self.value == read(other))


def read(value: Any) -> Any:
    """A value, wherever it is kept."""
    return value.value if isinstance(value, StoredValue) else value


def as_json(value: Any) -> str | None:
    """A value as JSON; None of none."""
    if isinstance(value, StoredValue):
        return value.text
    return None if value is None else strict_json.write(value)
