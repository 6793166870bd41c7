"""A Redis of a test's own, on a unix socket. It keeps nothing, and may be stopped, killed and started again."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from cli.up import redis as embedded_redis
from tests.integration.waiting import eventually


@dataclass
class OwnRedis:
    """One server and the folder of its socket."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "redis.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}?db=0"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it, or start it again with nothing in it.

        Raises:
            UpError: There is no Redis on this machine.
        """
        options = {"port": "0", "unixsocket": str(self.socket), "dir": str(self.folder), "save": "", "appendonly": "no"}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        self.process = subprocess.Popen([embedded_redis.server(), *words], stdout=subprocess.DEVNULL)
        eventually(self._answers, what="Redis starts")

    def _answers(self) -> bool:
        assert self.process is not None and self.process.poll() is None, "Redis did not start"
        return embedded_redis.answers(self.socket)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(120)
        self.socket.unlink(missing_ok=True)

    @contextmanager
    def hung(self) -> Iterator[None]:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)


@contextmanager
def own_redis() -> Iterator[OwnRedis]:
    """One that runs, and is gone after the block, whatever became of it there."""
    made = OwnRedis(Path(tempfile.mkdtemp(prefix="llmcoder-redis-")))  # short: the kernel limits a socket's path
    try:
        made.start()
        yield made
    finally:
        if made.process is not None:
            made.process.kill()
            made.process.wait(120)
        shutil.rmtree(made.folder, ignore_errors=True)
