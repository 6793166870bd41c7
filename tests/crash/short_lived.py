"""`python -m tests.crash.short_lived`: a heavy worker whose child is replaced after every job.

On `STACKS` each of its processes writes where its threads stand into the worker's log, whatever locks they hold.
"""

from __future__ import annotations

import faulthandler
import signal
from typing import Any

from celery import signals

from workers.__main__ import main

STACKS = signal.SIGRTMIN + 5


@signals.celeryd_init.connect  # type: ignore[untyped-decorator]
def _one_job_for_each_child(conf: Any, **_: Any) -> None:
    conf.worker_max_tasks_per_child = 1


if __name__ == "__main__":
    faulthandler.register(STACKS, all_threads=True)  # a fork inherits it
    main(["heavy"])
