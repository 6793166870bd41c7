"""Every action, and each way in which JIRA can refuse it at the request that matters: the error names the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from jira_kit import KINDS, context, jira
from jira_server import Jira
from pydantic import SecretStr

from llmcoder.declare.action import Action
from llmcoder.errors import (
    ActionError,
    BadInput,
    Forbidden,
    NeedsReconnect,
    NotFound,
    RateLimited,
    Transient,
    Uncertain,
)
from llmcoder.language import LanguageModel
from llmcoder.registry import registry
from llmcoder.testing import run_action
from tasks.jira import actions
from tasks.jira.account import JiraAccount
from tasks.jira.errors import IssueConflict

__all__ = ["jira"]

both = pytest.mark.parametrize("kind", KINDS)


@dataclass(frozen=True)
class Case:
    """An action, what it is given, and the request at which JIRA refuses."""

    action: Action[Any, Any]
    given: dict[str, Any]
    where: str

    @property
    def writes(self) -> bool:
        return self.action.effect.writes


CASES = [
    Case(actions.issues, {}, "POST /search"),
    Case(actions.search, {"project": "OPS", "assignee": "me"}, "POST /search"),
    Case(actions.issue, {"issue": "OPS-1"}, "/comment"),
    Case(actions.draft_comment, {"issue": "OPS-1"}, "GET /issue"),
    Case(actions.summarize, {"issue": "OPS-1"}, "/comment"),
    Case(actions.add_comment, {"issue": "OPS-1", "markdown": "x"}, "POST /issue/OPS-1/comment"),
    Case(actions.delete_comment, {"issue": "OPS-1", "comment_id": "1"}, "DELETE"),
    Case(actions.create_issue, {"project": "OPS", "summary": "x"}, "POST /issue"),
    Case(actions.transition, {"issue": "OPS-1", "to": "In Progress"}, "POST /issue/OPS-1/transitions"),
    Case(actions.assign, {"issue": "OPS-1", "assignee": "bert@example.org"}, "PUT"),
    Case(actions.restore_assignee, {"issue": "OPS-1", "assignee_id": "none"}, "PUT"),
]
every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.action.verb)
REFUSALS: dict[int, type[ActionError]] = {
    400: BadInput,
    401: NeedsReconnect,
    403: Forbidden,
    404: NotFound,
    409: IssueConflict,
    429: RateLimited,
    500: Uncertain,
    503: Uncertain,
}


class NoModel(LanguageModel):
    """Is never asked: JIRA refuses before."""

    def configured(self) -> bool:
        return True

    def complete(self, messages: Any, **_more: Any) -> Any:
        raise AssertionError("the model was asked")

    def can_embed(self) -> bool:
        return False

    def embed(self, texts: Any) -> Any:
        raise AssertionError("the model was asked")


def raised(jira: Jira, case: Case, kind: str, **more: Any) -> ActionError | None:
    jira.issues.clear()
    jira.add("OPS", "The disk is full")
    jira.seen.clear()
    ctx = context(jira, kind, services=[NoModel()], **more)
    try:
        run_action(case.action, case.given, ctx)
    except ActionError as error:
        assert "credentials" in more or bool(ctx.markers) == case.writes, "armed before it may have happened"
        return error
    return None


def test_every_action_is_here() -> None:
    assert {case.action.name for case in CASES} == {name for name in registry() if name.startswith("jira.")}


@both
@every
def test_each_refusal_names_its_remedy_and_is_not_repeated(jira: Jira, kind: str, case: Case) -> None:
    for status, error in REFUSALS.items():
        expected = Transient if error is Uncertain and not case.writes else error
        if case.action is actions.delete_comment and status == 404:
            expected = None  # it is gone already
        jira.next(case.where, "refuse", status, **({"retry_after": "3"} if status == 429 else {}))
        found = raised(jira, case, kind)
        assert (type(found) if found else None) is expected, (status, found)
        assert jira.faults == []
        sent = [f"{method} {target}" for method, target, _ in jira.seen if method in ("PUT", "DELETE")]
        assert len(sent) <= 1


@both
@every
def test_a_busy_site_has_done_nothing(jira: Jira, kind: str, case: Case) -> None:
    jira.next(case.where, "refuse", 503, retry_after="3")
    assert type(raised(jira, case, kind)) is Transient


@both
@every
def test_a_refused_connection_has_done_nothing(jira: Jira, kind: str, case: Case, refused_url: str) -> None:
    email = "ada@example.org" if kind == "cloud" else None
    account = JiraAccount(site=refused_url, token=SecretStr("t"), email=email)
    assert type(raised(jira, case, kind, credentials=account)) is Transient


@both
@every
def test_a_connection_that_breaks_after_sending_may_have_done_it(jira: Jira, kind: str, case: Case) -> None:
    jira.next(case.where, "drop")
    assert type(raised(jira, case, kind)) is (Uncertain if case.writes else Transient)


@every
def test_silence_after_sending_may_have_done_it(jira: Jira, case: Case) -> None:
    jira.next(case.where, "silence")
    assert type(raised(jira, case, "cloud", timeout_s=3.5)) is (Uncertain if case.writes else Transient)
