"""The commands that become a process of the engine, and the one that prepares the database for them.

They replace this process by the real one, so that signals reach it and nobody stands in between.
"""

from __future__ import annotations

import os
import sys
from typing import Literal, NoReturn

import typer

from llmcoder.process import command_line


def up() -> None:
    """Start the whole engine on this machine; Ctrl-C stops it."""
    from cli.up import run

    raise typer.Exit(run())


def api() -> None:
    """Run the API alone."""
    _become("api")


def worker(queue: Literal["io", "heavy"]) -> None:
    """Run one worker: io for calls to other services, heavy for browsers and models."""
    _become("workers", queue)


def scheduler() -> None:
    """Run the scheduler alone; any number may run."""
    _become("schedules")


def listeners() -> None:
    """Run the process that keeps integrations' connections open, such as Slack's Socket Mode."""
    _become("api.listen")


def migrate() -> None:
    """Bring the database to the newest schema."""
    from llmcoder.config import config
    from llmcoder.settings import EngineSettings
    from models.db.migrate import upgrade

    config().begin()
    upgrade(config().get(EngineSettings).database_url)
    typer.echo("The database has the newest schema.")


def _become(module: str, *arguments: str) -> NoReturn:
    sys.stdout.flush()
    os.execv(sys.executable, command_line(module, *arguments))
