"""From a shell command to a result pushed to a browser: one job, seen by every door, with the same revisions."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from httpx_sse import connect_sse

from tests.acceptance.conftest import ROOT, Engine
from tests.integration.waiting import eventually
from tests.ports import free_port

ENDED = {"succeeded", "failed", "cancelled", "uncertain"}


def test_a_summary_of_a_real_page_is_followed_by_every_door(
    start_engine: Callable[..., Engine], long_page: str
) -> None:
    engine = start_engine()
    waited = engine.client.post("/document/summarize", json={"url": long_page}, headers={"Prefer": "wait=30"})
    assert waited.status_code == 200, waited.text
    job = waited.json()
    assert job["state"] == "succeeded"
    assert job["result"]["method"] == "extractive"
    assert "python" in job["result"]["summary"].lower()

    submitted = engine.client.post("/document/summarize", json={"url": long_page})
    assert submitted.status_code == 202
    polled = poll(engine, submitted.headers["Location"])
    streamed = by_sse(engine, polled["id"])
    pushed = asyncio.run(by_websocket(engine, polled["id"]))
    assert streamed == pushed == polled


def test_flower_is_behind_a_password_and_shows_tasks_by_name_without_inputs(
    start_engine: Callable[..., Engine],
) -> None:
    engine = start_engine()
    engine.client.post("/test/echo", json={"text": "canary-input"}, headers={"Prefer": "wait=20"}).raise_for_status()
    url = f"http://127.0.0.1:{engine.flower_port}"
    assert httpx.get(url, timeout=10).status_code == 401
    auth = ("admin", (engine.data_dir / "flower_password").read_text().strip())
    with httpx.Client(base_url=url, auth=auth, timeout=10) as flower:
        eventually(lambda: "test.echo" in flower.get("/api/tasks").text, 20, "Flower to show the task")
        assert "canary-input" not in flower.get("/api/tasks").text
        assert flower.get("/tasks").status_code == 200
    assert "canary-input" not in engine.log()


@pytest.mark.timeout(300)
def test_a_real_openai_compatible_server_writes_the_summary(
    start_engine: Callable[..., Engine], model_server: tuple[str, str]
) -> None:
    url, model = model_server
    engine = start_engine(OPENAI_BASE_URL=f"{url}/v1", OPENAI_MODEL=model)
    # One part and not twenty: an untrained model writes until its limit for each, for minutes on a busy machine.
    given = {"text": "A lease is a promise that ends by itself. Whoever holds one renews it.", "method": "llm"}
    submitted = engine.client.post("/document/summarize", json=given)
    assert submitted.status_code == 202, submitted.text
    job = poll(engine, submitted.headers["Location"], within_s=180)
    assert job["state"] == "succeeded", job
    assert (job["result"]["method"], job["result"]["provider"]) == ("llm", "openai")
    assert job["result"]["summary"]
    assert job["result"]["tokens_out"] > 0
    tokens = asyncio.run(tokens_of(engine))
    assert tokens, "the text arrives while it is generated"


@pytest.fixture(scope="module")
def model_server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`transformers serve` with a tiny model made on the spot."""
    python = os.environ.get("LLMCODER_MODEL_PYTHON")
    if not python:
        if os.environ.get("CI"):
            pytest.fail("LLMCODER_MODEL_PYTHON must name a Python with transformers[serving]")
        pytest.skip("set LLMCODER_MODEL_PYTHON to a Python with transformers[serving]")
    folder = tmp_path_factory.mktemp("model") / "tiny"
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    subprocess.run(
        [python, str(ROOT / "tests/acceptance/tiny_model.py"), str(folder)], env=offline, check=True, timeout=120
    )
    port = free_port()
    command = [
        str(Path(python).parent / "transformers"),
        "serve",
        str(folder),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    # One thread: torch's spin while they wait for each other, and everything else here waits for them.
    server = subprocess.Popen([*command, "--device", "cpu"], env={**offline, "OMP_NUM_THREADS": "1"})
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: httpx.get(f"{url}/health", timeout=5).status_code == 200, 90, "the model server")
        yield url, str(folder)
    finally:
        server.terminate()
        server.wait(120)


def poll(engine: Engine, location: str, within_s: float = 30) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def ended() -> bool:
        found.update(engine.client.get(location).raise_for_status().json())
        return found["state"] in ENDED

    eventually(ended, within_s, "the job to end")
    return found


def by_sse(engine: Engine, job_id: str) -> dict[str, Any]:
    with connect_sse(engine.client, "GET", "/jobs/stream", params={"since": 0}) as source:
        for event in source.iter_sse():
            if event.event in ("job", "message") and job_id in event.data:
                message = json.loads(event.data)
                job: dict[str, Any] = message.get("job", message)
                assert event.id == str(job["rev"])
                return job
    raise AssertionError("the stream ended without the job")


async def by_websocket(engine: Engine, job_id: str) -> dict[str, Any]:
    async with websockets.connect(f"{engine.url.replace('http', 'ws')}/ws") as socket:
        await socket.send(json.dumps({"type": "auth", "token": engine.token, "since": 0}))
        async with asyncio.timeout(10):
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "job" and message["job"]["id"] == job_id:
                    assert message["rev"] == message["job"]["rev"]
                    found: dict[str, Any] = message["job"]
                    return found
    raise AssertionError("the socket ended without the job")


async def tokens_of(engine: Engine) -> list[str]:
    """The streamed pieces of one generation, up to its end."""
    pieces: list[str] = []
    async with websockets.connect(f"{engine.url.replace('http', 'ws')}/ws") as socket, asyncio.timeout(60):
        await socket.send(json.dumps({"type": "auth", "token": engine.token}))
        submit = {"type": "submit", "action": "llm.generate", "input": {"prompt": "remind me", "max_tokens": 30}}
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "live":
                await socket.send(json.dumps(submit))
            elif message["type"] == "token":
                pieces.append(message["text"])
            elif message["type"] == "job" and message["job"]["state"] in ENDED:
                assert message["job"]["state"] == "succeeded", message
                return pieces
    raise AssertionError("the socket ended without the job")


#: What is no news: the host, by its user and its kernel, and that Flower asks before workers that start can answer.
EXPECTED = ("running as root", "overcommit", "inspector:")


def test_a_start_of_everything_warns_of_nothing(start_engine: Callable[..., Engine]) -> None:
    """Flower's call for heartbeats, when it begins to listen, was an error in the log of every start."""
    engine = start_engine()
    url = f"http://127.0.0.1:{engine.flower_port}"
    auth = ("admin", (engine.data_dir / "flower_password").read_text().strip())
    with httpx.Client(base_url=url, auth=auth, timeout=10) as flower:
        heard = lambda: len(flower.get("/workers", params={"json": "1"}).json()["data"]) >= 2  # noqa: E731
        eventually(heard, 60, "Flower to hear of both workers")
    engine.client.post("/test/echo", json={"text": "a"}, headers={"Prefer": "wait=20"}).raise_for_status()
    assert [line for line in engine.log().splitlines() if is_worry(line)] == []


def is_worry(line: str) -> bool:
    """As structlog, logging and Flower write what is one."""
    levels = ("[warning", "[error", "[critical", "WARNING", "ERROR", "CRITICAL", "[W ", "[E ", "Traceback", "pidbox")
    return any(level in line for level in levels) and not any(known in line for known in EXPECTED)
