"""Every refusal of Slack's, silence and a closed door: each is the error whose class says what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from slack_kit import account, context, settings
from slack_server import ADA_TOKEN, GENERAL, Slack

from llmcoder import (
    ActionError,
    BadInput,
    Forbidden,
    NeedsReconnect,
    NotConfigured,
    NotFound,
    RateLimited,
    Refused,
    Transient,
    Uncertain,
    Unreadable,
)
from llmcoder.testing import FakeContext, run_action
from tasks.slack import client as slack_client
from tasks.slack.actions import list_channels, post_message
from tasks.slack.connections import SLACK

MESSAGE = {"channel": GENERAL, "text": "hello"}


def reading(slack: Slack, ctx: FakeContext | None = None) -> ActionError:
    with pytest.raises(ActionError) as caught:
        run_action(list_channels, {}, ctx or context(slack))
    return caught.value


def writing(slack: Slack, ctx: FakeContext | None = None) -> ActionError:
    with pytest.raises(ActionError) as caught:
        run_action(post_message, MESSAGE, ctx or context(slack))
    return caught.value


NAMES = {
    "invalid_auth": NeedsReconnect,
    "not_authed": NeedsReconnect,
    "token_revoked": NeedsReconnect,
    "token_expired": NeedsReconnect,
    "account_inactive": NeedsReconnect,
    "channel_not_found": NotFound,
    "thread_not_found": NotFound,
    "not_in_channel": Forbidden,
    "restricted_action": Forbidden,
    "restricted_action_something_new": Forbidden,
    "not_allowed_token_type": Forbidden,
    "is_archived": Refused,
    "msg_too_long": BadInput,
    "no_text": BadInput,
    "invalid_blocks": BadInput,
    "method_deprecated": Refused,
    "ratelimited": RateLimited,
    "rate_limited": RateLimited,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_has_one_remedy_for_reading_and_writing(slack: Slack, name: str) -> None:
    slack.fail("conversations.list", error=name)
    slack.fail("chat.postMessage", error=name)
    assert (type(reading(slack)), type(writing(slack))) == (NAMES[name], NAMES[name])


@pytest.mark.parametrize("name", ["internal_error", "fatal_error", "request_timeout", "service_unavailable"])
def test_what_slack_failed_at_may_have_been_posted_and_was_not_read(slack: Slack, name: str) -> None:
    slack.fail("conversations.list", error=name)
    slack.fail("chat.postMessage", error=name)
    assert (type(reading(slack)), type(writing(slack))) == (Transient, Uncertain)


STATUSES = {400: BadInput, 401: NeedsReconnect, 403: Forbidden, 404: NotFound, 408: Transient, 409: Refused}


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_without_a_name_has_a_remedy_too(slack: Slack, status: int) -> None:
    slack.fail("conversations.list", status, body=b"<html>no</html>", content_type="text/html")
    slack.fail("chat.postMessage", status, body=b"<html>no</html>", content_type="text/html")
    assert (type(reading(slack)), type(writing(slack))) == (STATUSES[status], STATUSES[status])


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize("body", [b"", b"<html>", {"ok": False, "error": "service_unavailable"}])
def test_a_failing_server_may_have_posted(slack: Slack, status: int, body: object) -> None:
    slack.fail("conversations.list", status, body=body)
    slack.fail("chat.postMessage", status, body=body)
    assert (type(reading(slack)), type(writing(slack))) == (Transient, Uncertain)


@pytest.mark.parametrize("body", [b"null", b"[]", b"{}", b"\xff\xfe", b"<html>200</html>", b'{"ok": "yes"}'])
def test_a_success_that_is_not_slacks_is_nothing_for_a_read_and_done_for_a_write(slack: Slack, body: bytes) -> None:
    slack.fail("conversations.list", body=body)
    slack.fail("chat.postMessage", body=body)
    assert (type(reading(slack)), type(writing(slack))) == (Transient, Unreadable)


def test_a_no_without_a_reason_is_a_no(slack: Slack) -> None:
    slack.fail("chat.postMessage", body=b'{"ok": false}')
    assert isinstance(writing(slack), Refused)


def test_done_see_there_is_no_riddle_and_elsewhere_means_that_nothing_was_done(slack: Slack) -> None:
    slack.fail("chat.postMessage", 303, body=b"", location="/there")
    assert isinstance(writing(slack), Unreadable)
    slack.fail("chat.postMessage", 302, body=b"", location="/there")
    assert isinstance(writing(slack), NotConfigured)


def test_a_redirect_is_not_followed_with_the_token(slack: Slack) -> None:
    slack.fail("conversations.list", 302, body=b"", location=f"{slack.url}auth.test")
    slack.fail("chat.postMessage", 307, body=b"", location=f"{slack.url}auth.test")
    assert isinstance(reading(slack), ActionError)
    assert isinstance(writing(slack), ActionError)
    assert slack.calls("auth.test") == []


def test_a_limit_says_when_to_ask_again_and_all_workers_hear_of_it(slack: Slack) -> None:
    slack.fail("chat.postMessage", 429, "ratelimited", retry_after="7")
    ctx = context(slack)
    error = writing(slack, ctx)
    assert isinstance(error, RateLimited)
    assert (error.provider, error.account) == ("slack", "T0TEAM0001/U0ADA00001")
    assert timedelta(seconds=5) < error.retry_at - datetime.now(UTC) <= timedelta(seconds=7)
    assert len(ctx.pauses) == 1
    assert slack.texts(GENERAL) == []


def test_a_missing_scope_names_what_is_needed_and_what_is_there(slack: Slack) -> None:
    said = {"needed": "channels:read,groups:read,mpim:read,im:read", "provided": "chat:write"}
    slack.fail("conversations.list", error="missing_scope", more=said, times=3)
    error = reading(slack)
    assert isinstance(error, Forbidden)
    assert "channels:read" in error.detail and "chat:write" in error.detail
    assert "mpim:read" not in error.detail, "it is not needed for that"


def test_slacks_own_words_about_wrong_arguments_are_passed_on(slack: Slack) -> None:
    said = {"response_metadata": {"messages": ["[ERROR] no such field"]}}
    slack.fail("conversations.list", error="invalid_arguments", more=said)
    assert "[ERROR] no such field" in reading(slack).detail


def test_a_refused_connection_sent_nothing(slack: Slack, refused_url: str) -> None:
    ctx = context(slack, settings=settings(f"{refused_url}/api"))
    assert (type(reading(slack, ctx)), type(writing(slack, ctx))) == (Transient, Transient)


def test_silence_after_sending_is_uncertain_because_it_may_have_been_posted(
    slack: Slack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack_client, "SILENCE_S", 0.3)
    slack.stay_silent("conversations.list")
    slack.stay_silent("chat.postMessage", does=True)
    assert (type(reading(slack)), type(writing(slack))) == (Transient, Uncertain)
    assert slack.texts(GENERAL) == ["hello"]


def test_a_broken_connection_is_uncertain_likewise(slack: Slack) -> None:
    slack.hang_up("conversations.list")
    slack.hang_up("chat.postMessage", does=True)
    assert (type(reading(slack)), type(writing(slack))) == (Transient, Uncertain)


def test_the_wait_ends_before_the_attempt_does(slack: Slack) -> None:
    slack.stay_silent("conversations.list")
    ctx = context(slack, timeout_s=1.5)
    assert isinstance(reading(slack, ctx), Transient)
    assert ctx.remaining_s > 0


def test_a_private_address_is_refused_unless_it_is_allowed(slack: Slack) -> None:
    ctx = FakeContext([settings(slack.url)], connections={SLACK: account()})
    assert isinstance(reading(slack, ctx), BadInput)
    assert slack.asked == []


def test_no_error_tells_the_token(slack: Slack) -> None:
    for name in ("invalid_auth", "fatal_error", "x" * 500):
        slack.fail("chat.postMessage", error=name)
        error = writing(slack)
        assert ADA_TOKEN not in repr(error) and ADA_TOKEN not in repr(error.__cause__)
        assert len(error.detail) < 300
