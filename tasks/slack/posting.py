"""Messages that can be found again: each carries a reference of ours in its metadata, which only apps see.

https://docs.slack.dev/messaging/message-metadata
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from llmcoder.errors import Forbidden, NotFound, Uncertain, Unreadable
from tasks.slack.channels import next_cursor
from tasks.slack.client import SlackClient
from tasks.slack.history import at_ts

#: What our messages say of themselves in their metadata, with one id in the payload.
EVENT = "llmcoder_job"
REFERENCE = "job_id"
#: Slack cuts off what is longer, and says that messages are best kept below 4,000.
LONGEST_TEXT = 40_000
BEST_TEXT = 4_000
#: Slack's clock and ours may differ by so much, and a message may have been on its way for so long.
AROUND = timedelta(minutes=5)
AFTER = timedelta(hours=1)
PAGE = 200
MOST_PAGES = 25


@dataclass(frozen=True)
class Posted:
    """Where a message stands.

    Attributes:
        channel: Its id.
        ts: Its timestamp, which is its id in the channel.
    """

    channel: str
    ts: str


def post(
    client: SlackClient,
    channel: str,
    text: str,
    reference: str,
    *,
    thread_ts: str | None = None,
    blocks: Sequence[dict[str, Any]] | None = None,
) -> Posted:
    """Post one message.

    Args:
        channel: Its id.
        text: As Slack writes it.
        reference: A UUID, by which it is found again.

    Raises:
        Uncertain: It may stand there.
        Unreadable: It stands there, and Slack does not say where.
        ActionError: It was not posted.
    """
    answer = client.send(
        lambda web: web.chat_postMessage(
            channel=channel,
            text=text,
            thread_ts=thread_ts,
            blocks=blocks,
            metadata={"event_type": EVENT, "event_payload": {REFERENCE: reference}},
            # No argument of the documentation, yet its errors speak of it: Slack's own apps send it, so that what is
            # sent twice is posted once. Nothing here hangs on it.
            client_msg_id=reference,
            unfurl_links=False,
            unfurl_media=False,
            parse="none",
            link_names=False,
        )
    )
    if not isinstance(answer.get("ts"), str) or not answer["ts"]:
        raise Unreadable("Slack has taken the message, and does not say where it stands; look there.")
    said = answer.get("channel")
    return Posted(said if isinstance(said, str) and said else channel, answer["ts"])


def find(client: SlackClient, channel: str, reference: str, *, thread_ts: str | None, about: datetime) -> Posted | None:
    """The message with our reference, if it stands there.

    Args:
        about: When it would have been posted.

    Raises:
        Uncertain: This account may not look, or there is too much to look through.
        Transient: Slack could not be asked.
    """
    try:
        for said in _messages(client, channel, thread_ts, at_ts(about - AROUND), at_ts(about + AFTER)):
            if _reference(said) == reference or said.get("client_msg_id") == reference:
                return Posted(channel, str(said.get("ts")))
    except (NotFound, Forbidden) as error:
        raise Uncertain(f"Whether the message stands there cannot be seen: {error.detail}") from error
    return None


def _reference(said: dict[str, Any]) -> str | None:
    metadata = said.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("event_type") != EVENT:
        return None
    payload = metadata.get("event_payload")
    return str(payload.get(REFERENCE)) if isinstance(payload, dict) else None


def _messages(
    client: SlackClient, channel: str, thread_ts: str | None, oldest: str, latest: str
) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        answer = _page(client, channel, thread_ts, oldest=oldest, latest=latest, cursor=cursor)
        yield from (one for one in answer.get("messages") or [] if isinstance(one, dict))
        if (cursor := next_cursor(answer)) is None:
            return
    raise Uncertain("More was said there meanwhile than can be looked through.")


def _page(client: SlackClient, channel: str, thread_ts: str | None, **where: Any) -> dict[str, Any]:
    more = {**where, "limit": PAGE, "include_all_metadata": True}
    if thread_ts is not None:
        return client.ask(lambda web: web.conversations_replies(channel=channel, ts=thread_ts, **more))
    return client.ask(lambda web: web.conversations_history(channel=channel, **more))


def delete(client: SlackClient, channel: str, ts: str) -> None:
    """Take a message away; one that is gone already is no error."""
    try:
        client.send(lambda web: web.chat_delete(channel=channel, ts=ts))
    except Unreadable:  # nothing of the answer is needed
        return
    except NotFound as error:
        if "message_not_found" not in error.detail:
            raise
