"""The manifest in the documentation asks for what the code needs, and for nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.slack import hooks
from tasks.slack.connections import BOT_SCOPES, USER_SCOPES
from tasks.slack.wording import BLOCK, BLOCKS

DOCS = (Path(__file__).parents[3] / "docs" / "slack.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def manifest() -> Any:
    found = re.search(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    assert found is not None
    return yaml.safe_load(found[1])


def test_the_scopes_are_those_that_are_asked_for(manifest: Any) -> None:
    assert manifest["oauth_config"]["scopes"] == {"user": list(USER_SCOPES), "bot": list(BOT_SCOPES)}


def test_what_the_listener_hears_is_switched_on(manifest: Any) -> None:
    assert manifest["settings"]["event_subscriptions"]["bot_events"] == ["app_mention"]
    assert manifest["settings"]["interactivity"]["is_enabled"] and manifest["settings"]["socket_mode_enabled"]
    assert [one["command"] for one in manifest["features"]["slash_commands"]] == ["/llmcoder"]


def test_the_addresses_are_those_of_the_hooks() -> None:
    for hook in (hooks.COMMANDS, hooks.EVENTS, hooks.INTERACTIONS):
        assert f"https://jobs.example.org/{hook.path}`" in DOCS


def test_figures_are_those_of_the_code() -> None:
    assert f"{BLOCK * BLOCKS:,} characters can be rejected" in DOCS
