"""Starts commands of `llmcoder` as processes of their own that need not import first what every command imports.

One process has the modules and forks for each command, which then has an environment, a folder and streams of its own,
and ends as Python ends. That costs a command a tenth of a second in place of one; `Shell.start` is the whole way.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
#: A command that hangs ends with a code that no test expects.
ENDS_WITHIN_S = 120


def load() -> None:
    """Modules, and nothing that depends on an environment: neither a configuration nor the registry."""
    import gc
    import importlib

    for name in (
        "alembic.autogenerate", "alembic.command", "cli.accounts", "cli.doctor", "cli.engine", "cli.errors",
        "cli.follow", "cli.integrations", "cli.main", "cli.results", "cli.screen", "cli.submitting",
        "cryptography.hazmat.primitives.ciphers.aead", "engine.commands",
        "engine.doorbells", "engine.new_account", "engine.submitter", "httpx", "llmcoder.config", "llmcoder.net.client",
        "llmcoder.registry", "llmcoder.strict_json", "models.db.database", "models.db.migrate", "models.jobs.store",
        "models.macros.store", "models.schedules.store", "models.tables", "psycopg", "pydantic.type_adapter",
        "pysqlite3", "redis", "rich._emoji_codes", "rich.progress", "rich.table",
        "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite.pysqlite",
    ):  # fmt: skip
        importlib.import_module(name)
    gc.freeze()  # else each end of a child looks at all of it


def become(command: dict[str, Any]) -> None:
    """Turn this child into what a shell would have started."""
    signal.alarm(ENDS_WITHIN_S)
    os.umask(command["umask"])
    os.chdir(command["folder"])
    for number, name in enumerate(command["streams"]):
        opened = os.open(name, os.O_RDWR)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(command["env"])
    sys.argv[:] = ["llmcoder", *command["words"]]


def serve(line: socket.socket) -> dict[str, Any] | None:
    """Fork for each command until nobody asks any more; the child comes back with the command that it is."""
    with line, line.makefile("rw") as asked:
        for request in asked:
            command: dict[str, Any] = json.loads(request)
            pid = os.fork()
            if pid == 0:
                return command
            _, status = os.waitpid(pid, 0)
            asked.write(f"{os.waitstatus_to_exitcode(status)}\n")
            asked.flush()
    return None


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    load()
    own = serve(socket.socket(fileno=int(sys.argv[1])))
    if own is not None:
        become(own)
        from cli.main import main

        main()
