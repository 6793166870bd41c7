"""Values that only some readers take, at every door: each enters so that everybody can read it, or is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from served import Served

from llmcoder import strict_json
from llmcoder.ids import new_id
from models.db.database import Database
from models.jobs.tables import jobs
from models.macros import store
from models.macros.document import Macro
from models.macros.progress import WHOLE, Row, StepState
from models.macros.tables import macro_calls

pytestmark = pytest.mark.both_stores

#: As JSON text.
VALUES = {
    "NaN": b"NaN",
    "infinity": b"-Infinity",
    "beyond a double": b"1e999",
    "beyond a double, in digits": b"1" * 400 + b".5",
    "thousands of digits": b"1" * 5_000,
    "beyond 64 bits": b"18446744073709551616",
    "half of a character": b'"\\ud83d"',
    "the other half": b'"\\udc00 and on"',
    "a name that is half of a character": b'{"\\ud83d": 1}',
    "no UTF-8": b'"\xff\xfe"',
    "a zero byte": b'"a\\u0000b"',
    "a name with a zero byte": b'{"a\\u0000b": 1}',
    "150 levels": b"[" * 150 + b"]" * 150,
    "5000 levels": b"[" * 5_000 + b"]" * 5_000,
    "levels of objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "very many lists": b"[" + b"[]," * strict_json.MOST_CONTAINERS + b"[]]",
    "very many objects": b'{"a": [' + b"{}," * strict_json.MOST_CONTAINERS + b"{}]}",
}
#: Method, path and body around the value.
DOORS = {
    "an action": ("POST", "/http/request", b'{"method": "POST", "url": "https://example.org/", "json": %s}'),
    "an action's text": ("POST", "/test/echo", b'{"text": %s}'),
    "an action's list": ("POST", "/http/request", b'{"method": "GET", "url": "https://example.org/", "json": [[%s]]}'),
    "a job by name": ("POST", "/jobs", b'{"action": "test.echo", "input": {"text": %s}}'),
    "a job's number": ("POST", "/jobs", b'{"action": "test.work", "input": {"seconds": %s}}'),
    "a job's priority": ("POST", "/jobs", b'{"action": "test.echo", "input": {"text": "x"}, "priority": %s}'),
    "a macro": (
        "POST", "/macros", b'{"name": "m", "steps": [{"id": "a", "action": "test.echo"}], "output": {"v": %s}}',
    ),
    "a macro's name": ("POST", "/macros", b'{"name": %s, "steps": [{"id": "a", "action": "test.echo"}]}'),
    "a macro's default": (
        "POST", "/macros",
        b'{"name": "d", "input": {"v": {"default": %s}}, "steps": [{"id": "a", "action": "test.echo"}]}',
    ),
    "a run's input": (
        "POST", "/tasks/start_macro",
        b'{"document": {"name": "r", "input": {"v": {}}, "steps": [{"id": "a", "action": "test.echo"}]},'
        b' "input": {"v": %s}}',
    ),
    "a schedule": (
        "POST", "/schedules",
        b'{"name": "s", "action": "http.request", "every_s": 3600,'
        b' "input": {"json": %s, "method": "POST", "url": "https://example.org/"}}',
    ),
    "a schedule's name": ("POST", "/schedules", b'{"name": %s, "action": "test.echo", "every_s": 3600}'),
    "a hook": ("POST", "/hooks", b'{"name": "h", "action": "test.echo", "scheme": "github", "input": {"text": %s}}'),
    "a hook's name": ("POST", "/hooks", b'{"name": %s, "action": "test.echo", "scheme": "github"}'),
    "a webhook": ("POST", "/webhooks", b'{"url": %s}'),
    "a note": ("POST", "/general/notes", b'{"text": %s}'),
    "preferences": ("PATCH", "/preferences", b'{"policies": {"test.echo": %s}}'),
    "a login": ("POST", "/auth/login", b'{"email": %s, "password": "x"}'),
    "a registration": ("POST", "/auth/register", b'{"email": "new@example.org", "password": %s}'),
    "a setting": ("PATCH", "/config", b'{"API_PORT": %s}'),
    "a connection": ("POST", "/connections", b'{"provider": "jira", "credentials": {"token": %s}}'),
}  # fmt: skip
LISTS = ("/jobs", "/macros", "/schedules", "/hooks", "/webhooks", "/general/notes", "/preferences", "/audit", "/config")


@pytest.fixture(scope="module")
def root(served: Served) -> Iterator[httpx.Client]:
    with served.client(served.users["root"]) as client:
        yield client


@pytest.mark.parametrize("door", DOORS)
def test_a_value_enters_so_that_everybody_can_read_it_or_is_refused(root: httpx.Client, door: str) -> None:
    method, path, around = DOORS[door]
    for name, value in VALUES.items():
        body = around.replace(b"%s", value)
        answer = root.request(method, path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code < 500, f"{name}: {answer.status_code} {answer.text[:300]}"
        strict_json.read(answer.content)
        if answer.is_success:
            assert name in ("beyond 64 bits", "a zero byte", "a name with a zero byte", "150 levels"), name
    for path in LISTS:
        answer = root.get(path)
        assert answer.status_code == 200, f"{path}: {answer.text[:300]}"
        strict_json.read(answer.content)


def test_what_was_taken_is_kept_digit_by_digit(root: httpx.Client) -> None:
    given = {"method": "POST", "url": "https://example.org/", "json": {"n": 2**64, "f": 0.1, "t": "a\0b"}}
    job = root.post("/http/request", json=given).json()
    assert job["input"]["json"] == given["json"]
    assert root.get(f"/jobs/{job['id']}").json()["input"]["json"] == given["json"]


def test_brackets_in_a_text_are_no_lists(root: httpx.Client) -> None:
    given = {"method": "POST", "url": "https://example.org/", "json": {"t": "[{" * 200_000 + '"\\"'}}
    assert root.post("/http/request", json=given).status_code == 202
    lists = {"method": "POST", "url": "https://example.org/", "json": [[]] * (strict_json.MOST_CONTAINERS // 2)}
    assert root.post("/http/request", json=lists).status_code == 202


@pytest.mark.parametrize("value", VALUES.values(), ids=[*VALUES])
def test_a_call_of_a_step_is_kept_so_that_everybody_can_read_it_or_refused(
    served: Served, root: httpx.Client, value: bytes
) -> None:
    waits = {"name": "Waits", "steps": [{"id": "answer", "wait_for": {"webhook": True}}]}
    run = UUID(root.post("/tasks/start_macro", json={"document": waits}).json()["id"])
    with served.db.write() as conn:  # as its job does
        user = served.users["root"].id
        store.begin(conn, run, user, Macro.model_validate(waits), {}, store.RUN, None, served.db.now())
        store.keep(conn, run, [Row("answer", WHOLE, StepState.SUBMITTED)], {})
    (step,) = root.get(f"/jobs/{run}/steps").json()["items"]
    path = "/macros/runs/" + step["address"].partition("/macros/runs/")[2]
    answer = root.post(path, content=b'{"v": %b}' % value, headers={"content-type": "application/json"})
    assert answer.status_code in (202, 422), answer.text
    with served.db.read() as conn:
        kept = conn.execute(sa.select(macro_calls.c.result).where(macro_calls.c.run_id == run)).scalars().all()
    assert [set(strict_json.read(text)) for text in kept] == [{"payload"}] * (answer.status_code == 202)


@pytest.mark.parametrize("name", ["idempotency-key", "prefer", "user-agent", "if-none-match", "x-request-id"])
def test_a_header_with_any_bytes_breaks_nothing(root: httpx.Client, name: str) -> None:
    for value in (b"\xff\xfe", b"\xed\xa0\xbd", b"a" * 5_000, b"NaN", b"1e999", b"wait=1e999", b"wait=NaN"):
        headers = [(b"content-type", b"application/json"), (name.encode(), value)]
        answer = root.post("/test/echo", content=b'{"text": "x"}', headers=headers)  # type: ignore[arg-type]
        assert answer.status_code < 500, f"{name}: {value!r}: {answer.text}"


@pytest.mark.parametrize(
    "query", ["text=%ED%A0%BD", "text=%00", "text=%FF%FE", "seconds=NaN", "seconds=1e999", "limit=" + "9" * 5_000]
)
def test_a_query_with_any_bytes_breaks_nothing(root: httpx.Client, query: str) -> None:
    for path in ("/general/list_notes", "/jobs", "/macros", "/audit", "/schedules"):
        answer = root.get(f"{path}?{query}")
        assert answer.status_code < 500, f"{path}: {answer.text}"
        strict_json.read(answer.content)


# --- what an action, a vendor or a model says, on its way into the database

SAID: dict[str, Any] = {
    "half of a character": "\ud83d",
    "a zero byte": "a\0b",
    "NaN": float("nan"),
    "infinity": float("-inf"),
    "beyond 64 bits": 2**70,
    "thousands of digits": 10**5_000,
    "levels": json.loads("[" * 400 + "]" * 400),
    "a name": {"\ud83d\0": "\0"},
    "bytes": b"\xff",
}


@pytest.mark.parametrize("value", SAID.values(), ids=[*SAID])
def test_whatever_is_written_is_json_that_both_stores_take(served: Served, value: Any) -> None:
    for around in (value, [value, 1], {"v": value, "t": "Grüße 🎈"}):
        text = strict_json.write(around)
        strict_json.read(text)
        json.loads(text, parse_constant=lambda name: pytest.fail(name))
        kept = _through_json(served.db, text.replace("\\u0000", ""))
        assert kept is None or strict_json.read(kept) == strict_json.read(text.replace("\\u0000", ""))


def _through_json(db: Database, text: str) -> str | None:
    kind = sa.text("SELECT CAST(:t AS text)") if db.is_sqlite else sa.text("SELECT CAST(CAST(:t AS jsonb) AS text)")
    with db.read() as conn:
        found: str | None = conn.execute(kind, {"t": text}).scalar()
    return found


def test_a_zero_byte_in_a_row_keeps_no_other_row_out(served: Served, root: httpx.Client) -> None:
    from models.db import batch

    ids = [new_id() for _ in range(3)]
    job = UUID(root.post("/test/echo", json={"text": "x"}).json()["id"])
    with served.db.write() as conn:
        row = dict(conn.execute(sa.select(jobs).where(jobs.c.id == job)).mappings().one())
        texts = ("fine", "a\0b", "half \ud83d")
        rows = [row | {"id": one, "note": text, "rev": 0} for one, text in zip(ids, texts, strict=True)]
        assert batch.insert_new(conn, jobs, rows) == 3
        notes = dict(conn.execute(sa.select(jobs.c.id, jobs.c.note).where(jobs.c.id.in_(ids))).all())
        conn.rollback()
    assert [notes[one] for one in ids] == ["fine", "ab", "half �"]
