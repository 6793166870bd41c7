"""The short cut of the hot routes and the ordinary way answer alike, and only what must goes the long one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from served import Served, serving

from api.http import lean
from api.routes import actions
from llmcoder.config import Config, use
from llmcoder.context import User
from llmcoder.ids import new_id
from models.db.database import Database

OURS, FOREIGN = "https://ours.example", "https://evil.example"
JSON = {"content-type": "application/json"}


@pytest.fixture
def served(db: Database, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """With an origin configured, which once switched the short cut off for everybody."""
    monkeypatch.setattr(actions, "READ_WAIT_S", 0)
    own = Config.open({"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": str(db.url)}, cwd=tmp_path)
    with use(own), serving(db, redis_url, tmp_path, CORS_ORIGINS=OURS, MAX_BODY_BYTES="4096") as served:
        yield served


@pytest.fixture
def ordinary(served: Served, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses of the requests that went the ordinary way."""
    went: list[str] = []
    entrance = served.app._entrance
    way = entrance._app

    async def noted(scope: Any, receive: Any, send: Any) -> None:
        went.append(scope["path"])
        await way(scope, receive, send)

    monkeypatch.setattr(entrance, "_app", noted)
    return went


def test_who_sends_no_origin_takes_the_short_cut_although_origins_are_configured(
    served: Served, user: User, ordinary: list[str]
) -> None:
    with served.client(user) as client:
        assert client.post("/test/echo", json={}).status_code == 202
        assert client.post("/jobs", json={"action": "test.echo"}).status_code == 202
        assert ordinary == []
        answer = client.post("/test/echo", json={}, headers={"origin": OURS})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (202, OURS)
    assert ordinary == ["/test/echo"]


#: Method, address, body, headers; `{key}` is another one each time.
REQUESTS: dict[str, tuple[str, str, bytes, dict[str, str]]] = {
    "a submit": ("POST", "/test/echo", b'{"text":"x"}', JSON),
    "a submit by name": ("POST", "/jobs", b'{"action":"test.echo","input":{"text":"x"}}', JSON),
    "a submit without a body": ("POST", "/test/echo", b"", {}),
    "a submit of nothing": ("POST", "/test/echo", b"{}", {}),
    "a body that is no JSON": ("POST", "/test/echo", b"{", JSON),
    "a body in Latin-1": ("POST", "/test/echo", b'{"text":"\xe4"}', JSON),
    "half a surrogate": ("POST", "/test/echo", b'{"text":"\\ud800"}', JSON),
    "a mark before it": ("POST", "/test/echo", b'\xef\xbb\xbf{"text":"x"}', JSON),
    "a blank body": ("POST", "/test/echo", b" \r\n", JSON),
    "a wrong field": ("POST", "/test/echo", b'{"nothing":1}', JSON),
    "a list": ("POST", "/test/echo", b"[1]", JSON),
    "an unknown action": ("POST", "/jobs", b'{"action":"no.such"}', JSON),
    "no action": ("POST", "/jobs", b"{}", JSON),
    "a body that is too large": ("POST", "/test/echo", b'{"text":"' + b"x" * 5_000 + b'"}', JSON),
    "a key": ("POST", "/test/echo", b"{}", {**JSON, "idempotency-key": "{key}"}),
    "a key that is none": ("POST", "/test/echo", b"{}", {**JSON, "idempotency-key": "x" * 300}),
    "a preference": ("POST", "/test/echo", b"{}", {**JSON, "prefer": "wait=0"}),
    "a preference that is none": ("POST", "/test/echo", b"{}", {**JSON, "prefer": "wait=x"}),
    "a preference for an answer at once": ("POST", "/test/echo", b"{}", {**JSON, "prefer": "respond-async"}),
    "an origin of ours": ("POST", "/test/echo", b"{}", {**JSON, "origin": OURS}),
    "an origin of nobody we know": ("POST", "/test/echo", b"{}", {**JSON, "origin": FOREIGN}),
    "a read": ("GET", "/general/list_notes?limit=2", b"", {}),
    "a read of what is none": ("GET", "/general/list_notes?limit=x&nothing=1", b"", {}),
    "a read of a strange query": ("GET", "/general/list_notes?%ff=%00&limit=%", b"", {}),
    "a list of jobs": ("GET", "/jobs", b"", {}),
    "a list with a query": ("GET", "/jobs?limit=1&state=queued", b"", {}),
    "no token": ("POST", "/test/echo", b"{}", {**JSON, "authorization": ""}),
    "a token that is none": ("POST", "/test/echo", b"{}", {**JSON, "authorization": "Bearer x"}),
    "another scheme": ("POST", "/test/echo", b"{}", {**JSON, "authorization": "Basic eDp5"}),
    "the wrong method": ("PUT", "/test/echo", b"{}", JSON),
    "a look at the headers": ("HEAD", "/general/list_notes", b"", {}),
    "options": ("OPTIONS", "/test/echo", b"", {}),
}
CHANGING = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)|\"rev\":\s?\d+"
)


@pytest.mark.parametrize(("method", "address", "body", "headers"), REQUESTS.values(), ids=REQUESTS.keys())
def test_both_ways_answer_alike(
    served: Served, user: User, monkeypatch: pytest.MonkeyPatch, method: str, address: str, body: bytes,
    headers: dict[str, str],
) -> None:  # fmt: skip
    def asked(way: str) -> tuple[int, dict[str, str], str]:
        own = {name: value.replace("{key}", way) for name, value in headers.items()}
        with served.client(user) as client:
            answer = client.request(method, address, content=body, headers=own)
        shown = {name: CHANGING.sub("…", value) for name, value in answer.headers.items() if name != "date"}
        length = shown.pop("content-length", None)
        assert length is None or method == "HEAD" or int(length) == len(answer.content)
        return answer.status_code, shown, CHANGING.sub("…", answer.text)

    short = asked("short")
    monkeypatch.setattr(lean, "_is_plain", lambda _request: False)
    assert asked("long") == short


def test_a_defect_is_told_alike(served: Served, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_given: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(type(served.app.state.services.identities), "known", broken)
    token = served.token(user)
    answers = []
    for _ in range(2):
        with served.client(user) as client:
            client.headers["authorization"] = f"Bearer {token}"
            answer = client.post("/test/echo", json={"text": str(new_id())})
        answers.append((answer.status_code, CHANGING.sub("…", answer.text), sorted(answer.headers)))
        monkeypatch.setattr(lean, "_is_plain", lambda _request: False)
    assert answers[0] == answers[1]
    assert answers[0][0] == 500


def test_a_preflight_of_a_stranger_is_refused_with_a_problem(served: Served) -> None:
    for origin in (FOREIGN, "null", "\xff"):
        asked = {"origin": origin.encode("latin-1"), "access-control-request-method": b"POST"}
        answer = httpx.options(f"{served.url}/test/echo", headers=list(asked.items()))  # type: ignore[arg-type]
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
        assert answer.json()["type"] == "urn:llmcoder:problem:cors-refused"
    answer = httpx.options(f"{served.url}/test/echo", headers={**asked, "origin": OURS})  # type: ignore[arg-type]
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, OURS)
