"""`python -m workers io|heavy`: one Celery worker for one queue."""

from __future__ import annotations

import os
import sys
import warnings

import structlog

from llmcoder.action import Queue
from llmcoder.config import config
from llmcoder.log import set_up_logging
from llmcoder.registry import registry
from llmcoder.settings import EngineSettings
from models import vault

log = structlog.get_logger(__name__)


def main(arguments: list[str]) -> None:
    if arguments not in (["io"], ["heavy"]):
        raise SystemExit("usage: python -m workers io|heavy")
    set_up_logging()
    _say_once_that_this_is_root()
    config().register(*registry().settings())
    vault.refuse_wrong_keys()
    from workers.app import app

    queue = Queue(arguments[0])
    slots = config().get(EngineSettings).io_slots
    pool = ["--pool=threads", f"--concurrency={slots}"] if queue is Queue.IO else ["--pool=prefork", "--concurrency=1"]
    app.worker_main(
        [
            "--quiet",
            "worker",
            f"--queues={queue}",
            f"--hostname={queue}@%h",
            "--loglevel=WARNING",
            "--without-mingle",
            "--without-gossip",
            *pool,
        ]
    )


def _say_once_that_this_is_root() -> None:
    """Celery says it in six lines for every process."""
    from celery.platforms import SecurityWarning

    if os.getuid() == 0:
        warnings.filterwarnings("ignore", category=SecurityWarning)
        log.warning("running as root; an account of its own is safer")


if __name__ == "__main__":
    main(sys.argv[1:])
