"""`GET /actions`: every action with all that a caller, a form or a machine needs to know about it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from api.auth.identity import Identity, current
from api.http.bodies import Router
from api.http.job_view import problems
from api.services import Services, services_of
from engine.administrators import refuse_others
from llmcoder.declare.action import Effect, Queue
from llmcoder.model import Model
from llmcoder.registry import AnyAction

router = Router(prefix="/actions", tags=["actions"], responses=problems(401))
Caller = Annotated[Identity, Depends(current)]


class Requirement(Model):
    """Settings that an action cannot do without."""

    title: str = Field(description="What they are for, such as OpenAI.")
    settings: list[str]
    missing: list[str] = Field(description="Those without a value; the action is refused while there are any.")


class RateView(Model):
    """How often a provider may be called."""

    calls: int
    per_s: float = Field(description="Seconds in any stretch of which there are at most so many calls, per account.")


class ActionView(Model):
    """One action."""

    name: str
    summary: str
    description: str
    effect: Effect
    repeatable: bool = Field(description="Whether doing it twice is the same as doing it once.")
    reconcilable: bool = Field(description="Whether the provider can be asked if an effect took place.")
    undo: str | None = Field(description="The action that takes its effect back; null where nothing does.")
    outside: bool = Field(description="Whether its result holds untrusted content; no write runs on that unapproved.")
    own_records: bool = Field(
        description="Whether it changes nothing but your own records here: your macros and schedules need not ask."
    )
    administrators_only: bool = Field(description="Whether only an administrator may have it run, in person.")
    provider: str = Field(description="Whose limits it keeps, with all other actions that name the same.")
    connects: list[str] = Field(description="Kinds of account it can act for; the chosen one's limits count.")
    rate: RateView | None = Field(description="How often that provider may be called, where it is declared.")
    queue: Queue
    timeout_s: float = Field(description="Seconds one attempt may take.")
    attempts: int = Field(description="Runs in all, when attempts fail for reasons that pass.")
    configured: bool
    requires: list[Requirement]
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    example: dict[str, Any] = Field(description="An input made of the fields' own examples.")


class Catalogue(Model):
    """Every action, by name."""

    items: list[ActionView]


@router.get("")
async def list_actions(request: Request, who: Caller) -> Catalogue:
    """What you can do here."""
    services = services_of(request)
    shown = [one.name for one in services.registry.facts.values() if who.is_admin or not one.administrators_only]
    # in a thread: it loads every domain
    return await run_in_threadpool(lambda: Catalogue(items=[_view(services, services.registry[n]) for n in shown]))


@router.get("/{name}", responses=problems(403, 404))
async def show_action(request: Request, who: Caller, name: Annotated[str, "such as document.summarize"]) -> ActionView:
    """One action."""
    services = services_of(request)
    action = await services.action(name)
    if action.administrators_only:
        await services.sql.read(refuse_others, action, who.user_id, who.origin)
    return await run_in_threadpool(_view, services, action)


def _view(services: Services, action: AnyAction) -> ActionView:
    rate = services.registry.rates.get(action.provider)
    kinds = [services.config.get(kind) for kind in action.requires]
    requires = [Requirement(title=kind.title, settings=list(kind.needs), missing=kind.missing()) for kind in kinds]
    return ActionView(
        name=action.name,
        summary=action.summary,
        description=action.description,
        effect=action.effect,
        repeatable=action.repeatable,
        reconcilable=action.reconcile is not None,
        undo=None if action.undo is None else action.undo.action.name,
        outside=action.outside,
        own_records=action.own_records,
        administrators_only=action.administrators_only,
        provider=action.provider,
        connects=[kind.provider for kind in action.connects],
        rate=None if rate is None else RateView(calls=rate.calls, per_s=rate.per_s),
        queue=action.queue,
        timeout_s=action.timeout_s,
        attempts=action.retry.attempts,
        configured=not any(one.missing for one in requires),
        requires=requires,
        input_schema=action.input_schema,
        output_schema=action.output_schema,
        example=action.example,
    )
