"""From a wish to a job: what every door that submits (HTTP, schedule, macro, webhook, agent) has decided in one place.

Here a write is told to wait for approval or to be held back, and here an input made of other jobs' results gets their
taint.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

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
from models.accounts import preferences
from models.accounts.preferences import Preferences
from models.connections.account_access import Chosen, choose
from models.jobs import taint
from models.jobs.approvals import Origin, Why, why_ask
from models.jobs.store import PRIORITY, NewJob


@dataclass(frozen=True, slots=True)
class Wish:
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
        looks = self.action.effect.writes or self.action.connects or inputs.names_files(self.action, self.text)
        return not (looks or self.sources or self.origin.delegated or self.must_ask)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a wish stands on.

    Attributes:
        tainted: Its input holds what strangers wrote.
        chosen: The account that it acts for; None for an action that needs none.
        files: Those that its input names; the job keeps them.
    """

    preferences: Preferences = field(default_factory=Preferences)
    tainted: bool = False
    chosen: Chosen | None = None
    files: tuple[UUID, ...] = ()


PLAIN = Standing()


def refuse_unconfigured(get: GetSettings, action: AnyAction) -> None:
    """Say at once what would end the job anyway.

    Raises:
        NotConfigured: The detail names the settings.
    """
    for kind in action.requires:
        if missing := get(kind).missing():
            raise NotConfigured(f"{action.name} needs {kind.title}: set {', '.join(missing)}.")


def look(conn: sa.Connection, wish: Wish, registry: Registry, now: datetime) -> Standing:
    """What the database knows about a wish.

    Raises:
        NotFound: A source is not there, or somebody else's.
        BadInput: The user has no account of the name that the input gives.
        NotConfigured: The action needs an account, and there is none.
        UnknownFile: The input names a file that the user does not have, or with another content.
    """
    if wish.is_plain:
        return Standing(tainted=True) if wish.tainted else PLAIN
    names = registry.outside
    found = taint.look_up(conn, wish.user_id, wish.sources, names)
    others = [source for source in found.values() if source.id != wish.undo_of]  # of that one the caller knows more
    named = inputs.look(conn, wish.user_id, wish.action, wish.text, wish.origin, now)
    tainted = wish.tainted or named.tainted or any(_taints(source, wish, registry) for source in others)
    if not tainted and wish.origin.delegated:
        tainted = taint.has_read_outside(conn, wish.user_id, names)
    chosen = account_of(conn, wish.user_id, wish.action, wish.text, wish.decided)
    return Standing(preferences.load(conn, wish.user_id), tainted, chosen, named.ids)


def _taints(source: taint.Source, wish: Wish, registry: Registry) -> bool:
    """Whether an input that was made of a job's result is tainted. To an agent its own words are no stranger's."""
    if source.action not in registry:
        return True  # nobody knows whether it brought something in
    return source.taint is not None and not (wish.origin.delegated and source.taint is Taint.AGENT)


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


def admit(conn: sa.Connection, wish: Wish, registry: Registry, get: GetSettings, now: datetime) -> NewJob:
    """The job of a wish that was written down some time ago: it is looked at as if it came now.

    Raises:
        BadInput: Its input is not what the action takes by now.
        NotConfigured, NotFound: As `refuse_unconfigured` and `look`.
    """
    refuse_unconfigured(get, wish.action)
    text = checked(wish.action.input, _read(wish.text))
    wish = replace(wish, text=text)
    return new_job(wish, look(conn, wish, registry, now), now)


def _read(text: str) -> Any:
    try:
        return strict_json.read(text)
    except strict_json.NotJson as error:
        raise BadInput(f"The input is not JSON that can be kept: {error}.") from None


def new_job(wish: Wish, standing: Standing, now: datetime) -> NewJob:
    """The job as it will stand in SQL."""
    action, chosen = wish.action, standing.preferences
    asks = wish.must_ask or (not wish.to_self and why(wish.action, wish.origin, standing))
    return NewJob(
        id=new_id(),
        user_id=wish.user_id,
        action=action.name,
        effect=action.effect.value,
        queue=action.queue.value,
        input=wish.text,
        max_attempts=wish.attempts or action.retry.attempts,
        priority=wish.priority,
        due_at=wish.due_at,
        origin=wish.origin.value,
        idempotency_key=wish.key,
        fingerprint=wish.fingerprint,
        provider=standing.chosen.provider if standing.chosen else action.provider,
        account=standing.chosen.account if standing.chosen else "",
        reconnect=standing.chosen.broken if standing.chosen else False,
        tainted=standing.tainted,
        sources=taint.as_column(wish.sources),
        undo_of=wish.undo_of,
        schedule_id=wish.schedule_id,
        parent_id=wish.parent_id,
        files=standing.files,
        held_s=chosen.held_s(action.name) if action.effect.writes else 0,
        approval_expires_at=now + timedelta(seconds=chosen.approval_expires_s) if asks else None,
    )


def why(action: AnyAction, origin: Origin, standing: Standing) -> list[Why]:
    """Why such a job must wait for a person; empty when it may run."""
    own, chosen = action.own_records, standing.preferences
    return why_ask(action.effect, action.name, origin, standing.tainted, chosen, own_records=own)
