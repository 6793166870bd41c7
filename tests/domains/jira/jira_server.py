"""A JIRA on 127.0.0.1, Cloud and Data Center at once, with issues that change, and what goes wrong.

    with jira_on_loopback() as jira:
        issue = jira.add("OPS", "The disk is full", description="...")
        jira.say(issue.key, "I look at it", by="bert")
        jira.next("POST /comment", "do_then_silence")
        ... jira.cloud() and jira.data_center() are credentials for it

Both kinds show the same issues. Every request is held against the vendor's contract before it is looked at, and every
answer before it is sent; what does not fit stands in `violations`, and fails the test at its end.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from atlassian_server import ACCESS, CLOUD_ID, EMAIL, Answer, AtlassianSite, Refusal, on_loopback
from jira_contract import CLOUD, DATA_CENTER, contract
from pydantic import SecretStr

from tasks.jira.account import JiraAccount

__all__ = ["ACCESS", "CLOUD_ID", "EMAIL", "TOKEN", "Jira", "jira_on_loopback"]

TOKEN = "jira-canary-1"
GRANTED = f"/ex/jira/{CLOUD_ID}"
#: Where the Data Center stands, as many do.
CONTEXT = "/jira"
PEOPLE = {"ada": "Ada Lovelace", "bert": "Bert Bastler", "bertha": "Bert Bastler", "chris": "Chris Cross"}
TYPES = {"10001": "Bug", "10002": "Task"}
TRANSITIONS = {
    "To Do": {"11": ("Start work", "In Progress"), "31": ("Close", "Done")},
    "In Progress": {"21": ("Stop work", "To Do"), "31": ("Close", "Done")},
    "Done": {"41": ("Reopen", "To Do")},
}
STATUSES = {"To Do": "1", "In Progress": "3", "Done": "5"}
#: What closing an issue asks for.
RESOLUTION = {
    "required": True,
    "schema": {"type": "resolution", "system": "resolution"},
    "name": "Resolution",
    "operations": ["set"],
    "allowedValues": [{"id": "1", "name": "Fixed"}, {"id": "2", "name": "Won't Do"}],
}
COMMENT = {
    "required": True,
    "schema": {"type": "comments-page", "system": "comment"},
    "name": "Comment",
    "operations": ["add"],
}
Query = dict[str, list[str]]
BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class KeptComment:
    id: str
    by: str
    body: Any
    at: datetime
    properties: list[Any] = field(default_factory=list)


@dataclass
class KeptIssue:
    id: str
    key: str
    fields: dict[str, Any]
    status: str = "To Do"
    indexed: bool = True
    assignee: str | None = "ada"
    reporter: str = "bert"
    at: datetime = BEGAN
    comments: list[KeptComment] = field(default_factory=list)
    links: list[Any] = field(default_factory=list)
    properties: dict[str, Any] = field(default_factory=dict)

    @property
    def project(self) -> str:
        return self.key.partition("-")[0]


@dataclass
class Jira(AtlassianSite):
    """The site and how it behaves.

    Attributes:
        queries: What was searched for, and what it found: a query that is not here finds all issues of ada's.
        tells_properties: Whether a list of comments tells their properties.
        keeps_properties: Whether comments have any; very old Data Centers have none.
        secret: The API token, and the personal access token, that is good now.
        orders: Whether comments come in the order that is asked for; old Data Centers have the oldest first.
        indexes: Whether a search knows what is made from now on.
        form: Fields of a new issue, by id.
        closed: Whether nobody may move issues.
        shortcuts: Whether a second transition leads from everywhere into work.
        asks_why: Whether transitions want a comment.
    """

    issues: dict[str, KeptIssue] = field(default_factory=dict)
    form: dict[str, Any] = field(default_factory=dict)
    tells_properties: bool = True
    keeps_properties: bool = True
    secret: str = TOKEN
    orders: bool = True
    indexes: bool = True
    closed: bool = False
    shortcuts: bool = False
    asks_why: bool = False
    queries: list[str] = field(default_factory=list)
    last_id: int = 10_000

    # --- what is there

    def cloud(self, token: str = TOKEN) -> JiraAccount:
        return JiraAccount(site=self.url, email=EMAIL, token=SecretStr(token))

    def data_center(self, token: str = TOKEN) -> JiraAccount:
        return JiraAccount(site=f"{self.url}{CONTEXT}", token=SecretStr(token))

    def add(self, project: str, summary: str, description: Any = None, **more: Any) -> KeptIssue:
        """An issue that is there."""
        with self.lock:
            number = sum(one.project == project for one in self.issues.values()) + 1
            own = {name: more.pop(name) for name in ("status", "assignee", "reporter", "links") if name in more}
            fields = {"summary": summary, "description": description, "issuetype": "10001"} | more
            own["indexed"] = self.indexes
            issue = KeptIssue(self._new_id(), f"{project}-{number}", fields, at=self._now(), **own)
            self.issues[issue.key] = issue
            return issue

    def say(self, key: str, body: Any, by: str = "bert") -> KeptComment:
        """Somebody writes a comment."""
        with self.lock:
            comment = KeptComment(self._new_id(), by, body, self._now())
            self.issues[key].comments.append(comment)
            return comment

    def sent(self, part: str) -> Any:
        """The body of the last request there."""
        return json.loads(next(body for method, target, body in reversed(self.seen) if part in f"{method} {target}"))

    def _now(self) -> datetime:
        return datetime.now(UTC).replace(microsecond=0) + timedelta(milliseconds=self.last_id - 10_000)

    # --- how it is asked

    def contract_of(self, target: str) -> tuple[Any, str] | None:
        base = _base(target)
        return None if base is None else (contract(base), _in_contract(target))

    def is_open(self, target: str, authorization: str) -> bool:
        return target == "/oauth/token" or self.lets_in(
            target, authorization, granted=(GRANTED, "/oauth/"), data_center=CONTEXT
        )

    def below_api(self, asked: str) -> str:
        return re.sub(_API, "", asked)

    def complaint(self, target: str, refusal: Refusal) -> Any:
        return {"errorMessages": list(refusal.messages), "errors": refusal.fields}

    def done(self, method: str, target: str, body: bytes, authorization: str) -> Answer:
        answer = self.answer(method, target, body)
        if answer is None:
            return Answer(204, b"")
        return Answer(201, answer.content) if isinstance(answer, Made) else Answer(200, answer)

    def answer(self, method: str, target: str, body: bytes) -> Any:
        """The answer of whoever is meant; raises Refusal."""
        address = urlsplit(target)
        path, query = unquote(address.path), parse_qs(address.query)
        given = json.loads(body) if body[:1] == b"{" else {}
        for pattern, known in ROUTES:
            if found := re.fullmatch(pattern, f"{method} {path}"):
                with self.lock:
                    return known(self, _base(target) != DATA_CENTER, query, given, *found.groups())
        raise Refusal(404, f"no such path {path}")

    # --- Atlassian

    def resources(self, _cloud: bool, _query: Any, _given: Any) -> Any:
        wiki = {"id": "other", "url": "https://other.example", "name": "other", "scopes": ["read:page:confluence"]}
        scopes = ["read:jira-work", "write:jira-work"]
        return [wiki, {"id": CLOUD_ID, "url": "https://acme.atlassian.net", "name": "acme", "scopes": scopes}]

    def token(self, _cloud: bool, _query: Any, _given: Any) -> Any:
        return self.new_token()

    # --- people

    def person(self, cloud: bool, name: str | None) -> Any:
        if name is None:
            return None
        shown = {"displayName": PEOPLE.get(name, name), "active": True}
        return shown | ({"accountId": account_id(name)} if cloud else {"name": name, "key": f"JIRAUSER-{name}"})

    def myself(self, cloud: bool, _query: Any, _given: Any) -> Any:
        return self.person(cloud, "ada") | {"emailAddress": EMAIL}

    def users(self, cloud: bool, query: Query, _given: Any) -> Any:
        if "accountId" in query:
            found = [name for name in PEOPLE if account_id(name) == query["accountId"][0]]
        else:
            words = query["query" if cloud else "username"][0].casefold()
            found = [name for name, full in PEOPLE.items() if _is_called(words, name, full, cloud)]
        if "issueKey" in query or "project" in query:
            self.existing(query["issueKey"][0]) if "issueKey" in query else None
            found = [name for name in found if name != "chris"]  # who may not be given anything
        return [self.person(cloud, name) for name in found]

    def assign(self, cloud: bool, _query: Any, given: Any, key: str) -> Any:
        name = given["accountId" if cloud else "name"]
        person = _person_of(name)
        if person is not None and person not in PEOPLE:
            raise Refusal(400, assignee=f"User '{name}' does not exist.")
        self.existing(key).assignee = person

    # --- issues

    def existing(self, key: str) -> KeptIssue:
        found = next((one for one in self.issues.values() if key.upper() in (one.key, one.id)), None)
        if found is None:
            raise Refusal(404, "Issue does not exist or you do not have permission to see it.")
        return found

    def search_cloud(self, cloud: bool, _query: Any, given: Any) -> Any:
        found, start = self._found(given["jql"]), 0
        if "nextPageToken" in given:
            start = int(base64.b64decode(given["nextPageToken"]).decode().removeprefix("at-"))
        part = found[start : start + given["maxResults"]]
        shown = [self.shown(cloud, one, given["fields"], given.get("properties", ())) for one in part]
        following = start + len(part)
        if following >= len(found):
            return {"issues": shown, "isLast": True}
        return {"issues": shown, "nextPageToken": base64.b64encode(f"at-{following}".encode()).decode()}

    def search_center(self, cloud: bool, _query: Any, given: Any) -> Any:
        found, start, most = self._found(given["jql"]), given["startAt"], given["maxResults"]
        part = [self.shown(cloud, one, given["fields"], ()) for one in found[start : start + most]]
        return {"issues": part, "startAt": start, "maxResults": most, "total": len(found)}

    def _found(self, jql: str) -> list[KeptIssue]:
        self.queries.append(jql)
        if "nonsense" in jql:
            raise Refusal(400, "Error in the JQL Query: Expecting operator but got 'nonsense'.")
        if project := re.search(r'project = "(\w+)"', jql):
            if project[1] not in self._projects():
                raise Refusal(400, f"The value '{project[1]}' does not exist for the field 'project'.")
            found = [one for one in self.issues.values() if one.project == project[1] and one.indexed]
            return found[::-1] if jql.endswith("ORDER BY key DESC") else found
        return [one for one in self.issues.values() if one.assignee == "ada"]

    def one_issue(self, cloud: bool, query: Query, _given: Any, key: str) -> Any:
        fields = ",".join(query.get("fields", ["*all"])).split(",")
        issue = self.existing(key)
        shown = self.shown(cloud, issue, fields, ",".join(query.get("properties", [])).split(","))
        if "transitions.fields" in query.get("expand", [""])[0]:
            shown["transitions"] = self._transitions(cloud, issue)
        return shown

    def shown(self, cloud: bool, issue: KeptIssue, fields: Any, properties: Any) -> Any:
        """An issue with the fields and properties that are asked for."""
        stamp = f"{issue.at:%Y-%m-%dT%H:%M:%S}.000+0000"
        kept = issue.fields
        known = {
            "summary": kept["summary"],
            "description": kept.get("description"),
            "status": {"id": STATUSES[issue.status], "name": issue.status},
            "issuetype": {"id": kept["issuetype"], "name": TYPES[kept["issuetype"]], "subtask": False},
            "priority": {"id": "3", "name": "Medium"},
            "resolution": {"name": "Done"} if issue.status == "Done" else None,
            "project": {"id": "1", "key": issue.project, "name": f"Project {issue.project}"},
            "assignee": self.person(cloud, issue.assignee),
            "reporter": self.person(cloud, issue.reporter),
            "labels": kept.get("labels", []),
            "components": [],
            "created": stamp,
            "updated": stamp,
            "duedate": kept.get("duedate"),
            "issuelinks": issue.links,
            "subtasks": [],
        }
        shown = {"id": issue.id, "key": issue.key, "fields": {name: known[name] for name in fields if name in known}}
        told = {name: issue.properties[name] for name in properties if name in issue.properties}
        return shown | ({"properties": told} if told else {})

    def create(self, cloud: bool, _query: Any, given: Any) -> Any:
        fields = given["fields"]
        project = fields["project"]["key"]
        needed = {name for name, one in self._form().items() if one["required"] and not one.get("hasDefaultValue")}
        if missing := [name for name in needed - {"reporter"} if not fields.get(name)]:
            raise Refusal(400, **{name: f"{name} is required." for name in missing})
        issue = self.add(project, fields["summary"], fields.get("description"), reporter="ada", assignee=None)
        if assignee := fields.get("assignee"):
            issue.assignee = _person_of(assignee["accountId" if cloud else "name"])
        issue.fields |= {name: value for name, value in fields.items() if name not in ("issuetype", "project")}
        issue.fields["issuetype"] = fields["issuetype"]["id"]
        issue.properties = {one["key"]: _stored(cloud, one["value"]) for one in given.get("properties", ())}
        return Made({"id": issue.id, "key": issue.key, "self": f"{self.url}/rest/api/latest/issue/{issue.id}"})

    def _projects(self) -> set[str]:
        """OPS may be empty."""
        return {"OPS"} | {one.project for one in self.issues.values()}

    # --- forms

    def types(self, cloud: bool, _query: Any, _given: Any, project: str) -> Any:
        if project not in self._projects():
            raise Refusal(404, f"No project could be found with key '{project}'.")
        shown = [{"id": number, "name": name, "subtask": False} for number, name in TYPES.items()]
        return self._page("issueTypes" if cloud else "values", shown)

    def fields(self, cloud: bool, _query: Any, _given: Any, _project: str, _type_id: str) -> Any:
        shown = [
            {"fieldId": name, "operations": ["set"], "hasDefaultValue": False} | ({"key": name} if cloud else {}) | one
            for name, one in self._form().items()
        ]
        return self._page("fields" if cloud else "values", shown)

    def _form(self) -> dict[str, Any]:
        basic = {
            "summary": {"name": "Summary", "required": True, "schema": {"type": "string", "system": "summary"}},
            "project": {"name": "Project", "required": True, "schema": {"type": "project", "system": "project"}},
            "issuetype": {"name": "Issue Type", "required": True, "schema": {"type": "issuetype"}},
            "description": {
                "name": "Description", "required": False, "schema": {"type": "string", "system": "description"},
            },
            "labels": {"name": "Labels", "required": False, "schema": {"type": "array", "items": "string"}},
            "duedate": {"name": "Due date", "required": False, "schema": {"type": "date", "system": "duedate"}},
            "assignee": {"name": "Assignee", "required": False, "schema": {"type": "user", "system": "assignee"}},
            "priority": {
                "name": "Priority", "required": False, "schema": {"type": "priority", "system": "priority"},
                "allowedValues": [{"id": "1", "name": "High"}, {"id": "3", "name": "Medium"}],
            },
        }  # fmt: skip
        return basic | self.form

    def _page(self, items: str, shown: list[Any]) -> Any:
        page = {items: shown, "startAt": 0, "maxResults": 50, "total": len(shown)}
        return page | ({"isLast": True} if items == "values" else {})

    # --- comments

    def comments(self, cloud: bool, query: Query, _given: Any, key: str) -> Any:
        kept = sorted(self.existing(key).comments, key=lambda one: one.at)
        kept = kept[::-1] if query.get("orderBy") == ["-created"] and self.orders else kept
        start, most = int(query.get("startAt", ["0"])[0]), min(int(query.get("maxResults", ["50"])[0]), 100)
        told = "properties" in query.get("expand", [""])[0]
        shown = [self.comment(cloud, one, told) for one in kept[start : start + most]]
        return {"comments": shown, "startAt": start, "maxResults": most, "total": len(kept)}

    def comment(self, cloud: bool, comment: KeptComment, told: bool) -> Any:
        stamp = f"{comment.at:%Y-%m-%dT%H:%M:%S}.{comment.at.microsecond // 1000:03}+0000"
        shown = {"id": comment.id, "author": self.person(cloud, comment.by), "body": comment.body}
        shown |= {"created": stamp, "updated": stamp}
        tells = told and self.tells_properties and self.keeps_properties
        return shown | ({"properties": comment.properties} if tells else {})

    def add_comment(self, cloud: bool, _query: Any, given: Any, key: str) -> Any:
        if cloud and (not isinstance(given["body"], dict) or given["body"].get("type") != "doc"):
            raise Refusal(400, comment="Operation value must be an Atlassian Document")
        comment = self.say(self.existing(key).key, given["body"], "ada")
        if self.keeps_properties:
            comment.properties = [
                one | {"value": _told(cloud, _stored(cloud, one["value"]))} for one in given.get("properties", [])
            ]
        return Made(self.comment(cloud, comment, True))

    def comment_property(self, _cloud: bool, _query: Any, _given: Any, comment_id: str, name: str) -> Any:
        comments = [one for issue in self.issues.values() for one in issue.comments if one.id == comment_id]
        found = [one for comment in comments for one in comment.properties if one["key"] == name]
        if not found:
            raise Refusal(404, f"The property {name} does not exist.")
        return found[0]

    def delete_comment(self, _cloud: bool, _query: Any, _given: Any, key: str, comment_id: str) -> Any:
        issue = self.existing(key)
        kept = [one for one in issue.comments if one.id != comment_id]
        if len(kept) == len(issue.comments):
            raise Refusal(404, f"Can not find a comment for the id: {comment_id}.")
        issue.comments = kept

    # --- transitions

    def _transitions(self, cloud: bool, issue: KeptIssue) -> list[Any]:
        ways = [] if self.closed else list(TRANSITIONS[issue.status].items())
        ways += [("12", ("Hurry", "In Progress"))] if self.shortcuts else []
        return [self._transition(cloud, number, name, to) for number, (name, to) in ways]

    def _transition(self, cloud: bool, number: str, name: str, to: str) -> Any:
        asked = {"resolution": RESOLUTION} if to == "Done" else {}
        asked |= {"comment": COMMENT} if self.asks_why else {}
        fields = {one: about | ({"key": one} if cloud else {}) for one, about in asked.items()}
        return {"id": number, "name": name, "to": {"id": STATUSES[to], "name": to}, "fields": fields}

    def list_transitions(self, cloud: bool, _query: Any, _given: Any, key: str) -> Any:
        return {"transitions": self._transitions(cloud, self.existing(key))}

    def transit(self, _cloud: bool, _query: Any, given: Any, key: str) -> Any:
        issue, number = self.existing(key), given["transition"]["id"]
        if number == "12":
            issue.status = "In Progress"
            return
        if number not in TRANSITIONS[issue.status]:
            raise Refusal(
                400, f"It seems that you have tried to perform a workflow operation that is not valid: {number}"
            )
        to = TRANSITIONS[issue.status][number][1]
        if to == "Done" and not given.get("fields", {}).get("resolution"):
            raise Refusal(400, resolution="Resolution is required.")
        issue.status = to
        issue.fields |= given.get("fields", {})
        for one in given.get("update", {}).get("comment", []):
            self.say(key, one["add"]["body"], "ada")


@dataclass(frozen=True)
class Made:
    """An answer with status 201."""

    content: Any


_API = rf"(?:(?:{GRANTED})?/rest/api/3|{CONTEXT}/rest/api/2)"
_KEY = r"/issue/([\w-]+)"
ROUTES: list[tuple[str, Callable[..., Any]]] = [
    (r"GET /oauth/token/accessible-resources", Jira.resources),
    (r"POST /oauth/token", Jira.token),
    (rf"GET {_API}/myself", Jira.myself),
    (rf"GET {_API}/user/search", Jira.users),
    (rf"GET {_API}/user/assignable/search", Jira.users),
    (rf"POST {_API}/search/jql", Jira.search_cloud),
    (rf"POST {_API}/search", Jira.search_center),
    (rf"POST {_API}/issue", Jira.create),
    (rf"GET {_API}/issue/createmeta/(\w+)/issuetypes", Jira.types),
    (rf"GET {_API}/issue/createmeta/(\w+)/issuetypes/(\d+)", Jira.fields),
    (rf"GET {_API}{_KEY}", Jira.one_issue),
    (rf"GET {_API}{_KEY}/comment", Jira.comments),
    (rf"POST {_API}{_KEY}/comment", Jira.add_comment),
    (rf"DELETE {_API}{_KEY}/comment/(\d+)", Jira.delete_comment),
    (rf"GET {_API}/comment/(\d+)/properties/([\w.-]+)", Jira.comment_property),
    (rf"GET {_API}{_KEY}/transitions", Jira.list_transitions),
    (rf"POST {_API}{_KEY}/transitions", Jira.transit),
    (rf"PUT {_API}{_KEY}/assignee", Jira.assign),
]


def account_id(name: str) -> str:
    """What Cloud calls somebody."""
    return f"712020:0000-{name}-0000"


def _person_of(sent: str | None) -> str | None:
    return next((name for name in PEOPLE if account_id(name) == sent), sent)


def _is_called(words: str, name: str, full: str, cloud: bool) -> bool:
    """Names that begin so, or the whole address; Cloud has no user names."""
    if "@" in words:
        return words == f"{name}@example.org"
    return full.casefold().startswith(words) or (not cloud and name.startswith(words))


def _told(cloud: bool, value: Any) -> Any:
    """Data Center's contract tells properties of comments as text."""
    return value if cloud else json.dumps(value)


def _stored(cloud: bool, value: Any) -> Any:
    """Data Center takes the text of a JSON value where Cloud takes the value."""
    return value if cloud else json.loads(value)


def _in_contract(path: str) -> str:
    return path.removeprefix(GRANTED).removeprefix(CONTEXT)


def _base(path: str) -> str | None:
    """Which contract speaks of a path."""
    if path.startswith(f"{CONTEXT}/rest/"):
        return DATA_CENTER
    return CLOUD if _in_contract(path).startswith("/rest/") else None


@contextmanager
def jira_on_loopback() -> Iterator[Jira]:
    """A JIRA that runs; at its end, nothing may have broken the contracts."""
    contract(CLOUD)
    with on_loopback(Jira()) as jira:
        yield jira
