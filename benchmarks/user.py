"""The user whose jobs a benchmark runs, over HTTP or straight in SQL, and what SQL says of those jobs."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from uuid import UUID, uuid4

import sqlalchemy as sa

from benchmarks.harness import BenchError, wait_for
from benchmarks.load import post
from models.accounts.tables import revisions, users
from models.accounts.users import register
from models.db.database import Database
from models.jobs.tables import jobs

PASSWORD = "a benchmark's password"
#: Accepted, started, succeeded: each transition takes one of the user's revisions.
REVISIONS_OF_A_JOB = 3


def log_in(port: int) -> str:
    """Register over HTTP and return an access token."""
    email = _new_email()
    _ask(port, post("/auth/register", {"email": email, "password": PASSWORD}), 201)
    form = {"username": email, "password": PASSWORD}
    token: str = _ask(port, post("/auth/login", form, form=True), 200)["access_token"]
    return token


def add_user(db: Database) -> UUID:
    """A user who never logs in."""
    with db.write() as conn:
        return register(conn, _new_email(), "!", db.now(), open_to_all=True).id


def _new_email() -> str:
    return f"{uuid4().hex}@example.org"


def only_user(db: Database) -> UUID:
    with db.read() as conn:
        user_id: UUID = conn.execute(sa.select(users.c.id)).scalar_one()
        return user_id


def count_jobs(db: Database, *conditions: sa.ColumnElement[bool]) -> int:
    with db.read() as conn:
        n: int = conn.execute(sa.select(sa.func.count()).select_from(jobs).where(*conditions)).scalar_one()
        return n


def wait_until_all_succeeded(db: Database, user_id: UUID, expected: int, within_s: float) -> None:
    """Wait for the user's jobs to end, asking SQL for nothing but the user's counter; then count them.

    Raises:
        BenchError: They did not end in time, or not all succeeded.
    """
    newest = sa.select(revisions.c.rev).where(revisions.c.user_id == user_id)

    def all_ended() -> bool:
        with db.read() as conn:
            return bool(conn.execute(newest).scalar_one() >= REVISIONS_OF_A_JOB * expected)

    wait_for(all_ended, within_s, what=f"the end of {expected} jobs")
    found = count_jobs(db, jobs.c.user_id == user_id, jobs.c.state == "succeeded")
    if found != expected:
        raise BenchError(f"{found} jobs succeeded and {expected} should have")


def _ask(port: int, request: bytes, status: int) -> dict[str, str]:
    head, _, content = request.partition(b"\r\n\r\n")
    method_line, *lines = head.decode().split("\r\n")
    method, path, _ = method_line.split(" ")
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path, content, dict(line.split(": ", 1) for line in lines))
        answer = connection.getresponse()
        body = answer.read()
    if answer.status != status:
        raise BenchError(f"{method_line}: {answer.status} {body[:500]!r}")
    return json.loads(body)  # type: ignore[no-any-return]
