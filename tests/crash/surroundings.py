"""What a fault needs around the engine: a clock that can jump, a disk that can be full, a stranger's lock."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
BLOCK_BYTES = 65_536


class Clock:
    """The wall clock of a cluster's processes."""

    def __init__(self, folder: Path) -> None:
        self._library = folder / "clock.so"
        self._offset = folder / "clock.offset"
        self.jump_to(0)
        self._offset.chmod(0o644)
        command = ["gcc", "-shared", "-fPIC", "-O2", "-o", str(self._library), str(HERE / "clock.c")]
        subprocess.run(command, check=True)

    @property
    def environ(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "CLOCK_OFFSET_FILE": str(self._offset)}

    def jump_to(self, offset_s: int) -> None:
        """From now on the clock shows so many seconds more than the true time."""
        # in place: the processes have it mapped
        file = os.open(self._offset, os.O_WRONLY | os.O_CREAT)
        os.pwrite(file, struct.pack("q", offset_s), 0)
        os.close(file)


def can_jump() -> bool:
    return shutil.which("gcc") is not None


class SmallDisk:
    """A file system of its own that can be filled to the last byte."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        with suppress(OSError), self._ballast.open("wb", buffering=0) as ballast:
            for block_bytes in (BLOCK_BYTES, 512):
                with suppress(OSError):
                    while ballast.write(b"\0" * block_bytes) == block_bytes:
                        pass

    def empty(self) -> None:
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[SmallDisk]:
    """A tmpfs; only root may mount one."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=755", "tmpfs", str(folder)], check=True)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def can_mount() -> bool:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    probe = HERE / ".probe"
    probe.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(probe)], capture_output=True)
    if mounted.returncode == 0:
        subprocess.run(["umount", str(probe)], check=True)
    probe.rmdir()
    return mounted.returncode == 0


_HOLD = """
import sys, time
from models.db import safe_sqlite
connection = safe_sqlite().connect(sys.argv[1], timeout=30, isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
time.sleep(float(sys.argv[2]))
connection.execute("ROLLBACK")
"""


def hold_write_lock(file: str, for_s: float) -> None:
    """A foreign process has SQLite's one write lock for a while, and nobody else can write."""
    subprocess.run([sys.executable, "-c", _HOLD, file, str(for_s)], check=True, cwd=HERE.parents[1])
