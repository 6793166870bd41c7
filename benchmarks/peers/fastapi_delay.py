"""The smallest FastAPI app in front of Celery: it calls `delay()` and stores nothing."""

from __future__ import annotations

from fastapi import FastAPI

from benchmarks.peers.celery_app import nothing

app = FastAPI()


@app.post("/nothing", status_code=202)
def submit() -> dict[str, str]:
    return {"id": nothing.delay().id}
