"""Posts what is owed: outcomes and questions, each once, whatever dies; and rewrites questions that were answered.

Runs in the listeners' process, in any number of copies.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa
import structlog

from llmcoder.declare.connection import GetSettings
from llmcoder.errors import (
    ActionError,
    Forbidden,
    NotConfigured,
    NotFound,
    RateLimited,
    Refused,
    Transient,
    Uncertain,
)
from llmcoder.moment import Moment
from llmcoder.settings import EngineSettings
from models.accounts.tables import users
from models.connections.account_access import connect
from models.db.database import database, reading
from models.jobs import approvals
from models.jobs import store as jobs
from models.jobs.store import Job
from models.jobs.tables import jobs as job_rows
from tasks.slack import client, owed, posting, wording
from tasks.slack.channels import direct_messages
from tasks.slack.client import SlackClient
from tasks.slack.connections import SLACK, account_name
from tasks.slack.owed import Kind, Owed, State
from tasks.slack.settings import SlackSettings
from tasks.slack.wording import Wording

if TYPE_CHECKING:
    from llmcoder.net import GuardedClient

log = structlog.get_logger(__name__)

#: Below `owed.POSTING`, so that nobody takes a message for forsaken that is on its way.
REQUEST_S = 8.0
LOOK_AGAIN = timedelta(seconds=10)
#: Slack has shown a message by then that it has.
SHOWN_AFTER = timedelta(seconds=20)
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 300.0
GIVE_UP_AFTER = timedelta(days=1)
WAITING_AT_ONCE = 50
FORGET_EVERY_S = 3600.0
#: What a channel that the bot may not post to says; then the person is written to directly.
CLOSED = (NotFound, Forbidden, Refused)


class Errand:
    """A `Caller` outside of any job: some seconds, after which nothing is sent any more.

    Args:
        since: From when on they count; for what another does when nothing was heard, from before that was written down.
    """

    def __init__(self, get: GetSettings, within_s: float = REQUEST_S, since: Moment | None = None) -> None:
        self._get = get
        self._since = since or Moment.now()
        self._within_s = within_s
        self._http: GuardedClient | None = None

    def settings(self, kind: Any) -> Any:
        return self._get(kind)

    @property
    def remaining_s(self) -> float:
        return self._within_s - self._since.gone_s()

    @property
    def http(self) -> GuardedClient:
        if self._http is None:
            from llmcoder.net import GuardedClient

            allow = self._get(EngineSettings).fetch_allow
            self._http = GuardedClient(allow=allow, before_send=self._refuse_if_late, may_send=self._in_time)
        return self._http

    def _in_time(self) -> bool:
        return self.remaining_s > 0

    def _refuse_if_late(self) -> None:
        """A process that was frozen must not post what another has posted meanwhile."""
        if not self._in_time():
            raise Transient("It is too late for this; nothing was sent.")


@dataclass
class Bots:
    """The bot of each workspace: that of the installation, or one that came with somebody's sign-in."""

    get: GetSettings
    _teams: dict[str, str] = field(default_factory=dict)

    def of(self, user_id: UUID, team: str, person: str, since: Moment | None = None) -> SlackClient:
        """The bot that may write to somebody.

        Args:
            since: See `Errand`.

        Raises:
            NotConfigured: There is none.
            ActionError: Slack could not be asked whose bot it is.
        """
        own = self.get(SlackSettings).slack_bot_token
        if own is not None and self._team_of(own.get_secret_value()) == team:
            return self._with(own.get_secret_value(), since)
        theirs = self._signed_in(user_id, team, person)
        if theirs is None and own is None:
            raise NotConfigured(f"There is no bot for the workspace {team}: set SLACK_BOT_TOKEN.")
        return self._with(theirs or (own.get_secret_value() if own else ""), since)

    def _with(self, token: str, since: Moment | None = None) -> SlackClient:
        return client.of_token(token, Errand(self.get, since=since))

    def _team_of(self, token: str) -> str:
        if token not in self._teams:
            self._teams[token] = client.who_is(self._with(token)).get("team_id", "")
        return self._teams[token]

    def _signed_in(self, user_id: UUID, team: str, person: str) -> str | None:
        try:
            found = connect(database(), user_id, SLACK, account_name(team, person), Errand(self.get))
        except ActionError:  # gone or broken since; the installation's bot may still do
            return None
        token = found.credentials.bot_token
        return token.get_secret_value() if token is not None else None


class Messenger:
    """Does what is due, one step at a time.

    Args:
        get: Settings as they are now.
        ended: Whether to stop between two messages.
    """

    def __init__(self, get: GetSettings, ended: Callable[[], bool] = lambda: False) -> None:
        self._bots = Bots(get)
        self._ended = ended
        self._forget_at = 0.0
        self._quiet_until: datetime | None = None  # Slack asked to wait

    def work(self) -> None:
        """One round; what fails in it is logged and tried again in a later one."""
        for step in (self._ask, self._look, self._post, self._settle, self._forget):
            if self._ended() or self._waits():
                return
            try:
                step()
            except ActionError as error:
                log.warning("messages to Slack wait", step=step.__name__, problem=error.slug, detail=error.detail)

    def _waits(self) -> bool:
        return self._quiet_until is not None and database().now() < self._quiet_until

    # --- questions

    def _ask(self) -> None:
        for person in owed.asked_people():
            with reading(owed.WHAT) as conn:
                waiting = [one.job for one in approvals.pending(conn, person.user_id, None, WAITING_AT_ONCE)]
            known = owed.known_approvals(person.user_id, [job.id for job in waiting])
            for job in reversed(waiting):  # the oldest first
                sha256 = approvals.sha256(job.input)
                if f"{job.id}:{sha256}" not in known:
                    owed.owe_approval(person, job.id, sha256)

    def _settle(self) -> None:
        for one in owed.decided():
            if self._ended() or self._waits():
                return
            try:
                self._rewrite(one)
            except (Transient, RateLimited) as error:
                self._heed(error)
                owed.settle_later(one, _later(one, error))
            except ActionError as error:
                log.info("a question in Slack could not be rewritten", detail=error.detail)
                owed.settle(one)

    def _rewrite(self, one: Owed) -> None:
        said = wording.answered(_job(one.job_id), _decider(one))
        bot = self._bots.of(one.user_id, one.team, one.person)
        channel, ts = one.posted_in or "", one.ts or ""
        bot.ask(lambda web: web.chat_update(channel=channel, ts=ts, text=said.text, blocks=said.blocks))
        owed.settle(one)

    # --- posting

    def _post(self) -> None:
        for one in owed.due():
            if self._ended() or self._waits():
                return
            said = _said(one)
            if said is None:
                owed.settle(one)
            else:
                self._try(one, said)

    def _try(self, one: Owed, said: Wording) -> None:
        begun: Owed | None = None
        try:
            bot = self._bots.of(one.user_id, one.team, one.person)
            channel = one.channel or direct_messages(bot, one.person)
            since = Moment.now()
            if (begun := owed.begin(one, channel)) is None:
                return
            self._send(begun, channel, said, since)
        except Uncertain as error:
            log.info("whether a message stands in Slack is looked for later", detail=error.detail)
        except (RateLimited, Transient) as error:
            self._put_off(begun or one, error)
        except CLOSED as error:
            self._refused(begun or one, error)
        except ActionError as error:
            self._give_up(begun or one, error)

    def _send(self, begun: Owed, channel: str, said: Wording, since: Moment) -> None:
        bot = self._bots.of(begun.user_id, begun.team, begun.person, since)
        done = posting.post(bot, channel, said.text, str(begun.id), thread_ts=begun.thread_ts, blocks=said.blocks)
        owed.posted(begun, done.ts)

    def _put_off(self, one: Owed, error: ActionError) -> None:
        self._heed(error)
        if database().now() - one.created_at > GIVE_UP_AFTER:
            self._give_up(one, error)
        else:
            owed.again(one, _later(one, error), error.detail, counted=not isinstance(error, RateLimited))

    def _heed(self, error: ActionError) -> None:
        if isinstance(error, RateLimited):
            self._quiet_until = error.retry_at

    def _refused(self, one: Owed, error: ActionError) -> None:
        if one.channel is None:
            self._give_up(one, error)
        else:
            owed.again(one, database().now(), error.detail, directly=True)

    def _give_up(self, one: Owed, error: ActionError) -> None:
        log.warning("a message could not be posted to Slack", problem=error.slug, detail=error.detail)
        owed.give_up(one, State.FAILED, error.detail)

    # --- messages of which nothing was heard again

    def _look(self) -> None:
        for one in owed.unheard_of():
            if self._ended():
                return
            try:
                self._find(one)
            except Uncertain as error:
                log.warning("nobody can tell whether a message stands in Slack", detail=error.detail)
                owed.give_up(one, State.UNCERTAIN, error.detail)
            except ActionError as error:
                self._heed(error)
                owed.look_again(one, database().now() + LOOK_AGAIN)

    def _find(self, one: Owed) -> None:
        now = database().now()
        about = one.armed_at or now
        bot = self._bots.of(one.user_id, one.team, one.person)
        found = posting.find(bot, one.posted_in or "", str(one.id), thread_ts=one.thread_ts, about=about)
        if found is not None:
            owed.posted(one, found.ts)
        elif now - about < SHOWN_AFTER:
            owed.look_again(one, about + SHOWN_AFTER)
        else:
            owed.again(one, now, "It was not posted.")

    def _forget(self) -> None:
        if time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + FORGET_EVERY_S
            owed.forget()


def _said(one: Owed) -> Wording | None:
    """What to post; None where there is nothing to say any more."""
    job = _job(one.job_id)
    if job is None:
        return None
    if one.kind == Kind.OUTCOME:
        return wording.outcome(job)
    waits = (job.state, job.reason) == ("waiting", "approval")
    return wording.question(job, approvals.sha256(job.input)) if waits else None


def _job(job_id: UUID) -> Job | None:
    with reading(owed.WHAT) as conn:
        row = conn.execute(sa.select(*jobs.COLUMNS).where(job_rows.c.id == job_id)).first()
    return None if row is None else Job(*row)


def _decider(one: Owed) -> str | None:
    """Who decided, for the one who was asked."""
    query = sa.select(users.c.id, users.c.email).join(job_rows, job_rows.c.decided_by == users.c.id)
    with reading(owed.WHAT) as conn:
        row = conn.execute(query.where(job_rows.c.id == one.job_id)).first()
    if row is None:
        return None
    return "you" if row.id == one.user_id else str(row.email)


def _later(one: Owed, error: ActionError) -> datetime:
    if isinstance(error, RateLimited):
        return error.retry_at
    return database().now() + timedelta(seconds=min(FIRST_WAIT_S * 2**one.failures, LONGEST_WAIT_S))
