"""Move issues of JIRA from status to status, and give them to people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from llmcoder import BadInput, Context, Effect, Marker, Model, Refused, Retry, Uncertain, Undo, action
from tasks.jira.connections import JIRA
from tasks.jira.forms import Form, explained
from tasks.jira.payload import NamedPayload, TransitionPayload
from tasks.jira.people import somebody
from tasks.jira.tracker import AssigneeScope, Tracker
from tasks.jira.views import ACCOUNT, FIELDS, ISSUE, FieldValues, IssueKey, Words, site_of_job

TIMEOUT_S = 60
SETTLE_S = 30
RETRY = Retry(attempts=4, first_wait_s=3)
#: What stands for nobody in names and ids.
NOBODY = "none"

PersonId = Annotated[str, StringConstraints(min_length=1, max_length=300)]


# --- from status to status


class Move(Model):
    """Where an issue is to go."""

    issue: IssueKey = Field(description=ISSUE, examples=["OPS-42"])
    to: Words = Field(
        description="Name of the status that it is to have, or of the transition that leads there.", examples=["Done"]
    )
    fields: FieldValues = Field({}, max_length=100, description=f"What the transition asks for. {FIELDS}")
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)


class Moved(Model):
    """Where the issue stands."""

    issue: str = Field(description="Key of the issue.")
    status: str = Field(description="Its status.")
    before: str = Field(description="The status before; the same where it stood there already.")
    transition: str | None = Field(description="What was done; null where it stood there already.")
    url: str = Field(description="Where people read it.")


def find_move(move: Move, marker: Marker, ctx: Context) -> Moved | None:
    """Whether an attempt that nobody heard of again moved the issue.

    Raises:
        Uncertain: It stands where it neither was nor was to go.
    """
    site = site_of_job(ctx)
    issue = site.issue(move.issue, ("status",))
    status = issue.fields.status or NamedPayload()
    if status.id == marker["to_id"]:
        return Moved(
            issue=issue.key, status=status.name, before=marker["before"], transition=marker["transition"],
            url=site.browse(issue.key),
        )  # fmt: skip
    if status.id == marker["from_id"]:
        return None
    raise Uncertain(f"{issue.key} is {status.name} by now; it may have been {marker['to']} in between.")


@action(
    "jira.transition",
    effect=Effect.WRITE,
    repeatable=False,
    reconcile=find_move,
    settle_s=SETTLE_S,
    timeout_s=TIMEOUT_S,
    retry=RETRY,
    connects=JIRA,
)
def transition(move: Move, ctx: Context) -> Moved:
    """Move an issue of JIRA to another status, by the name of the status or of the transition.

    One that stands there already is left alone. Fields that the transition wants and that are missing are named, with
    the values they take.
    """
    site = site_of_job(ctx)
    issue = site.issue(move.issue, ("status",))
    status = issue.fields.status or NamedPayload()
    url = site.browse(issue.key)
    if status.name.casefold() == move.to.casefold():
        return Moved(issue=issue.key, status=status.name, before=status.name, transition=None, url=url)
    chosen = _chosen(site.transitions(move.issue), move.to, issue.key, status.name)
    if chosen.to.id == status.id:
        return Moved(issue=issue.key, status=status.name, before=status.name, transition=None, url=url)
    fields = Form(site, f"{chosen.name!r}", chosen.fields, AssigneeScope(issue=issue.key)).filled(move.fields)
    told = {"from_id": status.id or "", "to_id": chosen.to.id or "", "before": status.name, "to": chosen.to.name}
    ctx.armed({**told, "transition": chosen.name})
    site.transit(move.issue, chosen.id, fields)
    return Moved(issue=issue.key, status=chosen.to.name, before=status.name, transition=chosen.name, url=url)


def _chosen(possible: Sequence[TransitionPayload], name: str, issue: str, status: str) -> TransitionPayload:
    """The transition that is meant.

    Raises:
        BadInput: None is, or several are.
    """
    wanted = name.casefold()
    for found in (
        [one for one in possible if wanted == one.name.casefold()],
        [one for one in possible if wanted == one.to.name.casefold()],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(f"{one.name!r}" for one in found)
            raise BadInput(f"Several transitions lead {issue} to {name!r}: {names}. Give the name of one.")
    told = "; ".join(map(_told, possible)) or "nowhere, or this account may not move it"
    raise BadInput(f"{issue} is {status} and cannot go to {name!r}. It can go: {told}.")


def _told(one: TransitionPayload) -> str:
    """`Close (to Done; asks for Resolution (one of Fixed, Won't Do))`."""
    needed = [explained(field) for field in one.fields.values() if field.required and not field.has_default]
    return f"{one.name} (to {one.to.name}{'; asks for ' + ', '.join(needed) if needed else ''})"


# --- from person to person


class Restored(Model):
    """Who had the issue before."""

    issue: IssueKey = Field(description=ISSUE, examples=["OPS-42"])
    assignee_id: PersonId = Field(description="Id of the person who gets it back, or `none`.", examples=["none"])
    only_from_id: PersonId | None = Field(
        None, description="Only if this person (or `none`) has it; whoever has it when left out."
    )
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)


class Assignment(Model):
    """Who is to do it."""

    issue: IssueKey = Field(description=ISSUE, examples=["OPS-42"])
    assignee: Words = Field(
        description="A name, an address, an id, `me`, or `none` for nobody.", examples=["ada@example.org"]
    )
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)


class Assigned(Model):
    """Who has the issue."""

    issue: str = Field(description="Key of the issue.")
    assignee: str = Field(description="Who has it; `none` for nobody.")
    assignee_id: str = Field(description="Their id, likewise.")
    before: str = Field(description="Who had it before, likewise.")
    before_id: str = Field(description="Their id, likewise.")
    url: str = Field(description="Where people read it.")


@action("jira.restore_assignee", effect=Effect.WRITE, repeatable=True, timeout_s=TIMEOUT_S, retry=RETRY, connects=JIRA)
def restore_assignee(which: Restored, ctx: Context) -> Assigned:
    """Give an issue of JIRA back to who had it; what undoes jira.assign."""
    site = site_of_job(ctx)
    now = _assigned(site, which.issue)
    if which.only_from_id not in (None, now.assignee_id):
        raise Refused(f"{now.issue} has gone to {now.assignee} since; it stays there.")
    return _give(site, now, which.assignee_id, which.assignee_id, ctx)


def find_assignment(given: Assignment, marker: Marker, ctx: Context) -> Assigned | None:
    """Whether an attempt that nobody heard of again gave the issue away.

    Raises:
        Uncertain: Somebody else has it.
    """
    now = _assigned(site_of_job(ctx), given.issue)
    if now.assignee_id == marker["to_id"]:
        return now.model_copy(update={"before": marker["before"], "before_id": marker["before_id"]})
    if now.assignee_id == marker["before_id"]:
        return None
    raise Uncertain(f"{now.issue} is with {now.assignee} by now; it may have been given to {marker['to']} in between.")


@action(
    "jira.assign",
    effect=Effect.WRITE,
    repeatable=True,
    reconcile=find_assignment,
    undo=Undo(
        restore_assignee,
        lambda given, done: Restored(
            issue=given.issue, assignee_id=done.before_id, only_from_id=done.assignee_id, account=given.account
        ),
    ),
    settle_s=SETTLE_S,
    timeout_s=TIMEOUT_S,
    retry=RETRY,
    connects=JIRA,
)
def assign(given: Assignment, ctx: Context) -> Assigned:
    """Give an issue of JIRA to somebody.

    A name that can be several people is refused, with those it can be. Whoever has it already keeps it. Undone by
    giving it back, unless somebody else has it by then.
    """
    site = site_of_job(ctx)
    now = _assigned(site, given.issue)
    if given.assignee.casefold() == NOBODY:
        return _give(site, now, NOBODY, NOBODY, ctx)
    person = somebody(site, given.assignee, AssigneeScope(issue=now.issue))
    return _give(site, now, person.id, person.name, ctx)


def _assigned(site: Tracker, key: str) -> Assigned:
    """Who has an issue now."""
    issue = site.issue(key, ("assignee",))
    person = None if issue.fields.assignee is None else site.person(issue.fields.assignee)
    name, person_id = (NOBODY, NOBODY) if person is None else (person.name, person.id)
    return Assigned(
        issue=issue.key, assignee=name, assignee_id=person_id, before=name, before_id=person_id,
        url=site.browse(issue.key),
    )  # fmt: skip


def _give(site: Tracker, now: Assigned, person_id: str, name: str, ctx: Context) -> Assigned:
    if now.assignee_id == person_id:
        return now
    ctx.armed({"to_id": person_id, "to": name, "before_id": now.before_id, "before": now.before})
    site.assign(now.issue, None if person_id == NOBODY else person_id)
    return now.model_copy(update={"assignee": name, "assignee_id": person_id})
