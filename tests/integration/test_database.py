"""The database of a process: the configured one is one and never a parent's, and instants come back as they went."""

from __future__ import annotations

import os
from contextlib import closing

import pytest
import sqlalchemy as sa

from llmcoder.ids import new_id
from models.accounts.tables import login_attempts
from models.db import batch
from models.db.database import Database, database

pytestmark = [pytest.mark.both_stores, pytest.mark.usefixtures("configured")]


def test_a_process_has_one_configured_database():
    assert database() is database()


def test_a_forked_child_has_a_database_of_its_own_and_leaves_the_parents_alone():
    ours = database()
    with ours.read() as conn:  # a pooled connection that the child inherits
        conn.execute(sa.text("SELECT 1"))
    child = os.fork()
    if child == 0:
        theirs = database()
        with theirs.read() as conn:
            answered = conn.execute(sa.text("SELECT 1")).scalar_one() == 1
        os._exit(0 if answered and theirs is not ours else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    with ours.read() as conn:
        assert conn.execute(sa.text("SELECT 1")).scalar_one() == 1


def test_instants_of_a_batch_are_kept_as_they_are_whatever_zone_the_server_lives_in(db: Database, db_url: str):
    if not db.is_sqlite:
        with db.write() as conn:
            conn.execute(sa.text(f"ALTER DATABASE {sa.make_url(db_url).database} SET timezone TO 'Asia/Kolkata'"))
        db.close()  # the zone is given to new connections
    now = db.now()
    with db.write() as conn:
        batch.insert_new(conn, login_attempts, [{"id": new_id(), "subject": "account:x", "at": now}])
    with db.read() as conn:
        assert conn.execute(sa.select(login_attempts.c.at)).scalar_one() == now


def test_a_new_connection_does_not_wait_for_a_transaction_that_writes(db: Database, db_url: str):
    with db.write() as conn, closing(Database(db_url)) as another:
        conn.execute(sa.insert(login_attempts).values(id=new_id(), subject="account:x", at=db.now()))
        with another.read() as reading:  # 30 s, and an error, where opening it waits
            assert reading.execute(sa.select(sa.func.count()).select_from(login_attempts)).scalar_one() == 0
