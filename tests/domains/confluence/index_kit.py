"""What the tests of index, search and ask share: an index filled from a wiki in memory, and a model that embeds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from memory_wiki import MemoryWiki

from llmcoder.context import User
from llmcoder.errors import ActionError, NotConfigured
from llmcoder.language import Completion, Embeddings, LanguageModel, Message
from llmcoder.testing import FakeContext
from models.db.database import database
from tasks.confluence import searching
from tasks.confluence.index_store import Owner
from tasks.confluence.indexing import Refreshed, refresh
from tasks.confluence.searching import PageFound
from tasks.confluence.tables import pages
from tasks.confluence.terms import terms_of

SITE = "https://wiki.example"


@dataclass
class TinyEmbedder(LanguageModel):
    """Turns words into directions by their hash, with some words for one; no meaning beyond that.

    Attributes:
        trouble: What the next calls raise.
    """

    model: str = "tiny-embed"
    dimensions: int = 64
    same: Mapping[str, str] = field(default_factory=dict)
    trouble: list[ActionError] = field(default_factory=list)
    embedded: list[str] = field(default_factory=list)

    def configured(self) -> bool:
        return False

    def complete(self, messages: Sequence[Message], **_: Any) -> Completion:
        raise NotConfigured("It cannot write.")

    def can_embed(self) -> bool:
        return True

    def embed(self, texts: Sequence[str]) -> Embeddings:
        if self.trouble:
            raise self.trouble.pop(0)
        self.embedded += texts
        return Embeddings(self.model, [self._vector(text) for text in texts])

    def _vector(self, text: str) -> list[float]:
        sums = [1e-6] * self.dimensions
        for term in terms_of(text):
            digest = hashlib.sha512(self.same.get(term, term).encode()).digest()
            for at in range(self.dimensions):
                sums[at] += digest[at % 64] - 127.5
        norm = math.sqrt(sum(one * one for one in sums))
        return [one / norm for one in sums]


class NoModel(TinyEmbedder):
    def can_embed(self) -> bool:
        return False


def owner_of(user: User, account: str = "alice") -> Owner:
    return Owner(user.id, "confluence", account)


def context(user: User, model: LanguageModel | None = None, job_id: UUID | None = None, **more: Any) -> FakeContext:
    return FakeContext(user=user, services=[model or NoModel()], job_id=job_id, **more)


def filled(
    user: User,
    wiki: MemoryWiki,
    *keys: str,
    ctx: FakeContext | None = None,
    model: LanguageModel | None = None,
    files: bool = False,
    account: str = "alice",
    site: str = SITE,
) -> Refreshed:
    """Bring the index up to date from the wiki; its pages' storage is their text."""
    ctx = ctx or context(user, model)
    return refresh(ctx, wiki, owner_of(user, account), site, keys, lambda storage: storage, with_files=files)


def find(
    user: User, query: str, *keys: str, model: LanguageModel | None = None, limit: int = 10, account: str = "alice"
) -> list[PageFound]:
    asked = searching.asked(context(user, model), query)
    return searching.search(owner_of(user, account), asked, keys, 0, limit)[0]


def titles(user: User, query: str, *keys: str, **more: Any) -> list[str]:
    return [page.title for page in find(user, query, *keys, **more)]


def kept() -> list[str]:
    """The ids of all pages that are kept, of whomever."""
    with database().read() as conn:
        return sorted(conn.execute(sa.select(pages.c.page_id).where(pages.c.file_id == "")).scalars())
