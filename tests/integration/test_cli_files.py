"""`llmcoder files` and what `llmcoder jobs` and the doctor know of files: the operator's door to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_kit import accept_one, load_testkit, take
from typer.testing import CliRunner, Result

from cli.examination import file_store
from cli.main import app
from cli.results import CheckStatus
from engine.files.storage import Files
from llmcoder.config import Config, config
from llmcoder.context import User
from llmcoder.settings import EngineSettings
from models import attached_files
from models.db.database import Database

load_testkit()


@pytest.fixture
def shell(configured: Config, user: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[CliRunner]:
    monkeypatch.chdir(tmp_path)
    yield CliRunner()


def run(shell: CliRunner, *words: str, given: bytes | None = None) -> Result:
    return shell.invoke(app, [*words], input=given)


def test_a_file_goes_up_is_listed_saved_and_deleted(shell: CliRunner, tmp_path: Path) -> None:
    source = tmp_path / "statement.csv"
    source.write_bytes(b"a,b\n1,2\n")
    up = run(shell, "files", "upload", str(source))
    assert up.exit_code == 0, up.output
    named = json.loads(up.stdout)
    assert named.keys() == {"id", "sha256"}
    (shown,) = json.loads(run(shell, "files", "list", "--output", "json").stdout)
    assert (shown["id"], shown["name"], shown["media_type"]) == (named["id"], "statement.csv", "text/csv")

    saved = run(shell, "files", "save", named["id"], "--to", str(tmp_path / "copy.csv"))
    assert saved.exit_code == 0 and (tmp_path / "copy.csv").read_bytes() == source.read_bytes()
    again = run(shell, "files", "save", named["id"])
    assert isinstance(again.exception, Exception) and "not overwritten" in str(again.exception)
    assert run(shell, "files", "save", named["id"], "--to", "-").stdout_bytes == source.read_bytes()
    assert run(shell, "files", "delete", named["id"]).exit_code == 0
    assert json.loads(run(shell, "files", "list", "--output", "json").stdout) == []


def test_standard_input_is_a_file_too_and_another_users_is_not_there(shell: CliRunner, new_user: object) -> None:
    new_user("bob@example.org")  # type: ignore[operator]
    alice = ("--user", "alice@example.org")
    up = run(shell, "files", "upload", "-", "--name", "piped.txt", *alice, given=b"from a pipe")
    named = json.loads(up.stdout)
    assert run(shell, "files", "save", named["id"], "--to", "-", *alice).stdout == "from a pipe"
    foreign = run(shell, "files", "save", named["id"], "--user", "bob@example.org")
    assert "You have no file" in str(foreign.exception)


def test_what_a_job_has_attached_is_shown_and_saved(shell: CliRunner, db: Database, user: User, tmp_path: Path) -> None:
    job = accept_one(db, user)
    take(db, job.id)
    incoming = Files(db, lambda: config().get(EngineSettings)).receive(
        user.id, "report.txt", origin="person", taint=None, job_id=job.id
    )
    incoming.write(b"what came of it")
    incoming.finish(also=lambda conn, file: _attach(conn, job.id, file))
    shown = run(shell, "jobs", "show", str(job.id))
    assert "report.txt (15 bytes)" in shown.stdout
    assert run(shell, "jobs", "save", str(job.id)).exit_code == 0
    assert (tmp_path / "report.txt").read_bytes() == b"what came of it"
    missing = run(shell, "jobs", "save", str(job.id), "other.txt")
    assert "of that name" in str(missing.exception)


def _attach(conn: object, job_id: object, file: object) -> None:
    assert attached_files.attach(conn, job_id, 1, file.id, file.name, 9)  # type: ignore[arg-type, attr-defined]


def test_the_doctor_tries_the_store_and_makes_no_folder_for_that(
    shell: CliRunner, configured: Config, tmp_path: Path
) -> None:
    settings = configured.get(EngineSettings)
    assert file_store(settings).standing is CheckStatus.FINE
    assert not (tmp_path / "data" / "files").exists()
    assert run(shell, "files", "upload", "-", given=b"x").exit_code == 0
    assert "gives them back" in file_store(settings).seen
    assert run(shell, "files", "check").exit_code == 0
    (mark,) = (tmp_path / "data" / "files").rglob("mark")
    mark.unlink()
    found = file_store(settings)
    assert (found.standing, "Every machine must see the same one" in found.seen) == (CheckStatus.BROKEN, True)
