"""A draft of another domain with everything running: API, scheduler, worker, an Ollama that keeps to its contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from engine_at_ollama import WITHIN_S, engine_at, submitted, watched
from engine_kit import eventually
from ollama_server import MODEL, TEXT, OllamaServer
from push_kit import Doors

from llmcoder.states import State

DOCUMENT = {"text": "A lease is a promise that ends by itself. Whoever holds one renews it.", "method": "llm"}


@pytest.fixture
def ollama_server(server: Any) -> OllamaServer:
    return OllamaServer(server)


@pytest.fixture
def running(db_url: str, ollama_server: OllamaServer, tmp_path: Path) -> Iterator[tuple[Doors, httpx.Client]]:
    with engine_at(ollama_server, db_url, tmp_path) as found:
        yield found


def test_a_summary_by_ollama_is_watched_while_it_is_written(
    running: tuple[Doors, httpx.Client], ollama_server: OllamaServer
) -> None:
    engine, alice = running
    engine.start_worker()
    ollama_server.held.set()
    pieces, job_id = watched(
        engine, lambda: submitted(alice, "/document/summarize", DOCUMENT), at_first=ollama_server.held.clear
    )
    result = alice.get(f"/jobs/{job_id}").json()["result"]
    assert ("".join(pieces), result["summary"]) == (TEXT, TEXT)
    assert len(pieces) == len(TEXT.split())
    assert (result["method"], result["provider"], result["model"]) == ("llm", "ollama", MODEL)
    assert (result["prompt"], result["tokens_out"]) == ("whole/1", len(pieces))
    [row] = alice.get("/llm/usage", params={"by": ["action", "model"]}).json()["result"]["rows"]
    assert (row["action"], row["model"], row["calls"]) == ("document.summarize", f"ollama/{MODEL}", 1)
    assert (row["tokens_in"], row["tokens_out"]) == (result["tokens_in"], result["tokens_out"])
    assert (row["estimated_calls"], row["cost_cents"], row["unpriced_calls"]) == (0, 0, 0)
    assert ollama_server.wrong == []


@pytest.mark.slow("kills a worker and waits for its lease")
def test_a_call_whose_worker_is_killed_counts_beside_the_one_that_took_its_place(
    running: tuple[Doors, httpx.Client], ollama_server: OllamaServer
) -> None:
    engine, alice = running
    worker = engine.start_worker()
    ollama_server.held.set()
    job_id = submitted(alice, "/document/summarize", DOCUMENT)
    eventually(lambda: ollama_server.asked, WITHIN_S, "the model is asked")
    worker.kill()
    worker.wait(120)
    ollama_server.held.clear()
    engine.start_worker()
    engine.until(UUID(job_id), State.SUCCEEDED, within_s=WITHIN_S)
    total = alice.get("/llm/usage").json()["result"]["total"]
    assert (total["calls"], total["estimated_calls"]) == (2, 1)
    assert ollama_server.wrong == []
