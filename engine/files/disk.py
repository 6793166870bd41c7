"""Blobs as files in a folder. On several machines it must be one folder that all of them share."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from engine.files.blobs import CHUNK_BYTES, BlobMissing, BlobStore, BlobWriter, Found, StoreAway, StoreFull

#: What a writer has not finished is called so.
PART = ".part"
#: The database and its log may stand on the same disk, and an engine that cannot write accepts no job.
LEFT_FREE_BYTES = 256 << 20
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: In the folder of a space: by which a machine knows that it looks at the same folder as the others.
MARK = "mark"


class DiskStore(BlobStore):
    """A folder, made when the first blob comes.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def place(self) -> str:
        return str(self._root)

    def writer(self, name: str, size_bytes: int | None = None) -> DiskWriter:
        with self._errors():
            path = self._path(name)
            make_folder(path.parent)
            self._refuse_to_fill_up(size_bytes or 0)
            return DiskWriter(path, self)

    def read(self, name: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        with self._errors(), self._opened(name) as file:
            file.seek(start)
            left = length
            while left is None or left > 0:
                chunk = file.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left))
                if not chunk:
                    return
                left = None if left is None else left - len(chunk)
                yield chunk

    def open_local(self, name: str) -> IO[bytes]:
        with self._errors():
            return self._opened(name)

    def remove(self, name: str) -> None:
        path = self._path(name)
        with self._errors():
            for one in (path, path.with_name(path.name + PART)):
                one.unlink(missing_ok=True)

    def names(self, space: str) -> Iterator[Found]:
        with self._errors():
            for where, _, names in os.walk(self._root / space):
                for name in names:
                    if name == MARK:
                        continue
                    path = Path(where, name)
                    with suppress(FileNotFoundError):  # it has just been removed, or got its name
                        modified_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                        yield Found(str(path.relative_to(self._root)).removesuffix(PART), modified_at)

    def look(self) -> None:
        with self._errors():
            if self._root.exists() and not os.access(self._root, os.R_OK | os.W_OK | os.X_OK):
                raise StoreAway(f"{self._root} cannot be read and written by user {os.geteuid()}.")
            self._refuse_to_fill_up(0)

    def check(self, space: str) -> None:
        name = f"{space}/probe-{secrets.token_hex(4)}"
        writer = self.writer(name)
        try:
            writer.write(b"probe")
            writer.finish()
            if b"".join(self.read(name)) != b"probe":
                raise StoreAway(f"{self._root} gives back something else than what was written.")
        finally:
            writer.abort()

    def mark(self, space: str) -> str | None:
        """What the space's folder is marked with; None where there is no such folder on this machine."""
        with self._errors():
            path = self._root / space / MARK
            return path.read_text() if path.is_file() else None

    def set_mark(self, space: str, mark: str) -> None:
        """Mark the space's folder; the mark of whoever was first stays."""
        with self._errors():
            make_folder(self._root / space)
            path = self._root / space / MARK
            if not path.exists():
                part = path.with_name(f"{MARK}-{mark}{PART}")
                part.write_text(mark)
                with suppress(FileExistsError):
                    os.link(part, path)
                part.unlink()

    def _path(self, name: str) -> Path:
        return self._root / name

    def _opened(self, name: str) -> IO[bytes]:
        try:
            return self._path(name).open("rb")
        except FileNotFoundError:
            raise BlobMissing(
                f"The content is not in {self._root}. Was the folder moved, or is it another machine's? With several "
                "machines FILES_URL names a folder that all of them share, or a bucket."
            ) from None

    def _refuse_to_fill_up(self, size_bytes: int) -> None:
        existing = next(one for one in (self._root, *self._root.parents) if one.exists())
        free_bytes = shutil.disk_usage(existing).free
        if free_bytes - size_bytes < LEFT_FREE_BYTES:
            raise StoreFull(
                f"The disk of {self._root} has {free_bytes:,} bytes free, and {LEFT_FREE_BYTES:,} of them are left to "
                "the database. Free some space, or set FILES_URL to another place."
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in FULL:
                raise StoreFull(f"The disk of {self._root} is full. Free some space.") from error
            raise StoreAway(f"{self._root} cannot be used: {error.strerror or type(error).__name__}.") from error


class DiskWriter(BlobWriter):
    """Writes beside the blob's place; the name comes last, when the bytes are on the disk."""

    def __init__(self, path: Path, store: DiskStore) -> None:
        self._path = path
        self._store = store
        self._part = path.with_name(path.name + PART)
        self._file = open(self._part, "xb", buffering=0, opener=_private)  # noqa: SIM115  closed by finish or abort
        self._until_look = CHUNK_BYTES * 16

    def write(self, chunk: bytes) -> None:
        with self._store._errors():
            left = memoryview(chunk)
            while left:
                left = left[self._file.write(left) :]
            self._until_look -= len(chunk)
            if self._until_look < 0:
                self._until_look = CHUNK_BYTES * 16
                self._store._refuse_to_fill_up(0)

    def finish(self) -> None:
        with self._store._errors():
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.rename(self._path)
            _sync(self._path.parent)

    def abort(self) -> None:
        self._file.close()
        for one in (self._part, self._path):
            with suppress(OSError):  # its row says that it is to be removed, and retention tries again
                one.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each for its owner alone and known to the disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        _sync(folder.parent)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
