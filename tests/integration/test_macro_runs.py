"""Runs of macros with real processes: steps are jobs, joins are rows, and a run outlives whatever dies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from engine_kit import Engine, engine_on, eventually, load_testkit, new_user

from engine import commands
from llmcoder.ids import new_id
from llmcoder.registry import Registry, discover
from llmcoder.states import State
from models.accounts import preferences
from models.accounts.preferences import Preferences
from models.jobs import approvals
from models.jobs import store as jobs
from models.jobs.store import Job
from models.jobs.tables import jobs as table
from models.macros import store
from models.macros.document import Macro

pytestmark = pytest.mark.both_stores

load_testkit()


@pytest.fixture(scope="module")
def standing_engine(module_db_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine_on(Engine, module_db_url, tmp_path_factory.mktemp("engine")) as running:
        running.start_worker()
        yield running


@pytest.fixture
def engine(standing_engine: Engine) -> Engine:
    """A scheduler and a worker that the tests share, with a user of this one."""
    return replace(standing_engine, user=new_user(standing_engine.db))


@pytest.fixture
def own_engine(db_url: str, tmp_path: Path) -> Iterator[Engine]:
    """One whose processes are the test's to kill."""
    with engine_on(Engine, db_url, tmp_path) as running:
        yield running


def start(
    engine: Engine, steps: list[dict[str, Any]], given: dict[str, Any] | None = None, mode: str = "run", **more: Any
) -> UUID:
    known = Registry(discover())
    document = {"name": "test", "steps": steps, **more}
    return engine.submit(known["tasks.start_macro"], document=document, input=given or {}, mode=mode)


def echo(step_id: str, text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"id": step_id, "action": "test.echo", "with": {"text": text}, **more}


def steps_of(engine: Engine, run: UUID) -> list[Job]:
    with engine.db.read() as conn:
        rows = conn.execute(sa.select(*jobs.COLUMNS).where(table.c.parent_id == run).order_by(table.c.id))
        return [Job(*row) for row in rows]


def test_steps_pass_their_results_on_and_the_run_ends_with_its_output(engine: Engine) -> None:
    run = start(
        engine,
        [
            echo("first", "${{ input.name }}"),
            echo("each", "${{ item }} of ${{ steps.first.result.text }}", foreach="${{ input.items }}", parallel=2),
            echo("last", "${{ join(', ', steps.each.result[].text) }}"),
        ],
        {"name": "Ann", "items": ["a", "b", "c"]},
        input={"name": {}, "items": {}},
        output={"said": "${{ steps.last.result.text }}"},
    )
    ended = engine.until(run, State.SUCCEEDED, State.FAILED)
    assert (ended.state, json.loads(ended.result or "null")) == ("succeeded", {"said": "a of Ann, b of Ann, c of Ann"})
    assert ended.progress_fraction == 1.0
    made = steps_of(engine, run)
    assert [job.origin for job in made] == ["macro"] * 5
    assert all(job.parent_id == run and job.state == "succeeded" for job in made)


def asked(engine: Engine, run: UUID) -> Job:
    """The step that waits for a person."""
    eventually(lambda: [job for job in steps_of(engine, run) if job.reason == "approval"], what="the question")
    return next(job for job in steps_of(engine, run) if job.reason == "approval")


def approve(engine: Engine, job: Job) -> None:
    with engine.db.write() as conn:
        seen = approvals.sha256(job.input)
        commands.approve(conn, Registry(discover()), engine.user.id, job.id, seen, None, engine.db.now())


def reject(engine: Engine, job: Job, why: str) -> None:
    with engine.db.write() as conn:
        commands.reject(conn, engine.user.id, job.id, why, engine.db.now())


def test_a_failed_run_goes_on_from_the_failed_step_when_it_is_retried(engine: Engine) -> None:
    ask = {"id": "ask", "wait_for": {"approval": "Really?"}, "needs": ["a"]}
    run = start(engine, [echo("a"), ask, echo("b", needs=["ask"])])
    reject(engine, asked(engine, run), "not today")
    failed = engine.until(run, State.FAILED)
    assert "Step 'ask': A person rejected it: not today" in (failed.error or "")
    with engine.db.write() as conn:
        commands.retry(conn, Registry(discover()), engine.user.id, run, engine.db.now())
    approve(engine, asked(engine, run))
    assert engine.until(run, State.SUCCEEDED).error is None
    assert [job.action for job in steps_of(engine, run)].count("test.echo") == 2  # `a` was not done again


def test_a_run_waits_for_a_person_and_goes_on_when_they_approve(engine: Engine) -> None:
    ask = {"id": "ask", "wait_for": {"approval": "Really, ${{ input.who }}?"}}
    run = start(engine, [ask, echo("b", needs=["ask"])], {"who": "Ann"}, input={"who": {}})
    question = asked(engine, run)
    assert json.loads(question.input) == {"question": "Really, Ann?"}
    approve(engine, question)
    assert engine.until(run, State.SUCCEEDED, State.FAILED).state == "succeeded"


def test_a_cancelled_run_takes_its_steps_along(engine: Engine) -> None:
    run = start(engine, [{"id": "nap", "action": "test.take_nap", "with": {"seconds": 60}}, echo("b", needs=["nap"])])
    eventually(lambda: [job.state for job in steps_of(engine, run)] == ["running"], what="the step runs")
    with engine.db.write() as conn:
        commands.cancel(conn, engine.user.id, run, engine.db.now())
    eventually(lambda: [job.state for job in steps_of(engine, run)] == ["cancelled"], what="the step ends")


def test_a_step_that_takes_too_long_is_ended(engine: Engine) -> None:
    nap = {"id": "nap", "action": "test.take_nap", "with": {"seconds": 60}, "timeout_s": 1}
    run = start(engine, [nap])
    assert "took longer than it may" in (engine.until(run, State.FAILED).error or "")


def start_again(engine: Engine) -> None:
    """Kill every process, and start a scheduler."""
    for process in engine.processes:
        process.kill()
        process.wait(120)
    engine.processes.clear()
    engine.start("schedules")


def has_steps(engine: Engine, run: UUID, number: int) -> bool:
    return len(steps_of(engine, run)) >= number


def effects_of(engine: Engine, run: UUID) -> list[str]:
    """Action and input of the run's jobs that have an effect."""
    made = [job for job in steps_of(engine, run) if job.effect == "write" and job.action != "tasks.ask_person"]
    return sorted(f"{job.action} {json.dumps(json.loads(job.input), sort_keys=True)}" for job in made)


@pytest.mark.slow("kills workers and schedulers again and again, and waits for their leases")
def test_a_run_outlives_its_workers_and_schedulers_and_does_what_its_plan_said(
    own_engine: Engine, tmp_path: Path
) -> None:
    """Twelve steps, one of them over two hundred items, an approval in the middle; everything is killed five times."""
    allow(own_engine, "test.*")
    lines = tmp_path / "lines"
    steps = [echo(f"s{n}", needs=[f"s{n - 1}"] if n else []) for n in range(4)]
    line = {"path": "${{ join('-', [input.path, steps.s3.result.text]) }}", "seconds": "${{ item }}"}
    steps.append(
        {"id": "many", "action": "test.write_findable_line", "with": line, "foreach": "${{ input.items }}",
         "parallel": 20}
    )  # fmt: skip
    steps.append({"id": "ask", "wait_for": {"approval": "Go on?"}, "needs": ["many"]})
    last = {"path": "${{ input.path }}-last"}
    steps += [{"id": "last", "action": "test.write_findable_line", "with": last, "needs": ["ask"]}]
    steps += [echo(f"t{n}", needs=["last" if n == 0 else f"t{n - 1}"]) for n in range(5)]
    given: dict[str, Any] = {"items": [n / 1e6 for n in range(200)], "path": str(lines)}
    asked_for: dict[str, Any] = {"items": {}, "path": {}}
    own_engine.start_worker()
    planned = own_engine.until(start(own_engine, steps, given, "plan", input=asked_for), State.SUCCEEDED)
    foretold = json.loads(planned.result or "")
    assert (foretold["exact"], foretold["fails"], len(foretold["waits"])) == (True, None, 1)
    assert list(tmp_path.glob("lines*")) == [], "a plan has no effect"

    run = start(own_engine, steps, given, input=asked_for)
    for _ in range(5):
        enough = min(len(steps_of(own_engine, run)) + 25, 205)
        eventually(partial(has_steps, own_engine, run, enough), 60, "the run goes on")
        start_again(own_engine)
        own_engine.start_worker()
    approve(own_engine, asked(own_engine, run))
    ended = own_engine.until(run, State.SUCCEEDED, State.FAILED, within_s=60)
    assert ended.state == "succeeded", ended.error
    made = steps_of(own_engine, run)
    assert len(made) == 4 + 200 + 1 + 6
    assert {job.state for job in made} == {"succeeded"}
    said = sorted(f"{one['action']} {json.dumps(one['input'], sort_keys=True)}" for one in foretold["effects"])
    assert effects_of(own_engine, run) == said
    written = Path(f"{lines}-hello").read_text().splitlines()
    assert len(written) == len(set(written)) == 200
    assert len(Path(f"{lines}-last").read_text().splitlines()) == 1


def allow(engine: Engine, pattern: str) -> None:
    with engine.db.write() as conn:
        preferences.save(conn, engine.user.id, Preferences(policies={pattern: "allow"}), engine.db.now())


def test_a_plan_names_the_effects_of_a_macro_within_and_starts_nothing_else(engine: Engine, tmp_path: Path) -> None:
    inner = {"name": "inner", "steps": [{"id": "post", "action": "test.post", "with": {"to": "ann", "text": "hello"}}]}
    call = {"id": "call", "action": "tasks.start_macro", "with": {"document": inner}}
    plan = json.loads(engine.until(start(engine, [echo("a"), call], mode="plan"), State.SUCCEEDED).result or "")
    (effect,) = plan["effects"]
    assert (effect["step"], effect["action"], effect["asks"]) == ("call/post", "test.post", True)
    with engine.db.read() as conn:
        made = set(conn.execute(sa.select(table.c.action).where(table.c.user_id == engine.user.id)).scalars())
    assert made == {"tasks.start_macro", "test.echo"}


def test_a_plan_does_no_draft_that_leaves_something_behind(engine: Engine) -> None:
    told = {"reminder_id": str(new_id()), "text": "Call", "due_at": "2030-06-01T09:00:00Z"}
    tell = {"id": "tell", "action": "reminders.tell", "with": told}
    blind = {"id": "blind", "action": "confluence.index", "with": {"account": "${{ steps.tell.result.text }}"}}
    plan = json.loads(engine.until(start(engine, [tell, blind], mode="plan"), State.SUCCEEDED).result or "")
    assert [(one["step"], one["effect"], one["asks"]) for one in plan["effects"]] == [
        ("tell", "draft", False),
        ("blind", "read", False),
    ]
    assert plan["effects"][0]["input"]["text"] == "Call"
    with engine.db.read() as conn:
        made = set(conn.execute(sa.select(table.c.action).where(table.c.user_id == engine.user.id)).scalars())
    assert made == {"tasks.start_macro"}, "nothing was done"


def test_a_macro_that_starts_itself_comes_to_an_end(engine: Engine) -> None:
    """Kept under a name, a macro can name itself."""
    macro = Macro.model_validate(
        {"name": "me", "steps": [{"id": "again", "action": "tasks.start_macro", "with": {"macro": "me"}}]}
    )
    with engine.db.write() as conn:
        store.add(conn, engine.user.id, macro, engine.db.now())
    run = engine.submit(Registry(discover())["tasks.start_macro"], macro="me")
    assert "at most 10 deep" in (engine.until(run, State.FAILED, within_s=60).error or "")


AWAIT = {"id": "answer", "wait_for": {"webhook": True}}


def call(engine: Engine, run: UUID, said: Any) -> bool:
    with engine.db.write() as conn:
        return store.keep_call(conn, run, "answer", {"payload": said}, engine.db.now())


def test_a_step_waits_for_a_call_and_its_body_is_tainted(engine: Engine) -> None:
    allow(engine, "*")
    tell = echo("tell", "${{ run.webhooks.answer }}")
    said = "${{ steps.answer.result.payload.text }}"
    post = {"id": "post", "action": "test.post", "with": {"to": "ann", "text": said}}
    run = start(engine, [tell, {**AWAIT, "needs": ["tell"]}, echo("last", said), post])
    eventually(lambda: [job for job in steps_of(engine, run) if job.reason == "call"], what="the step waits")
    with engine.db.read() as conn:
        address = (store.addresses(conn, run, "http://127.0.0.1:5000") or {})["answer"]
    told = json.loads(steps_of(engine, run)[0].result or "")["text"]
    assert told.partition("/macros/runs/")[2] == address.partition("/macros/runs/")[2] != ""
    assert call(engine, run, {"text": "yes"})
    assert not call(engine, run, {"text": "no"}), "the first call counts"
    eventually(lambda: len(steps_of(engine, run)) == 4, what="the run goes on")
    last = engine.until(next(job.id for job in steps_of(engine, run) if job.input == '{"text":"yes"}'), State.SUCCEEDED)
    assert last.tainted
    assert asked(engine, run).action == "test.post", "a stranger wrote its text, so it waits whatever the policy"
    approve(engine, asked(engine, run))
    assert engine.until(run, State.SUCCEEDED, State.FAILED).state == "succeeded"


def test_what_is_no_step_waits_for_no_call(engine: Engine) -> None:
    failed = engine.until(engine.submit(Registry(discover())["tasks.await_call"]), State.FAILED)
    assert "Only a step of a macro" in (failed.error or "")


def test_a_call_that_comes_before_its_step_waits_is_not_lost(engine: Engine) -> None:
    run = start(engine, [echo("first"), {**AWAIT, "needs": ["first"]}])
    eventually(lambda: steps_of(engine, run), what="the run begins")
    assert call(engine, run, "early")
    ended = engine.until(run, State.SUCCEEDED, State.FAILED)
    assert json.loads(ended.result or "")["answer"] == {"payload": "early"}


def test_who_does_not_call_in_time_fails_the_step_and_a_plan_waits_for_nobody(engine: Engine) -> None:
    late = {"id": "answer", "wait_for": {"webhook": True, "timeout_s": 1}}
    assert "took longer" in (engine.until(start(engine, [late]), State.FAILED).error or "")
    tell = {"id": "tell", "action": "test.post", "with": {"to": "ann", "text": "${{ run.webhooks.answer }}"}}
    planned = engine.until(start(engine, [tell, {**AWAIT, "needs": ["tell"]}], mode="plan"), State.SUCCEEDED)
    plan = json.loads(planned.result or "")
    assert [one["input"] for one in plan["waits"]] == [{"webhook": True}]
    assert plan["effects"][0]["input"]["text"] == "${{ run.webhooks.answer }}"
