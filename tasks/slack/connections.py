"""A person's own account in a workspace, and the bot of this installation.

Its name is `<team id>/<user id>`, for ever: by it the listener finds out whose command or press of a button it hears.
How to make the app at Slack stands in `docs/slack.md`.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import SecretStr

from llmcoder.declare.connection import Answer, Caller, ConnectionKind, GetSettings, Grant, OAuth, OAuthClient
from llmcoder.declare.rate import Rate
from llmcoder.errors import NotConfigured, Refused
from tasks.slack.account import SlackAccount, account_name
from tasks.slack.errors import PROVIDER
from tasks.slack.settings import SlackSettings

#: For a person: what they may read and post themselves. `users:read.email` finds people by their address.
USER_SCOPES = (
    "chat:write", "channels:read", "groups:read", "im:read", "mpim:read", "channels:history", "groups:history",
    "im:history", "mpim:history", "im:write", "users:read", "users:read.email",
)  # fmt: skip
#: For the bot: commands, mentions, its answers, and the histories in which it looks for what it has posted.
BOT_SCOPES = (
    "commands", "app_mentions:read", "chat:write", "im:write", "channels:read", "groups:read", "im:read", "mpim:read",
    "channels:history", "groups:history", "im:history", "mpim:history", "users:read", "users:read.email",
)  # fmt: skip
#: Histories and lists of people are "tier 3", 50 requests a minute for each workspace, and most jobs begin with one.
#: One message a second and channel is the limit of posting. https://docs.slack.dev/apis/web-api/rate-limits
SLACK_RATE = Rate(50, per_s=60)


def client(get: GetSettings) -> OAuthClient:
    """Our client at Slack.

    Raises:
        NotConfigured: It is not named.
    """
    found = get(SlackSettings)
    if found.slack_client_id is None or found.slack_client_secret is None:
        raise NotConfigured(
            "This installation is not registered at Slack: set SLACK_CLIENT_ID and SLACK_CLIENT_SECRET."
        )
    at = urlsplit(found.slack_api_url)
    authorize = f"{at.scheme}://{at.netloc}/oauth/v2/authorize"
    return OAuthClient(
        found.slack_client_id, found.slack_client_secret, authorize, f"{found.slack_api_url}oauth.v2.access"
    )


def tokens(answer: Answer) -> Answer:
    """Where the person's token stands: deeper at the sign-in, where the bot's is beside it, and not when renewed."""
    person = answer.get("authed_user")
    return person if isinstance(person, dict) else answer


def signed_in(grant: Grant, answer: Answer, _caller: Caller) -> SlackAccount:
    """The account, and the workspace's bot if its token lasts: a bot's token that rotates would need a life of its own.

    Raises:
        Refused: Slack gave no token of a person.
    """
    person, team = tokens(answer), answer.get("team") or answer.get("enterprise") or {}
    if person is answer:
        raise Refused("Slack gave no token of a person. Add the user scopes to the app, see docs/slack.md.")
    lasting = answer.get("access_token") if answer.get("token_type") == "bot" and not answer.get("expires_in") else None
    return SlackAccount(
        grant=grant,
        bot_token=SecretStr(lasting) if isinstance(lasting, str) else None,
        team_id=str(team.get("id") or "")[:40],
        team=str(team.get("name") or "")[:200],
        user_id=str(person.get("id") or "")[:40],
    )


def who_am_i(account: SlackAccount, caller: Caller) -> str:
    """`<team id>/<user id>`."""
    from tasks.slack.client import of_token, who_is

    token = account.token if account.grant is None else account.grant.access_token
    assert token is not None  # the model has seen to it
    found = who_is(of_token(token.get_secret_value(), caller))
    return account_name(found.get("team_id") or found.get("enterprise_id") or "", found.get("user_id") or "")


def own_bot(get: GetSettings) -> SlackAccount | None:
    """The bot of this installation."""
    token = get(SlackSettings).slack_bot_token
    # What the operator set is asked with as it is; Slack will say what is wrong about it.
    return None if token is None else SlackAccount.model_construct(token=token)


SLACK: ConnectionKind[SlackAccount] = ConnectionKind(
    PROVIDER,
    title="Slack",
    credentials=SlackAccount,
    identify=who_am_i,
    oauth=OAuth(
        scopes=USER_SCOPES,
        client=client,
        credentials=signed_in,
        authorize={"scope": ",".join(BOT_SCOPES)},
        tokens=tokens,
        scope_parameter="user_scope",
        scope_separator=",",
    ),
    fallback=own_bot,
    settings=(SlackSettings,),
    rate=SLACK_RATE,
)
