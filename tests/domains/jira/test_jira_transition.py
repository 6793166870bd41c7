"""Issues moved from status to status and from person to person, by the names that people have for them."""

from __future__ import annotations

from typing import Any

import pytest
from jira_kit import KINDS, context, jira
from jira_server import Jira, KeptIssue, account_id

from llmcoder.errors import BadInput, NotFound, Refused, Uncertain
from llmcoder.testing import FakeContext, run_action
from tasks.jira.transition_actions import (
    Assignment,
    Move,
    Moved,
    assign,
    find_assignment,
    find_move,
    restore_assignee,
    transition,
)

__all__ = ["jira"]

both = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def issue(jira: Jira) -> KeptIssue:
    return jira.add("OPS", "The disk is full")


def writes(jira: Jira) -> list[str]:
    return [method for method, target, _ in jira.seen if method in ("POST", "PUT") and "/search" not in target]


# --- from status to status


def moved(ctx: FakeContext, to: str, **fields: Any) -> Moved:
    return transition(Move.model_validate({"issue": "OPS-1", "to": to, "fields": fields}), ctx)


@both
@pytest.mark.parametrize("to", ["In Progress", "in progress", "Start work"])
def test_an_issue_is_moved_by_the_name_of_a_status_or_a_transition(
    jira: Jira, kind: str, issue: KeptIssue, to: str
) -> None:
    ctx = context(jira, kind)
    done = run_action(transition, {"issue": "OPS-1", "to": to}, ctx).result
    assert (done.before, done.status, done.transition) == ("To Do", "In Progress", "Start work")
    assert issue.status == "In Progress"
    assert jira.sent("/transitions") == {"transition": {"id": "11"}}


@both
def test_one_that_stands_there_already_is_left_alone(jira: Jira, kind: str, issue: KeptIssue) -> None:
    issue.status = "In Progress"
    ctx = context(jira, kind)
    done = moved(ctx, "in progress")
    assert (done.status, done.transition, ctx.markers, writes(jira)) == ("In Progress", None, [], [])


@both
def test_fields_that_are_missing_are_named_with_their_values(jira: Jira, kind: str, issue: KeptIssue) -> None:
    ctx = context(jira, kind)
    with pytest.raises(BadInput, match=r"'Close' needs more: Resolution \(one of Fixed, Won't Do\)"):
        moved(ctx, "Done")
    assert (ctx.markers, writes(jira)) == ([], [])
    moved(ctx, "Done", resolution="fixed")
    assert issue.status == "Done"
    assert jira.sent("/transitions")["fields"] == {"resolution": {"id": "1"}}


@both
def test_where_it_cannot_go_says_where_it_can(jira: Jira, kind: str, issue: KeptIssue) -> None:
    told = (
        r"OPS-1 is To Do and cannot go to 'Review'. It can go: Start work \(to In Progress\); "
        r"Close \(to Done; asks for Resolution \(one of Fixed, Won't Do\)\)\."
    )
    with pytest.raises(BadInput, match=told):
        moved(context(jira, kind), "Review")
    jira.closed = True
    with pytest.raises(BadInput, match="nowhere, or this account may not move it"):
        moved(context(jira, kind), "Done")


@both
def test_several_ways_to_a_status_want_the_name_of_one(jira: Jira, kind: str, issue: KeptIssue) -> None:
    jira.shortcuts = True
    with pytest.raises(BadInput, match="Several transitions lead OPS-1 to 'In Progress': 'Start work', 'Hurry'"):
        moved(context(jira, kind), "In Progress")
    assert moved(context(jira, kind), "Hurry").status == "In Progress"


@both
def test_a_comment_that_a_transition_asks_for_is_added(jira: Jira, kind: str, issue: KeptIssue) -> None:
    issue.status = "In Progress"
    jira.asks_why = True
    with pytest.raises(BadInput, match=r"needs more: Comment \(a text\)"):
        moved(context(jira, kind), "Stop work")
    moved(context(jira, kind), "Stop work", comment="Too **late**.")
    assert issue.status == "To Do"
    assert len(issue.comments) == 1
    assert "fields" not in jira.sent("/transitions")


@both
def test_an_issue_that_is_not_there_is_not_moved(jira: Jira, kind: str) -> None:
    with pytest.raises(NotFound):
        moved(context(jira, kind), "Done")


@both
@pytest.mark.parametrize(
    ("does", "then", "found"),
    [
        ("do_then_drop", None, "In Progress"),
        ("drop", None, None),
        ("drop", "In Progress", "In Progress"),
        ("do_then_drop", "Done", Uncertain),
    ],
)
def test_a_move_whose_answer_is_lost_is_known_by_where_the_issue_stands(
    jira: Jira, kind: str, issue: KeptIssue, does: str, then: str | None, found: Any
) -> None:
    ctx = context(jira, kind)
    jira.next("POST", does)
    with pytest.raises(Uncertain):
        moved(ctx, "In Progress")
    issue.status = then or issue.status
    move = Move(issue="OPS-1", to="In Progress")
    if found is Uncertain:
        with pytest.raises(Uncertain, match="is Done by now"):
            find_move(move, ctx.markers[-1], context(jira, kind))
        return
    seen = find_move(move, ctx.markers[-1], context(jira, kind))
    assert (seen and seen.status) == found
    assert seen is None or (seen.before, seen.transition) == ("To Do", "Start work")


# --- from person to person


def given(jira: Jira, kind: str, to: str) -> Any:
    return run_action(assign, {"issue": "OPS-1", "assignee": to}, context(jira, kind)).result


@both
@pytest.mark.parametrize("to", ["bert@example.org", "ID", "me", "ada l"])
def test_an_issue_is_given_by_name_address_or_id(jira: Jira, kind: str, issue: KeptIssue, to: str) -> None:
    issue.assignee = "bertha"
    who = "bert" if to in ("bert@example.org", "ID") else "ada"
    words = (account_id("bert") if kind == "cloud" else "bert") if to == "ID" else to
    done = given(jira, kind, words)
    assert issue.assignee == who
    assert done.assignee == ("Bert Bastler" if who == "bert" else "Ada Lovelace")
    assert (done.before, done.before_id) == ("Bert Bastler", account_id("bertha") if kind == "cloud" else "bertha")


@both
def test_an_issue_is_given_to_nobody(jira: Jira, kind: str, issue: KeptIssue) -> None:
    done = given(jira, kind, "none")
    assert (issue.assignee, done.assignee, done.before) == (None, "none", "Ada Lovelace")


@both
def test_whoever_has_it_already_keeps_it(jira: Jira, kind: str, issue: KeptIssue) -> None:
    assert given(jira, kind, "me").assignee == "Ada Lovelace"
    assert writes(jira) == []


@both
def test_a_name_of_several_people_is_explained(jira: Jira, kind: str, issue: KeptIssue) -> None:
    ids = [account_id(one) if kind == "cloud" else one for one in ("bert", "bertha")]
    told = f"'Bert Bastler' can be more than one person who can be given OPS-1: .*{ids[0]}.*{ids[1]}.*Give one"
    with pytest.raises(BadInput, match=told):
        given(jira, kind, "Bert Bastler")
    with pytest.raises(BadInput, match="nobody called 'Chris Cross' who can be given OPS-1"):
        given(jira, kind, "Chris Cross")
    assert issue.assignee == "ada"


@both
def test_an_assignment_is_taken_back_unless_somebody_else_has_it(jira: Jira, kind: str, issue: KeptIssue) -> None:
    undo = assign.undo
    assert undo is not None
    done = given(jira, kind, "none")
    back = undo.input(Assignment(issue="OPS-1", assignee="none"), done)
    for _ in range(2):
        issue.assignee = None
        run_action(restore_assignee, back, context(jira, kind))
        assert issue.assignee == "ada"
    issue.assignee = "bert"
    with pytest.raises(Refused, match="has gone to Bert Bastler since"):
        run_action(restore_assignee, back, context(jira, kind))


@both
@pytest.mark.parametrize(
    ("does", "then", "found"), [("do_then_drop", None, "ada"), ("drop", None, None), ("drop", "bertha", Uncertain)]
)
def test_an_assignment_whose_answer_is_lost_is_known_by_who_has_the_issue(
    jira: Jira, kind: str, issue: KeptIssue, does: str, then: str | None, found: Any
) -> None:
    issue.assignee = "bert"
    wanted, ctx = Assignment(issue="OPS-1", assignee="me"), context(jira, kind)
    jira.next("PUT", does)
    with pytest.raises(Uncertain):
        run_action(assign, wanted, ctx)
    issue.assignee = then or issue.assignee
    if found is Uncertain:
        with pytest.raises(Uncertain, match="is with Bert Bastler by now"):
            find_assignment(wanted, ctx.markers[-1], context(jira, kind))
        return
    seen = find_assignment(wanted, ctx.markers[-1], context(jira, kind))
    assert (seen is not None) == (found is not None)
    assert seen is None or (seen.assignee, seen.before) == ("Ada Lovelace", "Bert Bastler")
