"""From a submission to a job: what all doors (HTTP, schedule, macro, webhook, agent) have decided in one place.

Here a write is told to wait for approval or to be held back, and here an input made of other jobs' results gets their
taint.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from engine.account_access import Chosen, choose
from engine.administrators import refuse_others
from engine.files import inputs
from llmcoder import strict_json
from llmcoder.arguments import checked
from llmcoder.config import config
from llmcoder.declare.action import ACCOUNT
from llmcoder.declare.connection import GetSettings
from llmcoder.errors import BadInput, NotConfigured
from llmcoder.ids import new_id
from llmcoder.provenance import Taint
from llmcoder.registry import AnyAction, Registry
from models import untrusted_content
from models.accounts import preferences
from models.accounts.preferences import Preferences
from models.jobs import taint
from models.jobs.approvals import Origin, Why, why_ask
from models.jobs.store import PRIORITY, NewJob


@dataclass(frozen=True, slots=True)
class JobSubmission:
    """A job that somebody wants, with a validated input.

    Attributes:
        text: The input as JSON.
        sources: Jobs whose results the input was made of.
        key: The idempotency key.
        fingerprint: SHA-256 of what was submitted under the key.
        undo_of: The job whose effect it takes back.
        decided: In whose name, where that is decided already.
        schedule_id: The schedule that wants it.
        parent_id: The run of a macro that it is a step of.
        tainted: Its input holds what strangers wrote, whatever its sources are.
        must_ask: It waits for approval, whatever the policies say.
        attempts: Runs at most, where that is not for the action to say.
        to_self: It tells the user something over a channel that they chose, and nobody else: nobody is asked first.
    """

    user_id: UUID
    action: AnyAction
    text: str
    origin: Origin = Origin.PERSON
    sources: tuple[UUID, ...] = ()
    due_at: datetime | None = None
    priority: int = PRIORITY
    key: str | None = None
    fingerprint: str | None = None
    undo_of: UUID | None = None
    decided: Chosen | None = None
    schedule_id: UUID | None = None
    parent_id: UUID | None = None
    tainted: bool = False
    must_ask: bool = False
    attempts: int | None = None
    to_self: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether nothing needs to be looked up about it: most jobs read or draft, for a person, on plain input."""
        looks = self.action.effect.writes or self.action.connects or self.action.administrators_only
        looks = looks or inputs.names_files(self.action, self.text)
        return not (looks or self.sources or self.origin.delegated or self.must_ask)


@dataclass(frozen=True, slots=True)
class AdmissionFacts:
    """What a submission stands on.

    Attributes:
        tainted: Its input holds what strangers wrote.
        chosen: The account that it acts for; None for an action that needs none.
        files: Those that its input names; the job keeps them.
    """

    preferences: Preferences = field(default_factory=Preferences)
    tainted: bool = False
    chosen: Chosen | None = None
    files: tuple[UUID, ...] = ()


PLAIN = AdmissionFacts()


def refuse_unconfigured(get: GetSettings, action: AnyAction) -> None:
    """Say at once what would end the job anyway.

    Raises:
        NotConfigured: The detail names the settings.
    """
    for kind in action.requires:
        if missing := get(kind).missing():
            raise NotConfigured(f"{action.name} needs {kind.title}: set {', '.join(missing)}.")


def look(conn: sa.Connection, submission: JobSubmission, registry: Registry, now: datetime) -> AdmissionFacts:
    """What the database knows about a submission.

    Raises:
        NotFound: A source is not there, or somebody else's.
        BadInput: The user has no account of the name that the input gives.
        NotConfigured: The action needs an account, and there is none.
        AdministratorsOnly: The user may not have it run.
        UnknownFile: The input names a file that the user does not have, or with another content.
    """
    if submission.is_plain:
        return AdmissionFacts(tainted=True) if submission.tainted else PLAIN
    refuse_others(conn, submission.action, submission.user_id, submission.origin)
    names = registry.outside
    found = taint.look_up(conn, submission.user_id, submission.sources, names)
    others = [
        source for source in found.values() if source.id != submission.undo_of
    ]  # of that one the caller knows more
    named = inputs.look(conn, submission.user_id, submission.action, submission.text, submission.origin, now)
    tainted = submission.tainted or named.tainted
    tainted = tainted or any(_taints(source, submission, registry) for source in others)
    if not tainted and submission.origin.delegated:
        tainted = untrusted_content.has_read_outside(conn, submission.user_id, names)
    chosen = account_of(conn, submission.user_id, submission.action, submission.text, submission.decided)
    return AdmissionFacts(preferences.load(conn, submission.user_id), tainted, chosen, named.ids)


def _taints(source: taint.Source, submission: JobSubmission, registry: Registry) -> bool:
    """Whether an input that was made of a job's result is tainted. To an agent its own words are no stranger's."""
    if source.action not in registry:
        return True  # nobody knows whether it brought something in
    return source.taint is not None and not (submission.origin.delegated and source.taint is Taint.AGENT)


def account_of(
    conn: sa.Connection, user_id: UUID, action: AnyAction, text: str, decided: Chosen | None = None
) -> Chosen | None:
    """The account that a job acts for; None for an action that needs none.

    Args:
        text: The input as JSON, which may name one.
        decided: The one that is meant where the input names none.

    Raises:
        BadInput, NotConfigured: As `look`.
    """
    if not action.connects:
        return None
    wanted = strict_json.read_lenient(text).get(ACCOUNT) if ACCOUNT in action.input.model_fields else None
    if wanted or decided is None:
        return choose(conn, user_id, action.connects, wanted, config().get)
    kinds = [kind for kind in action.connects if kind.provider == decided.provider]
    return choose(conn, user_id, kinds, decided.account, config().get) if decided.account else decided


def admit(
    conn: sa.Connection, submission: JobSubmission, registry: Registry, get: GetSettings, now: datetime
) -> NewJob:
    """The job of a submission that was written down some time ago: it is looked at as if it came now.

    Raises:
        BadInput: Its input is not what the action takes by now.
        NotConfigured, NotFound, AdministratorsOnly: As `refuse_unconfigured` and `look`.
    """
    # first, since who may not have it learns nothing of its input
    refuse_others(conn, submission.action, submission.user_id, submission.origin)
    refuse_unconfigured(get, submission.action)
    text = checked(submission.action.input, _read(submission.text))
    submission = replace(submission, text=text)
    return new_job(submission, look(conn, submission, registry, now), now)


def _read(text: str) -> Any:
    try:
        return strict_json.read(text)
    except strict_json.NotJson as error:
        raise BadInput(f"The input is not JSON that can be kept: {error}.") from None


def new_job(submission: JobSubmission, standing: AdmissionFacts, now: datetime) -> NewJob:
    """The job as it will stand in SQL."""
    action, chosen = submission.action, standing.preferences
    asks = submission.must_ask or (not submission.to_self and why(submission.action, submission.origin, standing))
    return NewJob(
        id=new_id(),
        user_id=submission.user_id,
        action=action.name,
        effect=action.effect.value,
        queue=action.queue.value,
        input=submission.text,
        max_attempts=submission.attempts or action.retry.attempts,
        priority=submission.priority,
        due_at=submission.due_at,
        origin=submission.origin.value,
        idempotency_key=submission.key,
        fingerprint=submission.fingerprint,
        provider=standing.chosen.provider if standing.chosen else action.provider,
        account=standing.chosen.account if standing.chosen else "",
        reconnect=standing.chosen.broken if standing.chosen else False,
        tainted=standing.tainted,
        sources=taint.as_column(submission.sources),
        undo_of=submission.undo_of,
        schedule_id=submission.schedule_id,
        parent_id=submission.parent_id,
        files=standing.files,
        held_s=chosen.held_s(action.name) if action.effect.writes else 0,
        approval_expires_at=now + timedelta(seconds=chosen.approval_expires_s) if asks else None,
    )


def why(action: AnyAction, origin: Origin, standing: AdmissionFacts) -> list[Why]:
    """Why such a job must wait for a person; empty when it may run."""
    own, chosen = action.own_records, standing.preferences
    return why_ask(action.effect, action.name, origin, standing.tainted, chosen, own_records=own)
