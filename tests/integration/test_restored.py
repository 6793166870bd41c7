"""A restored database: what may have run since the backup is doubted, what harms nobody goes on, nobody is believed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from engine_kit import accept_one, row, set_columns, stand_in, take

from llmcoder import Context, Effect, Model, action
from llmcoder.context import User
from llmcoder.ids import new_id
from llmcoder.registry import Registry
from llmcoder.states import Reason, State
from models import restored
from models.accounts.tables import login_attempts, refresh_tokens
from models.db.database import Database
from models.jobs.claims import claimed, lost, pick, taking
from models.jobs.machine import ENDED, apply
from models.jobs.store import changed_since, revision
from models.jobs.tables import jobs, rate_limits, workers
from models.restored import Settled, settle

pytestmark = pytest.mark.both_stores

S = State
UNFINISHED = sorted(set(S) - ENDED)


class Nothing(Model):
    """No input."""


class Done(Model):
    """What happened."""


def _find(given: Nothing, marker: Mapping[str, str], ctx: Context) -> Done | None:
    return None


@action("trial.look", effect=Effect.READ)
def look(given: Nothing, ctx: Context) -> Done:
    """Look."""
    return Done()


@action("trial.send", effect=Effect.WRITE, repeatable=False)
def send(given: Nothing, ctx: Context) -> Done:
    """Send, and nobody can be asked."""
    return Done()


@action("trial.post", effect=Effect.WRITE, repeatable=False, reconcile=_find)
def post(given: Nothing, ctx: Context) -> Done:
    """Post where one can ask."""
    return Done()


@action("trial.wipe", effect=Effect.DESTROY, repeatable=False)
def wipe(given: Nothing, ctx: Context) -> Done:
    """Remove for good."""
    return Done()


@action("trial.put", effect=Effect.WRITE, repeatable=True)
def put(given: Nothing, ctx: Context) -> Done:
    """Write the same again and again."""
    return Done()


DECLARED = Registry([look, send, post, wipe, put])


def restore(db: Database, *, nothing_ran_since: bool = False) -> Settled:
    now = db.now()
    with db.write() as conn:
        return settle(conn, DECLARED, now - timedelta(hours=3), now, nothing_ran_since=nothing_ran_since)


def stand(db: Database, user: User, state: State, name: str, *, armed: bool = False, **columns: Any) -> UUID:
    effect = DECLARED[name].effect.value if name in DECLARED else "write"
    job_id = stand_in(db, user, state, action=name, effect=effect).id
    if armed:
        columns |= {"armed_at": db.now(), "marker": '{"id": "1"}'}
    if columns:
        set_columns(db, job_id, **columns)
    return job_id


@pytest.mark.parametrize("state", UNFINISHED)
@pytest.mark.parametrize("name", ["trial.send", "trial.wipe", "trial.post", "nobody.knows"])
def test_an_unfinished_write_that_may_not_be_repeated_is_a_question_to_a_person(
    db: Database, user: User, state: State, name: str
) -> None:
    job_id = stand(db, user, state, name)
    assert restore(db) == Settled(uncertain=1, asked=0, kept=0)
    after = row(db, job_id)
    assert (after.state, after.reason) == (S.UNCERTAIN, Reason.RESTORED)
    assert after.finished_at is not None and after.worker is None
    problem = json.loads(after.error)
    assert problem["type"] == "urn:llmcoder:problem:restored" and "resolve" in problem["detail"]


def test_a_write_that_waits_for_approval_may_have_been_approved_since(db: Database, user: User) -> None:
    job_id = stand(db, user, S.WAITING, "trial.send", reason="approval", expires_at=db.now() + timedelta(days=1))
    restore(db)
    assert row(db, job_id).state == S.UNCERTAIN


@pytest.mark.parametrize("state", UNFINISHED)
@pytest.mark.parametrize("name", ["trial.look", "trial.put"])
def test_what_may_be_repeated_goes_on(db: Database, user: User, state: State, name: str) -> None:
    job_id = stand(db, user, state, name)
    assert restore(db) == Settled(uncertain=0, asked=0, kept=1)
    assert row(db, job_id).state == state
    with db.read() as conn:  # a running one is taken from the worker of another time in the dispatcher's next round
        later = db.now() + timedelta(seconds=1)
        assert [one.id for one in lost(conn, later, 10)] == ([job_id] if state is S.RUNNING else [])


@pytest.mark.parametrize("state", UNFINISHED)
def test_an_armed_effect_is_asked_about_first(db: Database, user: User, state: State) -> None:
    job_id = stand(db, user, state, "trial.post", armed=True, reason="reconcile")
    assert restore(db) == Settled(uncertain=0, asked=1, kept=0)
    after = row(db, job_id)
    assert after.state in (S.QUEUED, S.SCHEDULED) and after.reason == Reason.RECONCILE
    assert (after.marker, after.due_at <= db.now()) == ('{"id": "1"}', True)
    assert after.armed_at <= after.restored_at, "so that not finding it is no proof"
    assert after.max_attempts - after.attempt >= 1


def test_an_armed_effect_that_nobody_can_be_asked_about_is_uncertain(db: Database, user: User) -> None:
    ids = [stand(db, user, S.RUNNING, name, armed=True) for name in ("trial.send", "nobody.knows")]
    restore(db)
    assert {row(db, job_id).state for job_id in ids} == {S.UNCERTAIN}
    assert all(row(db, job_id).armed_at for job_id in ids)


def test_where_nothing_ran_since_everything_stays_and_what_ran_has_lost_its_worker(db: Database, user: User) -> None:
    before = {state: stand(db, user, state, "trial.send") for state in S}
    assert restore(db, nothing_ran_since=True).kept == len(UNFINISHED)
    assert {state: row(db, job_id).state for state, job_id in before.items()} == {state: state for state in S}
    with db.read() as conn:
        assert [one.id for one in lost(conn, db.now() + timedelta(seconds=1), 10)] == [before[S.RUNNING]]


def test_what_has_ended_is_as_it_was(db: Database, user: User) -> None:
    ids = [stand(db, user, state, "trial.send", result='{"a": 1}') for state in ENDED]
    before = {job_id: row(db, job_id)._asdict() for job_id in ids}
    restore(db)
    for job_id in ids:
        after = row(db, job_id)._asdict()
        assert {**before[job_id], "rev": after["rev"]} == after


# --- who saw the time that was lost


def test_a_client_that_saw_the_lost_time_hears_of_every_job_that_it_may_see_wrongly(
    db: Database, user: User, new_user: Callable[[str], User]
) -> None:
    ids = {state: stand(db, user, state, "trial.send") for state in S}
    bob = new_user("bob@example.org")
    of_bob = stand(db, bob, S.QUEUED, "trial.look")
    with db.read() as conn:
        seen = revision(conn, user.id) + 1_000_000_000
    restore(db)
    with db.read() as conn:
        changed = changed_since(conn, user.id, seen)
        newest = revision(conn, user.id)
        assert [job.id for job in changed_since(conn, bob.id, seen)] == [of_bob]
        of_all = conn.execute(sa.select(jobs.c.user_id, jobs.c.rev)).all()
    assert {job.id for job in changed} == {job_id for state, job_id in ids.items() if state is not S.SUCCEEDED}
    assert len(set(of_all)) == len(of_all) and max(job.rev for job in changed) == newest


def test_revisions_go_on_after_the_last_one_and_stay_whole_numbers_in_a_browser(db: Database, user: User) -> None:
    for _ in range(3):
        restore(db)
    job = accept_one(db, user)
    with db.read() as conn:
        assert revision(conn, user.id) == job.rev > 3 * restored.REVISION_LEAP
    assert 100 * restored.REVISION_LEAP < 2**53


def test_sessions_limits_heartbeats_and_doorbells_of_that_time_are_forgotten(db: Database, user: User) -> None:
    now = db.now()
    later = now + timedelta(days=1)
    token = {"token_hash": "0" * 64, "family": new_id(), "user_id": user.id, "created_at": now, "expires_at": later}
    worker = {"name": "io@gone", "queue": "io", "pid": 1, "started_at": now, "beat_at": now, "slots": 1}
    with db.write() as conn:
        conn.execute(sa.insert(refresh_tokens).values(**token))
        conn.execute(sa.insert(login_attempts).values(id=new_id(), subject="account:a", at=now))
        conn.execute(sa.insert(rate_limits).values(provider="p", account="", blocked_until=later))
        conn.execute(sa.insert(workers).values(**worker))
    rung = accept_one(db, user)
    set_columns(db, rung.id, rung_at=now)
    restore(db, nothing_ran_since=True)
    with db.read() as conn:
        for table in (refresh_tokens, login_attempts, rate_limits, workers):
            assert conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 0, table.name
    assert row(db, rung.id).rung_at is None


def test_many_jobs_are_settled_in_batches(db: Database, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restored, "_UNFINISHED", restored._UNFINISHED.limit(7))
    ids = [accept_one(db, user, action="trial.send", effect="write").id for _ in range(20)]
    assert restore(db) == Settled(uncertain=20, asked=0, kept=0)
    assert {row(db, job_id).state for job_id in ids} == {S.UNCERTAIN}


def test_a_claim_knows_that_its_job_was_restored(db: Database, user: User) -> None:
    job_id = stand(db, user, S.SCHEDULED, "trial.post", armed=True, reason="reconcile")
    restore(db)
    now = db.now()
    with db.write() as conn:
        picked = pick(conn, [job_id], "io", 0)
        one = claimed(picked, apply(conn, taking(picked, "w1", 30.0, now), now, held=picked), now)[0]
    assert one.restored_at is not None and one.armed_at is not None and one.armed_at <= one.restored_at
    assert take(db, accept_one(db, user).id)[0].restored_at is None
