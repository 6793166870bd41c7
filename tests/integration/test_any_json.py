"""Any JSON value goes through every door and comes out as it went in; what is none stops nobody.

Documents by chance: through `http.request` there and back, as the input, a step and the output of a macro, as the body
of a call from outside; beside them bodies and answers that no honest writer of JSON writes.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from inline_kit import Inline
from served import Served

from llmcoder import strict_json
from llmcoder.config import Config, use
from llmcoder.context import User
from llmcoder.registry import Registry, discover
from llmcoder.states import State
from models.db.database import database
from models.jobs.store import Job

pytestmark = pytest.mark.both_stores

JSON = {"content-type": "application/json"}
#: In every run of the slow tests; `make documents` sends 10,000.
DOCUMENTS, AT_ONCE, OF_A_SEED = int(os.environ.get("DOCUMENTS", "100")), 5, 100
#: Of a document: an expression's value may have no more than a hundred, and it stands within others.
MOST_DEEP = 90

#: As JSON text or as the bytes that somebody sends as such; each is answered with 4xx, or taken as it can be kept.
ODD = (
    b'{"v": "cut \\ud83d"}', b'{"\\udc00": 1}', b'{"v": NaN}', b'{"v": -Infinity}', b'{"v": 1e999}', b"", b" ", b"{",
    b'\xef\xbb\xbf{"v": 1}', b"\xff\xfe{\0}\0", b'{"v": "\xff"}', b'{"v": "\xed\xa0\xbd"}', b'{"v": "\\u0000"}',
    b'{"v": ' + b"9" * 5_000 + b"}", b'{"v": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    b'{"v": ' + b"[" * 150 + b"]" * 150 + b"}",
    b'{"v": 1}{"v": 2}', b"null", b"[]", b"1", b'"x"', b'{"v": "${{ payload }}"}', b'{"v": "${{"}', b'{"v": 01}',
)  # fmt: skip

TEXTS = st.text(max_size=12) | st.sampled_from(
    ["", "\0", "\ufeff", "\ufffd", "\u2028", "\x7f", "😀", "朱镕基", "ﷺ", "e\u0301", "\U0010ffff", "\ue000", "\\ud83d",
     "NaN", "${{ input }}", "}}", "$ref", "__proto__", "constructor", "x" * 5_000, '"\\',
     "\r\n\t\x01", "1e999", "null", "ｅ"]
)  # fmt: skip
NUMBERS = (
    st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        [0, -1, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**4_000, 5e-324, 1.7976931348623157e308, 1e16, 1e22]
    )
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=40,
)


def _deep(value: Any, levels: int, named: bool) -> Any:
    for _ in range(levels):
        value = {"a": value} if named else [value]
    return value


SHALLOW = VALUES.filter(lambda one: not strict_json.is_deeper(one, 5))
ANY = VALUES | st.builds(_deep, SHALLOW, st.integers(0, MOST_DEEP - 5), st.booleans())


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was sent, as the type that it was sent as; /odd/N with the N-th of the odd ones."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path.startswith("/odd/"):
            body = ODD[int(self.path.rpartition("/")[2])]
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_said: Any) -> None:
        """Say nothing."""


@pytest.fixture
def echo() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class Doors:
    """One user's engine, and the doors through which documents go."""

    def __init__(self, served: Served, engine: Inline, client: httpx.Client, echo: str) -> None:
        self._served, self._engine, self._client, self._echo = served, engine, client, echo
        assert client.put("/preferences", json={"policies": {"*": "allow"}}).status_code == 200
        self._hook = self._made({"method": "POST", "url": f"{echo}/", "json": "${{ payload }}"})

    def _made(self, given: Any) -> dict[str, Any]:
        wanted = {"name": "h", "action": "http.request", "scheme": "token", "input": given}
        answer = self._client.post("/hooks", json=wanted)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def post(self, path: str, content: bytes, **headers: str) -> httpx.Response:
        answer = self._client.post(path, content=content, headers={**JSON, **headers})
        assert answer.status_code < 500, f"{path}: {answer.status_code} {answer.text[:300]}: {content[:300]!r}"
        strict_json.read(answer.content)
        return answer

    def _taken(self, path: str, content: bytes) -> str:
        answer = self.post(path, content)
        assert answer.status_code == 202, f"{path}: {answer.text[:500]}: {content[:500]!r}"
        return str(answer.json()["id"])

    def call(self, content: bytes) -> httpx.Response:
        return self.post(self._hook["path"], content, **{"x-webhook-token": self._hook["secret"]})

    def request(self, json_text: str, path: str = "/") -> str:
        url = f"{self._echo}{path}"
        return self._taken("/http/request", f'{{"method": "POST", "url": "{url}", "json": {json_text}}}'.encode())

    def macro(self, json_text: str, path: str = "/") -> str:
        step = {
            "id": "s", "action": "http.request",
            "with": {"method": "POST", "url": self._echo + path, "json": "${{ {v: input.v}}}"},
        }  # fmt: skip
        document = {
            "name": "any", "input": {"v": {}}, "steps": [step],
            "output": {"went": "${{ input.v }}", "came": "${{ steps.s.result.json }}"},
        }  # fmt: skip
        given = f'{{"document": {json.dumps(document)}, "input": {{"v": {json_text}}}}}'
        return self._taken("/tasks/start_macro", given.encode())

    def log_in_again(self) -> None:
        """A token lives for minutes only."""
        self._client.headers["authorization"] = f"Bearer {self._served.token(self._engine.user)}"

    def run(self) -> None:
        self._engine.run()

    def job(self, job_id: str) -> Job:
        found: dict[str, Any] = strict_json.read(self._client.get(f"/jobs/{job_id}").content)
        assert found["state"] == State.SUCCEEDED, f"{found['action']}: {found['error']}"
        return found  # type: ignore[return-value]

    def shown(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = strict_json.read(self._client.get(f"/jobs/{job_id}").content)
        return found


@pytest.fixture
def doors(served: Served, db_url: str, user: User, echo: str, tmp_path: Path) -> Iterator[Doors]:
    environ = {"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": db_url, "FETCH_ALLOW": "127.0.0.1"}
    with use(Config.open(environ, cwd=tmp_path)), closing(database()), served.client(user) as client:
        yield Doors(served, Inline(served.db, user, Registry(discover())), client, echo)


def alike(one: Any, other: Any) -> bool:
    """Whether they are the same as JSON, in which 1 is not 1.0 and not true."""
    return strict_json.canonical(one) == strict_json.canonical(other)


def go_through(doors: Doors, documents: Sequence[Any], odd: random.Random) -> None:
    """All at once, each beside an odd one."""
    texts = [json.dumps(one, ensure_ascii=odd.random() < 0.5) for one in documents]
    sent = [(doors.request(f'{{"v": {text}}}'), doors.macro(text)) for text in texts]
    calls = [doors.call(f'{{"v": {text}}}'.encode()) for text in texts]
    chosen = [odd.randrange(len(ODD)) for _ in documents]
    for number in chosen:
        assert doors.call(ODD[number]).status_code in (202, 422), ODD[number][:100]
        doors.post("/tasks/start_macro", b'{"document": {"name": "o", "steps": []}, "input": ' + ODD[number] + b"}")
    answered = [(doors.request("1", f"/odd/{number}"), doors.macro("1", f"/odd/{number}")) for number in chosen]
    doors.run()
    for value, (request, macro), call in zip(documents, sent, calls, strict=True):
        assert alike(doors.job(request)["result"]["json"], {"v": value})
        assert alike(doors.job(macro)["result"], {"went": value, "came": {"v": value}})
        assert call.status_code == 202, call.text
        assert alike(doors.shown(call.json()["job_id"])["input"]["json"], {"v": value})
    for number, jobs in zip(chosen, answered, strict=True):
        for job in jobs:
            assert doors.shown(job)["state"] in ("succeeded", "failed"), ODD[number][:100]
        assert doors.shown(jobs[0])["state"] == "succeeded", "what an answer holds hides that it came"


@pytest.mark.long("a few dozen documents, each through four doors")
@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(ANY, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_any_document_goes_through_every_door_and_none_stops_another(
    doors: Doors, documents: list[Any], odd: random.Random
) -> None:
    go_through(doors, documents, odd)


@pytest.mark.slow("a hundred documents, some at once, each through four doors")
@pytest.mark.timeout(14_400)
def test_many_documents_go_through_every_door(doors: Doors) -> None:
    @settings(max_examples=OF_A_SEED // AT_ONCE, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(ANY, min_size=AT_ONCE, max_size=AT_ONCE), st.randoms(use_true_random=False))
    def some(documents: list[Any], odd: random.Random) -> None:
        go_through(doors, documents, odd)
        gone.append(len(documents))

    gone: list[int] = []
    for number in count():
        doors.log_in_again()
        before = len(gone)
        seed(number)(some)()  # it gives up those that become too large, so that it may be fewer
        assert len(gone) > before
        print(f"{sum(gone)} documents have gone through", flush=True)
        if sum(gone) >= DOCUMENTS:
            break


@pytest.mark.parametrize("number", range(len(ODD)), ids=[one[:24].decode("latin-1") for one in ODD])
def test_what_is_no_document_ends_what_it_is_part_of_and_nothing_else(doors: Doors, number: int) -> None:
    go_through(doors, [{"v": 1}], _Always(number))


class _Always(random.Random):
    """Chooses that one."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._number = number

    def randrange(self, *_given: Any) -> int:
        return self._number


def test_a_very_large_document_goes_through(doors: Doors) -> None:
    began = time.monotonic()
    go_through(
        doors,
        [{"t": "漢" * 100_000, "l": list(range(10_000)), "o": {str(one): None for one in range(3_000)}}],
        random.Random(1),
    )
    assert time.monotonic() - began < 60


# --- half of a character, NaN and a mark, at every door that takes JSON

STEPS = b'"steps": [{"id": "a", "action": "test.echo", "with": {"text": %s}}]'
#: Method, address and body; %s is where the value stands.
BODIES = {
    "an action": ("POST", "/test/echo", b'{"text": %s}'),
    "a job by name": ("POST", "/jobs", b'{"action": "test.echo", "input": {"text": %s}}'),
    "an action by reference": ("POST", "/test/echo", b'{"text": %s, "$ref": "x"}'),
    "a macro": ("POST", "/macros", b'{"name": "ab", ' + STEPS + b"}"),
    "a macro's name": ("POST", "/macros", b'{"name": %s, "steps": [{"id": "a", "action": "test.echo"}]}'),
    "a run": ("POST", "/tasks/start_macro", b'{"document": {"name": "r", ' + STEPS + b"}}"),
    "a schedule": (
        "POST", "/schedules", b'{"name": "s", "action": "test.echo", "every_s": 3600, "input": {"text": %s}}',
    ),
    "a hook": ("POST", "/hooks", b'{"name": "h", "action": "test.echo", "scheme": "hmac", "input": {"text": %s}}'),
    "a note": ("POST", "/general/notes", b'{"text": %s}'),
    "the old address": ("POST", "/legacy/test/echo", b'{"text": %s}'),
    "preferences": ("PUT", "/preferences", b'{"policies": {%s: "allow"}}'),
}  # fmt: skip


@pytest.mark.parametrize("value", [b'"\\ud83d"', b'"x\\udc00y"', b'"\\ude00\\ud83d"'])
@pytest.mark.parametrize("door", BODIES)
def test_half_of_a_character_is_422_at_every_door(served: Served, user: User, door: str, value: bytes) -> None:
    method, path, around = BODIES[door]
    with served.client(user) as alice:
        answer = alice.request(method, path, content=around.replace(b"%s", value), headers=JSON)
    assert answer.status_code == 422, answer.text
    assert "half of a character" in answer.json()["detail"]


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("door", ["an action", "a job by name", "a macro", "a run", "a schedule", "a hook"])
def test_a_mark_before_a_body_is_no_error(served: Served, user: User, door: str, codec: str) -> None:
    method, path, around = BODIES[door]
    content = around.replace(b"%s", '"Grüße"'.encode()).decode().encode(codec)
    with served.client(user) as alice:
        answer = alice.request(method, path, content=content, headers=JSON)
    assert answer.is_success, answer.text
