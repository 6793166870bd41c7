"""The first commands of docs/travel.md, as a new user types them: without any account something real comes of each."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.travel import watch_store
from tasks.travel.cldr_names import LANGUAGES
from tasks.travel.duffel import CHILD_AGE, INFANT_AGE
from tasks.travel.search import MOST_DAYS_AHEAD, MOST_FLEXIBLE_DAYS, MOST_PASSENGERS
from tasks.travel.source import MOST_REQUESTS
from tasks.travel.watch_views import SHORTEST_S

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))

from engine_kit import TIRELESS_S, Engine, engine_on, eventually
from served import serving

PAGE = (Path(__file__).parents[3] / "docs" / "travel.md").read_text(encoding="utf-8")


@pytest.fixture
def engine(db_url: str, tmp_path: Path) -> Iterator[Engine]:
    with engine_on(Engine, db_url, tmp_path) as made:
        yield made


@pytest.mark.long("starts a worker and a scheduler beside an API")
def test_the_three_commands_show_something_real_and_the_price_is_told(engine: Engine, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.fail("the page's commands need curl")
    block = re.search(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    commands = re.split(r"\n(?=curl )", block[1].strip())
    assert len(commands) == 3
    engine.start_worker()
    with serving(engine.db, engine.redis.url, tmp_path / "api") as served:
        environ = engine.environ | {"API": served.url, "TOKEN": served.token(engine.user)}
        places, flights, watch = (result_of(command, environ) for command in commands)
        assert places["items"][0]["airports"][0]["timezone"] == "Europe/Berlin"
        assert len(flights["items"]) == 4 and flights["recorded"] is True
        assert watch["below"] == {"amount": "900.00", "currency": "EUR"}
        with served.client(engine.user) as client:

            def told() -> Any:
                return client.get("/travel/alerts").json()["result"]["items"]

            eventually(told, TIRELESS_S, "the drop is told")
            (alert,) = told()
            assert alert["text"].startswith("Recorded quote, nobody sells at it: Berlin - London")
            assert alert["evidence"]["watch_id"] == watch["id"]
            assert [one["id"] for one in client.get("/travel/watches").json()["result"]["items"]] == [watch["id"]]
            assert client.get(f"/schedules/{watch['id']}").json()["action"] == "travel.check_price"


def result_of(command: str, environ: dict[str, str]) -> Any:
    done = subprocess.run(["bash", "-c", command], env=environ, capture_output=True, text=True, timeout=120)
    job = json.loads(done.stdout)
    assert job["state"] == "succeeded", job
    return job["result"]


def test_figures_are_those_of_the_code() -> None:
    assert f"At most {watch_store.MOST_WATCHES} watches a user, {watch_store.MOST_QUOTES:,} quotes each" in PAGE
    assert f"`flexible_days` (up to {MOST_FLEXIBLE_DAYS})" in PAGE and f"more than {MOST_PASSENGERS} passengers" in PAGE
    assert f"more than {MOST_DAYS_AHEAD} days ahead" in PAGE and f"more than {MOST_REQUESTS} requests" in PAGE
    assert f"{SHORTEST_S // 60} minutes at least" in PAGE
    assert f"known in {len(LANGUAGES)} languages by CLDR" in PAGE
    assert f"asked for as {CHILD_AGE} and infants as {INFANT_AGE} year old" in PAGE
