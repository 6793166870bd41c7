"""An action whose package cannot be imported everywhere, as one that needs a library of the system."""

from __future__ import annotations

import os

from pydantic import Field

from llmcoder import Context, Effect, Model, action

if os.environ.get("TESTKIT_FRAGILE"):
    raise ImportError("libfragile.so.1: cannot open shared object file")


class Care(Model):
    """How to handle it."""

    gently: bool = Field(True, description="Whether with care.")


@action("test.handle_with_care", effect=Effect.DRAFT)
def handle_with_care(given: Care, ctx: Context) -> Care:
    """Do what needs a library."""
    return given
