"""The `llmcoder` command as a person or a script types it: real processes on the test's database, folder and Redis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.forks import PLUGIN, ROOT, command_server

ENDS_WITHIN_S = 120


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run_command(words: Sequence[str], env: Mapping[str, str], *, folder: Path = ROOT, typed: str = "") -> Done:
    """`llmcoder WORDS` in a process of its own, which ends without a traceback."""
    env = {"PYTHONPATH": str(PLUGIN)} | {**env}
    if not command_server().can_start(env):
        return start_command(words, env, folder=folder, typed=typed)
    with tempfile.TemporaryDirectory(prefix="llmcoder-command-") as place:
        streams = [Path(place, name) for name in ("in", "out", "err")]
        for stream, text in zip(streams, (typed, "", ""), strict=True):
            stream.write_text(text)
        process = command_server().start("cli", words, env, folder=folder, streams=streams, ends_within_s=ENDS_WITHIN_S)
        return checked(Done(process.wait(), streams[1].read_text(), streams[2].read_text()))


def start_command(words: Sequence[str], env: Mapping[str, str], *, folder: Path = ROOT, typed: str = "") -> Done:
    """The same from the start of Python on, which takes a second more."""
    command = [sys.executable, "-m", "cli", *words]
    done = subprocess.run(
        command, cwd=folder, env=env, input=typed, capture_output=True, text=True, timeout=ENDS_WITHIN_S
    )
    return checked(Done(done.returncode, done.stdout, done.stderr))


@dataclass(frozen=True)
class Shell:
    """Runs `llmcoder` on one database, one data folder and one Redis.

    A call is a process of its own with all that belongs to one, forked from one that has the modules.
    """

    env: dict[str, str]

    def __call__(self, *words: str, stdin: str = "", **env: str) -> Done:
        return run_command(words, {**self.env, **env}, typed=stdin)

    def start(self, *words: str, stdin: str = "", **env: str) -> Done:
        """The same from the start of Python on."""
        return start_command(words, {**self.env, **env}, typed=stdin)


def checked(done: Done) -> Done:
    assert "Traceback" not in done.err, done.err
    return done


def shell_on(db_url: str, redis_url: str, folder: Path) -> Shell:
    """A shell whose home is the folder, and whose data lies in `data` there."""
    return Shell(
        {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(folder),
            "PYTHONPATH": str(PLUGIN),
            "ENV_FILE": str(folder / "no.env"),
            "DATA_DIR": str(folder / "data"),
            "DATABASE_URL": db_url,
            "REDIS_URL": redis_url,
            "API_PORT": "1",
            "FLOWER_PORT": "1",
        }
    )
