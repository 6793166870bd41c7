"""What each action asks of JIRA: which calls, and how many, on Cloud and on a Data Center."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from jira_kit import context, jira
from jira_server import Jira

from llmcoder.language import Completion, LanguageModel
from llmcoder.registry import discover
from llmcoder.testing import run_action
from tasks.jira.actions import (
    add_comment,
    assign,
    create_issue,
    delete_comment,
    draft_comment,
    issue,
    issues,
    restore_assignee,
    search,
    summarize,
    transition,
)

__all__ = ["jira"]

GIST = '{"summary": "s", "decisions": [], "open_questions": [], "blocked_by": [], "next_steps": []}'
ISSUE, COMMENTS, MYSELF = "GET issue/KEY", "GET issue/KEY/comment", "GET myself"
PEOPLE = "GET user/assignable/search"


class Model(LanguageModel):
    """Answers anything."""

    def configured(self) -> bool:
        return True

    def complete(self, messages: Any, **_more: Any) -> Completion:
        return Completion(GIST, "test", "tiny-1", 1, 1)

    def can_embed(self) -> bool:
        return False

    def embed(self, texts: Any) -> Any:
        raise NotImplementedError


def calls(jira: Jira, kind: str, action: Any, given: dict[str, Any]) -> list[str]:
    """The calls that it made, each without what it is about."""
    jira.seen.clear()
    run_action(action, given, context(jira, kind, services=[Model()]))
    return [re.sub(r"(?<=/)([A-Z]+-\d+)|(?<=createmeta/)\w+|(?<=/)\d{3,}", "KEY", _below(one)) for one in jira.asked()]


def _below(asked: str) -> str:
    method, target = asked.split(" ", 1)
    return f"{method} {re.sub(r'^.*/rest/api/[23]/', '', target.partition('?')[0])}"


def said(jira: Jira) -> dict[str, Any]:
    """Which comment: one of ours."""
    return {"comment_id": jira.say("OPS-1", "x", by="ada").id}


def nothing(_jira: Jira) -> dict[str, Any]:
    return {}


#: Action, input, what is there before and belongs to the input, calls on Cloud, those on a Data Center if others.
CALLS: list[tuple[Any, dict[str, Any], Callable[[Jira], dict[str, Any]], list[str], list[str] | None]] = [
    (issues, {}, nothing, ["POST search/jql"], ["POST search"]),
    (issues, {"limit": 100}, nothing, ["POST search/jql"], ["POST search"]),
    (search, {"text": "disk"}, nothing, ["POST search/jql"], ["POST search"]),
    (search, {"assignee": "me"}, nothing, ["POST search/jql"], ["POST search"]),
    (issue, {"issue": "OPS-1"}, nothing, [ISSUE, COMMENTS], None),
    (add_comment, {"issue": "OPS-1", "markdown": "x"}, nothing, ["POST issue/KEY/comment"], None),
    (delete_comment, {"issue": "OPS-1"}, said, [ISSUE, "DELETE issue/KEY/comment/KEY"], None),
    (create_issue, {"project": "OPS", "summary": "x"}, nothing,
     ["GET issue/createmeta/KEY/issuetypes", "GET issue/createmeta/KEY/issuetypes/KEY", "POST issue"], None),
    (create_issue, {"project": "OPS", "summary": "x", "assignee": "bert@example.org"}, nothing,
     ["GET issue/createmeta/KEY/issuetypes", "GET issue/createmeta/KEY/issuetypes/KEY", PEOPLE, "POST issue"], None),
    (transition, {"issue": "OPS-1", "to": "In Progress"}, nothing,
     [ISSUE, "GET issue/KEY/transitions", "POST issue/KEY/transitions"], [ISSUE, ISSUE, "POST issue/KEY/transitions"]),
    (assign, {"issue": "OPS-1", "assignee": "bert@example.org"}, nothing,
     [ISSUE, PEOPLE, "PUT issue/KEY/assignee"], None),
    (assign, {"issue": "OPS-1", "assignee": "me"}, nothing, [ISSUE, MYSELF], None),
    (assign, {"issue": "OPS-1", "assignee": "none"}, nothing, [ISSUE, "PUT issue/KEY/assignee"], None),
    (restore_assignee, {"issue": "OPS-1", "assignee_id": "none"}, nothing, [ISSUE, "PUT issue/KEY/assignee"], None),
    (draft_comment, {"issue": "OPS-1"}, nothing, [ISSUE, COMMENTS, MYSELF], None),
    (summarize, {"issue": "OPS-1"}, nothing, [ISSUE, COMMENTS], None),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["cloud", "data_center"])
@pytest.mark.parametrize(("action", "given", "before", "cloud", "data_center"), CALLS)
def test_an_action_makes_these_calls(
    jira: Jira, kind: str, action: Any, given: dict[str, Any], before: Callable[[Jira], dict[str, Any]],
    cloud: list[str], data_center: list[str] | None,
) -> None:  # fmt: skip
    jira.add("OPS", "The disk is full")
    made = calls(jira, kind, action, given | before(jira))
    assert made == (cloud if kind == "cloud" or data_center is None else data_center)


def test_every_action_of_the_domain_is_counted_here() -> None:
    assert {one[0].name for one in CALLS} == {one.name for one in discover() if one.name.startswith("jira.")}
