"""What is refused because this process does not know an action that stands in the database.

Its package is not installed here, or the process is older than another that wrote the row. Nothing is changed then: who
knows the action goes on with it.
"""

from __future__ import annotations

from llmcoder.errors import ActionError
from llmcoder.registry import AnyAction, Registry


class UnknownAction(ActionError):
    """The job's, schedule's or webhook's action is not known here; nothing was changed."""

    slug, title, status = "unknown-action", "This process does not know the action", 409


class UnknownToCalled(UnknownAction):
    """As `UnknownAction`, to a caller from outside, who should call again."""

    status = 503


def stored_action(registry: Registry, name: str) -> AnyAction:
    """The action that a stored row names.

    Raises:
        UnknownAction: This process does not know it.
    """
    if name not in registry:
        raise UnknownAction(words(name))
    return registry[name]


def words(name: str) -> str:
    """What its user should know and do."""
    return (
        f"Nothing that is installed here declares the action {name!r}. Nothing was changed. If the engine is being "
        "upgraded, try again when that is over; else an administrator installs the package that declares it."
    )
