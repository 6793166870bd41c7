"""What Slack tells us, over the socket or by HTTP alike: commands, mentions, presses of buttons.

Each becomes what its user may do through any other door. What Slack sends twice is done once: the submission's key is
made of what Slack calls the event.
"""

from __future__ import annotations

import re
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from llmcoder.context import User
from llmcoder.declare.door import Door
from llmcoder.errors import ActionError, BadInput, NotFound, Transient
from llmcoder.logger import get_logger
from tasks.slack import client, outgoing_messages, wording
from tasks.slack.account import account_name
from tasks.slack.commands import Payload, command, stranger, user_of
from tasks.slack.messenger import Bots, request
from tasks.slack.mrkdwn import escaped

log = get_logger(__name__)

#: Slack waits for three seconds; answers take their way too.
ANSWER_WITHIN_S = 2.0
KEY_LIMIT = 255


def key_of(kind: str, payload: Payload, envelope_id: str = "") -> str:
    """By what it is known that something came before: what Slack calls it, however often and wherever it is sent."""
    name = payload.get("event_id") or payload.get("trigger_id") or envelope_id
    if not name:
        raise BadInput("Slack gave it no id.")
    return f"slack:{kind}:{name}"[:KEY_LIMIT]


def handle(kind: str, payload: Payload, key: str, door: Door) -> str | None:
    """Do what somebody wants.

    Args:
        kind: `slash_commands`, `events_api` or `interactive`, as the socket calls them.

    Returns:
        What is to be said to them alone; None where there is nothing to say.

    Raises:
        Transient: An event could not be taken; Slack sends it again.
    """
    try:
        match kind:
            case "slash_commands":
                return command(payload, key, door)
            case "events_api":
                return _event(payload, key, door)
            case "interactive":
                return _press(payload, door)
    except Transient as error:
        if kind == "events_api":
            raise
        return f"{escaped(error.detail)} Look at `/llmcoder jobs` before you try again."
    except ActionError as error:
        return escaped(error.detail)
    return None


# --- events


def _event(payload: Payload, key: str, door: Door) -> str | None:
    event = payload.get("event")
    if not isinstance(event, dict) or event.get("type") != "app_mention" or event.get("bot_id"):
        return None
    team, person = str(event.get("team") or payload.get("team_id") or ""), str(event.get("user") or "")
    user = user_of(door, team, person)
    if user is None:
        return stranger(team, person)
    outgoing_messages.remember_user(user.id, team, person)
    channel, ts = str(event.get("channel") or ""), str(event.get("ts") or "")
    thread = str(event["thread_ts"]) if event.get("thread_ts") else None
    outgoing_messages.queue_outcome(user.id, key, team, person, channel, thread or ts)
    given = {"channel": channel, "ts": ts, "thread_ts": thread, "account": account_name(team, person)}
    try:
        door.submit(user, wording.MENTION, given, key=key)
    except Transient:
        raise
    except ActionError:
        outgoing_messages.withdraw_outcome(user.id, key)
        raise
    return None


# --- buttons

_VALUE = re.compile(r"([0-9a-f-]{36}):([0-9a-f]{64})")


def _press(payload: Payload, door: Door) -> str | None:
    pressed = payload.get("actions")
    if payload.get("type") != "block_actions" or not isinstance(pressed, list) or not pressed:
        return None
    name, found = pressed[0].get("action_id"), _VALUE.fullmatch(str(pressed[0].get("value") or ""))
    if name not in (wording.APPROVE, wording.REJECT) or found is None:
        return None
    who = payload.get("user") or {}
    team = str(who.get("team_id") or (payload.get("team") or {}).get("id") or "")
    user = user_of(door, team, str(who.get("id") or ""))
    if user is None:
        return stranger(team, str(who.get("id") or ""))
    try:
        _decide(door, user, name == wording.APPROVE, UUID(found[1]), found[2])
    except NotFound:
        return "This is not yours to decide."
    return None


def _decide(door: Door, user: User, approves: bool, job_id: UUID, sha256: str) -> None:
    if approves:
        door.approve(user, job_id, sha256)
    elif door.job(user, job_id).input_sha256 == sha256:
        door.reject(user, job_id, None)
    else:
        raise BadInput("The job has another input by now. Look at it again.")


# --- in time


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(8, thread_name_prefix="slack")


@dataclass(frozen=True)
class SlackEvent:
    """What came in, being done.

    Attributes:
        done: What is to be said, once it is known.
    """

    kind: str
    payload: Payload
    done: Future[str | None]

    def in_time(self) -> bool:
        """Whether it was done as long as Slack waits."""
        return bool(wait([self.done], ANSWER_WITHIN_S).done)


def begin(kind: str, payload: Payload, key: str, door: Door) -> SlackEvent:
    """Do it in a thread."""
    return SlackEvent(kind, payload, _pool().submit(handle, kind, payload, key, door))


LATE = ":hourglass_flowing_sand: This takes longer than usual; I will say what became of it."


def tell_when_done(one: SlackEvent, door: Door) -> None:
    """Have what is to be said follow, where Slack does not wait for it."""
    one.done.add_done_callback(lambda _: tell(one, door))


BROKEN = "That did not work: a defect of LLMCoder. An operator finds it in the log."


def taken(one: SlackEvent) -> bool:
    """Whether an event is kept; waits for it. Slack sends again what is not."""
    if (broken := one.done.exception()) is None:
        return True
    log.error("an event from Slack could not be taken", exc_info=broken)
    return False


def said(one: SlackEvent) -> str | None:
    """What is to be said; waits for it."""
    if (broken := one.done.exception()) is None:
        return one.done.result()
    log.error("something from Slack could not be taken", kind=one.kind, exc_info=broken)
    return BROKEN


def tell(one: SlackEvent, door: Door) -> None:
    """Say it to whoever it is for, and to nobody else; best effort, since outcomes go out in another way."""
    if (text := said(one)) is None:
        return
    try:
        _tell(one, text, door)
    except ActionError as error:
        log.info("nothing could be said in Slack", detail=error.detail)


def _tell(one: SlackEvent, text: str, door: Door) -> None:
    if (url := one.payload.get("response_url")) is not None:
        client.answer_later(str(url), {**only_for_them(text), "replace_original": False}, request(door.settings))
        return
    event = one.payload.get("event") or {}
    team, person = str(event.get("team") or one.payload.get("team_id") or ""), str(event.get("user") or "")
    user = user_of(door, team, person)
    bot = Bots(door.settings).of(user.id if user else UUID(int=0), team, person)
    thread = event.get("thread_ts")
    bot.ask(lambda web: web.chat_postEphemeral(channel=event["channel"], user=person, text=text, thread_ts=thread))


def only_for_them(text: str) -> dict[str, str]:
    """A message that nobody else sees."""
    return {"response_type": "ephemeral", "text": text}
