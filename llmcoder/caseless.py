"""Text as it is compared where the case of letters does not count, the same on every machine and in every store.

SQLite's own `lower` knows the letters of ASCII only, PostgreSQL's follows the locale of its database. So what is to be
found or sorted in any case is folded here, by Unicode's rule for compatibility caseless matching (The Unicode Standard,
3.13, D147), and kept folded in a column of its own. `Straße` and `STRASSE` are the same, and so are
wide and narrow forms of a letter; accents count.
"""

from __future__ import annotations

from unicodedata import normalize


def fold(text: str) -> str:
    """The text in its one form: in composed characters, without case and without widths and ligatures."""
    once = normalize("NFKD", normalize("NFD", text).casefold())
    return normalize("NFKC", normalize("NFKD", once.casefold()))
