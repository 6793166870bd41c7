"""References in an input to the results of earlier jobs: `{"$ref": "/jobs/<id>#/result/text"}`.

The form is JSON Reference's, the part after `#` a JSON Pointer (RFC 6901). Only what names a job is one, so that an
input may hold a JSON schema with references of its own. A value that came through a reference carries its taint; one
that a client copied by itself does not, so clients that chain jobs refer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import JsonValue

from llmcoder import strict_json
from llmcoder.errors import ActionError, BadInput
from llmcoder.states import State
from models.jobs.taint import Source

KEY = "$ref"
#: What a body with a reference contains, as bytes: a cheap first look.
SIGN = b'"$ref"'
_FORM = re.compile(r"/jobs/([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})#/result((?:/[^/]*)*)")
#: RFC 6901, section 4: no leading zero. Python reads no number of thousands of digits.
_INDEX = re.compile(r"0|[1-9][0-9]{0,15}")
DEEPEST = 100


class NoResultYet(ActionError):
    """The job that an input refers to has no result."""

    slug, title, status = "no-result", "The job referred to has no result", 409


def find(given: JsonValue) -> list[UUID]:
    """The jobs that an input refers to, each once.

    Raises:
        BadInput: It is nested too deeply.
    """
    found: dict[UUID, None] = {}
    _find(given, found, 0)
    return list(found)


def resolve(given: JsonValue, sources: Mapping[UUID, Source]) -> JsonValue:
    """The input with each reference replaced by what it points to.

    Raises:
        NoResultYet: A job has not succeeded.
        BadInput: A result has nothing at that place.
    """
    if isinstance(given, list):
        return [resolve(one, sources) for one in given]
    if not isinstance(given, dict):
        return given
    if (reference := _reference(given)) is None:
        return {name: resolve(one, sources) for name, one in given.items()}
    return _pointed_at(sources[reference[0]], reference[1])


def _find(given: JsonValue, found: dict[UUID, None], depth: int) -> None:
    if depth > DEEPEST:
        raise BadInput(f"The input is nested more than {DEEPEST} levels deep.")
    if isinstance(given, dict) and (reference := _reference(given)) is not None:
        found[reference[0]] = None
    elif isinstance(given, dict | list):
        for one in given.values() if isinstance(given, dict) else given:
            _find(one, found, depth + 1)


def _reference(given: dict[str, JsonValue]) -> tuple[UUID, str] | None:
    text = given.get(KEY)
    matched = _FORM.fullmatch(text) if len(given) == 1 and isinstance(text, str) else None
    return None if matched is None else (UUID(matched[1]), matched[2])


def _pointed_at(source: Source, pointer: str) -> JsonValue:
    if source.state != State.SUCCEEDED or source.result is None:
        raise NoResultYet(f"Job {source.id} is {source.state}; only what has succeeded can be referred to.")
    value: Any = strict_json.read_lenient(source.result)  # orjson rounds integers of more than 64 bits
    for part in pointer.split("/")[1:]:
        value = _step(value, part.replace("~1", "/").replace("~0", "~"), source, pointer)
    found: JsonValue = value
    return found


def _step(value: Any, part: str, source: Source, pointer: str) -> Any:
    if isinstance(value, dict) and part in value:
        return value[part]
    if isinstance(value, list) and _INDEX.fullmatch(part) and int(part) < len(value):
        return value[int(part)]
    raise BadInput(f"The result of job {source.id} has nothing at {pointer!r}: there is no {part!r}.")
