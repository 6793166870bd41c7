"""The `llmcoder` command as a person or a script types it: real processes on the test's database, folder and Redis."""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "tests" / "plugin"


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class CommandServer:
    """The one that starts the commands of this test process; see `command_server`."""

    def __init__(self) -> None:
        near, far = socket.socketpair()
        with far:
            self._process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("command_server.py"), str(far.fileno())],
                env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(PLUGIN)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[far.fileno()],
            )
        self._line, self._asked = near, near.makefile("rw")
        self._one_at_a_time = threading.Lock()

    def run(self, words: Sequence[str], env: Mapping[str, str], folder: Path, typed: str) -> Done:
        with tempfile.TemporaryDirectory(prefix="llmcoder-command-") as place:
            streams = [Path(place, name) for name in ("in", "out", "err")]
            for stream, text in zip(streams, (typed, "", ""), strict=True):
                stream.write_text(text)
            code = self._ask(
                words=words, env=dict(env), folder=str(folder), umask=umask(), streams=[str(one) for one in streams]
            )
            return Done(code, streams[1].read_text(), streams[2].read_text())

    def _ask(self, **command: Any) -> int:
        with self._one_at_a_time:
            self._asked.write(json.dumps(command) + "\n")
            self._asked.flush()
            return int(self._asked.readline())

    def close(self) -> None:
        self._asked.close()
        self._line.close()
        self._process.wait(120)


@cache
def command_server() -> CommandServer:
    server = CommandServer()
    atexit.register(server.close)
    return server


def umask() -> int:
    """That of this process, which a command inherits."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


@dataclass(frozen=True)
class Shell:
    """Runs `llmcoder` on one database, one data folder and one Redis.

    A call is a process of its own with all that belongs to one, forked from one that has the modules.
    """

    env: dict[str, str]

    def __call__(self, *words: str, stdin: str = "", **env: str) -> Done:
        return checked(command_server().run(words, {**self.env, **env}, ROOT, stdin))

    def start(self, *words: str, stdin: str = "", **env: str) -> Done:
        """The same from the start of Python on, which takes a second more."""
        command = [sys.executable, "-m", "cli", *words]
        done = subprocess.run(
            command, cwd=ROOT, env={**self.env, **env}, input=stdin, capture_output=True, text=True, timeout=120
        )
        return checked(Done(done.returncode, done.stdout, done.stderr))


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
