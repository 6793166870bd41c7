"""JSON as templates and exports of others write it, wrong in the ways in which people make it wrong.

What comes of it is made plain before anything keeps it (`markup.plain`, `NewRecipe`); whatever our own programs write
is read by `llmcoder.strict_json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tasks.recipe.lenient_json import read_leniently

MOST_DOCUMENTS = 200
_COMMENT = re.compile(
    r"^\s*(?:<!--|//\s*<!\[CDATA\[|/\*\s*<!\[CDATA\[\s*\*/|<!\[CDATA\[)"
    r"|(?:-->|//\s*\]\]>|/\*\s*\]\]>\s*\*/|\]\]>)\s*;?\s*$"
)
_TRAILING_COMMA = re.compile(r",(\s*[\]}])")
_NO_ESCAPE = re.compile(r'\\(?!["\\/bfnrtu])')
_BEGIN = re.compile(r"[{\[]")


def read_one(text: str) -> Any:
    """One document, in which control characters may stand as they are.

    Raises:
        ValueError: It is none, or nested beyond all measure.
    """
    try:
        return json.loads(text, strict=False)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def documents(text: str) -> Iterator[Any]:
    """All documents in a script: within comments, with commas too many, escaped twice, one after the other."""
    text = text.strip().lstrip("\ufeff")
    for _ in range(2):
        text = _COMMENT.sub("", text).strip().rstrip(";").strip()
    for attempt in _attempts(text):
        try:
            yield read_one(attempt)
        except ValueError:
            continue
        return
    yield from _one_after_the_other(text)


def _attempts(text: str) -> Iterator[str]:
    yield text
    without_commas = _TRAILING_COMMA.sub(r"\1", text)
    yield without_commas
    if "&quot;" in text:
        yield without_commas.replace("&quot;", '"').replace("&amp;", "&")
    if "//" in text or "/*" in text:
        import jstyleson

        yield jstyleson.dispose(text)
    yield _NO_ESCAPE.sub(r"\\\\", without_commas)


def _one_after_the_other(text: str) -> Iterator[Any]:
    """Without anything between them; what no strict reader takes is read as far as it goes."""
    decoder = json.JSONDecoder(strict=False)
    at = 0
    for _ in range(MOST_DOCUMENTS):
        begun = _BEGIN.search(text, at)
        if begun is None:
            return
        try:
            document, at = decoder.raw_decode(text, begun.start())
        except (ValueError, RecursionError):
            try:
                document, at = read_leniently(text, begun.start())
            except ValueError:
                return
        yield document
