"""Comments posted: once, known again when the answer is lost, and taken back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from jira_kit import KINDS, context, jira
from jira_server import Jira, KeptIssue

from llmcoder.errors import NotFound, Uncertain
from llmcoder.testing import FakeContext, run_action
from tasks.jira.adf import text_of
from tasks.jira.commenting_actions import NewComment, add_comment, delete_comment, find_comment

__all__ = ["jira"]

both = pytest.mark.parametrize("kind", KINDS)
lost = pytest.mark.parametrize(("kind", "does"), [("cloud", "do_then_silence"), ("data_center", "do_then_drop")])


@pytest.fixture
def issue(jira: Jira) -> KeptIssue:
    return jira.add("OPS", "The disk is full")


def given(issue: KeptIssue, markdown: str = "All **green** again.") -> dict[str, Any]:
    return {"issue": issue.key, "markdown": markdown}


def next_attempt(jira: Jira, kind: str, ctx: FakeContext) -> FakeContext:
    """The next attempt of the same job."""
    following = context(jira, kind, job_id=ctx.job_id)
    following.markers = list(ctx.markers)
    return following


def looked_for(jira: Jira, kind: str, ctx: FakeContext, issue: KeptIssue) -> Any:
    return find_comment(NewComment.model_validate(given(issue)), ctx.markers[-1], next_attempt(jira, kind, ctx))


@both
def test_a_comment_is_posted_in_the_sites_own_format(jira: Jira, kind: str, issue: KeptIssue) -> None:
    run = run_action(add_comment, given(issue), context(jira, kind))
    (kept,) = issue.comments
    said = text_of(kept.body) if kind == "cloud" else kept.body
    assert said == ("All **green** again." if kind == "cloud" else "All *green* again.")
    assert (run.result.comment_id, run.result.author, run.result.issue) == (kept.id, "Ada Lovelace", issue.key)
    assert run.result.url.endswith(f"/browse/{issue.key}?focusedCommentId={kept.id}")
    assert str(run.context.job_id) in str(kept.properties)


@lost
def test_a_comment_whose_answer_is_lost_is_found_by_its_property(
    jira: Jira, kind: str, does: str, issue: KeptIssue
) -> None:
    ctx = context(jira, kind, timeout_s=4.0)
    jira.next("POST", does)
    with pytest.raises(Uncertain):
        run_action(add_comment, given(issue), ctx)
    for number in range(120):  # more than come at once
        jira.say(issue.key, f"later {number}")
    found = looked_for(jira, kind, ctx, issue)
    assert found.comment_id == issue.comments[0].id


@pytest.mark.parametrize(("kind", "does"), [("cloud", "drop"), ("data_center", "silence")])
def test_a_comment_that_was_not_posted_is_not_found(jira: Jira, kind: str, does: str, issue: KeptIssue) -> None:
    ctx = context(jira, kind, timeout_s=4.0)
    jira.next("POST", does)
    with pytest.raises(Uncertain):
        run_action(add_comment, given(issue), ctx)
    run_action(add_comment, given(issue), context(jira, kind))  # the same words, by another job
    assert looked_for(jira, kind, ctx, issue) is None


@both
def test_a_list_that_tells_no_properties_is_asked_for_each(jira: Jira, kind: str, issue: KeptIssue) -> None:
    ctx = context(jira, kind)
    jira.tells_properties = False
    jira.say(issue.key, "hello", by="bert")
    run_action(add_comment, given(issue), context(jira, kind))  # the same words, by another job
    jira.next("POST", "do_then_drop")
    with pytest.raises(Uncertain):
        run_action(add_comment, given(issue), ctx)
    assert looked_for(jira, kind, ctx, issue).comment_id == issue.comments[2].id
    assert len(jira.asked("/properties/llmcoder")) == 1  # newest first, and not of what others wrote


def test_a_data_center_without_properties_is_asked_by_author_and_text(jira: Jira, issue: KeptIssue) -> None:
    ctx = context(jira, "data_center")
    jira.keeps_properties = False
    jira.say(issue.key, "All *green* again.", by="bert")
    jira.next("POST", "do_then_drop")
    with pytest.raises(Uncertain):
        run_action(add_comment, given(issue), ctx)
    assert looked_for(jira, "data_center", ctx, issue).comment_id == issue.comments[1].id
    issue.comments[1].at -= timedelta(days=2)
    assert looked_for(jira, "data_center", ctx, issue) is None


@both
def test_looking_ends_where_comments_are_too_old(jira: Jira, kind: str, issue: KeptIssue) -> None:
    for number in range(250):
        jira.say(issue.key, f"old {number}").at -= timedelta(days=9, minutes=-number)
    ctx = context(jira, kind)
    jira.next("POST", "drop")
    with pytest.raises(Uncertain):
        run_action(add_comment, given(issue), ctx)
    jira.seen.clear()
    assert looked_for(jira, kind, ctx, issue) is None
    assert len(jira.asked("/comment?")) == 1


@both
def test_a_comment_is_taken_back_once_and_for_all(jira: Jira, kind: str, issue: KeptIssue) -> None:
    run = run_action(add_comment, given(issue), context(jira, kind))
    undo = add_comment.undo
    assert undo is not None
    taken = undo.input(NewComment.model_validate(given(issue)), run.result)
    for _ in range(2):
        assert run_action(delete_comment, taken, context(jira, kind)).result.comment_id == run.result.comment_id
    assert issue.comments == []
    with pytest.raises(NotFound):
        run_action(delete_comment, {"issue": "OPS-99", "comment_id": "1"}, context(jira, kind))


@both
def test_a_comment_on_an_issue_that_is_not_there_is_not_found(jira: Jira, kind: str) -> None:
    with pytest.raises(NotFound):
        run_action(add_comment, {"issue": "OPS-99", "markdown": "x"}, context(jira, kind))


@pytest.mark.parametrize(
    "wrong", [{"issue": "OPS"}, {"issue": "OPS-1/../x"}, {"markdown": " \n"}, {"markdown": "x" * 33_000}]
)
def test_what_can_be_no_comment_is_refused_by_the_form(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        NewComment.model_validate({"issue": "OPS-1", "markdown": "x"} | wrong)
