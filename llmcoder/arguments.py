"""From `key=value` words to an action's input: pure, but for the files that `key=@file` names.

A value is text where the field takes text; elsewhere it is JSON where it can be read as JSON. `a.b=1` reaches into
objects, a key that comes several times fills a list, `@@` stands for a text that begins with `@`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from llmcoder import strict_json
from llmcoder.errors import BadInput

Schema = Mapping[str, Any]


def read_input(model: type[BaseModel], words: Sequence[str], base: Mapping[str, Any]) -> str:
    """The validated input as JSON text.

    Args:
        base: What the words are written over.

    Raises:
        BadInput: A word is not key=value, or the whole is not what the model takes; the detail names the fields.
    """
    return checked(model, assembled(model.model_json_schema(), words, base))


def checked(model: type[BaseModel], given: Any) -> str:
    """The validated input as JSON text.

    Raises:
        BadInput: It is not what the model takes; the detail names the fields.
    """
    try:
        text = strict_json.write_exact(given)
    except strict_json.Unwritable as error:
        raise BadInput(f"The input cannot be written as JSON: {error}.") from None
    try:
        return model.model_validate_json(text).model_dump_json(by_alias=True)
    except ValidationError as error:
        raise BadInput(reasons(error, _names(model))) from None


def assembled(schema: Schema, words: Sequence[str], base: Mapping[str, Any], *, files: bool = True) -> dict[str, Any]:
    """The object that the words describe.

    Args:
        files: Whether `key=@file` names a file of this machine; not for words that come from elsewhere.

    Raises:
        BadInput: A word is not key=value, a file cannot be read, or a key contradicts another.
    """
    given = dict(base)
    written: set[str] = set()
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not all(key.split(".")):
            raise BadInput(f"{word!r} is not key=value; `llmcoder actions ACTION` shows the fields.")
        path = key.split(".")
        wanted = _at(schema, path, schema)
        value = _value(key, text, wanted, schema) if files else _read(text, wanted, schema)
        _put(given, path, value, again=key in written, listed=_is_list(wanted))
        written.add(key)
    return given


def reasons(error: ValidationError, known: Iterable[str] = ()) -> str:
    """Why an input was refused, by field; holds no value."""
    found = error.errors(include_url=False, include_input=False)
    return " ".join(f"{_where(one['loc'])}: {_why(one, list(known))}" for one in found)


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _where(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc) or "input"


def _why(one: Mapping[str, Any], known: list[str]) -> str:
    if one["type"] == "extra_forbidden" and len(one["loc"]) == 1:
        from difflib import get_close_matches

        near = get_close_matches(str(one["loc"][0]), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the fields are {', '.join(known) or 'none'}."
        return f"there is no such field; {hint}"
    message: str = one["msg"]
    return message.removeprefix("Value error, ").rstrip(".") + "."


def _value(key: str, text: str, wanted: Schema, root: Schema) -> Any:
    """What the text after `=` means for a field of that schema."""
    if text.startswith("@") and not text.startswith("@@"):
        text = _file(key, Path(text[1:]))
    elif text.startswith("@@"):
        text = text[1:]
    return _read(text, wanted, root)


def _read(text: str, wanted: Schema, root: Schema) -> Any:
    if _is_text(wanted):
        return text
    try:
        value = strict_json.read(text)
    except strict_json.NotJson:
        value = text
    if not _is_list(wanted) or isinstance(value, list):
        return value
    return [_read(text, _meant(wanted.get("items", {}), root), root)]


def _file(key: str, path: Path) -> str:
    try:
        return path.expanduser().read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(
            f"{key}: {path} cannot be read: {error.strerror}. Write @@ for a text that begins with @."
        ) from None
    except UnicodeDecodeError:
        raise BadInput(f"{key}: {path} is not UTF-8 text.") from None


def _put(given: dict[str, Any], path: Sequence[str], value: Any, *, again: bool, listed: bool) -> None:
    key = ".".join(path)
    for part in path[:-1]:
        inner = given.setdefault(part, {})
        if not isinstance(inner, dict):
            raise BadInput(f"{key}: {part} has a value already, which is no object.")
        given[part] = given = dict(inner)
    last = path[-1]
    if again and listed:
        value = [*given[last], *value]
    elif again:
        raise BadInput(f"{key} is given twice and takes one value.")
    given[last] = value


# --- what a schema says about a field


def _at(schema: Schema, path: Sequence[str], root: Schema) -> Schema:
    """The schema of the field at a path; empty, which says nothing, where there is none."""
    for part in path:
        schema = _inner(schema, part, root)
    return _meant(schema, root)


def _inner(schema: Schema, name: str, root: Schema) -> Schema:
    for variant in _variants(schema, root):
        found = variant.get("properties", {}).get(name, variant.get("additionalProperties"))
        if isinstance(found, dict):
            return found
    return {}


def _meant(schema: Schema, root: Schema) -> Schema:
    """The one schema beside null; empty where several may be meant and text is not among them."""
    variants = [one for one in _variants(schema, root) if one.get("type") != "null"]
    if len(variants) == 1:
        return variants[0]
    return next((one for one in variants if _is_text(one)), {})


def _variants(schema: Schema, root: Schema) -> list[Schema]:
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return _variants(root.get("$defs", {}).get(name, {}), root)
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return [variant for one in schema[keyword] for variant in _variants(one, root)]
    return [schema]


def _is_text(schema: Schema) -> bool:
    return schema.get("type") == "string" or isinstance(schema.get("const"), str)


def _is_list(schema: Schema) -> bool:
    return schema.get("type") == "array"
