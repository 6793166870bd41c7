"""A form as OpenAI's strict mode takes it: a part of JSON Schema, in which every object is closed and complete. Pure.

See platform.openai.com/docs/guides/structured-outputs, "Supported schemas".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VALUES = {"type", "description", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
PARTS = {"multipleOf", "anyOf", "items", "minItems", "maxItems", "properties", "required", "additionalProperties"}
HELD = VALUES | PARTS | {"$defs"}
#: What only explains, or what our own check of the answer holds: not all models' strict modes know it.
EXPLAINS = {"title", "default", "examples", "deprecated"}
CHECKED_HERE = {"minLength", "maxLength", "pattern", "format", "uniqueItems"}
TYPED = ("type", "enum", "const", "anyOf")


class _Loose(Exception):
    """Strict mode cannot say this."""


def strict(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema with every object closed and every field to be written; None where that cannot be.

    Whatever fits it fits the schema as well, but for the limits that are left out.
    """
    if "properties" not in schema:
        return None  # the root is an object, written out
    try:
        return _closed(schema)
    except _Loose:
        return None


def _closed(node: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        return {"$ref": node["$ref"]}  # nothing may stand beside it
    if node.keys() - HELD - EXPLAINS - CHECKED_HERE or not any(name in node for name in TYPED):
        raise _Loose
    closed = {name: value for name, value in node.items() if name in HELD}
    if node.get("type") == "object":
        if "properties" not in node or node.get("additionalProperties", False) is not False:
            raise _Loose  # its fields have names that nobody knows
        closed |= {"additionalProperties": False, "required": list(node["properties"])}
    for name in ("properties", "$defs"):
        if name in node:
            closed[name] = {key: _closed(one) for key, one in node[name].items()}
    if "anyOf" in node:
        closed["anyOf"] = [_closed(one) for one in node["anyOf"]]
    if "items" in node:
        closed["items"] = _closed(node["items"])
    elif node.get("type") == "array":
        raise _Loose
    return closed
