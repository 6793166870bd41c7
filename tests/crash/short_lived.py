"""`python -m tests.crash.short_lived`: a heavy worker whose child is replaced after every job."""

from __future__ import annotations

from typing import Any

from celery import signals

from workers.__main__ import main


@signals.celeryd_init.connect  # type: ignore[untyped-decorator]
def _one_job_for_each_child(conf: Any, **_: Any) -> None:
    conf.worker_max_tasks_per_child = 1


if __name__ == "__main__":
    main(["heavy"])
