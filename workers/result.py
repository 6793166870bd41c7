"""What is kept of a result: all of it, up to a limit. A read that brought more fails; a write never does for that."""

from __future__ import annotations

import json

from pydantic import BaseModel

from llmcoder.errors import Refused

#: Room for the words about what was left out.
NOTE_BYTES = 800
NAMES_SHOWN = 10


def kept(result: BaseModel, max_bytes: int, *, writes: bool) -> str:
    """The result as JSON text of at most `max_bytes`.

    Of a write's the smallest fields stay, since the effect has happened and the receipt is among them; `left_out` says
    which are missing and why.

    Raises:
        Refused: A read or draft brought more than that.
    """
    text = as_json(result)
    size = len(text) if text.isascii() else len(text.encode())
    if size <= max_bytes:
        return text
    if not writes:
        raise Refused(f"The result has {size} bytes; at most {max_bytes} are kept (MAX_RESULT_BYTES).")
    return _shortened(text, size, max_bytes)


def as_json(result: BaseModel) -> str:
    try:
        return result.model_dump_json()
    except ValueError:  # text that UTF-8 cannot carry, such as a lone surrogate from a vendor: escape it
        return json.dumps(result.model_dump(mode="python"), default=str)


def _shortened(text: str, size: int, max_bytes: int) -> str:
    whole = json.loads(text)
    fields = whole if isinstance(whole, dict) else {}
    stays, room = {}, max_bytes - NOTE_BYTES
    for name in sorted(fields, key=lambda name: len(json.dumps(fields[name]))):
        room -= len(json.dumps({name: fields[name]}))
        if room < 0:
            break
        stays[name] = fields[name]
    missing = [name[:40] for name in fields if name not in stays][:NAMES_SHOWN]
    detail = f"It happened. Its result has {size} bytes; at most {max_bytes} are kept (MAX_RESULT_BYTES)."
    return json.dumps(stays | {"left_out": {"detail": detail, "fields": missing}})
