"""Runs of macros with real processes: steps are jobs, joins are rows, and a run outlives whatever dies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from engine_kit import Engine, engine_on, eventually, load_testkit

from llmcoder.registry import Registry, discover
from models import approvals, jobs
from models.jobs import Job
from models.machine import State
from models.tables import jobs as table
from workers import commands

load_testkit()


@pytest.fixture
def engine(db_url: str, tmp_path: Path) -> Iterator[Engine]:
    with engine_on(Engine, db_url, tmp_path) as running:
        yield running


def start(engine: Engine, steps: list[dict[str, Any]], given: dict[str, Any] | None = None, **more: Any) -> UUID:
    known = Registry(discover())
    document = {"name": "test", "steps": steps, **more}
    return engine.submit(known["tasks.start_macro"], document=document, input=given or {})


def echo(step_id: str, text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"id": step_id, "action": "test.echo", "with": {"text": text}, **more}


def steps_of(engine: Engine, run: UUID) -> list[Job]:
    with engine.db.read() as conn:
        rows = conn.execute(sa.select(*jobs.COLUMNS).where(table.c.parent_id == run).order_by(table.c.id))
        return [Job(*row) for row in rows]


def test_steps_pass_their_results_on_and_the_run_ends_with_its_output(engine: Engine) -> None:
    engine.start_worker()
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
    engine.start_worker()
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
    engine.start_worker()
    ask = {"id": "ask", "wait_for": {"approval": "Really, ${{ input.who }}?"}}
    run = start(engine, [ask, echo("b", needs=["ask"])], {"who": "Ann"}, input={"who": {}})
    question = asked(engine, run)
    assert json.loads(question.input) == {"question": "Really, Ann?"}
    approve(engine, question)
    assert engine.until(run, State.SUCCEEDED, State.FAILED).state == "succeeded"


def test_a_cancelled_run_takes_its_steps_along(engine: Engine) -> None:
    engine.start_worker()
    run = start(engine, [{"id": "nap", "action": "test.take_nap", "with": {"seconds": 60}}, echo("b", needs=["nap"])])
    eventually(lambda: [job.state for job in steps_of(engine, run)] == ["running"], what="the step runs")
    with engine.db.write() as conn:
        commands.cancel(conn, engine.user.id, run, engine.db.now())
    eventually(lambda: [job.state for job in steps_of(engine, run)] == ["cancelled"], what="the step ends")


def test_a_step_that_takes_too_long_is_ended(engine: Engine) -> None:
    engine.start_worker()
    nap = {"id": "nap", "action": "test.take_nap", "with": {"seconds": 60}, "timeout_s": 1}
    run = start(engine, [nap])
    assert "took longer than it may" in (engine.until(run, State.FAILED).error or "")


def test_a_run_outlives_its_workers_and_schedulers(engine: Engine) -> None:
    """Twelve steps, one of them over two hundred items, an approval in the middle; everything is killed five times."""
    steps = [echo(f"s{n}", needs=[f"s{n - 1}"] if n else []) for n in range(4)]
    steps.append(echo("many", "${{ item }}", foreach="${{ input.items }}", parallel=20, needs=["s3"]))
    steps.append({"id": "ask", "wait_for": {"approval": "Go on?"}, "needs": ["many"]})
    steps += [echo(f"t{n}", needs=["ask" if n == 0 else f"t{n - 1}"]) for n in range(6)]
    run = start(engine, steps, {"items": [str(n) for n in range(200)]}, input={"items": {}})
    for _ in range(5):
        engine.start_worker()
        done = len(steps_of(engine, run))
        eventually(lambda before=done: len(steps_of(engine, run)) >= min(before + 25, 205), 60, "the run goes on")
        for process in engine.processes:
            process.kill()
            process.wait(10)
        engine.processes.clear()
        engine.start("schedules")
    engine.start_worker()
    approve(engine, asked(engine, run))
    ended = engine.until(run, State.SUCCEEDED, State.FAILED, within_s=60)
    assert ended.state == "succeeded", ended.error
    result = json.loads(ended.result or "null")
    assert [one["text"] for one in result["many"]] == [str(n) for n in range(200)]
    made = steps_of(engine, run)
    assert len(made) == 4 + 200 + 1 + 6
    assert {job.state for job in made} == {"succeeded"}
