"""Two kinds of account and actions that use them: one with a password, one that is signed in to with the browser.

What they speak to is `tests/integration/oauth_kit.py`.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from pydantic import Field, SecretStr

from llmcoder import (
    Caller,
    ConnectionKind,
    Context,
    Effect,
    Grant,
    Model,
    NeedsReconnect,
    NotConfigured,
    OAuth,
    OAuthClient,
    Refused,
    Retry,
    Settings,
    Transient,
    Undo,
    action,
)
from llmcoder.declare.connection import GetSettings
from llmcoder.net import Response

QUICK = Retry(attempts=2, first_wait_s=0.1, jitter=0)


class BoxSettings(Settings):
    """The box of this installation."""

    title = "Test box"

    testbox_site: str | None = Field(None, description="Address of the box.")
    testbox_user: str | None = Field(None, description="Whose it is.")
    testbox_password: SecretStr | None = Field(None, description="Its password.")


class CloudSettings(Settings):
    """How this installation is registered at the cloud."""

    title = "Test cloud"

    testcloud_url: str | None = Field(None, description="Address of the cloud.")
    testcloud_client_id: str | None = Field(None, description="Our client there.")
    testcloud_client_secret: SecretStr | None = Field(None, description="Its secret.")
    testcloud_refresh_token: SecretStr | None = Field(None, description="Of the account of this installation.")


class Box(Model):
    """A box behind a password."""

    site: str = Field(pattern="^https?://", description="Address of the box.", examples=["http://127.0.0.1:1"])
    user: str = Field(min_length=1, description="Whose it is.", examples=["bert"])
    password: SecretStr = Field(description="Its password.")


class Cloud(Model):
    """An account at the cloud."""

    team: str = Field("", description="Whose guest the account is.")
    grant: Grant


def _asked(caller: Caller, method: str, url: str, authorization: str, body: dict[str, Any] | None = None) -> Response:
    content = None if body is None else json.dumps(body).encode()
    answer = caller.http.request(method, url, headers={"authorization": authorization}, content=content)
    if answer.status == 401:
        raise NeedsReconnect("It refused the password or the token.")
    if answer.status == 503:
        raise Transient("It is busy.")
    if answer.status >= 400:
        raise Refused(f"It answered {answer.status}.")
    return answer


def _basic(box: Box) -> str:
    pair = f"{box.user}:{box.password.get_secret_value()}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def who_has_the_box(box: Box, caller: Caller) -> str:
    return str(json.loads(_asked(caller, "GET", f"{box.site}/whoami", _basic(box)).body)["name"])


def own_box(get: GetSettings) -> Box | None:
    found = get(BoxSettings)
    if found.testbox_site is None or found.testbox_user is None or found.testbox_password is None:
        return None
    return Box(site=found.testbox_site, user=found.testbox_user, password=found.testbox_password)


def _cloud_url(get: GetSettings) -> str:
    found = get(CloudSettings).testcloud_url
    if found is None:
        raise NotConfigured("Set TESTCLOUD_URL and TESTCLOUD_CLIENT_ID.")
    return found


def client(get: GetSettings) -> OAuthClient:
    url, found = _cloud_url(get), get(CloudSettings)
    if found.testcloud_client_id is None:
        raise NotConfigured("Set TESTCLOUD_CLIENT_ID.")
    return OAuthClient(found.testcloud_client_id, found.testcloud_client_secret, f"{url}/authorize", f"{url}/token")


def who_am_i(cloud: Cloud, caller: Caller) -> str:
    token = cloud.grant.access_token.get_secret_value()
    return str(json.loads(_asked(caller, "GET", f"{_cloud_url(caller.settings)}/me", f"Bearer {token}").body)["name"])


def own_cloud(get: GetSettings) -> Cloud | None:
    token = get(CloudSettings).testcloud_refresh_token
    return None if token is None else Cloud(grant=Grant(access_token=SecretStr("none-yet"), refresh_token=token))


BOX = ConnectionKind(
    "testbox",
    title="Test box",
    credentials=Box,
    identify=who_has_the_box,
    fallback=own_box,
    settings=(BoxSettings,),
)
CLOUD = ConnectionKind(
    "testcloud",
    title="Test cloud",
    credentials=Cloud,
    identify=who_am_i,
    oauth=OAuth(
        scopes=("read", "send"),
        client=client,
        credentials=lambda grant, answer, _: Cloud(grant=grant, team=answer.get("team", "")),
        authorize={"access_type": "offline"},
    ),
    fallback=own_cloud,
    settings=(CloudSettings,),
)


class Letter(Model):
    text: str = Field(description="What to put into the box.", examples=["hello"])
    account: str | None = Field(None, description="Which of your boxes.")


class Put(Model):
    """What became of it."""

    text: str
    account: str


class Nothing(Model):
    """No input."""


@action("test.put_letter", effect=Effect.WRITE, repeatable=True, connects=BOX, retry=QUICK)
def put_letter(letter: Letter, ctx: Context) -> Put:
    """Put a letter into a box."""
    found = ctx.connection(BOX)
    ctx.armed()
    _asked(ctx, "POST", f"{found.credentials.site}/letters", _basic(found.credentials), {"text": letter.text})
    return Put(text=letter.text, account=found.account)


@action(
    "test.deliver_letter",
    effect=Effect.WRITE,
    repeatable=True,
    connects=(BOX, CLOUD),
    retry=QUICK,
    undo=Undo(put_letter, lambda given, put: Letter(text=f"take back {put.text}")),
)
def deliver_letter(letter: Letter, ctx: Context) -> Put:
    """Put a letter into a box, or into the cloud."""
    found = ctx.connection_of((BOX, CLOUD))
    ctx.armed()
    if found.kind is CLOUD:
        _asked(ctx, "GET", f"{_cloud_url(ctx.settings)}/data", f"Bearer {found.access_token()}")
    else:
        box: Box = found.credentials
        _asked(ctx, "POST", f"{box.site}/letters", _basic(box), {"text": letter.text})
    return Put(text=letter.text, account=f"{found.kind.provider}:{found.account}")


@action("test.look_into_cloud", effect=Effect.DRAFT, connects=CLOUD, retry=QUICK)
def look_into_cloud(_given: Nothing, ctx: Context) -> Put:
    """Read something at the cloud."""
    found, url = ctx.connection(CLOUD), f"{_cloud_url(ctx.settings)}/data"
    token = found.access_token()
    try:
        answer = _asked(ctx, "GET", url, f"Bearer {token}")
    except NeedsReconnect:
        answer = _asked(ctx, "GET", url, f"Bearer {found.access_token(refused=token)}")
    return Put(text=str(json.loads(answer.body)["text"]), account=found.account)
