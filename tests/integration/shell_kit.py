"""The `llmcoder` command as a person or a script types it: real processes on the test's database, folder and Redis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Shell:
    """Runs `llmcoder` on one database, one data folder and one Redis."""

    env: dict[str, str]

    def __call__(self, *words: str, stdin: str = "", **env: str) -> Done:
        command = [sys.executable, "-m", "cli", *words]
        done = subprocess.run(
            command, cwd=ROOT, env={**self.env, **env}, input=stdin, capture_output=True, text=True, timeout=120
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)


def shell_on(db_url: str, redis_url: str, folder: Path) -> Shell:
    """A shell whose home is the folder, and whose data lies in `data` there."""
    return Shell(
        {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT / "tests" / "plugin"),
            "ENV_FILE": str(folder / "no.env"),
            "DATA_DIR": str(folder / "data"),
            "DATABASE_URL": db_url,
            "REDIS_URL": redis_url,
            "API_PORT": "1",
            "FLOWER_PORT": "1",
        }
    )
