"""What an installation keeps is readable by its owner alone, whatever the umask and whoever made its folder."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

OTHERS = 0o077
#: What stands in a data folder, which may be one that holds other people's files, too.
OURS = (
    "config.json*", "llmcoder.db*", "*.key", "flower_password", "up.lock", "redis.sock", "logs", "redis", "redis.*",
    "flower", "files",
)  # fmt: skip

log = logging.getLogger(__name__)


def keep_private() -> None:
    """Give no rights to others on whatever this process and its children make from here on."""
    os.umask(OTHERS)


def shut_out_others(folder: Path) -> None:
    """Take from others what they may do with a data folder that an earlier version made, or an operator."""
    if not _is_somebodys_home(folder):
        shut(folder)
    for pattern in OURS:
        for path in folder.glob(pattern):
            for found in (path, *_within(path)):
                shut(found)


def _is_somebodys_home(folder: Path) -> bool:
    """Whether others may have business there: it holds the folder that this process works in, or a person's."""
    here, whole = Path.cwd().resolve(), folder.resolve()
    return here.is_relative_to(whole) or whole == Path.home().resolve()


def _within(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):  # follows no link
        yield from (Path(where, name) for name in (*folders, *files))


def shut(path: Path) -> None:
    """Take from others what they may do with one file or folder."""
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode) or not status.st_mode & OTHERS:
            return
        path.chmod(stat.S_IMODE(status.st_mode) & ~OTHERS)
    except FileNotFoundError:
        return  # its process has just removed it
    except OSError as error:
        log.warning("%s is open to others, and that cannot be changed (%s).", path, error.strerror)
