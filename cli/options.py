"""What the commands have in common for whoever types them: options and exit codes."""

from __future__ import annotations

import enum
from typing import Annotated

import typer


class ExitCode(enum.IntEnum):
    """What a script learns from `llmcoder`."""

    DONE = 0
    FAILED = 1  # the job failed or was cancelled, or something of the engine is broken
    BAD_INPUT = 2  # the caller must write something else
    UNCERTAIN = 3  # the job's effect may have happened
    TIMED_OUT = 4  # --timeout ran out; the job goes on
    INTERRUPTED = 130  # Ctrl-C, as shells count it; the job goes on


class Output(enum.StrEnum):
    """What standard output is for."""

    TEXT = "text"  # people
    JSON = "json"  # scripts


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="text for people, json for scripts.")]
UserOption = Annotated[
    str | None,
    typer.Option("--user", envvar="LLMCODER_USER", help="Act as this user; else the only one, or the first admin."),
]
