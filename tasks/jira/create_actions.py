"""Make issues of JIRA: the form is looked at first, and what was made is found again where no answer came."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import Field, JsonValue, StringConstraints

from llmcoder import BadInput, Context, Effect, Marker, Model, Retry, action
from tasks.jira.connections import JIRA
from tasks.jira.forms import Form
from tasks.jira.payload import NamedPayload
from tasks.jira.tracker import AssigneeScope, Tracker
from tasks.jira.views import ACCOUNT, FIELDS, MAX_TEXT_CHARS, FieldValues, IssueKey, Words, site_of_job

TIMEOUT_S = 90
#: Cloud's search knows a new issue after seconds, seldom after minutes; those it does not know are read by their keys.
SETTLE_S = 60
RETRY = Retry(attempts=4, first_wait_s=3)
#: How far the site's clock and ours may be apart.
CLOCKS_APART_MIN = 15

Project = Annotated[
    str, StringConstraints(strip_whitespace=True, to_upper=True, max_length=255, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
]
Summary = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=r"^[^\r\n]+$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^\S+$")]


class NewIssue(Model):
    """An issue to be made."""

    project: Project = Field(description="Key of the project.", examples=["OPS"])
    summary: Summary = Field(description="What it is called, in one line.", examples=["The disk of db-3 is full"])
    type: Words = Field("Task", description="What kind of issue: the name that the project has for it.")
    markdown: str = Field(
        "", max_length=MAX_TEXT_CHARS, description="The description in markdown. HTML in it is shown as text."
    )
    labels: list[Label] = Field([], max_length=50, description="Labels; they have no spaces.")
    priority: Words | None = Field(None, description="How urgent it is, by name; the project's default when left out.")
    assignee: Words | None = Field(None, description="Who is to do it: a name, an address, an id or `me`.")
    due_on: date | None = Field(None, description="When it is due.")
    parent: IssueKey | None = Field(None, description="The issue that it is a part of.")
    fields: FieldValues = Field({}, max_length=100, description=FIELDS)
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)


class IssueMade(Model):
    """The new issue."""

    issue: str = Field(description="Its key.")
    issue_id: str = Field(description="Its id at the site, which stays when it moves to another project.")
    url: str = Field(description="Where people read it.")


def find_issue(new: NewIssue, marker: Marker, ctx: Context) -> IssueMade | None:
    """Whether an attempt that nobody heard of again made the issue."""
    site = site_of_job(ctx)
    since_s = (datetime.now(UTC) - datetime.fromisoformat(marker["armed_at"])).total_seconds()
    found = site.find_created(new.project, marker["marker"], int(since_s / 60) + CLOCKS_APART_MIN)
    return None if found is None else IssueMade(issue=found.key, issue_id=found.id, url=site.browse(found.key))


@action(
    "jira.create_issue",
    effect=Effect.WRITE,
    repeatable=False,
    reconcile=find_issue,
    settle_s=SETTLE_S,
    timeout_s=TIMEOUT_S,
    retry=RETRY,
    connects=JIRA,
)
def create_issue(new: NewIssue, ctx: Context) -> IssueMade:
    """Make an issue in a project of JIRA.

    Fields that the project wants and that are missing are named, with the values they take. It carries a property that
    readers do not see, by which it is known again if the answer is lost.
    """
    site = site_of_job(ctx)
    kind = _kind(site, new)
    known = {field.id or field.key or "": field for field in site.form(new.project, kind.id or "")}
    form = Form(site, f"A {kind.name} in {new.project}", known, AssigneeScope(project=new.project))
    fields = form.filled(_given(new)) | {"project": {"key": new.project}, "issuetype": {"id": kind.id}}
    marker = str(ctx.job_id)
    ctx.armed({"marker": marker, "armed_at": datetime.now(UTC).isoformat()})
    made = site.create(fields, marker)
    return IssueMade(issue=made.key, issue_id=made.id, url=site.browse(made.key))


def _kind(site: Tracker, new: NewIssue) -> NamedPayload:
    known = site.types(new.project)
    wanted = new.type.casefold()
    found = next((one for one in known if wanted in (one.name.casefold(), one.id)), None)
    if found is not None:
        return found
    if not known:
        raise BadInput(f"This account can make no issues in {new.project}.")
    raise BadInput(f"{new.project} has no {new.type!r}; it has {', '.join(one.name for one in known)}.")


def _given(new: NewIssue) -> Mapping[str, JsonValue]:
    """All fields that were given, by the ids of those that every JIRA has."""
    own: dict[str, JsonValue] = {
        "summary": new.summary,
        "description": new.markdown.strip() or None,
        "labels": list[JsonValue](new.labels) or None,
        "priority": new.priority,
        "assignee": new.assignee,
        "duedate": new.due_on.isoformat() if new.due_on else None,
        "parent": new.parent,
    }
    given = {name: value for name, value in own.items() if value is not None}
    if twice := [name for name in new.fields if name in given]:
        raise BadInput(f"{', '.join(twice)} stands in `fields` and beside it; give it once.")
    return given | new.fields
