"""Hostile requests against the real API: bodies, tokens, sockets, keys, templates and filters made to break it.

What a single door refuses is tested beside that door; here is what every door must bear, tried on the doors that the
OpenAPI document names, so that a new one is tried as well.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any, get_args
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from accounts import account
from served import Served
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from api.auth import tokens
from api.routes import ws
from llmcoder.context import User
from llmcoder.ids import new_id
from llmcoder.testing import FakeContext, run_action
from models.jobs.tables import jobs
from models.tables import metadata

JSON = {"content-type": "application/json"}
#: For one refusal, on a machine that is busy with other things; 100 ms is what it takes on an idle one.
SOON_S = 10.0


@pytest.fixture
def user(served: Served) -> User:
    return account(served.db, f"{new_id()}@example.org", is_admin=True)


@pytest.fixture
def client(served: Served, user: User) -> Iterator[httpx.Client]:
    with served.client(user) as client:
        yield client


@pytest.fixture(scope="module")
def document(served: Served) -> dict[str, Any]:
    found: dict[str, Any] = served.app.openapi()
    return found


@pytest.fixture(scope="module")
def unlike(served: Served, document: dict[str, Any]) -> dict[str, Any]:
    """The document with one action of each domain: the others' doors read requests by the same lines."""
    registry = served.app.state.services.registry
    doors = {f"/{action.domain}/{action.verb}": action.domain for action in registry.values()}
    first = {domain: path for path, domain in reversed(doors.items())}
    paths = {path: found for path, found in document["paths"].items() if path not in doors or path in first.values()}
    assert len(paths) < len(document["paths"])
    return {**document, "paths": paths}


def doors_with_body(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Method and address, with an unknown id where one belongs, of every door that takes JSON."""
    return [
        (method.upper(), filled(path))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    ]


#: 409: the caller has connected no account that the action could use.
SAFE = (200, 202, 400, 404, 405, 409, 422)


def filled(path: str) -> str:
    path = re.sub(r"\{\w+_id\}", lambda _: str(new_id()), path).replace("{domain}/{verb}", "general/add_note")
    assert "{" not in path, f"say in `filled` what stands in {path}"
    return path


# --- JSON

BODIES: dict[str, Callable[[], bytes]] = {
    "arrays 100,000 deep": lambda: b"[" * 100_000 + b"]" * 100_000,
    "objects 100,000 deep": lambda: b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep and never closed": lambda: b'{"text":' + b"[" * 1_000_000,
    "deep in a field": lambda: b'{"input":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    "a string of ten megabytes": lambda: b'{"text":"' + b"x" * 10_000_000 + b'"}',
    "a number of 100,000 digits": lambda: b'{"text":' + b"9" * 100_000 + b"}",
    "a million keys": lambda: b"{" + b",".join(b'"%d":0' % n for n in range(1_000_000)) + b"}",
    "60,000 keys": lambda: b"{" + b",".join(b'"%d":0' % n for n in range(60_000)) + b"}",
    "as many items as fit": lambda: b"[" + b",".join([b"0"] * 1_000_000) + b"]",
    "not a number": lambda: b'{"text":NaN}',
    "a number beyond all floats": lambda: b'{"seconds":1e999}',
    "half a character": lambda: b'{"text":"\\ud800"}',
    "half a character for a name": lambda: b'{"\\udfff":1}',
    "a byte that is no UTF-8": lambda: b'{"text":"\xff"}',
    "a zero byte": lambda: b'{"text":"a\x00b"}',
    "a byte order mark": lambda: b'\xef\xbb\xbf{"nothing":1}',
}


@pytest.mark.parametrize("make", BODIES.values(), ids=BODIES.keys())
def test_no_body_breaks_a_door_or_keeps_it_busy(
    served: Served, client: httpx.Client, unlike: dict[str, Any], make: Callable[[], bytes]
) -> None:
    every_door_refuses(served, client, unlike, make())


@pytest.mark.slow("megabytes of each kind for the door of every action, though all read them by the same lines")
@pytest.mark.parametrize("make", BODIES.values(), ids=BODIES.keys())
def test_no_body_breaks_the_door_of_any_action(
    served: Served, client: httpx.Client, document: dict[str, Any], make: Callable[[], bytes]
) -> None:
    every_door_refuses(served, client, document, make())


def test_nothing_but_space_is_no_more_than_an_empty_object(client: httpx.Client, unlike: dict[str, Any]) -> None:
    for method, address in doors_with_body(unlike):
        began = time.monotonic()
        blank = client.request(method, address, content=b" " * 100_000, headers=JSON)
        assert time.monotonic() - began < SOON_S, address
        empty = client.request(method, address, content=b"{}", headers=JSON)
        assert blank.status_code in (400, 413, empty.status_code), (address, blank.text[:500], empty.text[:500])


def every_door_refuses(served: Served, client: httpx.Client, document: dict[str, Any], body: bytes) -> None:
    before = served.count()
    for method, address in doors_with_body(document):
        began = time.monotonic()
        answer = client.request(method, address, content=body, headers=JSON)
        took_s = time.monotonic() - began
        assert answer.status_code in (400, 401, 404, 413, 422), (address, answer.status_code, answer.text[:500])
        assert answer.headers["content-type"] == "application/problem+json", address
        assert len(answer.content) < 20_000, f"{address} answers {len(body)} bytes with {len(answer.content)}"
        assert took_s < SOON_S, f"{address} took {took_s:.1f} s"
    assert served.count() == before


def test_what_is_wrong_in_thousands_of_places_is_refused_in_one_word(
    client: httpx.Client, document: dict[str, Any]
) -> None:
    """To describe each of 60,000 kept the process busy for half a second."""
    body = json.dumps({f"unknown_{number}": 0 for number in range(2_000)})
    summed_up = 0
    for method, address in doors_with_body(document):
        errors = client.request(method, address, content=body, headers=JSON).json().get("errors", ())
        assert len(errors) <= 1, (address, errors[:3])
        summed_up += len(errors)
    assert summed_up > 100, "of the others some take little, and one the names of settings"


def test_strangers_may_send_little(served: Served) -> None:
    """Before it is known who asks; reading two megabytes of hostile JSON takes a second."""
    for path in ("/auth/register", "/auth/login", "/auth/refresh"):
        answer = httpx.post(f"{served.url}{path}", content=b"{" + b" " * 20_000 + b"}", headers=JSON)
        assert (answer.status_code, answer.json()["max_bytes"]) == (413, 16_384), path


def test_a_name_that_comes_twice_has_one_meaning(client: httpx.Client) -> None:
    """The last, as in every JSON reader here; what is kept and what is answered is that one alone."""
    body = b'{"action":"test.do_nothing","action":"test.echo","input":{"text":"a","text":"b"}}'
    job = client.post("/jobs", content=body, headers=JSON).json()
    assert (job["action"], job["input"]) == ("test.echo", {"text": "b"})


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ufffe", "\U0010ffff", "\u202e", "a\r\nHTTP/1.1 200 OK", "💥" * 1000])
def test_a_strange_text_is_kept_as_it_is_or_refused(client: httpx.Client, text: str) -> None:
    for path, body, field in (
        ("/test/echo", {"text": text}, "input"),
        ("/jobs", {"action": "test.echo", "input": {"text": text}}, "input"),
        ("/general/notes", {"text": text}, "text"),
    ):
        answer = client.post(path, json=body)
        assert answer.status_code in (201, 202, 422), (path, answer.text)
        if answer.status_code != 422:
            shown = client.get(answer.headers["location"]).json()[field]
            assert (shown if field == "text" else shown["text"]) == text


# --- tokens

FORGERIES: dict[str, Callable[[dict[str, Any], bytes], str]] = {
    "alg none": lambda claims, _: signed({"alg": "none", "typ": "JWT"}, claims, None),
    "alg none, signed": lambda claims, key: signed({"alg": "none", "typ": "JWT"}, claims, key),
    "the key of another installation": lambda claims, _: signed(tokens.HEADER, claims, bytes(32)),
    "an empty key": lambda claims, _: signed(tokens.HEADER, claims, b""),
    "its own key in the header": lambda claims, _: signed(
        {**tokens.HEADER, "jwk": {"kty": "oct", "k": base64.urlsafe_b64encode(bytes(32)).decode()}}, claims, bytes(32)
    ),
    "crit": lambda claims, key: signed({**tokens.HEADER, "crit": ["exp"]}, claims, key),
    "kid": lambda claims, _: signed({**tokens.HEADER, "kid": "../../../dev/null"}, claims, b""),
    "jku": lambda claims, key: signed({**tokens.HEADER, "jku": "http://127.0.0.1:9/keys"}, claims, key),
    "expired": lambda claims, key: signed(tokens.HEADER, {**claims, "exp": claims["iat"] - 1}, key),
    "for somebody else": lambda claims, key: signed(tokens.HEADER, {**claims, "aud": "another-api"}, key),
    "of an unknown user": lambda claims, key: signed(tokens.HEADER, {**claims, "sub": str(new_id())}, key),
    "without an end": lambda claims, key: signed(tokens.HEADER, {k: v for k, v in claims.items() if k != "exp"}, key),
}


def signed(header: dict[str, Any], claims: dict[str, Any], key: bytes | None) -> str:
    """By hand, since libraries refuse to write most of these."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(part, separators=(",", ":")).encode()).rstrip(b"=")
        for part in (header, claims)
    ]
    signature = b"" if key is None else hmac.new(key, b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_no_door_takes_a_forged_token(
    served: Served, user: User, forge: Callable[[dict[str, Any], bytes], str]
) -> None:
    key = tokens.signing_key(served.app.state.services.settings().data_dir)
    good = served.token(user)
    claims = json.loads(base64.urlsafe_b64decode(good.split(".")[1] + "=="))
    assert signed(tokens.HEADER, claims, key) == good, "the forgeries differ from it in what they say they do"
    forged = forge(claims, key)

    headers = {"authorization": f"Bearer {forged}"}
    for method, path in (("GET", "/auth/me"), ("POST", "/test/echo"), ("GET", "/jobs/stream"), ("GET", "/config")):
        answer = httpx.request(method, f"{served.url}{path}", headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:llmcoder:problem:unauthorized"), path
        assert forged not in answer.text
    with connect(served.ws_url) as socket:
        socket.send(json.dumps({"type": "auth", "token": forged}))
        assert closed_with(socket) == 4401


def closed_with(socket: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed):
        while True:
            socket.recv(timeout=120)
    return socket.close_code


# --- sockets


@pytest.mark.parametrize("place", ["?token={}", "?access_token={}&ticket={}"])
def test_a_token_in_the_address_opens_no_socket(served: Served, user: User, place: str) -> None:
    good = served.token(user)
    with connect(f"{served.ws_url}{place.format(good, good)}") as socket:
        socket.send(json.dumps({"type": "ping"}))
        assert closed_with(socket) == 4401


@pytest.mark.parametrize("origin", ["null", "https://evil.example", "http://127.0.0.1.evil.example", "file://"])
def test_a_page_of_a_stranger_with_a_good_cookie_opens_no_socket(served: Served, user: User, origin: str) -> None:
    cookie = {"cookie": f"access_token={served.token(user)}"}
    with pytest.raises(Exception, match="HTTP 403"), connect(served.ws_url, origin=origin, additional_headers=cookie):  # type: ignore[arg-type]
        pass


def test_a_frame_of_a_megabyte_ends_its_own_connection_only(served: Served, user: User) -> None:
    with opened(served, user) as other, opened(served, user) as socket:
        socket.send("x" * 1_000_000)
        assert closed_with(socket) == 1009
        assert answered(other)
    with connect(served.ws_url) as stranger:
        stranger.send("x" * 1_000_000)  # before it has said who it is
        assert closed_with(stranger) == 1009


def test_a_flood_of_messages_delays_nobody_else(served: Served, user: User, client: httpx.Client) -> None:
    flood = json.dumps({"type": "ping"})
    with opened(served, user) as other, opened(served, user) as socket, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(lambda: [socket.send(flood) for _ in range(10_000)])
        waits_s = [took(lambda: client.post("/test/echo", json={}).raise_for_status()) for _ in range(30)]
        waits_s += [took(lambda: answered(other)) for _ in range(30)]
        assert sorted(waits_s)[len(waits_s) * 9 // 10] < SOON_S, f"others wait: {sorted(waits_s)[-5:]}"
        socket.close()
        sending.exception(timeout=20)  # it was cut off, or has sent all of them


def test_hundreds_of_silent_sockets_are_let_go_and_hinder_nobody(
    served: Served, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ws, "AUTH_WITHIN_S", 1.0)
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(served.ws_url, close_timeout=0.2)) for _ in range(200)]
        assert took(lambda: client.post("/test/echo", json={}).raise_for_status()) < SOON_S
        assert {closed_with(socket) for socket in silent} == {4401}


@contextmanager
def opened(served: Served, user: User) -> Iterator[ClientConnection]:
    with connect(served.ws_url, close_timeout=0.2, compression=None, max_queue=None) as socket:
        socket.send(json.dumps({"type": "auth", "token": served.token(user)}))
        assert json.loads(socket.recv(20))["type"] == "live"
        yield socket


def answered(socket: ClientConnection) -> bool:
    socket.send(json.dumps({"type": "ping", "ref": 1}))
    while json.loads(socket.recv(20))["type"] != "pong":
        pass
    return True


def took(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


# --- fields that are not the caller's to set


def test_no_door_lets_a_caller_set_what_is_the_engines(client: httpx.Client, document: dict[str, Any]) -> None:
    """Every column there is, and some names that other engines have."""
    columns = {column.name for table in metadata.tables.values() for column in table.columns}
    names = columns | {"tenant_id", "effect_class", "approved", "approved_by", "__proto__", "is_superuser", "role"}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            if schema is None or path == "/config":  # whose names are those of settings; others are refused there too
                continue
            foreign = names - properties_of(schema, document)
            answer = client.request(method, filled(path), json=dict.fromkeys(sorted(foreign), "1"))
            assert answer.status_code == 422, (path, answer.text)
            errors = answer.json()["errors"]
            assert any("not permitted" in error["msg"] for error in errors), (path, errors)
            for name in ("state", "user_id", "attempt", "is_admin", "approved_by"):
                if name in foreign:
                    answer = client.request(method, filled(path), json={name: 1})
                    assert ["body", name] in [error["loc"] for error in answer.json()["errors"]], (path, name)
    assert client.patch("/config", json={"is_admin": True}).status_code == 422


def properties_of(schema: dict[str, Any], document: dict[str, Any]) -> set[str]:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    found = set(schema.get("properties", {}))
    return found.union(*(properties_of(one, document) for one in schema.get("anyOf", ())))


def test_no_command_of_a_socket_takes_more_than_it_declares(served: Served, user: User) -> None:
    with opened(served, user) as socket:
        for command in get_args(ws.Command):
            kind = get_args(command.model_fields["type"].annotation)[0]
            for name in {"user_id", "state", "origin", "priority", "effect"} - command.model_fields.keys():
                socket.send(json.dumps({"type": kind, name: "1"}))
                answer = json.loads(socket.recv(20))
                assert answer["problem"]["status"] == 422
                assert any(error["loc"][-1] == name for error in answer["problem"]["errors"]), (kind, name)


# --- idempotency keys


def test_two_hundred_at_once_under_one_key_are_one_job_through_every_door(
    served: Served, user: User, client: httpx.Client
) -> None:
    before = served.count()
    key = {"idempotency-key": "one"}

    def submit(n: int) -> str:
        if n % 3 == 0:
            answer = client.post("/jobs", json={"action": "test.echo", "input": {"text": "x"}}, headers=key)
        elif n % 3 == 1:
            answer = client.post("/test/echo", json={"text": "x"}, headers=key)
        else:
            answer = client.post("/test/echo", content=b' { "text" : "\\u0078" } ', headers={**JSON, **key})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    with ThreadPoolExecutor(20) as pool, opened(served, user) as socket:
        found = set(pool.map(submit, range(200)))
        message = {"type": "submit", "action": "test.echo", "input": {"text": "x"}, "idempotency_key": "one", "ref": 1}
        socket.send(json.dumps(message))
        while (answer := json.loads(socket.recv(20)))["type"] != "accepted":
            pass
        found.add(answer["job"]["id"])
    assert len(found) == 1
    assert served.count() == before + 1


def test_a_key_is_the_same_job_a_month_later(served: Served, client: httpx.Client) -> None:
    key = {"idempotency-key": "old"}
    job = client.post("/test/echo", json={"text": "x"}, headers=key).json()
    with served.db.write() as conn:
        conn.execute(
            sa.update(jobs).where(jobs.c.id == UUID(job["id"])).values(created_at=served.db.now() - timedelta(29))
        )
    again = client.post("/test/echo", json={"text": "x"}, headers=key)
    assert (again.json()["id"], again.headers["idempotent-replayed"]) == (job["id"], "true")


@pytest.mark.parametrize("key", ["x" * 10_000, "\u00a0", "a\u0000b".encode().decode("latin-1"), "é"])
def test_a_key_that_cannot_be_kept_is_refused(served: Served, client: httpx.Client, key: str) -> None:
    try:
        answer = client.post("/test/echo", json={}, headers=[(b"idempotency-key", key.encode())])
    except httpx.LocalProtocolError:  # the client itself sends no such thing
        return
    assert answer.status_code == 400, answer.text
    assert len(answer.content) < 1_000


# --- templates

TEMPLATES = [
    "{{7*7}}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{0.__class__.__mro__}", "{self}", "%(x)s", "%s%n", "$(id)", "`id`",
    "{% raw %}", "${jndi:ldap://127.0.0.1/a}", "<script>alert(1)</script>", "=1+1",
]  # fmt: skip


@pytest.mark.parametrize("text", TEMPLATES)
def test_a_template_stays_a_text(served: Served, client: httpx.Client, text: str) -> None:
    job = client.post("/test/echo", json={"text": text}).json()
    assert client.get(f"/jobs/{job['id']}").json()["input"] == {"text": text}
    note = client.post("/general/notes", json={"text": text}).json()
    assert client.get(f"/general/notes/{note['id']}").json()["text"] == text
    echo = served.app.state.services.registry["test.echo"]
    assert run_action(echo, {"text": text}).result.text == text
    unknown = client.post("/jobs", json={"action": text})
    assert unknown.status_code == 404
    assert text in unknown.json()["detail"] and "49" not in unknown.json()["detail"]


# --- filters

INJECTIONS = [
    "'", "''", '"', "';--", "' OR '1'='1", "1 OR 1=1", "') OR ('1'='1", "1; DROP TABLE jobs", "' UNION SELECT NULL--",
    "1' AND SLEEP(5)#", "';SELECT pg_sleep(5)--", "1/**/OR/**/1", "%27%20OR%201", "\\", "\\'", "%", "_", "%%", "[a-z]",
    "*", "\x00", "a\x00b", "\ud83d\ude00", "$.a", "$[*]", "{}", "()", "-1", "0x31", "1e309", "NaN", "null", "true",
    "9" * 40, "9223372036854775808", "٣", "../../etc/passwd", "x" * 5_000,
]  # fmt: skip


@pytest.mark.parametrize("value", INJECTIONS)
def test_no_parameter_is_read_as_sql(served: Served, client: httpx.Client, unlike: dict[str, Any], value: str) -> None:
    served_before = served.count()
    tried = 0
    for path, operations in unlike["paths"].items():
        operation = operations.get("get", {})
        for parameter in operation.get("parameters", ()):
            if path == "/jobs/stream" and parameter["in"] == "query" and parameter["name"] != "since":
                continue
            answer = asked(client, path, parameter, value)
            if answer is not None:
                tried += 1
                assert answer.status_code in SAFE, (path, parameter["name"], answer.text)
                assert CLOSED.isdisjoint(answer.text.lower().split()), (path, answer.text)
    assert tried > 15
    with served.db.read() as conn:
        assert set(metadata.tables) <= set(sa.inspect(conn).get_table_names())
    assert served.count() >= served_before


#: Words of databases, which no answer holds but where it repeats what was asked.
CLOSED = {"sqlite", "sqlite3", "psycopg", "postgresql", "syntax", "operationalerror"}


def asked(client: httpx.Client, path: str, parameter: dict[str, Any], value: str) -> httpx.Response | None:
    """The value in one parameter's place; None where a request cannot hold it."""
    name = parameter["name"]
    quoted = httpx.QueryParams({"v": value}) if not any("\ud800" <= c <= "\udfff" for c in value) else None
    text = str(quoted)[2:] if quoted is not None else "%ED%A0%BD"
    if parameter["in"] == "path":
        return client.get(path.replace("{" + name + "}", text.replace("+", "%20")))
    if parameter["in"] == "query":
        headers = {"prefer": "respond-async"}
        if path == "/jobs/stream":
            with client.stream("GET", f"{path}?{name}={text}") as answer:
                if answer.status_code != 200:
                    answer.read()
                    return answer
            return None
        return client.get(f"{filled(path)}?{name}={text}", headers=headers)
    return None


@pytest.mark.parametrize("wildcard", ["%", "_", "\\", "%%", "a%c", "a_c"])
def test_a_wildcard_in_a_search_is_a_character(served: Served, wildcard: str) -> None:
    registry = served.app.state.services.registry
    context = FakeContext(user=account(served.db, f"{new_id()}@example.org"))
    for text in ("abc", f"it says {wildcard} here"):
        run_action(registry["general.add_note"], {"text": text}, FakeContext(user=context.user))
    found = run_action(registry["general.list_notes"], {"contains": wildcard}, context).result
    assert [note.text for note in found.items] == [f"it says {wildcard} here"]
