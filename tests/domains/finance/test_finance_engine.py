"""Money with everything running: a file goes in and is taken back, and a worker dies between two pages of a bank."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from plaid_server import CLIENT, SECRET, Plaid, plaid_on_loopback, transaction
from statement_kit import mt940

from llmcoder.config import Config, use
from llmcoder.states import State
from tasks.finance.bank_actions import sync

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "integration"))

from engine_kit import Engine, engine_on, eventually  # noqa: E402
from served import serving  # noqa: E402

pytestmark = pytest.mark.both_stores
LATER_S = 60.0
STATEMENT = mt940(("2024-02-01", "-3,50", "Coffee"), ("2024-02-02", "100,00", "Pay"), closing=("2024-02-29", "196,50"))


@pytest.fixture
def plaid() -> Iterator[Plaid]:
    with plaid_on_loopback() as made:
        yield made


@pytest.fixture
def running(db_url: str, plaid: Plaid, tmp_path: Path) -> Iterator[tuple[Engine, httpx.Client]]:
    """An engine, and its user at the API."""
    told = {
        "FETCH_ALLOW": "127.0.0.1", "PLAID_URL": plaid.url, "PLAID_CLIENT_ID": CLIENT, "PLAID_SECRET": SECRET
    }  # fmt: skip
    with ExitStack() as stack:
        engine = stack.enter_context(engine_on(Engine, db_url, tmp_path, **told))
        stack.enter_context(use(Config.open(engine.own_environ, cwd=tmp_path)))
        served = stack.enter_context(serving(engine.db, engine.redis.url, tmp_path, **told))
        yield engine, stack.enter_context(served.client(engine.user))


def done(client: httpx.Client, action: str, **given: Any) -> Any:
    """A job that has run to its end."""
    answer = client.post(f"/{action.replace('.', '/')}", json=given, headers={"prefer": "wait=30"})
    assert answer.status_code == 200, answer.text
    job = answer.json()
    assert job["state"] == "succeeded", job
    return job


def texts(client: httpx.Client) -> list[str]:
    return [one["text"] for one in client.get("/finance/transactions", params={"sort": "date"}).json()["items"]]


def test_a_file_is_imported_once_exported_and_taken_back_as_one(
    running: tuple[Engine, httpx.Client],
) -> None:
    engine, alice = running
    engine.start_worker()
    kept = alice.post("/files", content=STATEMENT.encode(), params={"name": "statement.sta"}).json()
    file = {"id": kept["id"], "sha256": kept["sha256"]}
    job = done(alice, "finance.import_statement", file=file)
    assert (job["result"]["added"], job["result"]["proven"]) == (2, True)
    assert done(alice, "finance.import_statement", file=file)["result"]["known"] == 2
    assert texts(alice) == ["Coffee", "Pay"]
    listed = alice.get("/finance/list_transactions", params={"from": "2024-02-02"}).json()
    assert [one["text"] for one in listed["result"]["items"]] == ["Pay"]
    exported = done(alice, "finance.export")
    assert b"Coffee" in alice.get(f"/jobs/{exported['id']}/files/transactions.csv").content
    undone = alice.post(f"/jobs/{job['id']}/undo").json()
    assert (undone["state"], undone["tainted"]) == ("waiting", True), "made of what a file says, like its result"
    [pending] = alice.get("/approvals").json()["items"]
    assert alice.post(f"/jobs/{undone['id']}/approve", json={"sha256": pending["sha256"]}).status_code == 202
    engine.until(UUID(undone["id"]), State.SUCCEEDED, within_s=LATER_S)
    assert texts(alice) == ["Coffee", "Pay"], "the second import has them, too"
    second = alice.get("/finance/list_imports").json()["result"]["items"][0]["import_id"]
    assert done(alice, "finance.undo_import", import_id=second)["result"]["removed"] == 2
    assert texts(alice) == []


def test_the_digest_says_what_was_spent(running: tuple[Engine, httpx.Client]) -> None:
    engine, alice = running
    engine.start_worker()
    today = engine.db.now().date().isoformat()
    body = {"account": "Cash", "booked_on": today, "amount": "-3.50 EUR", "text": "Coffee", "category": "Drinks"}
    assert alice.post("/finance/transactions", json=body).status_code == 201
    job = done(alice, "digest.daily", parts=["spending"])
    assert "3.50 EUR in 1 payment" in json.dumps(job["result"])
    assert "Drinks" in json.dumps(job["result"])
    suggested = {one["name"] for one in alice.get("/schedules/defaults").json()["items"]}
    assert {"Unusual payments of the week", "Connected bank, every morning"} <= suggested


def test_what_is_refused_says_why_and_leaves_nothing(running: tuple[Engine, httpx.Client]) -> None:
    engine, alice = running
    engine.start_worker()
    kept = alice.post("/files", content=b"%PDF-1.7 a scan", params={"name": "statement.pdf"}).json()
    file = {"id": kept["id"], "sha256": kept["sha256"]}
    job = alice.post("/finance/import_statement", json={"file": file}, headers={"prefer": "wait=30"}).json()
    assert (job["state"], job["error"]["type"]) == ("failed", "urn:llmcoder:problem:bad-input")
    assert "PDF" in job["error"]["detail"]
    assert texts(alice) == []


@pytest.mark.slow("kills a worker and waits for its lease")
def test_a_worker_that_dies_between_two_pages_has_kept_nothing_and_the_next_one_keeps_all(
    running: tuple[Engine, httpx.Client], plaid: Plaid
) -> None:
    engine, alice = running
    plaid.item().log = [("added", transaction(f"t{n}", "1.00", "2024-02-01", f"Shop {n}")) for n in range(6)]
    connected = alice.post("/connections", json={"provider": "plaid", "credentials": {"access_token": "access-1"}})
    assert connected.status_code in (200, 201), connected.text
    assert connected.json()["account"] == "item-1"
    plaid.faults["/transactions/sync"] = [lambda self: None, None]  # the first page comes, and then nothing
    worker = engine.start_worker()
    job_id = engine.submit(sync)
    eventually(lambda: plaid.operations().count("/transactions/sync") == 2, what="it waits for the second page")
    assert texts(alice) == []
    worker.kill()
    worker.wait(120)
    engine.start_worker()
    job = engine.until(job_id, State.SUCCEEDED, within_s=LATER_S)
    assert json.loads(job.result or "")["added"] == 6
    assert sorted(texts(alice)) == [f"Shop {n}" for n in range(6)]
    cursors = [given.get("cursor") for name, given in plaid.asked if name == "/transactions/sync"]
    assert cursors == [None, "2", None, "2", "4"]
