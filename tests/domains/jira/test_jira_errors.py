"""What JIRA sends that is its own: complaints, and answers that are not what was asked for."""

from __future__ import annotations

import pytest
from jira_kit import KINDS, jira, site
from jira_server import Jira

from llmcoder.errors import BadInput, Transient
from tasks.jira.errors import REFUSALS

__all__ = ["jira"]

both = pytest.mark.parametrize("kind", KINDS)


def ready(jira: Jira) -> None:
    jira.add("OPS", "Title")
    jira.issues["OPS-1"].comments.clear()


@both
@pytest.mark.parametrize("body", [{"fields": {"summary": ["x"]}}, ["x"], b"no JSON", b"[" * 100_000])
def test_an_answer_that_is_not_what_was_asked_for_is_no_issue(jira: Jira, kind: str, body: object) -> None:
    jira.next("GET", "refuse", 200, body)
    ready(jira)
    with pytest.raises(Transient):
        site(jira, kind, timeout_s=3.5).issue("OPS-1")


@both
def test_a_refusal_quotes_what_jira_says_of_each_field(jira: Jira, kind: str) -> None:
    jira.next("POST", "refuse", 400, {"errorMessages": ["the reason"], "errors": {"summary": "is too long"}})
    ready(jira)
    tracker = site(jira, kind)
    with pytest.raises(BadInput, match="JIRA does not take this: the reason; summary: is too long"):
        tracker.add_comment("OPS-1", tracker.body("x"), "m-1")


@both
@pytest.mark.parametrize("odd", [b'"half \\ud83d"', b"NaN", b"1e400", b'{"\\udc00": 1}'])
def test_a_receipt_beside_what_not_every_reader_takes_is_known(jira: Jira, kind: str, odd: bytes) -> None:
    stamp = b"2026-01-01T00:00:00.000+0000"
    body = b'{"id": "77", "created": "%b", "updated": "%b", "body": "x \\ud83d", "odd": %b}' % (stamp, stamp, odd)
    jira.next("POST", "refuse", 201, body)
    ready(jira)
    tracker = site(jira, kind, timeout_s=3.5)
    assert "77" in str(tracker.add_comment("OPS-1", tracker.body("x"), "m-1"))


@both
def test_members_that_are_null_are_as_if_left_out(jira: Jira, kind: str) -> None:
    ready(jira)
    odd = {"summary": "S", "status": None, "assignee": None, "labels": None, "created": None, "issuelinks": None}
    jira.next("GET", "refuse", 200, {"id": 7, "key": "OPS-1", "fields": odd})
    found = site(jira, kind).issue("OPS-1")
    assert (found.id, found.fields.summary, found.fields.labels) == ("7", "S", ())


# --- what refusals say


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"errorMessages":["No project"],"errors":{}}', "No project"),
        (b'{"errorMessages":[],"errors":{"summary":"is required","due":"is no date"}}',
         "summary: is required; due: is no date"),
        (b'{"errorMessages":["A","B"],"errors":{"x":"C"}}', "A; B; x: C"),
        (b'{"errorMessage":"down"}', "down"),
        (b'{"error":"invalid_grant","error_description":"expired"}', "expired"),
        (b'{"errorMessages":"x","errors":["y"]}', ""),
        (b'{"message":{"a":1}}', ""),
        (b'{"message":"' + b"x" * 1000 + b'"}', "x" * 600 + "…"),
    ],
)  # fmt: skip
def test_a_refusal_says_why_in_one_line(body: bytes, said: str) -> None:
    assert REFUSALS.reason(body) == said
