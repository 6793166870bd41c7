"""`python -m benchmarks.file_memory [MB]`: how fast a large file goes in and out, and how much memory that takes.

Real processes: an API and an io worker, with files on the disk and in an S3-compatible server on this machine (moto's,
which keeps them in its own memory). A file is uploaded, read by a job, attached by another, and downloaded. Beside each
way stand its seconds and the most that the two processes grew meanwhile.
"""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psutil

from benchmarks import user
from benchmarks.harness import PYTHON, Bench, bench, free_port, listens, running

MB = 200
PIECE = bytes(range(256)) * 4096
LOOK_EVERY_S = 0.02
JOB_WITHIN_S = 300


def main(megabytes: int) -> None:
    with bench("sqlite") as shared:
        _say("store", "way", "seconds", "API grew by", "worker grew by")
        for name, store in (("disk", _disk), ("S3", _s3)):
            with store(shared) as env:
                measure(shared, name, env, megabytes << 20)


def measure(shared: Bench, name: str, env: dict[str, str], size: int) -> None:
    """Take a file every way once, after a small one that loads whatever is loaded at the first use."""
    with shared.engine(shared.stores[0], more=env) as engine, _processes(shared, engine) as pids:
        token = user.log_in(engine.port)
        headers = {"authorization": f"Bearer {token}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{engine.port}", headers=headers, timeout=JOB_WITHIN_S) as client:
            _take(client, 16 << 20, lambda _way, work: work())
            _take(client, size, lambda way, work: _measured(name, way, work, pids))


def _take(client: httpx.Client, size: int, measured: Callable[[str, Callable[[], Any]], Any]) -> None:
    sent = {"content-length": str(size)}
    uploaded = measured("upload", lambda: _ok(client.post("/files", content=_pieces(size), headers=sent)))
    ref = {"id": uploaded["id"], "sha256": uploaded["sha256"]}
    waits = {"prefer": "wait=300"}
    measured("a job reads it", lambda: _ok(client.post("/test/import", json={"file": ref}, headers=waits)))
    given = {"size_bytes": size}
    made = measured("a job attaches one", lambda: _ok(client.post("/test/export", json=given, headers=waits)))
    digest = measured("download", lambda: _download(client, f"/jobs/{made['id']}/files/export.csv"))
    assert digest == made["files"][0]["sha256"] == uploaded["sha256"]


def _measured(store: str, way: str, work: Callable[[], Any], pids: dict[str, int]) -> Any:
    processes = {name: psutil.Process(pid) for name, pid in pids.items()}
    before = {name: one.memory_info().rss for name, one in processes.items()}
    grown, over = dict.fromkeys(pids, 0), threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_EVERY_S):
            for name, one in processes.items():
                grown[name] = max(grown[name], one.memory_info().rss - before[name])

    thread, began = threading.Thread(target=watch), time.monotonic()
    thread.start()
    try:
        result = work()
    finally:
        over.set()
        thread.join()
    took = f"{time.monotonic() - began:.1f}"
    _say(store, way, took, *(f"{grown[name] / 2**20:.1f} MB" for name in ("api", "io")))
    return result


def _say(*columns: str) -> None:
    sys.stdout.write("| " + " | ".join(f"{one:<18}" for one in columns) + " |\n")
    sys.stdout.flush()


def _ok(answer: httpx.Response) -> Any:
    answer.raise_for_status()
    found = answer.json()
    assert found.get("state", "succeeded") == "succeeded", found
    return found


def _download(client: httpx.Client, place: str) -> str:
    digest = hashlib.sha256()
    with client.stream("GET", place) as answer:
        answer.raise_for_status()
        for piece in answer.iter_bytes(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _pieces(size: int) -> Iterator[bytes]:
    left = size
    while left > 0:
        yield PIECE[:left]
        left -= len(PIECE)


@contextmanager
def _processes(shared: Bench, engine: Any) -> Iterator[dict[str, int]]:
    """The API and the worker, by their pids."""
    log = shared.log(f"files-{engine.port}")
    api, io = [PYTHON, "-m", "api"], [PYTHON, "-m", "workers", "io"]
    with (
        running(api, engine.env, log, lambda: listens(engine.port)) as one,
        running(io, engine.env, log, engine.redis.is_consumed) as other,
        running([PYTHON, "-m", "schedules"], engine.env, log, lambda: True),
    ):
        yield {"api": one.pid, "io": other.pid}


@contextmanager
def _disk(_shared: Bench) -> Iterator[dict[str, str]]:
    yield {}


@contextmanager
def _s3(shared: Bench) -> Iterator[dict[str, str]]:
    import boto3

    port, keys = free_port(), {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    url = f"http://127.0.0.1:{port}"
    command = [PYTHON, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, {}, shared.log("moto"), lambda: listens(port)):
        boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys).create_bucket(Bucket="files")
        yield {
            "FILES_URL": "s3://files", "FILES_ENDPOINT": url, "FILES_ACCESS_KEY": "key", "FILES_SECRET_KEY": "secret",
        }  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else MB)
