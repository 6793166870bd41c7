"""Routes that cost nothing until somebody comes for one of them, such as those of domains that are not loaded yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import ClassVar

from fastapi import APIRouter
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send


class DeferredRoutes(BaseRoute):
    """Routes at or below some addresses.

    Args:
        make: Makes their routers. That takes a moment, so an event loop has it done in a thread.
        addresses: Such as `/general/notes`; `*` stands for any one part.

    Attributes:
        on_made: Called when some were made, such as what takes them from the garbage collector's eyes.
    """

    on_made: ClassVar[Callable[[], object]] = staticmethod(lambda: None)

    def __init__(self, make: Callable[[], Iterable[APIRouter]], *addresses: str) -> None:
        self._addresses = [address.split("/") for address in addresses]
        self._make = make
        self._made: Sequence[BaseRoute] | None = None
        self._lock = Lock()

    def has_address(self, path: str) -> bool:
        parts = path.split("/")
        return any(_is_at_or_below(parts, address) for address in self._addresses)

    def awaits(self, path: str) -> bool:
        """Whether they must be made before that path can be answered."""
        return self._made is None and self.has_address(path)

    def routes(self) -> Sequence[BaseRoute]:
        """All of them, made if they are not."""
        with self._lock:
            if self._made is None:
                self._made = tuple(route for router in self._make() for route in router.routes)
                type(self).on_made()
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


def _is_at_or_below(parts: Sequence[str], address: Sequence[str]) -> bool:
    return len(parts) >= len(address) and all(own in ("*", part) for part, own in zip(parts, address, strict=False))
