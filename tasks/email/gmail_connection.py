"""A mailbox at Gmail as an account that users connect in the browser, and the one of the installation.

How to make the OAuth client in Google's console stands in `docs/email.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretStr

from llmcoder import strict_json
from llmcoder.declare.connection import Caller, ConnectionKind, GetSettings, Grant, OAuth, OAuthClient
from llmcoder.declare.rate import Rate
from llmcoder.errors import NotConfigured
from llmcoder.model import Model
from tasks.email.gmail_errors import PROVIDER, SCOPE
from tasks.email.settings import GmailSettings

AUTHORIZE_URL = "https://accounts.google.com/o/oauth2/v2/auth"
TOKEN_URL = "https://oauth2.googleapis.com/token"
LARGEST_FILE_BYTES = 65_536
#: In place of an access token that was never had: it ended long ago.
NONE_YET = Grant(access_token=SecretStr("none-yet"), expires_at=datetime.fromtimestamp(0, UTC))
#: A user has 15,000 quota units a minute (developers.google.com/workspace/gmail/api/reference/quota). Sending with what
#: goes round it takes about 120 and a page of 50 messages 255, so this many jobs of either kind fit.
GMAIL_RATE = Rate(50, per_s=60)


class GmailAccount(Model):
    """A mailbox at Gmail."""

    grant: Grant


@dataclass(frozen=True)
class GmailRegistration:
    """What settings and the credentials file say together; the settings win."""

    client_id: str | None
    client_secret: SecretStr | None
    refresh_token: SecretStr | None
    authorize_url: str
    token_url: str


def registration(settings: GmailSettings) -> GmailRegistration:
    """How this installation is registered at Google.

    Raises:
        NotConfigured: The credentials file cannot be read, or is not of a kind that can be used.
    """
    kept = _from_file(settings)
    return GmailRegistration(
        settings.gmail_client_id or kept.get("client_id"),
        settings.gmail_client_secret or _secret(kept.get("client_secret")),
        settings.gmail_refresh_token or _secret(kept.get("refresh_token")),
        settings.gmail_authorize_url or kept.get("auth_uri") or AUTHORIZE_URL,
        settings.gmail_token_url or kept.get("token_uri") or TOKEN_URL,
    )


def _secret(text: str | None) -> SecretStr | None:
    return SecretStr(text) if text else None


def _from_file(settings: GmailSettings) -> Mapping[str, str]:
    """Google has three forms: clients of the console stand under `web` or `installed`, tokens stand bare."""
    path = settings.gmail_credentials_file
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            content = strict_json.read(file.read(LARGEST_FILE_BYTES))
    except OSError as error:
        raise NotConfigured(f"GMAIL_CREDENTIALS_FILE cannot be read: {path}: {error.strerror}.") from error
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise NotConfigured(f"GMAIL_CREDENTIALS_FILE is not the JSON that Google's console gives: {path}.")
    if content.get("type") == "service_account":
        raise NotConfigured("GMAIL_CREDENTIALS_FILE is the key of a service account, which has no mailbox.")
    inner = content.get("web") or content.get("installed") or content
    return {name: value for name, value in inner.items() if isinstance(value, str)} if isinstance(inner, dict) else {}


def client(get: GetSettings) -> OAuthClient:
    """Our client at Google.

    Raises:
        NotConfigured: It is not named.
    """
    settings = get(GmailSettings)
    found = registration(settings)
    if found.client_id is None or found.client_secret is None:
        names = ", ".join(settings.missing()) or "a GMAIL_CREDENTIALS_FILE that names client_id and client_secret"
        raise NotConfigured(f"This installation is not registered at Google: set {names}.")
    return OAuthClient(found.client_id, found.client_secret, found.authorize_url, found.token_url)


def own_account(get: GetSettings) -> GmailAccount | None:
    """The mailbox of this installation; its first access token is had with the refresh token."""
    settings = get(GmailSettings)
    if settings.missing():
        return None
    token = registration(settings).refresh_token
    return None if token is None else GmailAccount(grant=NONE_YET.model_copy(update={"refresh_token": token}))


def who_am_i(account: GmailAccount, caller: Caller) -> str:
    """The address of the mailbox."""
    from tasks.email.gmail_client import GmailClient

    token = account.grant.access_token.get_secret_value()
    gmail = GmailClient(caller, lambda refused: token)
    return str(gmail.ask(gmail.users.getProfile(userId="me"))["emailAddress"])


GMAIL: ConnectionKind[GmailAccount] = ConnectionKind(
    PROVIDER,
    title="Gmail",
    credentials=GmailAccount,
    identify=who_am_i,
    oauth=OAuth(
        scopes=(SCOPE,),
        client=client,
        credentials=lambda grant, _answer, _caller: GmailAccount(grant=grant),
        # Google gives a refresh token at the first consent only, unless it is asked to have the user consent again.
        authorize={"access_type": "offline", "prompt": "select_account consent"},
    ),
    fallback=own_account,
    settings=(GmailSettings,),
    rate=GMAIL_RATE,
)
