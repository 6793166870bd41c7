"""`/connections`: a user's own accounts at providers, typed in or signed in to with the browser. For persons only.

What proves an account goes in here and never comes out.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape
from typing import Annotated, Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from fastapi import Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field, JsonValue
from starlette.convertors import StringConvertor, register_url_convertor

from api.auth.identity import Identity, person
from api.http.bodies import Router
from api.http.job_view import problems
from api.services import Services, services_of
from engine.account_access import fallback
from engine.accounts import CALLBACK, oauth_of
from llmcoder import strict_json
from llmcoder.config import config
from llmcoder.declare.connection import BadForm, OAuth, read_form
from llmcoder.errors import ActionError, BadInput, Busy, NotConfigured, NotFound
from llmcoder.model import Model
from llmcoder.registry import AnyKind
from models.accounts import users
from models.connections import signins
from models.connections import store as connections
from models.connections.signins import LIVES, Signin
from models.connections.store import ConnectedAccount, ConnectionState

#: Providers that answer slowly must not take all of a process's threads.
MOST_AT_ONCE = 8
LONGEST_CODE = 4_096

router = Router(prefix="/connections", tags=["connections"])
PROBLEMS = problems(401, 403, 503)
Person = Annotated[Identity, Depends(person)]
T = TypeVar("T")


class ProviderConvertor(StringConvertor):
    """A provider's name in an address, so that the callback beside it is no provider."""

    regex = "(?!callback$)[a-z][a-z0-9_]*"


register_url_convertor("provider", ProviderConvertor())

_room = threading.BoundedSemaphore(MOST_AT_ONCE)


class ConnectionView(Model):
    """One of your accounts, without what proves it."""

    id: UUID
    provider: str
    title: str
    account: str = Field(description="Its name at the provider; the input field `account` of actions takes it.")
    default: bool = Field(description="Whether it is meant when an action is not told which account.")
    state: ConnectionState
    error: str | None = Field(description="Why it is broken.")
    details: dict[str, JsonValue] = Field(description="What else is known of it and is no secret.")
    scopes: list[str] = Field(description="What the provider says it allows, where it was signed in to.")
    missing_scopes: list[str] = Field(description="What is asked for today and was not granted: connect it again.")
    expires_at: datetime | None = Field(description="When the access token ends; it is renewed by itself.")
    checked_at: datetime | None = Field(description="When it was last seen to work.")
    created_at: datetime
    updated_at: datetime


class ConnectionList(Model):
    """Your accounts, by provider."""

    items: list[ConnectionView]


class KindView(Model):
    """One kind of account that can be connected."""

    provider: str
    title: str
    form: dict[str, Any] | None = Field(description="JSON schema of the credentials of POST /connections; null: none.")
    oauth: bool = Field(description="Whether it can be signed in to with the browser: POST /connections/oauth/….")
    needs: str | None = Field(description="What an administrator must set up before that, if anything.")
    scopes: list[str] = Field(description="What is asked for there.")
    shared: bool = Field(description="Whether this installation has an account for users without one.")


class KindList(Model):
    """Every kind of account that can be connected."""

    items: list[KindView]


class NewConnection(Model):
    """An account to connect."""

    provider: str = Field(max_length=40, description="Which kind of account, from GET /connections/kinds.")
    credentials: dict[str, JsonValue] = Field(description="What proves the account, by the form of its kind.")


class CheckView(Model):
    """What a look at an account came to."""

    identity: str = Field(description="Who the provider says we are.")
    connection: ConnectionView


class ScopesView(Model):
    """What the provider will be asked for."""

    asked: list[str]
    granted: list[str] = Field(description="By your accounts there so far.")
    new: list[str] = Field(description="Asked for and not granted so far.")


class SigninView(Model):
    """A sign-in that has begun."""

    authorize_url: str = Field(description="Where your browser goes now. It comes back here by itself.")
    scopes: ScopesView
    expires_at: datetime = Field(description="Come back before.")


@router.get("", responses=PROBLEMS)
async def list_connections(request: Request, who: Person) -> ConnectionList:
    """Your accounts at providers, and how each stands."""
    services = services_of(request)
    found = await services.sql.read(connections.listed, who.user_id)
    return ConnectionList(items=views(services.registry.connections(), found))


@router.get("/kinds", responses=PROBLEMS)
async def list_connection_kinds(request: Request, _who: Person) -> KindList:
    """Which accounts can be connected, and what each takes."""
    return KindList(items=[_kind_view(kind) for kind in services_of(request).registry.connections().values()])


@router.post(
    "",
    status_code=201,
    responses={200: {"model": ConnectionView}, **PROBLEMS, **problems(404, 409, 422, 429)},
)
async def add_connection(request: Request, response: Response, who: Person, new: NewConnection) -> ConnectionView:
    """Connect an account: the provider is asked who it is, then it is kept. The same account again is a reconnect."""
    services = services_of(request)
    kind = kind_of(services, new.provider)
    credentials = checked_form(kind, new.credentials)
    stored = await _outside(lambda: services.accounts.add(who.user_id, kind, credentials, who.user_id))
    response.status_code = 201 if stored.version == 1 else 200
    return await _view(services, stored)


@router.delete("/{connection_id:uuid}", status_code=204, responses={**PROBLEMS, **problems(404, 422)})
async def remove_connection(request: Request, who: Person, connection_id: UUID) -> None:
    """Forget an account for good; its jobs wait for it. At the provider, withdraw the access yourself."""
    services = services_of(request)
    stored = await _mine(services, who, connection_id)
    await services.sql.run(lambda: services.accounts.remove(stored, who.user_id))


@router.post("/{connection_id:uuid}/check", responses={**PROBLEMS, **problems(404, 409, 422, 429)})
async def check_connection(request: Request, who: Person, connection_id: UUID) -> CheckView:
    """Ask the provider who an account is. One that was broken and works again releases its jobs."""
    services = services_of(request)
    stored = await _mine(services, who, connection_id)
    seen, identity = await _outside(lambda: services.accounts.check(stored))
    return CheckView(identity=identity, connection=await _view(services, seen))


# --- with the browser


@router.post("/oauth/{provider:provider}", responses={**PROBLEMS, **problems(404, 409, 422)})
async def begin_oauth(request: Request, who: Person, provider: str) -> SigninView:
    """Begin to sign in at a provider: send your browser to `authorize_url` when you agree to the scopes."""
    services = services_of(request)
    kind = kind_of(services, provider)
    declared = oauth_of(kind)
    found = await services.sql.read(connections.listed, who.user_id, provider)
    back = services.settings().reached_at + CALLBACK
    url = await services.sql.run(lambda: services.accounts.begin_signin(who.user_id, kind, back))
    return SigninView(authorize_url=url, scopes=_scopes(declared, found), expires_at=services.db.now() + LIVES)


_PAGE: dict[int | str, dict[str, Any]] = {
    status: {"description": meaning, "content": {"text/html": {"schema": {"type": "string"}}}}
    for status, meaning in (
        (200, "The account is connected; a page says so."),
        (400, "It is not connected; a page says why."),
        (503, "It cannot be connected now; a page says why."),
    )
}


@router.get("/oauth/callback", responses=_PAGE, response_class=Response)
async def finish_oauth(
    request: Request,
    state: Annotated[str, Query(description="As the provider was given it.")] = "",
    code: Annotated[str, Query(description="What the provider gave the browser.")] = "",
    error: Annotated[str, Query(description="Why there is no code.")] = "",
) -> Response:
    """Where the provider sends the browser back to. Knows its user by the state, which counts once."""
    if request.scope.get("headers_only"):  # a HEAD must not use anything up
        return _page(200, "Connecting an account", "Open this address with a browser.")
    services = services_of(request)
    now = services.db.now()
    try:
        signin = await services.sql.write(signins.take, state, now)
        if signin is None:
            raise BadInput(
                "This sign-in is unknown, was used before, or has taken longer than ten minutes. Begin anew."
            )
        if error or not code or len(code) > LONGEST_CODE:
            raise BadInput(_declined(error))
        stored, owner = await _outside(lambda: _finish(services, signin, code))
    except ActionError as failed:
        return _page(503 if failed.status >= 500 else 400, "The account is not connected", failed.detail)
    kind = services.registry.connections()[stored.provider]
    said = f"The {kind.title} account {stored.account} is connected to {owner} here. You can close this page."
    return _page(200, "The account is connected", said)


def _finish(services: Services, signin: Signin, code: str) -> tuple[ConnectedAccount, str]:
    with services.db.read() as conn:
        owner = users.by_id(conn, signin.user_id)
    if owner is None or not owner.is_active:
        raise BadInput("Whoever began this sign-in has no account here any more.")
    return services.accounts.finish_signin(kind_of(services, signin.provider), signin, code), owner.email


def _declined(error: str) -> str:
    if error == "access_denied":
        return "You did not agree at the provider, so nothing was connected."
    named = f" ({error[:60]})" if error.isprintable() and error else ""
    return f"The provider sent you back without a code{named}. Begin anew."


def _page(status: int, title: str, text: str) -> Response:
    """No script, no style, no link: every answer of ours forbids them anyway (see `api.http.edge.NO_PAGE`)."""
    html = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
    html += f"<h1>{escape(title)}</h1><p>{escape(text)}</p></html>"
    return Response(html, status, media_type="text/html")


# --- shared with the command line


def kind_of(services: Services, provider: str) -> AnyKind:
    """The kind of account of that name.

    Raises:
        NotFound: There is none.
    """
    kinds = services.registry.connections()
    if provider not in kinds:
        raise NotFound(f"There are no accounts of {provider[:40]!r}. GET /connections/kinds lists every kind.")
    return kinds[provider]


def checked_form(kind: AnyKind, given: dict[str, JsonValue]) -> Any:
    """The credentials that were typed in.

    Raises:
        RequestValidationError: They are not what the kind takes; says nothing of the values.
        BadInput: Such accounts are only connected with the browser.
    """
    try:
        return read_form(kind, given)
    except BadForm as error:
        found = [
            {"type": "bad_form", "loc": ("body", "credentials", *place), "msg": why} for place, why in error.places
        ]
    raise RequestValidationError(found)


def views(kinds: dict[str, AnyKind], found: Sequence[ConnectedAccount]) -> list[ConnectionView]:
    """All of a user's accounts as every door shows them."""
    first = {one.provider: one.id for one in reversed(found)}
    return [_as_view(kinds.get(one.provider), one, is_first=first[one.provider] == one.id) for one in found]


def _as_view(kind: AnyKind | None, one: ConnectedAccount, *, is_first: bool) -> ConnectionView:
    scopes: list[str] = strict_json.read_lenient(one.scopes)
    asked = kind.oauth.scopes if kind is not None and kind.oauth is not None and scopes else ()
    return ConnectionView(
        id=one.id,
        provider=one.provider,
        title=kind.title if kind is not None else one.provider,
        account=one.account,
        default=is_first,
        state=ConnectionState(one.state),
        error=one.error,
        details=strict_json.read_lenient(one.shown),
        scopes=scopes,
        missing_scopes=[scope for scope in asked if scope not in scopes],
        expires_at=one.expires_at,
        checked_at=one.checked_at,
        created_at=one.created_at,
        updated_at=one.updated_at,
    )


async def _view(services: Services, stored: ConnectedAccount) -> ConnectionView:
    found = await services.sql.read(connections.listed, stored.user_id, stored.provider)
    others = [one for one in found if one.id != stored.id]
    in_order = sorted([stored, *others], key=lambda one: (one.created_at, one.id))
    return next(one for one in views(services.registry.connections(), in_order) if one.id == stored.id)


def _kind_view(kind: AnyKind) -> KindView:
    return KindView(
        provider=kind.provider,
        title=kind.title,
        form=kind.form(),
        oauth=kind.oauth is not None,
        needs=_needs(kind),
        scopes=list(kind.oauth.scopes) if kind.oauth is not None else [],
        shared=fallback(kind, config().get) is not None,
    )


def _needs(kind: AnyKind) -> str | None:
    if kind.oauth is None:
        return None
    try:
        kind.oauth.client(config().get)
    except NotConfigured as error:
        return error.detail
    return None


def _scopes(declared: OAuth[Any], found: Sequence[ConnectedAccount]) -> ScopesView:
    granted = sorted({scope for one in found for scope in strict_json.read_lenient(one.scopes)})
    asked = list(declared.scopes)
    return ScopesView(asked=asked, granted=granted, new=[scope for scope in asked if scope not in granted])


async def _mine(services: Services, who: Identity, connection_id: UUID) -> ConnectedAccount:
    stored = await services.sql.read(_found, who.user_id, connection_id)
    if stored is None:
        raise NotFound(f"You have no connection {connection_id}.")
    return stored


def _found(conn: sa.Connection, user_id: UUID, connection_id: UUID) -> ConnectedAccount | None:
    return connections.get(conn, user_id, connection_id)


async def _outside(work: Callable[[], T]) -> T:
    """What waits for a provider, in a thread and for some seconds at most."""
    if not _room.acquire(blocking=False):
        raise Busy("Many accounts are being looked at right now. Try again in a moment.", retry_after_s=2)
    try:
        return await asyncio.to_thread(work)
    finally:
        _room.release()
