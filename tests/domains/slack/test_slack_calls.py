"""What each action asks of Slack: which calls, how many, and with which scopes of a token it does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from slack_kit import context
from slack_server import ADA, ADA_TOKEN, BEA, GENERAL, SECRET, TEAM, Slack

from llmcoder import BadInput, Forbidden, NotFound
from llmcoder.language import Completion, LanguageModel
from llmcoder.registry import discover
from llmcoder.testing import run_action
from tasks.slack.actions import answer_mention, delete_message, list_channels, post_message, summarize_channel

TS = "1763895600.000100"
LIST, POST, HISTORY = "conversations.list", "chat.postMessage", "conversations.history"


class Model(LanguageModel):
    """Answers anything."""

    def configured(self) -> bool:
        return True

    def complete(self, messages: Any, **_more: Any) -> Completion:
        return Completion('{"summary": "s", "decisions": [], "open_questions": [], "action_items": []}', "t", "m", 1, 1)

    def can_embed(self) -> bool:
        return False

    def embed(self, texts: Any) -> Any:
        raise NotImplementedError


def run(slack: Slack, action: Any, given: dict[str, Any], *scopes: str) -> list[str]:
    """The methods that were called, by a token that has those scopes and no others."""
    slack.scopes[ADA_TOKEN] = set(scopes)
    begins = len(slack.asked)
    run_action(action, given, context(slack, services=[Model()]))
    return [one.method for one in slack.asked[begins:]]


def talk(slack: Slack) -> str:
    """Two people talk, one of them in a thread; its timestamp."""
    ts = slack.say(GENERAL, BEA, "Who deploys?", ago_s=60)
    slack.say(GENERAL, ADA, "Me", thread_ts=ts, ago_s=50)
    return ts


#: Action, input, what there is before, the scopes that do, and the calls that it makes.
CALLS: list[tuple[Any, dict[str, Any], Callable[[Slack], Any], tuple[str, ...], list[str]]] = [
    (post_message, {"channel": GENERAL, "text": "x"}, talk, ("chat:write",), [POST]),
    (post_message, {"channel": "#general", "text": "x"}, talk, ("chat:write", "channels:read"), [LIST, POST]),
    (post_message, {"channel": "#secret", "text": "x"}, talk, ("chat:write", "channels:read", "groups:read"),
     [LIST, LIST, POST]),
    (post_message, {"channel": "#secret", "text": "x"}, talk, ("chat:write", "groups:read"), [LIST, LIST, POST]),
    (post_message, {"channel": BEA, "text": "x"}, talk, ("chat:write", "im:write"), ["conversations.open", POST]),
    (post_message, {"channel": "@bea", "text": "x"}, talk, ("chat:write", "im:write", "users:read"),
     ["users.list", "conversations.open", POST]),
    (post_message, {"channel": "bea@example.org", "text": "x"}, talk, ("chat:write", "im:write", "users:read.email"),
     ["users.lookupByEmail", "conversations.open", POST]),
    (list_channels, {}, talk, ("channels:read", "groups:read"), [LIST]),
    (list_channels, {"private": False}, talk, ("channels:read",), [LIST]),
    (list_channels, {}, talk, ("channels:read",), [LIST, LIST]),
    (summarize_channel, {"channel": GENERAL}, talk, ("channels:history", "users:read"),
     [HISTORY, "conversations.replies", "users.info", "users.info"]),
    (summarize_channel, {"channel": GENERAL, "threads": False}, talk, ("channels:history", "users:read"),
     [HISTORY, "users.info"]),
    (summarize_channel, {"channel": "general", "threads": False}, talk, ("channels:read", "channels:history"),
     [LIST, HISTORY, "users.info"]),
    (summarize_channel, {"channel": GENERAL}, lambda _slack: None, ("channels:history",), [HISTORY]),
    (summarize_channel, {"channel": SECRET}, lambda _slack: None, ("groups:history",), [HISTORY]),
]  # fmt: skip


@pytest.mark.parametrize(("action", "given", "before", "scopes", "calls"), CALLS)
def test_an_action_makes_these_calls_and_needs_no_other_scopes(
    slack: Slack, action: Any, given: dict[str, Any], before: Callable[[Slack], Any], scopes: tuple[str, ...],
    calls: list[str],
) -> None:  # fmt: skip
    before(slack)
    assert run(slack, action, given, *scopes) == calls


def test_a_thread_is_answered_and_a_message_deleted_with_one_call_each(slack: Slack) -> None:
    ts = talk(slack)
    mention = {"channel": GENERAL, "ts": ts}
    calls = ["conversations.replies", "users.info"]
    assert run(slack, answer_mention, mention, "channels:history", "users:read") == calls
    own = slack.say(GENERAL, ADA, "mine")
    assert run(slack, delete_message, {"channel": GENERAL, "ts": own}, "chat:write") == ["chat.delete"]


def test_every_action_of_the_domain_is_counted_here() -> None:
    counted = {one[0].name for one in CALLS} | {answer_mention.name, delete_message.name}
    assert counted == {one.name for one in discover() if one.name.startswith("slack.")}


# --- what the token may not see


def test_who_is_not_found_is_told_where_nobody_looked(slack: Slack) -> None:
    with pytest.raises(NotFound, match="Private channels were not looked at: the token lacks groups:read"):
        run(slack, post_message, {"channel": "#secret", "text": "x"}, "chat:write", "channels:read")
    with pytest.raises(NotFound, match="Public channels were not looked at: the token lacks channels:read"):
        run(slack, post_message, {"channel": "#general", "text": "x"}, "chat:write", "groups:read")
    with pytest.raises(NotFound, match="seen by its members only"):
        run(slack, post_message, {"channel": "#nowhere", "text": "x"}, "channels:read", "groups:read")
    assert slack.calls(POST) == []


def test_a_token_that_sees_no_channels_is_told_both_ways_and_the_id(slack: Slack) -> None:
    with pytest.raises(Forbidden, match=r"public channel it needs channels:read, for a private one groups:read.*id"):
        run(slack, post_message, {"channel": "#general", "text": "x"}, "chat:write")
    with pytest.raises(Forbidden, match="needs channels:read") as refusal:
        run(slack, list_channels, {}, "chat:write")
    assert "mpim" not in refusal.value.detail, "only what the deed needs is asked for, whatever Slack says"


def test_a_near_name_is_offered_among_those_that_are_seen(slack: Slack) -> None:
    with pytest.raises(NotFound, match=r"#general\?.*groups:read"):
        run(slack, post_message, {"channel": "#generall", "text": "x"}, "channels:read")


def test_a_channel_is_looked_for_on_every_page_of_its_kind_and_no_further(slack: Slack) -> None:
    slack.page = 1
    slack.add_channel("C0OTHER001", "other", {ADA})
    assert run(slack, post_message, {"channel": "#other", "text": "x"}, "chat:write", "channels:read") == [
        LIST, LIST, POST,
    ]  # fmt: skip


def test_a_list_says_what_it_leaves_out_and_goes_on_with_one_call_a_page(slack: Slack) -> None:
    slack.page = 1
    slack.add_channel("C0OTHER001", "other", {ADA})
    slack.scopes[ADA_TOKEN] = {"channels:read"}
    first = run_action(list_channels, {}, context(slack)).result
    assert ([one.name for one in first.channels], first.unseen) == (["general"], "groups:read")
    assert run(slack, list_channels, {"cursor": first.next_cursor}, "channels:read") == [LIST]
    rest = run_action(list_channels, {"cursor": first.next_cursor}, context(slack)).result
    assert ([one.name for one in rest.channels], rest.unseen, rest.next_cursor) == (["other"], "groups:read", None)


def test_a_list_of_private_channels_only_says_so_too(slack: Slack) -> None:
    slack.scopes[ADA_TOKEN] = {"groups:read"}
    found = run_action(list_channels, {}, context(slack)).result
    assert ([one.name for one in found.channels], found.unseen) == (["secret"], "channels:read")


def test_a_full_token_lists_both_kinds_at_once_and_nothing_is_unseen(slack: Slack) -> None:
    slack.scopes[ADA_TOKEN] = {"channels:read", "groups:read"}
    found = run_action(list_channels, {}, context(slack)).result
    assert ({one.name for one in found.channels}, found.unseen) == ({"general", "secret"}, None)
    assert len(slack.calls(LIST)) == 1


@pytest.mark.parametrize(
    ("given", "scope"),
    [
        ({"channel": "@bea"}, "users:read"),
        ({"channel": "bea@example.org"}, "users:read.email"),
        ({"channel": BEA}, "im:write"),
        ({"channel": GENERAL}, "chat:write"),
    ],
)
def test_the_scope_that_a_deed_needs_is_named(slack: Slack, given: dict[str, str], scope: str) -> None:
    with pytest.raises(Forbidden, match=scope):
        run(slack, post_message, {**given, "text": "x"}, "team:read")


def test_where_names_may_not_be_read_nobody_asks_for_each(slack: Slack) -> None:
    for number in range(30):
        slack.say(GENERAL, f"U0PERSON{number:02}", "hello")
    assert run(slack, summarize_channel, {"channel": GENERAL}, "channels:history") == [HISTORY, "users.info"]


def test_an_app_that_posted_is_called_as_it_calls_itself_and_not_asked_for(slack: Slack) -> None:
    icons = {f"image_{size}": "https://a.slack-edge.com/x.png" for size in (36, 48, 72)}
    for number in range(3):
        app = {"id": f"B0APP0000{number}", "app_id": "A0APP00001", "name": "CI", "deleted": False, "icons": icons,
               "team_id": TEAM, "updated": 1}  # fmt: skip
        slack.say(GENERAL, f"U0APP0000{number}", "built", bot_id=app["id"], bot_profile=app)
    assert run(slack, summarize_channel, {"channel": GENERAL}, "channels:history", "users:read") == [HISTORY]


def test_a_cursor_that_is_no_cursor_is_told_so(slack: Slack) -> None:
    slack.fail(LIST, error="invalid_cursor")
    with pytest.raises(BadInput, match="cursor"):
        run_action(list_channels, {"cursor": "x|y"}, context(slack))


def test_reconciling_needs_the_history_of_that_kind_of_channel_only(slack: Slack) -> None:
    from tasks.slack.actions import NewMessage

    slack.scopes[ADA_TOKEN] = {"chat:write", "channels:history"}
    marker = {"channel": GENERAL, "reference": "0" * 32, "at": datetime.now(UTC).isoformat()}
    assert post_message.reconcile(NewMessage(channel="x", text="x"), marker, context(slack)) is None
    assert [one.method for one in slack.asked] == [HISTORY]
