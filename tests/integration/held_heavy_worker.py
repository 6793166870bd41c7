"""A heavy worker whose child tests hold up: `python -m tests.integration.held_heavy_worker FOLDER IDLE_S heavy`.

Its child is idle for IDLE_S before it ends. Where the file FOLDER/waits names a moment, the child waits there until a
file `go` appears: `starts`, before it takes jobs, and `ends`, when it has decided to; at `begins`, with its first
doorbell, until it is told that its worker stops. The file `met` says that it waits.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import signals

from workers import heavy_pool
from workers.__main__ import main
from workers.runtime import Runtime

FOLDER = Path(sys.argv[1])
HELD_FOR_AT_MOST_S = 25


def wait(moment: str, is_over: Callable[[], bool] = lambda: (FOLDER / "go").exists()) -> None:
    waits = FOLDER / "waits"
    if not waits.exists() or waits.read_text() != moment:
        return
    (FOLDER / "met").touch()
    deadline = time.monotonic() + HELD_FOR_AT_MOST_S
    while not is_over() and time.monotonic() < deadline:
        time.sleep(0.01)
    waits.unlink()


@signals.worker_process_init.connect(weak=False)
def starts(**_: Any) -> None:
    wait("starts")


@signals.worker_process_shutdown.connect(weak=False)
def ends(**_: Any) -> None:
    wait("ends")


make = Runtime.__init__


def begins(runtime: Runtime, *arguments: Any, beats: bool) -> None:
    make(runtime, *arguments, beats=beats)
    if not beats:
        from workers.app import Process

        wait("begins", lambda: Process.stops)


if __name__ == "__main__":
    heavy_pool.IDLE_S = float(sys.argv[2])
    Runtime.__init__ = begins  # type: ignore[method-assign]
    main(sys.argv[3:])
