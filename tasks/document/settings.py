"""How documents are cut for a language model."""

from __future__ import annotations

from pydantic import Field

from llmcoder.settings import Settings


class DocumentSettings(Settings):
    """Nothing here must be set."""

    title = "Documents"

    document_chunk_chars: int = Field(
        12_000,
        ge=1_000,
        le=1_000_000,
        description="Characters of a document that a language model reads at once.",
    )
