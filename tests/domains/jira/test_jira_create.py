"""Issues made: from a form that is looked at first, once, and found again when the answer is lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from jira_kit import KINDS, context, jira
from jira_server import Jira, KeptIssue, account_id
from pydantic import ValidationError

from llmcoder.errors import BadInput, NotFound, Uncertain
from llmcoder.testing import FakeContext, run_action
from tasks.jira import tracker
from tasks.jira.adf import text_of
from tasks.jira.create_actions import NewIssue, create_issue, find_issue

__all__ = ["jira"]

both = pytest.mark.parametrize("kind", KINDS)
GIVEN = {"project": "OPS", "summary": "The disk is full", "type": "bug"}
SEVERITY = {
    "name": "Severity",
    "required": True,
    "schema": {"type": "option", "custom": "com.example:select", "customId": 10100},
    "allowedValues": [{"id": "201", "value": "High"}, {"id": "202", "value": "Low"}],
}


def field(name: str, kind: str, **more: Any) -> dict[str, Any]:
    system = {key: more.pop(key) for key in ("custom", "items", "system") if key in more}
    return {"name": name, "required": False, "schema": {"type": kind, **system}, **more}


def sent(jira: Jira) -> Any:
    """The fields of the issue that was asked for."""
    return jira.sent("POST /rest/api/3/issue" if jira.asked("POST /rest/api/3/issue") else "api/2/issue")["fields"]


def made(jira: Jira, kind: str, **given: Any) -> KeptIssue:
    done = run_action(create_issue, GIVEN | given, context(jira, kind)).result
    return jira.issues[done.issue]


@both
def test_an_issue_is_made_with_all_that_was_said_of_it(jira: Jira, kind: str) -> None:
    jira.add("OPS", "first")
    ctx = context(jira, kind)
    wanted = {
        **GIVEN,
        "project": "ops",
        "markdown": "It is **full**.",
        "labels": ["night"],
        "priority": "high",
        "assignee": "bert@example.org",
        "due_on": "2026-12-31",
    }
    done = run_action(create_issue, wanted, ctx).result
    kept = jira.issues["OPS-2"]
    assert (done.issue, done.issue_id) == ("OPS-2", kept.id)
    assert done.url.endswith("/browse/OPS-2")
    body = kept.fields["description"]
    assert (text_of(body) if kind == "cloud" else body) == ("It is **full**." if kind == "cloud" else "It is *full*.")
    assert (kept.fields["labels"], kept.fields["priority"], kept.fields["duedate"]) == (
        ["night"],
        {"id": "1"},
        "2026-12-31",
    )
    assert (kept.assignee, kept.fields["issuetype"]) == ("bert", "10001")
    assert str(ctx.job_id) in str(kept.properties)


@both
def test_what_is_missing_is_named_with_the_values_it_takes_and_nothing_is_sent(jira: Jira, kind: str) -> None:
    jira.form = {"customfield_10100": SEVERITY, "customfield_10101": field("Team", "string", required=True)}
    with pytest.raises(BadInput, match=r"A Bug in OPS needs more: Severity \(one of High, Low\); Team \(a text\)"):
        run_action(create_issue, GIVEN, context(jira, kind))
    assert jira.issues == {}
    issue = made(jira, kind, fields={"severity": "high", "customfield_10101": "Storage"})
    assert (issue.fields["customfield_10100"], issue.fields["customfield_10101"]) == ({"id": "201"}, "Storage")


@both
def test_fields_that_jira_fills_in_itself_are_not_asked_for(jira: Jira, kind: str) -> None:
    jira.form = {
        "reporter": field("Reporter", "user", required=True, system="reporter"),
        "customfield_1": field("Area", "string", required=True, hasDefaultValue=True),
    }
    jira.add("OPS", "first")
    assert made(jira, kind, fields={"Area": "East"}).key == "OPS-2"


@both
def test_values_are_sent_as_their_field_takes_them(jira: Jira, kind: str) -> None:
    allowed = [{"id": "7", "name": "Web"}, {"id": "8", "name": "Db"}]
    jira.form = {
        "components": field("Components", "array", items="component", allowedValues=allowed),
        "customfield_1": field("Points", "number"),
        "customfield_2": field("Notes", "string", custom="com.atlassian.jira.plugin:textarea"),
        "customfield_3": field("Reviewers", "array", items="user"),
        "customfield_4": field("Sprint", "array", items="json"),
        "customfield_5": field("Place", "option-with-child"),
        "fixVersions": field("Fix versions", "array", items="version"),
        "parent": field("Parent", "issuelink"),
        "customfield_6": field("Instead of", "issuelink"),
    }
    place = {"value": "East", "child": {"value": "Room 7"}}
    wanted = {
        "Components": ["web", "8"],
        "Points": "3",
        "Notes": "**bold**",
        "Reviewers": ["bert@example.org", "me"],
        "Sprint": 5,
        "Place": place,
        "Fix versions": "1.0",
        "Instead of": "10007",
    }
    made(jira, kind, fields=wanted, parent="OPS-7")
    told = sent(jira)
    assert (told["components"], told["customfield_1"]) == ([{"id": "7"}, {"id": "8"}], 3.0)
    assert (told["customfield_4"], told["customfield_5"], told["fixVersions"]) == (5, place, [{"name": "1.0"}])
    assert (told["parent"], told["customfield_6"]) == ({"key": "OPS-7"}, {"id": "10007"})
    notes = told["customfield_2"]
    assert (text_of(notes) if kind == "cloud" else notes) == ("**bold**" if kind == "cloud" else "*bold*")
    people = ["bert", "ada"]
    assert told["customfield_3"] == [
        {"accountId": account_id(one)} if kind == "cloud" else {"name": one} for one in people
    ]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"type": "Epic"}, "OPS has no 'Epic'; it has Bug, Task"),
        ({"priority": "Whenever"}, "'Whenever' is none of what Priority takes: High, Medium"),
        ({"fields": {"Nonsense": 1}}, "has no field 'Nonsense'; it has Summary, Description, Labels"),
        ({"fields": {"Points": "many"}}, "Points takes a number, not 'many'"),
        ({"fields": {"Points": 1, "customfield_1": 2}}, "is given twice"),
        ({"labels": ["a"], "fields": {"labels": ["b"]}}, "give it once"),
        ({"fields": {"Twin": "x"}}, "several fields called 'Twin'; give one of the ids customfield_2, customfield_3"),
        ({"fields": {"Size": "M"}}, "'M' can be more than one of what Size takes"),
        ({"fields": {"Note": True}}, "Note takes no True"),
        ({"assignee": "Bert Bastler"}, "can be more than one person who can be given issues of OPS: .*bertha"),
        ({"assignee": "Chris Cross"}, "nobody called 'Chris Cross' who can be given issues of OPS"),
    ],
)
@both
def test_what_cannot_be_meant_is_explained_and_nothing_is_sent(
    jira: Jira, kind: str, given: dict[str, Any], why: str
) -> None:
    jira.form = {
        "customfield_1": field("Points", "number"),
        "customfield_2": field("Twin", "string"),
        "customfield_3": field("Twin", "string"),
        "customfield_4": field("Size", "option", allowedValues=[{"id": "1", "value": "M"}, {"id": "2", "value": "m"}]),
        "customfield_5": field("Note", "string"),
    }
    ctx = context(jira, kind)
    with pytest.raises(BadInput, match=why):
        run_action(create_issue, GIVEN | given, ctx)
    assert (jira.issues, ctx.markers) == ({}, [])


@both
def test_a_project_that_is_not_there_is_not_found(jira: Jira, kind: str) -> None:
    with pytest.raises(NotFound, match="NOPE"):
        run_action(create_issue, GIVEN | {"project": "NOPE"}, context(jira, kind))
    jira.next("GET", "refuse", 200, {"issueTypes" if kind == "cloud" else "values": [], "total": 0})
    with pytest.raises(BadInput, match="can make no issues in OPS"):
        run_action(create_issue, GIVEN, context(jira, kind))


@both
def test_a_form_of_several_pages_is_read_to_its_end(jira: Jira, kind: str) -> None:
    types = [{"id": str(number), "name": f"Kind {number}", "subtask": False} for number in range(60)]
    items = "issueTypes" if kind == "cloud" else "values"
    for part in (types[:50], types[50:]):
        jira.next("/issuetypes?", "refuse", 200, {items: part, "startAt": 0, "maxResults": 50, "total": 60})
    with pytest.raises(BadInput, match="Kind 59"):
        run_action(create_issue, GIVEN, context(jira, kind))
    assert len(jira.asked("/issuetypes?")) == 2


# --- found again


def lost(jira: Jira, kind: str, does: str) -> FakeContext:
    """An attempt that heard nothing."""
    ctx = context(jira, kind, timeout_s=4.0)
    jira.next("POST /issue", does)
    with pytest.raises(Uncertain):
        run_action(create_issue, GIVEN, ctx)
    return ctx


def looked_for(jira: Jira, kind: str, ctx: FakeContext) -> Any:
    """What the next attempt of the same job finds."""
    return find_issue(NewIssue.model_validate(GIVEN), ctx.markers[-1], context(jira, kind, job_id=ctx.job_id))


@pytest.mark.parametrize(("kind", "does"), [("cloud", "do_then_silence"), ("data_center", "do_then_drop")])
def test_an_issue_whose_answer_is_lost_is_found_by_its_property(jira: Jira, kind: str, does: str) -> None:
    jira.add("OPS", "before")
    ctx = lost(jira, kind, does)
    for number in range(60):  # more than a page
        jira.add("OPS", f"later {number}")
    found = looked_for(jira, kind, ctx)
    assert (found.issue, found.issue_id) == ("OPS-2", jira.issues["OPS-2"].id)
    query = next(one for one in jira.queries if "creator" in one)
    assert query == 'project = "OPS" AND creator = currentUser() AND created >= -15m ORDER BY created ASC'


@pytest.mark.parametrize(("kind", "does"), [("cloud", "drop"), ("data_center", "silence")])
def test_an_issue_that_was_not_made_is_not_found(jira: Jira, kind: str, does: str) -> None:
    ctx = lost(jira, kind, does)
    run_action(create_issue, GIVEN, context(jira, kind))  # the same words, by another job
    assert looked_for(jira, kind, ctx) is None


@both
def test_an_issue_that_no_search_knows_yet_is_found_by_its_key(jira: Jira, kind: str) -> None:
    """The index of a site is late: seconds on Cloud, sometimes minutes."""
    jira.add("OPS", "indexed")
    jira.indexes = False
    jira.add("OPS", "somebody else's, as new")
    ctx = lost(jira, kind, "do_then_drop")
    assert looked_for(jira, kind, ctx).issue == "OPS-3"


@both
def test_the_first_issue_of_a_project_is_found_although_no_search_knows_it(jira: Jira, kind: str) -> None:
    jira.indexes = False
    ctx = lost(jira, kind, "do_then_drop")
    assert looked_for(jira, kind, ctx).issue == "OPS-1"


@both
def test_where_too_many_are_new_nobody_can_tell(jira: Jira, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "MOST_CANDIDATES", 10)
    monkeypatch.setattr(tracker, "CANDIDATES_AT_ONCE", 5)
    monkeypatch.setattr(tracker, "MOST_NOT_INDEXED", 10)
    ctx = lost(jira, kind, "drop")
    for number in range(11):
        jira.add("OPS", f"new {number}")
    with pytest.raises(Uncertain, match="too many"):
        looked_for(jira, kind, ctx)
    for issue in jira.issues.values():
        issue.indexed = False
    with pytest.raises(Uncertain, match="too many"):
        looked_for(jira, kind, ctx)


def test_it_is_looked_for_as_long_ago_as_it_was_sent(jira: Jira) -> None:
    ctx = lost(jira, "cloud", "drop")
    long_ago = datetime.fromisoformat(ctx.markers[-1]["armed_at"]) - timedelta(hours=2)
    ctx.markers[-1] = {**ctx.markers[-1], "armed_at": long_ago.isoformat()}
    assert looked_for(jira, "cloud", ctx) is None
    assert any("created >= -135m" in one for one in jira.queries)


@pytest.mark.parametrize(
    "wrong",
    [
        {"project": "O P"},
        {"project": "1"},
        {"summary": " "},
        {"summary": "two\nlines"},
        {"summary": "x" * 256},
        {"labels": ["two words"]},
        {"markdown": "x" * 33_000},
        {"due_on": "soon"},
        {"parent": "OPS"},
    ],
)
def test_what_can_be_no_issue_is_refused_by_the_form(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NewIssue.model_validate(GIVEN | wrong)
