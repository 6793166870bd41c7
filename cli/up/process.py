"""A child while it lives: its process group, its output, and its end by steps."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cli.up.child import Child, in_words
from cli.up.guard import Guard, kill_group
from cli.up.log import Lines, Log

TETHER = str(Path(__file__).with_name("tether.py"))
QUIT_GRACE_S = 1.0
KILL_GRACE_S = 0.5


def tied(command: Sequence[str]) -> list[str]:
    """The command of a process that ends with this one, in whatever way this one ends."""
    return [sys.executable, "-I", "-S", TETHER, str(os.getpid()), *command]


class Process:
    """One life of one child. Its group is its own, so that Ctrl-C on the terminal reaches the supervisor only."""

    def __init__(self, child: Child, process: asyncio.subprocess.Process, output_fd: int, log: Log) -> None:
        self.pid = process.pid
        self._child = child
        self._process = process
        self._output_fd = output_fd
        self._lines = Lines(log, child.name)

    @classmethod
    async def start(cls, child: Child, guard: Guard, log: Log) -> "Process":
        """Start it.

        Its output comes through a pipe of ours, not asyncio's: a grandchild that holds the pipe open would hide
        from asyncio that the process has ended.

        Raises:
            OSError: No process could be made.
        """
        output_fd, input_fd = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *tied(child.command),
                stdin=subprocess.DEVNULL,
                stdout=input_fd,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **child.env},
                process_group=0,
            )
        except OSError:
            os.close(output_fd)
            raise
        finally:
            os.close(input_fd)
        guard.remember(process.pid)
        started = cls(child, process, output_fd, log)
        os.set_blocking(output_fd, False)
        asyncio.get_running_loop().add_reader(output_fd, started._read)
        return started

    async def ended(self) -> str:
        """Wait for its end; how it ended, in words."""
        return in_words(await self._process.wait())

    async def exit_code(self) -> int:
        return await self._process.wait()

    async def stop(self) -> None:
        """End it: SIGTERM, for some SIGQUIT, then SIGKILL to all of its group."""
        self._signal(signal.SIGTERM)
        if await self._gone_within(self._child.grace_s):
            return
        if self._child.quits_on_sigquit:
            self._signal(signal.SIGQUIT)
            if await self._gone_within(QUIT_GRACE_S):
                return
        self.kill()
        await self._gone_within(KILL_GRACE_S)

    def kill(self) -> None:
        kill_group(self.pid)

    def bury(self, guard: Guard) -> None:
        """After its end: kill what it left behind in its group, and read its last lines."""
        kill_group(self.pid)
        guard.forget(self.pid)
        asyncio.get_running_loop().remove_reader(self._output_fd)
        while self._read():
            pass
        self._lines.end()
        os.close(self._output_fd)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _gone_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _read(self) -> bool:
        """Take what stands in the pipe; False when there is nothing more."""
        try:
            data = os.read(self._output_fd, 65_536)
        except BlockingIOError:
            return False
        if not data:
            asyncio.get_running_loop().remove_reader(self._output_fd)
            return False
        self._lines.feed(data)
        return True
