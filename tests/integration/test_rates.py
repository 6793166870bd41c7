"""Limits per provider and account: no worker calls past them, and who waits says until when."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from engine_kit import accept, job_of, now_of, set_columns
from hypothesis import given
from hypothesis import strategies as st

from engine.outbox import Outbox
from llmcoder.context import User
from llmcoder.declare.rate import Rate, pause_until
from llmcoder.states import Reason, State
from models.db.database import Database
from models.jobs import claims, rates
from models.jobs.rates import Meter
from models.jobs.store import Job
from workers.ledger import Ledger

pytestmark = pytest.mark.both_stores

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NO_BROKER = "unix:///nowhere/redis.sock?db=0"


@given(st.integers(1, 60), st.floats(0.1, 100), st.lists(st.floats(0, 20), max_size=150))
def test_no_stretch_of_time_ever_holds_more_calls_than_declared(calls: int, per_s: float, gaps: list[float]) -> None:
    rate, meter, now, admitted = Rate(calls, per_s), Meter(), NOON, []
    for gap in gaps:
        now += timedelta(seconds=gap)
        meter, due_at = meter.admit(rate, now)
        if due_at is None:
            admitted.append(now)
        else:
            assert due_at > now
    for first, last in zip(admitted, admitted[calls:], strict=False):
        assert last - first >= timedelta(seconds=per_s) - timedelta(microseconds=calls + 1)


def test_those_who_must_wait_get_instants_of_their_own() -> None:
    rate, meter, due = Rate(1, 10), Meter(), []
    for _ in range(4):
        meter, due_at = meter.admit(rate, NOON)
        due.append(due_at)
    assert due == [None, *(NOON + timedelta(seconds=seconds) for seconds in (10, 20, 30))]


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "12"}, 12),
        ({"x-ratelimit-remaining": "3", "x-ratelimit-reset": "12"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOON.timestamp()) + 90)}, 90),
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "9" * 300}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999999"}, 86_400),
    ],
)
def test_a_provider_says_in_its_headers_when_it_wants_to_be_asked_again(
    headers: dict[str, str], wait_s: float | None
) -> None:
    assert pause_until(headers, NOON) == (None if wait_s is None else NOON + timedelta(seconds=wait_s))


def test_the_later_limit_of_a_provider_holds_until_it_is_over(db: Database) -> None:
    now = db.now()
    with db.write() as conn:
        for seconds in (60, 90, 30):
            rates.block(conn, ("openai", ""), now + timedelta(seconds=seconds))
        assert rates.blocked(conn, now) == {("openai", ""): now + timedelta(seconds=90)}
        assert rates.blocked(conn, now + timedelta(seconds=91)) == {}


def claim(db: Database, declared: dict[str, Rate], limit: int = 100) -> list[claims.Claimed]:
    with closing(Ledger(db, Outbox(NO_BROKER, NO_BROKER, 400), "w1", "io", 30.0, declared)) as ledger:
        ledger.start()
        return ledger.claim_next(limit)


def submitted(db: Database, user: User, provider: str, account: str = "", number: int = 1) -> list[Job]:
    new = [job_of(user, provider=provider, account=account) for _ in range(number)]
    return [done.job for done in accept(db, new)]


def test_a_job_of_a_provider_that_asked_to_wait_is_not_claimed_and_shows_until_when(db: Database, user: User) -> None:
    until = db.now() + timedelta(minutes=5)
    with db.write() as conn:
        rates.block(conn, ("jira", "anna"), until)
    held, other = submitted(db, user, "jira", "anna"), submitted(db, user, "jira", "bert")
    assert [one.id for one in claim(db, {})] == [other[0].id]
    now = now_of(db, user, held[0].id)
    assert (now.state, now.reason, now.due_at, now.attempt) == (State.SCHEDULED, Reason.RATE_LIMITED, until, 0)


def test_a_declared_rate_holds_for_each_account_over_all_workers(db: Database, user: User) -> None:
    rate = {"slack": Rate(5, 60)}
    jobs = submitted(db, user, "slack", "a", 8) + submitted(db, user, "slack", "b", 1)
    taken = claim(db, rate, 4) + claim(db, rate, 4) + claim(db, rate, 4)
    assert [one.id for one in taken] == [jobs[0].id, jobs[8].id]
    due = [now_of(db, user, job.id).due_at - db.now() for job in jobs[1:8]]
    assert due == sorted(due)
    assert [round(wait.total_seconds() / 15) for wait in due] == [1, 2, 3, 4, 5, 6, 7]


def test_an_armed_job_that_must_wait_stays_armed(db: Database, user: User) -> None:
    job = submitted(db, user, "jira")[0]
    set_columns(db, job.id, armed_at=db.now(), marker="{}")
    with db.write() as conn:
        rates.block(conn, ("jira", ""), db.now() + timedelta(minutes=5))
    assert claim(db, {}) == []
    set_columns(db, job.id, due_at=db.now())
    with db.write() as conn:
        claims.promote_due(conn, db.now(), 10)
        conn.execute(rates.rate_limits.delete())
    assert claim(db, {})[0].marker == "{}"
