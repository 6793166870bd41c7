"""What a language model writes about an issue: a comment, a summary; and the issue as the model reads it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from llmcoder import Model
from llmcoder.context import Context
from llmcoder.errors import Transient
from llmcoder.language import LanguageModel, PromptUse
from llmcoder.prompts import Prompts
from tasks.jira.views import CommentView, IssueView

PROMPTS = Prompts(Path(__file__).parent / "prompts")
DESCRIPTION_CHARS = 12_000
#: Of many comments the newest are shown; the beginning of a long talk matters less.
COMMENTS_CHARS = 40_000
COMMENT_CHARS = 6_000
LINKED_CHARS = 1_500
#: Letters that nobody sees and models read: tags, and what has no width. Joiners stay, languages and emoji need them.
_UNSEEN = re.compile("[\u200b\u2060-\u2064\ufeff\U000e0000-\U000e007f]")


class NextStep(Model):
    """Something that somebody is to do."""

    what: str = Field(description="What is to be done.")
    owner: str | None = Field(None, description="Who does it; null if nobody is named.")
    due: str | None = Field(None, description="Until when, in the words that were used; null if nobody said.")


class GeneratedGist(Model):
    """What an issue is about."""

    summary: str = Field(description="What it is about and where it stands, in a few sentences.")
    decisions: list[str] = Field(default_factory=list, description="What was agreed.")
    open_questions: list[str] = Field(default_factory=list, description="What was asked and not answered.")
    blocked_by: list[str] = Field(default_factory=list, description="What keeps it from getting on.")
    next_steps: list[NextStep] = Field(default_factory=list, description="Who is to do what.")


@dataclass(frozen=True)
class CommentStyle:
    """How a comment is wanted."""

    writer: str
    tone: str
    length: str
    language: str | None
    instructions: str | None


@dataclass(frozen=True)
class Subject:
    """An issue and what stands around it.

    Attributes:
        described: What the issues say that it is linked to, by their keys, as far as they were read.
    """

    issue: IssueView
    described: dict[str, str] = field(default_factory=dict)


def comment(subject: Subject, style: CommentStyle, ctx: Context) -> tuple[str, PromptUse]:
    """A comment on an issue, in markdown.

    Raises:
        ActionError: What the model raises.
    """
    used = PROMPTS["comment"]
    messages = used.messages(
        transcript(subject),
        writer=style.writer,
        tone=style.tone,
        length=style.length,
        language=style.language or "the language of the last comment, or of the description where there is none",
        wishes=_also("They also want this", style.instructions),
    )
    done = ctx.use(LanguageModel).complete(messages, stream=True)
    if not done.text.strip():
        raise Transient(f"{done.model} wrote nothing.")
    return done.text.strip(), PromptUse.of(used.name, [done])


def gist(subject: Subject, language: str | None, focus: str | None, ctx: Context) -> tuple[GeneratedGist, PromptUse]:
    """What an issue is about. Raises as `comment`."""
    used = PROMPTS["summary"]
    messages = used.messages(
        transcript(subject),
        language=language or "the language of most of the issue",
        wishes=_also("The reader also asks for this", focus),
    )
    done = ctx.use(LanguageModel).structured(messages, GeneratedGist)
    return done.value, PromptUse.of(used.name, done.completions)


def transcript(subject: Subject) -> str:
    """An issue as a model reads it. Pure."""
    issue = subject.issue
    parts = [
        f"{issue.key}: {issue.summary}\n{_facts(issue)}",
        f"Description:\n{_cut(issue.description, DESCRIPTION_CHARS) or '(none)'}",
        *_linked(subject),
        _comments(issue.comments, issue.comments_total),
    ]
    return _UNSEEN.sub("", "\n\n".join(parts))


def _facts(issue: IssueView) -> str:
    known = {
        "Type": issue.type,
        "Status": issue.status,
        "Resolution": issue.resolution,
        "Priority": issue.priority,
        "Assignee": issue.assignee or "nobody",
        "Reporter": issue.reporter,
        "Labels": ", ".join(issue.labels),
        "Components": ", ".join(issue.components),
        "Created": f"{issue.created_at:%Y-%m-%d %H:%M} UTC" if issue.created_at else None,
        "Due": str(issue.due_on) if issue.due_on else None,
    }
    return "\n".join(f"{name}: {value}" for name, value in known.items() if value)


def _linked(subject: Subject) -> list[str]:
    lines = []
    for one in subject.issue.linked:
        said = _cut(subject.described.get(one.key, ""), LINKED_CHARS)
        lines.append(f"{one.relation} {one.key}: {one.summary} ({one.status})" + (f"\n{said}" if said else ""))
    return ["Linked issues:\n" + "\n\n".join(lines)] if lines else []


def _comments(comments: Sequence[CommentView], total: int) -> str:
    shown: list[str] = []
    left = COMMENTS_CHARS
    for one in reversed(comments):
        text = f"{_heading(one)}\n{_cut(one.text, min(COMMENT_CHARS, left))}"
        left -= len(text)
        shown.append(text)
        if left < 500:
            break
    older = [f"({total - len(shown)} older comments are left out.)"] if total > len(shown) else []
    return "\n\n".join(["Comments:", *older, *reversed(shown)]) if shown else "Comments: none."


def _heading(one: CommentView) -> str:
    at = f"{one.created_at:%Y-%m-%d %H:%M} UTC" if one.created_at else "unknown time"
    return f"[{at}] {one.author or 'somebody'}:"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"


def _also(who: str, wish: str | None) -> str:
    return f"\n\n{who}: {wish}" if wish else ""
