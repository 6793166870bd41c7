"""A heavy pool that replaces its child after every job goes on working; `make soak` looks for 40 minutes."""

from __future__ import annotations

import os

import pytest

from tests.crash.cluster import remove
from tests.crash.soak import Soak, Stall, page, soak, told
from tests.crash.stores import Store

MINUTES = 0.25


@pytest.mark.skipif(os.environ.get("LLMCODER_ACCEPTANCE") != "1", reason="set LLMCODER_ACCEPTANCE=1")
@pytest.mark.timeout(400)
def test_the_heavy_queue_never_stands_still_while_children_are_replaced(store: Store) -> None:
    seen, folder = soak(store, MINUTES)
    assert seen.holds, f"{told(seen, store.name)}{folder}"
    assert len(seen.processes) > 1, "no child was replaced"
    remove(folder)


def test_a_standstill_and_a_job_that_failed_are_told() -> None:
    assert Soak(ended=3).holds
    assert not Soak().holds, "nothing ended at all"
    assert not Soak(ended=3, failed=1).holds
    stalled = Soak(ended=3, stalls=[Stall(10.0, 20.0, "nothing ended")])
    assert not stalled.holds
    assert "stalled at 10 s for 20 s: nothing ended" in told(stalled, "sqlite")


def test_the_page_says_how_long_it_looked_and_what_it_saw() -> None:
    written = page(Soak(ended=3, gaps_s=[0.5]), "sqlite", 40.0)
    assert "For 40 minutes 6 jobs" in written
    assert "sqlite: 3 jobs" in written
