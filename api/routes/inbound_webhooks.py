"""The doors of inbound webhooks: addresses that a user makes, at which others call, and what a call becomes."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, Field, JsonValue, SecretStr, Strict

from api.auth.identity import Identity, current, person
from api.http.bodies import Router
from api.http.job_view import problems
from api.routes.hooks import first_headers, read_body
from api.services import services_of
from engine import inbound_webhooks as calls
from engine.inbound_call import LARGEST_CALL_BYTES, InboundCall, payload_of
from engine.submitter import refuse_too_large
from llmcoder import strict_json
from llmcoder.errors import ActionError
from llmcoder.model import Model
from llmcoder.signatures import Scheme
from models.webhooks import inbound
from models.webhooks.inbound import InboundHook

DAY_S = 86_400

router = Router(prefix="/hooks", tags=["inbound webhooks"], responses=problems(401, 422, 503))
door = Router(prefix="/hooks", tags=["inbound webhooks"], responses=problems(403, 413, 422, 503))
Caller = Annotated[Identity, Depends(current)]
Person = Annotated[Identity, Depends(person)]
#: JSON's own: 0 is no false, and true no 1.
Flag = Annotated[bool, Strict()]
Number = Annotated[int, Strict()]
GivenSecret = Annotated[
    SecretStr | None,
    Field(min_length=8, max_length=500, description="What the sender signs with; a new one is made when left out."),
]


class NewHook(Model):
    """An inbound webhook: an address at which others may call."""

    name: str = Field(min_length=1, max_length=200, description="What you call it.", examples=["Pushes"])
    action: str = Field(description="What a call starts; GET /actions lists them.", examples=["tasks.start_macro"])
    input: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="What the action is given; texts may hold ${{ expressions }} over `payload` and `headers`.",
        examples=[{"macro": "On a push", "input": {"repository": "${{ payload.repository.full_name }}"}}],
    )
    scheme: Scheme = Field(description="How the caller proves who it is.")
    secret: GivenSecret = None
    replay_window_s: Number = Field(
        300, ge=10, le=3_600, description="How old a call may be, where the scheme signs when it was sent."
    )
    enabled: Flag = Field(True, description="Whether it takes calls.")


class HookChange(Model):
    """What changes; a field left out stays."""

    name: str | None = Field(None, min_length=1, max_length=200, description="What you call it.")
    action: str | None = Field(None, description="What a call starts.")
    input: dict[str, JsonValue] | None = Field(None, description="What the action is given.")
    replay_window_s: Number | None = Field(None, ge=10, le=3_600, description="How old a call may be.")
    enabled: Flag | None = Field(None, description="Whether it takes calls.")
    version: Number | None = Field(
        None, ge=1, description="Refuse with 412 if somebody has changed it since this version."
    )


class NewSecret(Model):
    """Another secret."""

    secret: GivenSecret = None
    overlap_s: Number = Field(DAY_S, ge=0, le=7 * DAY_S, description="So long the one before counts, too.")


class HookView(BaseModel):
    """One inbound webhook."""

    id: UUID
    path: str = Field(description="Where to POST to.")
    name: str
    action: str
    input: JsonValue
    scheme: Scheme
    replay_window_s: int
    enabled: bool
    error: str | None = Field(description="Why the last call that was proven became no job; null when it did.")
    error_at: datetime | None
    version: int = Field(description="Counts changes.")
    created_at: datetime
    updated_at: datetime


class HookWithSecret(HookView):
    """One inbound webhook and its secret, which is never shown again."""

    secret: str


class HookPage(BaseModel):
    """Your inbound webhooks, newest first."""

    items: list[HookView]
    next: UUID | None = Field(description="`cursor` of the page after this one; null on the last page.")


class Taken(BaseModel):
    """What a call became."""

    job_id: UUID
    repeated: bool = Field(description="Whether it came before, and this is the job of that call.")


# --- the addresses


@router.get("", summary="List inbound webhooks")
async def list_hooks(
    request: Request,
    who: Caller,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most to return.")] = 50,
) -> HookPage:
    """Your inbound webhooks, newest first."""
    found = await services_of(request).sql.read(inbound.listed, who.user_id, cursor, limit + 1)
    following = found[limit - 1].id if len(found) > limit else None
    return HookPage(items=[view(one) for one in found[:limit]], next=following)


@router.post("", summary="Make an inbound webhook", status_code=201, responses=problems(403, 404, 409))
async def add_hook(request: Request, response: Response, who: Person, new: NewHook) -> HookWithSecret:
    """Make an inbound webhook, an address at which others may call. The answer shows its secret, for the only time."""
    services = services_of(request)
    now = services.db.now()
    wanted = new.model_dump(exclude={"secret", "input"}) | {"input": strict_json.write(new.input)}
    made = calls.made_of(who.user_id, wanted, now)
    hook, secret = await services.sql.write(calls.add, services.registry, made, _plain(new.secret), now)
    response.headers["location"] = f"/hooks/{hook.id}"
    return HookWithSecret(**view(hook).model_dump(), secret=secret)


@router.get("/{hook_id}", summary="Show an inbound webhook", responses=problems(404))
async def show_hook(request: Request, who: Caller, hook_id: UUID) -> HookView:
    """One of your inbound webhooks."""
    return view(await services_of(request).sql.read(calls.find, who.user_id, hook_id))


@router.patch("/{hook_id}", summary="Change an inbound webhook", responses=problems(403, 404, 412))
async def change_hook(request: Request, who: Person, hook_id: UUID, change: HookChange) -> HookView:
    """Change what a call becomes, or whether it is taken."""
    services = services_of(request)
    values = {name: value for name, value in change.model_dump(exclude={"version"}).items() if value is not None}
    if "input" in values:
        values["input"] = strict_json.write(values["input"])
    now = services.db.now()
    wanted = who.user_id, hook_id, values, change.version, now
    return view(await services.sql.write(calls.change, services.registry, *wanted))


@router.post("/{hook_id}/secret", summary="Renew the secret of an inbound webhook", responses=problems(403, 404))
async def renew_secret(request: Request, who: Person, hook_id: UUID, new: NewSecret) -> HookWithSecret:
    """Give it another secret, which only this answer shows; the one before counts for a while yet."""
    services = services_of(request)
    wanted = who.user_id, hook_id, _plain(new.secret), new.overlap_s, services.db.now()
    hook, secret = await services.sql.write(calls.renew_secret, *wanted)
    return HookWithSecret(**view(hook).model_dump(), secret=secret)


@router.delete("/{hook_id}", summary="Remove an inbound webhook", status_code=204, responses=problems(403, 404))
async def remove_hook(request: Request, who: Person, hook_id: UUID) -> None:
    """Remove an inbound webhook; jobs that its calls became stay."""
    services = services_of(request)
    await services.sql.write(calls.remove, who.user_id, hook_id, services.db.now())


# --- the calls


@door.post("/{hook_id}", summary="Call an inbound webhook", status_code=202, response_model=Taken)
async def take_call(request: Request, hook_id: UUID) -> Response | Taken:
    """Called by others, who sign the body; it takes no token. What it starts counts as untrusted content.

    A call that is repeated is answered with the job of the first one.
    """
    services = services_of(request)
    call = InboundCall(first_headers(request), await read_body(request, LARGEST_CALL_BYTES))
    now = services.db.now()
    hook, delivery = await services.sql.read(calls.called, hook_id, call, now)
    evaluate = partial(services.evaluations.run, hook.user_id)
    if _may_be_challenge(hook, call) and (challenge := await evaluate(partial(_challenge, call))) is not None:
        return Response(challenge, media_type="text/plain")
    try:
        given = await evaluate(partial(calls.input_of, hook, call))
        job = await services.sql.read(calls.job_of, services.registry, hook, given, delivery, now)
        refuse_too_large(job.input, services.settings().max_input_bytes)
    except ActionError as error:
        await services.sql.write(calls.remember_error, hook, error, now)
        raise
    accepted = await services.submitter.submit(job)
    if hook.error is not None:
        await services.sql.write(calls.remember_error, hook, None, now)
    if not accepted.replayed:
        services.metrics.submitted(hook.action, "webhook")
    return Taken(job_id=accepted.job.id, repeated=accepted.replayed)


def _may_be_challenge(hook: InboundHook, call: InboundCall) -> bool:
    return hook.scheme == Scheme.SLACK and b"url_verification" in call.body


def _challenge(call: InboundCall) -> str | None:
    """Slack asks once whether the address is ours, by a signed call that starts nothing."""
    payload = payload_of(call)
    if not isinstance(payload, dict) or payload.get("type") != "url_verification":
        return None
    return str(payload.get("challenge", ""))[:1_000]


# --- what they share


def view(one: InboundHook) -> HookView:
    """An inbound webhook as every door shows it; never with its secret."""
    shown = {name: getattr(one, name) for name in HookView.model_fields if name != "path"}
    return HookView(**{**shown, "input": strict_json.read_lenient(one.input), "path": f"/hooks/{one.id}"})


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
