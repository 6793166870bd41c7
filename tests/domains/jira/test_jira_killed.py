"""A worker that is killed after JIRA did what it was asked, and before it heard so: found, and done once."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jira_kit import jira
from jira_server import EMAIL, TOKEN, Jira

from llmcoder.states import State
from tasks.jira.commenting_actions import add_comment
from tasks.jira.create_actions import create_issue
from tasks.jira.transition_actions import transition

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "integration"))

from engine_kit import Engine, engine_on, eventually  # noqa: E402

__all__ = ["jira"]


@pytest.fixture
def engine(jira: Jira, db_url: str, tmp_path: Path) -> Iterator[Engine]:
    account = {"JIRA_SERVER_URL": jira.url, "JIRA_EMAIL": EMAIL, "JIRA_API_TOKEN": TOKEN}
    with engine_on(Engine, db_url, tmp_path, **account) as made:
        yield made


@pytest.mark.slow("kills a worker and waits for its lease")
def test_what_jira_did_before_the_worker_was_killed_is_done_once(engine: Engine, jira: Jira) -> None:
    issue, moved = jira.add("OPS", "The disk is full"), jira.add("OPS", "The disk is loud")
    for where in (f"POST /issue/{issue.key}/comment", f"POST /issue/{moved.key}/transitions", "POST /issue"):
        jira.next(where, "do_then_silence")
    jira.indexes = False  # no search knows the new one
    worker = engine.start_worker()
    said = engine.submit(add_comment, issue=issue.key, markdown="once")
    started = engine.submit(transition, issue=moved.key, to="In Progress")
    made = engine.submit(create_issue, project="OPS", summary="A new disk", type="Task")
    eventually(
        lambda: issue.comments and len(jira.issues) == 3 and moved.status == "In Progress", what="JIRA has done all"
    )
    assert not any(engine.job(job_id).ended for job_id in (said, started, made))
    worker.kill()
    worker.wait(120)
    engine.start_worker()
    ended = [engine.until(job_id, State.SUCCEEDED, State.FAILED, State.UNCERTAIN) for job_id in (said, started, made)]

    assert [job.state for job in ended] == [State.SUCCEEDED] * 3, ended
    results = [json.loads(job.result or "") for job in ended]
    assert results[0]["comment_id"] == issue.comments[0].id
    assert (results[1]["status"], results[1]["before"]) == ("In Progress", "To Do")
    assert results[2]["issue"] == "OPS-3"
    assert (len(issue.comments), len(jira.issues)) == (1, 3)
    assert len([one for one in jira.asked("POST ") if "/search/jql" not in one]) == 3
