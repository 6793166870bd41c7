"""config.json and `.env` as files: read whole, written at once and for good, with every failure of the disk explained.

Knows nothing of settings; `llmcoder.config` gives the values their meaning. Both files hold secrets, so messages name
the file, the line and the column, and never quote.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import JsonValue

from llmcoder.errors import NotConfigured, Transient
from llmcoder.settings import unset

Values = dict[str, JsonValue]

LOCK_WAIT_S = 10.0

log = logging.getLogger(__name__)


class ConfigError(NotConfigured):
    """The configuration, or the folder it lives in, cannot be used; the detail says what to do."""

    slug, title, status = "config", "The configuration cannot be used", 500


def read_env(path: Path) -> Values:
    """The non-empty settings of a `.env` file, taken literally: `${NAME}` is not expanded.

    Raises:
        ConfigError: A line is not NAME=VALUE; the detail has its number and not its text, which may be a secret.
    """
    import io

    from dotenv.parser import parse_stream

    values: Values = {}
    for found in parse_stream(io.StringIO(_text(path) or "")):
        blank_lines = len(re.findall(r"\r\n|\n|\r", _leading_blanks(found.original.string)))
        named = found.key is None or re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", found.key)
        if found.error or not named or (found.key and found.value is None):
            line = found.original.line + blank_lines
            raise ConfigError(
                f"{path}, line {line}: not NAME=VALUE. Correct the line and start again; nothing was changed."
            )
        if found.key and not unset(found.value):
            values[found.key] = found.value
    return values


def _leading_blanks(text: str) -> str:
    return text[: len(text) - len(text.lstrip())]


def read_values(path: Path, *, shut: bool = True) -> Values | None:
    """The values of a config.json, None when there is no such file.

    Args:
        shut: Make it readable by its owner alone.

    Raises:
        ConfigError: It is not one JSON object, or names a setting twice.
    """
    if shut:
        _shut_out_others(path)
    text = _text(path)
    if text is None:
        return None
    try:
        values = json.loads(text, object_pairs_hook=_once_each)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
    except RecursionError:
        where = "nested too deeply"
    except _Twice as error:
        where = f"{error} stands there twice"
    else:
        if isinstance(values, dict):
            return values
        where = "it must be one object, {…}"
    # Raised outside the handlers: a JSONDecodeError carries the whole document.
    raise ConfigError(f"{path} is not usable JSON ({where}). Correct that place, or put back a good copy.")


class _Twice(ValueError):
    """A name stands twice in one object, where JSON would silently take the last."""


def _once_each(pairs: list[tuple[str, JsonValue]]) -> Values:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in names if names.count(name) > 1))
    return values


def _text(path: Path) -> str | None:
    with _disk_errors_explained(path):
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
    # Raised outside the handler: a UnicodeDecodeError carries the whole file.
    raise ConfigError(f"{path}, line {line}: not UTF-8 text. Save the file as UTF-8.")


def _shut_out_others(path: Path) -> None:
    try:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("%s holds secrets, others can read it, and that cannot be changed (%s).", path, error.strerror)


def write_values(path: Path, values: Values) -> None:
    """Replace the file at once and for good. The caller holds the lock file, so the temporary name is ours alone."""
    text = json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    temporary = path.with_name(f"{path.name}.tmp")
    with _disk_errors_explained(path.parent):
        try:
            with open(temporary, "wb", opener=_open_private) as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _open_private(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o600)
    os.fchmod(descriptor, 0o600)  # one left by a process that was killed keeps its mode otherwise
    return descriptor


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file beside the configuration; the kernel lets go of it when its holder dies."""
    with _disk_errors_explained(path.parent):
        lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait_for(lock, path)
        yield
    finally:
        os.close(lock)


def _wait_for(lock: int, path: Path) -> None:
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Transient(f"Another process has been writing {path} for {LOCK_WAIT_S:.0f} s.") from None
        time.sleep(0.02)


def prepare_folder(folder: Path) -> None:
    """Make the data folder, and find out now rather than at the first job whether it takes data."""
    with _disk_errors_explained(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(4096))
            probe.flush()
            os.fsync(probe.fileno())


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_FOLDER = {errno.EEXIST, errno.ENOTDIR}


@contextmanager
def _disk_errors_explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = f"User {os.geteuid()} must be able to read and write it; or set DATA_DIR to another folder."
        if error.errno in _FULL:
            remedy = "Free some space, or set DATA_DIR to a folder on another disk."
        elif error.errno in _NO_FOLDER:
            remedy = "DATA_DIR must name a folder; there is a file of that name."
        raise ConfigError(f"{path} cannot be used: {error.strerror}. {remedy}") from error
