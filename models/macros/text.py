"""A macro as YAML, as people write it, and back. Pure."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

from llmcoder.errors import BadInput

if TYPE_CHECKING:
    from models.macros.document import Macro

LARGEST_BYTES = 256 * 1024
MOST_DEEP = 30


def as_object(macro: Macro) -> dict[str, Any]:
    """The document as it was written: without what is as it would be anyway."""
    written: dict[str, Any] = macro.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return written


def to_yaml(macro: Macro) -> str:
    import yaml

    text: str = yaml.safe_dump(as_object(macro), sort_keys=False, allow_unicode=True, width=120)
    return text


def from_yaml(text: bytes) -> Any:
    """What the YAML says, in the types that JSON has; a date or time is its text.

    Raises:
        BadInput: It is no YAML, or has what could make a short text a huge document: aliases, or hundreds of levels.
    """
    import yaml

    if len(text) > LARGEST_BYTES:
        raise BadInput(f"The document has {len(text):,} bytes; at most {LARGEST_BYTES:,} are taken.")
    try:
        _refuse_traps(text.decode())
        return json.loads(json.dumps(yaml.load(text, _loader()), default=_as_text, allow_nan=False))
    except UnicodeDecodeError:
        raise BadInput("The document is no UTF-8 text.") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        at = "" if where is None else f" in line {where.line + 1}, column {where.column + 1}"
        raise BadInput(f"The document is no YAML{at}: {getattr(error, 'problem', None) or error}.") from None
    except (ValueError, TypeError) as error:
        raise BadInput(f"The document has what JSON cannot say: {error}.") from None


def _refuse_traps(text: str) -> None:
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=_loader()):
        line = 0 if event.start_mark is None else event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise BadInput(f"Line {line} has the alias *{event.anchor}; write it out instead.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEEP:
            raise BadInput(f"Line {line} is nested more than {MOST_DEEP} levels deep.")


def _loader() -> Any:
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # as quick as it is, where it was built with libyaml


def _as_text(value: Any) -> str:
    if isinstance(value, date):  # a time of day with its date is one, too
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} {value!r}"[:200])
