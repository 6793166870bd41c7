"""A summary by a language model: in one go, or by notes on parts when the document is longer than it reads at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llmcoder.context import Context
from llmcoder.errors import Transient
from llmcoder.language import Completion, LanguageModel, total
from llmcoder.prompts import Prompts
from tasks.document.page import UnreadableDocument

PROMPTS = Prompts(Path(__file__).parent / "prompts")
#: A document that needs more parts than this costs more than a summary is worth.
MAX_PARTS = 60


@dataclass(frozen=True)
class SummaryStyle:
    """How the reader wants it."""

    sentences: int
    language: str | None
    instructions: str | None

    def places(self) -> dict[str, str | int]:
        wishes = f"\n\nThe reader also asks for this: {self.instructions}" if self.instructions else ""
        return {
            "sentences": self.sentences,
            "language": self.language or "the document's own language",
            "wishes": wishes,
        }


@dataclass
class Drafter:
    """One summary in the making: knows the model, counts calls and tokens, shows progress.

    Args:
        chunk_chars: What the model reads at once.
    """

    ctx: Context
    model: LanguageModel
    style: SummaryStyle
    chunk_chars: int
    completions: list[Completion] = field(default_factory=list)
    prompt: str = ""

    def summary(self, text: str) -> str:
        """Draft the summary of a document.

        Raises:
            Unreadable: So long that it would take too many parts.
            ActionError: What the model raises; nothing else is put in the place of its answer.
        """
        name = "whole"
        while len(parts := list(chunks(text, self.chunk_chars))) > 1:
            if len(parts) > MAX_PARTS:
                most = MAX_PARTS * self.chunk_chars
                raise UnreadableDocument(
                    f"The document has {len(text)} characters; a language model is given at most {most}. Raise "
                    "DOCUMENT_CHUNK_CHARS, or ask for the method `extractive`."
                )
            text, name = "\n\n".join(self._notes(parts)), "merge"
        self.ctx.progress(0.9 if name == "merge" else 0.2, "Writing the summary")
        return self._complete(name, text, stream=True)

    def _notes(self, parts: Sequence[str]) -> Iterator[str]:
        for number, part in enumerate(parts, 1):
            self.ctx.progress(0.2 + 0.7 * (number - 1) / len(parts), f"Reading part {number} of {len(parts)}")
            notes = self._complete("part", part, number=number, of=len(parts))
            yield notes[: self.chunk_chars // 4]  # whatever a model rambles, each round must get shorter

    def _complete(self, name: str, content: str, *, stream: bool = False, **places: str | int) -> str:
        used = PROMPTS[name]
        done = self.model.complete(used.messages(content, **self.style.places(), **places), stream=stream)
        if not done.text.strip():
            raise Transient(f"{done.model} wrote nothing.")
        self.completions.append(done)
        self.prompt = used.name
        return done.text.strip()

    @property
    def tokens_in(self) -> int | None:
        return total(done.tokens_in for done in self.completions)

    @property
    def tokens_out(self) -> int | None:
        return total(done.tokens_out for done in self.completions)


def chunks(text: str, size: int) -> Iterator[str]:
    """Cut where paragraphs end, else where a line or a word does, so that each piece has at most `size` characters."""
    while len(text) > size:
        cut = next((at for mark in ("\n\n", "\n", " ") if (at := text.rfind(mark, size // 2, size)) > 0), size)
        yield text[:cut].strip()
        text = text[cut:].lstrip()
    if text.strip():
        yield text.strip()
