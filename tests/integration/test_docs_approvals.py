"""Follows docs/approvals.md: its commands run against a whole engine, and print what the page says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from engine_kit import eventually
from served import serving
from shell_kit import ROOT, shell_on

from llmcoder.context import User
from models.db.database import Database
from models.jobs.claims import workers_seen

PAGE = (ROOT / "docs" / "approvals.md").read_text()
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
PRINTS = "#> "


def workers(db: Database) -> bool:
    with db.read() as conn:
        return bool(workers_seen(conn, db.now() - timedelta(seconds=30)))


def test_the_commands_of_the_page_print_what_it_says(
    db: Database, db_url: str, redis_url: str, tmp_path: Path, user: User
) -> None:
    if shutil.which("curl") is None:
        pytest.fail("the page's commands need curl")
    script = "".join(BLOCK.findall(PAGE))
    said = [line.removeprefix(PRINTS) for line in script.splitlines() if line.startswith(PRINTS)]
    env = shell_on(db_url, redis_url, tmp_path).env
    worker = subprocess.Popen([sys.executable, "-m", "workers", "io"], cwd=ROOT, env=env)
    try:
        with serving(db, redis_url, tmp_path) as served:
            eventually(lambda: workers(db), what="a worker")
            told = env | {"API": served.url, "TOKEN": served.token(user)}
            done = subprocess.run(
                ["bash", "-eu", "-c", script], env=told, capture_output=True, text=True, timeout=100, check=False
            )
    finally:
        worker.terminate()
        with suppress(subprocess.TimeoutExpired):
            worker.wait(120)
        worker.kill()
        worker.wait()
    assert done.stdout.splitlines() == said, done.stderr
    assert (done.returncode, len(said)) == (0, PAGE.count(f"\n{PRINTS}"))


def test_every_command_for_the_shell_exists() -> None:
    from typer.main import get_command

    from cli.main import app

    lines = re.findall(r"^\$ llmcoder ([a-z]+)(?: ([a-z]+) )?", PAGE, re.MULTILINE)
    assert lines
    groups = get_command(app).commands  # type: ignore[attr-defined]
    for group, command in lines:
        inner = getattr(groups[group], "commands", None)
        assert inner is None or command in inner or not command, (group, command)
