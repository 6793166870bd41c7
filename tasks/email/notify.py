"""Mail as a way to reach users: from their own mailbox to their address here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmcoder.context import User
from llmcoder.declare.channel import Channel, Message


def _given(user: User, message: Message) -> Mapping[str, Any]:
    given: dict[str, Any] = {"to": [user.email], "subject": message.title, "text": message.text}
    return given if message.html is None else {**given, "html": message.html}


EMAIL = Channel("email", action="email.send", given=_given)
