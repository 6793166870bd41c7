"""What this domain asks of a JIRA site, Cloud or Data Center: both speak the same paths, and differ in what they hold.

Texts are ADF on Cloud and wiki markup on Data Center; people have an account id there and a user name here; a search
goes on by a token there and by a number here. `cloud.py` and `data_center.py` say how; nothing else needs to know.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from llmcoder import strict_json
from llmcoder.errors import Forbidden, NotFound, Transient, Uncertain
from tasks.jira.client import JiraClient, segment
from tasks.jira.jql import quoted
from tasks.jira.payload import (
    CommentPayload,
    CommentsPayload,
    CreatedIssuePayload,
    FieldPayload,
    IssuePayload,
    NamedPayload,
    PagePayload,
    PropertyPayload,
    TransitionPayload,
    UserPayload,
    UsersPayload,
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
CANDIDATES_AT_ONCE = 50
#: Those among them that a search does not know yet.
MOST_NOT_INDEXED = 50
#: So many numbers after each other that nobody has, or this account cannot see, are the end of a project.
WIDEST_GAP = 5
PEOPLE_AT_ONCE = 20


@dataclass(frozen=True)
class JiraUser:
    """Somebody at the site.

    Attributes:
        id: By which the site is told who is meant.
        names: All that people may call them.
    """

    id: str
    name: str
    names: frozenset[str]


@dataclass(frozen=True)
class AssigneeScope:
    """Where somebody is to work: on an issue, on a new one of a project, or anywhere."""

    issue: str | None = None
    project: str | None = None

    @property
    def anywhere(self) -> bool:
        return self.issue is None and self.project is None

    @property
    def asked(self) -> dict[str, str | int | bool]:
        """The place in a query."""
        named = {"issueKey": self.issue, "project": self.project}
        return {name: value for name, value in named.items() if value is not None}

    def __str__(self) -> str:
        return self.issue or f"issues of {self.project}"


ANYWHERE = AssigneeScope()


@dataclass(frozen=True)
class FoundPage:
    """A part of what a search finds.

    Attributes:
        next: Where the site goes on; None when these are the last.
    """

    issues: tuple[IssuePayload, ...]
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
    def person(self, user: UserPayload) -> JiraUser:
        """Who that is."""

    @abstractmethod
    def mention(self, person_id: str | None) -> dict[str, str | None]:
        """How a person is named in what is sent; None is nobody."""

    @abstractmethod
    def find_people(self, words: str, place: AssigneeScope) -> list[JiraUser]:
        """Those whose names begin with the words; of an issue or a project, those who can be given it."""

    @abstractmethod
    def transitions(self, issue: str) -> list[TransitionPayload]:
        """Where the account can move an issue, with the fields of each screen."""

    @abstractmethod
    def marked(self, marker: str) -> dict[str, Any]:
        """The property that what a job makes is known by."""

    @abstractmethod
    def says_the_same(self, comment: CommentPayload, body: Any) -> bool:
        """Whether a comment of ours without a property that could be read is taken for the one with that body."""

    @abstractmethod
    def with_property(self, found: FoundPage) -> Iterator[IssuePayload]:
        """Issues with the properties that they have."""

    # --- what does not

    def myself(self) -> JiraUser:
        return self.person(self.client.get(UserPayload, "myself"))

    def browse(self, key: str) -> str:
        """Where people read an issue."""
        return f"{self.url}/browse/{segment(key)}"

    def issue(self, key: str, fields: Sequence[str] = WHOLE_FIELDS) -> IssuePayload:
        return self.client.get(IssuePayload, f"issue/{segment(key)}", {"fields": ",".join(fields)})

    def comments(self, key: str, limit: int) -> tuple[list[CommentPayload], int]:
        """The newest comments, oldest first, and how many there are in all."""
        page = self._comments(key, 0, min(limit, COMMENTS_AT_ONCE))
        if len(page.comments) < page.total and not _newest_first(page.comments):  # sites before 8.0 know one order
            page = self._comments(key, page.total - len(page.comments), len(page.comments))
        return sorted(page.comments, key=_age), max(page.total, len(page.comments))

    def _comments(self, key: str, start: int, limit: int) -> CommentsPayload:
        query: dict[str, str | int | bool] = {
            "startAt": start,
            "maxResults": limit,
            "orderBy": "-created",
            "expand": "properties",
        }
        return self.client.get(CommentsPayload, f"issue/{segment(key)}/comment", query)

    def add_comment(self, key: str, body: Any, marker: str) -> CommentPayload:
        """Post a comment that `find_comment` knows by the marker."""
        sent = {"body": body, "properties": [self.marked(marker)]}
        made = self.client.send("POST", f"issue/{segment(key)}/comment", sent, CommentPayload)
        assert made is not None
        return made

    def find_comment(self, key: str, body: Any, marker: str, since: datetime) -> CommentPayload | None:
        """The comment that was posted under the marker.

        Raises:
            Uncertain: There are more comments than can be looked at.
        """
        me, seen = self.myself(), 0
        while seen < MOST_COMMENTS:
            page = self._comments(key, seen, COMMENTS_AT_ONCE)
            recent = [one for one in page.comments if one.created is None or one.created >= since - CLOCKS_APART]
            if (found := next((one for one in recent if self._is_ours(one, marker, body, me)), None)) is not None:
                return found
            seen += len(page.comments)
            if not page.comments or seen >= page.total or (not recent and _newest_first(page.comments)):
                return None
        raise Uncertain(f"{key} has too many comments to look for the one that may have been posted.")

    def _is_ours(self, comment: CommentPayload, marker: str, body: Any, me: JiraUser) -> bool:
        """Whether the job made that comment: by its property, in the list or, where it tells none, asked for."""
        if comment.author is not None and self.person(comment.author).id != me.id:
            return False
        if comment.properties is not None:
            return has_marker(property_of(comment.properties), marker)
        try:
            path = f"comment/{segment(comment.id)}/properties/{PROPERTY}"
            return has_marker(self.client.get(PropertyPayload, path).value, marker)
        except (NotFound, Forbidden):
            return self.says_the_same(comment, body)

    def delete_comment(self, key: str, comment_id: str) -> None:
        self.client.send("DELETE", f"issue/{segment(key)}/comment/{segment(comment_id)}")

    def create(self, fields: Mapping[str, Any], marker: str) -> CreatedIssuePayload:
        """Make an issue that `find_created` knows by the marker."""
        made = self.client.send(
            "POST", "issue", {"fields": fields, "properties": [self.marked(marker)]}, CreatedIssuePayload
        )
        assert made is not None
        return made

    def find_created(self, project: str, marker: str, minutes: int) -> IssuePayload | None:
        """The issue that was made under the marker in the last minutes.

        Raises:
            Uncertain: There are more new issues than can be looked at.
        """
        return self._find_indexed(project, marker, minutes) or self._find_not_indexed(project, marker)

    def _find_indexed(self, project: str, marker: str, minutes: int) -> IssuePayload | None:
        jql = f"project = {quoted(project)} AND creator = currentUser() AND created >= -{minutes}m ORDER BY created ASC"
        at, seen = None, 0
        while seen < MOST_CANDIDATES:
            found = self.search(jql, ("summary",), CANDIDATES_AT_ONCE, at)
            for issue in self.with_property(found):
                if has_marker(issue.properties.get(PROPERTY), marker):
                    return issue
            seen, at = seen + len(found.issues), found.next
            if at is None:
                return None
        raise Uncertain(f"{project} has too many new issues to look for the one that may have been made.")

    def _find_not_indexed(self, project: str, marker: str) -> IssuePayload | None:
        """Among those after the newest that a search knows: its index is late, and keys are read without it."""
        newest = self.search(f"project = {quoted(project)} ORDER BY key DESC", ("summary",), 1).issues
        first = number_of(newest[0].key) + 1 if newest else 1
        gaps = 0
        for number in range(first, first + MOST_NOT_INDEXED):
            try:
                issue = self.issue_with_property(f"{project}-{number}")
            except (NotFound, Forbidden):
                if (gaps := gaps + 1) >= WIDEST_GAP:
                    return None
                continue
            if has_marker(issue.properties.get(PROPERTY), marker):
                return issue
            gaps = 0
        raise Uncertain(f"{project} has too many new issues to look for the one that may have been made.")

    def issue_with_property(self, key: str) -> IssuePayload:
        """An issue with the job that made it, if one did."""
        return self.client.get(IssuePayload, f"issue/{segment(key)}", {"fields": "summary", "properties": PROPERTY})

    def types(self, project: str) -> list[NamedPayload]:
        """What kinds of issue the account can make in a project."""
        return [
            NamedPayload.model_validate(one) for one in self._metas(f"issue/createmeta/{segment(project)}/issuetypes")
        ]

    def form(self, project: str, type_id: str) -> list[FieldPayload]:
        """The fields of a new issue of that kind."""
        path = f"issue/createmeta/{segment(project)}/issuetypes/{segment(type_id)}"
        return [FieldPayload.model_validate(one) for one in self._metas(path)]

    def _metas(self, path: str) -> list[Any]:
        found: list[Any] = []
        while len(found) < MOST_METAS:
            page = self.client.get(PagePayload, path, {"startAt": len(found), "maxResults": METAS_AT_ONCE})
            found += page.items
            full = len(page.items) >= METAS_AT_ONCE if page.total is None else len(found) < page.total
            if not page.items or page.last or not full:
                return found
        raise Transient(f"{self.client.site} lists without end.")

    def transit(self, key: str, transition_id: str, fields: Mapping[str, Any]) -> None:
        body: dict[str, Any] = {"transition": {"id": transition_id}}
        if (comment := fields.get("comment")) is not None:  # it can be added and not set
            body["update"] = {"comment": [{"add": {"body": comment}}]}
        others = {name: value for name, value in fields.items() if name != "comment"}
        body |= {"fields": others} if others else {}
        self.client.send("POST", f"issue/{segment(key)}/transitions", body)

    def assign(self, key: str, person_id: str | None) -> None:
        self.client.send("PUT", f"issue/{segment(key)}/assignee", self.mention(person_id))

    def people(self, path: str, query: Mapping[str, str | int | bool]) -> list[JiraUser]:
        found = self.client.get(UsersPayload, path, query).root
        return [self.person(one) for one in found if one.active]


def has_marker(value: Any, marker: str) -> bool:
    """Whether a property's value is that of a job; sites give it back as JSON, or as the text of it."""
    return value is not None and marker in (value if isinstance(value, str) else strict_json.write(value))


def property_of(properties: Sequence[Any]) -> Any:
    """The value of our property among those of a comment; None if it has none."""
    return next((one.value for one in properties if one.key == PROPERTY), None)


def named(user: UserPayload, person_id: str | None) -> JiraUser:
    """Somebody by that id."""
    called = [one for one in (user.display_name, user.email, user.name, user.account_id, user.key) if one]
    if person_id is None and not called:
        raise NotFound("The site names somebody without saying who it is.")
    return JiraUser(person_id or "", called[0] if called else "", frozenset(one.casefold() for one in called))


def number_of(key: str) -> int:
    """Which issue of its project it is."""
    number = key.rpartition("-")[2]
    return int(number) if number.isascii() and number.isdigit() else 0


def _age(comment: CommentPayload) -> tuple[float, int]:
    number = int(comment.id) if comment.id.isascii() and comment.id.isdigit() else 0
    return (comment.created.timestamp() if comment.created else 0.0, number)


def _newest_first(comments: Sequence[CommentPayload]) -> bool:
    ages = [_age(one) for one in comments]
    return ages == sorted(ages, reverse=True)
