"""What a site sends, as far as it is read: members that we do not name may be anything, ids may be numbers."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from llmcoder import strict_json
from llmcoder.text import whole

W = TypeVar("W", bound=BaseModel)


class AtlassianPayload(BaseModel):
    """Something that a site sends."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, sent: Any) -> Any:
        if not isinstance(sent, dict):
            return sent
        return {name: _whole(value) for name, value in sent.items() if value is not None}


def _whole(value: Any) -> Any:
    """A text, or those of a list; what is deeper is made whole by its own model, or where it is read."""
    if isinstance(value, str):
        return whole(value)
    return [whole(one) if isinstance(one, str) else one for one in value] if isinstance(value, list) else value


def receipt_of(kind: type[W], body: bytes) -> W:
    """What a site says of a change that it has made: what must be there is, and the rest as far as it can be read.

    Raises:
        ValueError: What must be there is not.
    """
    sent = _object(body)
    try:
        receipt = kind.model_validate(sent)
    except ValidationError as error:
        wrong = {one["loc"][0] for one in error.errors(include_url=False) if one["loc"]}
        receipt = kind.model_validate({name: value for name, value in sent.items() if name not in wrong})
    if getattr(receipt, "id", "?") == "":
        raise ValueError("it has no id")
    return receipt


def _object(body: bytes) -> dict[str, Any]:
    try:
        sent = strict_json.read_lenient(body or b"{}")
    except strict_json.NotJson:  # perhaps for one byte in another encoding
        sent = strict_json.read_lenient(body.decode("utf-8-sig", "replace"))
    if not isinstance(sent, dict):
        raise ValueError("it is no object")
    return sent
