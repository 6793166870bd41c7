# ruff: noqa: E501 - a table is read by its rows
"""What the world sends, over real HTTP and through a running engine: API, worker, web server."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from llmcoder.config import Config, use

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))

from engine_kit import Engine, engine_on
from served import serving

TEXT = (
    "The council approved the new bridge on Monday after a long debate. Engineers expect the work to take three years. "
    "Several residents asked for better cycling lanes along the river."
)
RU = "Городской совет одобрил новый мост после долгих споров. Инженеры ожидают, что работы займут три года."
SCRIPT = "<script src=/app.js></script>"

#: What a server sends: its Content-Type, further headers, the body, and a part of what is read of it; None: an error.
SENT: dict[str, tuple[str, dict[str, str], bytes, str | None]] = {
    "no type": ("", {}, f"<div><p>{TEXT}</p></div>".encode(), "after a long debate."),
    "no semicolon": ("text/html charset=utf-8", {}, f"<div>{TEXT}</div>".encode(), "after a long debate."),
    "a coding that is none": ("text/html", {"content-encoding": "none"}, f"<p>{TEXT}</p>".encode(), "after a long debate."),
    "packed twice": ("text/html", {}, gzip.compress(gzip.compress(f"<p>{TEXT}</p>".encode())), "after a long debate."),
    "windows-1251 by a meta": ("text/html", {}, f"<meta content='charset=cp1251' http-equiv=content-type><p>{RU}".encode("cp1251"), "новый мост"),
    "koi8-r that nobody names": ("text/html", {}, f"<p>{RU}</p>".encode("koi8-r"), "новый мост"),
    "behind the end": ("text/html", {}, f"<html><body>Hi.</body></html><article><p>{TEXT}</p></article>".encode(), "after a long debate."),
    "a power": ("text/html; charset=utf-8", {}, f"<article><p>In all 10<sup>5</sup> people live on both sides of the river. {TEXT}</p></article>".encode(), "all 10⁵ people live"),
    "a time": ("text/html", {}, f"<article><p>The new bridge opens on <time>Friday</time> at noon for everybody. {TEXT}</p></article>".encode(), "opens on Friday at noon"),
    "a refresh": ("text/html", {}, b"<meta http-equiv=refresh content='0;url=/a power'>", "10⁵ people"),
    "a refresh in a value": ("text/html", {}, f"<p title=\"<meta http-equiv=refresh content='0;url=/gone'>\">{TEXT}</p>".encode(), "after a long debate."),
    "a shell": ("text/html", {}, f"<a href=/>Home</a><div id=root></div>{SCRIPT}".encode(), None),
    "a notice": ("text/html; charset=utf-8", {}, f"<p>당사는 쿠키를 사용합니다. 개인정보 처리에 동의해 주세요.</p><button>동의</button>{SCRIPT}".encode(), None),
    "nothing": ("text/plain; charset=utf-8", {}, "\u200b\n".encode(), None),
}  # fmt: skip


@pytest.fixture
def alice(db_url: str, server: Any, tmp_path: Path) -> Iterator[httpx.Client]:
    """A user at the API of an engine that works."""
    told = {"FETCH_ALLOW": "127.0.0.1"}
    with ExitStack() as stack:
        engine = stack.enter_context(engine_on(Engine, db_url, tmp_path, **told))
        stack.enter_context(use(Config.open(engine.own_environ, cwd=tmp_path)))
        served = stack.enter_context(serving(engine.db, engine.redis.url, tmp_path, **told))
        engine.start_worker()
        yield stack.enter_context(served.client(engine.user))


def test_pages_as_servers_send_them_are_read_or_refused_by_a_running_engine(alice: httpx.Client, server: Any) -> None:
    for name, (kind, headers, body, _) in SENT.items():
        server.routes[f"/{name.replace(' ', '%20')}"] = _answer(kind, headers, body)
    for name, (_, _, _, text) in SENT.items():
        asked = {"url": f"{server.url}/{name}", "method": "extractive", "sentences": 10}
        job = alice.post("/document/summarize", json=asked, headers={"prefer": "wait=60"}).json()
        if text is None:
            assert job["state"] == "failed", (name, job)
            assert "no readable text" in str(job["error"]) or "is empty" in str(job["error"]), (name, job["error"])
        else:
            assert job["state"] == "succeeded" and text in job["result"]["summary"], (name, job)


def _answer(kind: str, headers: dict[str, str], body: bytes) -> Any:
    return lambda exchange: exchange.send(200, body, kind, **headers)
