"""What an account at a provider is: whose name a job acts in there, and what proves it.

A domain declares its kind in `tasks/<domain>/connections.py`; users then connect accounts of their own, and an action
that says `connects=KIND` asks its context for the one it is to use: `ctx.connection(KIND)`.

    class JiraAccount(Model):
        site: str = Field(description="Address of the site, such as https://acme.atlassian.net.")
        token: SecretStr = Field(description="API token.")

    JIRA = ConnectionKind("jira", title="JIRA", credentials=JiraAccount, identify=client.who_am_i)
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, get_args

from pydantic import AwareDatetime, BaseModel, Field, SecretStr, ValidationError

from llmcoder import strict_json
from llmcoder.declare.rate import Rate
from llmcoder.errors import BadInput, DeclarationError, NeedsReconnect
from llmcoder.model import Model
from llmcoder.settings import Settings

if TYPE_CHECKING:
    from llmcoder.net import GuardedClient, Network

C = TypeVar("C", bound=Model)
S = TypeVar("S", bound=Settings)

PROVIDER = re.compile(r"[a-z][a-z0-9_]{0,39}")
GRANT = "grant"
#: A token that ends sooner is renewed first: the request it is for takes time too, and clocks differ.
RENEW_BEFORE = timedelta(seconds=60)
IDENTIFY_WITHIN_S = 15.0
LONGEST_ACCOUNT = 254


class GetSettings(Protocol):
    """How settings are asked for."""

    def __call__(self, kind: type[S]) -> S: ...


class Caller(Protocol):
    """What a request to a provider is made with; an action's `Context` is one, so that both take the same client."""

    def settings(self, kind: type[S]) -> S: ...

    @property
    def http(self) -> GuardedClient: ...

    @property
    def net(self) -> Network: ...

    @property
    def remaining_s(self) -> float: ...


class Grant(Model):
    """What a provider gave us by OAuth; a field `grant` of the credentials of a kind that has OAuth."""

    access_token: SecretStr = Field(description="What requests carry.")
    refresh_token: SecretStr | None = Field(None, description="What a new access token is had for.")
    expires_at: AwareDatetime | None = Field(None, description="When the access token ends; null if nobody said.")
    scopes: tuple[str, ...] = Field((), description="What the provider says it allows.")

    def ends_soon(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at - now < RENEW_BEFORE


@dataclass(frozen=True)
class OAuthClient:
    """How this installation is registered at a provider.

    Attributes:
        secret: None for a public client, which PKCE alone protects.
        authorize_url: Where the user's browser is sent.
        token_url: Where codes and refresh tokens are exchanged.
    """

    id: str
    secret: SecretStr | None
    authorize_url: str
    token_url: str


#: The members of a provider's token answer.
Answer = Mapping[str, Any]


def _as_it_is(answer: Answer) -> Answer:
    return answer


@dataclass(frozen=True, eq=False)
class OAuth(Generic[C]):
    """How an account is connected in the browser: authorization code with PKCE (RFC 6749, RFC 7636).

    Args:
        scopes: What is asked for.
        client: How we are registered, from settings; raises `NotConfigured` naming the ones that are missing.
        credentials: What the account needs, made of the grant and the whole token answer; may ask the provider.
        authorize: More parameters of the authorize address, such as `access_type=offline`.
        tokens: Where in an answer the tokens stand, for providers that put them deeper.
        scope_parameter: What the provider calls `scope` there.
        scope_separator: Between scopes, in the request and in the answer.
    """

    scopes: tuple[str, ...]
    client: Callable[[GetSettings], OAuthClient]
    credentials: Callable[[Grant, Answer, Caller], C]
    authorize: Mapping[str, str] = field(default_factory=dict)
    tokens: Callable[[Answer], Answer] = _as_it_is
    scope_parameter: str = "scope"
    scope_separator: str = " "


@dataclass(frozen=True, eq=False)
class ConnectionKind(Generic[C]):
    """One kind of account, and everything a door needs to know about it.

    Args:
        provider: Its name for ever, such as `gmail`; its actions keep the limits of this provider.
        title: What people call it.
        credentials: What proves that we may act for the account. `SecretStr` fields are never shown, others may be.
        identify: Makes one cheap real call and returns the account's name there, such as its address; two accounts
            that may both be connected have different names. Raises the error tree: `NeedsReconnect` when the
            credentials are refused, `Transient` when nobody can tell now. Keeps to `caller.remaining_s`.
        oauth: Set when accounts can be connected in the browser. The credentials then have a field
            `grant: Grant | None`; where it is required, the browser is the only way.
        fallback: The account of this installation, from settings, for users without one of their own.
        settings: Kinds of settings that it reads; those in `tasks/<domain>/settings.py` are found without.
        rate: How often the provider may be called per account; its actions may say the same, and need not.

    Raises:
        DeclarationError: The declaration breaks a rule; at import, naming the rule.
    """

    provider: str
    title: str
    credentials: type[C]
    identify: Callable[[C, Caller], str]
    oauth: OAuth[C] | None = None
    fallback: Callable[[GetSettings], C | None] | None = None
    settings: tuple[type[Settings], ...] = ()
    rate: Rate | None = None

    def __post_init__(self) -> None:
        for broken, rule in self._rules():
            if broken:
                raise DeclarationError(f"{self.provider}: {rule}")

    @property
    def by_form(self) -> bool:
        """Whether credentials can be typed in."""
        return self.oauth is None or not self.credentials.model_fields[GRANT].is_required()

    def form(self) -> dict[str, Any] | None:
        """JSON schema of what is typed in; None where the browser is the only way."""
        if not self.by_form:
            return None
        schema = self.credentials.model_json_schema()
        schema.get("properties", {}).pop(GRANT, None)
        schema.get("$defs", {}).pop(Grant.__name__, None)
        return {name: value for name, value in schema.items() if name != "$defs" or value}

    def _rules(self) -> list[tuple[bool, str]]:
        """Every rule of a declaration, each with whether this one breaks it."""
        fields = self.credentials.model_fields
        undescribed = [name for name, one in fields.items() if not one.description and name != GRANT]
        strict = self.credentials.model_config.get("extra") == "forbid"
        has_grant = GRANT in fields and holds(fields[GRANT].annotation, Grant)
        return [
            (not PROVIDER.fullmatch(self.provider), "a provider's name has lower-case letters, digits and _, up to 40"),
            (not self.title, "a kind of connection has a title"),
            (not strict, f"{self.credentials.__name__} forbids unknown fields: extra=forbid"),
            (bool(undescribed), f"every field has a description; missing on {', '.join(undescribed)}"),
            (not any(holds_secret(one.annotation) for one in fields.values()), "credentials hold a secret: SecretStr"),
            (inspect.iscoroutinefunction(self.identify), "identify is a plain function; it runs in a thread"),
            (self.oauth is not None and not has_grant, "a kind with OAuth has credentials with grant: Grant | None"),
            (self.oauth is None and has_grant, "credentials with a grant belong to a kind with OAuth"),
        ]


def grant_of(credentials: Model) -> Grant:
    """The grant of an account.

    Raises:
        NeedsReconnect: It was connected by other means, so there is none.
    """
    found = getattr(credentials, GRANT, None)
    if not isinstance(found, Grant):
        raise NeedsReconnect("This account was not connected in the browser. Connect it there.")
    return found


def with_grant(credentials: C, grant: Grant) -> C:
    return credentials.model_copy(update={GRANT: grant})


def keeping_refresh_token(new: C, old: Model | None) -> C:
    """The new credentials; providers leave the refresh token out where the old one stays good."""
    now, before = getattr(new, GRANT, None), getattr(old, GRANT, None)
    if not isinstance(now, Grant) or not isinstance(before, Grant) or now.refresh_token is not None:
        return new
    return with_grant(new, now.model_copy(update={"refresh_token": before.refresh_token}))


# --- what is shown of credentials, and what is kept


def shown(credentials: Model) -> dict[str, Any]:
    """The fields that anybody who may see the account may see: those without a secret anywhere in them."""
    secret = {name for name, one in type(credentials).model_fields.items() if holds_secret(one.annotation)}
    return credentials.model_dump(mode="json", exclude=secret)


def revealed(credentials: Model) -> bytes:
    """All of it as JSON, to be sealed at once."""
    return strict_json.write_bytes(credentials.model_dump(), _reveal)


def _reveal(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def holds_secret(annotation: object) -> bool:
    """Whether a value of the type has a secret somewhere in it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(holds_secret(one.annotation) for one in annotation.model_fields.values())
    return annotation is SecretStr or any(holds_secret(part) for part in get_args(annotation))


def holds(annotation: object, kind: type) -> bool:
    return annotation is kind or any(holds(part, kind) for part in get_args(annotation))


class BadForm(BadInput):
    """Typed-in credentials that are not what their kind takes; holds no value of them.

    Attributes:
        places: Where, and why.
    """

    def __init__(self, places: Sequence[tuple[tuple[str | int, ...], str]]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, place)) or 'credentials'}: {why}" for place, why in places))
        self.places = places


def read_form(kind: ConnectionKind[C], given: Mapping[str, Any]) -> C:
    """The credentials that were typed in.

    Raises:
        BadForm: They are not what the kind takes.
        BadInput: Such accounts are only connected with the browser.
    """
    if not kind.by_form:
        raise BadInput(f"{kind.title} accounts are connected in the browser: POST /connections/oauth/{kind.provider}.")
    if GRANT in given:
        raise BadForm([((GRANT,), "comes from the provider and is not typed in")])
    try:
        strict_json.write_exact(given)  # half a surrogate pair passes for a secret, and no encoding can write it
        return kind.credentials.model_validate(given)
    except ValidationError as error:
        found = _places(error, given)
    except strict_json.Unwritable as error:
        found = [((), str(error))]
    # Raised outside the handlers: a validation error carries the secrets.
    raise BadForm(found)


def _places(error: ValidationError, given: Mapping[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    values = [value for value in given.values() if isinstance(value, str) and value]
    found = []
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        why = one["msg"].removeprefix("Value error, ")
        for value in values:  # a validator of a domain may quote what it was given
            why = why.replace(value, "***")
        found.append((one["loc"], why))
    return found
