"""JIRA Cloud: REST API version 3, texts in the Atlassian Document Format, people by account id."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from llmcoder.text import whole
from tasks.jira.adf import text_of
from tasks.jira.adf_writing import document_of
from tasks.jira.client import segment
from tasks.jira.payload import (
    CommentPayload,
    IssuePayload,
    SearchPayload,
    TransitionPayload,
    TransitionsPayload,
    UserPayload,
)
from tasks.jira.tracker import (
    PEOPLE_AT_ONCE,
    PROPERTY,
    AssigneeScope,
    FoundPage,
    JiraUser,
    Tracker,
    named,
)

_ACCOUNT_ID = re.compile(r"[0-9A-Za-z:-]{20,128}")


class CloudTracker(Tracker):
    """A site at Atlassian's."""

    def search(self, jql: str, fields: Sequence[str], limit: int, at: str | None = None) -> FoundPage:
        body: dict[str, Any] = {
            "jql": jql,
            "fields": list(fields),
            "maxResults": limit,
            "properties": [PROPERTY],
        }
        if at is not None:
            body["nextPageToken"] = at
        found = self.client.search(SearchPayload, "search/jql", body)
        return FoundPage(found.issues, found.next)

    def text(self, sent: Any) -> str:
        return whole(text_of(sent))

    def body(self, markdown: str) -> Any:
        return document_of(markdown)

    def person(self, user: UserPayload) -> JiraUser:
        return named(user, user.account_id)

    def mention(self, person_id: str | None) -> dict[str, str | None]:
        return {"accountId": person_id}

    def find_people(self, words: str, place: AssigneeScope) -> list[JiraUser]:
        path = "user/search" if place.anywhere else "user/assignable/search"
        if _ACCOUNT_ID.fullmatch(words):  # it is not among what `query` is compared with
            found = self.people(path, {"accountId": words, "maxResults": PEOPLE_AT_ONCE, **place.asked})
            if found:
                return found
        return self.people(path, {"query": words, "maxResults": PEOPLE_AT_ONCE, **place.asked})

    def transitions(self, issue: str) -> list[TransitionPayload]:
        path = f"issue/{segment(issue)}/transitions"
        return list(self.client.get(TransitionsPayload, path, {"expand": "transitions.fields"}).transitions)

    def marked(self, marker: str) -> dict[str, Any]:
        return {"key": PROPERTY, "value": {"job": marker}}

    def says_the_same(self, comment: CommentPayload, body: Any) -> bool:
        return False  # every comment can have properties there

    def with_property(self, found: FoundPage) -> Iterator[IssuePayload]:
        yield from found.issues
