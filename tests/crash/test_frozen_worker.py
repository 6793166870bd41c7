"""A worker that is frozen for longer than its lease and goes on: it writes nothing, and sends nothing that it armed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from uuid import UUID

import psutil
import pytest
import sqlalchemy as sa

from models.jobs.tables import jobs
from tests.crash.checker import Row, count_effects, read_rows
from tests.crash.client import Caller
from tests.crash.cluster import LEASE_S, Cluster, Part
from tests.crash.test_silent_provider import until_ended
from tests.integration.engine_kit import eventually

AFTER_LEASE_S = LEASE_S + 25.0


@contextmanager
def alone(cluster: Cluster, name: str, faults: str = "") -> Iterator[Part]:
    """Only this one of the two workers is there, with these faults."""
    (other,) = (part for part in cluster.named("io") if part.name != name)
    other.held = True
    other.send(signal.SIGKILL)
    if faults:
        cluster.plant(name, faults)
    yield cluster.parts[name]
    cluster.pull_up()
    other.held = False


def submit(caller: Caller, action: str, **given: object) -> str:
    job_id: str = caller.json("POST", "/jobs", json={"action": action, "input": {"number": 1, **given}})["id"]
    return job_id


def worker_of(cluster: Cluster, job_id: str) -> str:
    """The name of the worker that has the job, with its process id in it; empty when nobody has."""
    with closing(cluster.database()) as db, db.read() as conn:
        return conn.execute(sa.select(jobs.c.worker).where(jobs.c.id == UUID(job_id))).scalar_one() or ""


def is_frozen(part: Part) -> bool:
    return psutil.Process(part.pid).status() == psutil.STATUS_STOPPED


def freeze_in_effect(cluster: Cluster, caller: Caller, action: str) -> tuple[Part, str, str]:
    """A worker that has armed this effect and was frozen before it sent anything, and a job without effect in it."""
    with alone(cluster, "io-1", "worker.after_arm=stop") as worker:
        thought = submit(caller, "crash.think", takes_s=4.5)
        eventually(lambda: f":{worker.pid}:" in worker_of(cluster, thought), AFTER_LEASE_S, "the worker thinks")
        write = submit(caller, action, provider=cluster.provider_url)
        eventually(lambda: is_frozen(worker), AFTER_LEASE_S, "it freezes")
    return worker, thought, write


def assert_that_it_changes_nothing(cluster: Cluster, caller: Caller, frozen: Part, *ids: str) -> None:
    """Let the frozen one go on, and do one more job, so that it surely had its chance."""
    before, effects = stands(cluster, *ids), count_effects(cluster.effects)
    frozen.send(signal.SIGCONT)
    with alone(cluster, frozen.name):
        more = submit(caller, "crash.think", takes_s=0.1)
        assert until_ended(caller, more, AFTER_LEASE_S)["state"] == "succeeded"
    assert stands(cluster, *ids) == before
    assert count_effects(cluster.effects) == effects


def stands(cluster: Cluster, *ids: str) -> list[Row]:
    with closing(cluster.database()) as db:
        rows = read_rows(db)
    return [rows[job_id] for job_id in ids]


@pytest.mark.slow("a frozen worker is given up after its lease")
def test_what_was_armed_and_not_sent_is_never_sent_and_the_second_attempt_stands(
    cluster: Cluster, caller: Caller
) -> None:
    frozen, thought, write = freeze_in_effect(cluster, caller, "crash.write_blind")
    again = until_ended(caller, thought, AFTER_LEASE_S)
    assert (again["state"], again["attempt"]) == ("succeeded", 2)
    unknown = until_ended(caller, write, AFTER_LEASE_S)
    assert (unknown["state"], unknown["reason"]) == ("uncertain", "worker_lost")
    assert_that_it_changes_nothing(cluster, caller, frozen, thought, write)
    assert count_effects(cluster.effects)[write] == 0


@pytest.mark.slow("a frozen worker is given up after its lease")
@pytest.mark.skipif(os.environ.get("LLMCODER_ACCEPTANCE") != "1", reason="set LLMCODER_ACCEPTANCE=1")
def test_what_the_provider_does_not_know_is_done_by_another_and_not_by_the_frozen_one_too(
    cluster: Cluster, caller: Caller
) -> None:
    frozen, thought, write = freeze_in_effect(cluster, caller, "crash.write_checkable")
    done = until_ended(caller, write, AFTER_LEASE_S)
    assert (done["state"], done["attempt"]) == ("succeeded", 2)
    assert_that_it_changes_nothing(cluster, caller, frozen, thought, write)
    assert count_effects(cluster.effects)[write] == 1
