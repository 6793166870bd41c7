"""Celery's pool of processes for the queue `heavy`, which notices at once that a child has gone.

The kernel closes a process's files, which is what the pool sees, a moment before the process can be waited for. Celery
looks in that very moment: where it comes too early it finds the child alive, stops watching it, and makes the next one
only when a timer has it look again, up to five seconds later. Meanwhile the queue stands still; `make soak` saw
standstills of 46 s, since doorbells are rung again after 15 s and each stale one cost another child.
"""

from __future__ import annotations

import os
import time
from typing import Any

from celery.concurrency.asynpool import AsynPool
from celery.concurrency.prefork import TaskPool as PreforkPool

#: A process that has closed its files ends within milliseconds; one that has not is left to Celery's timer.
EXITS_WITHIN_S = 1.0
LOOK_S = 0.002


class Pool(AsynPool):  # type: ignore[misc]
    """Waits for the end of a child that is just ending."""

    def _event_process_exit(self, hub: Any, proc: Any) -> None:
        wait_for_exit(proc.pid, EXITS_WITHIN_S)
        super()._event_process_exit(hub, proc)


class TaskPool(PreforkPool):  # type: ignore[misc]
    """What Celery takes for `worker_pool`."""

    Pool = Pool


def wait_for_exit(pid: int, within_s: float) -> bool:
    """Wait until a child of this process has ended, and leave its exit code to whoever waits for it.

    Returns:
        Whether it has; also where somebody else has waited for it by now.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
                return True
        except ChildProcessError:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_S)
