"""JIRA Data Center (and Server): REST API version 2, texts in wiki markup, people by user name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tasks.jira.client import segment
from tasks.jira.tracker import (
    PEOPLE_AT_ONCE,
    PROPERTY,
    FoundPage,
    Person,
    Tracker,
    has_marker,
    named,
    property_of,
)
from tasks.jira.wiki import wiki_of
from tasks.jira.wire import WireComment, WireFound, WireIssue, WireTransition, WireUser


class DataCenter(Tracker):
    """A site of somebody's own."""

    def search(self, jql: str, fields: Sequence[str], limit: int, at: str | None = None) -> FoundPage:
        start = int(at or 0)
        body = {"jql": jql, "fields": list(fields), "maxResults": limit, "startAt": start}
        found = self.client.search(WireFound, "search", body)
        following = start + len(found.issues)
        return FoundPage(found.issues, str(following) if found.issues and following < found.total else None)

    def text(self, sent: Any) -> str:
        return sent.replace("\r\n", "\n") if isinstance(sent, str) else ""

    def body(self, markdown: str) -> Any:
        return wiki_of(markdown)

    def person(self, user: WireUser) -> Person:
        return named(user, user.name)

    def mention(self, person_id: str | None) -> dict[str, str | None]:
        return {"name": person_id}

    def find_people(self, words: str, issue: str | None) -> list[Person]:
        if issue is None:
            return self.people("user/search", {"username": words, "maxResults": PEOPLE_AT_ONCE})
        return self.people(
            "user/assignable/search", {"username": words, "issueKey": issue, "maxResults": PEOPLE_AT_ONCE}
        )

    def transitions(self, issue: str) -> list[WireTransition]:
        query = {"fields": "status", "expand": "transitions.fields"}
        return list(self.client.get(WireIssue, f"issue/{segment(issue)}", query).transitions)

    def marked(self, marker: str) -> dict[str, Any]:
        # Its contract wants a text where Cloud takes any JSON; a text that is JSON is right however it is read.
        return {"key": PROPERTY, "value": json.dumps({"job": marker})}

    def is_ours(self, comment: WireComment, marker: str, body: Any, me: Person) -> bool:
        """By the property; sites that do not tell properties of comments are believed by author and text."""
        if (value := property_of(comment.properties)) is not None:
            return has_marker(value, marker)
        author = self.person(comment.author) if comment.author is not None else None
        return author is not None and author.id == me.id and self.text(comment.body).strip() == str(body).strip()

    def with_property(self, found: FoundPage) -> Iterator[WireIssue]:
        """One by one: its search tells no properties."""
        for issue in found.issues:
            query = {"fields": "summary", "properties": PROPERTY}
            yield self.client.get(WireIssue, f"issue/{segment(issue.key)}", query)
