"""JIRA Data Center (and Server): REST API version 2, texts in wiki markup, people by user name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from llmcoder import strict_json
from llmcoder.text import whole
from tasks.jira.client import segment
from tasks.jira.payload import CommentPayload, IssuePayload, SearchPayload, TransitionPayload, UserPayload
from tasks.jira.tracker import (
    PEOPLE_AT_ONCE,
    PROPERTY,
    AssigneeScope,
    FoundPage,
    JiraUser,
    Tracker,
    named,
)
from tasks.jira.wiki import wiki_of
from tasks.jira.wiki_reading import text_of


class DataCenterTracker(Tracker):
    """A site of somebody's own."""

    def search(self, jql: str, fields: Sequence[str], limit: int, at: str | None = None) -> FoundPage:
        start = int(at or 0)
        body = {"jql": jql, "fields": list(fields), "maxResults": limit, "startAt": start}
        found = self.client.search(SearchPayload, "search", body)
        following = start + len(found.issues)
        return FoundPage(found.issues, str(following) if found.issues and following < found.total else None)

    def text(self, sent: Any) -> str:
        return whole(text_of(sent)) if isinstance(sent, str) else ""

    def body(self, markdown: str) -> Any:
        return wiki_of(markdown)

    def person(self, user: UserPayload) -> JiraUser:
        return named(user, user.name)

    def mention(self, person_id: str | None) -> dict[str, str | None]:
        return {"name": person_id}

    def find_people(self, words: str, place: AssigneeScope) -> list[JiraUser]:
        path = "user/search" if place.anywhere else "user/assignable/search"
        return self.people(path, {"username": words, "maxResults": PEOPLE_AT_ONCE, **place.asked})

    def transitions(self, issue: str) -> list[TransitionPayload]:
        query = {"fields": "status", "expand": "transitions.fields"}
        return list(self.client.get(IssuePayload, f"issue/{segment(issue)}", query).transitions)

    def marked(self, marker: str) -> dict[str, Any]:
        # Its contract wants a text where Cloud takes any JSON; a text that is JSON is right however it is read.
        return {"key": PROPERTY, "value": strict_json.write({"job": marker})}

    def says_the_same(self, comment: CommentPayload, body: Any) -> bool:
        """Very old sites keep no properties of comments."""
        return " ".join(str(comment.body).split()) == " ".join(str(body).split())

    def with_property(self, found: FoundPage) -> Iterator[IssuePayload]:
        """One by one: its search tells no properties."""
        for issue in found.issues:
            yield self.issue_with_property(issue.key)
