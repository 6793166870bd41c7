"""A worker that is killed after JIRA did what it was asked, and before it heard so: found, and done once."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jira_kit import jira
from jira_server import EMAIL, TOKEN, Jira

from models.machine import State
from tasks.jira.commenting_actions import add_comment

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "integration"))

from engine_kit import Engine, engine_on, eventually  # noqa: E402

__all__ = ["jira"]


@pytest.fixture
def engine(jira: Jira, db_url: str, tmp_path: Path) -> Iterator[Engine]:
    account = {"JIRA_SERVER_URL": jira.url, "JIRA_EMAIL": EMAIL, "JIRA_API_TOKEN": TOKEN}
    with engine_on(Engine, db_url, tmp_path, **account) as made:
        yield made


def test_a_comment_that_was_posted_before_the_worker_was_killed_is_there_once(engine: Engine, jira: Jira) -> None:
    issue = jira.add("OPS", "The disk is full")
    jira.next("POST /issue", "do_then_silence")
    worker = engine.start_worker()
    job_id = engine.submit(add_comment, issue=issue.key, markdown="once")
    eventually(lambda: issue.comments, what="JIRA has the comment")
    assert not engine.job(job_id).ended
    worker.kill()
    worker.wait(10)
    engine.start_worker()
    done = engine.until(job_id, State.SUCCEEDED, State.FAILED, State.UNCERTAIN)

    assert done.state == State.SUCCEEDED, done
    assert json.loads(done.result or "")["comment_id"] == issue.comments[0].id
    assert len(issue.comments) == 1
    assert [method for method, _, _ in jira.seen if method != "GET"] == ["POST"]
