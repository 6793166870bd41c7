"""Slack as a way to reach users: a direct message to whom Slack knows under their address here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmcoder.context import User
from llmcoder.declare.channel import Channel, Message

MOST_CHARS = 30_000


def _given(user: User, message: Message) -> Mapping[str, Any]:
    text = message.text if len(message.text) <= MOST_CHARS else f"{message.text[:MOST_CHARS]}\n… (cut)"
    return {"channel": user.email, "text": f"**{message.title}**\n\n{text}"}


SLACK = Channel("slack", action="slack.post_message", given=_given)
