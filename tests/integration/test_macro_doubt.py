"""A step whose effect may have happened: its run waits for the person who can tell, or goes on without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from engine_kit import load_testkit, move, take
from macro_kit import Runs, echo, runs_on
from served import serving

from engine import commands
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.states import Reason, State
from llmcoder.testing import FakeContext
from models.accounts import preferences
from models.accounts.preferences import Preferences
from models.db.database import Database
from models.jobs.approvals import Origin
from models.macros import store
from tasks.tasks.digest_actions import Since, list_troubles

pytestmark = pytest.mark.both_stores

load_testkit()
UNCERTAIN = "urn:llmcoder:problem:uncertain"


@pytest.fixture
def runs(db: Database, configured: Config, redis_url: str, user: User) -> Iterator[Runs]:
    with db.write() as conn:
        preferences.save(conn, user.id, Preferences(policies={"test.*": "allow"}), db.now())
    with runs_on(db, redis_url, user) as made:
        yield made


def post(step_id: str = "send", **more: Any) -> dict[str, Any]:
    return {"id": step_id, "action": "test.post", "with": {"to": "ann", "text": "hello"}, **more}


def doubt(runs: Runs, job_id: UUID) -> None:
    """The provider did not answer."""
    take(runs.db, job_id)
    error = json.dumps({"type": UNCERTAIN, "title": "The outcome is unknown", "detail": "no answer"})
    move(runs.db, job_id, State.UNCERTAIN, reason=Reason.NO_ANSWER, values={"error": error})


def begin(runs: Runs, *steps: dict[str, Any], given: dict[str, Any] | None = None) -> tuple[UUID, list[UUID]]:
    """A run whose first steps came to an uncertain end."""
    run = runs.start(list(steps), given, input={name: {} for name in given or {}})
    runs.look()
    sent = [job.id for job in runs.steps_of(run) if job.action == "test.post"]
    for job_id in sent:
        doubt(runs, job_id)
    runs.look()
    return run, sent


def state_of(runs: Runs, run: UUID, step: str, item: int = -1) -> str:
    with runs.db.read() as conn:
        return next(row.state.value for row in store.steps(conn, run) if (row.step, row.item) == (step, item))


def resolve(runs: Runs, job_id: UUID, *, happened: bool) -> None:
    with runs.db.write() as conn:
        commands.resolve(conn, runs.user.id, job_id, happened=happened, note=None, now=runs.db.now())


LAST = echo("last", "${{ steps.send.state }}", needs=["send"])
FALLBACK = {"on_error": {"fallback": "instead"}}


@pytest.mark.parametrize("happened", [True, False])
@pytest.mark.parametrize("how", ["fail", "fallback"])
def test_the_run_waits_for_the_person_and_goes_on_when_it_is_resolved(runs: Runs, how: str, happened: bool) -> None:
    more, instead = (FALLBACK, [echo("instead")]) if how == "fallback" else ({}, [])
    run, (sent,) = begin(runs, post(**more), *instead, LAST)
    waiting = runs.job(run)
    assert (waiting.state, waiting.reason) == (State.WAITING, Reason.UNCERTAIN_STEP)
    assert state_of(runs, run, "send") == "uncertain"
    rev = waiting.rev
    runs.look(3)
    assert runs.job(run).rev == rev, "nobody is told twice"
    resolve(runs, sent, happened=happened)
    runs.settle(run)
    expected = State.SUCCEEDED if happened or how == "fallback" else State.FAILED
    assert runs.job(run).state == expected
    if how == "fallback":
        assert state_of(runs, run, "instead") == ("skipped" if happened else "succeeded")


def test_a_step_that_may_fail_lets_the_run_go_on_at_once_and_says_what_nobody_knows(runs: Runs) -> None:
    run, _ = begin(runs, post(on_error="continue"), echo("last", "${{ steps.send.error.title }}"))
    runs.settle(run)
    job = runs.job(run)
    assert job.state == State.SUCCEEDED
    assert json.loads(job.result or "")["last"] == {"text": "The outcome is unknown"}
    assert state_of(runs, run, "send") == "failed"


@pytest.mark.parametrize("how", ["fail", "continue"])
def test_items_of_a_foreach_are_waited_for_while_the_others_go_on(runs: Runs, how: str) -> None:
    each = post(foreach="${{ input.items }}", parallel=2, on_error=how)
    run, sent = begin(runs, each, given={"items": [1, 2, 3]})
    others = [job for job in runs.steps_of(run) if job.id not in sent]
    assert len(sent) == 2 and len(others) == 1, "the doubtful ones hold up no place"
    runs.do(others[0])
    runs.look()
    if how == "continue":
        assert runs.job(run).state == State.SUCCEEDED
        return
    assert runs.job(run).reason == Reason.UNCERTAIN_STEP
    resolve(runs, sent[0], happened=True)
    runs.look()
    assert runs.job(run).reason == Reason.UNCERTAIN_STEP
    resolve(runs, sent[1], happened=True)
    runs.settle(run)
    assert runs.job(run).state == State.SUCCEEDED


@pytest.mark.parametrize(("more", "wait_s"), [({"timeout_s": 60}, 61), ({}, 30 * 86_400 + 1)])
def test_nobody_is_waited_for_longer_than_the_step_may_take_or_a_wait_may(
    runs: Runs, more: dict[str, Any], wait_s: int
) -> None:
    run, (sent,) = begin(runs, post(**more), LAST)
    runs.pass_time(wait_s - 30)
    runs.look()
    assert runs.job(run).reason == Reason.UNCERTAIN_STEP
    runs.pass_time(31)
    runs.settle(run)
    assert runs.job(run).state == State.FAILED
    assert runs.error_of(run)["type"] == UNCERTAIN and "in time" in runs.error_of(run)["detail"]
    assert runs.job(sent).state == State.UNCERTAIN, "that nobody knows does not change"


def test_another_steps_failure_ends_the_run_without_the_person(runs: Runs) -> None:
    run, _ = begin(runs, post(), echo("mid"), echo("bad", "${{ abs(steps.mid.result.text) }}"))
    assert runs.job(run).reason == Reason.UNCERTAIN_STEP
    runs.settle(run)
    assert runs.job(run).state == State.FAILED


def test_a_step_that_is_queued_again_is_under_way_again(runs: Runs) -> None:
    """As the dispatcher does when the provider can be asked after all."""
    run, (sent,) = begin(runs, post(), LAST)
    move(runs.db, sent, State.QUEUED)
    runs.look()
    assert (runs.job(run).reason, state_of(runs, run, "send")) == (Reason.STEPS, "submitted")
    runs.settle(run)
    assert runs.job(run).state == State.SUCCEEDED


@pytest.mark.parametrize("happened", [None, True, False])
def test_a_retry_of_the_run_does_nothing_twice_that_may_have_happened(runs: Runs, happened: bool | None) -> None:
    run, (sent,) = begin(runs, post(timeout_s=60), LAST)
    runs.pass_time(61)
    runs.settle(run)
    if happened is not None:
        resolve(runs, sent, happened=happened)
    with runs.db.write() as conn:
        commands.retry(conn, runs.registry, runs.user.id, run, runs.db.now())
    runs.work()
    runs.look()
    again = [job for job in runs.steps_of(run) if job.action == "test.post" and job.id != sent]
    assert len(again) == (1 if happened is False else 0)
    if happened is None:
        assert runs.job(run).reason == Reason.UNCERTAIN_STEP
        resolve(runs, sent, happened=True)
    runs.settle(run)
    assert runs.job(run).state == State.SUCCEEDED


def test_a_cancelled_run_waits_for_nobody(runs: Runs) -> None:
    run, _ = begin(runs, post(), LAST)
    with runs.db.write() as conn:
        commands.cancel(conn, runs.user.id, run, runs.db.now())
    runs.look()
    assert (runs.job(run).state, state_of(runs, run, "send")) == (State.CANCELLED, "failed")


def test_a_macro_within_waits_and_goes_on_too(runs: Runs) -> None:
    inner = {"name": "inner", "steps": [post()]}
    outer = runs.start([{"id": "call", "action": "tasks.start_macro", "with": {"document": inner}}])
    runs.look()
    (call,) = runs.steps_of(outer)
    runs.do(call)
    runs.look()
    (sent,) = runs.steps_of(call.id)
    doubt(runs, sent.id)
    runs.look()
    assert runs.job(call.id).reason == Reason.UNCERTAIN_STEP
    resolve(runs, sent.id, happened=True)
    runs.settle(outer)
    assert runs.job(outer).state == State.SUCCEEDED


# --- a step that failed after its effect

AFTER_EFFECT = "urn:llmcoder:problem:after-effect"


def begin_after_effect(runs: Runs, *steps: dict[str, Any]) -> tuple[UUID, UUID]:
    """A run whose first step had its effect, and then something went wrong."""
    run = runs.start(list(steps))
    runs.look()
    (sent,) = [job.id for job in runs.steps_of(run) if job.action == "test.post"]
    take(runs.db, sent)
    error = json.dumps({"type": AFTER_EFFECT, "title": "It happened", "detail": "its id is lost"})
    move(runs.db, sent, State.FAILED, reason=Reason.AFTER_EFFECT, values={"error": error})
    runs.settle(run)
    return run, sent


def retry(runs: Runs, job_id: UUID) -> None:
    with runs.db.write() as conn:
        commands.retry(conn, runs.registry, runs.user.id, job_id, runs.db.now())


def test_a_retry_of_the_run_has_no_effect_twice_whose_result_is_lost(runs: Runs) -> None:
    run, sent = begin_after_effect(runs, post(), LAST)
    assert (runs.job(run).state, runs.error_of(run)["type"]) == (State.FAILED, AFTER_EFFECT)
    retry(runs, run)
    runs.settle(run)
    assert [job.id for job in runs.steps_of(run) if job.action == "test.post"] == [sent]
    assert runs.error_of(run)["detail"] == "Step 'send': its id is lost"


@pytest.mark.parametrize(
    ("more", "others"),
    [
        ({"on_error": "continue"}, {"last": "failed"}),
        (FALLBACK, {"last": "failed", "instead": "succeeded"}),
    ],
    ids=["continue", "fallback"],
)
def test_a_run_goes_on_after_such_a_step_where_it_may_fail(
    runs: Runs, more: dict[str, Any], others: dict[str, str]
) -> None:
    instead = [echo("instead")] if "instead" in others else []
    run, sent = begin_after_effect(runs, post(**more), *instead, LAST)
    assert runs.job(run).state == State.SUCCEEDED
    assert json.loads(runs.job(run).result or "")["last"] == {"text": "failed"}
    assert {step: state_of(runs, run, step) for step in others} == {**others, "last": "succeeded"}
    assert [job.id for job in runs.steps_of(run) if job.action == "test.post"] == [sent]


def test_what_needs_the_lost_result_fails_and_says_which(runs: Runs) -> None:
    run, sent = begin_after_effect(
        runs, post(on_error="continue"), echo("last", "${{ join(' ', [steps.send.result.post_id]) }}")
    )
    assert runs.job(run).state == State.FAILED and "'last'" in runs.error_of(run)["detail"]
    retry(runs, run)
    runs.settle(run)
    assert [job.id for job in runs.steps_of(run) if job.action == "test.post"] == [sent]


@pytest.mark.parametrize("ended", ["failed", "cancelled"])
def test_a_retry_of_the_run_does_nothing_twice_that_succeeded_in_a_macro_within(runs: Runs, ended: str) -> None:
    inner = {"name": "inner", "steps": [post(), echo("then", needs=["send"])]}
    outer = runs.start([{"id": "call", "action": "tasks.start_macro", "with": {"document": inner}}])
    runs.look()
    (call,) = runs.steps_of(outer)
    runs.do(call)
    runs.look()
    (sent,) = runs.steps_of(call.id)
    runs.do(sent)
    runs.look()
    if ended == "cancelled":
        with runs.db.write() as conn:
            commands.cancel(conn, runs.user.id, outer, runs.db.now())
    else:
        then = runs.steps_of(call.id)[1].id
        take(runs.db, then)
        move(runs.db, then, State.FAILED, values={"error": json.dumps({"type": "x", "title": "x", "detail": "x"})})
    runs.look(3)
    assert (runs.job(outer).state, runs.job(call.id).state) == (ended, ended)
    retry(runs, outer)
    runs.settle(outer)
    posts = [job.id for run in (outer, call.id) for job in runs.steps_of(run) if job.action == "test.post"]
    assert posts == [sent.id]
    assert [job.id for job in runs.steps_of(outer)] == [call.id], "it goes on, and no other begins"
    assert runs.job(outer).state == State.SUCCEEDED


def test_a_run_within_is_the_agents_that_has_the_outer_one_go_on(runs: Runs) -> None:
    inner = {"name": "inner", "steps": [echo("first"), post(needs=["first"])]}
    outer = runs.start([{"id": "call", "action": "tasks.start_macro", "with": {"document": inner}}])
    runs.look()
    (call,) = runs.steps_of(outer)
    runs.do(call)
    runs.look()
    with runs.db.write() as conn:
        commands.cancel(conn, runs.user.id, outer, runs.db.now())
    runs.look(2)
    with runs.db.write() as conn:
        commands.retry(conn, runs.registry, runs.user.id, outer, runs.db.now(), Origin.AGENT)
    for _ in range(6):
        runs.work()
        runs.look()
    assert {job.origin for job in (runs.job(outer), runs.job(call.id))} == {"agent"}
    (sent,) = [job for job in runs.steps_of(call.id) if job.action == "test.post"]
    assert sent.origin == "agent", "and so is what its steps do"


def test_explain_and_the_list_of_what_waits_for_its_user_name_it(runs: Runs, redis_url: str, tmp_path: Path) -> None:
    run, (sent,) = begin(runs, post(), LAST)
    with serving(runs.db, redis_url, tmp_path) as served, served.client(runs.user) as client:
        said = client.get(f"/jobs/{run}/explain").json()
        step = client.get(f"/jobs/{run}/steps").json()["items"][0]
        assert client.get(f"/jobs/{run}").json()["reason"] == "uncertain_step"
    (blocker,) = said["blockers"]
    assert blocker["kind"] == "needs_a_person" and f"POST /jobs/{sent}/resolve" in blocker["remedy"]
    assert "send (uncertain" in blocker["detail"]
    assert (step["state"], step["error"]["type"]) == ("uncertain", UNCERTAIN)
    troubles = {one.id: one.why for one in list_troubles(Since(), FakeContext(user=runs.user)).items}
    assert set(troubles) == {run, sent}
    assert "resolve it" in troubles[run]
