"""What is kept of a result: all of it, up to a limit. A read that brought more fails; a write never does for that."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from llmcoder import strict_json
from llmcoder.errors import Refused

#: Room for the words about what was left out.
NOTE_BYTES = 800
NAMES_SHOWN = 10
#: Of a result; others hold it, and each of them a level deeper, see `strict_json.MOST_DEEP`.
MOST_DEEP = 128


def kept(result: BaseModel, max_bytes: int, *, writes: bool) -> str:
    """The result as JSON text of at most `max_bytes`.

    Of a write's the smallest fields stay, since the effect has happened and the receipt is among them; `left_out` says
    which are missing and why.

    Raises:
        Refused: A read or draft brought more than that, or what is nested too deeply.
        TypeError: It returned no model, so nobody declared what of it may be shown.
    """
    if not isinstance(result, BaseModel):
        if not writes:
            raise TypeError(f"the action returned {type(result).__name__} and no model")
        return strict_json.write({"left_out": {"detail": _NO_MODEL, "fields": []}})
    text = as_json(result)
    size = len(text) if text.isascii() else len(text.encode())
    too_deep = _is_too_deep(text)
    if size <= max_bytes and not too_deep:
        return text
    why = f"is nested more than {MOST_DEEP} levels deep" if too_deep else _too_large(size, max_bytes)
    if not writes:
        raise Refused(f"The result {why}.")
    return _shortened(text, f"It happened. Its result {why}.", max_bytes)


_NO_MODEL = "It happened. What the action returned is no result of the kind that it declares, so nothing of it is kept."


def as_json(result: BaseModel) -> str:
    """Whatever a result holds, in JSON that every reader takes."""
    try:
        text: str = result.model_dump_json()
    except Exception:  # noqa: BLE001  no value and no serializer of an action's may hide that its effect has happened
        return strict_json.write(_fields(result))
    # pydantic writes integers of any length, and nobody reads those of thousands of digits
    return strict_json.write(strict_json.read_lenient(text)) if strict_json.is_large(text.encode()) else text


def _fields(result: BaseModel) -> Any:
    try:
        return result.model_dump(mode="python")
    except Exception:  # noqa: BLE001  as above
        return dict(result)


def _too_large(size: int, max_bytes: int) -> str:
    return f"has {size} bytes; at most {max_bytes} are kept (MAX_RESULT_BYTES)"


def _is_too_deep(text: str) -> bool:
    brackets = text.count("[") + text.count("{")
    return brackets > MOST_DEEP and strict_json.is_deeper(strict_json.read_lenient(text), MOST_DEEP)


def _shortened(text: str, detail: str, max_bytes: int) -> str:
    whole = strict_json.read_lenient(text)
    fields = whole if isinstance(whole, dict) else {}
    stays, room = {}, max_bytes - NOTE_BYTES
    for name in sorted(fields, key=lambda name: len(strict_json.write(fields[name]))):
        room -= len(strict_json.write_bytes({name: fields[name]}))
        if room < 0:
            break
        if not strict_json.is_deeper(fields[name], MOST_DEEP - 1):
            stays[name] = fields[name]
    missing = [name[:40] for name in fields if name not in stays][:NAMES_SHOWN]
    return strict_json.write(stays | {"left_out": {"detail": detail, "fields": missing}})
