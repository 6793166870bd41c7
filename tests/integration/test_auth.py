"""The doors under /auth, and problems, over real HTTP on each store."""

import asyncio
import concurrent.futures
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx
import pytest
import sqlalchemy as sa
import structlog
import uvicorn
from fastapi import Depends, FastAPI, Request
from pwdlib.hashers.argon2 import Argon2Hasher
from starlette.responses import PlainTextResponse

from api.auth import tokens
from api.auth.identity import Identities, Identity, Unauthorized, admin
from api.auth.limits import client_address
from api.http import problems
from api.routes import auth as routes
from engine.passwords import AT_ONCE, MOST_WAITING, Passwords
from llmcoder.errors import Busy, NotFound, RateLimited
from llmcoder.model import Model
from llmcoder.settings import EngineSettings
from models.accounts import tables, users
from models.db.database import Database

pytestmark = pytest.mark.both_stores

PASSWORD = "correct horse battery"
MAX_BODY_BYTES = 2_000


@dataclass
class Services:
    """What api/app.py gives to the routes."""

    db: Database
    identities: Identities
    engine: EngineSettings

    def settings(self) -> EngineSettings:
        return self.engine


class Nested(Model):
    n: int


def application(services: Services) -> FastAPI:
    app = FastAPI()
    app.state.services = services
    problems.install(app)
    app.add_middleware(problems.BodyLimit, max_bytes=MAX_BODY_BYTES)
    app.include_router(routes.router)

    @app.get("/admins")
    async def admins(who: Annotated[Identity, Depends(admin)]) -> str:
        return who.email

    @app.post("/raw")
    async def raw(request: Request) -> int:
        return Nested.model_validate_json(await request.body()).n

    @app.post("/typed")
    async def typed(body: Nested) -> int:
        return body.n

    @app.get("/boom/{kind}")
    async def boom(kind: str, secret: str) -> None:
        raise {
            "bug": RuntimeError(f"a bug near {secret}"),
            "missing": NotFound("There is no such job."),
            "limited": RateLimited("Slow down.", datetime.now(UTC) + timedelta(seconds=7)),
            "database": sa.exc.OperationalError("SELECT 1", {"secret": secret}, ConnectionError("refused")),
            "pool": sa.exc.TimeoutError("QueuePool limit reached"),
        }[kind]

    return app


@pytest.fixture
def services(db: Database) -> Services:
    return Services(db, Identities(db, bytes(range(32)), trusted_for_s=0.0), EngineSettings())


@pytest.fixture
def api(services: Services) -> Iterator[httpx.Client]:
    with serving(application(services)) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


class serving:  # noqa: N801 - reads as the context manager it is
    """A real server on a free port of 127.0.0.1, in a thread."""

    def __init__(self, app: Any) -> None:
        self._server = uvicorn.Server(uvicorn.Config(app, ws="none", log_config=None, lifespan="off"))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(120)
        self._socket.close()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API for what must not touch the database: there is none."""
    nowhere = Database(f"sqlite:///{tmp_path_factory.mktemp('bare')}/no/such/folder/llmcoder.db")
    app = application(Services(nowhere, Identities(nowhere, bytes(32)), EngineSettings()))
    with serving(app) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def register(
    api: httpx.Client, email: str = "alice@example.org", password: str = PASSWORD, place: str = "127.0.0.1"
) -> httpx.Response:
    return api.post("/auth/register", json={"email": email, "password": password}, headers=from_place(place))


def from_place(place: str) -> dict[str, str]:
    """What a proxy says about its client; the server believes those on its own machine."""
    return {"x-forwarded-for": place}


def log_in(
    api: httpx.Client,
    email: str = "alice@example.org",
    password: str = PASSWORD,
    place: str = "127.0.0.1",
    device: str | None = None,
) -> httpx.Response:
    api.cookies.clear()  # a client like any other; who means a device says it
    headers = from_place(place) | ({"device-token": device} if device else {})
    return api.post("/auth/login", data={"username": email, "password": password}, headers=headers)


def me(api: httpx.Client, access_token: str) -> httpx.Response:
    return api.get("/auth/me", headers={"authorization": f"Bearer {access_token}"})


def refresh(api: httpx.Client, refresh_token: str) -> httpx.Response:
    return api.post("/auth/refresh", json={"refresh_token": refresh_token})


def pair_of(api: httpx.Client, email: str = "alice@example.org") -> dict[str, Any]:
    register(api, email)
    answer = log_in(api, email)
    assert answer.status_code == 200, answer.text
    pair: dict[str, Any] = answer.json()
    return pair


def slug(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["title"] and body["detail"]
    return str(body["type"]).removeprefix("urn:llmcoder:problem:")


def at_once(work: Callable[[int], Any], times: int) -> list[Any]:
    with concurrent.futures.ThreadPoolExecutor(times) as pool:
        return list(pool.map(work, range(times)))


# registration


def test_the_first_account_is_the_administrators(api: httpx.Client) -> None:
    first = register(api, " Alice@Example.ORG ")
    assert first.status_code == 201
    assert first.json()["email"] == "alice@example.org"
    assert account_of(api, "alice@example.org")["is_admin"] is True
    register(api, "bob@home.local")
    bob = account_of(api, "bob@home.local")
    assert bob["is_admin"] is False
    assert bob.keys() == {"id", "email", "is_admin", "created_at"}


def account_of(api: httpx.Client, email: str) -> dict[str, Any]:
    account: dict[str, Any] = me(api, log_in(api, email).json()["access_token"]).json()
    return account


def test_of_many_first_users_one_becomes_admin(api: httpx.Client, db: Database) -> None:
    answers = at_once(lambda n: register(api, f"user{n}@example.org"), 8)
    assert [answer.status_code for answer in answers] == [201] * 8
    with db.read() as conn:
        assert sorted(conn.execute(sa.select(tables.users.c.is_admin)).scalars()) == [False] * 7 + [True]


def test_an_address_has_one_account_however_it_is_written_and_however_many_ask(api: httpx.Client, db: Database) -> None:
    answers = at_once(lambda n: register(api, "ALICE@example.org" if n % 2 else "alice@Example.org"), 6)
    assert [answer.status_code for answer in answers] == [201] * 6
    with db.read() as conn:
        assert conn.execute(sa.select(tables.users.c.email)).scalars().all() == ["alice@example.org"]


def test_registering_tells_nobody_whether_the_address_has_an_account(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by the answer nor by the work that is done: each hashes once and commits once."""
    work: list[str] = []
    hashing, writing = Passwords.hash, Database.write
    monkeypatch.setattr(Passwords, "hash", lambda *given: work.append("hash") or hashing(*given))
    monkeypatch.setattr(Database, "write", lambda *given, **named: work.append("write") or writing(*given, **named))
    register(api, "root@example.org")
    answers, done = [], []
    for email, password in (
        ("bob@example.org", PASSWORD),
        ("bob@example.org", "another password"),
        ("new@b.eu", PASSWORD),
    ):
        work.clear()
        answers.append(register(api, email, password))
        done.append(tuple(work))
    new, again, other = answers
    assert (again.status_code, again.json()) == (new.status_code, new.json())
    assert other.json() == new.json() | {"email": "new@b.eu"}
    assert headers_of(again) == headers_of(new)
    assert set(done) == {("hash", "write")}
    assert log_in(api, "bob@example.org", "another password").status_code == 401
    assert log_in(api, "bob@example.org").status_code == 200, "the password is what it was"


def headers_of(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "date"}


def test_one_address_registers_ten_accounts_an_hour_and_others_are_let_in(api: httpx.Client, db: Database) -> None:
    answers = at_once(lambda n: register(api, f"user{n % 15}@example.org"), 20)
    assert sorted(answer.status_code for answer in answers) == [201] * 10 + [429] * 10
    refused = register(api, "one.more@example.org")
    assert (refused.status_code, slug(refused)) == (429, "too-many-registrations")
    assert 3_000 < int(refused.headers["retry-after"]) <= 3_600
    assert register(api, "a@b.eu", place="2001:db8::1").status_code == 201
    with db.write() as conn:
        conn.execute(sa.update(tables.login_attempts).values(at=db.now() - timedelta(minutes=61)))
    assert register(api, "one.more@example.org").status_code == 201


def test_an_address_of_ipv6_is_all_of_its_network(api: httpx.Client) -> None:
    answers = [register(api, f"user{n}@example.org", place=f"2001:db8::{n + 1}") for n in range(11)]
    assert [answer.status_code for answer in answers] == [201] * 10 + [429]


@pytest.mark.parametrize("host", [None, "", "::1%lo", "fe80::1%eth0", "::ffff:10.0.0.1", "x" * 5_000, "10.0.0.1"])
def test_whatever_stands_for_an_address_can_be_counted(host: str | None) -> None:
    assert 0 < len(client_address(host)) <= 64


def test_a_new_account_has_its_revision_counter(api: httpx.Client, db: Database) -> None:
    register(api)
    user_id = UUID(account_of(api, "alice@example.org")["id"])
    with db.read() as conn:
        assert conn.execute(sa.select(tables.revisions.c.user_id)).scalars().all() == [user_id]


@pytest.mark.parametrize("password", ["short", "x" * 257, "", "\ud83d" * 12])
def test_a_password_of_no_use_is_refused_with_the_rule_and_without_itself(bare: httpx.Client, password: str) -> None:
    body = b'{"email": "a@example.org", "password": "%s"}' % password.encode("ascii", "backslashreplace")
    answer = bare.post("/auth/register", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, slug(answer)) == (422, "bad-input")
    if password.isascii():  # half a character is refused before anybody looks at fields
        assert answer.json()["errors"][0]["loc"] == ["body", "password"]
        assert "10 to 256 characters" in answer.json()["errors"][0]["msg"]
        assert not password or password not in answer.text


def test_a_refresh_token_of_half_characters_is_refused(bare: httpx.Client) -> None:
    headers = {"content-type": "application/json"}
    answer = bare.post("/auth/refresh", content=b'{"refresh_token": "\\ud83d"}', headers=headers)
    assert (answer.status_code, slug(answer)) == (422, "bad-input")


@pytest.mark.parametrize(
    "email", ["", "nobody", "a@b@c.org", "a b@example.org", "a@\u0000.org", "x" * 300 + "@example.org"]
)
def test_what_is_no_address_cannot_register(bare: httpx.Client, email: str) -> None:
    answer = register(bare, email)
    assert (answer.status_code, slug(answer)) == (422, "bad-input")


def test_closed_registration_lets_the_first_user_in_and_no_other(api: httpx.Client, services: Services) -> None:
    services.engine = EngineSettings(registration_open=False)
    assert register(api).status_code == 201
    answer = register(api, "bob@example.org")
    assert (answer.status_code, slug(answer)) == (403, "registration-closed")


# login, tokens, sessions


def test_a_login_gives_a_pair_that_works(api: httpx.Client) -> None:
    register(api)
    answer = log_in(api, " ALICE@example.org")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == {"access_token", "token_type", "expires_in", "refresh_token", "device_token"}
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("bearer", 1800)
    assert me(api, answer.json()["access_token"]).json()["email"] == "alice@example.org"


def test_a_wrong_password_and_an_unknown_account_get_the_same_answer(api: httpx.Client) -> None:
    register(api)
    answers = [log_in(api, password="wrong password"), log_in(api, "nobody@example.org"), log_in(api, "no address\0")]
    assert [answer.status_code for answer in answers] == [401] * 3
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].headers["www-authenticate"] == "Bearer"


def test_a_login_without_the_form_says_which_fields_it_wants(bare: httpx.Client) -> None:
    answer = bare.post("/auth/login", json={"username": "a@example.org", "password": PASSWORD})
    assert answer.status_code == 422
    assert ["body", "username"] in [error["loc"] for error in answer.json()["errors"]]
    assert PASSWORD not in answer.text


def test_refreshing_rotates_and_the_new_pair_works(api: httpx.Client) -> None:
    pair = pair_of(api)
    for _ in range(3):
        answer = refresh(api, pair["refresh_token"])
        assert answer.status_code == 200
        assert answer.json()["refresh_token"] != pair["refresh_token"]
        pair = answer.json()
    assert me(api, pair["access_token"]).status_code == 200


def test_a_refresh_token_that_comes_back_ends_its_session_and_no_other(api: httpx.Client) -> None:
    other = pair_of(api)
    stolen = pair_of(api)
    newest = refresh(api, stolen["refresh_token"]).json()
    answer = refresh(api, stolen["refresh_token"])
    assert (answer.status_code, slug(answer)) == (401, "unauthorized")
    assert refresh(api, newest["refresh_token"]).status_code == 401
    assert me(api, newest["access_token"]).status_code == 401
    assert me(api, stolen["access_token"]).status_code == 401
    assert me(api, other["access_token"]).status_code == 200
    assert refresh(api, other["refresh_token"]).status_code == 200


def test_of_many_refreshes_with_one_token_one_wins_and_then_the_session_is_over(api: httpx.Client) -> None:
    pair = pair_of(api)
    answers = at_once(lambda _: refresh(api, pair["refresh_token"]), 6)
    won = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert [answer.status_code for answer in answers].count(401) == 5
    assert refresh(api, won[0]["refresh_token"]).status_code == 401


def test_a_refresh_token_expires(api: httpx.Client, db: Database) -> None:
    pair = pair_of(api)
    with db.write() as conn:
        conn.execute(sa.update(tables.refresh_tokens).values(expires_at=db.now()))
    assert refresh(api, pair["refresh_token"]).status_code == 401


def test_logging_out_ends_both_tokens(api: httpx.Client) -> None:
    pair = pair_of(api)
    answer = api.post("/auth/logout", headers={"authorization": f"Bearer {pair['access_token']}"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert me(api, pair["access_token"]).status_code == 401
    assert refresh(api, pair["refresh_token"]).status_code == 401


def test_logging_out_can_end_another_session_of_ones_own_but_of_nobody_else(api: httpx.Client) -> None:
    here, there, of_bob = pair_of(api), pair_of(api), pair_of(api, "bob@example.org")
    for given in (there, of_bob):
        answer = api.post(
            "/auth/logout",
            json={"refresh_token": given["refresh_token"]},
            headers={"authorization": f"Bearer {here['access_token']}"},
        )
        assert answer.status_code == 204
        here = pair_of(api)
    assert me(api, there["access_token"]).status_code == 401
    assert me(api, of_bob["access_token"]).status_code == 200


def test_a_disabled_user_loses_every_access(api: httpx.Client, db: Database) -> None:
    pair = pair_of(api)
    user_id = UUID(me(api, pair["access_token"]).json()["id"])
    with db.write() as conn:
        users.set_active(conn, user_id, False)
    assert me(api, pair["access_token"]).status_code == 401
    assert refresh(api, pair["refresh_token"]).status_code == 401
    assert log_in(api).status_code == 401


def test_admin_rights_are_asked_of_the_database_and_not_of_the_token(api: httpx.Client, db: Database) -> None:
    headers = {"authorization": f"Bearer {pair_of(api)['access_token']}"}
    assert api.get("/admins", headers=headers).status_code == 200
    with db.write() as conn:
        conn.execute(sa.update(tables.users).values(is_admin=False))
    answer = api.get("/admins", headers=headers)
    assert (answer.status_code, slug(answer)) == (403, "forbidden")


def test_no_token_a_foreign_scheme_and_a_token_in_the_address_are_401(api: httpx.Client) -> None:
    token = pair_of(api)["access_token"]
    for answer in (
        api.get("/auth/me"),
        api.get("/auth/me", params={"access_token": token, "token": token}),
        api.get("/auth/me", headers={"authorization": f"Basic {token}"}),
        api.get("/auth/me", headers={"authorization": "Bearer"}),
        api.get("/auth/me", headers={"cookie": f"access_token={token}"}),
    ):
        assert (answer.status_code, slug(answer)) == (401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_forged_and_expired_tokens_are_401(api: httpx.Client, services: Services) -> None:
    pair = pair_of(api)
    user_id = UUID(me(api, pair["access_token"]).json()["id"])
    now = datetime.now(UTC)
    for token in (
        tokens.issue(bytes(32), user_id, uuid4(), 60, now),
        tokens.issue(bytes(range(32)), user_id, uuid4(), 60, now - timedelta(hours=1)),
        tokens.issue(bytes(range(32)), uuid4(), uuid4(), 60, now),  # genuine, and the account is gone
        pair["access_token"][:-2],
        pair["refresh_token"],
    ):
        answer = me(api, token)
        assert (answer.status_code, slug(answer)) == (401, "unauthorized")
        assert token not in answer.text


def test_the_life_of_an_access_token_follows_the_setting(api: httpx.Client, services: Services) -> None:
    services.engine = EngineSettings(access_token_expire_minutes=2)
    assert pair_of(api)["expires_in"] == 120


# the cache


@pytest.fixture
def account(db: Database) -> users.Account:
    with db.write() as conn:
        return users.register(conn, "alice@example.org", "!", db.now(), open_to_all=True)


def test_a_token_that_was_verified_is_not_asked_about_again_until_its_time_is_up(
    db: Database, account: users.Account
) -> None:
    long, short = (Identities(db, bytes(32), trusted_for_s) for trusted_for_s in (60.0, 0.0))
    token = long.issue(account.id, uuid4(), 60)
    assert long.known(token) is None
    who = long.verify(token)
    assert (who.user_id, who.email, who.is_admin) == (account.id, "alice@example.org", True)
    with db.write() as conn:
        users.set_active(conn, account.id, False)
    assert long.known(token) == long.verify(token) == who
    with pytest.raises(Unauthorized):
        short.verify(token)
    long.forget(who.session_id)
    with pytest.raises(Unauthorized):
        long.verify(token)


def test_a_verified_token_is_never_trusted_beyond_its_expiry(db: Database, account: users.Account) -> None:
    identities = Identities(db, bytes(32), trusted_for_s=60.0)
    token = identities.issue(account.id, uuid4(), 2)
    who = identities.verify(token)
    deadline = time.monotonic() + 10
    while identities.known(token):
        assert time.monotonic() < deadline, "still trusted"
        time.sleep(0.01)
    # The wall clock of a virtual machine is now and then set by some hundred milliseconds, and trust goes by another.
    assert datetime.now(UTC) >= who.expires_at - timedelta(milliseconds=500)


def test_the_cache_is_bounded(db: Database, account: users.Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.auth.identity.MOST_CACHED", 3)
    identities = Identities(db, bytes(32))
    issued = [identities.issue(account.id, uuid4(), 60) for _ in range(5)]
    for token in issued:
        identities.verify(token)
    assert [identities.known(token) is not None for token in issued] == [False, False, True, True, True]


# limits


ELSEWHERE = "203.0.113.7"


def guess(api: httpx.Client, times: int, place: str = ELSEWHERE, email: str = "alice@example.org") -> list[int]:
    return [log_in(api, email, "a wrong password", place).status_code for _ in range(times)]


def test_guessing_at_one_account_must_wait_even_with_the_right_password(api: httpx.Client) -> None:
    register(api)
    assert guess(api, 5) == [401] * 5
    answer = log_in(api, place=ELSEWHERE)
    assert (answer.status_code, slug(answer)) == (429, "too-many-attempts")
    assert 50 <= int(answer.headers["retry-after"]) <= 60
    assert pair_of(api, "bob@example.org"), "others are let in"


def test_guesses_from_elsewhere_do_not_keep_the_owner_waiting_where_the_owner_has_logged_in(api: httpx.Client) -> None:
    register(api)
    log_in(api, place="198.51.100.1")
    guess(api, 30)
    assert log_in(api).status_code == 200, "from where the account was registered"
    assert log_in(api, place="198.51.100.1").status_code == 200, "from where the owner has logged in"
    assert log_in(api, place=ELSEWHERE).status_code == 429, "which forgives the guesser nothing"


def test_guesses_from_everywhere_slow_every_unknown_address_and_not_the_owner(api: httpx.Client) -> None:
    register(api)
    for n in range(4):
        assert guess(api, 5, f"203.0.113.{n}") == [401] * 5
    assert guess(api, 1, "203.0.113.99") == [429], "an address that has not guessed yet"
    assert log_in(api, place="203.0.113.98").status_code == 429
    assert log_in(api).status_code == 200


def test_a_device_from_which_the_owner_logged_in_passes_beside_a_guesser(api: httpx.Client) -> None:
    """Behind one address with whoever guesses: a company's, or that of a proxy that does not say whose."""
    register(api)
    device = log_in(api, place=ELSEWHERE).json()["device_token"]
    guess(api, 40)
    assert log_in(api, place=ELSEWHERE).status_code == 429
    answer = log_in(api, place=ELSEWHERE, device=device)
    assert answer.status_code == 200
    assert me(api, answer.json()["device_token"]).status_code == 401, "it opens nothing"


def test_a_browser_carries_its_device_as_a_cookie(api: httpx.Client) -> None:
    register(api)
    cookie = log_in(api, place=ELSEWHERE).headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Path=/auth", "Max-Age=34560000"):
        assert part in cookie
    guess(api, 40)
    headers = from_place(ELSEWHERE) | {"cookie": cookie.partition(";")[0]}
    api.cookies.clear()
    form = {"username": "alice@example.org", "password": PASSWORD}
    assert api.post("/auth/login", data=form, headers=headers).status_code == 200


def test_a_device_has_a_count_of_its_own(api: httpx.Client) -> None:
    register(api)
    device = log_in(api, place=ELSEWHERE).json()["device_token"]
    wrong = [log_in(api, password="a wrong password", place=ELSEWHERE, device=device).status_code for _ in range(11)]
    assert wrong == [401] * 10 + [429]


def test_the_device_of_somebody_else_and_what_is_none_help_nobody(api: httpx.Client, services: Services) -> None:
    register(api)
    pair = pair_of(api, "bob@example.org")
    good = services.identities.device_of(log_in(api).json()["device_token"])
    assert good is not None
    foreign = Identities(services.db, bytes(32)).issue_device(good[0])
    expired = tokens.issue_device(bytes(range(32)), good[0], datetime.now(UTC) - timedelta(days=401))
    guess(api, 5)
    for device in (pair["device_token"], pair["access_token"], foreign, expired, "x", "a.b.c", "é", "x" * 5_000):
        answer = api.post(
            "/auth/login",
            data={"username": "alice@example.org", "password": PASSWORD},
            headers={**from_place(ELSEWHERE), "device-token": device.encode()},  # type: ignore[dict-item]
        )
        assert answer.status_code == 429, device


def test_an_account_that_does_not_exist_waits_alike(api: httpx.Client) -> None:
    assert guess(api, 6, email="nobody@example.org") == [401] * 5 + [429]


def test_guesses_side_by_side_learn_no_more_than_guesses_in_a_row(api: httpx.Client) -> None:
    register(api)
    answers = at_once(lambda _: log_in(api, password="a wrong password", place=ELSEWHERE), 20)
    assert [answer.status_code for answer in answers].count(401) == 5


def test_logins_side_by_side_with_the_right_password_all_pass(api: httpx.Client) -> None:
    register(api)
    assert {answer.status_code for answer in at_once(lambda _: log_in(api), 12)} == {200}


def test_a_success_clears_the_accounts_failures_there(api: httpx.Client) -> None:
    register(api)
    for _ in range(2):
        assert guess(api, 9, "127.0.0.1") == [401] * 9
        assert log_in(api).status_code == 200


def test_an_account_is_let_in_again_when_its_wait_is_over(api: httpx.Client, db: Database) -> None:
    register(api)
    guess(api, 5)
    with db.write() as conn:
        conn.execute(sa.update(tables.login_attempts).values(at=db.now() - timedelta(seconds=61)))
    assert log_in(api, place=ELSEWHERE).status_code == 200


def test_an_address_that_tries_many_accounts_must_wait(api: httpx.Client, db: Database) -> None:
    with db.write() as conn:
        for n in range(30):
            users.add_failure(conn, [f"account:user{n}@example.org", "address:127.0.0.1"], db.now())
    answer = log_in(api, "one.more@example.org")
    assert (answer.status_code, slug(answer)) == (429, "too-many-attempts")


def test_pruning_takes_what_expired_and_leaves_the_rest(api: httpx.Client, db: Database) -> None:
    pair = pair_of(api)
    later = db.now() + timedelta(days=29)
    with db.write() as conn:
        users.revoke(conn, "old", db.now())
        users.revoke(conn, "old", db.now())  # twice is once
        users.add_failure(conn, ["account:a"], db.now() - timedelta(hours=2))
        users.add_failure(conn, ["account:a"], db.now())
        assert users.prune(conn, db.now()) == 2
    assert refresh(api, pair["refresh_token"]).status_code == 200
    with db.write() as conn:
        assert users.prune(conn, later + timedelta(days=2)) == 4  # two tokens, a failure and a registration
        assert users.prune(conn, later + timedelta(days=180)) == 1  # where the user was seen


# passwords


def test_a_hash_of_older_parameters_is_replaced_at_the_next_login(api: httpx.Client, db: Database) -> None:
    register(api)
    weak = Argon2Hasher(1, 1024, 1).hash(PASSWORD)
    with db.write() as conn:
        conn.execute(sa.update(tables.users).values(password_hash=weak))
    assert log_in(api).status_code == 200
    with db.read() as conn:
        stored = conn.execute(sa.select(tables.users.c.password_hash)).scalar_one()
    assert stored.startswith("$argon2id$") and "m=19456,t=2,p=1" in stored
    assert log_in(api).status_code == 200


def test_an_account_without_a_usable_hash_cannot_log_in(api: httpx.Client, db: Database) -> None:
    register(api)
    with db.write() as conn:
        conn.execute(sa.update(tables.users).values(password_hash="!"))
    assert log_in(api).status_code == 401


def test_a_crowd_at_the_login_is_told_to_come_back() -> None:
    async def crowd() -> list[Any]:
        passwords = Passwords(Argon2Hasher(1, 1024, 1))
        return await asyncio.gather(
            *(passwords.check("x", None) for _ in range(MOST_WAITING + AT_ONCE)), return_exceptions=True
        )

    outcomes = asyncio.run(crowd())
    assert sum(isinstance(outcome, Busy) for outcome in outcomes) == AT_ONCE


# problems


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/nowhere", 404, "not-found"),
        ("/auth/login", 405, "method-not-allowed"),
        ("/boom/missing?secret=x", 404, "not-found"),
        ("/boom/limited?secret=x", 429, "rate-limited"),
        ("/boom/database?secret=x", 503, "database-unavailable"),
        ("/boom/pool?secret=x", 503, "database-unavailable"),
        ("/boom/bug", 422, "bad-input"),
    ],
)
def test_every_error_is_a_problem_with_a_stable_type(bare: httpx.Client, path: str, status: int, kind: str) -> None:
    answer = bare.get(path)
    assert (answer.status_code, slug(answer)) == (status, kind)
    if status == 405:
        assert answer.headers["allow"] == "POST"
    if status in (429, 503):
        assert 1 <= int(answer.headers["retry-after"]) <= 7


def test_a_defect_is_a_500_with_an_id_that_finds_it_in_the_log(bare: httpx.Client) -> None:
    with structlog.testing.capture_logs() as lines:
        answer = bare.get("/boom/bug?secret=hunter2")
    assert (answer.status_code, slug(answer)) == (500, "internal")
    assert "hunter2" not in answer.text and "RuntimeError" not in answer.text
    assert [line["request_id"] for line in lines if line["event"] == "unexpected error"] == [
        answer.json()["request_id"]
    ]


DEEP = b"[" * 900 + b"]" * 900


@pytest.mark.parametrize("path", ["/raw", "/typed"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", None),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"n": 1', 400),
        (DEEP, None),
        (b'{"n": 1e400}', 422),
        (b'{"n": "canary-value"}', 422),
        (b'{"n": 1, "more": "canary-value"}', 422),
        (b'["canary-value"]', 422),
    ],
)
def test_bad_json_is_refused_without_being_quoted(
    bare: httpx.Client, path: str, body: bytes, status: int | None
) -> None:
    answer = bare.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status or (status is None and answer.status_code in (400, 422)), answer.text
    assert slug(answer) in ("invalid-json", "bad-input", "bad-request")
    assert "canary" not in answer.text


@pytest.mark.parametrize("path", ["/raw", "/typed", "/nowhere", "/auth/register", "/auth/login"])
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_body_of_ten_megabytes_is_413_and_the_connection_lives_on(
    bare: httpx.Client, path: str, chunked: bool
) -> None:
    kind = "application/x-www-form-urlencoded" if path == "/auth/login" else "application/json"
    body = b"x" * 10_000_000
    content = (body[i : i + 65_536] for i in range(0, len(body), 65_536)) if chunked else body
    answer = bare.post(path, content=content, headers={"content-type": kind})
    if path == "/nowhere" and chunked:  # answered before the body was looked at
        assert answer.status_code == 404
    else:
        assert (answer.status_code, slug(answer)) == (413, "body-too-large")
        assert answer.json()["max_bytes"] == MAX_BODY_BYTES
    assert bare.get("/auth/me").status_code == 401


def test_a_body_within_the_limit_passes_in_chunks(bare: httpx.Client) -> None:
    answer = bare.post("/raw", content=iter([b'{"n": ', b"7", b"}"]), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()) == (200, 7)


def test_the_limit_holds_for_an_app_that_makes_something_else_of_it() -> None:
    async def swallows(scope: Any, receive: Any, send: Any) -> None:
        try:
            while (await receive()).get("more_body"):
                pass
        except problems.BodyTooLarge:
            await PlainTextResponse("fine")(scope, receive, send)

    with serving(problems.BodyLimit(swallows, MAX_BODY_BYTES)) as url:
        assert httpx.post(url, content=iter([b"x" * 5_000])).status_code == 413


def test_a_database_that_is_gone_is_503(bare: httpx.Client) -> None:
    answer = register(bare)
    assert (answer.status_code, slug(answer)) == (503, "database-unavailable")
    assert answer.headers["retry-after"] == "2"


def test_passwords_and_tokens_show_in_no_log_and_no_error(
    api: httpx.Client, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], db: Database
) -> None:
    caplog.set_level(logging.DEBUG)
    canary = "canary-password-1234"
    register(api, password=canary)
    pair = log_in(api, password=canary).json()
    register(api, password=canary)
    answers = [
        register(api, "no address", password=canary),
        api.post("/auth/register", json={"email": "b@example.org", "password": [canary]}),
        api.post("/auth/register", content=f'{{"password": "{canary}'.encode()),
        api.post("/auth/login", data={"username": canary, "password": canary}),
        api.post("/auth/login", data={"password": canary}),
        api.post("/auth/login", data={"username": "alice@example.org", "password": canary, "grant_type": canary}),
        me(api, pair["access_token"] + "x"),
        api.get("/auth/me", headers={"authorization": f"Basic {pair['access_token']}"}),
        api.post("/auth/refresh", json={"refresh_token": pair["refresh_token"], "more": canary}),
        api.post("/auth/refresh", json={"refresh_token": [pair["refresh_token"]]}),
    ]
    refresh(api, pair["refresh_token"])
    answers += [refresh(api, pair["refresh_token"]), me(api, pair["access_token"])]
    assert all(answer.status_code >= 400 for answer in answers), [answer.status_code for answer in answers]
    shown = "".join([*(answer.text + str(answer.headers) for answer in answers), caplog.text, *capfd.readouterr()])
    with db.read() as conn:
        stored = "".join(str(conn.execute(sa.select(table)).all()) for table in tables.metadata.sorted_tables)
    assert "its session was ended" in shown, "the log was looked at"
    for secret in (canary, pair["access_token"], pair["refresh_token"]):
        assert secret not in shown
        assert secret not in stored


def test_the_openapi_document_knows_the_doors(services: Services) -> None:
    document = application(services).openapi()
    assert {"/auth/register", "/auth/login", "/auth/refresh", "/auth/logout", "/auth/me"} <= document["paths"].keys()
    flow = document["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]["password"]
    assert flow["tokenUrl"] == "/auth/login"
