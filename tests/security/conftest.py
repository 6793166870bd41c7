"""What the suites about hostile and foreign callers share: one served API with its accounts, for a whole module."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

sys.path.insert(0, str(Path(__file__).parent.parent / "integration"))

from accounts import account
from served import Served, serving

from api.routes import actions
from llmcoder.config import Config, use
from models.db.database import Database, database


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
            served.users.update(
                root=account(db, "root@example.org", is_admin=True), alice=account(db, "alice@example.org")
            )
            yield served
