"""JSON of what actions and vendors say: no character and no number of theirs may end the thread that writes it."""

from __future__ import annotations

import json
from typing import Any

import orjson


def to_json(value: Any) -> bytes:
    """The value as JSON; what UTF-8 cannot carry, such as half of a surrogate pair, becomes a question mark."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, default=str, ensure_ascii=False).encode("utf-8", "replace")


def storable(text: str) -> str:
    """The text without what a database or UTF-8 refuses."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")
