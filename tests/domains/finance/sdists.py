"""Source distributions of other people's libraries, for the test data in them: read where they lie, copied nowhere."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import pytest

KEPT_IN = Path(tempfile.gettempdir(), "llmcoder-sdists")


@cache
def unpacked(name: str, version: str) -> Path:
    """The folder of a source distribution, fetched by pip once per machine."""
    folder = KEPT_IN / f"{name}-{version}"
    if not folder.is_dir():
        _fetch(name, version)
    return folder


def _fetch(name: str, version: str) -> None:
    KEPT_IN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=KEPT_IN) as inner:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        done = subprocess.run(
            [*command, "--dest", inner, f"{name}=={version}"], capture_output=True, text=True, timeout=300
        )
        if done.returncode:
            reason = f"no package index answers, for the test data of {name} {version}: {done.stderr[-300:]}"
            pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
        with tarfile.open(next(Path(inner).glob("*.tar.gz"))) as archive:
            archive.extractall(inner, filter="data")
        made = next(one for one in Path(inner).iterdir() if one.is_dir())
        target = KEPT_IN / f"{name}-{version}"
        if not target.exists():
            made.rename(target)
