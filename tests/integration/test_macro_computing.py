"""What takes long to compute is computed while nobody waits: not in a transaction, which on SQLite is the only one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from engine_kit import load_testkit
from macro_kit import Runs, echo, runs_on

from engine import macro_step
from llmcoder import strict_json
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.states import State
from models.db.database import Database
from models.jobs.tables import jobs
from models.macros import computing, progress, stored_values
from models.macros.computing import MOST_REPEATS, WORK_AT_ONCE, Computations
from models.macros.evaluation import EvaluationBudget, Postponed
from models.macros.tables import macro_steps

load_testkit()

#: About 60,000 units of work each: three times what a transaction takes.
HEAVY = "input.numbers[*].[@]"
NUMBERS = list(range(10_000))
#: What one node may spend beyond the mark, before anybody looks.
OVER = 1_000


@pytest.fixture
def runs(db: Database, configured: Config, redis_url: str, user: User) -> Iterator[Runs]:
    with runs_on(db, redis_url, user) as made:
        yield made


class Watch:
    """Sees what is computed where, and writes into the database whenever a run catches up."""

    def __init__(self, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
        self.caught_up = 0
        self.at_once: list[int] = []
        self._runs = runs
        self._is_within = False
        before, catch_up = Computations.value, Computations.catch_up

        def value(computations: Computations, place: Any, scope: Any, compute: Any) -> Any:
            return before(computations, place, scope, lambda budget: self._counted(budget, compute))

        def watched(computations: Computations) -> None:
            self.caught_up += 1
            with runs.db.write() as conn:  # on SQLite it would wait, and fail, if the look still held one
                conn.execute(sa.update(jobs).values(note="written meanwhile"))
            self._is_within = True
            catch_up(computations)
            self._is_within = False

        monkeypatch.setattr(Computations, "value", value)
        monkeypatch.setattr(Computations, "catch_up", watched)

    def _counted(self, budget: EvaluationBudget, compute: Any) -> Any:
        try:
            return compute(budget)
        finally:
            if not self._is_within:
                self.at_once.append(budget.spent)


def heavy(step_id: str = "a", **more: Any) -> dict[str, Any]:
    return echo(step_id, f"${{{{ to_string(length({HEAVY})) }}}}", **more)


#: By name: steps whose condition, list, input or several are long to compute.
LONG: dict[str, tuple[list[dict[str, Any]], dict[str, Any] | None]] = {
    "input": ([heavy()], None),
    "condition": ([echo("a", **{"if": f"${{{{ length({HEAVY}) > `1` }}}}"})], None),
    "list": ([echo("a", foreach=f"${{{{ {HEAVY} | [:3] }}}}")], None),
    "items": ([heavy(foreach="${{ input.numbers[:4] }}", parallel=4)], None),
    "list and items": ([heavy(foreach=f"${{{{ {HEAVY} | [:3] }}}}", parallel=2)], None),
    "all of a step": (
        [heavy(foreach=f"${{{{ {HEAVY} | [:2] }}}}", **{"if": f"${{{{ length({HEAVY}) > `1` }}}}"})],
        {"n": f"${{{{ length({HEAVY}) }}}}"},
    ),
    "output": ([echo("a")], {"n": f"${{{{ length({HEAVY}) }}}}"}),
    "several steps": ([echo("z"), heavy("a"), heavy("b"), echo("c"), heavy("d")], None),
    "a skipped step": ([echo("a", **{"if": f"${{{{ length({HEAVY}) < `1` }}}}"}), heavy("b")], None),
}


@pytest.mark.parametrize("name", LONG)
def test_what_is_long_to_compute_is_computed_outside_of_a_transaction(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    watch = Watch(runs, monkeypatch)
    steps, output = LONG[name]
    more = {} if output is None else {"output": output}
    run = runs.start(steps, {"numbers": NUMBERS}, input={"numbers": {}}, **more)
    runs.settle(run)

    assert runs.job(run).state == State.SUCCEEDED, runs.error_of(run)
    assert watch.caught_up > 0
    assert max(watch.at_once) <= WORK_AT_ONCE + OVER
    with runs.db.read() as conn:
        states = set(conn.execute(sa.select(macro_steps.c.state)).scalars())
    assert states <= {"succeeded", "skipped"}


def test_many_that_are_quick_share_what_a_transaction_computes(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(runs, monkeypatch)
    monkeypatch.setattr(macro_step, "LOOK_S", 60.0)
    quick = "${{ to_string(length(input.numbers[:1000][*].[@])) }}"
    run = runs.start(
        [echo("a", quick, foreach="${{ input.numbers[:40] }}", parallel=50)],
        {"numbers": NUMBERS}, input={"numbers": {}},
    )  # fmt: skip
    runs.macros.look(run)
    assert sum(watch.at_once) <= (1 + watch.caught_up) * (WORK_AT_ONCE + OVER)
    runs.settle(run)
    assert runs.job(run).state == State.SUCCEEDED


def test_what_cannot_be_computed_fails_its_step_although_it_was_postponed(runs: Runs) -> None:
    wrong = f"${{{{ abs({HEAVY}) }}}}"
    endless = f"${{{{ [{', '.join([HEAVY] * 10)}] }}}}"
    for text, reason in ((wrong, "abs() takes number"), (endless, "too much work")):
        run = runs.start([echo("a", text)], {"numbers": NUMBERS}, input={"numbers": {}})
        runs.settle(run)
        assert reason in runs.error_of(run)["detail"]


def test_a_budget_counts_what_was_put_off_once(runs: Runs, configured: Config) -> None:
    configured.patch({"MACRO_MAX_STEPS": 4})
    run = runs.start(
        [heavy(foreach="${{ input.numbers[:3] }}", parallel=3)], {"numbers": NUMBERS}, input={"numbers": {}}
    )
    runs.settle(run)
    assert runs.job(run).state == State.SUCCEEDED, runs.error_of(run)


def test_whoever_moves_a_run_on_reads_only_the_results_that_the_next_step_reads(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    before = strict_json.read_lenient
    monkeypatch.setattr(stored_values.strict_json, "read_lenient", lambda text: loaded.append(text) or before(text))
    steps = [
        echo("first", "ONE"),
        echo("each", "TWO ${{ item }}", foreach="${{ input.items }}", parallel=1, needs=["first"]),
        echo("reads", "${{ steps.first.result.text }}", needs=["each"]),
        echo("all", "${{ join(',', steps.each.result[*].text) }}", needs=["reads"]),
    ]
    run = runs.start(
        steps, {"items": list(range(5))}, input={"items": {}}, output={"n": "${{ steps.all.result.text }}"}
    )
    runs.settle(run)

    assert json.loads(runs.job(run).result or "") == {"n": ",".join(f"TWO {number}" for number in range(5))}
    # bytes are read by the API that tests share, of what it hears from Redis
    read = [text for text in loaded if isinstance(text, str) and text.startswith(('{"text"', "[{"))]
    of_items = [text for text in read if text.startswith('{"text":"TWO')]  # as steps are kept; jobs' have a blank
    assert len(of_items) == 0, "those of items are put together as they are"
    assert len([text for text in read if text.startswith("[{")]) == 1


def test_the_results_of_all_steps_are_put_together_as_they_are_kept(runs: Runs) -> None:
    steps = [echo("each", "n ${{ item }}", foreach="${{ input.items }}", parallel=2), echo("last", "x", needs=["each"])]
    run = runs.start(steps, {"items": ["a", 'b"', "c\\"]}, input={"items": {}})
    runs.settle(run)
    texts = [{"text": f"n {item}"} for item in ("a", 'b"', "c\\")]
    assert json.loads(runs.job(run).result or "") == {"each": texts, "last": {"text": "x"}}


def test_a_result_of_very_many_lists_is_read_by_no_expression_and_stops_nobody(runs: Runs) -> None:
    steps = [echo("many"), echo("reads", "${{ to_string(length(steps.many.result.text)) }}", on_error="continue")]
    run = runs.start(steps, output={"error": "${{ steps.reads.error.detail }}"})
    runs.look()
    with runs.db.write() as conn:
        result = f'{{"text": [{",".join(["[]"] * stored_values.MOST_CONTAINERS)}]}}'
        conn.execute(sa.update(jobs).where(jobs.c.parent_id == run).values(state="succeeded", result=result))
    runs.settle(run)
    assert "more than 200,000 lists and objects" in json.loads(runs.job(run).result or "")["error"]


def test_a_run_that_an_earlier_version_left_amid_a_foreach_goes_on(runs: Runs) -> None:
    """It did not write down how many items there are beside their list."""
    run = runs.start([echo("each", "${{ item }}", foreach="${{ input.items }}", parallel=1)], {"items": ["a", "b"]},
                     input={"items": {}})  # fmt: skip
    runs.look()
    with runs.db.write() as conn:
        whole = sa.and_(macro_steps.c.run_id == run, macro_steps.c.item == progress.WHOLE)
        conn.execute(sa.update(macro_steps).where(whole).values(result=None))
    runs.settle(run)
    assert json.loads(runs.job(run).result or "") == {"each": [{"text": "a"}, {"text": "b"}]}


def test_an_outcome_is_of_what_was_read_and_of_nothing_else() -> None:
    computations = Computations(postpones=True)

    def compute(budget: EvaluationBudget) -> int:
        budget.spend(2 * WORK_AT_ONCE)
        return len(asked)

    asked: list[int] = []
    with pytest.raises(Postponed):
        computations.value(progress.OUTPUT, {"a": 1}, compute)
    computations.catch_up()
    asked.append(1)
    assert computations.value(progress.OUTPUT, {"a": 1}, compute) == 0
    with pytest.raises(Postponed):
        computations.value(progress.OUTPUT, {"a": 2}, compute)


def test_a_look_that_is_repeated_too_often_computes_at_once() -> None:
    computations = Computations(postpones=True)
    for number in range(MOST_REPEATS):
        with pytest.raises(Postponed):
            computations.value(progress.OUTPUT, {"a": number}, lambda budget: budget.spend(2 * WORK_AT_ONCE))
        computations.catch_up()
    computations.value(progress.OUTPUT, {"a": -1}, lambda budget: budget.spend(2 * WORK_AT_ONCE))
    assert computing.MOST_REPEATS > 3, "a condition, a list and an output may all be long"
