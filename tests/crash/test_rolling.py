"""A short rolling upgrade and its way back, with processes that lack a package; see `tests.crash.rolling`."""

from __future__ import annotations

import os

import pytest

from tests.crash.rolling import WITHOUT_PACKAGE, run
from tests.crash.stores import PostgresStore, Store

JOBS, NEW_JOBS = 300, 60
SEED = 20_261


@pytest.mark.skipif(os.environ.get("LLMCODER_ACCEPTANCE") != "1", reason="takes minutes; set LLMCODER_ACCEPTANCE=1")
@pytest.mark.timeout(600)
def test_processes_side_by_side_lose_double_and_end_nothing_that_only_others_know(store: Store) -> None:
    if not isinstance(store, PostgresStore):
        pytest.skip("processes of two versions meet on PostgreSQL only")
    kills, found = run(store, WITHOUT_PACKAGE, SEED, jobs=JOBS, new_jobs=NEW_JOBS)
    assert found.holds, "\n".join(found.problems)
    assert kills > 0 and found.jobs == JOBS + NEW_JOBS
