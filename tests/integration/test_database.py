"""The configured database of a process: one, and never a parent's."""

from __future__ import annotations

import os

import pytest
import sqlalchemy as sa

from models.db import database

pytestmark = pytest.mark.usefixtures("configured")


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
