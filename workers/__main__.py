"""`python -m workers io|heavy`: one Celery worker for one queue."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from typing import TYPE_CHECKING

from llmcoder.config import config
from llmcoder.declare.action import Queue
from llmcoder.log import set_up_logging
from llmcoder.logger import get_logger
from llmcoder.private import keep_private
from llmcoder.registry import registry
from llmcoder.settings import EngineSettings
from models.accounts import vault

if TYPE_CHECKING:
    from celery import Celery

log = get_logger(__name__)


def main(arguments: list[str]) -> None:
    if arguments not in (["io"], ["heavy"]):
        raise SystemExit("usage: python -m workers io|heavy")
    keep_private()
    set_up_logging()
    _say_once_that_this_is_root()
    config().register(*registry().settings())
    vault.refuse_wrong_keys()
    from workers.app import app

    queue = Queue(arguments[0])
    slots = config().get(EngineSettings).io_slots
    pool = ["--pool=threads", f"--concurrency={slots}"] if queue is Queue.IO else ["--pool=prefork", "--concurrency=1"]
    code = run(
        app,
        [
            f"--queues={queue}",
            f"--hostname={queue}@%h",
            "--loglevel=WARNING",
            "--without-mingle",
            "--without-gossip",
            *pool,
        ],
    )
    raise SystemExit(code)


def run(app: Celery, arguments: list[str]) -> int:
    """Celery's command `worker`, without its command line: that loads every command that is installed, Flower's too.

    Celery's own `worker_main` does so as well, and forgets the code with which a worker ended.
    """
    from celery import signals
    from celery.bin.base import CLIContext
    from celery.bin.worker import worker

    signals.worker_ready.connect(_keep_what_is_loaded)

    context = CLIContext(app=app, no_color=False, workdir=None, quiet=True)
    code: int | None = worker.main(args=arguments, prog_name="worker", obj=context, standalone_mode=False)
    return code or 0


def _keep_what_is_loaded(**_: object) -> None:
    """The garbage collector looks at it no more: neither while jobs run, nor in a child, where that costs memory."""
    gc.freeze()


def _say_once_that_this_is_root() -> None:
    """Celery says it in six lines for every process."""
    from celery.platforms import SecurityWarning

    if os.getuid() == 0:
        warnings.filterwarnings("ignore", category=SecurityWarning)
        log.warning("running as root; an account of its own is safer")


if __name__ == "__main__":
    main(sys.argv[1:])
