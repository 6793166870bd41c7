"""What this domain shows of issues and people, and the fields that its actions share."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import AwareDatetime, Field, JsonValue, StringConstraints

from llmcoder import Context, Model
from tasks.jira.connections import JIRA
from tasks.jira.open_tracker import open_tracker
from tasks.jira.payload import CommentPayload, IssuePayload, NamedPayload, ReferencePayload, UserPayload
from tasks.jira.tracker import Tracker

IssueKey = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^([A-Za-z][A-Za-z0-9_]*-\d+|\d{1,19})$")
]
ProjectKey = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_]+$")
]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
Language = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=100)]
Instructions = Annotated[str, StringConstraints(min_length=1, max_length=4_000)]

FieldValues = dict[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)], JsonValue]

FIELDS = (
    'More fields by name or id, such as {"Severity": "High"}: choices by name, people by name, address or id, dates as '
    "2026-12-31, texts in markdown. What is an object goes to JIRA as it is."
)
ACCOUNT = "Which of your JIRA accounts; the first when left out."
ISSUE = "Issue, such as OPS-42."
#: An epic may have thousands.
MOST_LINKED = 500
#: JIRA takes no longer text.
MAX_TEXT_CHARS = 32_767


class IssueRow(Model):
    """An issue in a list."""

    key: str = Field(description="Its key, such as OPS-42.")
    summary: str = Field(description="What it is called.")
    status: str = Field(description="Where it stands.")
    type: str = Field(description="What kind of issue it is.")
    priority: str | None = Field(description="How urgent it is; null where nobody said.")
    resolution: str | None = Field(description="How it ended; null while it is open.")
    project: str = Field(description="Key of its project.")
    assignee: str | None = Field(description="Who works on it; null if nobody does.")
    reporter: str | None = Field(description="Who wrote it.")
    labels: list[str] = Field(description="Its labels.")
    created_at: AwareDatetime | None = Field(description="When it was made.")
    updated_at: AwareDatetime | None = Field(description="When it last changed.")
    due_on: date | None = Field(description="When it is due; null where nobody said.")
    url: str = Field(description="Where people read it.")


class IssueList(Model):
    """Some issues."""

    issues: list[IssueRow] = Field(description="Them, in the order of the query.")
    cursor: str | None = Field(description="For the next ones; null when these are the last.")
    jql: str = Field(description="The query that found them.")


class CommentView(Model):
    """A comment."""

    id: str = Field(description="Its id.")
    author: str | None = Field(description="Who wrote it.")
    created_at: AwareDatetime | None = Field(description="When.")
    text: str = Field(description="What it says, in markdown or near it.")


class LinkedIssue(Model):
    """An issue that another one names."""

    key: str = Field(description="Its key.")
    relation: str = Field(description="What it is to the other one, such as blocks or subtask.")
    summary: str = Field(description="What it is called.")
    status: str = Field(description="Where it stands.")


class IssueView(IssueRow):
    """An issue with all that people wrote."""

    description: str = Field(description="What it says, in markdown or near it.")
    components: list[str] = Field(description="Parts of the project that it is about.")
    linked: list[LinkedIssue] = Field(description=f"Its parent, subtasks and linked issues; {MOST_LINKED} at most.")
    comments: list[CommentView] = Field(description="Its newest comments, the oldest of them first.")
    comments_total: int = Field(description="How many comments it has.")
    cut: bool = Field(False, description="Whether something was left out that is too long for a result.")


class ModelUse(Model):
    """What a language model was asked with, and what it cost."""

    prompt: str = Field(description="The prompt that was used, with its version.")
    model: str = Field(description="Which model wrote.")
    tokens_in: int | None = Field(description="Prompt tokens; null if the provider did not say.")
    tokens_out: int | None = Field(description="Generated tokens, likewise.")


def site_of_job(ctx: Context) -> Tracker:
    """The site of the account that the job acts for."""
    return open_tracker(ctx.connection(JIRA), ctx)


def row(site: Tracker, issue: IssuePayload) -> IssueRow:
    """An issue as it stands in a list."""
    fields = issue.fields
    return IssueRow(
        key=issue.key,
        summary=fields.summary,
        status=_name(fields.status) or "",
        type=_name(fields.type) or "",
        priority=_name(fields.priority),
        resolution=_name(fields.resolution),
        project=(fields.project.key if fields.project else None) or issue.key.rpartition("-")[0],
        assignee=called(fields.assignee),
        reporter=called(fields.reporter),
        labels=list(fields.labels),
        created_at=fields.created,
        updated_at=fields.updated,
        due_on=_day(fields.due),
        url=site.browse(issue.key),
    )


def whole(site: Tracker, issue: IssuePayload, comments: list[CommentPayload], total: int) -> IssueView:
    """An issue with all that people wrote."""
    return IssueView(
        **dict(row(site, issue)),
        description=site.text(issue.fields.description),
        components=[one.name for one in issue.fields.components],
        linked=linked(issue)[:MOST_LINKED],
        comments=[comment_view(site, one) for one in comments],
        comments_total=total,
    )


def fitted(view: IssueView, most_bytes: int) -> IssueView:
    """The issue cut to about so many bytes of JSON: its newest comments stay, and the beginning of each text."""
    if _bytes(view) <= most_bytes:
        return view
    description = _cut(view.description, most_bytes // 3)
    base = view.model_copy(update={"description": description, "comments": [], "cut": True})
    room, kept = most_bytes - _bytes(base), list[CommentView]()
    for one in reversed(view.comments):
        shorter = one.model_copy(update={"text": _cut(one.text, most_bytes // 3)})
        if (room := room - _bytes(shorter) - 1) < 0:
            break
        kept.append(shorter)
    return base.model_copy(update={"comments": kept[::-1]})


def _bytes(view: Model) -> int:
    return len(view.model_dump_json().encode())


def _cut(text: str, most_bytes: int) -> str:
    """A text of at most so many bytes; no character takes more than six of them in JSON."""
    return text if len(text) * 6 <= most_bytes else text[: most_bytes // 6]


def comment_view(site: Tracker, comment: CommentPayload) -> CommentView:
    return CommentView(
        id=comment.id, author=called(comment.author), created_at=comment.created, text=site.text(comment.body)
    )


def linked(issue: IssuePayload) -> list[LinkedIssue]:
    """The issues that an issue names."""
    fields = issue.fields
    found = [(fields.parent, "parent")] if fields.parent else []
    found += [(one, "subtask") for one in fields.subtasks]
    for link in fields.links:
        found += [(link.outward, link.type.outward or link.type.name)] if link.outward else []
        found += [(link.inward, link.type.inward or link.type.name)] if link.inward else []
    return [_linked(other, relation) for other, relation in found]


def _linked(other: ReferencePayload, relation: str) -> LinkedIssue:
    fields = other.fields
    return LinkedIssue(key=other.key, relation=relation, summary=fields.summary, status=_name(fields.status) or "")


def called(user: UserPayload | None) -> str | None:
    """What people call somebody."""
    return None if user is None else user.display_name or user.name or user.email or user.account_id


def _name(one: NamedPayload | None) -> str | None:
    return (one.name or None) if one is not None else None


def _day(text: str | None) -> date | None:
    try:
        return datetime.fromisoformat(text).date() if text else None
    except ValueError:
        return None
