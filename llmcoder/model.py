"""The base of every input and output: unknown fields are refused, instances do not change."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Model(BaseModel):
    """Base of an action's input and output."""

    # Validators are built when first used: those of all actions cost each process 23 MB, and it uses few of them.
    # pydantic builds them under a lock since 2.14 (https://github.com/pydantic/pydantic/pull/13438).
    # JSON has neither infinity nor NaN: 1e999 was read as one, and kept as null
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, allow_inf_nan=False)


class ChangeModel(Model):
    """Base of an input that says what to change: a field left out stays, null is a value.

    Written down, it holds only what it was given, so that a job that runs later leaves the same fields alone.
    """

    @model_serializer(mode="wrap")
    def _only_given(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        given = {
            field.alias or name for name, field in type(self).model_fields.items() if name in self.model_fields_set
        }
        return {name: value for name, value in write(self).items() if name in given or name in self.model_fields_set}
