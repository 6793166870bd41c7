"""The `llmcoder` command as a person or a script meets it: real processes, exit codes, what stands on which stream."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import psutil
import pytest
import sqlalchemy as sa
from pydantic import Field, SecretStr
from shell_kit import ROOT, Shell, shell_on

from cli.accounts import acting, make_admin
from cli.actions import command_line
from cli.integrations import ask_all
from cli.screen import Screen
from cli.submitting import submission_of
from engine.admission import PLAIN, new_job
from llmcoder.arguments import assembled, read_input
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.errors import BadInput, Forbidden, NotFound
from llmcoder.ids import new_id
from llmcoder.model import Model
from llmcoder.registry import registry
from llmcoder.settings import Settings
from llmcoder.states import Reason, State
from models.accounts.tables import refresh_tokens, users
from models.accounts.users import start_session
from models.audit.tables import audit
from models.db.database import Database
from models.jobs.claims import workers_seen
from models.jobs.machine import Move, apply
from models.jobs.store import get, insert
from models.jobs.tables import jobs
from tests.integration.waiting import eventually

PASSWORD = "correct horse battery staple"
HEAVY = ("sqlalchemy", "pydantic", "fastapi", "celery", "redis", "rich.progress")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def shell(db_url: str, redis_url: str, tmp_path: Path) -> Shell:
    return shell_on(db_url, redis_url, tmp_path)


@pytest.fixture
def alice(user: User) -> str:
    """The address of the only user."""
    return user.email


@pytest.fixture
def worker(shell: Shell, db: Database) -> Iterator[subprocess.Popen[bytes]]:
    """An io worker started by `llmcoder worker io`, once it gave a sign of life."""
    process = subprocess.Popen([sys.executable, "-m", "cli", "worker", "io"], cwd=ROOT, env=shell.env)

    def seen() -> bool:
        assert process.poll() is None, "the worker ended"
        with db.read() as conn:
            return bool(workers_seen(conn, db.now() - timedelta(seconds=30)))

    try:
        eventually(seen, 120, "the worker")
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(120)
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def job_of(db: Database) -> Callable[[User], UUID]:
    """Make a queued job of a user: `job_of(user)`."""

    def make(owner: User) -> UUID:
        action = registry()["http.request"]
        new = new_job(submission_of(action, owner.id, "{}", priority=5, due_at=None, key=None), PLAIN, db.now())
        with db.write() as conn:
            insert(conn, [new], db.now(), rung=[False])
        return new.id

    return make


# --- the command itself


def test_help_loads_nothing_heavy() -> None:
    script = f"import sys, cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        (["user", "create", "bob@example.org"], "short"),
        (["user", "list", "--output", "json"], ""),
        (["run", "test.echo", "--json", "-", "--idempotency-key", "k"], '{"txt": "a"}'),
        (["run", "test.eco"], ""),
        (["jobs", "list", "--user", "eve@example.org"], ""),
        (["actions"], ""),
    ],
)
def test_a_command_that_python_starts_for_it_alone_says_and_does_the_same(
    shell: Shell, alice: str, words: list[str], typed: str
) -> None:
    """The other tests' commands are forked from a process that has their modules."""
    assert shell.start(*words, stdin=typed) == shell(*words, stdin=typed)


def test_every_command_explains_itself(shell: Shell) -> None:
    whole = shell("--help")
    for command in (
        "up",
        "api",
        "worker",
        "scheduler",
        "migrate",
        "config",
        "user",
        "actions",
        "run",
        "jobs",
        "doctor",
    ):
        assert command in whole.out
    assert "--idempotency-key" in shell("run", "--help", COLUMNS="200").out


def test_a_worker_takes_the_place_of_the_command_and_ends_with_sigterm(
    worker: subprocess.Popen[bytes],
) -> None:
    assert psutil.Process(worker.pid).cmdline()[1:] == ["-m", "llmcoder.process", "workers", "io"]
    worker.terminate()
    assert worker.wait(120) == 0


def test_only_the_two_queues_have_workers(shell: Shell) -> None:
    done = shell("worker", "middle")
    assert done.code == 2
    assert "heavy" in done.err


def test_migrate_makes_the_tables_and_may_come_twice(shell: Shell, tmp_path: Path) -> None:
    fresh = f"sqlite:///{tmp_path}/fresh.db"
    before = shell("user", "list", DATABASE_URL=fresh)
    assert (before.code, "llmcoder migrate" in before.err) == (1, True)
    assert [shell("migrate", DATABASE_URL=fresh).code for _ in range(2)] == [0, 0]
    assert shell("user", "list", DATABASE_URL=fresh).code == 0


def test_a_database_that_does_not_answer_is_one_line_without_its_password(shell: Shell) -> None:
    done = shell("jobs", "list", DATABASE_URL="postgresql://me:canary-password@127.0.0.1:1/nothing")
    assert done.code == 1
    assert done.err.startswith("llmcoder: The database cannot be used")
    assert done.err.count("\n") == 1
    assert "canary-password" not in done.err


def test_a_config_file_that_is_not_json_is_one_line_that_says_where(shell: Shell, data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "config.json").write_text('{"IO_SLOTS": 4,,}')
    done = shell("jobs", "list")
    assert done.code == 1
    assert "config.json" in done.err
    assert "line 1" in done.err
    assert done.err.count("\n") == 1


# --- users


def test_the_first_user_is_the_administrator_and_others_when_it_is_said(shell: Shell) -> None:
    for email, options in (("Alice@example.org", []), ("bob@example.org", []), ("carol@example.org", ["--admin"])):
        assert shell("user", "create", email, *options, stdin=PASSWORD + "\n").code == 0
    found = shell("user", "list", "--output", "json").json
    assert {one["email"]: one["is_admin"] for one in found} == {
        "alice@example.org": True,
        "bob@example.org": False,
        "carol@example.org": True,
    }
    assert shell("user", "make-admin", "bob@example.org").code == 0
    assert "bob@example.org    admin" in shell("user", "list").out


@pytest.mark.parametrize(
    ("email", "password", "named"),
    [
        ("nonsense", PASSWORD, "email"),
        ("bob@example.org", "short", "password"),
        ("alice@example.org", PASSWORD, "alice"),
    ],
)
def test_a_user_who_cannot_be_made_is_refused_with_the_reason(
    shell: Shell, alice: str, email: str, password: str, named: str
) -> None:
    done = shell("user", "create", email, stdin=password)
    assert done.code == 2
    assert named in done.err
    assert PASSWORD not in done.err


def test_a_disabled_user_and_a_new_password_end_every_login(shell: Shell, alice: str, db: Database) -> None:
    def log_in() -> None:
        now = db.now()
        with db.write() as conn:
            user_id = conn.execute(sa.select(users.c.id).where(users.c.email == alice)).scalar_one()
            start_session(conn, user_id, new_id().hex, now, now + timedelta(days=1))

    def logins() -> int:
        with db.read() as conn:
            return len(conn.execute(sa.select(refresh_tokens)).all())

    log_in()
    assert shell("user", "set-password", alice, stdin="another " + PASSWORD).code == 0
    assert logins() == 0
    log_in()
    assert shell("user", "disable", alice).code == 0
    assert logins() == 0
    assert "is disabled" in shell("jobs", "list", "--user", alice).err
    assert shell("user", "enable", alice).code == 0
    assert shell("jobs", "list", "--user", alice).code == 0


def test_a_user_nobody_knows_is_a_clear_error(shell: Shell, alice: str) -> None:
    for words in (["user", "disable", "eve@example.org"], ["jobs", "list", "--user", "eve@example.org"]):
        done = shell(*words)
        assert (done.code, "no user 'eve@example.org'" in done.err) == (2, True)


def test_the_operator_acts_as_the_only_user_or_the_first_admin(new_user: Callable[[str], User], db: Database) -> None:
    def acting_as(email: str | None = None) -> str:
        with db.read() as conn:
            return acting(conn, email).email

    with pytest.raises(NotFound, match="user create"):
        acting_as()
    bob = new_user("bob@example.org")
    assert acting_as() == bob.email
    alice = new_user("alice@example.org")
    with pytest.raises(BadInput, match="--user"):
        acting_as()
    with db.write() as conn:
        make_admin(conn, alice.id)
    assert acting_as() == alice.email
    assert acting_as("Bob@example.org") == bob.email


# --- settings


def test_a_setting_is_set_shown_and_taken_away(shell: Shell, db: Database) -> None:
    assert shell("config", "set", "OLLAMA_MODEL=small", "io_slots=4").code == 0
    shown = {one["name"]: one for one in shell("config", "show", "--output", "json").json}
    assert (shown["OLLAMA_MODEL"]["value"], shown["IO_SLOTS"]["value"]) == ("small", 4)
    assert shown["IO_SLOTS"]["source"] == "file"
    assert shell("config", "unset", "IO_SLOTS").code == 0
    assert "IO_SLOTS  16     default" in shell("config", "show", "io_slots").out
    with db.read() as conn:
        kept = conn.execute(sa.select(audit.c.event, audit.c.subject))
        assert set(kept.all()) == {
            ("config.set", "OLLAMA_MODEL"),
            ("config.set", "IO_SLOTS"),
            ("config.unset", "IO_SLOTS"),
        }


def test_a_secret_is_read_from_standard_input_and_never_shown(shell: Shell, data_dir: Path) -> None:
    done = shell("config", "set", "OPENAI_API_KEY", stdin="canary-key\n")
    assert done.code == 0
    assert json.loads((data_dir / "config.json").read_text()) == {"OPENAI_API_KEY": "canary-key"}
    for shown in (shell("config", "show"), shell("config", "show", "--output", "json"), shell("config", "check"), done):
        assert "canary-key" not in shown.out + shown.err
    assert "OPENAI_API_KEY  set" in shell("config", "show", "OPENAI_API_KEY").out


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("OPENAI_API_KE=1", "Did you mean OPENAI_API_KEY"),
        ("IO_SLOTS=many", "IO_SLOTS"),
        ("API_PORT=5001", "environment"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_and_nothing_is_written(
    shell: Shell, data_dir: Path, setting: str, said: str
) -> None:
    done = shell("config", "set", "OLLAMA_MODEL=small", setting)
    assert done.code == 2
    assert said in done.err
    assert not (data_dir / "config.json").exists()


def test_config_check_names_what_nothing_reads(shell: Shell, data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "config.json").write_text('{"OLAMA_HOST": "http://127.0.0.1:1"}')
    done = shell("config", "check")
    assert done.code == 1
    assert "OLAMA_HOST" in done.err
    assert "OLLAMA_HOST" in done.err
    assert shell("config", "unset", "OLAMA_HOST").code == 0
    assert shell("config", "check").code == 0


# --- actions and their input


def test_actions_are_listed_and_explained(shell: Shell) -> None:
    assert "general.add_note" in shell("actions").out
    assert "Keep a note." in shell("actions").out
    one = shell("actions", "test.take_nap")
    assert "How long it takes." in one.out
    assert "llmcoder run test.take_nap seconds=0.1 --wait" in one.out
    assert shell("actions", "test.take_nap", "--output", "json").json["input_schema"]["required"] == ["seconds"]
    near = shell("actions", "general.add_nte")
    assert (near.code, "general.add_note" in near.err) == (2, True)


def test_the_command_line_of_every_example_reads_as_the_example() -> None:
    for action in registry().values():
        words = shlex.split(command_line(action))[3:-1]
        expected = action.input.model_validate_json(json.dumps(action.example)).model_dump_json(by_alias=True)
        assert read_input(action.input, words, {}) == expected, action.name


class Inner(Model):
    size: int = 0
    name: str = ""


class Plant(Model):
    name: str = ""
    note: str | None = None
    height_cm: float = 0
    alive: bool = True
    kind: Literal["tree", "herb"] = "tree"
    tags: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    inner: Inner | None = None
    extra: dict[str, str] | None = None
    anything: Any = None
    either: int | str = 0
    secret: Annotated[SecretStr | None, Field(description="x")] = None


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["name=12", "note=null"], {"name": "12", "note": "null"}),
        (["name=a=b"], {"name": "a=b"}),
        (["name="], {"name": ""}),
        (["height_cm=1.5", "alive=false", "kind=herb"], {"height_cm": 1.5, "alive": False, "kind": "herb"}),
        (["tags=5", "tags=b"], {"tags": ["5", "b"]}),
        (['tags=["a","b"]'], {"tags": ["a", "b"]}),
        (["sizes=5", "sizes=6"], {"sizes": [5, 6]}),
        (["inner.size=5", "inner.name=7"], {"inner": {"size": 5, "name": "7"}}),
        (['inner={"size": 1}', "inner.name=x"], {"inner": {"size": 1, "name": "x"}}),
        (["extra.X-Test=1"], {"extra": {"X-Test": "1"}}),
        (["anything=[1]"], {"anything": [1]}),
        (["anything=text"], {"anything": "text"}),
        (["name=@@bob"], {"name": "@bob"}),
        (["height_cm=tall"], {"height_cm": "tall"}),
        (["secret=12"], {"secret": "12"}),
    ],
)
def test_words_become_the_input_that_the_schema_wants(words: list[str], given: dict[str, Any]) -> None:
    assert assembled(Plant.model_json_schema(), words, {}) == given


def test_a_value_may_come_from_a_file(tmp_path: Path) -> None:
    text, number = tmp_path / "text", tmp_path / "number"
    text.write_text("12\nlines\n")
    number.write_text("12\n")
    words = [f"name=@{text}", f"height_cm=@{number}"]
    assert assembled(Plant.model_json_schema(), words, {}) == {"name": "12\nlines\n", "height_cm": 12}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["name"], "is not key=value"),
        ([".name=1"], "is not key=value"),
        (["name=a", "name=b"], "given twice"),
        (["name=a", "name.b=1"], "no object"),
        (["nam=a"], "nam: there is no such field; did you mean name?"),
        (["height_cm=tall"], "height_cm:"),
        (["inner.size=tall"], "inner.size:"),
        (["name=@/nowhere/at/all"], "cannot be read"),
        (["name=\udcff"], "JSON"),
    ],
)
def test_an_input_that_cannot_be_is_refused_by_the_name_of_the_field(words: list[str], said: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_input(Plant, words, {})
    assert said in refused.value.detail


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["test.eco"], "test.echo"),
        (["test.take_nap"], "seconds: Field required"),
        (["test.echo", "txt=1"], "did you mean text"),
        (["test.echo", "--json", "/nowhere"], "cannot be read"),
        (["test.echo", "--priority", "10"], "--priority"),
        (["test.echo", "--due", "tomorrow"], "--due"),
        (["test.echo", "--idempotency-key", ""], "Idempotency-Key"),
        (["llm.generate", "prompt=x"], "OPENAI_API_KEY"),
    ],
)
def test_a_run_that_cannot_be_is_refused_and_no_job_is_made(
    shell: Shell, alice: str, db: Database, words: list[str], said: str
) -> None:
    done = shell("run", *words)
    assert done.code == 2, done.err
    assert said in done.err
    with db.read() as conn:
        assert conn.execute(sa.select(jobs.c.id)).all() == []


# --- jobs without a worker


def test_a_job_is_handed_in_and_its_id_stands_alone_on_standard_output(shell: Shell, alice: str) -> None:
    done = shell("run", "test.echo", "--json", "-", "text=over", stdin='{"text": "under"}')
    assert done.code == 0
    job = shell("jobs", "show", str(UUID(done.out.strip())), "--output", "json").json
    assert (job["state"], job["input"]) == ("queued", {"text": "over"})


def test_the_same_key_finds_the_first_job_and_refuses_another_one(shell: Shell, alice: str) -> None:
    first, again, other = (
        shell("run", "test.echo", f"text={text}", "--idempotency-key", "k") for text in ("a", "a", "b")
    )
    assert first.out == again.out
    assert other.code == 2
    assert "another submission" in other.err


def test_a_due_job_waits_for_its_time(shell: Shell, alice: str) -> None:
    job = shell("run", "test.echo", "--due", "2199-01-01T00:00Z", "--priority", "0", "--output", "json").json
    assert (job["state"], job["reason"], job["due_at"], job["priority"]) == (
        "scheduled",
        "delay",
        "2199-01-01T00:00:00Z",
        0,
    )
    waited = shell("run", "test.echo", "--due", "2199-01-01T00:00Z", "--timeout", "0.5")
    assert waited.code == 4
    assert "not due yet" in waited.err


def test_a_queued_job_is_cancelled_once_and_retried(shell: Shell, alice: str) -> None:
    job_id = shell("run", "test.echo").out.strip()
    assert "is queued" in shell("jobs", "retry", job_id).err
    assert shell("jobs", "cancel", job_id).code == 0
    assert "has ended: cancelled" in shell("jobs", "cancel", job_id).err
    assert shell("jobs", "list", "--state", "cancelled", "--output", "json").json[0]["id"] == job_id
    assert shell("jobs", "retry", job_id).code == 0
    assert shell("jobs", "show", job_id, "--output", "json").json["state"] == "queued"
    assert shell("jobs", "resolve", job_id, "--happened").code == 2


def test_a_cancel_after_the_effect_may_have_happened_says_so(
    shell: Shell, user: User, db: Database, job_of: Callable[..., UUID]
) -> None:
    job_id = job_of(user)
    with db.write() as conn:
        conn.execute(sa.update(jobs).values(armed_at=db.now()))
    done = shell("jobs", "cancel", str(job_id))
    assert done.code == 3
    assert "jobs resolve" in done.out


def test_an_uncertain_job_is_resolved_by_a_person(
    shell: Shell, user: User, db: Database, job_of: Callable[..., UUID]
) -> None:
    ids = [job_of(user) for _ in range(2)]
    for to, reason in ((State.RUNNING, None), (State.UNCERTAIN, Reason.NO_ANSWER)):
        with db.write() as conn:
            apply(conn, [Move(job_id, to, reason=reason) for job_id in ids], db.now())
    assert shell("jobs", "cancel", str(ids[0])).code == 2
    assert shell("jobs", "resolve", str(ids[0]), "--happened").code == 0
    assert shell("jobs", "resolve", str(ids[1]), "--did-not-happen", "--note", "not in the log").code == 0
    with db.read() as conn:
        one, other = (get(conn, user.id, job_id) for job_id in ids)
    assert one is not None
    assert other is not None
    assert (one.state, one.reason) == ("succeeded", "resolved")
    assert (other.state, "not in the log" in (other.error or "")) == ("failed", True)


@pytest.mark.parametrize("words", [["show"], ["cancel"], ["retry"], ["resolve", "--happened"]])
def test_another_user_s_job_is_not_there(
    shell: Shell, new_user: Callable[[str], User], job_of: Callable[..., UUID], words: list[str]
) -> None:
    job_id = job_of(new_user("bob@example.org"))
    done = shell("jobs", *words, str(job_id), "--user", new_user("eve@example.org").email)
    assert (done.code, f"no job {job_id}" in done.err) == (2, True)


def test_a_list_has_pages_and_fits_in_lines(shell: Shell, user: User, job_of: Callable[..., UUID]) -> None:
    ids = [str(job_of(user)) for _ in range(3)]
    page = shell("jobs", "list", "--limit", "2")
    assert [line.split()[0] for line in page.out.splitlines()] == ["ID", ids[2], ids[1]]
    assert f"--before {ids[1]}" in page.err
    rest = shell("jobs", "list", "--before", ids[1], "--output", "json").json
    assert [job["id"] for job in rest] == ids[:1]
    assert shell("jobs", "list", "--state", "asleep").code == 2


def test_a_job_is_accepted_while_redis_is_away(shell: Shell, alice: str) -> None:
    done = shell("run", "test.echo", "--timeout", "0.5", REDIS_URL="redis://127.0.0.1:1/0")
    assert done.code == 4
    assert shell("jobs", "list", "--output", "json").json[0]["state"] == "queued"


# --- jobs with a worker


@pytest.mark.usefixtures("worker")
def test_a_run_that_is_waited_for_ends_with_the_code_of_its_state(
    shell: Shell, alice: str, db: Database, tmp_path: Path
) -> None:
    succeeded = shell("run", "test.echo", "text=hello", "--wait")
    assert (succeeded.code, succeeded.json) == (0, {"text": "hello"})

    failed = shell("run", "test.make_trouble", "kind=bad_input", "--wait")
    assert (failed.code, failed.out) == (1, "")
    assert "failed: it will not do" in failed.err

    uncertain = shell(
        "run", "test.write_line", f"path={tmp_path}/effects", "then=uncertain", "--wait", "--output", "json"
    )
    assert (uncertain.code, uncertain.json["state"]) == (3, "uncertain")


@pytest.mark.usefixtures("worker")
def test_a_run_that_takes_too_long_goes_on_until_it_is_cancelled(shell: Shell, user: User, db: Database) -> None:
    done = shell("run", "system.start_realtime", "interval_s=0.2", "--timeout", "1", "--output", "json")
    assert (done.code, done.out) == (4, "")
    assert "topic=machine" in done.err
    assert "goes on" in done.err
    with db.read() as conn:
        job_id = conn.execute(sa.select(jobs.c.id)).scalar_one()
    assert "asked to end" in shell("jobs", "cancel", str(job_id)).out

    def cancelled() -> bool:
        with db.read() as conn:
            job = get(conn, user.id, job_id)
        return job is not None and job.state == "cancelled"

    eventually(cancelled, 120, "the running job to be cancelled")


@pytest.mark.usefixtures("worker")
def test_log_lines_are_shown_while_waiting_and_the_result_stands_alone(shell: Shell, alice: str) -> None:
    done = shell("run", "system.start_realtime", "lines=2", "interval_s=0.2", "--wait")
    assert (done.code, done.json["lines"]) == (0, 2)
    assert done.err.count("topic=machine") == 2


@pytest.mark.usefixtures("worker")
def test_ctrl_c_leaves_the_job_running_and_says_how_to_reach_it(shell: Shell, alice: str) -> None:
    words = [sys.executable, "-m", "cli", "run", "test.take_nap", "seconds=2.8", "--wait"]
    process = subprocess.Popen(
        words,
        cwd=ROOT,
        env=shell.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        assert "napping" in line
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "jobs cancel" in rest
    assert "Traceback" not in rest


# --- what is shown while a job runs


def test_streamed_text_stands_in_one_piece_between_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    for message in (
        {"type": "progress", "fraction": 0.5, "message": "asking"},
        {"type": "progress", "fraction": 0.51, "message": "asking"},
        {"type": "token", "text": "Once "},
        {"type": "token", "text": "upon\x1b[2J"},
        {"type": "log", "message": "read", "fields": {"pages": 3}},
    ):
        screen.live(message)
    screen.close()
    shown = capsys.readouterr()
    assert shown.err == " 50% asking\nOnce upon�[2J\nread pages=3\n"
    assert shown.out == ""


# --- doctor


def test_the_doctor_names_every_part_and_what_to_do(shell: Shell, data_dir: Path, db: Database) -> None:
    data_dir.mkdir(mode=0o755)
    (data_dir / "config.json").write_text('{"OLAMA_HOST": "x", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}')
    done = shell("doctor", "--json")
    assert done.code == 1
    standing: dict[str, set[str]] = {}
    for finding in done.json:
        standing.setdefault(finding["part"], set()).add(finding["standing"])
    assert (
        standing.items()
        >= {
            "python": {"fine"},
            "configuration": {"fine", "note"},
            "data folder": {"fine", "note"},
            "sqlite": {"fine"},
            "signing key": {"note"},
            "broker": {"fine"},
            "database": {"fine"},
            "worker io": {"broken"},
            "worker heavy": {"broken"},
            "scheduler": {"broken"},
            "api": {"broken"},
            "flower": {"note"},
            "Language models": {"broken"},
        }.items()
    )
    remedies = " ".join(finding["remedy"] for finding in done.json)
    for remedy in ("config unset OLAMA_HOST", "chmod 700", "llmcoder worker io", "llmcoder scheduler"):
        assert remedy in remedies
    assert "llmcoder worker io" in shell("doctor").out


@pytest.mark.usefixtures("worker")
def test_the_doctor_sees_a_worker(shell: Shell) -> None:
    seen = {one["part"]: one["standing"] for one in shell("doctor", "--json").json}
    assert (seen["worker io"], seen["worker heavy"]) == ("fine", "broken")


@pytest.mark.parametrize(
    ("env", "part"),
    [
        ({"REDIS_URL": "redis://:canary-password@127.0.0.1:1/0"}, "broker"),
        ({"DATABASE_URL": "postgresql://me:canary-password@127.0.0.1:1/nothing"}, "database"),
        ({"DATABASE_URL": "sqlite:////nowhere/at/all.db"}, "database"),
        ({"BROKER_URL": "amqp://me:canary-password@127.0.0.1:1//"}, "broker"),
        ({"IO_SLOTS": "many"}, "configuration"),
    ],
)
def test_the_doctor_outlives_what_is_broken(shell: Shell, env: dict[str, str], part: str) -> None:
    done = shell("doctor", "--json", **env)
    assert done.code == 1
    assert {one["part"]: one["standing"] for one in done.json}[part] == "broken"
    assert "canary-password" not in done.out + done.err


class Free(Settings):
    title = "Free"


class Unset(Settings):
    title = "Unset"
    needs = ("UNSET_KEY",)
    unset_key: str | None = None


class Refusing(Settings):
    title = "Refusing"

    def check(self) -> str:
        raise Forbidden("The key is not valid any more; make a new one.")


class Broken(Settings):
    title = "Broken"

    def check(self) -> str:
        raise ValueError("canary-secret")


ENOUGH = threading.Event()


class Silent(Settings):
    title = "Silent"

    def check(self) -> str:
        ENOUGH.wait(120)
        return "late"


def test_integrations_are_asked_side_by_side_and_not_for_ever(tmp_path: Path) -> None:
    kinds = [Silent, Free, Unset, Refusing, Broken]
    config = Config.open({"DATA_DIR": str(tmp_path)}, cwd=tmp_path)
    began = time.monotonic()
    found = {one.part: one for one in ask_all(config, kinds, within_s=0.5)}
    ENOUGH.set()
    assert time.monotonic() - began < 60
    assert {part: one.standing.value for part, one in found.items()} == {
        "Silent": "broken",
        "Free": "fine",
        "Unset": "note",
        "Refusing": "broken",
        "Broken": "broken",
    }
    assert "UNSET_KEY" in found["Unset"].remedy
    assert "make a new one" in found["Refusing"].seen
    assert "canary-secret" not in found["Broken"].seen
