"""Listens to Slack, and posts what is queued for it: `python -m api.listen` keeps it running.

With SLACK_APP_TOKEN it hears over a websocket; with SLACK_SIGNING_SECRET alone Slack calls `hooks.py`, and what runs
here only posts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from llmcoder.declare.listener import Listener, Listening
from llmcoder.errors import Transient
from llmcoder.logger import get_logger
from tasks.slack import incoming
from tasks.slack.settings import SlackSettings

log = get_logger(__name__)

EVERY_S = 1.0
#: The SDK dials again by itself; when it has not got through for so long, everything begins anew.
SILENT_S = 60.0


def is_configured(settings: SlackSettings) -> bool:
    """Whether there is anything to hear or to answer."""
    return settings.slack_app_token is not None or settings.slack_signing_secret is not None


def listen(engine: Listening) -> None:
    """Hear and post until told to end.

    Raises:
        ActionError: Slack does not let us in, or has been away for a while.
    """
    from tasks.slack.messenger import Messenger, request
    from tasks.slack.socket_client import Ack, conversation

    def on(kind: str, payload: Mapping[str, Any], envelope_id: str, ack: Ack) -> None:
        take(kind, payload, envelope_id, ack, engine)

    settings = engine.settings(SlackSettings)
    token = settings.slack_app_token
    opened = (
        conversation(token.get_secret_value(), lambda: request(engine.settings), settings.slack_api_url, on)
        if token is not None
        else nullcontext()
    )
    messenger = Messenger(engine.settings, lambda: engine.ended)
    with opened as socket:
        heard_at = time.monotonic()
        while not engine.ended:
            if socket is None or socket.is_connected():
                heard_at = time.monotonic()
                engine.hears()
            elif time.monotonic() - heard_at > SILENT_S:
                raise Transient("Slack has not been reached for a while.")
            messenger.work()
            engine.wait(EVERY_S)


def take(kind: str, payload: Mapping[str, Any], envelope_id: str, ack: Any, engine: Listening) -> None:
    """Do what an envelope says and acknowledge it: within three seconds, or Slack tells its user that nothing came.

    An event is acknowledged once it is kept, however long that takes: Slack sends it again, which does no harm.
    """
    key = incoming.key_of(kind, payload, envelope_id)
    one = incoming.begin(kind, payload, key, engine)
    if kind == "events_api":
        if incoming.taken(one):
            ack()
            incoming.tell(one, engine)
    elif not one.in_time():
        ack(incoming.only_for_them(incoming.LATE) if kind == "slash_commands" else None)
        incoming.tell_when_done(one, engine)
    elif kind == "slash_commands":
        ack(incoming.only_for_them(incoming.said(one) or ""))
    else:
        ack()
        incoming.tell(one, engine)


SLACK = Listener("slack", title="Slack", settings=SlackSettings, configured=is_configured, run=listen)
