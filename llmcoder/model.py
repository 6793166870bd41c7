"""The base of every input and output: unknown fields are refused, instances do not change."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Base of an action's input and output."""

    model_config = ConfigDict(extra="forbid", frozen=True)
