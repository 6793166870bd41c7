"""Secrets that an installation makes for itself: files of its data folder, mode 0600, 32 random bytes at first use."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

KEY_BYTES = 32


def read(path: Path) -> bytes | None:
    """What the file holds; None when there is none.

    Raises:
        OSError: It cannot be read.
    """
    return path.read_bytes() if path.exists() else None


def read_or_make(path: Path) -> bytes:
    """What the file holds, made if there is none. Processes that start at the same moment agree on one.

    Raises:
        OSError: The folder cannot be written, or the file not be read.
    """
    if not path.exists():
        _make(path)
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    return path.read_bytes()


def replace(path: Path, content: bytes) -> None:
    """Give the file another content, all of it or nothing; for a caller that shuts out others who do the same.

    Raises:
        OSError: The folder cannot be written.
    """
    draft = _draft(path, content)
    try:
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _keep_names(path)


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Complete before it has its name: nobody reads half a key. Linked and not renamed: nobody's key is replaced.
    draft = _draft(path, secrets.token_bytes(KEY_BYTES))
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    _keep_names(path)


def _draft(path: Path, content: bytes) -> Path:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        draft.unlink()
        raise
    return draft


def _keep_names(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
