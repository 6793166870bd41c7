"""Flights as jobs: what a source says makes writes wait, who may begin a watch unasked, and the way back."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine import commands
from llmcoder.config import Config, use
from llmcoder.context import User
from llmcoder.registry import Registry, discover
from models.db.database import Database, database
from models.jobs.approvals import Origin
from models.schedules import store as schedules
from tasks.travel.price_alerts import PRICE_ALERTS

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))

from inline_kit import Inline

pytestmark = pytest.mark.both_stores


@pytest.fixture
def engine(db: Database, db_url: str, user: User, tmp_path: Path) -> Iterator[Inline]:
    environ = {"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": db_url}
    with use(Config.open(environ, cwd=tmp_path)), closing(database()):
        yield Inline(db, user, Registry(discover()))


def trip(db: Database, **more: Any) -> dict[str, Any]:
    day = (db.now() + timedelta(days=60)).date().isoformat()
    return {"from": "Berlin", "to": "London", "depart_on": day} | more


def result(job: Any) -> Any:
    assert job.state == "succeeded", job
    return json.loads(job.result)


def test_what_is_made_of_a_flight_waits_for_its_user(engine: Inline) -> None:
    run = engine.macro(
        {"id": "look", "action": "travel.flights", "with": trip(engine.db)},
        {
            "id": "keep",
            "action": "general.add_note",
            "with": {"text": "${{ steps.look.result.items[0].out.legs[0].carrier }}"},
        },
    )
    (note,) = engine.all("general.add_note")
    assert (note.state, note.reason, note.tainted) == ("waiting", "approval", True)
    engine.approve(note.id)
    assert engine.job(run).state == "succeeded"


@pytest.mark.parametrize("origin", [Origin.MACRO, Origin.SCHEDULE, Origin.AGENT])
def test_a_watch_that_nobody_asked_for_in_person_waits(engine: Inline, origin: Origin) -> None:
    job_id = engine.submit("travel.watch_price", trip(engine.db, below="900.00 EUR"), origin)
    engine.run()
    assert (engine.job(job_id).state, engine.job(job_id).reason) == ("waiting", "approval")


def test_a_watch_looks_tells_and_is_taken_back(engine: Inline) -> None:
    kept = engine.done("travel.watch_price", trip(engine.db, below="900.00 EUR"))
    watch = result(kept)
    assert (watch["id"], watch["trip"]["from"]) == (str(kept.id), "Berlin")
    look = engine.done("travel.check_price", {"watch_id": watch["id"]}, Origin.SCHEDULE)
    assert result(look)["is_drop"] is True, "what the clock asks for only drafts, so nobody is asked first"
    engine.ask(PRICE_ALERTS)
    engine.run()
    (told,) = engine.all("travel.tell_price_drop")
    assert result(told)["quote_id"] == str(look.id)

    with engine.db.write() as conn:
        commands.undo(conn, engine.known, engine.user.id, kept.id, Origin.PERSON, engine.db.now())
    engine.run()
    assert result(engine.done("travel.watches", {}))["items"] == []
    with engine.db.read() as conn:
        assert schedules.get(conn, engine.user.id, kept.id) is None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"to": "Atlantis"}, "There is no airport or city 'Atlantis'"),
        ({"to": "Barcelona"}, "Barcelona, ES (BCN)"),
        ({"to": "Oslo"}, "source=kiwi"),
    ],
)
def test_a_job_says_what_to_write_instead(engine: Inline, given: dict[str, str], why: str) -> None:
    job = engine.done("travel.flights", trip(engine.db, **given))
    assert job.state == "failed"
    assert why in json.loads(job.error or "")["detail"]


def test_a_source_without_an_account_says_what_to_do(engine: Inline) -> None:
    job = engine.done("travel.flights", trip(engine.db, source="duffel"))
    problem = json.loads(job.error or "")
    assert (job.state, problem["type"]) == ("failed", "urn:llmcoder:problem:not-configured")
    assert "POST /connections" in problem["detail"]
