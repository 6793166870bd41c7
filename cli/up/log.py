"""One readable log of all processes: on the terminal, and in DATA_DIR/logs/llmcoder.log, which rotates.

A terminal that went away or a disk that is full must not end the supervisor: the line is lost, the processes live.
"""

import contextlib
import logging
import logging.handlers
import os
import sys
import time
from pathlib import Path
from typing import TextIO

FILE_BYTES = 10_000_000
OLD_FILES = 5
LONGEST_LINE_BYTES = 32_768
COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)
SUPERVISOR = "up"

# A line may carry text from outside; it must not be able to drive the reader's terminal.
CONTROLS = dict.fromkeys((*range(9), *range(10, 32), *range(127, 160)), "�")


class Log:
    """Writes lines as `12:30:01 worker-io | text`."""

    def __init__(self, file: Path, names: list[str], terminal: TextIO | None = None) -> None:
        self._terminal: TextIO | None = terminal or sys.stdout
        self._width = max(len(name) for name in (*names, SUPERVISOR))
        coloured = self._terminal.isatty() and "NO_COLOR" not in os.environ
        self._colour = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)} if coloured else {}
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = _Rotating(file, maxBytes=FILE_BYTES, backupCount=OLD_FILES, encoding="utf-8", errors="replace")

    def line(self, name: str, text: str) -> None:
        text = text.rstrip().translate(CONTROLS)
        if not text:
            return
        now = time.localtime()
        self._file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S', now)} {name:{self._width}} | {text}")
        self.show(f"{time.strftime('%H:%M:%S', now)} {self._prefix(name)} | {text}")

    def say(self, text: str) -> None:
        """A line of the supervisor's own."""
        self.line(SUPERVISOR, text)

    def show(self, text: str) -> None:
        """Write to the terminal alone; nothing of it reaches the file."""
        if self._terminal is None:
            return
        try:
            self._terminal.write(text + "\n")
            self._terminal.flush()
        except (OSError, ValueError):  # the terminal was closed
            self._terminal = None

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what a full disk did not take
            self._file.close()

    def _prefix(self, name: str) -> str:
        padded = f"{name:{self._width}}"
        colour = self._colour.get(name)
        return f"\x1b[{colour}m{padded}\x1b[0m" if colour else padded


class Lines:
    """Cuts the bytes of one process into lines of its log."""

    def __init__(self, log: Log, name: str) -> None:
        self._log = log
        self._name = name
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._log.line(self._name, line.decode(errors="replace"))
        if len(self._rest) > LONGEST_LINE_BYTES:
            self.end()

    def end(self) -> None:
        if self._rest:
            self._log.line(self._name, self._rest.decode(errors="replace"))
        self._rest = b""


class _Rotating(logging.handlers.RotatingFileHandler):
    """The standard library's rotation, without its records and without its report on a full disk."""

    def write(self, text: str) -> None:
        self.emit(logging.makeLogRecord({"msg": text}))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the base class's name)
        """Drop the line: the default prints a stack trace for each one while the disk is full."""
