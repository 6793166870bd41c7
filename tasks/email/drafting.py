"""What a language model writes about mail: replies, what a conversation is about, how a mail is sorted."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from llmcoder import Model
from llmcoder.context import Context
from llmcoder.errors import Transient
from llmcoder.language import Completion, LanguageModel, PromptUse
from llmcoder.prompts import Prompts
from tasks.email.quotes import own_words
from tasks.email.reading import Mail

PROMPTS = Prompts(Path(__file__).parent / "prompts")
#: Of a conversation the newest mails are shown; the beginning of a long one matters less.
THREAD_CHARS = 40_000
MAIL_CHARS = 8_000
MOST_SUGGESTED = 10
#: Letters that nobody sees and models read: tags, and what has no width. Joiners stay, languages and emoji need them.
_UNSEEN = re.compile("[\u200b\u2060-\u2064\ufeff\U000e0000-\U000e007f]")


Category = Literal["personal", "work", "notice", "newsletter", "advertisement", "invoice", "appointment", "other"]


class ActionItem(Model):
    """Something that somebody is to do."""

    what: str = Field(description="What is to be done.")
    owner: str | None = Field(None, description="Who does it; null if nobody is named.")
    due: str | None = Field(None, description="Until when, in the words that were used; null if nobody said.")


class ThreadGist(Model):
    """What a conversation is about."""

    summary: str = Field(description="What it is about and where it stands, in a few sentences.")
    decisions: list[str] = Field(default_factory=list, description="What was agreed.")
    open_questions: list[str] = Field(default_factory=list, description="What was asked and not answered.")
    action_items: list[ActionItem] = Field(default_factory=list, description="Who is to do what.")


class Verdict(Model):
    """How a mail is sorted."""

    category: Category = Field(description="What kind of mail it is.")
    priority: Literal["high", "normal", "low"] = Field(description="How soon it should be read.")
    needs_reply: bool = Field(description="Whether somebody waits for an answer.")
    reason: str = Field(description="Why, in one sentence.")
    labels: list[str] = Field(default_factory=list, description="Suggested labels, from the list that was given.")


@dataclass(frozen=True)
class ReplyStyle:
    """How a reply is wanted."""

    writer: str
    tone: str
    length: str
    language: str | None
    instructions: str | None


def replies(thread: Sequence[Mail], style: ReplyStyle, number: int, ctx: Context) -> tuple[list[str], PromptUse]:
    """Texts that answer the last mail of a conversation.

    Raises:
        ActionError: What the model raises.
    """
    used = PROMPTS["reply"]
    messages = used.messages(
        transcript(thread),
        writer=style.writer,
        tone=style.tone,
        length=style.length,
        language=style.language or "the language of the last mail",
        wishes=_also("They also want this", style.instructions),
    )
    done: list[Completion] = []
    for variant in range(number):
        ctx.progress(variant / number, f"Writing variant {variant + 1} of {number}" if number > 1 else "Writing")
        done.append(ctx.use(LanguageModel).complete(messages, stream=True))
        if not done[-1].text.strip():
            raise Transient(f"{done[-1].model} wrote nothing.")
    return [one.text.strip() for one in done], PromptUse.of(used.name, done)


def gist(thread: Sequence[Mail], language: str | None, focus: str | None, ctx: Context) -> tuple[ThreadGist, PromptUse]:
    """What a conversation is about. Raises as `replies`."""
    used = PROMPTS["thread"]
    messages = used.messages(
        transcript(thread),
        language=language or "the language of most of the mails",
        wishes=_also("The reader also asks for this", focus),
    )
    done = ctx.use(LanguageModel).structured(messages, ThreadGist)
    return done.value, PromptUse.of(used.name, done.completions)


def verdict(
    mail: Mail, reader: str, labels: Sequence[str], instructions: str | None, ctx: Context
) -> tuple[Verdict, PromptUse]:
    """How a mail is sorted. Raises as `replies`."""
    used = PROMPTS["triage"]
    messages = used.messages(
        _shown(mail, MAIL_CHARS),
        reader=reader,
        labels=", ".join(labels) or "there are none",
        wishes=_also(f"{reader} also wants this", instructions),
    )
    done = ctx.use(LanguageModel).structured(messages, Verdict)
    known = [one for one in dict.fromkeys(done.value.labels) if one in labels][:MOST_SUGGESTED]
    kept = done.value.model_copy(update={"labels": known})
    return kept, PromptUse.of(used.name, done.completions)


def transcript(thread: Sequence[Mail]) -> str:
    """A conversation as a model reads it: each mail with what it says itself, the oldest first, the newest for sure."""
    shown: list[str] = []
    left = THREAD_CHARS
    known = {mail.message_id for mail in thread if mail.message_id}
    for mail in reversed(thread):
        text = _shown(mail, min(MAIL_CHARS, left), known)
        left -= len(text)
        shown.append(text)
        if left < 500:
            shown.append(f"({len(thread) - len(shown)} older mails are left out.)")
            break
    return "\n\n".join(reversed(shown))


def _shown(mail: Mail, longest: int, known: Collection[str] = ()) -> str:
    sent = f"{mail.sent_at:%Y-%m-%d %H:%M} UTC" if mail.sent_at else "unknown"
    files = ", ".join(one.name for one in mail.attachments)
    lines = [
        f"From: {mail.sender or 'unknown'}", f"To: {', '.join(map(str, mail.to[:20]))}", f"Date: {sent}",
        f"Subject: {mail.subject}", *([f"Files: {files[:500]}"] if files else []), "", _words(mail, known)[:longest],
    ]  # fmt: skip
    return _UNSEEN.sub("", "\n".join(lines))


def _words(mail: Mail, known: Collection[str]) -> str:
    """What a mail says, and the mails that it passes on. Quotes are left out where they are surely marked as such, or
    what they quote is read anyway."""
    is_known = any(one in known for one in mail.references)
    text = mail.text if mail.is_forward else own_words(mail.text, cuts_unmarked=is_known)
    return "\n\n".join(filter(None, (text.strip(), mail.enclosed)))


def _also(who: str, wish: str | None) -> str:
    return f"\n\n{who}: {wish}" if wish else ""
