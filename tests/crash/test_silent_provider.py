"""A provider that does the work and breaks off without a word: found where it can be asked, else told and explained."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.crash.checker import count_effects
from tests.crash.client import Caller
from tests.crash.cluster import Cluster
from tests.crash.provider import Behaviour

ENDED_WITHIN_S = 30.0
CHECKABLE, BLIND, KEYED = "crash.write_checkable", "crash.write_blind", "crash.write_keyed"
#: State, reason, and how many effects there are in the end.
EXPECTED = {
    (CHECKABLE, Behaviour.DROP): ("succeeded", None, 1),
    (CHECKABLE, Behaviour.DROP_UNDONE): ("succeeded", None, 1),
    (CHECKABLE, Behaviour.STALL): ("succeeded", None, 1),
    (BLIND, Behaviour.DROP): ("uncertain", "no_answer", 1),
    (BLIND, Behaviour.DROP_UNDONE): ("uncertain", "no_answer", 0),
    (KEYED, Behaviour.DROP): ("succeeded", None, 1),
}


@pytest.fixture
def ended(cluster: Cluster, caller: Caller) -> dict[tuple[str, Behaviour], dict[str, Any]]:
    """One job of each kind, at its end."""
    ids = {}
    for action, do in EXPECTED:
        given = {"number": 1, "provider": cluster.provider_url, "do": do}
        ids[action, do] = caller.json("POST", "/jobs", json={"action": action, "input": given})["id"]
    return {case: until_ended(caller, job_id) for case, job_id in ids.items()}


def until_ended(caller: Caller, job_id: str, within_s: float = ENDED_WITHIN_S) -> dict[str, Any]:
    deadline = time.monotonic() + within_s
    while True:
        job: dict[str, Any] = caller.json("GET", f"/jobs/{job_id}", headers={"prefer": "wait=5"})
        if job["finished_at"] is not None:
            return job
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {job}"


@pytest.mark.slow("a provider says nothing for longer than its callers wait")
def test_what_happened_in_silence_is_found_or_called_uncertain_and_never_done_again(
    cluster: Cluster, caller: Caller, ended: dict[tuple[str, Behaviour], dict[str, Any]]
) -> None:
    count = count_effects(cluster.effects)
    assert {case: (job["state"], job["reason"], count[job["id"]]) for case, job in ended.items()} == EXPECTED
    found = ended[CHECKABLE, Behaviour.DROP]
    assert (found["attempt"], found["result"]) == (2, {"number": 1}), "the second attempt only asked"

    for do, settled in ((Behaviour.DROP, "succeeded"), (Behaviour.DROP_UNDONE, "failed")):
        job = ended[BLIND, do]
        blocker = caller.json("GET", f"/jobs/{job['id']}/explain")["blockers"][0]
        assert blocker["kind"] == "needs_a_person"
        assert "may have happened" in blocker["detail"]
        assert "resolve" in blocker["remedy"]
        assert job["error"]["type"] == "urn:llmcoder:problem:uncertain"
        told = caller.json("POST", f"/jobs/{job['id']}/resolve", json={"happened": do is Behaviour.DROP})
        assert told["state"] == settled
