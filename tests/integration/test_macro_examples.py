"""The macros of docs/examples: all are documents that can run, and those that need no account are run."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from engine_kit import Engine, engine_on, eventually

from engine import commands
from llmcoder.registry import Registry, discover
from llmcoder.states import State
from models.jobs import approvals
from models.jobs import store as jobs
from models.jobs.store import Job
from models.jobs.tables import jobs as table
from models.macros.document import Macro, check
from models.macros.text import as_object, from_yaml

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
PAGE = "<html><head><title>Tea</title></head><body><article><p>{}</p></article></body></html>"
SENTENCES = "Tea is made of leaves. Water that boils is poured over them. It is drunk hot. Many people like it. " * 5


def example(name: str) -> Macro:
    return Macro.model_validate(from_yaml((EXAMPLES / f"{name}.yaml").read_bytes()))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_can_run(path: Path) -> None:
    check(example(path.stem), Registry(discover()))


def test_there_are_examples() -> None:
    assert len(list(EXAMPLES.glob("*.yaml"))) >= 4


@pytest.fixture
def engine(db_url: str, tmp_path: Path) -> Iterator[Engine]:
    with engine_on(Engine, db_url, tmp_path, FETCH_ALLOW="127.0.0.1") as running:
        running.start_worker()
        yield running


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = self.path == "/tea"
        body = PAGE.format(SENTENCES).encode() if found else b"gone"
        self.send_response(200 if found else 404)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_said: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def start(engine: Engine, macro: Macro, given: dict[str, Any], mode: str = "run") -> UUID:
    action = Registry(discover())["tasks.start_macro"]
    return engine.submit(action, document=as_object(macro), input=given, mode=mode)


def approve_all(engine: Engine, run: UUID) -> Job:
    """Agree to whatever the run asks, until it ends."""
    query = sa.select(*jobs.COLUMNS).where(table.c.parent_id == run, table.c.reason == "approval")
    while True:
        eventually(lambda: engine.job(run).ended or _asked(engine, query), what="a question or the end")
        if engine.job(run).ended:
            return engine.job(run)
        for job in _asked(engine, query):
            with engine.db.write() as conn:
                seen = approvals.sha256(job.input)
                commands.approve(conn, Registry(discover()), engine.user.id, job.id, seen, None, engine.db.now())


def _asked(engine: Engine, query: Any) -> list[Job]:
    with engine.db.read() as conn:
        return [Job(*row) for row in conn.execute(query)]


def test_pages_are_read_and_kept_once_somebody_agrees(engine: Engine, site: str) -> None:
    given = {"urls": [f"{site}/tea", f"{site}/gone"], "sentences": 2}
    plan = json.loads(
        engine.until(start(engine, example("read-the-pages"), given, "plan"), State.SUCCEEDED).result or ""
    )
    assert [one["input"] for one in plan["waits"]] == [{"approval": "Keep 1 of 2 summaries?"}]
    ended = approve_all(engine, start(engine, example("read-the-pages"), given))
    assert ended.state == State.SUCCEEDED, ended.error
    result = json.loads(ended.result or "")
    assert result["unread"] == [f"{site}/gone"]
    (kept,) = [one for one in _asked(engine, sa.select(*jobs.COLUMNS)) if one.action == "general.add_note"]
    assert json.loads(kept.result or "")["id"] == result["note"]
    assert json.loads(kept.input)["text"].startswith(f"{site}/tea: ")
    assert [one["input"] for one in plan["effects"]] == [json.loads(kept.input)]


def test_what_is_overdue_is_said_once(engine: Engine) -> None:
    known = Registry(discover())
    given = {"due_before": "2026-02-01T00:00:00Z"}
    none = approve_all(engine, start(engine, example("chase-my-todos"), given))
    assert json.loads(none.result or "") == {"overdue": []}
    engine.until(engine.submit(known["general.add_todo"], title="pay", due_at="2026-01-01T00:00:00Z"), State.SUCCEEDED)
    some = approve_all(engine, start(engine, example("chase-my-todos"), given))
    assert json.loads(some.result or "") == {"overdue": ["pay"]}
    listed = engine.until(engine.submit(known["general.list_todos"]), State.SUCCEEDED)
    assert "Catch up on pay" in (listed.result or "")
