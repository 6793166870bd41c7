"""What each action asks of Gmail: which calls, and how many; several at a time, and no more than Gmail takes."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from gmail_kit import context, mailbox, runner
from gmail_server import Gmail

from llmcoder.errors import Cancelled, RateLimited
from llmcoder.registry import discover
from llmcoder.testing import Run
from tasks.email.actions import (
    archive,
    draft_reply,
    emails,
    label,
    labels,
    message,
    search,
    send,
    send_reply,
    summarize_thread,
    triage,
    triage_new,
)
from tasks.email.connections import GMAIL
from tasks.email.gmail import open_gmail
from tasks.email.gmail_client import AT_ONCE
from tasks.email.mailbox import Query, StoredMail
from tasks.email.sorting_actions import unarchive, unlabel

LIST, WHOLE, HEAD, LABELS = "GET messages", "GET messages/ID raw", "GET messages/ID metadata", "GET labels"
GIST = '{"summary": "s", "decisions": [], "open_questions": [], "action_items": []}'
VERDICT = '{"category": "work", "priority": "high", "needs_reply": true, "labels": [], "reason": "x"}'


@pytest.fixture
def run(gmail: Gmail, server: Any) -> Callable[..., Run[Any]]:
    return runner(gmail, server, "carla@gmail.example")


def calls(gmail: Gmail) -> list[str]:
    """Each call since the last look: `GET messages/ID raw`."""
    made = []
    for method, target, _body in gmail.seen:
        path, _, query = target.partition("?")
        below = re.sub(r"^(/upload)?/gmail/v1/users/me/", "", path)
        form = re.search(r"format=(\w+)", query)
        made.append(f"{method} {re.sub('/(?:r-[0-9]+|[0-9a-f]{8,})', '/ID', below)}{f' {form[1]}' if form else ''}")
    gmail.seen.clear()
    return made


def put(gmail: Gmail, number: int, **more: Any) -> list[str]:
    return [gmail.receive(f"Letter {one}", **more).id for one in range(number)][::-1]


# --- the number of calls


def test_a_page_of_mails_is_one_call_for_the_list_and_one_for_each(gmail: Gmail, run: Callable[..., Run[Any]]) -> None:
    put(gmail, 25)
    assert len(run(emails, limit=25).result.items) == 25
    made = calls(gmail)
    assert (made[0], sorted(made[1:])) == (LIST, [WHOLE] * 25)


def test_labels_are_asked_for_where_a_mail_has_one_of_the_users_own_and_remembered(
    gmail: Gmail, run: Callable[..., Run[Any]]
) -> None:
    gmail.labels["Label_9"] = "Kunden"
    put(gmail, 3, labels=["INBOX", "Label_9"])
    assert run(emails).result.items[0].labels == ["INBOX", "Kunden"]
    assert sorted(calls(gmail)) == sorted([LIST, LABELS, WHOLE, WHOLE, WHOLE])
    assert run(emails).result.items[0].labels == ["INBOX", "Kunden"]
    assert sorted(calls(gmail)) == sorted([LIST, WHOLE, WHOLE, WHOLE])


def test_a_label_that_nobody_has_seen_yet_is_asked_for(gmail: Gmail, run: Callable[..., Run[Any]]) -> None:
    gmail.labels["Label_9"] = "Kunden"
    put(gmail, 1, labels=["INBOX", "Label_9"])
    run(emails)
    gmail.labels["Label_10"] = "Neu"
    put(gmail, 1, labels=["INBOX", "Label_10"])
    calls(gmail)
    assert [one.labels for one in run(emails).result.items] == [["INBOX", "Neu"], ["INBOX", "Kunden"]]
    assert calls(gmail).count(LABELS) == 1


def test_what_is_looked_for_by_its_name_is_asked_for_anew(gmail: Gmail, run: Callable[..., Run[Any]]) -> None:
    gmail.labels["Label_9"] = "Kunden"
    (one,) = put(gmail, 1, labels=["INBOX", "Label_9"])
    run(emails)
    gmail.labels["Label_9"] = "Klienten"
    run(label, ids=[one], add=["Kunden"])
    assert sorted(gmail.labels.values()).count("Kunden") == 1, "a label that was renamed is not the one meant"
    assert gmail.labels["Label_9"] == "Klienten"


SMALL: list[tuple[Any, dict[str, Any], list[str]]] = [
    (search, {"query": "letter", "limit": 100}, [LIST, HEAD, HEAD, HEAD]),
    (message, {"id": 0}, [WHOLE]),
    (labels, {}, [LABELS]),
    (label, {"ids": [0], "add": ["STARRED"]}, ["POST messages/ID/modify"]),
    (label, {"ids": [0, 1], "add": ["STARRED"]}, ["POST messages/batchModify"]),
    (label, {"ids": [0], "add": ["Neu"]}, [LABELS, "POST labels", "POST messages/ID/modify"]),
    (unlabel, {"ids": [0], "remove": ["STARRED"]}, ["POST messages/ID/modify"]),
    (archive, {"ids": [0, 1]}, ["POST messages/batchModify"]),
    (unarchive, {"ids": [0]}, ["POST messages/ID/modify"]),
    (send, {"to": ["a@example.org"], "subject": "s", "text": "t"}, ["POST messages/send", HEAD]),
    (send_reply, {"id": 0, "text": "t"}, [WHOLE, "POST messages/send", HEAD]),
    (summarize_thread, {"id": 0}, [WHOLE, "GET threads/ID minimal"]),
    (draft_reply, {"id": 0}, [WHOLE, "GET threads/ID minimal"]),
    (draft_reply, {"id": 0, "save": True},
     [WHOLE, "GET threads/ID minimal", "GET drafts", "GET drafts", "POST drafts"]),
    (triage, {"ids": [0, 1]}, [LABELS, WHOLE, WHOLE]),
    (triage, {"ids": [0, 1], "labels": ["a"]}, [WHOLE, WHOLE]),
    (triage, {"labels": ["a"]}, [LIST, WHOLE, WHOLE, WHOLE]),
    (triage_new, {}, ["GET profile"]),
]  # fmt: skip


@pytest.mark.parametrize(("action", "given", "expected"), SMALL)
def test_an_action_makes_these_calls(
    gmail: Gmail, run: Callable[..., Run[Any]], server: Any, action: Any, given: dict[str, Any], expected: list[str]
) -> None:
    ids = put(gmail, 3)
    server.says = {triage: VERDICT, summarize_thread: GIST}.get(action, server.says)
    named = {"id": lambda one: ids[one], "ids": lambda many: [ids[one] for one in many]}
    run(action, **{name: named.get(name, lambda same: same)(value) for name, value in given.items()})
    assert calls(gmail) == expected


def test_a_draft_is_sent_without_reading_what_it_answers(gmail: Gmail, run: Callable[..., Run[Any]]) -> None:
    (one,) = put(gmail, 1)
    draft = run(draft_reply, id=one, save=True).result.variants[0].draft_id
    calls(gmail)
    run(send_reply, id=one, draft_id=draft)
    assert calls(gmail) == ["GET drafts/ID raw", "GET drafts/ID metadata", "POST drafts/send", HEAD]


def test_a_look_for_new_mail_is_one_call_and_one_for_each_that_came(
    gmail: Gmail, run: Callable[..., Run[Any]], server: Any
) -> None:
    server.says = VERDICT
    cursor = run(triage_new).result.cursor
    put(gmail, 3)
    calls(gmail)
    assert len(run(triage_new, cursor=cursor, labels=["a"]).result.items) == 3
    assert sorted(calls(gmail)) == sorted(["GET history", WHOLE, WHOLE, WHOLE])


def test_a_long_conversation_is_two_calls_and_one_for_each_of_its_other_mails(
    gmail: Gmail, run: Callable[..., Run[Any]], server: Any
) -> None:
    server.says = GIST
    first = gmail.receive("Question")
    for number in range(4):
        gmail.receive(f"Re: Question {number}", thread_id=first.thread_id)
    assert run(summarize_thread, id=first.id).result.mails == 5
    assert sorted(calls(gmail)) == sorted([WHOLE, "GET threads/ID minimal", WHOLE, WHOLE, WHOLE, WHOLE])


def test_every_action_of_mail_with_an_account_is_counted_here() -> None:
    counted = {one[0].name for one in SMALL} | {emails.name}
    assert counted == {one.name for one in discover() if one.name.startswith("email.") and one.connects}


# --- several at a time


class Gate:
    """Holds requests for messages until as many as are expected wait; remembers the most that did."""

    def __init__(self, expected: int) -> None:
        self.expected, self.inside, self.most = expected, 0, 0
        self.turn = threading.Condition()

    def __call__(self, _token: str) -> bool:
        with self.turn:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.turn.notify_all()
            self.turn.wait_for(lambda: self.most >= self.expected, timeout=10)
            self.inside -= 1
        return True


def test_messages_are_fetched_several_at_a_time_and_no_more_than_gmail_takes(gmail: Gmail) -> None:
    ids = put(gmail, 12)
    box = mailbox(gmail)
    gate = gmail.accepts = Gate(AT_ONCE)
    found = list(box.messages(ids))
    assert [one.id for one in found if isinstance(one, StoredMail)] == ids, "in their order, whoever came first"
    assert gate.most == AT_ONCE


def test_no_more_is_fetched_than_is_taken(gmail: Gmail) -> None:
    ids = put(gmail, 50)
    found = mailbox(gmail).messages(ids)
    next(found)
    found.close()  # type: ignore[attr-defined]  # a generator
    assert 1 <= len(calls(gmail)) <= AT_ONCE + 1
    assert not [one for one in threading.enumerate() if one.name.startswith("gmail")], "its threads have ended"


def test_a_mail_that_goes_meanwhile_is_left_out_and_one_that_is_too_large_has_its_header(gmail: Gmail) -> None:
    ids = put(gmail, 3)
    gmail.next(f"messages/{ids[1]}", "refuse", 404, {})
    assert [one.id for one in mailbox(gmail).whole_page(Query(), None, 10).messages] == [ids[0], ids[2]]


def test_a_limit_ends_it_and_nothing_else_is_asked(gmail: Gmail) -> None:
    ids = put(gmail, 40)
    gmail.next("GET /gmail/v1/users/me/messages/", "refuse", 429, {}, retry_after="7")
    with pytest.raises(RateLimited):
        list(mailbox(gmail).messages(ids))
    assert len(calls(gmail)) < len(ids)
    assert not [one for one in threading.enumerate() if one.name.startswith("gmail")]


def test_a_job_that_is_cancelled_stops_asking(gmail: Gmail) -> None:
    ids = put(gmail, 40)
    ctx = context(gmail, cancel_after=20)
    with pytest.raises(Cancelled):
        list(open_gmail(ctx.connection(GMAIL), ctx).messages(ids))
    assert len(calls(gmail)) < len(ids)
    assert not [one for one in threading.enumerate() if one.name.startswith("gmail")]
