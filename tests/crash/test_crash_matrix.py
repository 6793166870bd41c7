"""The most telling rows of the crash matrix, short; and the page that the long run wrote has every row and no loss."""

from __future__ import annotations

import os

import pytest

from tests.conftest import missing
from tests.crash.cluster import ROOT
from tests.crash.faults import FAULTS
from tests.crash.matrix import Outcome, run
from tests.crash.report import HEAD, problems
from tests.crash.stores import PostgresStore, SqliteStore, Store

SEEDS = (20_261, 20_262, 20_263)
JOBS, JOBS_PER_S = 200, 50.0
TELLING = (
    "after arm", "after the provider answered", "API killed while it accepts", "broker killed", "worker killed",
    "broker keys of a wrong type", "database read-only",
)  # fmt: skip
BY_NAME = {fault.name: fault for fault in FAULTS}
PAGE = ROOT / "docs" / "crash-matrix.md"


@pytest.mark.skipif(os.environ.get("LLMCODER_ACCEPTANCE") != "1", reason="takes minutes; set LLMCODER_ACCEPTANCE=1")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", TELLING)
def test_nothing_accepted_is_lost_and_nothing_is_done_twice(name: str, store: Store) -> None:
    outcome = first_with_a_fault(name, store)
    found = outcome.findings
    assert found is not None
    assert (found.lost, found.doubled, found.misreported, found.passed_over) == (0, 0, 0, 0)
    assert found.jobs == JOBS
    assert found.settled == found.uncertain


def first_with_a_fault(name: str, store: Store) -> Outcome:
    """A planted fault happens by chance, and says nothing where it did not; what holds must hold each time."""
    for seed in SEEDS:
        outcome = run(BY_NAME[name], store, seed, JOBS, JOBS_PER_S)
        assert outcome.findings is not None
        assert outcome.findings.holds, "\n".join(problems(outcome))
        if outcome.injected > 0:
            return outcome
    pytest.fail("the fault never happened")


@pytest.mark.parametrize("store_name", [SqliteStore.name, PostgresStore.name])
def test_the_page_of_the_long_run_has_every_fault_and_says_that_none_lost_doubled_or_passed_over_anything(
    store_name: str,
) -> None:
    if HEAD.splitlines()[0] not in PAGE.read_text():
        missing("the page is of before the newest columns: run `make crash`")
    rows = {row[0]: row for row in page_rows() if row[1] == store_name}
    assert rows.keys() >= BY_NAME.keys(), "run `make crash`"
    for fault in FAULTS:
        if (reason := fault.not_on.get(store_name)) is not None:
            assert reason in rows[fault.name][2]
        else:
            jobs, faults, lost, doubled, misreported, passed_over = map(int, rows[fault.name][2:8])
            assert (lost, doubled, misreported, passed_over) == (0, 0, 0, 0), fault.name
            assert jobs >= fault.jobs and faults > 0, fault.name
    assert int(rows["**all**"][2]) >= 10_000


def page_rows() -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.read_text().splitlines() if "|" in line]
