"""Accounts in a workspace: by a token that is typed in, by the browser, and the bot of the installation."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr
from slack_kit import ACCOUNT, account, context, settings
from slack_server import ADA, ADA_TOKEN, BEA_TOKEN, BOT, BOT_TOKEN, CLIENT_ID, CLIENT_SECRET, GENERAL, TEAM, Slack

from engine.integration_checks import check_settings
from llmcoder import NeedsReconnect, NotConfigured, Refused, oauth
from llmcoder.config import Config, use
from llmcoder.declare.connection import BadForm, Grant, OAuthClient, read_form, shown
from llmcoder.settings import InvalidSettings
from llmcoder.testing import FakeContext, run_action
from tasks.slack.account import SlackAccount
from tasks.slack.actions import post_message
from tasks.slack.connections import BOT_SCOPES, SLACK, USER_SCOPES, client
from tasks.slack.settings import SlackSettings

REDIRECT = "https://jobs.example.org/connections/oauth/callback"
CLIENT = {"slack_client_id": CLIENT_ID, "slack_client_secret": CLIENT_SECRET}


def registered(slack: Slack) -> OAuthClient:
    return client(context(slack, settings=settings(slack.url, **CLIENT)).settings)


def exchange(slack: Slack, granted: dict[str, object] | None) -> SlackAccount:
    slack.codes["code-1"] = {"id": ADA, **(granted or {})}
    assert SLACK.oauth is not None
    grant, answer = oauth.exchange(
        SLACK.oauth, registered(slack), code="code-1", verifier="v", redirect_uri=REDIRECT, within_s=10
    )
    return SLACK.oauth.credentials(grant, answer, context(slack))


def test_a_token_is_somebodys_and_the_account_carries_team_and_person(slack: Slack) -> None:
    assert SLACK.identify(account(), context(slack)) == ACCOUNT
    assert SLACK.identify(account(BOT_TOKEN), context(slack)) == f"{TEAM}/{BOT}"
    with pytest.raises(NeedsReconnect):
        SLACK.identify(account("xoxp-wrong"), context(slack))


def test_the_form_asks_for_a_token_and_for_nothing_else(slack: Slack) -> None:
    form = SLACK.form()
    assert form is not None and list(form["properties"]) == ["token"]
    assert read_form(SLACK, {"token": ADA_TOKEN}).token == SecretStr(ADA_TOKEN)
    for wrong in ({}, {"token": "xapp-1"}, {"token": "letmein"}):
        with pytest.raises(BadForm, match=r"xoxp-|give the token"):
            read_form(SLACK, wrong)


def test_the_browser_is_sent_to_slack_with_scopes_for_the_person_and_for_the_bot(slack: Slack) -> None:
    assert SLACK.oauth is not None
    url = oauth.authorize_url(SLACK.oauth, registered(slack), redirect_uri=REDIRECT, state="s", verifier="v")
    asked = parse_qs(urlsplit(url).query)
    assert urlsplit(url).path == "/oauth/v2/authorize"
    assert asked["user_scope"] == [",".join(USER_SCOPES)]
    assert asked["scope"] == [",".join(BOT_SCOPES)]
    assert (asked["redirect_uri"], asked["state"], asked["client_id"]) == ([REDIRECT], ["s"], [CLIENT_ID])


def test_a_sign_in_brings_the_persons_token_and_the_bots_beside_it(slack: Slack) -> None:
    granted = {"access_token": ADA_TOKEN, "scope": "chat:write,channels:read", "token_type": "user"}
    found = exchange(slack, granted)
    assert found.grant is not None
    assert (found.grant.scopes, found.bot_token) == (("chat:write", "channels:read"), SecretStr(BOT_TOKEN))
    assert shown(found) == {"team_id": TEAM, "team": "Chess club", "user_id": ADA}
    assert SLACK.identify(found, context(slack)) == ACCOUNT


def test_a_sign_in_without_a_person_is_refused_since_commands_are_peoples(slack: Slack) -> None:
    with pytest.raises(Refused, match="without an access token"):
        exchange(slack, None)


def test_slacks_refusals_come_with_200_and_keep_their_remedies(slack: Slack) -> None:
    assert SLACK.oauth is not None
    given = {"code": "wrong", "verifier": "v", "redirect_uri": REDIRECT, "within_s": 10.0}
    with pytest.raises(NeedsReconnect):
        oauth.exchange(SLACK.oauth, registered(slack), **given)
    wrong = settings(slack.url, slack_client_id=CLIENT_ID, slack_client_secret="wrong")
    with pytest.raises(NotConfigured):
        oauth.exchange(SLACK.oauth, client(context(slack, settings=wrong).settings), **given)
    with pytest.raises(NotConfigured, match="SLACK_CLIENT_ID"):
        client(context(slack).settings)


def test_a_token_that_rotates_is_renewed_and_the_message_sent_once(slack: Slack) -> None:
    old = Grant(access_token=SecretStr("xoxe.xoxp-old"), refresh_token=SecretStr("xoxe-1-refresh"))
    ctx = context(slack, credentials=SlackAccount(grant=old), settings=settings(slack.url, **CLIENT))
    run_action(post_message, {"channel": GENERAL, "text": "hello"}, ctx)
    assert slack.texts(GENERAL) == ["hello"]
    assert ctx.connection(SLACK).access_token() == ADA_TOKEN
    assert len(slack.calls("oauth.v2.access")) == 1


def test_a_token_that_cannot_be_renewed_is_a_persons_to_mend(slack: Slack) -> None:
    dead = SlackAccount(grant=Grant(access_token=SecretStr("xoxp-dead")))
    ctx = context(slack, credentials=dead, settings=settings(slack.url, **CLIENT))
    with pytest.raises(NeedsReconnect):
        run_action(post_message, {"channel": GENERAL, "text": "hello"}, ctx)


def test_the_bot_of_the_installation_acts_for_those_without_an_account(slack: Slack) -> None:
    ctx = FakeContext([settings(slack.url, slack_bot_token=BOT_TOKEN)], fetch_allow=("127.0.0.1",))
    run_action(post_message, {"channel": "#general", "text": "hello"}, ctx)
    assert slack.said[GENERAL][0]["user"] == BOT
    with pytest.raises(NotConfigured):
        run_action(post_message, {"channel": "x", "text": "x"}, FakeContext([settings(slack.url)]))


def test_the_check_says_whose_bot_it_is(slack: Slack, tmp_path: Path) -> None:
    with use(Config.open({"DATA_DIR": str(tmp_path), "FETCH_ALLOW": "127.0.0.1"}, cwd=tmp_path)):
        assert check_settings(settings(slack.url, slack_bot_token=BOT_TOKEN)) == "Slack, as llmcoder in Chess club."
        assert "users connect their own" in check_settings(settings(slack.url, **CLIENT))
        with pytest.raises(NotConfigured, match="SLACK_BOT_TOKEN"):
            check_settings(settings(slack.url))


def test_tokens_in_each_others_place_are_told_without_being_shown(slack: Slack) -> None:
    for wrong in ({"SLACK_BOT_TOKEN": "xapp-canary"}, {"SLACK_APP_TOKEN": BEA_TOKEN}):
        with pytest.raises(InvalidSettings, match="other token") as caught:
            SlackSettings.read(wrong)
        assert "canary" not in str(caught.value)
    with pytest.raises(InvalidSettings, match="must be an address"):
        SlackSettings.read({"SLACK_API_URL": "slack.com"})
    assert SlackSettings.read({"SLACK_API_URL": "https://x.example/api"}).slack_api_url == "https://x.example/api/"
