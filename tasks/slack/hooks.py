"""Where Slack calls us when there is no socket: commands, events, presses of buttons, each with its signature.

The addresses stand in the app's settings, see `docs/slack.md`. What is done about a call is `incoming.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from llmcoder import strict_json
from llmcoder.declare.door import Door
from llmcoder.declare.hook import Call, Hook, Reply
from llmcoder.errors import BadInput
from tasks.slack import incoming
from tasks.slack.settings import SlackSettings

JSON = {"content-type": "application/json"}


def command(call: Call, door: Door) -> Reply:
    """A slash command."""
    _prove(call, door)
    payload = _form(call.body)
    if payload.get("ssl_check"):
        return Reply()
    one = incoming.begin("slash_commands", payload, incoming.key_of("slash_commands", payload), door)
    if not one.in_time():
        incoming.tell_when_done(one, door)
        return _said(incoming.LATE)
    return _said(incoming.said(one) or "")


def event(call: Call, door: Door) -> Reply:
    """Something that happened in a workspace; Slack asks once whether this address is ours."""
    _prove(call, door)
    payload = _object(call.body)
    if payload.get("type") == "url_verification":
        return Reply(body=strict_json.write_bytes({"challenge": str(payload.get("challenge") or "")}), headers=JSON)
    one = incoming.begin("events_api", payload, incoming.key_of("events_api", payload), door)
    one.done.result()  # a `Transient` becomes 503, and Slack calls again
    incoming.tell(one, door)
    return Reply()


def press(call: Call, door: Door) -> Reply:
    """Somebody pressed a button."""
    _prove(call, door)
    payload = _object(str(_form(call.body).get("payload") or "").encode())
    one = incoming.begin("interactive", payload, incoming.key_of("interactive", payload), door)
    if one.in_time():
        incoming.tell(one, door)
    else:
        incoming.tell_when_done(one, door)
    return Reply()


def _prove(call: Call, door: Door) -> None:
    from tasks.slack.client import proved

    secret = door.settings(SlackSettings).slack_signing_secret
    proved(secret.get_secret_value() if secret is not None else None, call.headers, call.body)


def _form(body: bytes) -> dict[str, Any]:
    return dict(parse_qsl(body.decode("utf-8", errors="replace"), keep_blank_values=True))


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = strict_json.read_lenient(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BadInput("This is not what Slack sends.")
    return found


def _said(text: str) -> Reply:
    return Reply(body=strict_json.write_bytes(incoming.only_for_them(text)), headers=JSON)


COMMANDS = Hook("slack/commands", title="A slash command from Slack.", answer=command)
EVENTS = Hook("slack/events", title="An event from Slack.", answer=event)
INTERACTIONS = Hook("slack/interactions", title="A press of a button in Slack.", answer=press)
