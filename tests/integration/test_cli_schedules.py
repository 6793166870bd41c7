"""`llmcoder schedules`, as an operator types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell_kit import Shell, shell_on

from llmcoder.context import User


@pytest.fixture
def shell(db_url: str, redis_url: str, tmp_path: Path) -> Shell:
    return shell_on(db_url, redis_url, tmp_path)


def test_a_schedule_is_added_shown_paused_resumed_and_removed(shell: Shell, user: User) -> None:
    added = shell(
        "schedules", "add", "test.echo", "text=hello", "--cron", "30 2 * * *", "--timezone", "Europe/Berlin",
        "--name", "Nightly",
    )  # fmt: skip
    assert added.code == 0, added.err
    schedule_id = added.out.split()[0]
    [shown] = shell("schedules", "list", "--output", "json").json
    assert (shown["id"], shown["name"], shown["input"]) == (schedule_id, "Nightly", {"text": "hello"})
    assert "30 2 * * * Europe/Berlin" in shell("schedules", "list").out
    assert len(shell("schedules", "next", schedule_id, "-n", "3").out.splitlines()) >= 3
    assert shell("schedules", "pause", schedule_id, "--note", "holidays").code == 0
    assert "holidays" in shell("schedules", "list").out
    assert "fires next" in shell("schedules", "resume", schedule_id).out
    assert shell("schedules", "remove", schedule_id).code == 0
    assert shell("schedules", "list", "--output", "json").json == []


def test_words_say_when(shell: Shell, user: User) -> None:
    words = ("--when", "jeden zweiten Dienstag um 9 Uhr", "--timezone", "Europe/Berlin")
    added = shell("schedules", "add", "test.echo", "text=hello", *words)
    assert added.code == 0, added.err
    assert "0 9 * * tue%2" in shell("schedules", "list").out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--cron", "61 * * * *"], "the minute is 0 to 59"),
        (["--cron", "* * * * *", "--timezone", "Mars/Base"], "no time zone 'Mars/Base'"),
        (["--when", "every blorp"], "nothing is known of 'blorp'"),
        ([], "exactly one of cron, every_s and at"),
    ],
)
def test_what_makes_no_sense_is_one_line(shell: Shell, user: User, words: list[str], why: str) -> None:
    done = shell("schedules", "add", "test.echo", *words)
    assert done.code == 2
    assert why in done.err
