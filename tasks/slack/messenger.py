"""Posts what is queued: outcomes and questions, each once, whatever dies; and rewrites questions that were answered.

Runs in the listeners' process, in any number of copies.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from engine.account_access import connect
from llmcoder.caller import CallerWithDeadline
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
    Unreadable,
)
from llmcoder.logger import get_logger
from llmcoder.moment import Moment
from llmcoder.states import Reason, State
from models.db.database import database, reading
from models.jobs import approvals, inquiries
from models.jobs.store import Job
from tasks.slack import client, outgoing_messages, posting, wording
from tasks.slack.account import account_name
from tasks.slack.channels import direct_messages
from tasks.slack.client import SlackClient
from tasks.slack.connections import SLACK
from tasks.slack.outgoing_messages import MessageKind, MessageState, OutgoingMessage
from tasks.slack.settings import SlackSettings
from tasks.slack.wording import Wording

log = get_logger(__name__)

#: Below `outgoing_messages.POSTING`, so that nobody takes a message for forsaken that is on its way.
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


def request(get: GetSettings, since: Moment | None = None) -> CallerWithDeadline:
    """With what one request to Slack is made outside of any job."""
    return CallerWithDeadline(REQUEST_S, get, since)


@dataclass
class Bots:
    """The bot of each workspace: that of the installation, or one that came with somebody's sign-in."""

    get: GetSettings
    _teams: dict[str, str] = field(default_factory=dict)

    def of(self, user_id: UUID, team: str, person: str, since: Moment | None = None) -> SlackClient:
        """The bot that may write to somebody.

        Args:
            since: See `CallerWithDeadline`.

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
        return client.of_token(token, request(self.get, since))

    def _team_of(self, token: str) -> str:
        if token not in self._teams:
            self._teams[token] = client.who_is(self._with(token)).get("team_id", "")
        return self._teams[token]

    def _signed_in(self, user_id: UUID, team: str, person: str) -> str | None:
        try:
            found = connect(database(), user_id, SLACK, account_name(team, person), request(self.get))
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
        for person in outgoing_messages.approvers():
            with reading(outgoing_messages.WHAT) as conn:
                waiting = [one.job for one in approvals.pending(conn, person.user_id, None, WAITING_AT_ONCE)]
            known = outgoing_messages.known_approvals(person.user_id, [job.id for job in waiting])
            for job in reversed(waiting):  # the oldest first
                sha256 = approvals.sha256(job.input)
                if f"{job.id}:{sha256}" not in known:
                    outgoing_messages.queue_approval(person, job.id, sha256)

    def _settle(self) -> None:
        for one in outgoing_messages.decided():
            if self._ended() or self._waits():
                return
            try:
                self._rewrite(one)
            except (Transient, RateLimited) as error:
                self._heed(error)
                outgoing_messages.settle_later(one, _later(one, error))
            except ActionError as error:
                log.info("a question in Slack could not be rewritten", detail=error.detail)
                outgoing_messages.settle(one)

    def _rewrite(self, one: OutgoingMessage) -> None:
        said = wording.answered(_job(one.job_id), _decider(one))
        bot = self._bots.of(one.user_id, one.team, one.person)
        channel, ts = one.posted_in or "", one.ts or ""
        bot.ask(lambda web: web.chat_update(channel=channel, ts=ts, text=said.text, blocks=said.blocks))
        outgoing_messages.settle(one)

    # --- posting

    def _post(self) -> None:
        for one in outgoing_messages.due():
            if self._ended() or self._waits():
                return
            said = _said(one)
            if said is None:
                outgoing_messages.settle(one)
            else:
                self._try(one, said)

    def _try(self, one: OutgoingMessage, said: Wording) -> None:
        begun: OutgoingMessage | None = None
        try:
            bot = self._bots.of(one.user_id, one.team, one.person)
            channel = one.channel or direct_messages(bot, one.person)
            since = Moment.now()
            if (begun := outgoing_messages.begin(one, channel)) is None:
                return
            self._send(begun, channel, said, since)
        except (Uncertain, Unreadable) as error:
            log.info("where a message stands in Slack is looked for later", detail=error.detail)
        except (RateLimited, Transient) as error:
            self._put_off(begun or one, error)
        except CLOSED as error:
            self._refused(begun or one, error)
        except ActionError as error:
            self._give_up(begun or one, error)

    def _send(self, begun: OutgoingMessage, channel: str, said: Wording, since: Moment) -> None:
        bot = self._bots.of(begun.user_id, begun.team, begun.person, since)
        done = posting.post(bot, channel, said.text, str(begun.id), thread_ts=begun.thread_ts, blocks=said.blocks)
        outgoing_messages.posted(begun, done.ts)

    def _put_off(self, one: OutgoingMessage, error: ActionError) -> None:
        self._heed(error)
        if database().now() - one.created_at > GIVE_UP_AFTER:
            self._give_up(one, error)
        else:
            outgoing_messages.again(one, _later(one, error), error.detail, counted=not isinstance(error, RateLimited))

    def _heed(self, error: ActionError) -> None:
        if isinstance(error, RateLimited):
            self._quiet_until = error.retry_at

    def _refused(self, one: OutgoingMessage, error: ActionError) -> None:
        if one.channel is None:
            self._give_up(one, error)
        else:
            outgoing_messages.again(one, database().now(), error.detail, directly=True)

    def _give_up(self, one: OutgoingMessage, error: ActionError) -> None:
        log.warning("a message could not be posted to Slack", problem=error.slug, detail=error.detail)
        outgoing_messages.give_up(one, MessageState.FAILED, error.detail)

    # --- messages of which nothing was heard again

    def _look(self) -> None:
        for one in outgoing_messages.unconfirmed():
            if self._ended():
                return
            try:
                self._find(one)
            except Uncertain as error:
                log.warning("nobody can tell whether a message stands in Slack", detail=error.detail)
                outgoing_messages.give_up(one, MessageState.UNCERTAIN, error.detail)
            except ActionError as error:
                self._heed(error)
                outgoing_messages.check_later(one, database().now() + LOOK_AGAIN)

    def _find(self, one: OutgoingMessage) -> None:
        now = database().now()
        about = one.armed_at or now
        bot = self._bots.of(one.user_id, one.team, one.person)
        found = posting.find(bot, one.posted_in or "", str(one.id), thread_ts=one.thread_ts, about=about)
        if found is not None:
            outgoing_messages.posted(one, found.ts)
        elif now - about < SHOWN_AFTER:
            outgoing_messages.check_later(one, about + SHOWN_AFTER)
        else:
            outgoing_messages.again(one, now, "It was not posted.")

    def _forget(self) -> None:
        if time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + FORGET_EVERY_S
            outgoing_messages.forget()


def _said(one: OutgoingMessage) -> Wording | None:
    """What to post; None where there is nothing to say any more."""
    job = _job(one.job_id)
    if job is None:
        return None
    if one.kind == MessageKind.OUTCOME:
        return wording.outcome(job)
    waits = (job.state, job.reason) == (State.WAITING, Reason.APPROVAL)
    return wording.question(job, approvals.sha256(job.input)) if waits else None


def _job(job_id: UUID) -> Job | None:
    with reading(outgoing_messages.WHAT) as conn:
        return inquiries.by_id(conn, job_id)


def _decider(one: OutgoingMessage) -> str | None:
    """Who decided, for the one who was asked."""
    with reading(outgoing_messages.WHAT) as conn:
        decider = inquiries.decider_of(conn, one.job_id)
    if decider is None:
        return None
    return "you" if decider.id == one.user_id else decider.email


def _later(one: OutgoingMessage, error: ActionError) -> datetime:
    if isinstance(error, RateLimited):
        return error.retry_at
    return database().now() + timedelta(seconds=min(FIRST_WAIT_S * 2**one.failures, LONGEST_WAIT_S))
