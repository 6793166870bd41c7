"""The base of every input and output: unknown fields are refused, instances do not change."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Base of an action's input and output."""

    # JSON has neither infinity nor NaN: 1e999 was read as one, and kept as null
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
