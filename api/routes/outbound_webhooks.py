"""The doors of outbound webhooks: addresses of a user's at which we call when their jobs change."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, get_args
from uuid import UUID

import sqlalchemy as sa
from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, Field, SecretStr, Strict

from api.auth.identity import Identity, current, person
from api.http.bodies import Router
from api.http.job_view import problems
from api.services import services_of
from engine import outbound_webhooks as rules
from llmcoder import strict_json
from llmcoder.model import Model
from models.accounts.preferences import Pattern
from models.webhooks import outbound as webhooks
from models.webhooks.outbound import Delivery, Webhook

DAY_S = 86_400

router = Router(prefix="/webhooks", tags=["outbound webhooks"], responses=problems(401, 422, 503))
Caller = Annotated[Identity, Depends(current)]
Person = Annotated[Identity, Depends(person)]
JobEvent = Literal["job.succeeded", "job.failed", "job.cancelled", "job.uncertain", "job.waiting"]
MessageState = Literal["pending", "delivered", "failed"]
#: JSON's own: 0 is no false, and true no 1.
Flag = Annotated[bool, Strict()]
Number = Annotated[int, Strict()]
Url = Annotated[str, Field(min_length=8, max_length=2_000, examples=["https://example.org/llmcoder"])]
Events = Annotated[list[JobEvent], Field(min_length=1, max_length=5)]
GivenSecret = Annotated[
    SecretStr | None,
    Field(max_length=500, description="`whsec_` and a key in base64; a new one is made when left out."),
]


class NewWebhook(Model):
    """An outbound webhook: an address at which we call."""

    name: str = Field(min_length=1, max_length=200, description="What you call it.", examples=["My server"])
    url: Url = Field(description="Where we POST to.")
    events: Events = Field(
        default_factory=lambda: list(get_args(JobEvent)),
        description="What you hear of, everything when left out; `job.waiting` is a job that waits for a person.",
    )
    actions: Pattern = Field("*", max_length=100, description="Whose jobs: an action, a domain as `jira.*`, or `*`.")
    with_result: Flag = Field(False, description="Whether results come along, up to 256 KiB.")
    secret: GivenSecret = None
    enabled: Flag = Field(True, description="Whether it is called.")


class WebhookChange(Model):
    """What changes; a field left out stays."""

    name: str | None = Field(None, min_length=1, max_length=200, description="What you call it.")
    url: Url | None = Field(None, description="Where we POST to.")
    events: Events | None = Field(None, description="What you hear of.")
    actions: Pattern | None = Field(None, max_length=100, description="Whose jobs.")
    with_result: Flag | None = Field(None, description="Whether results come along.")
    enabled: Flag | None = Field(None, description="Whether it is called.")
    version: Number | None = Field(None, ge=1, description="Refuse with 412 if it was changed since this version.")


class NewWebhookSecret(Model):
    """Another secret."""

    secret: GivenSecret = None
    overlap_s: Number = Field(DAY_S, ge=0, le=7 * DAY_S, description="So long messages are signed with both.")


class WebhookView(BaseModel):
    """One outbound webhook."""

    id: UUID
    name: str
    url: str
    events: list[JobEvent]
    actions: str
    with_result: bool
    enabled: bool
    note: str | None = Field(description="Why it was disabled.")
    failures: int = Field(description="Tries that failed one after the other.")
    failing_since: datetime | None
    version: int = Field(description="Counts changes.")
    created_at: datetime
    updated_at: datetime


class WebhookWithSecret(WebhookView):
    """One outbound webhook and its secret, which is never shown again."""

    secret: str


class WebhookPage(BaseModel):
    """Your outbound webhooks, newest first."""

    items: list[WebhookView]
    next: UUID | None = Field(description="`cursor` of the page after this one; null on the last page.")


class DeliveryView(BaseModel):
    """One message."""

    id: UUID = Field(description="Its `webhook-id`, the same at every try.")
    event: str
    job_id: UUID | None = Field(description="Null for a test.")
    state: MessageState
    tries: int
    due_at: datetime = Field(description="Of one that is pending: when it is sent next.")
    status: int | None = Field(description="Of the last answer.")
    error: str | None = Field(description="Why the last try failed.")
    created_at: datetime
    ended_at: datetime | None


class DeliveryPage(BaseModel):
    """Messages, newest first."""

    items: list[DeliveryView]
    next: UUID | None = Field(description="`cursor` of the page after this one; null on the last page.")


@router.get("", summary="List outbound webhooks")
async def list_webhooks(
    request: Request,
    who: Caller,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most to return.")] = 50,
) -> WebhookPage:
    """Your outbound webhooks, newest first."""
    found = await services_of(request).sql.read(webhooks.listed, who.user_id, cursor, limit + 1)
    following = found[limit - 1].id if len(found) > limit else None
    return WebhookPage(items=[view(one) for one in found[:limit]], next=following)


@router.post("", summary="Make an outbound webhook", status_code=201, responses=problems(403, 409))
async def add_webhook(request: Request, response: Response, who: Person, new: NewWebhook) -> WebhookWithSecret:
    """Be called when your jobs change. The answer shows the secret that signs the calls, for the only time."""
    services = services_of(request)
    wanted = new.model_dump(exclude={"secret", "events"}) | {"events": strict_json.write(new.events)}
    made, secret = await services.sql.write(rules.add, who.user_id, wanted, _plain(new.secret), services.db.now())
    response.headers["location"] = f"/webhooks/{made.id}"
    return WebhookWithSecret(**view(made).model_dump(), secret=secret)


@router.get("/{webhook_id}", summary="Show an outbound webhook", responses=problems(404))
async def show_webhook(request: Request, who: Caller, webhook_id: UUID) -> WebhookView:
    """One of your outbound webhooks."""
    return view(await services_of(request).sql.read(rules.find, who.user_id, webhook_id))


@router.patch("/{webhook_id}", summary="Change an outbound webhook", responses=problems(403, 404, 412))
async def change_webhook(request: Request, who: Person, webhook_id: UUID, change: WebhookChange) -> WebhookView:
    """Change an outbound webhook. One that is enabled again is told what changed meanwhile."""
    services = services_of(request)
    values = {name: value for name, value in change.model_dump(exclude={"version"}).items() if value is not None}
    if "events" in values:
        values["events"] = strict_json.write(values["events"])
    wanted = who.user_id, webhook_id, values, change.version, services.db.now()
    return view(await services.sql.write(rules.change, *wanted))


@router.post("/{webhook_id}/secret", summary="Renew the secret of an outbound webhook", responses=problems(403, 404))
async def renew_webhook_secret(
    request: Request, who: Person, webhook_id: UUID, new: NewWebhookSecret
) -> WebhookWithSecret:
    """Give it another secret, which only this answer shows; for a while messages are signed with both."""
    services = services_of(request)
    wanted = who.user_id, webhook_id, _plain(new.secret), new.overlap_s, services.db.now()
    found, secret = await services.sql.write(rules.renew_secret, *wanted)
    return WebhookWithSecret(**view(found).model_dump(), secret=secret)


@router.delete("/{webhook_id}", summary="Remove an outbound webhook", status_code=204, responses=problems(403, 404))
async def remove_webhook(request: Request, who: Person, webhook_id: UUID) -> None:
    """Remove an outbound webhook with its messages."""
    services = services_of(request)
    await services.sql.write(rules.remove, who.user_id, webhook_id, services.db.now())


@router.post("/{webhook_id}/test", summary="Test an outbound webhook", status_code=202, responses=problems(403, 404))
async def test_webhook(request: Request, who: Person, webhook_id: UUID) -> DeliveryView:
    """Send it a message that says nothing; GET /webhooks/{id}/deliveries shows how that went."""
    services = services_of(request)
    return _shown(await services.sql.write(rules.test, who.user_id, webhook_id, services.db.now()))


@router.get("/{webhook_id}/deliveries", summary="List the messages of an outbound webhook", responses=problems(404))
async def list_deliveries(
    request: Request,
    who: Caller,
    webhook_id: UUID,
    state: Annotated[MessageState | None, Query(description="Only in this state.")] = None,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most to return.")] = 50,
) -> DeliveryPage:
    """What was sent to an outbound webhook, newest first."""

    def read(conn: sa.Connection) -> list[Delivery]:
        rules.find(conn, who.user_id, webhook_id)
        return webhooks.messages(conn, webhook_id, state, cursor, limit + 1)

    found = await services_of(request).sql.read(read)
    following = found[limit - 1].id if len(found) > limit else None
    return DeliveryPage(items=[_shown(one) for one in found[:limit]], next=following)


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/retry",
    summary="Send a message of an outbound webhook again",
    status_code=202,
    responses=problems(403, 404),
)
async def retry_delivery(request: Request, who: Person, webhook_id: UUID, delivery_id: UUID) -> DeliveryView:
    """Send a message once more, under the same id, whatever became of it."""
    services = services_of(request)
    now = services.db.now()
    return _shown(await services.sql.write(rules.send_again, who.user_id, webhook_id, delivery_id, now))


def view(one: Webhook) -> WebhookView:
    """An outbound webhook as every door shows it; never with its secret."""
    shown = {name: getattr(one, name) for name in WebhookView.model_fields}
    return WebhookView(**{**shown, "events": strict_json.read_lenient(one.events)})


def _shown(one: Delivery) -> DeliveryView:
    return DeliveryView.model_validate(one, from_attributes=True)


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
