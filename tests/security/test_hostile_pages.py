"""Text from strangers, shown: no answer of ours runs as a page, and none drives a terminal."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from doors import doors_of
from served import Served
from shell_kit import run_command

from llmcoder.states import State

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"
ESCAPES = "\x1b[31mred\x1b]0;title\x07\x9b31m\x1b[2J\r\x08"
PAGES = {"/", "/docs"}
#: What the pages load.
FILES = {f"/docs/{name}" for name in ("start.js", "page.css", "swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")}
#: A provider sends browsers back to the callback; without its secret it says that the attempt is unknown.
OPEN_TO_STRANGERS = {"/openapi.json", "/metrics", "/health/live", "/health/ready", "/connections/oauth/callback"}


def is_harmless(answer: httpx.Response) -> None:
    """No page, or one of which scripts, forms and frames are forbidden and that quotes no markup."""
    headers = answer.headers
    if answer.status_code == 204:
        return
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    if answer.request.url.path in PAGES and answer.status_code == 200:
        assert "connect-src 'self'" in headers["content-security-policy"]
        return
    assert "script-src" not in headers["content-security-policy"]
    assert not headers.get("content-type", "").startswith(("image/svg", "application/xhtml", "text/xml"))
    assert not headers.get("content-type", "").startswith("text/html") or "<script" not in answer.text


def test_no_answer_of_any_door_runs_as_a_page(served: Served) -> None:
    wrong = {name: quote(SCRIPT, safe="") for name in ("job_id", "id", "name", "item_id", "connection_id")}
    with served.client(served.users["root"]) as client:
        for door in doors_of(served.app):
            if door.method in ("WS", "MOUNT") or door.path == "/jobs/stream":
                continue
            values = {name: wrong.get(name, quote(SCRIPT, safe="")) for name in door.parameters}
            body: dict[str, Any] = {"json": {SCRIPT: SCRIPT}} if door.method in ("POST", "PUT", "PATCH") else {}
            is_harmless(client.request(door.method, door.address(**values), params={SCRIPT: SCRIPT}, **body))


@pytest.mark.parametrize("path", [SCRIPT, "legacy/", f"legacy/{SCRIPT}/{SCRIPT}", f"legacy/x?{SCRIPT}", "legacy/%00/x"])
def test_no_address_is_echoed_as_a_page(served: Served, path: str) -> None:
    with served.client(served.users["alice"]) as client:
        for method in ("GET", "POST", "OPTIONS", "DELETE"):
            is_harmless(client.request(method, f"/{path}"))


def test_a_job_that_is_full_of_markup_is_shown_as_json(served: Served) -> None:
    with served.client(served.users["alice"]) as client:
        job = served.submit(client, SCRIPT + ESCAPES)
        served.finish(job["id"], SCRIPT)
        for path in (f"/jobs/{job['id']}", "/jobs", f"/jobs/{job['id']}/explain"):
            answer = client.get(path)
            is_harmless(answer)
            assert answer.headers["content-type"] == "application/json"
            assert "\x1b" not in answer.text


def test_a_stranger_sees_figures_and_documentation_and_nothing_else(served: Served) -> None:
    with httpx.Client(base_url=served.url, timeout=30) as stranger:
        seen = set()
        for door in doors_of(served.app):
            if door.method == "GET" and not door.parameters:
                answer = stranger.get(door.path)
                is_harmless(answer)
                if answer.status_code not in (401, 403):
                    seen.add(door.path)
    assert seen == OPEN_TO_STRANGERS | PAGES | FILES


def test_everything_listens_on_loopback_unless_somebody_says_otherwise() -> None:
    from llmcoder.settings import EngineSettings

    assert (EngineSettings().api_host, EngineSettings().flower_host) == ("127.0.0.1", "127.0.0.1")


def test_no_text_of_a_job_drives_the_terminal(served: Served, tmp_path: Path) -> None:
    with served.client(served.users["alice"]) as client:
        job = served.submit(client, ESCAPES)
    problem = json.dumps({"type": "x", "title": "It broke", "detail": ESCAPES})
    served.move(job["id"], State.RUNNING, started_at=served.db.now(), progress_message=ESCAPES)
    served.move(job["id"], State.FAILED, error=problem)
    environ = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": served.db.url.render_as_string(hide_password=False),
        "PYTHONPATH": str(ROOT / "tests" / "plugin"),
        "LLMCODER_USER": "alice@example.org",
    }
    for words in (["jobs", "list"], ["jobs", "show", job["id"]], ["jobs", "list", "-o", "json"]):
        done = run_command(words, environ)
        assert done.code == 0, done.err
        shown = done.out
        assert not [sign for sign in shown if (ord(sign) < 32 and sign != "\n") or 127 <= ord(sign) < 160], words
