"""Every part of the engine looked at from outside, as it is this moment.

Nothing is changed: the data folder is not made, and a `.env` stays what it is.
The order is that of the causes: what is said first is to be mended first.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cli.account_checks import ask_accounts
from cli.configuration import unknown_names
from cli.engine import whole_config
from cli.errors import of_database
from cli.integrations import ask_all
from cli.results import Finding, broken, fine, note
from cli.up.preflight import LEAST_FREE_BYTES
from cli.up.reachable import is_live, listens
from engine.broker import EPOCH_KEY, QUEUES, for_kombu, is_redis, redis_client, transport_options
from engine.files.storage import Files
from llmcoder.config import Config
from llmcoder.config_file import ConfigError
from llmcoder.errors import ActionError, DeclarationError
from llmcoder.keyfile import KEY_BYTES
from llmcoder.registry import registry
from llmcoder.settings import EngineSettings
from llmcoder.states import State
from models.db.database import TRANSIENT_ERRORS, Database, UnsafeDatabase, safe_sqlite
from models.db.literals import literal
from models.db.migrate import is_current
from models.jobs import duties, known_actions
from models.jobs.claims import any_due, any_lost, workers_seen
from models.jobs.tables import jobs
from models.schedules import store as schedules

LEAST_PYTHON = (3, 11)
#: The oldest that redis-py and kombu still promise to speak with.
LEAST_REDIS = (6, 2)
LITTLE_FREE_BYTES = 1_000_000_000
WORKER_SEEN = timedelta(seconds=30)
#: The dispatcher looks twice a second; what is overdue for this long, nobody looks at.
OVERDUE = timedelta(seconds=60)
START = "Start the engine: `llmcoder up`."
#: Of a list of names so many are written out.
MOST_NAMED = 5


def examine() -> Iterator[Finding]:
    """Look at everything; what cannot be looked at because of an earlier finding is left out."""
    yield python()
    try:
        config = whole_config()
    except ConfigError as error:
        yield broken("configuration", error.detail)
        return
    except DeclarationError as error:
        yield broken("actions", str(error), "Correct or uninstall the package that declares it.")
        return
    settings = config.get(EngineSettings)
    yield from configuration(config)
    yield from folder(settings.data_dir)
    yield sqlite(settings.database_url)
    yield signing_key(settings.data_dir)
    yield from brokers(settings)
    yield from database(settings)
    yield file_store(settings)
    yield api(settings)
    yield flower_port(settings)
    yield from ask_all(config, registry().settings())
    yield from ask_accounts(config, registry())


def python() -> Finding:
    seen = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < LEAST_PYTHON:
        return broken("python", seen, "Install Python 3.11 or later.")
    return fine("python", seen)


def configuration(config: Config) -> Iterator[Finding]:
    if config.problems:
        yield broken("configuration", config.problems)
    for name, hint in unknown_names(config).items():
        yield note(
            "configuration", f"nothing reads {name} in {config.source}.{hint}", f"`llmcoder config unset {name}`"
        )
    env_file = Path(os.environ.get("ENV_FILE") or ".env")
    if config.source != config.path:
        yield note("configuration", f"{env_file} counts so far", "The first start makes config.json of it.")
    elif env_file.exists():
        yield note(
            "configuration", f"{env_file} is ignored, since {config.path} exists.", "Delete it; it holds secrets."
        )
    if not config.problems:
        yield fine("configuration", str(config.source) if config.source.exists() else f"no {config.path}: defaults")


def folder(data_dir: Path) -> Iterator[Finding]:
    data_dir = data_dir.absolute()
    if not data_dir.exists():
        yield note("data folder", f"{data_dir} is not there yet", START)
        return
    if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        remedy = f"User {os.geteuid()} must be able to read and write it; or set DATA_DIR to another folder."
        yield broken("data folder", f"{data_dir} cannot be read and written", remedy)
    status, free_bytes = data_dir.stat(), shutil.disk_usage(data_dir).free
    seen = f"{data_dir}, {free_bytes / 1e9:.1f} GB free"
    if free_bytes < LEAST_FREE_BYTES:
        yield broken("data folder", seen, "Free some space, or move the folder and set DATA_DIR.")
    elif free_bytes < LITTLE_FREE_BYTES:
        yield note("data folder", seen, "Free some space soon; without any, no job is accepted.")
    else:
        yield fine("data folder", seen)
    if status.st_mode & 0o077:
        yield note("data folder", f"others may enter it (mode {status.st_mode & 0o777:o})", f"chmod 700 {data_dir}")
    if status.st_uid != os.geteuid():
        yield note("data folder", f"it belongs to user {status.st_uid}", "Run the engine as its owner.")


def sqlite(database_url: str) -> Finding:
    try:
        found = safe_sqlite()
    except UnsafeDatabase as error:
        kind = broken if database_url.startswith("sqlite") else note
        return kind("sqlite", str(error))
    return fine("sqlite", f"{found.sqlite_version} ({found.__name__.partition('.')[0]})")


def signing_key(data_dir: Path) -> Finding:
    path = data_dir.absolute() / "signing.key"
    if not path.exists():
        return note("signing key", f"{path} is not there yet", "The API makes it at its first start.")
    if path.stat().st_size != KEY_BYTES:
        return broken("signing key", f"{path} does not hold {KEY_BYTES} bytes", "Delete it; everybody logs in again.")
    if path.stat().st_mode & 0o077:
        return note("signing key", f"others may read {path}", f"chmod 600 {path}")
    return fine("signing key", str(path))


# --- broker


def brokers(settings: EngineSettings) -> Iterator[Finding]:
    """The broker, and the Redis of the push where that is another one."""
    remedy = START if settings.redis_is_embedded else "Start it, or correct the address in REDIS_URL and BROKER_URL."
    if is_redis(settings.broker_url):
        yield from _redis("broker", settings.broker_url, remedy)
        return
    yield _broker_by_kombu(settings.broker_url)
    yield from _redis("redis", settings.redis_url, remedy)


def _redis(part: str, url: str, remedy: str) -> Iterator[Finding]:
    import redis

    client = redis_client(url)
    try:
        version = str(client.info("server")["redis_version"])
        policy = _policy(client)
    except redis.RedisError as error:
        yield broken(part, f"does not answer: {error}", remedy)
        return
    finally:
        client.close()
    if tuple(int(number) for number in version.split(".")[:2]) < LEAST_REDIS:
        yield note(part, f"Redis {version} is old", "Take 6.2 or later.")
    if policy not in (None, "noeviction"):
        yield note(
            part, f"maxmemory-policy is {policy}", "Set it to noeviction, or doorbells get lost and jobs start late."
        )
    yield fine(part, f"Redis {version}")


def _policy(client: Any) -> str | None:
    """What Redis drops when it is full; None where the server does not say (hosted ones refuse CONFIG)."""
    import redis

    try:
        found: dict[str, str] = client.config_get("maxmemory-policy")
    except redis.ResponseError:
        return None
    return found.get("maxmemory-policy")


def _broker_by_kombu(url: str) -> Finding:
    from kombu import Connection

    connection = Connection(for_kombu(url), connect_timeout=2, transport_options=transport_options(url))
    try:
        connection.connect()
    except (*connection.connection_errors, *connection.channel_errors, OSError) as error:
        return broken("broker", f"does not answer: {error}", "Start it, or correct the address in BROKER_URL.")
    finally:
        connection.close()
    return fine("broker", str(connection.transport.driver_type))


# --- database, and those who write in it


def database(settings: EngineSettings) -> Iterator[Finding]:
    """The database, the workers that it saw, and whether somebody looks after what is due."""
    db = Database(settings.database_url, pool_size=1)
    where = db.url.render_as_string(hide_password=True)
    if db.is_sqlite and not Path(db.url.database or "").exists():
        yield broken("database", f"{where} is not there", f"`llmcoder migrate`, or: {START}")
        return
    try:
        with closing(db):
            yield from _database(db, where, settings)
    except UnsafeDatabase:
        return  # said above
    except (*TRANSIENT_ERRORS, sa.exc.ProgrammingError) as error:
        yield broken("database", of_database(error))


def _database(db: Database, where: str, settings: EngineSettings) -> Iterator[Finding]:
    from alembic.util import CommandError

    try:
        current = is_current(db)
    except CommandError as error:
        yield broken("database", f"{where}: {error}", "Its tables are newer than this code: install that version.")
        return
    if not current:
        yield broken("database", f"{where} has no tables yet, or older ones", "`llmcoder migrate`")
        return
    yield fine("database", where)
    now = db.now()
    with db.read() as conn:
        yield from workers(conn, now)
        yield from unknown_actions(conn, now)
        yield scheduler(conn, now, settings)
        yield from duties_of(conn, now)


def workers(conn: sa.Connection, now: datetime) -> Iterator[Finding]:
    """Every queue that some action needs has one."""
    seen = workers_seen(conn, now - WORKER_SEEN)
    needed = {action.queue.value for action in registry().facts.values()}
    for queue in QUEUES:
        part = f"worker {queue}"
        names = [worker.name for worker in seen if worker.queue == queue]
        if names:
            yield fine(part, f"{len(names)} seen in the last {WORKER_SEEN.seconds} s")
        else:
            kind = broken if queue in needed else note
            yield kind(
                part, f"none seen in the last {WORKER_SEEN.seconds} s", f"{START} Or one: `llmcoder worker {queue}`."
            )


def unknown_actions(conn: sa.Connection, now: datetime) -> Iterator[Finding]:
    """What waits since nobody who runs knows its action, and workers that do not all know the same."""
    remedy = "Start workers of the version, or with the package, that declares it. What waits then runs by itself."
    known = known_actions.read(conn, now)
    for (queue, action), number in sorted(known_actions.counts(conn, known).items()):
        yield broken(f"worker {queue}", f"no running worker knows {action}, and {number} of its jobs wait", remedy)
    for action, number in schedules.due_of_unknown(conn, now - OVERDUE, known):
        what = f"{number} schedules of {action} are due, and no running worker knows it"
        yield broken("scheduler", what, f"{remedy} Start such a scheduler as well.")
    for queue, one in sorted(known.items()):
        if some := sorted(one.by_any - one.by_all):
            names = ", ".join(some[:MOST_NAMED]) + (
                f" and {len(some) - MOST_NAMED} more" if len(some) > MOST_NAMED else ""
            )
            yield note(
                f"worker {queue}", f"only some of its workers know {names}", "Nothing; an upgrade under way ends it."
            )


def scheduler(conn: sa.Connection, now: datetime, settings: EngineSettings) -> Finding:
    """It leaves two traces: a mark in every Redis that it saw, and nothing that is overdue."""
    remedy = f"{START} Or it alone: `llmcoder scheduler`."
    then = now - OVERDUE
    never_rung = sa.select(jobs.c.id).where(
        jobs.c.state == literal(State.QUEUED), jobs.c.rung_at.is_(None), jobs.c.due_at < then
    )
    for overdue, what in (
        (any_due(conn, then), "jobs are due and not queued"),
        (any_lost(conn, then), "jobs of dead workers are not rescued"),
    ):
        if overdue:
            return broken("scheduler", f"{what}, for more than {OVERDUE.seconds} s", remedy)
    if _marked(settings.broker_url) is False:
        return broken("scheduler", "it has not run since the broker started", remedy)
    if conn.execute(never_rung.limit(1)).first() is not None:
        return note("scheduler", "jobs wait without a doorbell", "Nothing, while the workers are busy; else: " + remedy)
    return fine("scheduler", "nothing is overdue")


def duties_of(conn: sa.Connection, now: datetime) -> Iterator[Finding]:
    """What the schedulers get nothing done of, and why."""
    known = duties.read(conn)
    late = [duty for duty in known if duty.late(now)]
    for duty in late:
        yield broken("duties", duty.trouble(now), "The scheduler's log has the reason; restarting it is safe.")
    if known and not late:
        yield fine("duties", f"all {len(known)} of the scheduler are done in time")


def _marked(broker_url: str) -> bool | None:
    """Whether a dispatcher left its mark in the broker; None where there is none to leave, or none to ask."""
    import redis

    if not is_redis(broker_url):
        return None
    client = redis_client(broker_url)
    try:
        return bool(client.exists(EPOCH_KEY))
    except redis.RedisError:
        return None
    finally:
        client.close()


# --- files


def file_store(settings: EngineSettings) -> Finding:
    """Writes, reads and removes a little where files are kept; a folder that holds none yet is not made for that."""
    where = settings.file_store_url
    db = Database(settings.database_url, pool_size=1)
    try:
        with closing(db):
            files = Files(db, lambda: settings)
            if not files.has_begun():
                files.look()
                return fine("files", f"{where}, where nothing is kept yet")
            files.check()
    except (ActionError, UnsafeDatabase) as error:
        return broken("files", f"{where}: {error}")
    except (*TRANSIENT_ERRORS, sa.exc.ProgrammingError):
        return note("files", f"{where} was not looked at, since the database cannot be read")
    return fine("files", f"{where} takes files and gives them back")


# --- doors


def api(settings: EngineSettings) -> Finding:
    if settings.api_port == 0:
        return note("api", "API_PORT is 0, so only its log says where it listens", "Set API_PORT to have it looked at.")
    where = f"{settings.api_host}:{settings.api_port}"
    if is_live(settings.api_host, settings.api_port):
        return fine("api", f"answers at {where}")
    remedy = f"{START} If another program has the port, set API_PORT to another one."
    return broken("api", f"does not answer at {where}", remedy)


def flower_port(settings: EngineSettings) -> Finding:
    where = f"{settings.flower_host}:{settings.flower_port}"
    if settings.flower_host not in ("127.0.0.1", "::1", "localhost"):
        return note("flower", f"listens on {where}, where other machines may reach it", "Set FLOWER_HOST to 127.0.0.1.")
    if not listens(settings.flower_host, settings.flower_port):
        return note("flower", f"does not answer at {where}; jobs run without it", START)
    return fine("flower", f"answers at {where}")
