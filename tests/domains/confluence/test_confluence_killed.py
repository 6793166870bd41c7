"""A worker that is killed after Confluence did what it was asked, and before it heard so: found, and done once."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluence_server import EMAIL, TOKEN, Confluence
from site_kit import confluence

from llmcoder.states import State
from tasks.confluence.writing_actions import append_section, create_page

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "integration"))

from engine_kit import Engine, engine_on, eventually  # noqa: E402

__all__ = ["confluence"]


@pytest.fixture
def engine(confluence: Confluence, db_url: str, tmp_path: Path) -> Iterator[Engine]:
    account = {"CONFLUENCE_URL": confluence.url, "CONFLUENCE_EMAIL": EMAIL, "CONFLUENCE_API_TOKEN": TOKEN}
    with engine_on(Engine, db_url, tmp_path, **account) as made:
        yield made


@pytest.mark.slow("kills a worker and waits for its lease")
def test_a_page_and_a_section_that_were_made_before_the_worker_was_killed_are_there_once(
    engine: Engine, confluence: Confluence
) -> None:
    kept = confluence.add("OPS", "Log", "<p>old</p>")
    for method in ("POST", "PUT"):
        confluence.next(method, "do_then_silence")
    worker = engine.start_worker()
    new = engine.submit(create_page, space="OPS", title="New", markdown="once")
    section = engine.submit(append_section, page=kept.id, markdown="once")
    eventually(lambda: confluence.titled("New") and len(kept.versions) == 2, what="Confluence has done both")
    assert not engine.job(new).ended
    worker.kill()
    worker.wait(120)
    engine.start_worker()
    made, added = (engine.until(job_id, State.SUCCEEDED, State.FAILED, State.UNCERTAIN) for job_id in (new, section))

    assert (made.state, added.state) == (State.SUCCEEDED, State.SUCCEEDED), (made, added)
    assert json.loads(made.result or "")["page_id"] == confluence.titled("New")[0].id
    assert json.loads(added.result or "")["version"] == 2
    assert len(confluence.titled("New")) == 1
    assert kept.now.storage == "<p>old</p><p>once</p>"
    assert sorted(method for method, _, _ in confluence.seen if method != "GET") == ["POST", "PUT"]
