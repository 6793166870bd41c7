"""The audit log: a dense chain whoever writes at once, nothing done to it stays unseen, and no secret is in it."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from served import Served, serving
from shell_kit import Done, run_command

from llmcoder.config import Config, config, use
from llmcoder.context import User
from models.accounts.tables import users
from models.audit import log as audit
from models.audit.log import AuditError, Entry, EntryFilter, Event, Head
from models.audit.tables import audit as rows
from models.audit.tables import audit_head
from models.db.database import Database

pytestmark = pytest.mark.both_stores

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "canary-password-4711"
WRITERS, TRANSACTIONS = 8, 50
#: Commands of the command line in one process, since a process costs a second.
ONE_AFTER_THE_OTHER = """
import sys
from cli.main import app
for command in sys.argv[1:]:
    app(command.split(), standalone_mode=False)
"""


def write(db: Database, *entries: Entry) -> None:
    with db.write() as conn:
        audit.append(conn, entries, db.now())


def login(subject: str = "alice@example.org", **more: Any) -> Entry:
    return Entry(Event.LOGIN, subject, **more)


def verdict(db: Database, expected: Head | None = None) -> audit.Verification:
    with db.read() as conn:
        return audit.verify(conn, audit.keys(config().path.parent), expected)


def everything(db: Database) -> list[Any]:
    with db.read() as conn:
        return list(conn.execute(sa.select(rows).order_by(rows.c.seq)))


# --- writing


def test_entries_stand_as_they_were_given(db: Database, user: User) -> None:
    now = db.now()
    with db.write() as conn:
        given = [login(actor=user.id, detail={"b": 1, "a": "ä\ud800\0"}), Entry(Event.LOGOUT, "x\0y\ud800" + "z" * 400)]
        audit.append(conn, given, now)
    first, second = everything(db)
    assert (first.seq, first.at, first.actor_id, first.event) == (1, now, user.id, "login")
    assert json.loads(first.detail) == {"a": "ä\ud800\0", "b": 1}
    assert (second.seq, second.actor_id, second.subject[:4], len(second.subject)) == (2, None, "xy\ufffdz", 300)
    assert (first.previous, second.previous) == (audit.GENESIS, first.hash)
    assert verdict(db) == audit.Verification(Head(2, second.hash), None)


def test_an_empty_log_is_whole_and_nothing_to_write_takes_no_lock(db: Database) -> None:
    write(db)
    assert verdict(db) == audit.Verification(Head(0, audit.GENESIS), None)


def test_a_batch_is_three_statements(db: Database) -> None:
    write(db, login())
    seen: list[str] = []
    with db.write() as conn:
        sa.event.listen(conn, "before_cursor_execute", lambda _c, _u, statement, *_: seen.append(statement.split()[0]))
        audit.append(conn, [login() for _ in range(500)], db.now())
    assert seen == ["SELECT", "INSERT", "UPDATE"]
    assert verdict(db).fault is None


def test_a_transaction_that_is_rolled_back_leaves_no_gap(db: Database) -> None:
    write(db, login())
    with pytest.raises(RuntimeError, match="no"), db.write() as conn:
        audit.append(conn, [login()], db.now())
        raise RuntimeError("no")
    write(db, login())
    assert [row.seq for row in everything(db)] == [1, 2]
    assert verdict(db).fault is None


def test_writers_at_the_same_time_make_one_dense_chain(db: Database) -> None:
    def work(number: int) -> None:
        for turn in range(TRANSACTIONS):
            write(db, *(login(f"writer {number}", detail={"turn": turn, "n": n}) for n in range(1 + turn % 3)))

    done, checked = threading.Event(), []

    def watch() -> None:
        while not done.is_set():
            checked.append(verdict(db))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with ThreadPoolExecutor(WRITERS) as threads:
            list(threads.map(work, range(WRITERS)))
    finally:
        done.set()
        watcher.join()
    written = sum(1 + turn % 3 for turn in range(TRANSACTIONS)) * WRITERS
    assert [row.seq for row in everything(db)] == list(range(1, written + 1))
    assert verdict(db).fault is None
    assert checked and [one for one in checked if one.fault] == [], "verify among writers"


def test_filters_narrow_the_list_and_pages_follow_each_other(db: Database, user: User) -> None:
    before = db.now()
    write(db, *(login(f"{n}@example.org") for n in range(5)))
    write(db, Entry(Event.CONFIG_SET, "API_PORT", actor=user.id))

    def found(wanted: EntryFilter, limit: int = 10) -> list[int]:
        with db.read() as conn:
            return [row.seq for row in audit.listed(conn, wanted, limit)]

    assert found(EntryFilter(), 4) == [6, 5, 4, 3]
    assert found(EntryFilter(before=3)) == [2, 1]
    assert found(EntryFilter(event=Event.LOGIN), 2) == [5, 4]
    assert found(EntryFilter(actor_id=user.id)) == [6]
    assert found(EntryFilter(subject="2@example.org", since=before)) == [3]
    assert found(EntryFilter(since=db.now())) == []


# --- tampering


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET subject = 'mallory'",
        "DELETE FROM audit WHERE seq = 1",
        {"sqlite": "DELETE FROM audit", "postgresql": "TRUNCATE audit"},
    ],
)
def test_the_database_refuses_to_change_what_was_written(db: Database, statement: str | dict[str, str]) -> None:
    write(db, login())
    if isinstance(statement, dict):
        statement = statement[db.url.get_backend_name()]
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), db.write() as conn:
        conn.execute(sa.text(statement))
    assert verdict(db).fault is None


def tamper(db: Database, *statements: str) -> None:
    """Do what somebody does who owns the database and has no key."""
    with db.write() as conn:
        for name in ("audit_no_update", "audit_no_delete") if db.is_sqlite else ("audit_no_change",):
            conn.execute(sa.text(f"DROP TRIGGER {name}" + ("" if db.is_sqlite else " ON audit")))
        for statement in statements:
            conn.execute(sa.text(statement))


COPY = (
    "INSERT INTO audit (seq, at, actor_id, event, subject, detail, key_id, previous, hash) "
    "SELECT {seq}, at, actor_id, event, subject, detail, {key}, previous, hash FROM audit WHERE seq = {of}"
)


@pytest.mark.parametrize(
    ("statements", "seq", "what"),
    [
        (["UPDATE audit SET subject = 'mallory' WHERE seq = 3"], 3, "changed"),
        (["UPDATE audit SET event = 'logout' WHERE seq = 3"], 3, "changed"),
        (["UPDATE audit SET detail = '{}' WHERE seq = 3"], 3, "changed"),
        (["UPDATE audit SET actor_id = NULL WHERE seq = 3"], 3, "changed"),
        (["UPDATE audit SET at = '2020-01-01 00:00:00.000000' WHERE seq = 3"], 3, "changed"),
        (["UPDATE audit SET hash = previous WHERE seq = 3"], 3, "changed"),
        (["UPDATE audit SET key_id = '0000' WHERE seq = 3"], 3, "key 0000"),
        (["DELETE FROM audit WHERE seq = 3"], 3, "gone"),
        (["DELETE FROM audit WHERE seq = 1"], 1, "gone"),
        (["DELETE FROM audit WHERE seq > 3"], 4, "gone"),
        (["DELETE FROM audit"], 1, "gone"),
        (["DELETE FROM audit WHERE seq = 3", "UPDATE audit SET seq = seq - 1 WHERE seq = 4"], 3, "changed"),
        (["UPDATE audit SET seq = 99 WHERE seq = 2", "UPDATE audit SET seq = 2 WHERE seq = 3"], 2, "changed"),
        ([COPY.format(seq=7, key="key_id", of=6)], 7, "after the head"),
        ([COPY.format(seq=7, key="key_id", of=6), "UPDATE audit_head SET seq = 7"], 7, "changed, or put in"),
        ([COPY.format(seq=7, key="'0000'", of=6), "UPDATE audit_head SET seq = 7"], 7, "key 0000"),
        ([COPY.format(seq=0, key="key_id", of=1)], 0, "before the first"),
        (["UPDATE audit_head SET seq = 4"], 4, "head row says"),
        (["UPDATE audit_head SET hash = '0'"], 6, "head row says"),
        (["DELETE FROM audit_head"], 6, "head row is gone"),
    ],
)
def test_every_kind_of_tampering_is_found_where_it_begins(
    db: Database, user: User, statements: list[str], seq: int, what: str
) -> None:
    write(db, *(login(f"{n}@example.org", actor=user.id, detail={"n": n}) for n in range(1, 7)))
    tamper(db, *statements)
    fault = verdict(db).fault
    assert fault is not None
    assert (fault.seq, what in fault.what) == (seq, True), fault


def test_a_row_that_another_history_wrote_is_found_by_the_row_before_it(db: Database) -> None:
    """Genuine by itself: sealed with the key, at its place, but after another row."""
    write(db, login("first"), login("second"))
    other = everything(db)[1]
    tamper(db, "DELETE FROM audit", f"UPDATE audit_head SET seq = 0, hash = '{audit.GENESIS}'")
    write(db, login("another first"), login("another second"))
    with db.write() as conn:
        conn.execute(sa.delete(rows).where(rows.c.seq == 2))
        conn.execute(sa.insert(rows).values(**other._mapping))
        conn.execute(sa.update(audit_head).values(hash=other.hash))
    fault = verdict(db).fault
    assert fault is not None
    assert (fault.seq, fault.what) == (2, "it does not follow the row before it")


def test_a_tail_cut_off_with_its_head_is_found_by_a_head_that_was_written_down(db: Database) -> None:
    write(db, *(login() for _ in range(4)))
    noted, third = verdict(db).head, everything(db)[2]
    assert noted is not None
    write(db, login())
    assert verdict(db, noted).fault is None
    tamper(db, "DELETE FROM audit WHERE seq > 3", f"UPDATE audit_head SET seq = 3, hash = '{third.hash}'")
    assert verdict(db).fault is None, "nothing inside the database tells"
    assert verdict(db, noted).fault == audit.Fault(4, "it is gone, and with it everything after it")
    write(db, login(), login())
    fault = verdict(db, noted).fault
    assert fault is not None
    assert (fault.seq, "was the head" in fault.what) == (4, True)


@pytest.mark.parametrize("statement", ["UPDATE audit_head SET seq = 1", "DELETE FROM audit_head"])
def test_a_log_whose_head_was_tampered_with_takes_nothing_more(db: Database, statement: str) -> None:
    write(db, login(), login())
    with db.write() as conn:
        conn.execute(sa.text(statement))
    with pytest.raises(AuditError, match="audit verify"):
        write(db, login(), login())
    assert len(everything(db)) == 2


# --- the key


def test_what_another_machine_wrote_verifies_once_its_key_is_here(db: Database, tmp_path: Path) -> None:
    write(db, login())
    (theirs,) = audit.keys(tmp_path)
    (ours,) = everything(db)
    row = audit.Record(2, ours.at, None, "login", "x", "{}", theirs.id, ours.hash, "")
    row = replace(row, hash=audit.seal(theirs, row))
    with db.write() as conn:
        conn.execute(sa.insert(rows).values({name: getattr(row, name) for name in audit.Record.__slots__}))
        conn.execute(sa.update(audit_head).values(seq=2, hash=row.hash))
    fault = verdict(db).fault
    assert fault is not None and theirs.id in fault.what
    known = [*audit.keys(config().path.parent), theirs]
    with db.read() as conn:
        assert audit.verify(conn, known).fault is None


def test_the_first_key_of_the_file_seals_and_each_verifies(tmp_path: Path) -> None:
    (first,) = audit.keys(tmp_path)
    assert audit.keys(tmp_path) == (first,)
    with (tmp_path / "audit.key").open("ab") as file:
        file.write(bytes(32))
    assert audit.keys(tmp_path)[0] == first
    assert audit.keys(tmp_path)[1] == audit.Key.of(bytes(32))
    (tmp_path / "audit.key").write_bytes(b"short")
    with pytest.raises(AuditError, match="backup"):
        audit.keys(tmp_path)
    assert "secret" not in repr(first)


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from models.audit.log import keys; print('ready', flush=True);"
        "sys.stdin.readline(); print(keys(Path(sys.argv[1]))[0].id)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    ids = {process.communicate("go\n", timeout=60)[0] for process in processes}
    assert ids == {f"{audit.keys(tmp_path)[0].id}\n"}
    assert stat.S_IMODE((tmp_path / "audit.key").stat().st_mode) == 0o600


# --- who did what, over HTTP and at the command line


@pytest.fixture
def served(db: Database, redis_url: str, tmp_path: Path) -> Iterator[Served]:
    """An API and, by `shell`, a command line that share a data folder."""
    with (
        use(Config.open({"DATA_DIR": str(tmp_path / "data"), "ENV_FILE": "none"}, tmp_path)),
        serving(db, redis_url, tmp_path) as served,
    ):
        yield served


@pytest.fixture
def shell(db_url: str, tmp_path: Path) -> Callable[..., Done]:
    def run(*words: str, stdin: str = "", script: str = "") -> Done:
        own = {"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": db_url, "ENV_FILE": str(tmp_path / "none")}
        env = {"PATH": os.environ["PATH"], **own}
        if not script:
            return run_command(words, env, typed=stdin)
        done = subprocess.run(
            [sys.executable, "-c", script, *words], cwd=ROOT, env=env, input=stdin, capture_output=True, text=True,
            timeout=120,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    return run


def log_in(url: str, email: str, password: str = PASSWORD) -> httpx.Response:
    return httpx.post(f"{url}/auth/login", data={"username": email, "password": password})


def told(db: Database) -> list[tuple[str, str]]:
    return [(row.event, row.subject) for row in everything(db)]


def test_what_people_do_over_http_is_written_down_and_no_secret_with_it(served: Served, db: Database) -> None:
    url, email = served.url, "alice@example.org"
    httpx.post(f"{url}/auth/register", json={"email": email, "password": PASSWORD}).raise_for_status()
    httpx.post(f"{url}/auth/register", json={"email": email, "password": PASSWORD})
    log_in(url, email, "canary-wrong")
    log_in(url, "canary-secret-in-the-wrong-field", "x")
    first, second = log_in(url, email.upper()).json(), log_in(url, email).json()
    for _ in range(2):
        httpx.post(f"{url}/auth/refresh", json={"refresh_token": first["refresh_token"]})
    headers = {"authorization": f"Bearer {second['access_token']}"}
    change = {"SLACK_BOT_TOKEN": "canary-token", "IO_SLOTS": 4711}
    httpx.patch(f"{url}/config", json={**change, "IO_SLOTS": 9_999_999}, headers=headers)
    httpx.patch(f"{url}/config", json={**change, "IO_SLOTS": 471}, headers=headers).raise_for_status()
    httpx.patch(f"{url}/config", json={"SLACK_BOT_TOKEN": None}, headers=headers).raise_for_status()
    httpx.post(f"{url}/auth/logout", headers=headers).raise_for_status()

    assert told(db) == [
        ("user.registered", email),
        ("user.registered.again", email),
        ("login.failed", email),
        ("login.failed", ""),
        ("login", email),
        ("login", email),
        ("session.reused", email),
        ("config.set", "IO_SLOTS"),
        ("config.set", "SLACK_BOT_TOKEN"),
        ("config.unset", "SLACK_BOT_TOKEN"),
        ("logout", email),
    ]
    rows = everything(db)
    with db.read() as conn:
        alice = conn.execute(sa.select(users)).one()
    assert {row.actor_id for row in rows if row.event in ("login", "logout", "config.set")} == {alice.id}
    assert {row.actor_id for row in rows if row.event in ("login.failed", "session.reused")} == {None}
    assert json.loads(rows[1].detail) == {"from": "127.0.0.1"}
    everywhere = str([tuple(row) for row in rows])
    secrets = [first["refresh_token"], second["access_token"], second["refresh_token"], alice.password_hash, "canary"]
    assert [secret for secret in secrets if secret in everywhere] == []
    # of themselves only: the digits stand in some hash or some microsecond now and then
    assert re.findall(r"\b4711?\b", everywhere) == []
    assert verdict(db).fault is None


def test_the_log_is_shown_to_administrators_alone_page_by_page(
    served: Served, db: Database, user: User, new_user: Callable[[str], User]
) -> None:
    root = new_user("root@example.org")
    with db.write() as conn:
        conn.execute(sa.update(users).where(users.c.id == root.id).values(is_admin=True))
    write(
        db, *(login(f"{n}@example.org", actor=user.id, detail={"n": n}) for n in range(1, 6)), Entry(Event.LOGOUT, "x")
    )
    assert httpx.get(f"{served.url}/audit").status_code == 401
    with served.client(user) as alice:
        assert alice.get("/audit").status_code == 403
    with served.client(root) as admin:
        first = admin.get("/audit", params={"event": "login", "limit": 2}).json()
        assert [one["seq"] for one in first["items"]] == [5, 4]
        assert (first["items"][0]["detail"], first["items"][0]["actor_id"]) == ({"n": 5}, str(user.id))
        rest = admin.get("/audit", params={"event": "login", "limit": 3, "cursor": first["next"]}).json()
        assert ([one["seq"] for one in rest["items"]], rest["next"]) == ([3, 2, 1], None)
        since = (db.now()).isoformat()
        for asked, seqs in (
            ({"subject": "2@example.org"}, [2]),
            ({"actor": str(user.id), "limit": 1}, [5]),
            ({"since": since}, []),
            ({}, [6, 5, 4, 3, 2, 1]),
        ):
            assert [one["seq"] for one in admin.get("/audit", params=asked).json()["items"]] == seqs, asked
        for asked in ({"event": "nothing"}, {"cursor": 2**63}, {"cursor": 0}, {"limit": 201}, {"since": "today"}):
            assert admin.get("/audit", params=asked).status_code == 422, asked


def test_what_operators_do_is_written_down_listed_and_verified(
    db: Database, tmp_path: Path, shell: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    email = "bob@example.org"
    commands = [
        *(f"user {verb} {email}" for verb in ("create", "make-admin", "disable", "enable", "set-password")),
        *(f"config {verb} SLACK_BOT_TOKEN" for verb in ("set", "unset")),
    ]
    done = shell(*commands, stdin=f"{PASSWORD}\n{PASSWORD}!\ncanary-token\n", script=ONE_AFTER_THE_OTHER)
    assert done.code == 0, done.err
    kinds = ["user.created", "user.admin", "user.disabled", "user.enabled", "user.password"]
    settings = [("config.set", "SLACK_BOT_TOKEN"), ("config.unset", "SLACK_BOT_TOKEN")]
    assert told(db) == [*((kind, email) for kind in kinds), *settings]
    assert all(json.loads(row.detail)["operator"] for row in everything(db))
    assert "canary" not in str([tuple(row) for row in everything(db)])

    shown = shell("audit", "list", "--event", "user.disabled", "--subject", email)
    assert (shown.code, shown.out.splitlines()[1].split()[0]) == (0, "3")
    as_json = json.loads(shell("audit", "list", "--since", "2020-01-01", "--limit", "2", "--output", "json").out)
    assert [one["event"] for one in as_json] == ["config.unset", "config.set"]
    assert shell("audit", "list", "--event", "nothing").code == 2


def test_verify_prints_the_head_and_says_by_its_exit_code_what_it_found(
    db: Database, tmp_path: Path, shell: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    with use(Config.open({"DATA_DIR": str(tmp_path / "data")}, tmp_path)):
        write(db, *(login() for _ in range(3)))
    third = everything(db)[2]
    fine = shell("audit", "verify")
    assert (fine.code, fine.out) == (0, f"head 3:{third.hash}\n")
    assert shell("audit", "verify", "--head", f"3:{third.hash}").code == 0
    assert shell("audit", "verify", "--head", "3").code == 2
    cut = shell("audit", "verify", "--head", f"4:{third.hash}")
    assert (cut.code, "entry is 4" in cut.err) == (1, True)
    tamper(db, "UPDATE audit SET subject = 'mallory' WHERE seq = 2")
    bad = shell("audit", "verify")
    assert (bad.code, "entry is 2: it was changed" in bad.err) == (1, True)
    as_json = json.loads(shell("audit", "verify", "--output", "json").out)
    assert (as_json["head"], as_json["fault"]["seq"]) == (f"3:{third.hash}", 2)
