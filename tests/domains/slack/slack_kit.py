"""Accounts at the local Slack, used as actions use them."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr
from slack_server import ADA, ADA_TOKEN, TEAM, Slack

from llmcoder.testing import FakeContext
from tasks.slack.account import SlackAccount
from tasks.slack.connections import SLACK
from tasks.slack.settings import SlackSettings

ACCOUNT = f"{TEAM}/{ADA}"


def settings(url: str, **more: Any) -> SlackSettings:
    return SlackSettings.model_validate({"slack_api_url": url, **more})


def account(token: str = ADA_TOKEN) -> SlackAccount:
    return SlackAccount(token=SecretStr(token))


def context(slack: Slack, **more: Any) -> FakeContext:
    given = {"timeout_s": 20.0, "account": ACCOUNT, **more}
    return FakeContext(
        [given.pop("settings", settings(slack.url)), *given.pop("more_settings", ())],
        fetch_allow=("127.0.0.1",),
        connections={SLACK: given.pop("credentials", account())},
        **given,
    )
