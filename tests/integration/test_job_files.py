"""Files of jobs: attached by one, taken by the next, kept for as long as somebody needs them, and never by halves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
import sqlalchemy as sa
from engine_kit import load_testkit, move, row, set_columns, take
from inline_kit import Arming, Inline, Quiet

from engine import commands
from engine.files.inputs import UnknownFile
from engine.files.storage import Files
from engine.files.sweep import Sweep
from engine.outbox import Outbox
from llmcoder.config import Config, config
from llmcoder.context import User
from llmcoder.errors import Cancelled, NotFound, Transient
from llmcoder.file import FileRef
from llmcoder.registry import Registry, discover
from llmcoder.settings import EngineSettings
from models import attached_files
from models.accounts import preferences
from models.accounts.preferences import Policy, Preferences
from models.db.database import Database
from models.files import store as rows
from models.files.store import GRACE, UNUSED, File
from models.files.tables import files as table
from models.files.tables import job_files
from models.jobs import retention
from models.jobs.approvals import Origin
from models.jobs.machine import State
from models.jobs.store import Job
from workers.attempt import Attempt
from workers.context import JobContext
from workers.ledger import Ledger

pytestmark = pytest.mark.both_stores

load_testkit()
LONG = timedelta(days=400)


@pytest.fixture
def engine(configured: Config, db: Database, user: User) -> Inline:
    return Inline(db, user, Registry(discover()))


@pytest.fixture
def files(db: Database, configured: Config) -> Files:
    return Files(db, lambda: config().get(EngineSettings))


def upload(files: Files, user: User, content: bytes = b"a,b\n1,2\n", origin: Origin = Origin.PERSON) -> File:
    incoming = files.receive(user.id, "statement.csv", origin=origin.value, taint="outside")
    incoming.write(content)
    return incoming.finish()


def ref(file: File) -> dict[str, str]:
    return {"id": str(file.id), "sha256": file.sha256}


def listed(job: Job) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(job.as_json())["files"]
    return found


def result(job: Job) -> dict[str, Any]:
    assert job.result is not None, job
    found: dict[str, Any] = json.loads(job.result)
    return found


def content(files: Files, user: User, file_id: str) -> bytes:
    with files.db.read() as conn:
        found = rows.get(conn, user.id, UUID(file_id))
    assert found is not None
    return b"".join(files.read(found))


def age(db: Database, by: timedelta) -> None:
    """Have all files be so much older."""
    with db.write() as conn:
        for one in conn.execute(sa.select(table.c.id, table.c.kept_until)).all():
            conn.execute(sa.update(table).where(table.c.id == one.id).values(kept_until=one.kept_until - by))


def there(db: Database) -> set[UUID]:
    with db.read() as conn:
        return set(conn.execute(sa.select(table.c.id).where(table.c.state == "ready")).scalars())


# --- attach


def test_what_an_action_attaches_is_the_jobs_and_stands_in_its_result(
    engine: Inline, files: Files, user: User
) -> None:  # fmt: skip
    job = engine.done("test.export", {"name": "Monthly report: öffnen?.csv", "text": "x,y\n"})
    (shown,) = listed(job)
    assert shown["name"] == "Monthly report_ öffnen_.csv"
    assert (shown["media_type"], shown["size_bytes"]) == ("text/csv", 4)
    assert result(job)["file"] == {"id": shown["id"], "sha256": hashlib.sha256(b"x,y\n").hexdigest()}
    assert content(files, user, shown["id"]) == b"x,y\n"


def test_a_job_without_files_says_so_by_an_empty_list(engine: Inline) -> None:
    assert listed(engine.done("test.echo", {"text": "x"})) == []


def test_a_later_step_takes_what_an_earlier_one_attached(engine: Inline) -> None:
    made = engine.done("test.export", {"text": "for the next"})
    read = engine.done("test.import", {"file": result(made)["file"], "then": "path"})
    assert result(read)["beginning"] == "for the next"


def test_steps_of_a_macro_hand_files_on(engine: Inline) -> None:
    run = engine.macro(
        {"id": "make", "action": "test.export", "with": {"text": "from a step"}},
        {"id": "read", "action": "test.import", "with": {"file": "${{ steps.make.result.file }}"}},
        output={"said": "${{ steps.read.result.beginning }}"},
    )
    assert result(engine.job(run)) == {"said": "from a step"}


def test_a_plan_attaches_nothing(engine: Inline, db: Database) -> None:
    document = {"name": "m", "steps": [{"id": "make", "action": "test.export", "with": {}}]}
    run = engine.submit("tasks.start_macro", {"document": document, "input": {}, "mode": "plan"})
    engine.run()
    assert engine.job(run).state == State.SUCCEEDED, engine.job(run)
    assert (there(db), engine.all("test.export")) == (set(), [])


def test_an_action_that_attaches_without_saying_so_fails(engine: Inline, db: Database) -> None:
    job = engine.done("test.export_undeclared", {})
    assert (job.state, there(db)) == (State.FAILED, set())


def test_one_attempt_gives_a_name_once(engine: Inline) -> None:
    job = engine.done("test.export", {"twice": True})
    assert job.state == State.FAILED and job.error is not None
    assert json.loads(job.error)["type"] == "urn:llmcoder:problem:file-name-taken"
    assert len(listed(job)) == 1


def test_what_a_later_attempt_attaches_takes_the_place_of_the_first(
    engine: Inline, files: Files, user: User, db: Database
) -> None:
    job = engine.done("test.export", {"text": "attempt ", "fail_until": 1})
    assert (job.state, job.attempt) == (State.SUCCEEDED, 2)
    (shown,) = listed(job)
    assert content(files, user, shown["id"]) == b"attempt 2"
    age(db, UNUSED + GRACE)
    Sweep(files).sweep_files()
    assert there(db) == {UUID(shown["id"])}, "what gave way is nobody's"


def attempt_of(engine: Inline, job_id: UUID) -> JobContext:
    """The attempt that claims a job now, in its action's place."""
    (claimed,) = take(engine.db, job_id)
    attempt = Attempt(claimed, engine.known.get(claimed.action))
    attempt.start()
    arming, quiet = cast("Ledger", Arming(engine.db)), cast("Outbox", Quiet())
    return JobContext(attempt, arming, quiet, lambda *_: None, engine.db)


def test_an_attempt_that_lost_its_job_attaches_nothing_over_the_winners(
    engine: Inline, files: Files, user: User, db: Database
) -> None:
    job_id = engine.submit("test.export", {})
    loser = attempt_of(engine, job_id)
    move(db, job_id, State.QUEUED)  # the dispatcher took it from its worker
    winner = attempt_of(engine, job_id)
    won = winner.attach("export.csv", b"of the winner")
    with pytest.raises(Cancelled):
        loser.attach("export.csv", b"of the loser")
    with pytest.raises(Cancelled):
        loser.attach("other.csv", b"of the loser")
    assert [one["id"] for one in listed(engine.job(job_id))] == [str(won.id)]
    assert content(files, user, str(won.id)) == b"of the winner"
    Sweep(files).sweep_files()
    assert there(db) == {won.id}


def test_a_cancelled_job_attaches_nothing(engine: Inline, db: Database) -> None:
    job_id = engine.submit("test.export", {})
    running = attempt_of(engine, job_id)
    set_columns(db, job_id, cancel_requested_at=db.now())
    with pytest.raises(Cancelled):
        running.attach("a.txt", b"x")
    assert there(db) == set()


def test_a_store_that_is_away_is_tried_again_but_not_after_the_effect(
    engine: Inline, files: Files, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"file": ref(upload(files, user)), "then": "arm"}

    def away(*_: object, **__: object) -> None:
        raise Transient("The store is away.")

    with monkeypatch.context() as patch:
        patch.setattr("engine.files.disk.DiskStore.writer", away)
        job_id = engine.submit("test.export", {})
        paid = engine.submit("test.import_for_good", given)
        engine._run_queued()
        assert engine.job(job_id).reason == "retry"
        assert engine.job(paid).state == State.UNCERTAIN, "what came before may have had its effect"
    engine.run()


def test_a_job_has_so_many_files_and_no_more(engine: Inline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.job_files.MOST_PER_JOB", 2)
    running = attempt_of(engine, job_id := engine.submit("test.export", {}))
    for name in ("a", "b"):
        running.attach(name, b"x")
    with pytest.raises(Exception, match="2 files at most"):
        running.attach("c", b"x")
    assert [one["name"] for one in listed(engine.job(job_id))] == ["a", "b"]


def test_any_kind_of_source_is_attached_as_it_is(engine: Inline, files: Files, user: User, tmp_path: Path) -> None:
    running = attempt_of(engine, engine.submit("test.export", {}))
    path = tmp_path / "source"
    path.write_bytes(b"x" * 3_000_000)
    with path.open("rb") as file:
        for name, source in {"a": path, "b": file, "c": path.read_bytes(), "d": iter([b"x" * 3_000_000])}.items():
            found = running.attach(name, source)
            assert content(files, user, str(found.id)) == path.read_bytes(), name


# --- take


def test_a_file_of_anothers_a_changed_or_an_unknown_one_is_not_accepted(
    engine: Inline, files: Files, new_user: Callable[[str], User], user: User
) -> None:
    foreign, mine = upload(files, new_user("bob@example.org")), upload(files, user)
    for given in (ref(foreign), ref(mine) | {"sha256": foreign.sha256.replace(foreign.sha256[0], "0")}):
        with pytest.raises(UnknownFile):
            engine.submit("test.import", {"file": given})


def test_content_that_changed_on_the_disk_is_not_read(engine: Inline, files: Files, user: User, tmp_path: Path) -> None:
    mine = upload(files, user)
    blob = tmp_path / "data" / "files" / mine.blob
    blob.write_bytes(b"something else")
    for then in ("read", "path"):
        job = engine.done("test.import", {"file": ref(mine), "then": then})
        assert job.state == State.FAILED and job.error is not None
        assert json.loads(job.error)["type"] == "urn:llmcoder:problem:file-changed"


def test_a_file_that_its_user_deleted_is_said_to_be_gone(
    engine: Inline, files: Files, user: User, db: Database
) -> None:
    mine = upload(files, user)
    running = attempt_of(engine, engine.submit("test.export", {}))
    with db.write() as conn:
        attached_files.remove(conn, mine, db.now())
    with pytest.raises(NotFound), running.open_file(FileRef(id=mine.id, sha256=mine.sha256)):
        pass


def test_undo_hands_the_file_on(engine: Inline, files: Files, user: User, db: Database) -> None:
    job = engine.done("test.import_for_good", {"file": ref(upload(files, user))})
    assert job.state == State.SUCCEEDED
    with db.write() as conn:
        accepted = commands.undo(conn, engine.known, user.id, job.id, Origin.PERSON, db.now())
    engine.run()
    if engine.job(accepted.job.id).state == State.WAITING:
        engine.approve(accepted.job.id)
    assert result(engine.job(accepted.job.id))["beginning"] == "a,b\n1,2\n"


def test_an_approval_binds_the_content_and_an_edit_may_name_another_file(
    engine: Inline, files: Files, user: User, new_user: Callable[[str], User], db: Database
) -> None:
    first, second = upload(files, user, b"first"), upload(files, user, b"second")
    job_id = engine.submit("test.import_for_good", {"file": ref(first)}, Origin.AGENT)
    assert engine.job(job_id).reason == "approval"
    foreign = upload(files, new_user("bob@example.org"))
    with pytest.raises(UnknownFile):
        engine.approve(job_id, {"file": ref(foreign)})
    engine.approve(job_id, {"file": ref(second), "then": "read", "note": ""})
    assert result(engine.job(job_id))["beginning"] == "second"
    age(db, UNUSED + GRACE)
    Sweep(files).sweep_files()
    assert {first.id, second.id} <= there(db), "what was proposed is kept beside what was approved"


# --- whose words


def test_what_a_file_says_is_a_strangers_word(engine: Inline, files: Files, user: User) -> None:
    mine = upload(files, user)
    assert not engine.done("test.import", {"file": ref(mine)}).tainted, "the user chose it in person"
    read = engine.done("test.import", {"file": ref(mine)})
    wish = {"to": "bert", "text": "x"}
    job_id = engine.submit("test.post", wish, sources=[read.id])
    assert engine.job(job_id).tainted and engine.job(job_id).reason == "approval"


def test_a_file_that_a_page_was_saved_to_taints_whoever_names_it(engine: Inline) -> None:
    saved = result(engine.done("test.save_page", {"text": "Dear reader"}))["file"]
    own = result(engine.done("test.export", {"text": "mine"}))["file"]
    for file, tainted in ((saved, True), (own, False)):
        job = engine.job(engine.submit("test.import_for_good", {"file": file}))
        assert (job.tainted, job.reason == "approval") == (tainted, tainted)


def test_a_macro_with_an_upload_asks_before_it_writes_whatever_the_policy(
    engine: Inline, files: Files, user: User, db: Database
) -> None:
    with db.write() as conn:
        preferences.save(conn, user.id, Preferences(policies={"*": Policy.ALLOW}), db.now())
    step = {"id": "go", "action": "test.import_for_good", "with": {"file": "${{ input.file }}"}}
    run = engine.macro(step, input={"file": {}}, given={"file": ref(upload(files, user))})
    (job,) = engine.all("test.import_for_good")
    assert (job.tainted, job.reason) == (True, "approval"), engine.job(run)


# --- how long


def test_an_upload_that_no_job_uses_goes_after_a_day(engine: Inline, files: Files, user: User, db: Database) -> None:
    mine = upload(files, user)
    age(db, UNUSED)
    Sweep(files).sweep_files()
    assert there(db) == {mine.id}, "whoever looked at it a moment ago may name it right now"
    with pytest.raises(UnknownFile):
        engine.submit("test.import", {"file": ref(mine)})
    age(db, GRACE)
    assert Sweep(files).sweep_files() == 1
    assert there(db) == set()


def test_a_file_stays_as_long_as_a_job_that_names_it(
    engine: Inline, files: Files, user: User, db: Database, tmp_path: Path
) -> None:
    mine = upload(files, user)
    waiting = engine.submit("test.import_for_good", {"file": ref(mine)}, Origin.AGENT)
    kept = upload(files, user, b"for a macro")
    run = engine.submit("tasks.start_macro", {"document": ASKING, "input": {"any": [{"deep": ref(kept)}]}})
    age(db, LONG)
    Sweep(files).sweep_files()
    assert there(db) == {mine.id, kept.id}
    engine.run()
    for job_id in (waiting, run):
        with db.write() as conn:
            commands.cancel(conn, user.id, job_id, db.now())
        engine.run()
        set_columns(db, job_id, finished_at=db.now() - LONG)
    Sweep(files).sweep_files()
    assert there(db) == {mine.id, kept.id}, "as long as the job is kept"
    with db.write() as conn:
        retention.prune(conn, State.CANCELLED, db.now() - timedelta(days=1), 10, db.now())
    assert Sweep(files).sweep_files() == 2
    assert [one for one in (tmp_path / "data" / "files").rglob("*") if one.is_file()] == [
        tmp_path / "data" / "files" / files.space() / "mark"
    ]


ASKING = {
    "name": "m",
    "input": {"any": {}},
    "steps": [{"id": "ask", "wait_for": {"approval": "Really?"}}],
}


def test_what_a_job_attached_goes_with_it_unless_another_has_taken_it(
    engine: Inline, files: Files, db: Database, user: User
) -> None:
    made, taken = engine.done("test.export", {}), engine.done("test.export", {})
    reader = engine.done("test.import", {"file": result(taken)["file"]})
    for job in (made, taken):
        set_columns(db, job.id, finished_at=db.now() - LONG)
    with db.write() as conn:
        assert retention.prune(conn, State.SUCCEEDED, db.now() - timedelta(days=1), 10, db.now()) == 2
    age(db, LONG)
    Sweep(files).sweep_files()
    assert there(db) == {UUID(result(taken)["file"]["id"])}
    assert row(db, reader.id).id == reader.id


def test_a_retried_job_still_has_its_file(engine: Inline, files: Files, user: User, db: Database) -> None:
    mine = upload(files, user)
    job_id = engine.submit("test.import", {"file": ref(mine)})
    with db.write() as conn:
        commands.cancel(conn, user.id, job_id, db.now())
    age(db, LONG)
    Sweep(files).sweep_files()
    with db.write() as conn:
        commands.retry(conn, engine.known, user.id, job_id, db.now())
    engine.run()
    assert engine.job(job_id).state == State.SUCCEEDED


def test_one_may_delete_what_an_ended_job_attached_and_the_job_says_so(
    engine: Inline, user: User, db: Database
) -> None:  # fmt: skip
    job = engine.done("test.export", {})
    with db.write() as conn:
        file = rows.get(conn, user.id, UUID(listed(job)[0]["id"]))
        assert file is not None
        assert attached_files.remove(conn, file, db.now()) == [job.id]
    assert (listed(engine.job(job.id)), engine.job(job.id).rev > job.rev) == ([], True)
    with db.read() as conn:
        assert conn.execute(sa.select(job_files)).all() == []
