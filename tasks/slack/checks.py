"""Whose bot the installation's is."""

from __future__ import annotations

from llmcoder.declare.check import Check
from llmcoder.declare.connection import Caller
from tasks.slack.settings import SlackSettings


def whose_bot(settings: SlackSettings, caller: Caller) -> str:
    """Ask Slack, where there is a bot.

    Raises:
        ActionError: Slack refuses the token, or could not be asked.
    """
    from tasks.slack.client import of_token, who_is

    if settings.slack_bot_token is None:
        return "configured; users connect their own accounts, and there is no bot for those who have not."
    found = who_is(of_token(settings.slack_bot_token.get_secret_value(), caller))
    return f"Slack, as {found.get('user', 'somebody')} in {found.get('team', 'a workspace')}."


SLACK = Check(SlackSettings, whose_bot)
