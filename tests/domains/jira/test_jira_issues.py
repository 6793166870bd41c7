"""Issues listed, found and read: page by page, by words that are not markup, at both kinds of site."""

from __future__ import annotations

from typing import Any

import pytest
from jira_kit import KINDS, context, jira
from jira_server import Jira, account_id

from llmcoder.errors import BadInput, NotFound
from llmcoder.testing import run_action
from tasks.jira.reading_actions import MINE, issue, issues, search

__all__ = ["jira"]

both = pytest.mark.parametrize("kind", KINDS)


def adf(*paragraphs: str) -> Any:
    content = [{"type": "paragraph", "content": [{"type": "text", "text": one}]} for one in paragraphs]
    return {"type": "doc", "version": 1, "content": content}


@both
def test_my_open_issues_come_when_nothing_is_asked(jira: Jira, kind: str) -> None:
    mine = jira.add("OPS", "The disk is full", labels=["night"], duedate="2026-02-03")
    jira.add("OPS", "Not mine", assignee="bert")
    found = run_action(issues, {}, context(jira, kind)).result
    (row,) = found.issues
    assert (row.key, row.summary, row.status, row.type) == (mine.key, "The disk is full", "To Do", "Bug")
    assert (row.assignee, row.reporter, row.priority) == ("Ada Lovelace", "Bert Bastler", "Medium")
    assert (row.labels, str(row.due_on), row.resolution, row.project) == (["night"], "2026-02-03", None, "OPS")
    assert row.url.startswith(jira.url) and row.url.endswith(f"/browse/{mine.key}")
    assert jira.queries == [MINE]
    assert found.cursor is None
    assert len(jira.seen) == 1  # neither /serverInfo nor /field


@both
def test_a_long_list_comes_page_by_page(jira: Jira, kind: str) -> None:
    for number in range(5):
        jira.add("OPS", f"Issue {number}")
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        found = run_action(issues, {"limit": 2, "cursor": cursor}, context(jira, kind)).result
        seen += [row.summary for row in found.issues]
        cursor = found.cursor
    assert (seen, cursor) == ([f"Issue {number}" for number in range(5)], None)


@both
def test_a_cursor_of_another_question_is_refused(jira: Jira, kind: str) -> None:
    for number in range(3):
        jira.add("OPS", f"Issue {number}")
    cursor = run_action(issues, {"limit": 2}, context(jira, kind)).result.cursor
    for wrong in (cursor, "bm9uc2Vuc2U", "====", "AAAA"):
        with pytest.raises(BadInput, match="another question"):
            run_action(issues, {"jql": "project = OPS", "cursor": wrong}, context(jira, kind))


@both
def test_what_jira_says_of_a_query_reaches_whoever_asked(jira: Jira, kind: str) -> None:
    with pytest.raises(BadInput, match="Expecting operator but got 'nonsense'"):
        run_action(issues, {"jql": "project nonsense"}, context(jira, kind))


@both
def test_a_search_is_put_together_from_what_is_given(jira: Jira, kind: str) -> None:
    jira.add("OPS", "The disk is full")
    wanted = {
        "text": 'disk" OR project = "SECRET',
        "project": "OPS",
        "status": ["To Do", 'a"b\\'],
        "labels": ["night"],
        "assignee": "me",
        "open_only": True,
        "updated_since": "2026-01-31",
        "order": "due",
    }
    run_action(search, wanted, context(jira, kind))
    assert jira.queries[-1] == (
        'project = "OPS" AND text ~ "disk\\\\\\" or project = \\\\\\"SECRET" AND status in ("To Do", "a\\"b\\\\") AND '
        'labels = "night" AND assignee = currentUser() AND resolution = Unresolved AND updated >= "2026-01-31" '
        "ORDER BY due ASC"
    )


@both
def test_a_search_by_name_finds_the_one_who_is_meant(jira: Jira, kind: str) -> None:
    jira.add("OPS", "x")
    run_action(search, {"project": "OPS", "assignee": "Chris Cross"}, context(jira, kind))
    assert f'assignee = "{account_id("chris") if kind == "cloud" else "chris"}"' in jira.queries[-1]
    run_action(search, {"project": "OPS", "assignee": "none"}, context(jira, kind))
    assert "assignee is EMPTY" in jira.queries[-1]
    with pytest.raises(BadInput, match=r"more than one person.*bertha"):
        run_action(search, {"assignee": "Bert Bastler"}, context(jira, kind))
    with pytest.raises(BadInput, match="nobody called 'Nemo'"):
        run_action(search, {"assignee": "Nemo"}, context(jira, kind))


def test_a_search_for_nothing_is_refused(jira: Jira) -> None:
    with pytest.raises(BadInput, match="at least one"):
        run_action(search, {}, context(jira))


@both
def test_an_issue_is_read_whole(jira: Jira, kind: str) -> None:
    body = adf("It is full.", "Again.") if kind == "cloud" else "It is full.\r\n\r\nAgain."
    other = {"id": "7", "key": "NET-7", "fields": {"summary": "Router", "status": {"name": "Done"}}}
    link = {"id": "1", "type": {"name": "Blocks", "inward": "is blocked by", "outward": "blocks"}, "inwardIssue": other}
    kept = jira.add("OPS", "The disk is full", body, links=[link])
    for number in range(3):
        jira.say(kept.key, adf(f"c{number}") if kind == "cloud" else f"c{number}")
    found = run_action(issue, {"issue": kept.key, "comments": 2}, context(jira, kind)).result
    assert found.description == "It is full.\n\nAgain."
    assert [one.text for one in found.comments] == ["c1", "c2"]
    assert (found.comments_total, found.comments[0].author) == (3, "Bert Bastler")
    (one,) = found.linked
    assert (one.key, one.relation, one.summary, one.status) == ("NET-7", "is blocked by", "Router", "Done")
    assert run_action(issue, {"issue": kept.key, "comments": 0}, context(jira, kind)).result.comments == []


@both
@pytest.mark.parametrize("letter", ["x", "é", "\t", "🙂"])
def test_an_issue_that_is_too_long_for_a_result_is_cut(jira: Jira, kind: str, letter: str) -> None:
    def said(text: str) -> Any:
        return adf(text) if kind == "cloud" else text

    kept = jira.add("OPS", "long", said("D" + letter * 30_000))
    for number in range(100):
        jira.say(kept.key, said(f"c{number} {letter * 30_000}| end"))
    found = run_action(issue, {"issue": kept.key, "comments": 100}, context(jira, kind)).result
    assert len(found.model_dump_json().encode()) <= 1_048_576
    assert found.cut and found.comments_total == 100
    assert 3 <= len(found.comments) < 100
    newest = found.comments[-1].text
    assert (newest[:4], newest[-4:]) == ("c99 ", " end")
    assert not run_action(issue, {"issue": kept.key, "comments": 1}, context(jira, kind)).result.cut


@both
def test_half_a_character_does_not_keep_an_issue_from_being_read(jira: Jira, kind: str) -> None:
    half = "\ud83d"
    kept = jira.add("OPS", f"S{half}", adf(f"D{half}") if kind == "cloud" else f"D{half}", labels=[f"l{half}"])
    jira.say(kept.key, adf(f"C{half}") if kind == "cloud" else f"C{half}")
    found = run_action(issue, {"issue": kept.key}, context(jira, kind)).result
    assert (found.summary, found.description, found.labels) == ("S\ufffd", "D\ufffd", ["l\ufffd"])
    assert found.comments[0].text == "C\ufffd"


def test_the_newest_comments_are_read_where_only_the_oldest_come_first(jira: Jira) -> None:
    jira.orders = False
    kept = jira.add("OPS", "The disk is full")
    for number in range(120):
        jira.say(kept.key, f"c{number}")
    found = run_action(issue, {"issue": kept.key, "comments": 10}, context(jira, "data_center")).result
    assert [one.text for one in found.comments] == [f"c{number}" for number in range(110, 120)]
    assert found.comments_total == 120


@both
def test_an_issue_that_is_not_there_is_not_found(jira: Jira, kind: str) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        run_action(issue, {"issue": "OPS-9"}, context(jira, kind))


@pytest.mark.parametrize("action", [issues, search, issue])
def test_what_strangers_wrote_is_marked_so(action: Any) -> None:
    assert action.outside
