"""New mail sorted by the clock: one look at a time, none lost or passed over, labels only where somebody agrees."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from engine.outbox import Outbox
from llmcoder import BadInput
from llmcoder.config import Config, use
from llmcoder.context import User
from llmcoder.registry import Registry, discover, triggers
from llmcoder.states import Reason, State
from models.db.database import Database, database
from models.jobs.machine import Move, apply
from models.jobs.tables import jobs
from schedules.triggers import TriggerTick
from tasks.email.mailbox_watch import MOST_WATCHES, WATCHES, NewWatch, Watch, WatchChange
from tasks.email.mailbox_watch_trigger import LABEL, LOOK, MAILBOX_WATCHES, MOST_FAILURES
from tasks.email.tables import watches

pytestmark = pytest.mark.both_stores

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


# --- the clock and its rows


@pytest.fixture
def clock(db: Database, db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[datetime]]:
    """One instant that stands, in an installation that has a mailbox."""
    own = {"IMAP_HOST": "imap.example.org", "IMAP_USER": "ada@example.org", "IMAP_PASSWORD": "secret"}
    environ = {"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": db_url, **own}
    now = [START]
    with use(Config.open(environ, cwd=tmp_path)), closing(database()) as shared:
        for one in (db, shared):
            monkeypatch.setattr(one, "now", lambda: now[0])
        yield now


@pytest.fixture
def asking(db: Database, clock: list[datetime], redis_url: str) -> Iterator[TriggerTick]:
    outbox = Outbox(redis_url, redis_url, window=100)
    outbox.start()
    yield TriggerTick(db, outbox, Registry(discover()), MAILBOX_WATCHES)
    outbox.close()


def watch(user: User, **wanted: Any) -> Watch:
    return WATCHES.add(user.id, NewWatch.model_validate({"every_s": 60, **wanted}))


def now_of(user: User, one: Watch) -> Watch:
    found = WATCHES.get(user.id, one.id)
    assert found is not None
    return found


def made(db: Database, action: str = LOOK) -> list[Any]:
    with db.read() as conn:
        return list(conn.execute(sa.select(jobs).where(jobs.c.action == action).order_by(jobs.c.id)))


def given(job: Any) -> dict[str, Any]:
    return {name: value for name, value in json.loads(job.input).items() if value is not None}


def end(db: Database, job: Any, to: State, **values: Any) -> None:
    """Do what a worker does."""
    for state, more in ((State.RUNNING, {}), (to, values)):
        with db.write() as conn:
            assert apply(conn, [Move(job.id, state, values=more)], db.now())[0] is not None


def look(cursor: str, *items: dict[str, Any], more: bool = False, gap: str | None = None) -> str:
    """The result of a look."""
    return json.dumps({"items": items, "cursor": cursor, "more": more, "gap": gap, "prompt": None, "model": None})


def sorted_as(mail_id: str, *labels: str) -> dict[str, Any]:
    return {"id": mail_id, "subject": "s", "sender": None, "error": None, "verdict": {"labels": labels}}


def test_a_look_begins_where_the_one_before_ended(
    db: Database, user: User, asking: TriggerTick, clock: list[datetime]
) -> None:
    one = watch(user, instructions="My bank first.", label="Work", labels=["Bank"])
    assert asking.ask() == 1
    [first] = made(db)
    assert given(first) == {"label": "Work", "instructions": "My bank first.", "labels": ["Bank"], "limit": 25}
    assert (first.origin, first.state, asking.ask()) == ("schedule", "queued", 0)
    end(db, first, State.SUCCEEDED, result=look("imap:ada@example.org 1.5"))
    assert asking.ask() == 0
    noted = now_of(user, one)
    assert (noted.looked_at, noted.last_job_id, noted.next_at) == (START, first.id, START + MINUTE)
    clock[0] += MINUTE
    assert asking.ask() == 1
    assert json.loads(made(db)[1].input)["cursor"] == "imap:ada@example.org 1.5"


@pytest.mark.parametrize("reason", [None, Reason.RECONNECT])
def test_there_is_one_look_at_a_time_and_a_waiting_one_keeps_the_place(
    db: Database, user: User, asking: TriggerTick, clock: list[datetime], reason: Reason | None
) -> None:
    watch(user)
    asking.ask()
    [first] = made(db)
    for _ in range(5):
        clock[0] += 10 * MINUTE
        if reason is not None and first.state == "queued":
            for state, why in ((State.RUNNING, None), (State.WAITING, reason)):
                with db.write() as conn:
                    apply(conn, [Move(first.id, state, reason=why)], clock[0])
            reason = None
        assert asking.ask() == 0
    assert len(made(db)) == 1


def test_a_look_that_failed_was_cancelled_or_is_gone_is_done_again_from_the_same_place(
    db: Database, user: User, asking: TriggerTick, clock: list[datetime]
) -> None:
    one = watch(user)
    asking.ask()
    end(db, made(db)[0], State.SUCCEEDED, result=look("imap:ada@example.org 1.5"))
    endings: list[Callable[[Any], Any]] = [
        lambda job: end(db, job, State.FAILED, error=json.dumps({"detail": "No model is configured."})),
        lambda job: end(db, job, State.CANCELLED),
        lambda job: remove(db, job.id),
    ]
    for over in endings:
        clock[0] += MINUTE
        assert asking.ask() == 1
        over(made(db)[-1])
        clock[0] += timedelta(seconds=1)
        asking.ask()
    clock[0] += MINUTE
    asking.ask()
    assert {json.loads(job.input).get("cursor") for job in made(db)[1:]} == {"imap:ada@example.org 1.5"}
    assert now_of(user, one).note == "The last look failed: No model is configured."


def remove(db: Database, job_id: UUID) -> None:
    with db.write() as conn:
        conn.execute(sa.delete(jobs).where(jobs.c.id == job_id))


def test_a_watch_that_fails_again_and_again_is_paused_until_it_is_enabled(
    db: Database, user: User, asking: TriggerTick, clock: list[datetime]
) -> None:
    one = watch(user)
    for _ in range(MOST_FAILURES):
        assert asking.ask() == 1
        end(db, made(db)[-1], State.FAILED, error=json.dumps({"detail": "There is no label 'Work'."}))
        asking.ask()
        clock[0] += MINUTE
    paused = now_of(user, one)
    assert (paused.enabled, paused.next_at, paused.failures) == (False, None, MOST_FAILURES)
    assert paused.note == "Paused after 5 failures in a row, the last one being: There is no label 'Work'."
    assert asking.ask() == 0
    again = WATCHES.change(user.id, one.id, WatchChange(enabled=True))
    assert again is not None and (again.note, again.failures) == (None, 0)
    assert asking.ask() == 1


def test_a_look_that_cannot_become_a_job_counts_as_a_failure(
    db: Database, user: User, asking: TriggerTick, clock: list[datetime]
) -> None:
    one = watch(user)
    with db.write() as conn:
        conn.execute(sa.update(watches).values(account="imap:gone@example.org"))
    assert asking.ask() == 0
    noted = now_of(user, one)
    assert (noted.failures, made(db)) == (1, [])
    assert "gone@example.org" in str(noted.note)
    assert asking.ask() == 0, "not before it is due again"
    clock[0] += MINUTE
    asking.ask()
    assert now_of(user, one).failures == 2


def test_where_there_is_more_it_goes_on_at_once_and_a_gap_is_told(
    db: Database, user: User, asking: TriggerTick
) -> None:
    one = watch(user, every_s=86_400)
    asking.ask()
    end(db, made(db)[0], State.SUCCEEDED, result=look("imap:ada@example.org 1.9", more=True, gap="Made anew."))
    asking.ask()
    assert now_of(user, one).note == "Made anew."
    asking.ask()
    assert json.loads(made(db)[1].input)["cursor"] == "imap:ada@example.org 1.9"


@pytest.mark.parametrize("wanted", [True, False])
def test_labels_wait_for_approval_and_are_asked_for_once(
    db: Database, user: User, asking: TriggerTick, wanted: bool
) -> None:
    watch(user, apply_labels=wanted)
    asking.ask()
    items = [sorted_as("INBOX/1/1", "Bank"), sorted_as("INBOX/1/2"), sorted_as("INBOX/1/3", "Bank"),
             sorted_as("INBOX/1/4", "Work", "Bank"), {**sorted_as("INBOX/1/5"), "verdict": None}]  # fmt: skip
    end(db, made(db)[0], State.SUCCEEDED, result=look("imap:ada@example.org 1.9", *items))
    asking.ask()
    asking.ask()
    found = made(db, LABEL)
    assert {(job.state, job.reason, job.tainted) for job in found} == (
        {("waiting", "approval", True)} if wanted else set()
    )
    asked = [{"ids": ["INBOX/1/1", "INBOX/1/3"], "add": ["Bank"]}, {"ids": ["INBOX/1/4"], "add": ["Bank", "Work"]}]
    assert [{name: json.loads(job.input)[name] for name in ("ids", "add")} for job in found] == (
        asked if wanted else []
    )


def test_a_watch_that_looks_elsewhere_begins_anew(db: Database, user: User, asking: TriggerTick) -> None:
    one = watch(user)
    asking.ask()
    WATCHES.change(user.id, one.id, WatchChange(label="Work"))
    end(db, made(db)[0], State.SUCCEEDED, result=look("imap:ada@example.org 1.9"))
    WATCHES.change(user.id, one.id, WatchChange(enabled=True))
    asking.ask()
    assert given(made(db)[1]) == {"label": "Work", "limit": 25}


def test_schedulers_that_ask_at_once_begin_each_look_once(
    db: Database, user: User, asking: TriggerTick, clock: list[datetime]
) -> None:
    for _ in range(MOST_WATCHES):
        watch(user)
    with pytest.raises(BadInput, match="which is the most"):
        watch(user)
    threads = [threading.Thread(target=asking.ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    asking.ask()
    assert len(made(db)) == MOST_WATCHES


def test_an_account_that_is_not_connected_is_refused_at_once(user: User, clock: list[datetime]) -> None:
    with pytest.raises(BadInput, match="nobody@example"):
        watch(user, account="nobody@example.org")


def test_the_scheduler_finds_the_trigger() -> None:
    assert MAILBOX_WATCHES in triggers()
