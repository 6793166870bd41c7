"""The doors of schedules: add, show, change, pause, resume, run, backfill, what comes and what came."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from served import Served

from llmcoder.context import User
from models.audit import log as audit
from models.db.database import Database
from models.jobs.tables import jobs
from models.schedules.tables import schedules as table

pytestmark = pytest.mark.both_stores

DAILY = {"name": "Morning", "action": "test.echo", "input": {"text": "hello"}, "cron": "0 9 * * mon-fri"}


@pytest.fixture
def alice(served: Served, user: User) -> Iterator[httpx.Client]:
    with served.client(user) as client:
        yield client


def add(client: httpx.Client, **wanted: Any) -> dict[str, Any]:
    answer = client.post("/schedules", json=DAILY | wanted)
    assert answer.status_code == 201, answer.text
    added: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/schedules/{added['id']}"
    return added


def test_a_schedule_is_added_shown_listed_changed_and_removed(alice: httpx.Client, db: Database) -> None:
    added = add(alice, timezone="Europe/Berlin")
    address = f"/schedules/{added['id']}"
    assert datetime.fromisoformat(added["next_fire_at"]).utcoffset() == timedelta()
    assert alice.get(address).json() == added
    assert alice.get("/schedules").json() == {"items": [added], "next": None}
    changed = alice.patch(address, json={"cron": "30 7 * * *", "version": 1}).json()
    assert (changed["cron"], changed["name"], changed["version"]) == ("30 7 * * *", "Morning", 2)
    assert alice.patch(address, json={"every_s": 60}).json()["cron"] is None
    assert alice.delete(address).status_code == 204
    assert alice.get(address).status_code == 404
    with db.read() as conn:
        events = [one.event for one in audit.listed(conn, audit.EntryFilter(), 10)]
    assert events == ["schedule.removed", "schedule.changed", "schedule.changed", "schedule.added"]


def test_what_domains_suggest_runs_once_it_is_added(alice: httpx.Client) -> None:
    alice.put("/preferences", json={"timezone": "Europe/Berlin"})
    suggested = {one["name"]: one for one in alice.get("/schedules/defaults").json()["items"]}
    daily = suggested["Daily digest"]
    assert (daily["action"], daily["timezone"]) == ("digest.daily", "Europe/Berlin")
    assert alice.get("/schedules").json()["items"] == []
    for one in suggested.values():
        assert alice.post("/schedules", json=one).status_code == 201


def test_two_edits_at_once_are_a_conflict_and_no_loss(alice: httpx.Client) -> None:
    added = add(alice)
    address = f"/schedules/{added['id']}"
    assert alice.patch(address, json={"name": "One", "version": 1}).status_code == 200
    second = alice.patch(address, json={"name": "Two", "version": 1})
    assert (second.status_code, second.json()["type"]) == (412, "urn:llmcoder:problem:changed-meanwhile")
    assert alice.get(address).json()["name"] == "One"


def test_words_say_when_on_the_clock_of_the_zone_named_or_of_the_preferences(alice: httpx.Client) -> None:
    alice.put("/preferences", json={"timezone": "America/New_York"}).raise_for_status()
    own = add(alice, cron=None, when="every other tuesday at 9:30")
    assert (own["timezone"], own["cron"][:13]) == ("America/New_York", "30 9 * * tue%")
    times = alice.get(f"/schedules/{own['id']}/next?n=30").json()["items"]
    days = [datetime.fromisoformat(one["local"]).replace(tzinfo=None) for one in times]
    assert {later - earlier for earlier, later in pairwise(days)} == {timedelta(days=14)}
    assert {one["local"][-6:] for one in times} == {"-04:00", "-05:00"}
    named = add(alice, cron=None, when="letzter Tag jedes Monats um 17 Uhr", timezone="Europe/Berlin")
    assert (named["timezone"], named["cron"]) == ("Europe/Berlin", "0 17 L * *")
    changed = alice.patch(f"/schedules/{named['id']}", json={"when": "first monday of every month"}).json()
    assert (changed["timezone"], changed["cron"]) == ("Europe/Berlin", "0 9 * * mon#1")
    once = alice.patch(f"/schedules/{named['id']}", json={"when": "31 oct 2100 2:30"}).json()
    assert (once["cron"], once["at"]) == (None, "2100-10-31T00:30:00Z")
    refused = alice.patch(f"/schedules/{named['id']}", json={"when": "every blorp tuesday"})
    assert (refused.status_code, "nothing is known of 'blorp'" in refused.text) == (422, True)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"cron": "0 0 30 2 *"}, "never comes true"),
        ({"cron": "61 * * * *"}, "the minute is 0 to 59"),
        ({"timezone": "Mars/Olympus"}, "no time zone 'Mars/Olympus'"),
        ({"timezone": "../../etc/passwd"}, "no time zone"),
        ({"timezone": "localtime"}, "no time zone"),
        ({"timezone": "posixrules"}, "no time zone"),
        ({"timezone": "Factory"}, "no time zone"),
        ({"timezone": "right/Europe/Berlin"}, "no time zone"),
        ({"timezone": "posix/Europe/Berlin"}, "no time zone"),
        ({"timezone": "tzdata.zi"}, "no time zone"),
        ({"timezone": "Europe"}, "no time zone"),
        ({"every_s": 5}, "exactly one of cron, every_s and at"),
        ({"cron": None}, "exactly one of cron, every_s and at"),
        ({"when": "every day"}, "exactly one of cron, every_s and at"),
        ({"cron": None, "when": "tomorrow blorp"}, "nothing is known of 'blorp'"),
        ({"cron": None, "when": "every day", "timezone": "Mars/Olympus"}, "no time zone 'Mars/Olympus'"),
        ({"cron": None, "when": "1 jan 2290"}, "after the year 2200"),
        ({"cron": None, "at": "2001-01-01T00:00:00Z"}, "would never fire"),
        ({"ends_at": "2001-01-01T00:00:00Z"}, "would never fire"),
        ({"input": {"txet": 1}}, "txet: there is no such field"),
        ({"cron": "* * * * * *", "catch_up": "all"}, "more than 10000 jobs at once"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(alice: httpx.Client, wanted: Any, why: str) -> None:
    answer = alice.post("/schedules", json=DAILY | wanted)
    assert answer.status_code == 422
    assert why in answer.text
    assert alice.get("/schedules").json()["items"] == []


def test_an_action_that_is_not_there_is_named(alice: httpx.Client) -> None:
    answer = alice.post("/schedules", json=DAILY | {"action": "test.ecco"})
    assert (answer.status_code, "Did you mean" in answer.text) == (404, True)


def test_pausing_ends_the_fire_times_and_resuming_counts_from_now(alice: httpx.Client) -> None:
    address = f"/schedules/{add(alice, every_s=3600, cron=None)['id']}"
    paused = alice.post(f"{address}/pause", json={"note": "holidays"}).json()
    assert (paused["enabled"], paused["next_fire_at"], paused["note"]) == (False, None, "holidays")
    assert alice.get(f"{address}/next").json() == {"items": []}
    resumed = alice.post(f"{address}/resume").json()
    assert resumed["enabled"] and resumed["note"] is None
    assert resumed["next_fire_at"] is not None


def test_run_now_submits_for_its_user_in_person_and_keeps_a_run(alice: httpx.Client) -> None:
    added = add(alice)
    run = alice.post(f"/schedules/{added['id']}/run")
    assert run.status_code == 202
    job = alice.get(f"/jobs/{run.json()['job_id']}").json()
    assert (job["schedule_id"], job["origin"], job["input"]) == (added["id"], "person", {"text": "hello"})
    again = alice.post(f"/schedules/{added['id']}/run").json()
    assert (again["outcome"], again["job_id"]) == ("skipped", None)  # the first has not ended
    found = alice.get(f"/schedules/{added['id']}/runs", params={"limit": 1}).json()
    assert found["items"][0] == again
    before = alice.get(f"/schedules/{added['id']}/runs", params={"cursor": found["next"]}).json()
    assert [(one["made_by"], one["state"]) for one in before["items"]] == [("person", "queued")]


def test_a_backfill_fires_for_each_time_without_a_run_once(alice: httpx.Client, db: Database) -> None:
    added = add(alice, cron="0 * * * *", overlap="allow")
    span = {"since": "2026-01-01T00:00:00Z", "until": "2026-01-01T05:00:00Z"}
    address = f"/schedules/{added['id']}/backfill"
    assert alice.post(address, json=span).json() == {"fire_times": 6, "submitted": 6}
    assert alice.post(address, json=span).json() == {"fire_times": 6, "submitted": 0}
    with db.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(jobs)).scalar_one() == 6
    for wrong, why in (
        ({"since": "2020-01-01T00:00:00Z", "until": "2026-01-01T05:00:00Z"}, "more than 1000 fire times"),
        ({"since": "2026-01-01T00:00:00Z", "until": "2199-01-01T05:00:00Z"}, "in the future"),
    ):
        refused = alice.post(address, json=wrong)
        assert (refused.status_code, why in refused.text) == (422, True)


def test_the_next_times_say_where_the_clock_is_moved(alice: httpx.Client) -> None:
    starts_at = "2027-03-26T12:00:00Z"  # a Friday; the clocks of Berlin go forward on Sunday the 28th
    added = add(alice, cron="30 2 * * *", timezone="Europe/Berlin", starts_at=starts_at)
    found = alice.get(f"/schedules/{added['id']}/next", params={"n": 3}).json()["items"]
    assert [one["local"] for one in found] == [
        "2027-03-27T02:30:00+01:00", "2027-03-28T03:00:00+02:00", "2027-03-29T02:30:00+02:00",
    ]  # fmt: skip
    assert [one["clock_moved"] for one in found][1:] == ["The clock was put forward by 60 minutes.", None]


def test_an_agent_may_look_and_not_change(served: Served, alice: httpx.Client, user: User) -> None:
    added = add(alice)
    token = alice.post("/auth/agents", json={"name": "robot"}).json()["access_token"]
    with httpx.Client(base_url=served.url, headers={"authorization": f"Bearer {token}"}) as agent:
        assert agent.get(f"/schedules/{added['id']}").status_code == 200
        assert agent.post("/schedules", json=DAILY).status_code == 403
        assert agent.delete(f"/schedules/{added['id']}").status_code == 403


def test_a_user_has_so_many_schedules_and_no_more(alice: httpx.Client, db: Database) -> None:
    added = add(alice)
    with db.write() as conn:
        row = conn.execute(sa.select(table).where(table.c.name == "Morning")).mappings().one()
        from llmcoder.ids import new_id

        conn.execute(sa.insert(table), [dict(row) | {"id": new_id()} for _ in range(999)])
    assert alice.post("/schedules", json=DAILY).status_code == 409
    assert alice.delete(f"/schedules/{added['id']}").status_code == 204
    assert alice.post("/schedules", json=DAILY).status_code == 201
