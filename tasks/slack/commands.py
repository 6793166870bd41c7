"""What somebody types behind `/llmcoder`: an action with its input, or one of a few words about jobs.

It does what its user may do through any other door, in their name and once, however often Slack sends it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from llmcoder import strict_json
from llmcoder.arguments import assembled
from llmcoder.context import User
from llmcoder.declare.door import Door, JobStatus
from llmcoder.errors import ActionError, BadInput, Forbidden, Transient
from llmcoder.registry import AnyAction
from tasks.slack import outgoing_messages, wording
from tasks.slack.account import account_name
from tasks.slack.errors import PROVIDER
from tasks.slack.mrkdwn import escaped, shortened, unescaped

LISTED = 10
ACTIONS_LISTED = 60

Payload = Mapping[str, Any]

HELP = """*What you can say*
• `/llmcoder ACTION key=value …` or `/llmcoder ACTION {JSON}` – run an action; the outcome comes as a direct message
• `/llmcoder here ACTION …` – the outcome is posted where you are, for all to see
• `/llmcoder actions [PART]` – what there is; with a full name, what it takes
• `/llmcoder jobs` – your newest jobs; `/llmcoder cancel ID` – end one
• `/llmcoder notify on|off` – whether you are asked here for approvals
Mention the app in a thread to have it answer there."""


# --- who it is


def user_of(door: Door, team: str, person: str) -> User | None:
    return door.user_of(PROVIDER, account_name(team, person)) if team and person else None


def stranger(team: str, person: str) -> str:
    return (
        f"I do not know who you are: nobody, or more than one, has connected the Slack account "
        f"`{escaped(account_name(team, person))}`. Connect it to your account of LLMCoder: "
        "`llmcoder connections add slack`, or `POST /connections/oauth/slack`, and sign in as yourself."
    )


# --- commands


@dataclass(frozen=True)
class Command:
    """A slash command of somebody whom we know."""

    user: User
    team: str
    person: str
    channel: str
    key: str


def command(payload: Payload, key: str, door: Door) -> str:
    team, person = str(payload.get("team_id") or ""), str(payload.get("user_id") or "")
    first, rest = _split(unescaped(str(payload.get("text") or "")))
    if first in ("", "help"):
        return HELP
    user = user_of(door, team, person)
    if user is None:
        return stranger(team, person)
    outgoing_messages.remember_user(user.id, team, person)
    given = Command(user, team, person, str(payload.get("channel_id") or ""), key)
    match first:
        case "actions":
            return _actions(rest, given.user, door)
        case "jobs":
            return _jobs(door.jobs(user, LISTED))
        case "cancel":
            return f"{_line(door.cancel(user, _job_id(rest)))}"
        case "notify":
            return _notify(user, rest)
        case "here":
            return _submit(given, *_split(rest), door, here=True)
    return _submit(given, first, rest, door, here=False)


def _split(text: str) -> tuple[str, str]:
    first, _, rest = text.strip().partition(" ")
    return first.strip(), rest.strip()


def _submit(given: Command, name: str, rest: str, door: Door, *, here: bool) -> str:
    action = door.registry.find(name)
    words = read_words(action, rest) if door.may_run(given.user, name) else {}  # refused below, whatever they are
    outgoing_messages.queue_outcome(
        given.user.id, given.key, given.team, given.person, given.channel if here else None, None
    )
    try:
        job = door.submit(given.user, action.name, words, key=given.key)
    except Transient:  # it may have been accepted all the same; then its outcome is posted
        raise
    except ActionError:
        outgoing_messages.withdraw_outcome(given.user.id, given.key)
        raise
    more = " It waits for your approval." if job.awaits_approval else ""
    return f":hourglass_flowing_sand: Taken: {_line(job)}{more}"


def read_words(action: AnyAction, text: str) -> dict[str, Any]:
    """The input that somebody typed: JSON, or key=value words as in the shell.

    Raises:
        BadInput: It is neither; the detail says what is wrong.
    """
    plain = text.translate(_TYPOGRAPHY)
    if plain.startswith("{"):
        return _object(text) or _object(plain) or {}
    try:
        words = shlex.split(plain)
    except ValueError as error:
        raise BadInput(f"The words cannot be read: {error}. Close every quotation mark.") from None
    try:
        return assembled(action.input_schema, words, {}, files=False)
    except BadInput as error:
        said = error.detail.replace("llmcoder actions ACTION", f"/llmcoder actions {action.name}")
        raise BadInput(said) from None


#: Slack's editors make typographic quotation marks of plain ones.
_TYPOGRAPHY = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "\u00a0": " "})


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = strict_json.read(text)
    except strict_json.NotJson as error:
        if '"' in text:
            raise BadInput(f"The JSON cannot be read: {error}.") from None
        return None
    return found if isinstance(found, dict) else None


def _actions(wanted: str, user: User, door: Door) -> str:
    if wanted in door.registry and door.may_run(user, wanted):
        return _fields(door.registry[wanted])
    known = door.registry.facts  # to load every domain takes longer than Slack waits for an answer on a busy machine
    found = [one for name, one in known.items() if wanted.lower() in name and door.may_run(user, name)]
    if not found:
        hidden = door.registry.find(wanted)  # says what is near
        raise Forbidden(f"Only an administrator runs {hidden.name}.")
    lines = [f"• `{one.name}` – {escaped(one.summary)}" for one in found[:ACTIONS_LISTED]]
    more = f"\n… and {len(found) - ACTIONS_LISTED} more" if len(found) > ACTIONS_LISTED else ""
    return shortened("\n".join(lines), wording.MOST_TEXT) + more


def _fields(action: AnyAction) -> str:
    required = set(action.input_schema.get("required", ()))
    lines = [
        f"• `{name}`{'' if name in required else ' (may be left out)'} – {escaped(str(one.get('description', '')))}"
        for name, one in action.input_schema.get("properties", {}).items()
    ]
    return shortened("\n".join([f"*{action.name}* – {escaped(action.summary)}", *lines]), wording.MOST_TEXT)


def _jobs(found: Sequence[JobStatus]) -> str:
    return "\n".join(f"• {_line(job)}" for job in found) or "You have no jobs."


def _line(job: JobStatus) -> str:
    reason = f" ({job.reason.replace('_', ' ')})" if job.reason else ""
    return f"*{escaped(job.action)}* is {job.state}{reason}. Job `{job.id}`"


def _job_id(text: str) -> UUID:
    try:
        return UUID(text.strip("` "))
    except ValueError:
        raise BadInput("Say which job: `/llmcoder cancel ID`; `/llmcoder jobs` shows the ids.") from None


def _notify(user: User, wanted: str) -> str:
    if wanted not in ("on", "off"):
        raise BadInput("Say `/llmcoder notify on` or `/llmcoder notify off`.")
    outgoing_messages.set_asked(user.id, wanted == "on")
    return "You are asked for approvals here." if wanted == "on" else "You are not asked for approvals here any more."
