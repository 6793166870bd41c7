"""Kiwi's search in a real worker: the client's event loop runs in the job's thread, and the job can be cancelled."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flight_server import Tool, itinerary, served_by_the_package

from engine import commands
from llmcoder.states import State
from tasks.travel.actions import flights

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))

from engine_kit import TIRELESS_S, Engine, engine_on, eventually


@pytest.fixture
def tool() -> Tool:
    return Tool()


@pytest.fixture
def engine(tool: Tool, db_url: str, tmp_path: Path) -> Iterator[Engine]:
    with (
        served_by_the_package(tool) as url,
        engine_on(Engine, db_url, tmp_path, KIWI_MCP_URL=url, TRAVEL_SOURCE="kiwi", FETCH_ALLOW="127.0.0.1") as made,
    ):
        yield made


@pytest.mark.long("starts a worker")
def test_a_worker_searches_and_a_cancelled_search_is_waited_for_no_longer(engine: Engine, tool: Tool) -> None:
    day = (datetime.now(UTC) + timedelta(days=60)).date().isoformat()
    trip = {"from": "Berlin", "to": "London", "depart_on": day, "flexible_days": 1}
    engine.start_worker()
    first = engine.until(engine.submit(flights, **trip), State.SUCCEEDED, State.FAILED)
    assert first.state == State.SUCCEEDED, first
    result = json.loads(first.result or "")
    assert (result["source"], result["recorded"], len(result["items"])) == ("kiwi", False, 3)

    over = threading.Event()

    def silent(_given: dict[str, Any]) -> Any:
        over.wait(TIRELESS_S)
        return [itinerary()]

    tool.answers = silent
    calls = len(tool.calls)
    waiting = engine.submit(flights, **trip)
    eventually(lambda: len(tool.calls) > calls, TIRELESS_S, "the tool is called")
    try:
        with engine.db.write() as conn:
            commands.cancel(conn, engine.user.id, waiting, engine.db.now())
        assert engine.until(waiting, State.CANCELLED, State.SUCCEEDED, State.FAILED).state == State.CANCELLED
    finally:
        over.set()
    again = engine.until(engine.submit(flights, **trip), State.SUCCEEDED, State.FAILED)
    assert again.state == State.SUCCEEDED, "the worker's thread is good for the next search"
