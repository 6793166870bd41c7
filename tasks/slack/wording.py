"""What the messages of the bot say. Pure: a job goes in, text and blocks of Slack's come out.

Everything that comes from jobs is escaped or stands in plain-text blocks: it can say anything and call nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from llmcoder import strict_json
from llmcoder.states import Reason, State
from models.jobs.store import Job
from tasks.slack.mrkdwn import escaped, shortened, to_mrkdwn
from tasks.slack.posting import BEST_TEXT

#: Leaves room for the frame of a message.
MOST_TEXT = BEST_TEXT - 300
#: Slack takes 3,000 characters a block. What does not fit into so many is not decided about in Slack.
BLOCK = 2_900
BLOCKS = 4
APPROVE, REJECT = "llmcoder_approve", "llmcoder_reject"
#: Where the gist of a result stands, the likeliest first.
GIST = ("text", "summary", "answer", "reply", "body", "markdown", "message")
#: How a result came about; of no interest in a chat.
ABOUT = {"prompt", "model", "provider", "tokens_in", "tokens_out", "method", "channel", "since", "messages", "cut"}
MENTION = "slack.answer_mention"

Block = dict[str, Any]
BY = {
    "person": "you", "schedule": "a schedule", "macro": "a macro", "webhook": "a webhook", "agent": "an agent",
    "mcp": "an MCP client",
}  # fmt: skip


@dataclass(frozen=True)
class Wording:
    """A message.

    Attributes:
        text: As Slack writes it; also what notifications show of one with blocks.
    """

    text: str
    blocks: Sequence[Block] | None = None


# --- how a job ended


def outcome(job: Job) -> Wording:
    """What became of a job that was submitted from Slack."""
    result = _cut(rendered(strict_json.read_lenient(job.result or "{}")), job) if job.state == State.SUCCEEDED else ""
    if job.action == MENTION and result:
        return Wording(result)
    return Wording("\n".join(filter(None, [_headline(job), result, f"_Job_ `{job.id}`"])))


def _headline(job: Job) -> str:
    name = f"*{escaped(job.action)}*"
    match job.state, job.reason:
        case State.SUCCEEDED, _:
            return f":white_check_mark: {name} is done."
        case State.CANCELLED, Reason.REJECTED:
            return f":no_entry_sign: {name} was rejected{_note(job)}."
        case State.CANCELLED, Reason.EXPIRED:
            return f":hourglass: {name} was not approved in time, and did not run."
        case State.CANCELLED, _:
            return f":no_entry_sign: {name} was cancelled."
        case State.UNCERTAIN, _:
            return f":question: {name} may have happened, and nobody can tell. {_error(job)} Look there and resolve it."
        case _, Reason.AFTER_EFFECT:
            return f":warning: {name} took place, and then something went wrong. {_error(job)}"
    return f":x: {name} failed. {_error(job)}"


def _error(job: Job) -> str:
    error = strict_json.read_lenient(job.error) if job.error else {}
    return escaped(shortened(str(error.get("detail") or error.get("title") or ""), 1_000))


def _note(job: Job) -> str:
    return f": {escaped(shortened(job.note, 300))}" if job.note else ""


def rendered(result: Mapping[str, Any]) -> str:
    """A result for people: its text and its lists; as JSON where it has neither."""
    gist = next((name for name in GIST if isinstance(result.get(name), str) and result[name].strip()), None)
    if gist is None:
        return _code(strict_json.pretty(result))
    lists = [_listed(name, value) for name, value in result.items() if isinstance(value, list) and name not in ABOUT]
    return "\n\n".join([to_mrkdwn(result[gist]), *filter(None, lists)])


def _listed(name: str, items: Sequence[Any]) -> str:
    lines = [f"• {_item(item)}" for item in items]
    return "\n".join([f"*{escaped(name.replace('_', ' ').capitalize())}*", *lines]) if lines else ""


def _item(item: Any) -> str:
    if isinstance(item, dict):
        return escaped(" – ".join(str(value) for value in item.values() if value not in (None, "", [])))
    return to_mrkdwn(str(item))


def _code(text: str) -> str:
    return f"```\n{shortened(escaped(text.replace('```', '` ` `')), MOST_TEXT - 100)}\n```"


def _cut(text: str, job: Job) -> str:
    return shortened(text, MOST_TEXT, f"…\n_The rest:_ `GET /jobs/{job.id}`")


# --- what waits for somebody


def question(job: Job, sha256: str) -> Wording:
    """Whether a job may run with its input, with buttons that say yes or no to exactly this."""
    shown, whole = _input(job)
    value = f"{job.id}:{sha256}"
    buttons = [_button("Approve", APPROVE, value, "primary")] if whole else []
    hint = "" if whole else "\nIt is too long to be shown here as a whole; approve it where you can see all of it."
    head = f"*{escaped(job.action)}* waits for your decision.{hint}"
    actions = {"type": "actions", "elements": [*buttons, _button("Reject", REJECT, value, "danger")]}
    blocks = [_section(head), *shown, _context(_about(job)), actions]
    return Wording(f"{escaped(job.action)} waits for your decision.", blocks)


def answered(job: Job | None, by: str | None) -> Wording:
    """What the question is replaced with.

    Args:
        job: None where it is gone.
        by: Who decided.
    """
    if job is None:
        return Wording("This job is not kept any more.", [_section("_This job is not kept any more._")])
    line = _decision(job, by)
    return Wording(line, [_section(line), *_input(job)[0], _context(f"Job `{job.id}`")])


def _decision(job: Job, by: str | None) -> str:
    name, who = f"*{escaped(job.action)}*", f" by {escaped(by)}" if by else ""
    if job.reason == Reason.REJECTED:
        return f":no_entry_sign: {name}: rejected{who}{_note(job)}"
    if job.reason == Reason.EXPIRED:
        return f":hourglass: {name}: nobody decided in time"
    if job.state == State.CANCELLED and job.decided_at is None:
        return f":no_entry_sign: {name}: cancelled"
    return f":white_check_mark: {name}: approved{who}"


def _input(job: Job) -> tuple[list[Block], bool]:
    """The input as blocks in which nothing is markup, and whether that is all of it."""
    text = strict_json.pretty(strict_json.read_lenient(job.input))
    pieces = [text[at : at + BLOCK] for at in range(0, len(text), BLOCK)]
    return [_plain(one) for one in pieces[:BLOCKS]], len(pieces) <= BLOCKS


def _about(job: Job) -> str:
    until = f", until {_at(job.expires_at)}" if job.expires_at else ""
    tainted = "; its input holds untrusted content" if job.tainted else ""
    return f"Asked for by {BY.get(job.origin, escaped(job.origin))}{until}{tainted}. Job `{job.id}`"


def _at(instant: datetime) -> str:
    """An instant that Slack shows in each reader's own time."""
    return f"<!date^{int(instant.timestamp())}^{{date_short_pretty}} {{time}}|{instant:%Y-%m-%d %H:%M} UTC>"


def _plain(text: str) -> Block:
    return {"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}}


def _section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}


def _button(text: str, action_id: str, value: str, style: str) -> Block:
    label = {"type": "plain_text", "text": text}
    return {"type": "button", "text": label, "action_id": action_id, "value": value, "style": style}
