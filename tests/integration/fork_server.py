"""Starts processes of the engine and commands of `llmcoder` that need not import first what each of them imports.

One process has the modules and forks for each, which then has an environment, a folder and streams of its own, and
runs and ends as Python would have it. That costs a tenth of a second in place of one or two; see `forks`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
#: What is loaded before, by the kind of process: nothing that asks an environment for anything.
BOTH = (
    "alembic.command", "cryptography.hazmat.primitives.ciphers.aead", "engine.doorbells", "engine.outbox", "httpx",
    "llmcoder.config", "llmcoder.net.client", "llmcoder.registry", "llmcoder.strict_json", "models.db.database",
    "models.db.migrate", "models.jobs.store", "models.macros.store", "models.schedules.store", "models.tables",
    "psycopg", "pydantic.type_adapter", "pysqlite3", "redis", "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
)  # fmt: skip
LOADED = {
    "commands": (
        "alembic.autogenerate", "alembic.config", "cli.accounts", "cli.doctor", "cli.engine", "cli.errors",
        "cli.examination", "cli.follow", "cli.integrations", "cli.main", "cli.results", "cli.screen", "cli.submitting",
        "cli.up.preflight", "engine.commands", "engine.new_account", "engine.submitter", "rich._emoji_codes",
        "rich.markdown", "rich.progress", "rich.table", "typer._adapters", "typer.rich_utils",
    ),
    "engine": (
        "apscheduler.executors.pool", "apscheduler.schedulers.background", "celery.app.amqp", "celery.app.control",
        "celery.app.trace", "celery.bin.worker", "celery.concurrency.prefork", "celery.concurrency.thread",
        "celery.events.dispatcher", "celery.worker.components", "celery.worker.consumer", "celery.worker.control",
        "celery.worker.pidbox", "celery.worker.strategy", "engine.macro_runs", "kombu.transport.redis",
        "schedules.dispatcher", "schedules.firing_tick", "schedules.reporting", "schedules.retention",
        "schedules.triggers", "schedules.webhook_sender", "engine.files.sweep", "workers.runtime",
    ),
}  # fmt: skip


def load(kind: str) -> None:
    for name in (*BOTH, *LOADED[kind]):
        importlib.import_module(name)
    from llmcoder import config

    assert config._process_config is None, "a module asks for the configuration while it is imported"
    gc.freeze()  # else each end of a child looks at all of it


def become(process: dict[str, Any]) -> None:
    """Turn this child into what `python -m` would have been."""
    signal.alarm(process["ends_within_s"])  # what hangs ends with a code that no test expects
    os.umask(process["umask"])
    os.chdir(process["folder"])
    for number, name in enumerate(process["streams"]):
        opened = os.open(name, os.O_RDWR)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(process["env"])
    sys.argv[:] = [process["module"], *process["words"]]
    runpy.run_module(process["module"], run_name="__main__", alter_sys=True)


def serve(line: socket.socket) -> dict[str, Any] | None:
    """Fork for each process until nobody asks any more; the child comes back with what it is to be."""
    with line, line.makefile("rw") as asked:
        for request in asked:
            process: dict[str, Any] = json.loads(request)
            answer: int | None
            if "pid" in process:
                answer = code_of(process["pid"])
            elif not (answer := os.fork()):
                return process
            asked.write(f"{json.dumps(answer)}\n")
            asked.flush()
    return None


def code_of(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    load(sys.argv[2])
    own = serve(socket.socket(fileno=int(sys.argv[1])))
    if own is not None:
        become(own)
