"""Routes that cost nothing until somebody comes for one of them, such as those of domains that are not loaded yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from threading import Lock

from fastapi import APIRouter
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send


class DeferredRoutes(BaseRoute):
    """Routes at or below some addresses.

    Args:
        addresses: Such as `/general/notes`.
        make: Makes them all. That takes a moment, so an event loop has it done in a thread.
    """

    def __init__(self, addresses: Iterable[str], make: Callable[[], APIRouter]) -> None:
        self._addresses = frozenset(addresses)
        self._make = make
        self._made: Sequence[BaseRoute] | None = None
        self._lock = Lock()

    def awaits(self, path: str) -> bool:
        """Whether they must be made before that path can be answered."""
        return self._made is None and any(_is_at_or_below(path, one) for one in self._addresses)

    def routes(self) -> Sequence[BaseRoute]:
        """All of them, made if they are not."""
        with self._lock:
            if self._made is None:
                self._made = tuple(self._make().routes)
            return self._made

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        found: tuple[Match, Scope] = Match.NONE, {}
        for route in self._made or ():
            match, child = route.matches(scope)
            if match is Match.FULL:
                return match, {**child, _ROUTE: route}
            if match is Match.PARTIAL and found[0] is Match.NONE:
                found = match, {**child, _ROUTE: route}
        return found

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        route: BaseRoute = scope[_ROUTE]
        await route.handle(scope, receive, send)


#: In a request's scope: which of them answers it.
_ROUTE = "llmcoder.deferred_route"


def _is_at_or_below(path: str, address: str) -> bool:
    return path == address or path.startswith(address + "/")
