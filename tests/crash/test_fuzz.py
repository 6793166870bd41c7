"""A hostile user and one who notices nothing, short; `make fuzz` sends 10,000 things."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.crash.cluster import remove
from tests.crash.fuzz import Report, fuzz, table
from tests.crash.hostile import KINDS, Hostile
from tests.crash.neighbour import WHAT, times
from tests.crash.stores import Store

SEED = 20_261
CASES, QUIET_S = 200, 10.0


@pytest.mark.skipif(os.environ.get("LLMCODER_ACCEPTANCE") != "1", reason="set LLMCODER_ACCEPTANCE=1")
@pytest.mark.timeout(600)
def test_what_one_user_sends_hurts_nobody_else(store: Store) -> None:
    report, folder = fuzz(store, CASES, SEED, quiet_s=QUIET_S)
    assert report.holds, "\n".join([table(report), *report.problems, str(folder)])
    assert report.cases.total() == CASES
    assert report.states.total() > 0, "no job was accepted"
    remove(folder)


def test_a_seed_gives_the_same_cases_again_and_every_kind_is_among_them() -> None:
    one, other = Hostile(SEED), Hostile(SEED)
    cases = [one.case() for _ in range(300)]
    assert cases == [other.case() for _ in range(300)]
    assert Counter(case.kind for case in cases).keys() == KINDS.keys()


def test_one_of_a_few_does_not_decide_what_is_usual() -> None:
    assert times([2.0, 2.0, 9.0]).usual_s == 2.0
    assert times([2.0] * 18 + [9.0] * 2).usual_s == 9.0


def test_the_table_has_what_was_seen_and_a_problem_is_no_success() -> None:
    report = Report("sqlite", SEED, before={what: times([0.1, 0.3]) for what in WHAT})
    report.during = {what: times([0.2] * 19 + [9.0]) for what in WHAT}
    assert "| a macro of seven jobs | 0.20, 0.30, 0.30 | 0.20, 9.00, 9.00 | 20 |" in table(report)
    assert report.holds
    report.problems.append("a process died")
    assert not report.holds
