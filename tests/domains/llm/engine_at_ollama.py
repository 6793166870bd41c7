"""The engine's own processes beside the local Ollama, and a person who watches a draft being written."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from ollama_server import OllamaServer

from llmcoder.config import Config, use
from llmcoder.states import State

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))

from engine_kit import engine_on
from push_kit import Doors, socket_since

WITHIN_S = 60.0


@contextmanager
def engine_at(ollama: OllamaServer, db_url: str, folder: Path, **environ: str) -> Iterator[tuple[Doors, httpx.Client]]:
    """A scheduler and an API, no worker, and the user at that API."""
    with engine_on(Doors, db_url, folder, **ollama.environment, **environ) as engine:
        engine.open()
        told: dict[str, Any] = {"base_url": engine.url, "headers": engine.headers(engine.user), "timeout": WITHIN_S}
        with use(Config.open(engine.own_environ, cwd=folder)), httpx.Client(**told) as client:
            yield engine, client


def submitted(client: httpx.Client, path: str, given: dict[str, Any]) -> str:
    answer = client.post(path, json=given)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def watched(engine: Doors, submit: Callable[[], str], at_first: Callable[[], Any]) -> tuple[list[str], str]:
    """The tokens that are pushed while a job runs until it succeeds, and its id; `at_first` is called at the first."""

    async def watch() -> tuple[list[str], str]:
        pieces: list[str] = []
        async with socket_since(engine, engine.user, 0) as socket, asyncio.timeout(WITHIN_S):
            while (await socket.hear(WITHIN_S) or {}).get("type") != "live":
                pass
            job_id = await asyncio.to_thread(submit)
            while message := await socket.hear(WITHIN_S):
                if message["type"] == "token" and message["job_id"] == job_id:
                    pieces.append(message["text"])
                    if len(pieces) == 1:
                        at_first()
                elif message["type"] == "job" and message["job"]["state"] == State.SUCCEEDED:
                    return pieces, job_id
        raise AssertionError(f"no more news after {pieces}\n{engine.logs()[-3000:]}")

    return asyncio.run(watch())
