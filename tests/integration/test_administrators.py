"""Actions for administrators only where no request comes in: the clock, runs of macros, triggers, workers, the shell.

The right counts when a job is accepted and again when it runs, whichever way it went in between.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from engine_kit import load_testkit
from inline_kit import Inline
from shell_kit import Shell, shell_on

from engine import commands, schedule_runs, scheduling
from engine.administrators import AdministratorsOnly
from llmcoder import Context, Effect, Model, Undo, action
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.declare.trigger import Due, Trigger
from llmcoder.errors import DeclarationError
from llmcoder.ids import new_id
from llmcoder.registry import Registry, discover
from models.accounts.tables import users
from models.audit.log import EntryFilter, Event, listed
from models.db.database import Database
from models.jobs.approvals import Origin
from models.schedules import store as schedules
from models.schedules.store import MadeBy, Schedule

pytestmark = pytest.mark.both_stores

load_testkit()

WHEEL, LOOK = "test.turn_wheel", "test.look_inside"
INPUT = {"to": "a", "text": "x"}
REFUSED = "urn:llmcoder:problem:administrators-only"


@pytest.fixture
def engine(configured: Config, db: Database, user: User) -> Inline:
    """Of an administrator."""
    engine = Inline(db, user, Registry(discover()))
    set_standing(engine, is_admin=True)
    return engine


def set_standing(engine: Inline, **columns: bool) -> None:
    with engine.db.write() as conn:
        conn.execute(sa.update(users).where(users.c.id == engine.user.id).values(columns))


def audited(engine: Inline, event: Event) -> list[str]:
    """What the audit log names, newest first."""
    with engine.db.read() as conn:
        found = listed(conn, EntryFilter(event=event), 100)
    assert {one.actor_id for one in found} <= {engine.user.id}
    return [one.subject for one in found]


def error_of(job: Any) -> str:
    return str(json.loads(job.error)["type"])


# --- a worker


def test_a_worker_names_who_has_it_run(engine: Inline) -> None:
    job = engine.done(LOOK, {"text": "x"})
    assert job.state == "succeeded"
    assert audited(engine, Event.ACTION_STARTED) == [LOOK]
    assert engine.done("test.echo", {"text": "x"}).state == "succeeded"
    assert audited(engine, Event.ACTION_STARTED) == [LOOK]


@pytest.mark.parametrize("lost", [{"is_admin": False}, {"is_active": False}])
def test_a_job_whose_user_loses_the_right_before_it_runs_fails_and_has_no_effect(
    engine: Inline, lost: dict[str, bool]
) -> None:
    job_id = engine.submit(WHEEL, INPUT)
    set_standing(engine, **lost)
    engine.run()
    job = engine.job(job_id)
    assert (job.state, error_of(job)) == ("failed", REFUSED)
    assert audited(engine, Event.ACTION_REFUSED) == [WHEEL]
    assert audited(engine, Event.ACTION_STARTED) == []


def test_a_user_who_is_made_administrator_may_at_once(engine: Inline) -> None:
    set_standing(engine, is_admin=False)
    with pytest.raises(AdministratorsOnly):
        engine.submit(WHEEL, INPUT)
    set_standing(engine, is_admin=True)
    assert engine.done(WHEEL, INPUT).state == "succeeded"


@pytest.mark.parametrize("origin", [one for one in Origin if one.delegated])
def test_whoever_acts_by_its_own_lights_is_refused_in_an_administrators_name_too(
    engine: Inline, origin: Origin
) -> None:
    with pytest.raises(AdministratorsOnly, match=r"agent"):
        engine.submit(WHEEL, INPUT, origin)


def test_what_an_agent_retries_would_be_the_agents_so_it_is_refused(engine: Inline) -> None:
    job_id = engine.submit(WHEEL, INPUT)
    now = engine.db.now()
    with engine.db.write() as conn:
        commands.cancel(conn, engine.user.id, job_id, now)
    with pytest.raises(AdministratorsOnly), engine.db.write() as conn:
        commands.retry(conn, engine.known, engine.user.id, job_id, now, Origin.AGENT)
    with engine.db.write() as conn:
        assert commands.retry(conn, engine.known, engine.user.id, job_id, now).state == "queued"


# --- macros


def steps_of(engine: Inline, *actions: str) -> list[tuple[str, str | None]]:
    """State and error of the newest job of each action."""
    found = [engine.all(name)[-1:] for name in actions]
    return [(one.state, one.error) for jobs in found for one in jobs]


def test_a_step_runs_while_its_user_is_an_administrator(engine: Inline) -> None:
    run = engine.macro({"id": "look", "action": LOOK, "with": {"text": "x"}})
    assert engine.job(run).state == "succeeded"


@pytest.mark.parametrize("nested", [False, True])
def test_a_step_of_a_user_who_is_none_fails_alone_and_is_named(engine: Inline, nested: bool) -> None:
    set_standing(engine, is_admin=False)
    step: dict[str, Any] = {"id": "look", "action": LOOK, "with": {"text": "x"}, "on_error": "continue"}
    if nested:
        inner = {"document": {"name": "inner", "steps": [step]}}
        step = {"id": "inner", "action": "tasks.start_macro", "with": inner, "on_error": "continue"}
    run = engine.macro(step, {"id": "say", "action": "test.echo", "with": {"text": "went on"}})
    assert engine.all(LOOK) == []
    assert steps_of(engine, "test.echo") == [("succeeded", None)]
    assert engine.job(run).state == "succeeded"
    assert audited(engine, Event.ACTION_REFUSED) == [LOOK]


def test_a_plan_does_not_show_what_its_user_may_not_do(engine: Inline) -> None:
    document = {"name": "m", "steps": [{"id": "turn", "action": WHEEL, "with": INPUT}]}
    given = {"document": document, "mode": "plan"}
    run = engine.submit("tasks.start_macro", given)
    engine.run()
    assert WHEEL in (engine.job(run).result or "")
    set_standing(engine, is_admin=False)
    run = engine.submit("tasks.start_macro", given)
    engine.run()
    planned = json.loads(engine.job(run).result or "{}")
    assert (planned["effects"], planned["fails"]["title"]) == ([], "Only an administrator may do this")


def test_a_run_that_an_agent_began_has_no_such_step(engine: Inline) -> None:
    run = engine.macro({"id": "look", "action": LOOK, "with": {"text": "x"}}, origin=Origin.AGENT)
    assert engine.job(run).state == "failed"
    assert engine.all(LOOK) == []


# --- the clock


def schedule_of(engine: Inline) -> Schedule:
    now = engine.db.now()
    return Schedule(
        id=new_id(), user_id=engine.user.id, name="x", action=LOOK, input='{"text":"x"}', cron=None, every_s=60,
        at=None, timezone="UTC", jitter_s=0, starts_at=None, ends_at=None, catch_up="skip", catch_up_within_s=60,
        overlap="allow", pause_after_failures=0, enabled=True, note=None, resumed_at=now,
        next_fire_at=now - timedelta(seconds=1), version=1, created_at=now, updated_at=now,
    )  # fmt: skip


def test_a_schedule_fires_nothing_once_its_user_is_none_and_says_why(engine: Inline) -> None:
    one = schedule_of(engine)
    with engine.db.write() as conn:
        scheduling.refuse_to_others(conn, engine.known, one)
        schedules.add(conn, one)
    set_standing(engine, is_admin=False)
    now = engine.db.now()
    with engine.db.write() as conn:
        batch = schedule_runs.Batch(conn, engine.known, now)
        batch.fire(one, [now], MadeBy.CLOCK)
        assert batch.finish(lambda _queue: False).submitted == 0
        runs = schedules.runs(conn, one.id, None, 10)
    assert [(run.outcome, run.detail) for run, *_ in runs] == [("refused", f"Only an administrator runs {LOOK}.")]
    assert audited(engine, Event.ACTION_REFUSED) == [LOOK]


def test_a_row_of_a_trigger_is_refused_with_the_reason(engine: Inline) -> None:
    told: list[str] = []
    waiting = [Due(engine.user.id, LOOK, {"text": "x"}, "row-1", new_id())]

    def take(conn: sa.Connection, now: datetime, limit: int) -> Sequence[Due]:
        return [waiting.pop()] if waiting else []

    trigger = Trigger(
        "test.rows_for_administrators",
        any_due=lambda conn, now: bool(waiting),
        take=take,
        refused=lambda conn, due, why, now: told.append(why),
    )
    set_standing(engine, is_admin=False)
    engine.ask(trigger)
    assert told == [f"Only an administrator runs {LOOK}."]
    assert audited(engine, Event.ACTION_REFUSED) == [LOOK]
    assert engine.all(LOOK) == []


# --- the shell


@pytest.fixture
def shell(db_url: str, redis_url: str, tmp_path: Path) -> Shell:
    return shell_on(db_url, redis_url, tmp_path)


def test_the_shell_acts_as_a_user_and_is_refused_like_that_user(engine: Inline, shell: Shell, tmp_path: Path) -> None:
    accepted = shell("run", WHEEL, "to=a", "text=x", "--output", "json").json
    assert accepted["state"] == "queued"
    with engine.db.write() as conn:
        commands.cancel(conn, engine.user.id, engine.all(WHEEL)[0].id, engine.db.now())
    set_standing(engine, is_admin=False)
    for words in (("run", WHEEL, "to=a", "text=x"), ("jobs", "retry", accepted["id"])):
        done = shell(*words)
        assert done.code != 0
        assert f"Only an administrator runs {WHEEL}." in done.err
    assert audited(engine, Event.ACTION_REFUSED) == [WHEEL, WHEEL]
    macro = tmp_path / "m.json"
    macro.write_text(json.dumps({"name": "m", "steps": [{"id": "turn", "action": WHEEL, "with": INPUT}]}))
    refused = shell("macros", "add", str(macro))
    assert refused.code != 0
    assert "Only an administrator" in refused.err
    assert "administrators only" in shell("actions", WHEEL).out


# --- the declaration


class Given(Model):
    """Nothing."""


class Undone(Model):
    """Nothing."""


def test_whoever_may_have_an_effect_may_take_it_back() -> None:
    @action("rule.take_back", effect=Effect.WRITE, repeatable=True, administrators_only=True)
    def take_back(given: Given, ctx: Context) -> Undone:
        """Take it back."""
        return Undone()

    with pytest.raises(DeclarationError, match="whoever may have an effect may take it back"):

        @action("rule.do", effect=Effect.WRITE, repeatable=True, undo=Undo(take_back, lambda given, result: Given()))
        def do(given: Given, ctx: Context) -> Undone:
            """Do it."""
            return Undone()


def test_the_nearest_names_are_those_that_are_for_everybody() -> None:
    with pytest.raises(Exception, match=r"There is no action") as raised:
        Registry(discover()).find("test.turn_whel")
    assert "turn_wheel" not in str(raised.value)
