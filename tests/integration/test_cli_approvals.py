"""Approvals, preferences and undo from the shell: real processes, and what stands in SQL afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from engine_kit import move, row
from shell_kit import ROOT, Shell, shell_on
from typer.testing import CliRunner

from cli.main import app
from cli.submitting import submission_of
from engine.admission import look, new_job
from llmcoder.context import User
from llmcoder.errors import BadInput
from llmcoder.registry import registry
from llmcoder.states import State
from models.accounts import preferences
from models.audit import log as audit
from models.db.database import Database
from models.jobs import approvals
from models.jobs.store import insert
from models.jobs.tables import jobs

#: Turns what follows it about on a screen, and shows nothing itself.
OVERRIDE = "\u202e"
NOTE = json.dumps({"text": f"milk{OVERRIDE}"})


@pytest.fixture
def shell(db_url: str, redis_url: str, tmp_path: Path) -> Shell:
    return shell_on(db_url, redis_url, tmp_path)


@pytest.fixture
def asked(user: User, db: Database) -> str:
    """The id of a note that waits for approval, as `llmcoder run` makes it under such a policy."""
    asks = preferences.Preferences.model_validate({"policies": {"general.*": "ask"}})
    submission = submission_of(registry()["general.add_note"], user.id, NOTE, priority=5, due_at=None, key=None)
    with db.write() as conn:
        preferences.save(conn, user.id, asks, db.now())
        new = new_job(submission, look(conn, submission, registry(), db.now()), db.now())
        insert(conn, [new], db.now(), rung=[False])
    return str(new.id)


def job(db: Database, job_id: str) -> Any:
    return row(db, UUID(job_id))


def standing(job: Any) -> tuple[str, str | None]:
    return job.state, job.reason


def finish(db: Database, job_id: str, result: dict[str, Any]) -> None:
    """Do what a worker would do."""
    move(db, UUID(job_id), State.RUNNING)
    move(db, UUID(job_id), State.SUCCEEDED, values={"result": json.dumps(result)})


def events(db: Database) -> list[tuple[str, str]]:
    with db.read() as conn:
        rows = conn.execute(sa.select(audit.audit.c.event, audit.audit.c.subject).order_by(audit.audit.c.seq))
        return [(row.event, row.subject) for row in rows]


# --- deciding


def test_what_waits_is_listed_shown_and_approved_with_the_input_that_was_shown(
    shell: Shell, asked: str, db: Database
) -> None:
    listed = shell("approvals", "list")
    assert asked in listed.out
    assert "Its user wants to be asked about this action." in listed.out
    item = shell("approvals", "list", "--output", "json").json[0]
    assert (item["job"]["id"], item["sha256"]) == (asked, approvals.sha256(NOTE))
    assert "llmcoder approvals approve" in shell("jobs", "show", asked).err

    left = shell("approvals", "approve", asked, stdin="n\n")
    assert (left.code, "Nothing was decided" in left.err) == (1, True)
    for shown in ("alice@example.org", "general.add_note (write)", "person", item["sha256"], r'"milk\u202e"'):
        assert shown in left.out
    assert OVERRIDE not in left.out
    assert standing(job(db, asked)) == ("waiting", "approval")

    done = shell("approvals", "approve", asked, stdin="y\n")
    assert (done.code, "queued" in done.out) == (0, True)
    assert standing(job(db, asked)) == ("queued", None)
    assert ("job.approved", asked) in events(db)
    again = shell("approvals", "approve", asked, "--yes")
    assert (again.code, "does not wait for approval" in again.err) == (2, True)


def test_an_input_that_changed_after_it_was_shown_is_not_approved(shell: Shell, asked: str, db: Database) -> None:
    words = [sys.executable, "-m", "cli", "approvals", "approve", asked]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, cwd=ROOT, env=shell.env, **pipes) as process:  # type: ignore[call-overload]
        shown = b""
        while b"Let it run?" not in shown:
            shown += (read := process.stderr.read(1))
            assert read, shown
        with db.write() as conn:
            conn.execute(sa.update(jobs).where(jobs.c.id == UUID(asked)).values(input='{"text": "poison"}'))
        _, rest = process.communicate(b"y\n", timeout=30)
    assert (process.returncode, b"another SHA-256" in rest) == (2, True)
    assert standing(job(db, asked)) == ("waiting", "approval")


def test_a_script_names_the_hash_it_means(shell: Shell, asked: str) -> None:
    refused = shell("approvals", "approve", asked, "--yes", "--sha256", "0" * 64)
    assert (refused.code, "another SHA-256" in refused.err) == (2, True)
    assert shell("approvals", "approve", asked, "--yes", "--sha256", approvals.sha256(NOTE)).code == 0


def test_an_edited_input_is_checked_first_and_the_proposed_one_is_kept(shell: Shell, asked: str, db: Database) -> None:
    refused = shell("approvals", "approve", asked, "--yes", "--input", '{"txt": 1}')
    assert (refused.code, "did you mean text" in refused.err) == (2, True)
    done = shell("approvals", "approve", asked, "--yes", "--input", '{"text": "bread"}')
    assert "input to run with" in done.out
    now = job(db, asked)
    assert [json.loads(text) for text in (now.input, now.proposed_input)] == [{"text": "bread"}, json.loads(NOTE)]


def test_what_is_rejected_keeps_the_reason(shell: Shell, asked: str, db: Database) -> None:
    assert shell("approvals", "reject", asked, "--reason", "too early").code == 0
    assert "too early" in shell("jobs", "show", asked).out
    assert standing(job(db, asked)) == ("cancelled", "rejected")
    assert ("job.rejected", asked) in events(db)


def test_others_decide_only_where_the_user_named_them(
    shell: Shell, asked: str, new_user: Callable[[str], User]
) -> None:
    new_user("boss@example.org")
    as_alice, as_boss = {"LLMCODER_USER": "alice@example.org"}, {"LLMCODER_USER": "boss@example.org"}
    refused = shell("approvals", "approve", asked, "--yes", **as_boss)
    assert (refused.code, f"no job {asked}" in refused.err) == (2, True)
    assert shell("preferences", "set", "approvers=boss@example.org", **as_alice).code == 0
    assert "name others" in shell("approvals", "approve", asked, "--yes", **as_alice).err
    done = shell("approvals", "approve", asked, "--yes", **as_boss)
    assert (done.code, "alice@example.org" in done.out) == (0, True)


# --- what comes from outside


def test_a_run_may_refer_to_a_result_and_its_chain_is_shown(shell: Shell, user: User, db: Database) -> None:
    page = shell("run", "document.summarize", "text=orders").out.strip()
    finish(db, page, {"summary": "Send the salaries."})
    given = json.dumps({"text": {"$ref": f"/jobs/{page}#/result/summary"}})
    done = shell("run", "general.add_note", "--json", "-", stdin=given)
    assert "llmcoder approvals approve" in done.err
    note = done.out.strip()
    assert json.loads(job(db, note).input) == {"text": "Send the salaries."}
    assert standing(job(db, note)) == ("waiting", "approval")
    shown = shell("approvals", "approve", note, stdin="n\n").out
    for words in (
        "Its input was made of untrusted content",
        page,
        "document.summarize",
        "brought in untrusted content",
    ):
        assert words in shown
    derived = shell("run", "general.add_note", "text=x", "--derived-from", page, "--output", "json").json
    assert (derived["tainted"], derived["sources"]) == (True, [page])


# --- a way back


def test_an_effect_is_taken_back_once(shell: Shell, user: User, db: Database) -> None:
    posted = shell("run", "test.post", "to=bert", "text=hi").out.strip()
    early = shell("jobs", "undo", posted)
    assert (early.code, "Cancel it instead" in early.err) == (2, True)
    finish(db, posted, {"post_id": "7"})
    first, again = shell("jobs", "undo", posted), shell("jobs", "undo", posted)
    assert (first.code, first.out) == (0, again.out)
    assert (json.loads(job(db, first.out.strip()).input), "test.retract_post" in first.err) == ({"post_id": "7"}, True)
    assert first.out.strip() in shell("jobs", "show", posted).out
    assert ("job.undone", posted) in events(db)


def test_a_write_that_is_held_back_says_how_it_is_stopped(shell: Shell, user: User) -> None:
    assert shell("preferences", "set", "undo_window_s.general.*=60").code == 0
    waited = shell("run", "general.add_note", "text=x", "--timeout", "0.2")
    assert (waited.code, "can be cancelled for certain" in waited.err) == (4, True)


# --- preferences


def test_preferences_are_set_shown_and_taken_away(shell: Shell, user: User, db: Database) -> None:
    words = ["policies.jira.*=allow", "undo_window_s.email.*=30", "approvers=me, Alice@example.org"]
    assert shell("preferences", "set", *words, "approval_expires_s=3600").code == 0
    shown = shell("preferences", "show", "--output", "json").json
    assert (shown["policies"], shown["undo_window_s"]) == ({"jira.*": "allow"}, {"email.*": 30})
    assert "policies.jira.*" in shell("preferences", "show").out
    assert shell("preferences", "unset", "policies.jira.*", "approval_expires_s").code == 0
    with db.read() as conn:
        kept = preferences.load(conn, user.id)
    assert (kept.policies, kept.approval_expires_s, kept.undo_window_s) == ({}, 86_400, {"email.*": 30})
    assert events(db) == [("preferences.changed", str(user.id))] * 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["set", "policies.jira=ask"], "policies.jira"),
        (["set", "policies=ask"], "no preference such as"),
        (["set", "policies.jira.*"], "no preference such as"),
        (["set", "policies.*=perhaps"], "'ask' or 'allow'"),
        (["set", "approvers=nobody@example.org"], "nobody@example.org"),
        (["set", "aprovers=me"], "did you mean approvers"),
        (["unset", "policies.jira.*"], "nothing to take away"),
    ],
)
@pytest.mark.usefixtures("configured", "user")
def test_a_preference_that_says_nothing_is_refused(db: Database, words: list[str], said: str) -> None:
    refused = CliRunner().invoke(app, ["preferences", *words]).exception
    assert isinstance(refused, BadInput)
    assert said in refused.detail
    assert events(db) == []
