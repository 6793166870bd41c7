"""The same actions against Gmail, where drafts, labels and sent mails have rules of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from email import message_from_bytes, policy
from typing import Any

import pytest
from gmail_kit import context, runner
from gmail_server import Gmail

from llmcoder import NotFound, Uncertain
from llmcoder.testing import Run
from tasks.email.actions import archive, draft_reply, emails, label, send_reply, triage_new
from tasks.email.gmail_format import packed
from tasks.email.sending_actions import Reply, find_mail


@pytest.fixture
def run(gmail: Gmail, server: Any) -> Callable[..., Run[Any]]:
    return runner(gmail, server, "ada@example.com")


def sent(gmail: Gmail) -> list[Any]:
    return [message_from_bytes(one, policy=policy.default) for one in gmail.sent]


def test_a_draft_that_was_saved_is_sent_into_its_conversation(gmail: Gmail, run: Callable[..., Run[Any]]) -> None:
    gmail.receive("Lunch?")
    [asked] = run(emails).result.items
    drafted = run(draft_reply, id=asked.id, save=True, variants=2).result
    assert (len(gmail.drafts), gmail.sent) == (2, [])
    done = run(send_reply, id=asked.id, draft_id=drafted.variants[1].draft_id)
    [mail] = sent(gmail)
    assert (mail["In-Reply-To"], mail["Subject"]) == (asked.message_id, "Re: Lunch?")
    assert "Monday suits me." in mail.get_content()
    assert (done.result.thread_id, done.result.recipients) == (asked.thread_id, ["dora@example.org"])
    assert (done.markers[0]["draft_id"], len(gmail.drafts)) == (drafted.variants[1].draft_id, 1)
    with pytest.raises(NotFound):
        run(send_reply, id=asked.id, draft_id=drafted.variants[1].draft_id)


def test_a_draft_goes_to_those_too_whom_nobody_sees(gmail: Gmail, run: Callable[..., Run[Any]]) -> None:
    asked = gmail.receive("Lunch?")
    raw = b"To: dora@example.org\r\nBcc: eve@example.org\r\nSubject: Re: Lunch?\r\nMessage-ID: <own@x>\r\n\r\nYes."
    gmail.keep_draft("r-own", {"raw": packed(raw)})
    assert run(send_reply, id=asked.id, draft_id="r-own").result.recipients == ["dora@example.org", "eve@example.org"]


def test_a_draft_that_is_gone_and_nowhere_else_may_have_been_sent(gmail: Gmail, run: Callable[..., Run[Any]]) -> None:
    asked = gmail.receive("Lunch?")
    [draft] = run(draft_reply, id=asked.id, save=True).result.variants
    given = Reply(id=asked.id, draft_id=draft.draft_id)
    marker = {"message_id": "<never@x>", "draft_id": str(draft.draft_id), "recipients": "dora@example.org"}
    assert find_mail(given, marker, context(gmail)) is None, "it is a draft yet, so it was not sent"
    gmail.drafts.clear()
    with pytest.raises(Uncertain, match="a draft no more"):
        find_mail(given, marker, context(gmail))


def test_new_mail_is_sorted_and_a_label_that_is_gone_is_no_gap(
    gmail: Gmail, run: Callable[..., Run[Any]], server: Any
) -> None:
    verdict = {"category": "work", "priority": "high", "needs_reply": True, "reason": "x", "labels": ["Kunden", "SPAM"]}
    server.says = json.dumps(verdict)
    gmail.labels["Label_9"] = "Kunden"
    gmail.receive("Old")
    first = run(triage_new).result
    gmail.receive("New")
    found = run(triage_new, cursor=first.cursor).result
    assert [(one.subject, one.verdict.labels) for one in found.items] == [("New", ["Kunden"])]
    assert run(triage_new, cursor=found.cursor).result.items == []
    with pytest.raises(NotFound, match="Gone"):
        run(triage_new, cursor=found.cursor, label="Gone")


def test_labels_and_the_archive_are_taken_back(gmail: Gmail, run: Callable[..., Run[Any]]) -> None:
    one = gmail.receive("Hello")
    change = {"ids": [one.id], "add": ["Kunden"], "remove": ["UNREAD"]}
    changed = run(label, **change).result
    assert run(emails, label="Kunden").result.items[0].unread is False
    run(label.undo.action, **label.undo.input(label.input.model_validate(change), changed).model_dump())
    assert run(emails, label="Kunden").result.items == []
    gone = run(archive, ids=[one.id]).result
    assert run(emails).result.items == []
    run(archive.undo.action, **archive.undo.input(archive.input.model_validate({"ids": [one.id]}), gone).model_dump())
    assert [mail.id for mail in run(emails).result.items] == [one.id]
