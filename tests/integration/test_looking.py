"""A command that only shows changes no file; what starts an engine, or sets something, makes config.json of `.env`."""

from __future__ import annotations

import json
import os
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from shell_kit import Done, run_command

from cli.main import app
from llmcoder.config import Config
from models.db.database import Database
from models.db.migrate import upgrade

ENV = "API_PORT=1\nFLOWER_PORT=1\nLOG_LEVEL=ERROR\n"
#: Commands that start an engine, prepare one, or change settings; all others only look, or change rows of a database.
BEGINNING = {
    ("up",), ("api",), ("worker",), ("scheduler",), ("listeners",), ("migrate",), ("restore",), ("config", "set"),
    ("config", "unset"),
}  # fmt: skip
ARGUMENTS = {
    "path": ".", "email": "alice@example.org", "job_id": "018f0000-0000-7000-8000-000000000000",
    "schedule_id": "018f0000-0000-7000-8000-000000000000", "connection_id": "018f0000-0000-7000-8000-000000000000",
    "action": "general.list_todos", "named": "a macro", "file": "no-such-file.yaml", "provider": "jira",
    "file_id": "018f0000-0000-7000-8000-000000000000",
    "names": "approvals", "wishes": "undo_window_s=1", "settings": "LOG_LEVEL=INFO", "queue": "io",
}  # fmt: skip


def every_command(command: Any = None, name: tuple[str, ...] = ()) -> dict[tuple[str, ...], list[str]]:
    """By its name, the words of a call of every command that there is, with an example for each argument."""
    command = command or typer.main.get_command(app)
    if hasattr(command, "commands"):
        nested = (every_command(one, (*name, word)) for word, one in command.commands.items())
        return {found: words for each in nested for found, words in each.items()}
    arguments = [one.name for one in command.params if one.param_type_name == "argument" and one.required]
    return {name: [*name, *(ARGUMENTS[one] for one in arguments)]}


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """All that is in a folder: mode, time of the last change and content, by name."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_mtime_ns, content)
    return found


def environment(home: Path) -> dict[str, str]:
    """Of somebody who has installed it and set nothing."""
    return {"PATH": os.environ.get("PATH", ""), "HOME": str(home)}


def desk(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / ".env").write_text(ENV)
    return folder


@pytest.mark.long("every command runs once")
def test_every_command_that_only_shows_leaves_an_empty_folder_and_its_env_as_they_are(tmp_path: Path) -> None:
    commands = every_command()
    assert commands.keys() >= BEGINNING
    looking = {name: words for name, words in commands.items() if name not in BEGINNING}
    calls = [*looking.values(), [], ["--help"], *([*name, "--help"] for name in BEGINNING)]
    desks = [desk(tmp_path / f"{number}") for number in range(len(calls))]
    before = [snapshot(one) for one in desks]
    done = [llmcoder(one, *words) for one, words in zip(desks, calls, strict=True)]
    changed = {
        " ".join(words): sorted(snapshot(one).keys() ^ was.keys()) or "content"
        for one, words, was in zip(desks, calls, before, strict=True)
        if snapshot(one) != was
    }
    assert changed == {}
    assert {one.code for one in done} <= {0, 1, 2}


def llmcoder(where: Path, *words: str, typed: str = "", **env: str) -> Done:
    return run_command(words, environment(where) | env, folder=where, typed=typed)


def test_a_look_shows_what_env_says_although_nothing_was_made_of_it(tmp_path: Path) -> None:
    where = desk(tmp_path / "desk")
    shown = llmcoder(where, "config", "show", "LOG_LEVEL", "-o", "json")
    assert json.loads(shown.out)[0]["value"] == "ERROR"
    tried = llmcoder(where, "config", "check")
    assert f"{where / '.env'}: every value can be used." in tried.out
    assert [path.name for path in where.iterdir()] == [".env"]


@pytest.mark.parametrize("words", [["migrate"], ["config", "set", "LOG_LEVEL=INFO"], ["config", "unset", "LOG_LEVEL"]])
def test_what_begins_says_which_file_became_which(tmp_path: Path, words: list[str]) -> None:
    where = desk(tmp_path / "desk")
    done = llmcoder(where, *words)
    assert done.code == 0, done.err
    assert f"{where / '.env'} became {where / 'data' / 'config.json'} with 3 settings, and was deleted." in done.err
    assert not (where / ".env").exists()
    assert json.loads((where / "data" / "config.json").read_text())["API_PORT"] == "1"


def test_a_change_that_is_refused_makes_nothing_of_env_either(tmp_path: Path) -> None:
    where = desk(tmp_path / "desk")
    before = snapshot(where)
    assert llmcoder(where, "config", "set", "NO_SUCH_SETTING=1").code != 0
    assert snapshot(where) == before


def test_a_look_at_an_env_that_cannot_be_used_says_where(tmp_path: Path) -> None:
    where = desk(tmp_path / "desk")
    (where / ".env").write_text("LOG_LEVEL=INFO\nnonsense here\n")
    done = llmcoder(where, "config", "show")
    assert done.code != 0
    assert "line 2" in done.err


def test_one_that_only_looks_sees_config_json_as_soon_as_somebody_made_it(tmp_path: Path) -> None:
    where = desk(tmp_path / "desk")
    looking = Config.open({}, cwd=where, looks_only=True)
    assert looking.source == where / ".env"
    Config.open({}, cwd=where).patch({"LOG_LEVEL": "DEBUG"})
    assert looking.source == where / "data" / "config.json"
    looking.begin()
    assert [view.value for view in looking.describe() if view.name == "LOG_LEVEL"] == ["DEBUG"]


# --- whose files they are


def open_to_others(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): oct(path.lstat().st_mode & 0o777)
        for path in [folder, *folder.rglob("*")]
        if not path.is_symlink() and path.lstat().st_mode & 0o077
    }


def test_what_is_made_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    where = desk(tmp_path / "desk")
    (where / "data").mkdir(mode=0o700)  # sqlite's companions stand here while somebody has it open
    before = os.umask(0)
    try:
        assert llmcoder(where, "migrate").code == 0
        assert llmcoder(where, "user", "create", "alice@example.org", typed="a long password\n").code == 0
        assert llmcoder(where, "backup", str(where / "data" / "logs.tar")).code == 0
    finally:
        os.umask(before)
    names = {path.name for path in (where / "data").iterdir()}
    assert names >= {"llmcoder.db", "config.json", "audit.key", "logs.tar"}
    assert open_to_others(where / "data") == {}


def test_an_older_folder_is_shut_at_the_next_start(tmp_path: Path) -> None:
    where = desk(tmp_path / "desk")
    assert llmcoder(where, "migrate").code == 0
    data = where / "data"
    (data / "logs").mkdir()
    (data / "logs" / "llmcoder.log").write_text("a line")
    (data / "flower_password").write_text("secret")
    with closing(Database(f"sqlite:///{data / 'llmcoder.db'}")) as db, db.read():  # with its companions
        for path in [data, *data.rglob("*")]:
            path.chmod(0o777 if path.is_dir() else 0o666)
        assert llmcoder(where, "config", "show").code == 0
        assert len(open_to_others(data)) >= 7, "a look mends nothing"
        assert llmcoder(where, "config", "set", "LOG_LEVEL=INFO").code == 0
        assert open_to_others(data) == {}


def test_a_folder_in_which_others_have_business_stays_open_and_what_is_ours_in_it_is_shut(tmp_path: Path) -> None:
    where = desk(tmp_path / "desk")
    where.chmod(0o755)
    (where / "readme.txt").write_text("for everybody")
    (where / "readme.txt").chmod(0o644)
    assert llmcoder(where, "migrate", DATA_DIR=".").code == 0
    assert set(open_to_others(where)) == {".", "readme.txt"}


def test_an_upgrade_makes_a_database_and_nothing_else_does(tmp_path: Path) -> None:
    path = tmp_path / "llmcoder.db"
    db = Database(f"sqlite:///{path}")
    for attempt in (db.read, db.write):
        with pytest.raises(Exception, match="there is no database"), attempt():
            pass
    assert not path.exists()
    upgrade(f"sqlite:///{path}")
    assert path.stat().st_mode & 0o777 == 0o600
    with db.read():
        assert (tmp_path / "llmcoder.db-wal").stat().st_mode & 0o777 == 0o600
    db.close()
