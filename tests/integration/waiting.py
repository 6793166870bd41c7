"""How every test waits: for an event, with a deadline, and never for a time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

import httpx

T = TypeVar("T")

#: Waits end by their event; this is for what never comes, on a machine that is busy with other things, too.
TIRELESS_S = 120.0
LOOK_EVERY_S = 0.02


def eventually(question: Callable[[], T], within_s: float = TIRELESS_S, what: str = "") -> T:
    """The first true answer, asked until a deadline; a server that is not there yet has no answer."""
    deadline = time.monotonic() + within_s
    while True:
        with contextlib.suppress(httpx.TransportError):
            if answer := question():
                return answer
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what or question}"
        time.sleep(LOOK_EVERY_S)
