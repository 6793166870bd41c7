"""What the suites about hostile and foreign callers share: one served API with its accounts, for a whole module."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parent.parent / "integration"))

from served import Served, serving

from api import actions
from llmcoder.config import Config, use
from llmcoder.context import User
from models import users
from models.db import Database, database
from models.tables import users as accounts


@pytest.fixture(scope="module")
def served(module_db_url: str, redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The real application with the test actions and no worker; its users are `root`, an administrator, and `alice`."""
    folder = tmp_path_factory.mktemp("served")
    with closing(redis.Redis.from_url(redis_server)) as client:
        client.flushall()
    own = Config.open({"DATA_DIR": str(folder / "data"), "DATABASE_URL": module_db_url}, cwd=folder)
    with (
        pytest.MonkeyPatch.context() as patch,
        use(own),
        closing(database()),  # the one of the process, which collections ask
        closing(Database(module_db_url)) as db,
    ):
        patch.setattr(actions, "READ_WAIT_S", 0)  # there is no worker to wait for
        with serving(db, redis_server, folder) as served:
            served.users.update(root=account(db, "root@example.org", is_admin=True), alice=account(db, "a@example.org"))
            yield served


def account(db: Database, email: str, *, is_admin: bool = False) -> User:
    """A user who may own anything and cannot log in with a password."""
    with db.write() as conn:
        made = users.register(conn, email, "!", db.now(), open_to_all=True)
        conn.execute(sa.update(accounts).where(accounts.c.id == made.id).values(is_admin=is_admin))
    return User(id=made.id, email=email)
