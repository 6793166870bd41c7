"""Preferences: which rule is the nearest, and what a rule may look like."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from llmcoder.context import User
from models.accounts.preferences import Preferences, load, nearest, save
from models.accounts.tables import preferences
from models.db.database import Database

pytestmark = pytest.mark.both_stores


@pytest.mark.parametrize(
    ("rules", "value"),
    [
        ({}, None),
        ({"*": 1}, 1),
        ({"*": 1, "jira.*": 2}, 2),
        ({"*": 1, "jira.*": 2, "jira.add_comment": 3}, 3),
        ({"jira.add_comment": 3, "jira.*": 2, "*": 1}, 3),
        ({"jira.add": 4, "jira.add_comments": 5, "jir.*": 6}, None),
        ({"*": 1, "jira.*": 0}, 0),
    ],
)
def test_the_nearest_rule_counts_whatever_their_order(rules: dict[str, int], value: int | None) -> None:
    assert nearest(rules, "jira.add_comment") == value


def test_without_a_rule_nothing_is_said_and_nothing_held_back() -> None:
    assert (Preferences().policy("jira.add_comment"), Preferences().held_s("jira.add_comment")) == (None, 0)


def test_a_nearer_rule_of_zero_seconds_holds_nothing_back() -> None:
    chosen = Preferences.model_validate({"undo_window_s": {"*": 30, "jira.*": 0}})
    assert (chosen.held_s("jira.add_comment"), chosen.held_s("email.send")) == (0, 30)


@pytest.mark.parametrize("pattern", ["", "jira", "jira.", "*.add", "jira.add*", "Jira.*", "jira.*.*", "**", "jira.* "])
def test_a_rule_is_about_an_action_a_domain_or_everything(pattern: str) -> None:
    with pytest.raises(ValidationError, match=r"is an action such as jira\.add_comment"):
        Preferences.model_validate({"policies": {pattern: "ask"}})


@pytest.mark.parametrize(
    "zone", ["localtime", "posixrules", "Factory", "right/UTC", "posix/UTC", "Mars/Base", "", "../x"]
)
def test_a_zone_means_the_same_on_every_machine(zone: str) -> None:
    with pytest.raises(ValidationError, match="IANA"):
        Preferences.model_validate({"timezone": zone})


def test_a_zone_that_was_kept_when_it_was_allowed_locks_nobody_out(db: Database, user: User) -> None:
    """Every submission reads its user's preferences."""
    with db.write() as conn:
        save(conn, user.id, Preferences(), db.now())
        conn.execute(sa.update(preferences).values(document='{"timezone": "localtime"}'))
        assert load(conn, user.id).timezone == "localtime"
