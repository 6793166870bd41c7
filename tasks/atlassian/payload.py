"""What a site sends, as far as it is read: members that we do not name may be anything, ids may be numbers."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from llmcoder.text import whole


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
