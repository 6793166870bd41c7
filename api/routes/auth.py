"""The doors under /auth: register, log in, refresh, log out, who am I."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Annotated, Literal
from uuid import UUID

import sqlalchemy as sa
from fastapi import Cookie, Depends, Header, Request, Response
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import Field, JsonValue
from starlette.concurrency import run_in_threadpool

from api.auth import limits, tokens
from api.auth.identity import AuthServices, Identities, Identity, Unauthorized, current, person, services
from api.http.bodies import Router
from api.http.job_view import problems
from engine.new_account import LONGEST_PASSWORD, NewAccount, Secret, normalised
from engine.passwords import Passwords
from llmcoder.logger import get_logger
from llmcoder.model import Model
from models.accounts import users
from models.accounts.users import Account, EmailTaken, RegistrationClosed
from models.audit import log as audit
from models.audit.log import Entry, Event
from models.db.database import Database
from models.jobs.approvals import Origin

NO_STORE = {"cache-control": "no-store"}
DEVICE_COOKIE = "llmcoder_device"
REGISTERED = "Log in with POST /auth/login. If this address had an account before, its password is what it was."

log = get_logger(__name__)
router = Router(prefix="/auth", tags=["auth"])
passwords = cache(Passwords)  # the process has as many cores as it has, however many apps are made in it


class Registration(Model):
    """What whoever registers is told: the same, whether the address had an account before or not."""

    email: str
    detail: str = REGISTERED


class AccountView(Model):
    """An account, as its owner sees it."""

    id: UUID
    email: str
    is_admin: bool
    created_at: datetime

    @classmethod
    def of(cls, account: Account) -> AccountView:
        return cls(id=account.id, email=account.email, is_admin=account.is_admin, created_at=account.created_at)


class TokenPair(Model):
    """What a login gives (RFC 6749)."""

    access_token: str = Field(description="Send it as `Authorization: Bearer <access_token>`.")
    token_type: Literal["bearer"] = "bearer"
    expires_in: int = Field(description="Seconds the access token lives.")
    refresh_token: str = Field(description="Good for one POST /auth/refresh; a second one ends the session.")


class LoginTokens(TokenPair):
    """What a login with a password gives."""

    device_token: str = Field(
        description="Opens nothing. Send it with your next login, as the header `Device-Token` (browsers send it as a "
        "cookie), and others who guess at your password cannot keep you waiting."
    )


class RefreshToken(Model):
    """The refresh token that came last."""

    refresh_token: Secret


class Logout(Model):
    """Which session to end beside that of the access token."""

    refresh_token: Secret | None = None


@router.post("/register", status_code=201, responses=problems(403, 429))
async def register(request: Request, new: NewAccount) -> Registration:
    """Make an account. The first one is the administrator's. The answer does not tell whether the address had one."""
    own = services(request)
    open_to_all, address = own.settings().registration_open, _host(request)
    await run_in_threadpool(_refuse_early, own.db, address, open_to_all)
    password_hash = await passwords().hash(new.password.get_secret_value())
    await run_in_threadpool(_register, own.db, new.email, password_hash, address, open_to_all)
    return Registration(email=new.email)


def _refuse_early(db: Database, address: str, open_to_all: bool) -> None:
    """Spare the hashing; the decisions themselves fall in `_register`."""
    with db.read() as conn:
        if not open_to_all and not users.nobody_yet(conn):
            raise RegistrationClosed("Registration is closed. Ask an administrator for an account.")
        limits.refuse_crowd(conn, address, db.now())


def _register(db: Database, email: str, password_hash: str, address: str, open_to_all: bool) -> None:
    """Make the account; where there is one, write as much down, and tell nobody."""
    now = db.now()
    with db.write() as conn:
        limits.count_registration(conn, address, now)
        try:
            account = users.register(conn, email, password_hash, now, open_to_all=open_to_all)
        except EmailTaken:  # raised before anything was written
            audit.append(conn, [Entry(Event.USER_REGISTERED_AGAIN, email, None, {"from": address})], now)
            return
        users.remember_place(conn, account.id, address, now)
        detail: dict[str, JsonValue] = {"admin": account.is_admin}
        audit.append(conn, [Entry(Event.USER_REGISTERED, email, account.id, detail)], now)


@router.post("/login", responses=problems(401, 429))
async def login(
    request: Request,
    response: Response,
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    device_token: Annotated[str | None, Header(description="What an earlier login gave as `device_token`.")] = None,
    cookie: Annotated[str | None, Cookie(alias=DEVICE_COOKIE, description="The same, of a browser.")] = None,
) -> LoginTokens:
    """Log in with address and password: the OAuth2 password form, `username` being the address."""
    own = services(request)
    attempt = limits.LoginAttempt(_address_or_none(form.username), _host(request))
    account, attempt = await run_in_threadpool(_look_up, own, attempt, device_token or cookie or "")
    typed = form.password if len(form.password) <= LONGEST_PASSWORD else ""
    checked = await passwords().check(typed, account.password_hash if account else None)
    passed = account is not None and account.is_active and checked.right
    pair = await run_in_threadpool(_settle, own, attempt, account if passed else None, checked.better_hash)
    if pair is None or account is None:
        raise Unauthorized("The address or the password is wrong.")
    response.headers.update(NO_STORE)
    return _with_device(own, response, pair, account)


def _with_device(own: AuthServices, response: Response, pair: TokenPair, account: Account) -> LoginTokens:
    device_token = own.identities.issue_device(account.id)
    response.set_cookie(
        DEVICE_COOKIE,
        device_token,
        max_age=int(tokens.DEVICE_LIVES.total_seconds()),
        path="/auth",
        secure=own.settings().reached_at.startswith("https://"),
        httponly=True,
        samesite="strict",
    )
    return LoginTokens(**pair.model_dump(), device_token=device_token)


def _address_or_none(username: str) -> str | None:
    try:
        return normalised(username)
    except ValueError:
        return None


def _host(request: Request) -> str:
    return limits.client_address(request.client.host if request.client else None)


def _look_up(
    own: AuthServices, attempt: limits.LoginAttempt, device_token: str
) -> tuple[Account | None, limits.LoginAttempt]:
    """The account, and the attempt with what makes it the owner's; the same is asked where there is no account."""
    now, device = own.db.now(), own.identities.device_of(device_token)
    with own.db.read() as conn:
        account = users.by_email(conn, attempt.email) if attempt.email else None
        if attempt.email:
            attempt = replace(attempt, at_home=users.has_logged_in_from(conn, attempt.email, attempt.address))
        if device is not None and account is not None and device[0] == account.id:
            attempt = replace(attempt, device=device[1])
        limits.refuse_if_waiting(conn, attempt, now)
    return account, attempt


def _settle(
    own: AuthServices, attempt: limits.LoginAttempt, account: Account | None, better_hash: str | None
) -> TokenPair | None:
    """Write down how the login ended; without an account it failed."""
    now = own.db.now()
    refresh_token = tokens.new_refresh_token()
    with own.db.write() as conn:
        limits.settle(conn, attempt, passed=account is not None, now=now)
        if account is None:
            audit.append(conn, [_of_login(Event.LOGIN_FAILED, attempt)], now)
            return None
        if better_hash:
            users.set_password_hash(conn, account.id, better_hash)
        session = users.start_session(
            conn, account.id, tokens.fingerprint(refresh_token), now, _refresh_until(own, now)
        )
        users.remember_place(conn, account.id, attempt.address, now)
        audit.append(conn, [_of_login(Event.LOGIN, attempt, account.id)], now)
    return _pair(own, session, refresh_token)


def _of_login(event: Event, attempt: limits.LoginAttempt, actor: UUID | None = None) -> Entry:
    """What was typed is named only where it can be an address: people type their password into the wrong field."""
    return Entry(event, attempt.email or "", actor, {"from": attempt.address})


def _refresh_until(own: AuthServices, now: datetime) -> datetime:
    return now + timedelta(days=own.settings().refresh_token_expire_days)


def _pair(own: AuthServices, session: users.Session, refresh_token: str) -> TokenPair:
    lives_s = own.settings().access_token_expire_minutes * 60
    access_token = own.identities.issue(session.user_id, session.id, lives_s, Origin(session.origin))
    return TokenPair(access_token=access_token, expires_in=lives_s, refresh_token=refresh_token)


@router.post("/refresh", responses=problems(401))
async def refresh(request: Request, response: Response, old: RefreshToken) -> TokenPair:
    """Exchange the refresh token for a new pair. A token that was used before ends its session."""
    own = services(request)
    pair = await run_in_threadpool(_refresh, own, old.refresh_token.get_secret_value())
    response.headers.update(NO_STORE)
    return pair


def _refresh(own: AuthServices, old: str) -> TokenPair:
    now = own.db.now()
    new = tokens.new_refresh_token()
    with own.db.write() as conn:
        session = users.rotate(conn, tokens.fingerprint(old), tokens.fingerprint(new), now, _refresh_until(own, now))
        if session is not None and session.reused:
            audit.append(conn, [_of_account(conn, Event.SESSION_REUSED, session.user_id)], now)
    if session is None:
        raise Unauthorized("The refresh token is unknown or has expired. Log in again.")
    if session.reused:
        log.warning("a used refresh token came back; its session was ended", user_id=str(session.user_id))
        own.identities.forget(session.id)
        raise Unauthorized("The refresh token was used before, so its session was ended. Log in again.")
    return _pair(own, session, new)


def _of_account(conn: sa.Connection, event: Event, user_id: UUID) -> Entry:
    """By nobody in particular: two parties hold the token."""
    account = users.by_id(conn, user_id)
    return Entry(event, account.email if account else str(user_id))


@router.post("/agents", status_code=201, responses=problems(401, 403))
async def hand_out(request: Request, response: Response, who: Annotated[Identity, Depends(person)]) -> TokenPair:
    """Make a session for an agent that acts in your name.

    What it submits carries the origin `agent`: its writes wait for approval unless your preferences say otherwise, and
    it can neither approve nor settle jobs, nor change preferences or settings. Log it out with its refresh token.
    """
    response.headers.update(NO_STORE)
    return await run_in_threadpool(_hand_out, services(request), who)


def _hand_out(own: AuthServices, who: Identity) -> TokenPair:
    now, token = own.db.now(), tokens.new_refresh_token()
    until = _refresh_until(own, now)
    with own.db.write() as conn:
        session = users.start_session(conn, who.user_id, tokens.fingerprint(token), now, until, Origin.AGENT)
        audit.append(conn, [Entry(Event.AGENT_ADDED, str(session.id), who.user_id)], now)
    return _pair(own, session, token)


@router.post("/logout", status_code=204)
async def logout(request: Request, who: Annotated[Identity, Depends(current)], body: Logout | None = None) -> None:
    """End the session of the access token, and that of the refresh token if it is another one of the same user."""
    own = services(request)
    given = body.refresh_token if body else None
    await run_in_threadpool(_log_out, own.db, own.identities, who, given.get_secret_value() if given else None)


def _log_out(db: Database, identities: Identities, who: Identity, refresh_token: str | None) -> None:
    now = db.now()
    ended = {who.session_id}
    with db.write() as conn:
        other = users.session_of(conn, tokens.fingerprint(refresh_token)) if refresh_token else None
        if other is not None and other.user_id == who.user_id:
            ended.add(other.id)
        for session_id in sorted(ended):
            users.end_session(conn, session_id, now)
        users.revoke(conn, who.jti, who.expires_at)
        audit.append(conn, [Entry(Event.LOGOUT, who.email, who.user_id, {"sessions": len(ended)})], now)
    for session_id in ended:
        identities.forget(session_id)


@router.get("/me")
async def me(request: Request, who: Annotated[Identity, Depends(current)]) -> AccountView:
    """The account that is asking."""
    return AccountView.of(await run_in_threadpool(_account, services(request).db, who))


def _account(db: Database, who: Identity) -> Account:
    with db.read() as conn:
        account = users.by_id(conn, who.user_id)
    if account is None:
        raise Unauthorized("The account is gone.")
    return account
