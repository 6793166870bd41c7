"""Whether a file has changed since somebody looked at it, without reading it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

YOUNG_S = 2.0


@dataclass(frozen=True)
class Stamp:
    """By what a changed file is known; all zero when there is none."""

    changed_at_ns: int = 0
    size_bytes: int = 0
    inode: int = 0

    @classmethod
    def of(cls, path: Path) -> Stamp:
        try:
            found = path.stat()
        except OSError:
            return cls()
        return cls(found.st_mtime_ns, found.st_size, found.st_ino)

    @property
    def young(self) -> bool:
        """Whether a later write might still carry the same stamp: file systems count time in coarse ticks."""
        return time.time() - self.changed_at_ns / 1e9 < YOUNG_S
