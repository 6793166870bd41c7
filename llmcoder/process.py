"""Finds the application's packages (`api`, `tasks`, …) for the processes of this program, and for no others.

In a checkout they lie beside this one. A wheel holds them under `llmcoder/_app`, so that names as common as these never
meet other people's packages in site-packages; only what is started here has that folder on its path, before all else.

`python -m llmcoder.process workers io` is `python -m workers io` with these packages in reach.
"""

from __future__ import annotations

import gc
import importlib
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

#: Objects that are made between two looks of the garbage collector. Python's 700 have it look hundreds of times while
#: a process starts, where nothing is garbage yet, and that is a tenth of the start.
GC_AFTER = 50_000

_HERE = Path(__file__).resolve().parent


def application() -> Path:
    """The folder that holds the application's packages."""
    installed = _HERE / "_app"
    return installed if installed.is_dir() else _HERE.parent


def find_application() -> None:
    """Put the application's packages before all others of this process."""
    folder = str(application())
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)


def command_line(module: str, *arguments: str) -> list[str]:
    """What starts a module of the application, or one that loads the application, as a process."""
    return [sys.executable, "-m", __name__, module, *arguments]


def command() -> None:
    """The `llmcoder` command."""
    find_application()
    # by its name: the kernel imports nothing of the application
    importlib.import_module("cli.main").main()


def _run(words: Sequence[str]) -> None:
    if not words:
        raise SystemExit("usage: python -m llmcoder.process <module> [argument ...]")
    find_application()
    gc.set_threshold(GC_AFTER)
    sys.argv[:] = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _run(sys.argv[1:])
