"""`llmcoder up`: the whole engine on one machine under one supervisor, with a Redis of its own if none is given.

raise SystemExit(cli.up.run())
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from llmcoder.startup import UpError

if TYPE_CHECKING:
    from cli.up.plan import Watch
    from llmcoder.settings import EngineSettings

__all__ = ["UpError", "run"]


def run(watches: Mapping[str, Watch] | None = None) -> int:
    """Run the engine until Ctrl-C or SIGTERM; the exit code of the command.

    Args:
        watches: By the name of a process (`worker-io`, `worker-heavy`, …), a question asked every 5 s that answers
            with the reason why the process must be restarted, or None. It may block, but not for ever.
    """
    import asyncio  # here, since the command line loads this module for every command

    from llmcoder.private import keep_private

    keep_private()
    try:
        asyncio.run(_run(watches or {}))
    except UpError as error:
        sys.stderr.write(f"llmcoder up: {error}\n")
        return 1
    return 0


async def _run(watches: Mapping[str, Watch]) -> None:
    from cli.up import plan, preflight
    from cli.up.guard import Guard
    from cli.up.log import Log
    from cli.up.supervisor import Supervisor

    settings = _settings()
    data_dir = preflight.usable_folder(settings.data_dir)
    lock_fd = preflight.take_lock(data_dir)
    guard = None
    try:
        planned = plan.plan(settings, watches)
        log = Log(plan.log_file(data_dir), [child.name for child in planned.children])
        guard = Guard(lock_fd)
        await Supervisor(planned.children, log, guard).run(started=lambda: log.show(planned.banner))
        log.say("stopped")
        log.close()
    finally:
        if guard is not None:
            guard.dismiss()
        os.close(lock_fd)


def _settings() -> EngineSettings:
    from llmcoder.config import config
    from llmcoder.config_file import ConfigError
    from llmcoder.settings import EngineSettings

    try:
        config().begin()
        return config().get(EngineSettings)
    except ConfigError as error:
        raise UpError(error.detail) from error
