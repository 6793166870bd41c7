"""What the engine needs actions for is played by whichever package declares it, under any name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from macro_kit import Runs, runs_on

from llmcoder import Context, Effect, Model, Role, action
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.registry import Registry
from models.db.database import Database


@pytest.fixture
def runs(db: Database, configured: Config, redis_url: str, user: User) -> Iterator[Runs]:
    with runs_on(db, redis_url, user) as made:
        yield made


class Rest(Model):
    """Nothing."""


@action("pigeon.rest", effect=Effect.READ, role=Role.PASS_TIME)
def rest(given: Rest, ctx: Context) -> Rest:
    """Rest until it is due."""
    return given


def test_a_wait_is_a_job_of_the_action_that_plays_its_role(runs: Runs) -> None:
    others = [one for one in runs.registry.values() if one.role is not Role.PASS_TIME]
    theirs = replace(runs, registry=Registry([*others, rest]))
    run = theirs.start([{"id": "nap", "wait_for": {"seconds": 60}}])
    theirs.look()
    assert [job.action for job in theirs.steps_of(run)] == ["pigeon.rest"]


def test_a_wait_that_nobody_plays_any_more_fails_its_step_and_names_the_role(runs: Runs) -> None:
    """As of a run that began before a package was taken out."""
    without = replace(runs, registry=Registry(one for one in runs.registry.values() if one.role is None))
    run = without.start([{"id": "nap", "wait_for": {"seconds": 60}}])
    without.settle(run)
    assert without.job(run).state == "failed"
    assert "No installed action has the role pass-time" in without.error_of(run)["detail"]
