"""Queries that say what is meant, whatever the words in them are. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: What means something in the words of a text search (Lucene), and is to stand for itself.
_MEANS_SOMETHING = re.compile(r"([+\-&|!(){}\[\]^~*?:\\/\"'])")
#: In capitals they join words; as words they are searched for like any other.
_JOINS = re.compile(r"\b(AND|OR|NOT)\b")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


def quoted(text: str) -> str:
    """A text as a value of a query: between quotation marks, and nothing in it ends them."""
    plain = _CONTROL.sub(" ", text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain}"'


def matching(words: str) -> str:
    """A condition that finds issues with those words; what means something in a text search does not."""
    plain = _JOINS.sub(lambda found: found[0].lower(), _CONTROL.sub(" ", words))
    escaped = _MEANS_SOMETHING.sub(r"\\\1", plain)
    return f"text ~ {quoted(escaped)}"


def one_of(field: str, values: Iterable[str]) -> str:
    return f"{field} in ({', '.join(quoted(one) for one in values)})"


def joined(conditions: Iterable[str], order: str) -> str:
    return f"{' AND '.join(conditions)} ORDER BY {order}"
