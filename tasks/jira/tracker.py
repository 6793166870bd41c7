"""What this domain asks of a JIRA site, Cloud or Data Center: both speak the same paths, and differ in what they hold.

Texts are ADF on Cloud and wiki markup on Data Center; people have an account id there and a user name here; a search
goes on by a token there and by a number here. `cloud.py` and `data_center.py` say how; nothing else needs to know.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from llmcoder.errors import NotFound, Transient, Uncertain
from tasks.jira.client import JiraClient, segment
from tasks.jira.wire import (
    WireComment,
    WireComments,
    WireField,
    WireIssue,
    WireMade,
    WireNamed,
    WirePage,
    WireTransition,
    WireUser,
    WireUsers,
)

#: Under this name a comment or an issue carries the job that made it; readers do not see it.
PROPERTY = "llmcoder"
ROW_FIELDS = (
    "summary", "status", "issuetype", "priority", "resolution", "project", "assignee", "reporter", "labels",
    "created", "updated", "duedate",
)  # fmt: skip
WHOLE_FIELDS = (*ROW_FIELDS, "components", "description", "issuelinks", "parent", "subtasks")

COMMENTS_AT_ONCE = 100
#: JIRA Cloud takes no more comments on one issue.
MOST_COMMENTS = 5_000
#: How far its clock and ours may be apart.
CLOCKS_APART = timedelta(hours=24)
METAS_AT_ONCE = 50
MOST_METAS = 1_000
#: Issues that are looked at for one whose making nobody confirmed.
MOST_CANDIDATES = 200
PEOPLE_AT_ONCE = 20


@dataclass(frozen=True)
class Person:
    """Somebody at the site.

    Attributes:
        id: By which the site is told who is meant.
        names: All that people may call them.
    """

    id: str
    name: str
    names: frozenset[str]


@dataclass(frozen=True)
class FoundPage:
    """A part of what a search finds.

    Attributes:
        next: Where the site goes on; None when these are the last.
    """

    issues: tuple[WireIssue, ...]
    next: str | None


class Tracker(ABC):
    """One site, seen by one account.

    Raises:
        NeedsReconnect: The token is refused.
        BadInput: The site does not take it, and says why.
        Forbidden, NotFound: The account may not see or do this, or it does not exist.
        RateLimited, Transient: Nothing happened; later perhaps.
        Uncertain: Only by what writes: it may have happened.
    """

    def __init__(self, client: JiraClient, site: str) -> None:
        self.client = client
        self.url = site.rstrip("/")

    # --- what differs

    @abstractmethod
    def search(self, jql: str, fields: Sequence[str], limit: int, at: str | None = None) -> FoundPage:
        """A part of the issues that a query finds; `at` is where the part before said it goes on."""

    @abstractmethod
    def text(self, sent: Any) -> str:
        """What a body says, in markdown or near it."""

    @abstractmethod
    def body(self, markdown: str) -> Any:
        """A body that says it."""

    @abstractmethod
    def person(self, user: WireUser) -> Person:
        """Who that is."""

    @abstractmethod
    def mention(self, person_id: str | None) -> dict[str, str | None]:
        """How a person is named in what is sent; None is nobody."""

    @abstractmethod
    def find_people(self, words: str, issue: str | None) -> list[Person]:
        """Those whose names begin with the words; of an issue, those who can be given it."""

    @abstractmethod
    def transitions(self, issue: str) -> list[WireTransition]:
        """Where the account can move an issue, with the fields of each screen."""

    @abstractmethod
    def marked(self, marker: str) -> dict[str, Any]:
        """The property that what a job makes is known by."""

    @abstractmethod
    def is_ours(self, comment: WireComment, marker: str, body: Any, me: Person) -> bool:
        """Whether the job made that comment."""

    @abstractmethod
    def with_property(self, found: FoundPage) -> Iterator[WireIssue]:
        """Issues with the properties that they have."""

    # --- what does not

    def myself(self) -> Person:
        return self.person(self.client.get(WireUser, "myself"))

    def browse(self, key: str) -> str:
        """Where people read an issue."""
        return f"{self.url}/browse/{segment(key)}"

    def issue(self, key: str, fields: Sequence[str] = WHOLE_FIELDS) -> WireIssue:
        return self.client.get(WireIssue, f"issue/{segment(key)}", {"fields": ",".join(fields)})

    def comments(self, key: str, limit: int) -> tuple[list[WireComment], int]:
        """The newest comments, oldest first, and how many there are in all."""
        page = self._comments(key, 0, min(limit, COMMENTS_AT_ONCE))
        return sorted(page.comments, key=_age), max(page.total, len(page.comments))

    def _comments(self, key: str, start: int, limit: int) -> WireComments:
        query: dict[str, str | int | bool] = {
            "startAt": start,
            "maxResults": limit,
            "orderBy": "-created",
            "expand": "properties",
        }
        return self.client.get(WireComments, f"issue/{segment(key)}/comment", query)

    def add_comment(self, key: str, body: Any, marker: str) -> WireComment:
        """Post a comment that `find_comment` knows by the marker."""
        sent = {"body": body, "properties": [self.marked(marker)]}
        made = self.client.send("POST", f"issue/{segment(key)}/comment", sent, WireComment)
        assert made is not None
        return made

    def find_comment(self, key: str, body: Any, marker: str, since: datetime) -> WireComment | None:
        """The comment that was posted under the marker.

        Raises:
            Uncertain: There are more comments than can be looked at.
        """
        me, seen = self.myself(), 0
        while seen < MOST_COMMENTS:
            page = self._comments(key, seen, COMMENTS_AT_ONCE)
            recent = [one for one in page.comments if one.created is None or one.created >= since - CLOCKS_APART]
            if (found := next((one for one in recent if self.is_ours(one, marker, body, me)), None)) is not None:
                return found
            seen += len(page.comments)
            if not page.comments or seen >= page.total or (not recent and _newest_first(page.comments)):
                return None
        raise Uncertain(f"{key} has too many comments to look for the one that may have been posted.")

    def delete_comment(self, key: str, comment_id: str) -> None:
        self.client.send("DELETE", f"issue/{segment(key)}/comment/{segment(comment_id)}")

    def create(self, fields: Mapping[str, Any], marker: str) -> WireMade:
        """Make an issue that `find_created` knows by the marker."""
        made = self.client.send("POST", "issue", {"fields": fields, "properties": [self.marked(marker)]}, WireMade)
        assert made is not None
        return made

    def find_created(self, project: str, marker: str, minutes: int) -> WireIssue | None:
        """The issue that was made under the marker in the last minutes.

        Raises:
            Uncertain: There are more new issues than can be looked at.
        """
        from tasks.jira.jql import quoted

        jql = f"project = {quoted(project)} AND creator = currentUser() AND created >= -{minutes}m ORDER BY created ASC"
        at, seen = None, 0
        while seen < MOST_CANDIDATES:
            found = self.search(jql, ("summary",), 50, at)
            for issue in self.with_property(found):
                if has_marker(issue.properties.get(PROPERTY), marker):
                    return issue
            seen, at = seen + len(found.issues), found.next
            if at is None:
                return None
        raise Uncertain(f"{project} has too many new issues to look for the one that may have been made.")

    def types(self, project: str) -> list[WireNamed]:
        """What kinds of issue the account can make in a project."""
        return [WireNamed.model_validate(one) for one in self._metas(f"issue/createmeta/{segment(project)}/issuetypes")]

    def form(self, project: str, type_id: str) -> list[WireField]:
        """The fields of a new issue of that kind."""
        path = f"issue/createmeta/{segment(project)}/issuetypes/{segment(type_id)}"
        return [WireField.model_validate(one) for one in self._metas(path)]

    def _metas(self, path: str) -> list[Any]:
        found: list[Any] = []
        while len(found) < MOST_METAS:
            page = self.client.get(WirePage, path, {"startAt": len(found), "maxResults": METAS_AT_ONCE})
            found += page.items
            full = len(page.items) >= METAS_AT_ONCE if page.total is None else len(found) < page.total
            if not page.items or page.last or not full:
                return found
        raise Transient(f"{self.client.site} lists without end.")

    def transit(self, key: str, transition_id: str, fields: Mapping[str, Any]) -> None:
        body = {"transition": {"id": transition_id}} | ({"fields": fields} if fields else {})
        self.client.send("POST", f"issue/{segment(key)}/transitions", body)

    def assign(self, key: str, person_id: str | None) -> None:
        self.client.send("PUT", f"issue/{segment(key)}/assignee", self.mention(person_id))

    def people(self, path: str, query: Mapping[str, str | int | bool]) -> list[Person]:
        found = self.client.get(WireUsers, path, query).root
        return [self.person(one) for one in found if one.active]


def has_marker(value: Any, marker: str) -> bool:
    """Whether a property's value is that of a job; sites give it back as JSON, or as the text of it."""
    return value is not None and marker in (value if isinstance(value, str) else json.dumps(value))


def property_of(properties: Sequence[Any]) -> Any:
    """The value of our property among those of a comment; None if it has none."""
    return next((one.value for one in properties if one.key == PROPERTY), None)


def named(user: WireUser, person_id: str | None) -> Person:
    """Somebody by that id."""
    called = [one for one in (user.display_name, user.email, user.name, user.account_id, user.key) if one]
    if person_id is None and not called:
        raise NotFound("The site names somebody without saying who it is.")
    return Person(person_id or "", called[0] if called else "", frozenset(one.casefold() for one in called))


def _age(comment: WireComment) -> tuple[float, int]:
    number = int(comment.id) if comment.id.isascii() and comment.id.isdigit() else 0
    return (comment.created.timestamp() if comment.created else 0.0, number)


def _newest_first(comments: Sequence[WireComment]) -> bool:
    ages = [_age(one) for one in comments]
    return ages == sorted(ages, reverse=True)
