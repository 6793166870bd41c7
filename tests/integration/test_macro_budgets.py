"""A run, with all the macros that it starts, does only so much; and users' runs are moved on by turns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from engine_kit import load_testkit
from macro_kit import Runs, echo, runs_on

from engine import macro_runs as macros
from engine import macro_step
from engine.enqueue import AfterCommit
from engine.macro_runs import Macros
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.states import State
from models.db.database import Database
from models.jobs.tables import jobs
from models.macros import store
from models.macros.document import Macro
from models.macros.tables import macro_roots, macro_runs, macro_steps

pytestmark = pytest.mark.both_stores

load_testkit()


@pytest.fixture
def runs(db: Database, configured: Config, redis_url: str, user: User) -> Iterator[Runs]:
    with runs_on(db, redis_url, user) as made:
        yield made


def keep(runs: Runs, name: str, *steps: dict[str, Any]) -> None:
    with runs.db.write() as conn:
        store.add(conn, runs.user.id, Macro.model_validate({"name": name, "steps": steps}), runs.db.now())


def itself(name: str, **more: Any) -> dict[str, Any]:
    return {"id": "again", "action": "tasks.start_macro", "with": {"macro": name}, **more}


def count(runs: Runs, table: sa.Table, *where: Any) -> int:
    with runs.db.read() as conn:
        found: int = conn.execute(sa.select(sa.func.count()).select_from(table).where(*where)).scalar_one()
    return found


#: Macros that start themselves, by what becomes of a failure.
BOMBS: dict[str, Callable[[str], dict[str, Any]]] = {
    "wide": lambda how: itself("me", foreach="${{ [`1`, `2`, `3`, `4`, `5`] }}", parallel=5, on_error=how),
    "deep": lambda how: itself("me", on_error=how),
}


@pytest.mark.parametrize("how", ["fail", "continue"])
@pytest.mark.parametrize("shape", ["wide", "deep"])
@pytest.mark.parametrize("limit", ["MACRO_MAX_STEPS", "MACRO_MAX_RUNS"])
def test_a_macro_that_starts_itself_does_so_only_so_often(
    runs: Runs, configured: Config, shape: str, how: str, limit: str
) -> None:
    configured.patch({limit: 15})
    keep(runs, "me", BOMBS[shape](how))
    run = runs.start([itself("me")])
    runs.settle(run)
    assert count(runs, macro_runs) <= 17, "the budget's, and the outermost"
    assert count(runs, jobs) <= 17
    with runs.db.read() as conn:
        said = [row.error or "" for row in conn.execute(sa.select(macro_steps.c.error))]
    if shape == "wide":
        assert any("run-budget-spent" in text and limit in text for text in said)
    else:
        assert any("at most 10 deep" in text for text in said)
    assert runs.job(run).state == (State.FAILED if how == "fail" else State.SUCCEEDED)


def test_a_budget_is_of_one_submit_and_a_retry_begins_another(runs: Runs, configured: Config) -> None:
    configured.patch({"MACRO_MAX_STEPS": 3})
    first, other = (runs.start([echo(f"s{n}") for n in range(4)]) for _ in range(2))
    runs.settle(first, other)
    for run in (first, other):
        assert "at most 3 steps and items (MACRO_MAX_STEPS)" in runs.error_of(run)["detail"]
        assert [row.state for row in _rows(runs, run)].count("succeeded") == 3


def test_items_that_get_no_job_count_too(runs: Runs, configured: Config) -> None:
    configured.patch({"MACRO_MAX_STEPS": 30})
    items = list(range(1_000))
    bad = echo("x", "${{ abs(input.text) }}", foreach="${{ input.items }}", on_error="continue")
    run = runs.start([bad], {"items": items, "text": "a"}, input={"items": {}, "text": {}})
    runs.settle(run)
    assert count(runs, macro_steps, macro_steps.c.item >= 0) == 30, "29 began, and the one that had nothing left"


def test_one_look_begins_only_so_many_and_the_run_takes_its_next_turn(runs: Runs) -> None:
    steps = [echo(f"s{n}", foreach="${{ input.items }}", parallel=50) for n in range(3)]
    run = runs.start(steps, {"items": list(range(100))}, input={"items": {}})
    for looks in range(1, 4):
        runs.macros.look(run)
        assert count(runs, jobs, jobs.c.parent_id == run) <= looks * macro_step.PORTION
    runs.settle(run)
    assert count(runs, jobs, jobs.c.parent_id == run, jobs.c.state == "succeeded") == 300


def test_a_long_look_leaves_the_rest_to_the_next(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(macro_step, "LOOK_S", 0.0)
    run = runs.start([echo(f"s{n}") for n in range(3)])
    runs.macros.look(run)
    assert count(runs, jobs, jobs.c.parent_id == run) == 1
    runs.settle(run)
    assert runs.job(run).state == State.SUCCEEDED


def test_the_budget_is_exact_however_many_schedulers_look(runs: Runs, configured: Config) -> None:
    configured.patch({"MACRO_MAX_STEPS": 40})
    inner = {"name": "inner", "steps": [echo(f"s{n}") for n in range(9)]}
    wide = {
        "id": "x", "action": "tasks.start_macro", "with": {"document": inner}, "foreach": "${{ input.items }}",
        "parallel": 50, "on_error": "continue",
    }  # fmt: skip
    run = runs.start([wide], {"items": list(range(12))}, input={"items": {}})
    runs.look()
    runs.work()
    stop = threading.Event()

    def schedule() -> None:
        mine = Macros(runs.db, runs.outbox, runs.registry)
        while not stop.is_set():
            mine.advance()

    threads = [threading.Thread(target=schedule) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        runs.settle(run)
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    with runs.db.read() as conn:
        steps = conn.execute(sa.select(macro_roots.c.steps).where(macro_roots.c.root_id == run)).scalar_one()
    assert steps == 40
    assert count(runs, jobs, jobs.c.parent_id.is_not(None)) == 40 - 1, "the foreach itself is a step without a job"


def test_users_take_turns_however_many_runs_one_of_them_has(
    runs: Runs, new_user: Callable[[str], User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another's run is looked at after one more look at most, though it came after sixty."""
    for _ in range(60):
        runs.start([echo("a")])
    late: list[UUID] = []
    seen: list[UUID] = []
    go = macro_step.MacroStep.go

    def look(self: macro_step.MacroStep) -> AfterCommit:
        seen.append(self._run.job.id)
        return go(self)

    monkeypatch.setattr(macro_step.MacroStep, "go", look)
    bob = new_user("bob@example.org")
    follow = Macros._follow

    def arrive(self: Macros, made: AfterCommit | None) -> None:
        follow(self, made)
        if len(seen) == 20:
            late.append(runs.start([echo("a")], user=bob))

    monkeypatch.setattr(Macros, "_follow", arrive)
    monkeypatch.setattr(macros, "SLICE_S", 60.0)
    runs.look()
    assert seen.index(late[0]) <= 21
    assert len(seen) == 61


def test_a_slice_that_ends_goes_on_with_the_next_user(
    runs: Runs, new_user: Callable[[str], User], monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [new_user(f"u{n}@example.org") for n in range(5)]
    started = {runs.start([echo("a")], user=user): user for user in users for _ in range(3)}
    seen: list[UUID] = []
    go = macro_step.MacroStep.go

    def look(self: macro_step.MacroStep) -> AfterCommit:
        seen.append(started[self._run.job.id].id)
        return go(self)

    monkeypatch.setattr(macro_step.MacroStep, "go", look)
    monkeypatch.setattr(macros, "SLICE_S", 0.0)
    for _ in range(15):
        runs.look()
    assert all(len(set(seen[n : n + 5])) == 5 for n in (0, 5, 10)), "each round has one look for every user"


def _rows(runs: Runs, run: UUID) -> list[Any]:
    with runs.db.read() as conn:
        return list(store.steps(conn, run))
