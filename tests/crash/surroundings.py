"""What a fault needs around the engine: a clock that jumps, a disk that is full or read-only, a stranger's lock."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent
BLOCK_BYTES = 65_536


class Clock:
    """The wall clock of a cluster's processes."""

    def __init__(self, folder: Path) -> None:
        self._library = compiled("clock", folder)
        self._offset = folder / "clock.offset"
        self.jump_to(0)
        self._offset.chmod(0o644)

    @property
    def environ(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "CLOCK_OFFSET_FILE": str(self._offset)}

    def jump_to(self, offset_s: int) -> None:
        """From now on the clock shows so many seconds more than the true time."""
        write_in_place(self._offset, struct.pack("q", offset_s))


class WriteSwitch:
    """Makes a folder's file system read-only for a cluster's processes, those that have files open there included.

    A real one cannot be: the kernel remounts no file system read-only on which somebody has a file open for writing,
    except by an error from which there is no way back.
    """

    def __init__(self, folder: Path, guarded: Path) -> None:
        self._library = compiled("read_only", folder)
        self._guarded = guarded
        self._switch = folder / "read_only.switch"
        self.allow_writes()

    @property
    def environ(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self._library),
            "READ_ONLY_SWITCH": str(self._switch),
            "READ_ONLY_FOLDER": f"{self._guarded}/",
        }

    def forbid_writes(self) -> None:
        write_in_place(self._switch, b"\1")

    def allow_writes(self) -> None:
        write_in_place(self._switch, b"\0")


def compiled(name: str, folder: Path) -> Path:
    """The library of one of the C files here, for LD_PRELOAD."""
    library = folder / f"{name}.so"
    command = ["gcc", "-shared", "-fPIC", "-O2", "-o", str(library), str(HERE / f"{name}.c")]
    subprocess.run(command, check=True)
    return library


def can_compile() -> bool:
    return shutil.which("gcc") is not None


def write_in_place(path: Path, content: bytes) -> None:
    """Into the same file: the processes have it mapped."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    os.pwrite(file, content, 0)
    os.close(file)


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
from models.db.database import safe_sqlite
connection = safe_sqlite().connect(sys.argv[1], timeout=30, isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
connection.execute("ROLLBACK")
"""


def hold_write_lock(file: str, for_s: float) -> None:
    """A foreign process has SQLite's one write lock for a while, and nobody else can write."""
    command = [sys.executable, "-c", _HOLD, file, str(for_s)]
    subprocess.run(command, check=True, cwd=HERE.parents[1], stdout=subprocess.DEVNULL)


@contextmanager
def frozen_writer(file: str) -> Iterator[None]:
    """A foreign process is amid a write to the SQLite file, and stopped."""
    command = [sys.executable, "-c", _HOLD, file, "0"]
    with subprocess.Popen(command, cwd=HERE.parents[1], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it has the lock
        with frozen(process.pid):
            yield


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process and all that it started are stopped."""
    parent = psutil.Process(pid)
    stopped = [parent, *parent.children(recursive=True)]
    for process in stopped:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    try:
        yield
    finally:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.resume()
