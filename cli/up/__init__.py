"""`llmcoder up`: the whole engine on one machine under one supervisor, with a Redis of its own if none is given.

raise SystemExit(cli.up.run())

What starts it and what stays are two: the first reads the settings, checks what can be checked and plans, the second
(`supervise.py`) keeps what was planned, and nothing else.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

from llmcoder.startup import UpError

if TYPE_CHECKING:
    from llmcoder.settings import EngineSettings

__all__ = ["UpError", "run"]


def run() -> int:
    """Become the supervisor of the engine, which runs until Ctrl-C or SIGTERM.

    Returns:
        The command's exit code where it cannot be started; the reason stands on standard error.
    """
    from llmcoder.private import keep_private

    keep_private()
    try:
        _start()
    except UpError as error:
        sys.stderr.write(f"llmcoder up: {error}\n")
        return 1


def _start() -> NoReturn:
    from cli.up import preflight
    from cli.up.handover import become_supervisor
    from cli.up.plan import plan

    settings = _settings()
    data_dir = preflight.usable_folder(settings.data_dir)
    lock_fd = preflight.take_lock(data_dir)
    try:
        become_supervisor(plan(settings), data_dir, lock_fd)
    finally:
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
