"""Processes that are forked from one that has their modules, as tests start and end them; see `fork_server`."""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "tests" / "plugin"
NOTHING = Path(os.devnull)
LOOK_EVERY_S = 0.005
#: Python, its libraries and some modules of ours read these when they are loaded.
READ_AT_THE_START = ("PYTHON", "LD_", "LC_", "LANG", "TZ", "MALLOC", "LLMCODER_FAULTS", "LLMCODER_TIMING")


class ForkServer:
    """Starts processes of one kind that have the same environment as far as it counts at the start of Python."""

    def __init__(self, kind: str, **environ: str) -> None:
        self._environ = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")} | environ
        near, far = socket.socketpair()
        with far:
            self._process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("fork_server.py"), str(far.fileno()), kind],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[far.fileno()],
            )
        self._line, self._asked = near, near.makefile("rw")
        self._one_at_a_time = threading.Lock()
        atexit.register(self.close)

    def can_start(self, env: Mapping[str, str]) -> bool:
        return self._read_at_the_start(env) == self._read_at_the_start(self._environ)

    @staticmethod
    def _read_at_the_start(env: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in env.items() if name.startswith(READ_AT_THE_START)}

    def start(
        self,
        module: str,
        words: Sequence[str],
        env: Mapping[str, str],
        *,
        folder: Path = ROOT,
        streams: Sequence[Path] = (NOTHING, NOTHING, NOTHING),
        ends_within_s: int = 0,
    ) -> Forked:
        """`python -m MODULE WORDS` with standard input, output and errors from and to these files.

        Args:
            ends_within_s: Then it is ended by SIGALRM; 0 never.
        """
        assert self.can_start(env), "this one needs a start of Python of its own"
        pid = self.ask(
            module=module,
            words=words,
            env=dict(env),
            folder=str(folder),
            umask=umask(),
            streams=[str(one) for one in streams],
            ends_within_s=ends_within_s,
        )
        return Forked(self, pid, [module, *words])

    def ask(self, **about: Any) -> Any:
        with self._one_at_a_time:
            self._asked.write(json.dumps(about) + "\n")
            self._asked.flush()
            return json.loads(self._asked.readline())

    def close(self) -> None:
        self._asked.close()
        self._line.close()
        self._process.wait(120)


class Forked(subprocess.Popen[bytes]):
    """A process of a fork server, which is its parent and says how it ended."""

    def __init__(self, server: ForkServer, pid: int, args: Sequence[str]) -> None:
        self._child_created = False  # by somebody else, who waits for it
        self._server = server
        self.args, self.pid = args, pid
        self.returncode = None  # type: ignore[assignment]
        self.stdin = self.stdout = self.stderr = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._server.ask(pid=self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        until = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            time.sleep(LOOK_EVERY_S)
        return code


@cache
def command_server() -> ForkServer:
    return ForkServer("commands", PYTHONPATH=str(PLUGIN))


def umask() -> int:
    """That of this process, which those that it starts inherit."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
