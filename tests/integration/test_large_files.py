"""A file of 200 MB into a job and out of one, through processes whose memory does not grow with it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from engine_kit import load_testkit
from push_kit import Doors, doors

SIZE = 200 << 20
#: Buffers of a few pieces, and what the allocator keeps: a quarter of the file would be it in memory by halves.
MAY_GROW_BYTES = 50 << 20
PIECE = bytes(range(256)) * 4096

load_testkit()


@pytest.fixture(scope="module")
def engine(module_db_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with doors(module_db_url, tmp_path_factory.mktemp("large")) as made:
        yield made


class Memory:
    """The most that processes have resident while a block runs, beyond what they had before."""

    def __init__(self, engine: Doors) -> None:
        workers = [psutil.Process(pid) for pid in engine.worker_pids()]
        self._processes = {"api": engine.api, "worker": workers[0]}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.grown: dict[str, int] = {}

    def __enter__(self) -> Memory:
        self._before = {name: one.memory_info().rss for name, one in self._processes.items()}
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            for name, one in self._processes.items():
                more = one.memory_info().rss - self._before[name]
                self.grown[name] = max(self.grown.get(name, 0), more)


def pieces(size: int = SIZE) -> Iterator[bytes]:
    for _ in range(size // len(PIECE)):
        yield PIECE


def sha256(content: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in content:
        digest.update(piece)
    return digest.hexdigest()


def into_and_out_of_a_job(client: httpx.Client, size: int) -> dict[str, Any]:
    """Up, read by a job, attached by another, and down again."""
    mine = client.post("/files", content=pieces(size), headers={"content-length": str(size)}).json()
    wanted = {"file": {"id": mine["id"], "sha256": mine["sha256"]}}
    read = client.post("/test/import", json=wanted, headers={"prefer": "wait=100"}).json()
    made = client.post("/test/export", json={"size_bytes": size}, headers={"prefer": "wait=100"}).json()
    with client.stream("GET", f"/jobs/{made['id']}/files/export.csv") as answer:
        down = sha256(answer.iter_bytes(1 << 20))
    return {"up": mine["sha256"], "read": read["result"]["sha256"], "made": made["files"][0]["sha256"], "down": down}


def test_200_mb_go_into_a_job_and_out_of_one_in_constant_memory(engine: Doors) -> None:
    with httpx.Client(base_url=engine.url, headers=engine.headers(engine.user), timeout=300) as client:
        into_and_out_of_a_job(client, 8 << 20)  # all that is loaded at the first use is there
        with Memory(engine) as memory:
            seen = into_and_out_of_a_job(client, SIZE)
    assert set(seen.values()) == {sha256(pieces())}
    assert memory.grown.keys() == {"api", "worker"}
    assert all(more < MAY_GROW_BYTES for more in memory.grown.values()), memory.grown


def test_other_requests_are_answered_while_a_large_file_comes_in(engine: Doors) -> None:
    began, go_on = threading.Event(), threading.Event()

    def held() -> Iterator[bytes]:
        for number, piece in enumerate(pieces(32 << 20)):
            if number == 16:
                began.set()
                assert go_on.wait(100)
            yield piece

    def send() -> None:
        with httpx.Client(base_url=engine.url, headers=engine.headers(engine.user), timeout=300) as own:
            answers.append(own.post("/files", content=held()).status_code)

    answers: list[int] = []
    thread = threading.Thread(target=send)
    thread.start()
    try:
        assert began.wait(100)
        with httpx.Client(base_url=engine.url, headers=engine.headers(engine.user), timeout=60) as client:
            assert client.post("/test/echo", json={"text": "x"}).status_code == 202
            assert client.get("/files").json()["usage"]["bytes"] >= 16 << 20, "its room is taken while it comes"
    finally:
        go_on.set()
        thread.join()
    assert answers == [201]


def test_the_folder_holds_each_file_once_and_no_copy(engine: Doors) -> None:
    folder = Path(engine.environ["DATA_DIR"]) / "files"
    work = folder / "work"
    assert not work.exists() or list(work.iterdir()) == []
    assert not list(folder.rglob("*.part"))
