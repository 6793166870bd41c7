"""Celery's pool of processes for the queue `heavy`: its child is there for heavy work only, and at once seen to go.

**It is made by the first job that needs it**, and ends itself after a while without one. Celery's autoscaler is no way
to that: it ends a child from outside, by what the parent has heard of it, and one that has just begun a job counts as
idle. Here the child decides, between two jobs; a job that was written to it in that very moment is given to the next
one, as Celery does for a child that has run its `worker_max_tasks_per_child`.

**Its end is noticed at once.** The kernel closes a process's files, which is what the pool sees, a moment before the
process can be waited for. Celery looks in that very moment: where it comes too early it finds the child alive, stops
watching it, and makes the next one only when a timer has it look again, up to five seconds later. Meanwhile the queue
stands still; `make soak` saw standstills of 46 s, since doorbells are rung again after 15 s and each stale one cost
another child.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery.concurrency.asynpool import AsynPool, Worker
from celery.concurrency.prefork import TaskPool as PreforkPool

#: Whoever works with browsers and models has the next job by then; what the child has loaded for them, which takes
#: seconds and is most of its memory, must not be loaded anew for each.
IDLE_S = 300.0
#: A process that has closed its files ends within milliseconds; one that has not is left to Celery's timer.
EXITS_WITHIN_S = 1.0
LOOK_S = 0.002


class PoolWorker(Worker):  # type: ignore[misc]
    """What a child does: it leaves its parent the connections, and ends itself after a while without a job."""

    wait_for_job: Callable[[], Any]

    def _make_child_methods(self, *arguments: Any, **options: Any) -> None:
        let_go_of_sockets()
        super()._make_child_methods(*arguments, **options)
        receive: Callable[[], Any] = self.wait_for_job

        def wait_for_job() -> Any:
            if not self.inq._reader.poll(IDLE_S):
                raise SystemExit(os.EX_OK)
            return receive()

        self.wait_for_job = wait_for_job


class Pool(AsynPool):  # type: ignore[misc]
    """Makes its child when there is work, and waits for the end of one that is just ending."""

    Worker = PoolWorker

    def apply_async(self, *arguments: Any, **options: Any) -> Any:
        job = super().apply_async(*arguments, **options)
        # With the pipes of one that is being buried still taken, the next one is made when that is done.
        if not self._pool and None in self._queues.values():
            self.maintain_pool()
        return job

    def _create_worker_process(self, i: int) -> Any:
        """Celery asks for one at the start and after each end; without a job to do there is none."""
        return super()._create_worker_process(i) if self._cache else None

    def _event_process_exit(self, hub: Any, proc: Any) -> None:
        wait_for_exit(proc.pid, EXITS_WITHIN_S)
        super()._event_process_exit(hub, proc)


class TaskPool(PreforkPool):  # type: ignore[misc]
    """What Celery takes for `worker_pool`."""

    Pool = Pool


def let_go_of_sockets() -> None:
    """In a child: leave the parent its connections.

    The kernel closes a connection when its last owner does. One that the parent gives up, while a child has it too,
    stays open, and stays among those of which the parent's loop is told that they can be read: the loop then waits for
    ever for an answer on whatever has that number next. The numbers stay taken here, since objects that came with them
    close them once more when they are collected.
    """
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    listed = Path("/proc/self/fd") if Path("/proc/self/fd").is_dir() else Path("/dev/fd")
    for path in list(listed.iterdir()):
        number = int(path.name)
        with suppress(OSError):  # that of the listing itself is closed by now
            if number > 2 and stat.S_ISSOCK(os.fstat(number).st_mode):
                os.dup2(nothing, number, inheritable=False)
    os.close(nothing)


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
