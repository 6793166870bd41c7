"""A domain that does everything wrong with secrets and inputs that an action can; added as any package is.

Put this folder on PYTHONPATH and it is there. What it quotes must not get further than the process it runs in.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from llmcoder import Context, Effect, Model, Queue, Retry, action
from llmcoder.settings import Settings


class CanarySettings(Settings):
    """As a domain declares its own; nobody told the test of it."""

    title = "Canaries"

    canary_plugin_secret: SecretStr | None = Field(None, description="A secret of a domain that came later.")


class Words(Model):
    text: str = Field("", description="Any text.", examples=["hello"])
    how: Literal["raise", "chain", "group", "exit", "wrong result", "progress"] = Field(
        "raise", description="In which way it goes wrong."
    )


class Fragile(Model):
    text: str = Field("", description="Any text; `break` breaks the check itself.", examples=["hello"])

    @model_validator(mode="after")
    def _checked_badly(self) -> Self:
        if self.text.startswith("break"):
            raise RuntimeError(f"a defect in a validator quotes {self.text}")
        return self


class Done(Model):
    text: str = ""


def _blurt(given: Words, ctx: Context) -> Done:
    secret = ctx.settings(CanarySettings).canary_plugin_secret
    told = f"{secret.get_secret_value() if secret else 'unset'} and {given.text}"
    if given.how == "chain":
        try:
            raise KeyError(told)
        except KeyError as error:
            raise RuntimeError(f"because of {told}") from error
    if given.how == "group":
        raise ExceptionGroup(told, [ValueError(told)])
    if given.how == "exit":
        raise SystemExit(told)
    if given.how == "wrong result":
        wrong: Any = {"text": ["no text", told]}
        return wrong  # type: ignore[no-any-return]
    raise ValueError(told)


@action("canary.blurt", effect=Effect.DRAFT, requires=(CanarySettings,), retry=Retry(attempts=1))
def blurt(given: Words, ctx: Context) -> Done:
    """Break with a secret and the input in the error's text."""
    return _blurt(given, ctx)


@action(
    "canary.blurt_heavily",
    effect=Effect.DRAFT,
    queue=Queue.HEAVY,
    requires=(CanarySettings,),
    retry=Retry(attempts=1),
)
def blurt_heavily(given: Words, ctx: Context) -> Done:
    """Do the same in a process of its own."""
    return _blurt(given, ctx)


@action("canary.die", effect=Effect.DRAFT, queue=Queue.HEAVY, retry=Retry(attempts=1))
def die(given: Words, ctx: Context) -> Done:
    """Take the process along."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def _stumble(given: Words, marker: Mapping[str, str], ctx: Context) -> Done | None:
    raise ValueError(f"looking for {given.text} broke")


@action("canary.stumble", effect=Effect.WRITE, repeatable=False, reconcile=_stumble, retry=Retry(attempts=2))
def stumble(given: Words, ctx: Context) -> Done:
    """Arm and break, then break again when asked what happened."""
    ctx.armed({"text": "a marker"})
    raise ValueError(f"sending {given.text} broke")


@action("canary.check_badly", effect=Effect.DRAFT)
def check_badly(given: Fragile, ctx: Context) -> Done:
    """Have an input whose check can break."""
    return Done(text=given.text)
