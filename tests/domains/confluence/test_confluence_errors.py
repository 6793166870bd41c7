"""What Confluence sends that is its own: complaints, conflicts, and answers that are not what was asked for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from confluence_server import Confluence
from site_kit import KINDS, confluence, site

from llmcoder.errors import NeedsReconnect, Transient
from tasks.confluence.errors import REFUSALS, PageConflict

__all__ = ["confluence"]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
both = pytest.mark.parametrize("kind", KINDS)


@both
def test_an_answer_that_is_not_what_was_asked_for_is_no_page(confluence: Confluence, kind: str) -> None:
    confluence.next("GET", "refuse", 200, {"id": "1", "title": 3})
    with pytest.raises(Transient):
        site(confluence, kind).page("1")


def test_a_login_page_in_place_of_a_file_is_not_its_content(confluence: Confluence) -> None:
    page = confluence.add("OPS", "Title")
    confluence.attach(page.id, "a.txt", "text/plain", b"x")
    wiki = site(confluence)
    (file,) = wiki.attachments(page.id)
    confluence.next("GET /wiki/download", "login_page")
    with pytest.raises(NeedsReconnect):
        wiki.download(file, 1000)


@both
def test_members_that_are_null_are_as_if_left_out(confluence: Confluence, kind: str) -> None:
    version = {"number": 1, "message": None, "createdAt": "2026-01-01T00:00:00Z", "when": "2026-01-01T00:00:00Z"}
    page = {"id": 7, "title": "T", "spaceId": 100_001, "space": {"key": "OPS"}, "version": version | {"by": None}}
    confluence.space("OPS")
    odd = {"_links": {"base": "javascript:alert(1)//", "webui": "x"}, "body": None, "parentId": None}
    confluence.next("GET", "refuse", 200, page | odd)
    head = site(confluence, kind).page("7").head
    assert (head.id, head.space_key, head.parent_id) == ("7", "OPS", None)
    assert head.url.startswith(confluence.url)


# --- what refusals say


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"errors":[{"status":400,"code":"X","title":"Bad title","detail":"too long"}]}', "Bad title: too long"),
        (b'{"errors":[{"title":"Only","detail":null}]}', "Only"),
        (b'{"statusCode":404,"message":"No content found"}', "No content found"),
        (b'{"errors":[]}', ""),
        (b'{"errors":["x"]}', ""),
        (b'{"message":{"a":1}}', ""),
        (b'{"message":"' + b"x" * 1000 + b'"}', "x" * 300 + "…"),
    ],
)
def test_a_refusal_says_why_in_one_line(body: bytes, said: str) -> None:
    assert REFUSALS.reason(body) == said


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (409, "Version must be incremented on update. Current version is: 3"),
        (400, "Version must be incremented on update. Current version is: 3"),
        (409, ""),
    ],
)
def test_a_wrong_version_is_a_conflict_whatever_status_it_has(status: int, message: str) -> None:
    body = f'{{"message": "{message}"}}'.encode()
    assert type(REFUSALS.error_of(status, {}, body, site="s", now=NOW, writes=True)) is PageConflict
