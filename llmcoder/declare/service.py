"""Capabilities that one domain offers to all others, so that domains need not know each other.

The kernel names the interface (`llmcoder.language.LanguageModel`), one domain provides it in
`tasks/<domain>/services.py`, and any action asks its context: `ctx.use(LanguageModel)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from llmcoder.context import Context

T = TypeVar("T")


@dataclass(frozen=True)
class Provider(Generic[T]):
    """Who makes an instance of an interface for one attempt."""

    interface: type[T]
    make: Callable[[Context], T]


def provides(interface: type[T]) -> Callable[[Callable[[Context], T]], Provider[T]]:
    """Declare a function as the maker of an interface's instances."""

    def declare(make: Callable[[Context], T]) -> Provider[T]:
        return Provider(interface, make)

    return declare
