"""What a language model writes about a conversation: a summary of a channel, an answer in a thread."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from llmcoder import Model
from llmcoder.context import Context
from llmcoder.errors import Transient
from llmcoder.language import LanguageModel, PromptUse
from llmcoder.prompts import Prompts

PROMPTS = Prompts(Path(__file__).parent / "prompts")


class Task(Model):
    """Something that somebody is to do."""

    task: str = Field(description="What is to be done.")
    who: str | None = Field(None, description="Who does it; null if nobody is named.")
    due: str | None = Field(None, description="Until when, in the words that were used; null if nobody said.")


class ChannelGist(Model):
    """What a channel was about."""

    summary: str = Field(description="What was talked about, in a few sentences.")
    decisions: list[str] = Field([], description="What was agreed.")
    open_questions: list[str] = Field([], description="What was asked and not answered.")
    action_items: list[Task] = Field([], description="Who is to do what.")


def gist(transcript: str, language: str | None, focus: str | None, ctx: Context) -> tuple[ChannelGist, PromptUse]:
    """What is worth knowing of it.

    Raises:
        ActionError: What the model raises.
    """
    used = PROMPTS["summarize"]
    wishes = f"\n\nThe reader also asks for this: {focus}" if focus else ""
    messages = used.messages(transcript, language=language or "the language of most of the messages", wishes=wishes)
    done = ctx.use(LanguageModel).structured(messages, ChannelGist)
    return done.value, PromptUse.of(used.name, done.completions)


def answer(transcript: str, asker: str, ctx: Context) -> tuple[str, PromptUse]:
    """What to say in a thread.

    Raises:
        ActionError: What the model raises.
    """
    used = PROMPTS["mention"]
    done = ctx.use(LanguageModel).complete(used.messages(transcript, asker=asker), stream=True)
    if not done.text.strip():
        raise Transient(f"{done.model} wrote nothing.")
    return done.text.strip(), PromptUse.of(used.name, [done])
