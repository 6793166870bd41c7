"""Threads on which a process depends: none of them ends in silence.

A loop that serves all guards each of its items by itself. Should something get past that all the same, a process that
lives on without one of its loops would look well and do nothing; so it says what broke and ends with a failing code,
for whoever keeps it to start it anew.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

from llmcoder.logger import get_logger

#: EX_SOFTWARE of sysexits.h.
EXIT_BROKEN = 70

log = get_logger(__name__)


def vital(name: str, loop: Callable[[], None]) -> threading.Thread:
    """A daemon thread, not yet started, whose loop only returns when it was told to."""

    def run() -> None:
        try:
            loop()
        except BaseException:
            log.critical("a thread that this process depends on broke; it ends", thread=name, exc_info=True)
            end_process(EXIT_BROKEN)

    return threading.Thread(target=run, name=name, daemon=True)


def end_process(code: int) -> None:
    """End at once, whatever other threads are about."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
