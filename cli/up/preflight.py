"""Checks before anything is started, so that a mistake is one clear sentence and not six restarting processes."""

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

from llmcoder.startup import UpError

LEAST_FREE_BYTES = 64_000_000
# After a supervisor was killed outright its guard holds the lock for the moment it needs to end the rest.
GUARD_WORKS_FOR_S = 3.0


def usable_folder(folder: Path, least_free_bytes: int = LEAST_FREE_BYTES) -> Path:
    """Make the data folder if it is missing, and prove that it can be written.

    Raises:
        UpError: It cannot be made or written, or its disk is all but full.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
        free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        raise UpError(
            f"the data folder {folder} cannot be written ({error.strerror}): "
            "mend that, or set DATA_DIR to another folder"
        ) from error
    if free_bytes < least_free_bytes:
        raise UpError(
            f"the disk of the data folder {folder} is full ({free_bytes // 1_000_000} MB left): "
            "free some space, or set DATA_DIR to a folder on another disk"
        )
    return folder.absolute()


def take_lock(folder: Path) -> int:
    """Take the folder for this process; the open descriptor is the lock, and the kernel frees it at our end.

    Raises:
        UpError: Another one runs in this folder.
    """
    file = folder / "up.lock"
    lock_fd = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + GUARD_WORKS_FOR_S
    while not _locked(lock_fd):
        pid = file.read_text().strip()
        if _alive(pid) or time.monotonic() > deadline:
            os.close(lock_fd)
            raise UpError(
                f"an engine already runs in {folder} (pid {pid or 'unknown'}): "
                "stop that one first, or set DATA_DIR to another folder"
            )
        time.sleep(0.1)
    os.ftruncate(lock_fd, 0)
    os.pwrite(lock_fd, f"{os.getpid()}\n".encode(), 0)
    return lock_fd


def _locked(lock_fd: int) -> bool:
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ValueError:
        return True  # being written this moment
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
