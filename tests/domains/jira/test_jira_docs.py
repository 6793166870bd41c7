"""The documentation asks for the scopes that the code needs, and its figures are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from llmcoder.registry import registry
from tasks.jira import drafting, tracker
from tasks.jira.commenting_actions import add_comment
from tasks.jira.connections import SCOPES
from tasks.jira.create_actions import create_issue
from tasks.jira.drafting_actions import MOST_COMMENTS
from tasks.jira.reading_actions import MOST_AT_ONCE
from tasks.jira.settings import JiraSettings
from tasks.jira.transition_actions import assign, transition
from tasks.jira.views import MAX_TEXT_CHARS

DOCS = (Path(__file__).parents[3] / "docs" / "jira.md").read_text(encoding="utf-8")


def test_the_scopes_are_those_that_are_asked_for() -> None:
    assert " ".join(SCOPES) in DOCS


def test_every_action_stands_there() -> None:
    for name in (one for one in registry() if one.startswith("jira.")):
        assert re.search(rf"`(jira\.|(GET|POST) /jira/){name.partition('.')[2]}`", DOCS), name


def test_every_setting_of_an_account_stands_there() -> None:
    internal = {"JIRA_OAUTH_URL", "JIRA_OAUTH_API_URL"}
    assert [name for name in JiraSettings.names() if name not in internal and f"`{name}`" not in DOCS] == []


def test_figures_are_those_of_the_code() -> None:
    waits = {int(one.timeout_s + one.settle_s) for one in (add_comment, transition, assign)}
    assert waits == {90} and create_issue.timeout_s + create_issue.settle_s == 150
    assert "only 90 seconds after it was sent (150 for an issue)" in DOCS
    assert f"- {MOST_AT_ONCE} issues at once" in DOCS
    assert f"up to {MAX_TEXT_CHARS:,} characters" in DOCS
    assert f"{drafting.DESCRIPTION_CHARS:,} characters of description" in DOCS
    assert f"comments up to {drafting.COMMENTS_CHARS:,} (of {MOST_COMMENTS})" in DOCS
    assert f"than {tracker.MOST_NOT_INDEXED} issues that no search knows" in DOCS
    assert f"more than {tracker.MOST_CANDIDATES} made" in DOCS
    assert f"first {tracker.MOST_METAS:,} fields" in DOCS
