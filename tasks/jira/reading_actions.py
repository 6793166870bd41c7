"""Look at issues of JIRA: mine, those of a query, those with some words, one whole."""

from __future__ import annotations

import base64
import hashlib
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from llmcoder import BadInput, Context, Effect, Model, Retry, action
from llmcoder.settings import EngineSettings
from tasks.jira.connections import JIRA
from tasks.jira.jql import joined, matching, one_of, quoted
from tasks.jira.people import somebody
from tasks.jira.tracker import ROW_FIELDS, Tracker
from tasks.jira.views import (
    ACCOUNT,
    ISSUE,
    IssueKey,
    IssueList,
    IssueView,
    ProjectKey,
    Words,
    fitted,
    row,
    site_of_job,
    whole,
)

TIMEOUT_S = 60
RETRY = Retry(attempts=4, first_wait_s=3)
MINE = "assignee = currentUser() AND resolution = Unresolved ORDER BY updated DESC"
MOST_AT_ONCE = 100

Cursor = Annotated[str, StringConstraints(min_length=1, max_length=4_000, pattern=r"^[A-Za-z0-9_=-]+$")]
_CURSOR = "Where a list before went on; goes with the same question."


class IssueQuery(Model):
    """Which issues."""

    jql: str | None = Field(
        None,
        min_length=1,
        max_length=8_000,
        description="A query in JIRA's language; your open issues when left out. On Cloud it needs a condition.",
        examples=["project = OPS AND statusCategory != Done ORDER BY created DESC"],
    )
    limit: int = Field(25, ge=1, le=MOST_AT_ONCE, description="So many at once.")
    cursor: Cursor | None = Field(None, description=_CURSOR)
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)


@action("jira.issues", effect=Effect.READ, outside=True, timeout_s=TIMEOUT_S, retry=RETRY, connects=JIRA)
def issues(query: IssueQuery, ctx: Context) -> IssueList:
    """List issues of JIRA: your open ones, or those of any query (JQL)."""
    return _found(site_of_job(ctx), query.jql or MINE, query.limit, query.cursor)


class IssueFilter(Model):
    """What to look for; every condition that is given holds."""

    text: Words | None = Field(None, description="Words in the summary, description or comments.", examples=["disk"])
    project: ProjectKey | None = Field(None, description="Key of the project.", examples=["OPS"])
    status: list[Words] = Field([], max_length=20, description="Names of statuses, any of them.")
    type: list[Words] = Field([], max_length=20, description="Kinds of issue, any of them, such as Bug.")
    labels: list[Words] = Field([], max_length=20, description="Labels, all of them.")
    assignee: Words | None = Field(None, description="Who works on it: a name, an address, `me` or `none`.")
    open_only: bool = Field(False, description="Whether those that have ended are left out.")
    updated_since: date | None = Field(None, description="Changed on that day or after it.")
    created_since: date | None = Field(None, description="Made on that day or after it.")
    order: Literal["updated", "created", "priority", "due"] = Field("updated", description="What comes first.")
    limit: int = Field(25, ge=1, le=MOST_AT_ONCE, description="So many at once.")
    cursor: Cursor | None = Field(None, description=_CURSOR)
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)


_ORDERS = {"updated": "updated DESC", "created": "created DESC", "priority": "priority DESC", "due": "due ASC"}


@action("jira.search", effect=Effect.READ, outside=True, timeout_s=TIMEOUT_S, retry=RETRY, connects=JIRA)
def search(wanted: IssueFilter, ctx: Context) -> IssueList:
    """Find issues of JIRA by words, project, status, people and dates.

    The query is put together from them, whatever characters they have; for a query of your own, there is jira.issues.
    """
    site = site_of_job(ctx)
    conditions = _conditions(wanted, site)
    if not conditions:
        raise BadInput("Give at least one thing to look for, such as a project or words.")
    return _found(site, joined(conditions, _ORDERS[wanted.order]), wanted.limit, wanted.cursor)


def _conditions(wanted: IssueFilter, site: Tracker) -> list[str]:
    found = [f"project = {quoted(wanted.project)}"] if wanted.project else []
    found += [matching(wanted.text)] if wanted.text else []
    found += [one_of("status", wanted.status)] if wanted.status else []
    found += [one_of("issuetype", wanted.type)] if wanted.type else []
    found += [f"labels = {quoted(one)}" for one in wanted.labels]
    found += [_assignee(wanted.assignee, site)] if wanted.assignee else []
    found += ["resolution = Unresolved"] if wanted.open_only else []
    found += [f'updated >= "{wanted.updated_since}"'] if wanted.updated_since else []
    found += [f'created >= "{wanted.created_since}"'] if wanted.created_since else []
    return found


def _assignee(name: str, site: Tracker) -> str:
    match name.casefold():
        case "me":
            return "assignee = currentUser()"
        case "none":
            return "assignee is EMPTY"
    return f"assignee = {quoted(somebody(site, name).id)}"


class IssueChoice(Model):
    """Which issue."""

    issue: IssueKey = Field(description=ISSUE, examples=["OPS-42"])
    comments: int = Field(50, ge=0, le=100, description="So many of its newest comments.")
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)


@action("jira.issue", effect=Effect.READ, outside=True, timeout_s=TIMEOUT_S, retry=RETRY, connects=JIRA)
def issue(which: IssueChoice, ctx: Context) -> IssueView:
    """Read one issue of JIRA: its fields, description, linked issues and newest comments."""
    site = site_of_job(ctx)
    found = site.issue(which.issue)
    comments, total = site.comments(which.issue, max(which.comments, 1))
    view = whole(site, found, comments if which.comments else [], total)
    return fitted(view, ctx.settings(EngineSettings).max_result_bytes * 9 // 10)


# --- going on


def _found(site: Tracker, jql: str, limit: int, cursor: str | None) -> IssueList:
    found = site.search(jql, ROW_FIELDS, limit, _opened(cursor, jql))
    return IssueList(
        issues=[row(site, one) for one in found.issues],
        cursor=None if found.next is None else _sealed(found.next, jql),
        jql=jql,
    )


def _sealed(at: str, jql: str) -> str:
    """Where the site goes on, with what tells another query apart."""
    return base64.urlsafe_b64encode(f"{_sign(jql)}.{at}".encode()).decode().rstrip("=")


def _opened(cursor: str | None, jql: str) -> str | None:
    if cursor is None:
        return None
    try:
        sign, _, at = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(".")
    except ValueError:
        sign, at = "", ""
    if sign != _sign(jql) or not at:
        raise BadInput("This cursor belongs to another question; begin without one.")
    return at


def _sign(jql: str) -> str:
    return hashlib.sha256(jql.encode()).hexdigest()[:12]
