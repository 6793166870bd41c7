"""Post to Slack, find channels, and have a language model read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, StringConstraints

from llmcoder import BadInput, Context, Effect, Marker, Model, Retry, Undo, action
from tasks.slack import channels, client, drafting, posting
from tasks.slack.connections import SLACK
from tasks.slack.drafting import Task
from tasks.slack.history import Reader, instant_of
from tasks.slack.mrkdwn import to_mrkdwn

RETRY = Retry(attempts=4, first_wait_s=5)
#: Local models on slow machines read a busy channel for minutes.
DRAFT_TIMEOUT_S = 900
#: What a model is given to read at once.
MOST_CHARS = 100_000
A_DAY = timedelta(days=1)
THREAD = 200
THREAD_CHARS = 40_000
TS = r"^\d{10}\.\d{6}$"
NO_NUL = r"^[^\x00]*$"

_ACCOUNT = "Which of your Slack accounts, such as T0123456789/U0123456789; the first when left out."
ChannelWanted = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=254, pattern=r"^[^\x00-\x1f]*[^\x00-\x1f\s][^\x00-\x1f]*$"
    ),
]
Ts = Annotated[str, StringConstraints(pattern=TS)]
ChannelId = Annotated[str, StringConstraints(pattern=r"^[CGD][A-Z0-9]{8,30}$")]


# --- posting


class MessageChoice(Model):
    """Which message is meant."""

    channel: ChannelId = Field(description="Id of its channel.", examples=["C0123456789"])
    ts: Ts = Field(description="Its timestamp there, as posting it gave it.", examples=["1763895600.000100"])
    account: str | None = Field(None, max_length=254, description=_ACCOUNT)


class DeletedMessage(Model):
    """The message is not there any more."""


@action("slack.delete_message", effect=Effect.DESTROY, repeatable=True, timeout_s=60, retry=RETRY, connects=SLACK)
def delete_message(which: MessageChoice, ctx: Context) -> DeletedMessage:
    """Delete a message that the account has posted."""
    own = client.of_connection(ctx.connection(SLACK), ctx)
    ctx.armed()
    posting.delete(own, which.channel, which.ts)
    return DeletedMessage()


class NewMessage(Model):
    """A message to post."""

    channel: ChannelWanted = Field(
        description="Where: #name or id of a channel; for a direct message @name, user id or e-mail address.",
        examples=["#general"],
    )
    text: str = Field(
        min_length=1,
        max_length=posting.LONGEST_TEXT,
        pattern=NO_NUL,
        description="What to say, in Markdown; Slack shows up to 4,000 characters as one message without trouble.",
        examples=["**Deployed** [v1.2](https://example.org/v1.2)"],
    )
    thread_ts: Ts | None = Field(None, description="Timestamp of the message whose thread it goes to.")
    allow_mentions: bool = Field(
        False,
        description="Whether <@U…>, <!here>, <!channel> and groups in the text call people; else they are plain text.",
    )
    account: str | None = Field(None, max_length=254, description=_ACCOUNT)


class PostedMessage(Model):
    """Where the message stands."""

    channel: str = Field(description="Id of the channel.")
    ts: str = Field(description="Its timestamp there, which is its id.")
    thread_ts: str | None = Field(description="Whose thread it is in.")


def find_message(given: NewMessage, marker: Marker, ctx: Context) -> PostedMessage | None:
    """Whether an attempt that nobody heard of again posted it."""
    own = client.of_connection(ctx.connection(SLACK), ctx)
    about = datetime.fromisoformat(marker["at"])
    found = posting.find(own, marker["channel"], marker["reference"], thread_ts=given.thread_ts, about=about)
    return None if found is None else PostedMessage(channel=found.channel, ts=found.ts, thread_ts=given.thread_ts)


@action(
    "slack.post_message",
    effect=Effect.WRITE,
    repeatable=False,
    reconcile=find_message,
    undo=Undo(delete_message, lambda given, posted: MessageChoice(channel=posted.channel, ts=posted.ts)),
    timeout_s=60,
    retry=RETRY,
    connects=SLACK,
)
def post_message(given: NewMessage, ctx: Context) -> PostedMessage:
    """Post a message to a Slack channel, a thread or a person.

    Nobody is called by what the text holds unless allow_mentions says so, and no links are unfurled.
    """
    text = to_mrkdwn(given.text, mentions=given.allow_mentions)
    if len(text) > posting.LONGEST_TEXT:
        raise BadInput(f"The message has {len(text)} characters as Slack writes it, and {posting.LONGEST_TEXT} fit.")
    own = client.of_connection(ctx.connection(SLACK), ctx)
    channel = channels.channel_id(own, given.channel)
    reference = str(ctx.job_id)
    ctx.armed({"channel": channel, "reference": reference, "at": datetime.now(UTC).isoformat()})
    done = posting.post(own, channel, text, reference, thread_ts=given.thread_ts)
    return PostedMessage(channel=done.channel, ts=done.ts, thread_ts=given.thread_ts)


# --- channels


class ChannelQuery(Model):
    """Which channels to list."""

    cursor: str | None = Field(None, max_length=500, description="Where to go on, as the page before said.")
    limit: int = Field(100, ge=1, le=999, description="Channels a page; Slack may give fewer.", examples=[100])
    archived: bool = Field(False, description="Whether archived ones are listed too.")
    private: bool = Field(True, description="Whether private ones that the account is in are listed too.")
    account: str | None = Field(None, max_length=254, description=_ACCOUNT)


class ListedChannel(Model):
    """One channel."""

    id: str = Field(description="Its id.")
    name: str = Field(description="Its name, without #.")
    is_private: bool = Field(description="Whether only its members see it.")
    is_member: bool = Field(description="Whether the account is in it.")
    is_archived: bool = Field(description="Whether it is closed.")
    topic: str = Field(description="What it is about at the moment.")
    purpose: str = Field(description="What it is for.")
    members: int | None = Field(description="How many people are in it; null when Slack does not say.")


class ChannelPage(Model):
    """Some of the channels."""

    channels: list[ListedChannel] = Field(description="In Slack's order.")
    next_cursor: str | None = Field(description="What to give as cursor for the next page; null at the end.")
    unseen: str | None = Field(
        None, description="The scope that the token lacks to see the others; null where nothing is hidden by that."
    )


@action("slack.list_channels", effect=Effect.READ, timeout_s=60, retry=RETRY, connects=SLACK, outside=True)
def list_channels(query: ChannelQuery, ctx: Context) -> ChannelPage:
    """List the channels that a Slack account can see.

    A token that may look at public channels only lists these, and says which scope it lacks for the others.
    """
    own = client.of_connection(ctx.connection(SLACK), ctx)
    page = channels.listed(own, cursor=query.cursor, limit=query.limit, archived=query.archived, private=query.private)
    listed = [ListedChannel.model_validate(vars(one)) for one in page.channels]
    return ChannelPage(channels=listed, next_cursor=page.next_cursor, unseen=page.unseen)


# --- what a language model makes of conversations


class ChannelReading(Model):
    """What to summarise."""

    channel: ChannelWanted = Field(description="Name or id of the channel, or of a person.", examples=["#general"])
    since: AwareDatetime | None = Field(
        None, description="From when on, with its offset from UTC; the last 24 hours when left out."
    )
    threads: bool = Field(True, description="Whether replies in threads are read too; one request for each thread.")
    most_messages: int = Field(500, ge=1, le=2000, description="Most messages to read; the newest count.")
    language: str | None = Field(
        None, min_length=2, max_length=40, pattern=r"^[\w .()-]+$", description="Language of the summary."
    )
    focus: str | None = Field(
        None, min_length=1, max_length=2000, description="What the summary should look at, or for whom it is."
    )
    account: str | None = Field(None, max_length=254, description=_ACCOUNT)


class ByModel(Model):
    """What was written by a language model."""

    prompt: str | None = Field(description="Name and version of the prompt.")
    model: str | None = Field(description="Which model wrote it.")
    tokens_in: int | None = Field(description="Prompt tokens of all calls; null when the provider did not say.")
    tokens_out: int | None = Field(description="Generated tokens of all calls, likewise.")


class ChannelSummary(ByModel):
    """What was said in a channel; where nothing was, no model was asked."""

    summary: str = Field(description="What was talked about.")
    decisions: list[str] = Field(description="What was agreed.")
    open_questions: list[str] = Field(description="What was asked and not answered.")
    action_items: list[Task] = Field(description="Who is to do what.")
    channel: str = Field(description="Id of the channel.")
    since: AwareDatetime = Field(description="From when on it was read.")
    messages: int = Field(description="How many messages were read.")
    cut: bool = Field(description="Whether there were more than could be read; then the oldest are missing.")


@action(
    "slack.summarize_channel",
    effect=Effect.DRAFT,
    timeout_s=DRAFT_TIMEOUT_S,
    retry=RETRY,
    connects=SLACK,
    outside=True,
)
def summarize_channel(given: ChannelReading, ctx: Context) -> ChannelSummary:
    """Summarise a Slack channel: decisions, open questions, action items."""
    reader = Reader(client.of_connection(ctx.connection(SLACK), ctx))
    since = given.since or datetime.now(UTC) - A_DAY
    ctx.progress(0.0, "Reading the channel")
    channel = channels.channel_id(reader.client, given.channel)
    said = reader.channel(channel, since, given.most_messages, threads=given.threads)
    ctx.progress(0.3, f"Reading {len(said)} messages")
    transcript = reader.transcript(said, MOST_CHARS)
    gist, use = _gist(transcript, given, ctx)
    return ChannelSummary(**vars(gist), **use, channel=channel, since=since, messages=len(said), cut=reader.cut)


def _gist(transcript: str, given: ChannelReading, ctx: Context) -> tuple[drafting.ChannelGist, dict[str, Any]]:
    if not transcript:
        return drafting.ChannelGist(summary="Nothing was said in that time."), dict.fromkeys(ByModel.model_fields)
    gist, use = drafting.gist(transcript, given.language, given.focus, ctx)
    return gist, vars(use)


class Mention(Model):
    """A message in which the app was mentioned."""

    channel: ChannelId = Field(description="Id of the channel.", examples=["C0123456789"])
    ts: Ts = Field(description="Timestamp of the message.", examples=["1763895600.000100"])
    thread_ts: Ts | None = Field(None, description="Timestamp of the thread's first message, if it is in one.")
    account: str | None = Field(None, max_length=254, description=_ACCOUNT)


class ThreadAnswer(ByModel):
    """What to say in the thread."""

    text: str = Field(description="The answer, in Markdown.")


@action(
    "slack.answer_mention", effect=Effect.DRAFT, timeout_s=DRAFT_TIMEOUT_S, retry=RETRY, connects=SLACK, outside=True
)
def answer_mention(given: Mention, ctx: Context) -> ThreadAnswer:
    """Draft an answer to a message that mentions the app in Slack.

    Reads the thread and posts nothing; the listener that took the mention posts what comes back.
    """
    reader = Reader(client.of_connection(ctx.connection(SLACK), ctx))
    said = reader.thread(given.channel, given.thread_ts or given.ts, THREAD)
    until = instant_of(given.ts)
    asked = [one for one in said if instant_of(str(one.get("ts", "0"))) <= until]
    asker = next((str(one.get("user")) for one in reversed(asked) if one.get("ts") == given.ts), "")
    if not asker:
        raise BadInput("The message is not in that thread any more.")
    ctx.progress(0.1, f"Reading {len(asked)} messages")
    text, use = drafting.answer(reader.transcript(asked, THREAD_CHARS), reader.name(asker), ctx)
    return ThreadAnswer(text=text, **vars(use))
