"""Pages made and changed: once, known again when the answer is lost, and never over somebody else's edit."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from confluence_server import Confluence, KeptPage
from site_kit import KINDS, confluence, context

from llmcoder.declare.action import Action
from llmcoder.errors import BadInput, NotFound, Refused, Transient, Uncertain
from llmcoder.ids import new_id
from llmcoder.testing import FakeContext, Run, run_action
from tasks.confluence.errors import PageConflict, TitleTaken
from tasks.confluence.reading_actions import page, spaces
from tasks.confluence.storage import text_of
from tasks.confluence.writing_actions import (
    append_section,
    appended,
    create_page,
    restore_version,
    trash_page,
    update_page,
)

__all__ = ["confluence"]

both = pytest.mark.parametrize("kind", KINDS)
NEW = {"space": "OPS", "title": "Deploying & Fridays", "markdown": "# Why not\n\n- [ ] think"}


@pytest.fixture
def ops(confluence: Confluence) -> Confluence:
    confluence.space("OPS")
    return confluence


def again(action: Action[Any, Any], given: Any, ctx: FakeContext) -> Any:
    """What reconcile says of the last effect that was armed."""
    assert action.reconcile is not None
    return action.reconcile(action.input.model_validate(given), ctx.markers[-1], ctx)


def undo(action: Action[Any, Any], given: dict[str, Any], run: Run[Any], ctx: FakeContext) -> Run[Any]:
    assert action.undo is not None
    return run_action(action.undo.action, action.undo.input(action.input.model_validate(given), run.result), ctx)


def puts(confluence: Confluence) -> int:
    return len([one for one in confluence.seen if one[0] in ("PUT", "POST", "DELETE") and "users-bulk" not in one[1]])


# --- making


@both
def test_a_page_is_made_from_markdown_and_its_marker_is_not_read(ops: Confluence, kind: str) -> None:
    made = run_action(create_page, NEW, context(ops, kind)).result
    (kept,) = ops.titled("Deploying & Fridays")
    assert (made.page_id, made.space, made.title, made.version) == (kept.id, "OPS", "Deploying & Fridays", 1)
    assert made.url.startswith(ops.url)
    assert text_of(kept.now.storage) == "# Why not\n\n- [ ] think"


@both
def test_a_page_may_stand_under_another_named_by_id_or_address(ops: Confluence, kind: str) -> None:
    parent = ops.add("OPS", "Parent")
    paths = {"cloud": f"wiki/spaces/OPS/pages/{parent.id}/Parent", "data_center": "confluence/display/OPS/Parent"}
    for number, name in enumerate((parent.id, f"{ops.url}/{paths[kind]}")):
        made = run_action(create_page, NEW | {"title": f"T{number}", "parent": name}, context(ops, kind)).result
        assert ops.pages[made.page_id].parent_id == parent.id


@both
def test_a_title_that_the_space_has_is_refused_by_name(ops: Confluence, kind: str) -> None:
    ops.add("OPS", NEW["title"])
    with pytest.raises(TitleTaken, match="page of that title"):
        run_action(create_page, NEW, context(ops, kind))
    assert len(ops.titled(NEW["title"])) == 1


@both
def test_a_space_or_parent_that_is_not_there_is_not_found(ops: Confluence, kind: str) -> None:
    with pytest.raises(NotFound, match="no space NOPE"):
        run_action(create_page, NEW | {"space": "NOPE"}, context(ops, kind))
    with pytest.raises(NotFound):
        run_action(create_page, NEW | {"parent": "999"}, context(ops, kind))
    assert ops.titled(NEW["title"]) == []


@both
@pytest.mark.parametrize("does", ["do_then_drop", "do_then_silence"])
def test_a_page_whose_answer_is_lost_is_found_by_its_marker(ops: Confluence, kind: str, does: str) -> None:
    ctx = context(ops, kind, timeout_s=4.0)
    ops.next("POST", does)
    with pytest.raises(Uncertain):
        run_action(create_page, NEW, ctx)
    found = again(create_page, NEW, context_like(ops, kind, ctx))
    assert found.page_id == ops.titled(NEW["title"])[0].id


def context_like(confluence: Confluence, kind: str, ctx: FakeContext) -> FakeContext:
    """The next attempt of the same job."""
    following = context(confluence, kind, job_id=ctx.job_id)
    following.markers = list(ctx.markers)
    return following


@both
def test_a_lost_page_is_found_renamed_or_rewritten_or_in_the_trash(ops: Confluence, kind: str) -> None:
    def lost(title: str) -> tuple[FakeContext, KeptPage]:
        ctx = context(ops, kind)
        ops.next("POST", "do_then_drop")
        with pytest.raises(Uncertain):
            run_action(create_page, NEW | {"title": title}, ctx)
        return ctx, ops.titled(title)[0]

    for title in ("renamed", "edited", "trashed"):
        ctx, kept = lost(title)
        if title == "renamed":
            ops.edit(kept.id, f"{kept.now.storage}<p>more</p>", "Another title")
        elif title == "edited":
            ops.edit(kept.id, "<p>all new</p>")
        else:
            ops.remove(kept.id)
        found = again(create_page, NEW | {"title": title}, context_like(ops, kind, ctx))
        assert found is not None and found.page_id == kept.id, title


@both
def test_a_page_of_that_title_by_somebody_else_is_not_taken_for_ours(ops: Confluence, kind: str) -> None:
    ctx = context(ops, kind)
    ops.next("POST", "drop")
    with pytest.raises(Uncertain):
        run_action(create_page, NEW, ctx)
    assert again(create_page, NEW, context_like(ops, kind, ctx)) is None
    theirs = ops.add("OPS", NEW["title"], "<p>theirs</p>")
    ops.edit(theirs.id, "<p>theirs again</p>")
    assert again(create_page, NEW, context_like(ops, kind, ctx)) is None


@both
def test_a_first_request_that_arrived_late_after_all_is_recognised_by_the_second(ops: Confluence, kind: str) -> None:
    ctx = context(ops, kind)
    first = run_action(create_page, NEW, ctx).result
    second = run_action(create_page, NEW, context_like(ops, kind, ctx)).result
    assert second.page_id == first.page_id
    assert len(ops.titled(NEW["title"])) == 1


@both
def test_a_made_page_is_taken_back_to_the_trash_and_once_more_is_no_error(ops: Confluence, kind: str) -> None:
    run = run_action(create_page, NEW, context(ops, kind))
    for _ in range(2):
        undo(create_page, NEW, run, context(ops, kind))
    assert ops.pages[run.result.page_id].status == "trashed"


@both
def test_a_made_page_that_others_have_edited_is_not_taken_back(ops: Confluence, kind: str) -> None:
    run = run_action(create_page, NEW, context(ops, kind))
    ops.edit(run.result.page_id, "<p>valuable</p>")
    with pytest.raises(PageConflict, match="edited since: version 2"):
        undo(create_page, NEW, run, context(ops, kind))
    assert ops.pages[run.result.page_id].status == "current"


@both
def test_text_that_is_too_long_is_refused_before_anything_is_sent(ops: Confluence, kind: str) -> None:
    with pytest.raises(BadInput, match="too long"):
        run_action(create_page, NEW | {"markdown": "```\n```\n" * 60_000}, context(ops, kind))
    assert puts(ops) == 0


# --- changing


def update_of(kept: KeptPage, base: int, **more: Any) -> dict[str, Any]:
    return {"page": kept.id, "base_version": base, "markdown": "New **text**", "comment": "typo"} | more


@both
def test_a_page_is_replaced_and_its_history_says_why(ops: Confluence, kind: str) -> None:
    kept = ops.add("OPS", "Title", "<p>old</p>")
    ctx = context(ops, kind)
    changed = run_action(update_page, update_of(kept, 1), ctx).result
    assert (changed.page_id, changed.space, changed.version) == (kept.id, "OPS", 2)
    assert (kept.now.storage, kept.now.title) == ("<p>New <strong>text</strong></p>", "Title")
    assert kept.now.message == f"typo (LLMCoder {ctx.job_id})"


@both
def test_a_page_gets_another_title(ops: Confluence, kind: str) -> None:
    kept = ops.add("OPS", "Title")
    run_action(update_page, update_of(kept, 1, title="Other"), context(ops, kind))
    assert kept.now.title == "Other"


@both
def test_a_concurrent_edit_is_a_conflict_that_says_who_and_when_and_loses_nothing(ops: Confluence, kind: str) -> None:
    kept = ops.add("OPS", "Title", "<p>base</p>")
    ops.edit(kept.id, "<p>Bert's</p>", by="a-2", message="quick fix")
    with pytest.raises(PageConflict) as caught:
        run_action(update_page, update_of(kept, 1), context(ops, kind))
    assert isinstance(caught.value, Refused)
    told = f"since version 1: version 2 by Bert Bastler on {kept.now.at:%Y-%m-%d %H:%M} UTC (quick fix)"
    assert told in caught.value.detail
    assert kept.now.storage == "<p>Bert's</p>"


@both
def test_two_updates_at_once_on_one_version_are_one_version_and_one_conflict(ops: Confluence, kind: str) -> None:
    kept = ops.add("OPS", "Title", "<p>base</p>")
    ended: list[object] = []

    def work(text: str) -> None:
        try:
            ended.append(run_action(update_page, update_of(kept, 1, markdown=text), context(ops, kind)).result.version)
        except PageConflict as error:
            ended.append(error)

    threads = [threading.Thread(target=work, args=(text,)) for text in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(type(one).__name__ for one in ended) == ["PageConflict", "int"]
    assert len(kept.versions) == 2


@both
@pytest.mark.parametrize("then_edited", [False, True])
def test_an_update_whose_answer_is_lost_is_found_by_version_and_message(
    ops: Confluence, kind: str, then_edited: bool
) -> None:
    kept, ctx = ops.add("OPS", "Title"), context(ops, kind)
    ops.next("PUT", "do_then_drop")
    with pytest.raises(Uncertain):
        run_action(update_page, update_of(kept, 1), ctx)
    if then_edited:
        ops.edit(kept.id, "<p>later</p>")
    found = again(update_page, update_of(kept, 1), context_like(ops, kind, ctx))
    assert (found.page_id, found.version) == (kept.id, 2)


@both
@pytest.mark.parametrize("by_another", [False, True])
def test_an_update_that_never_arrived_is_not_found(ops: Confluence, kind: str, by_another: bool) -> None:
    kept, ctx = ops.add("OPS", "Title"), context(ops, kind)
    ops.next("PUT", "drop")
    with pytest.raises(Uncertain):
        run_action(update_page, update_of(kept, 1), ctx)
    if by_another:
        ops.edit(kept.id, "<p>theirs</p>")
    assert again(update_page, update_of(kept, 1), context_like(ops, kind, ctx)) is None


@both
def test_an_update_sent_twice_is_one_version(ops: Confluence, kind: str) -> None:
    kept, ctx = ops.add("OPS", "Title"), context(ops, kind)
    for _ in range(2):
        assert run_action(update_page, update_of(kept, 1), context_like(ops, kind, ctx)).result.version == 2
    assert len(kept.versions) == 2


@both
def test_an_update_is_taken_back_by_restoring_what_was_there(ops: Confluence, kind: str) -> None:
    kept = ops.add("OPS", "Title", "<p>old</p>")
    given = update_of(kept, 1, title="Other")
    undo(update_page, given, run_action(update_page, given, context(ops, kind)), context(ops, kind))
    assert (kept.now.number, kept.now.title, kept.now.storage) == (3, "Title", "<p>old</p>")


@both
def test_an_update_is_not_taken_back_over_a_later_edit(ops: Confluence, kind: str) -> None:
    kept = ops.add("OPS", "Title", "<p>old</p>")
    given = update_of(kept, 1)
    run = run_action(update_page, given, context(ops, kind))
    ops.edit(kept.id, "<p>valuable</p>")
    with pytest.raises(PageConflict, match="Bert Bastler"):
        undo(update_page, given, run, context(ops, kind))
    assert kept.now.storage == "<p>valuable</p>"


# --- adding


@both
def test_a_section_is_added_and_all_else_stays(ops: Confluence, kind: str) -> None:
    old = '<ac:structured-macro ac:name="toc" /><p>a &nbsp; b</p>'
    kept = ops.add("OPS", "Title", old)
    given = {"page": kept.id, "markdown": "## Monday\n\nwent well"}
    run = run_action(append_section, given, context(ops, kind))
    assert kept.now.storage == f"{old}<h2>Monday</h2>\n<p>went well</p>"
    undo(append_section, given, run, context(ops, kind))
    assert kept.now.storage == old


def test_in_a_page_with_a_layout_the_section_has_a_place_in_it() -> None:
    section = '<ac:layout-section ac:type="single"><ac:layout-cell><p>x</p></ac:layout-cell></ac:layout-section>'
    layout = f"<ac:layout>{section}</ac:layout>"
    made = appended(layout, "<p>y</p>")
    assert made.startswith(layout.removesuffix("</ac:layout>"))
    assert made.endswith("<ac:layout-cell><p>y</p></ac:layout-cell></ac:layout-section></ac:layout>")


@both
def test_a_section_meets_a_concurrent_edit_and_goes_after_it_at_the_next_attempt(ops: Confluence, kind: str) -> None:
    kept, ctx = ops.add("OPS", "Title", "<p>a</p>"), context(ops, kind)
    given = {"page": kept.id, "markdown": "mine"}
    ops.next("PUT", "refuse", 409, {"message": "Version must be incremented on update."})
    with pytest.raises(Transient):
        run_action(append_section, given, ctx)
    ops.edit(kept.id, "<p>a</p><p>theirs</p>")
    run_action(append_section, given, context_like(ops, kind, ctx))
    assert kept.now.storage == "<p>a</p><p>theirs</p><p>mine</p>"


# --- restoring, reading


@both
def test_an_old_version_comes_back_with_its_title(ops: Confluence, kind: str) -> None:
    kept = ops.add("OPS", "One", "<p>1</p>")
    ops.edit(kept.id, "<p>2</p>", "Two")
    ops.edit(kept.id, "<p>3</p>", "Three")
    run_action(restore_version, {"page": kept.id, "version": 2, "base_version": 3}, context(ops, kind))
    assert (kept.now.title, kept.now.storage) == ("Two", "<p>2</p>")
    assert kept.now.message.startswith("Version 2 restored (LLMCoder ")


@both
def test_a_page_is_read_by_id_address_or_title(ops: Confluence, kind: str) -> None:
    kept = ops.add("OPS", "A page", "<h1>Hi</h1><p>there</p>")
    path = {"cloud": "wiki/spaces/OPS/pages/edit-v2", "data_center": "confluence/spaces/OPS/pages"}[kind]
    for wanted in (
        {"page": kept.id},
        {"page": f"{ops.url}/{path}/{kept.id}"},
        {"page": f"{ops.url}/pages/viewpage.action?pageId={kept.id}"},
        {"space": "OPS", "title": "A page"},
    ):
        shown = run_action(page, wanted, context(ops, kind)).result
        assert (shown.page_id, shown.version, shown.text, shown.space) == (kept.id, 1, "# Hi\n\nthere", "OPS")


@both
@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({}, BadInput),
        ({"space": "OPS"}, BadInput),
        ({"page": "https://other.example/wiki/spaces/OPS/pages/1"}, BadInput),
        ({"page": "http://[1"}, BadInput),
        ({"page": "not an id"}, BadInput),
        ({"page": "999"}, NotFound),
        ({"space": "OPS", "title": "None such"}, NotFound),
        ({"space": "NOPE", "title": "None such"}, NotFound),
    ],
)
def test_what_names_no_page_says_why(
    ops: Confluence, kind: str, wanted: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        run_action(page, wanted, context(ops, kind))


@both
def test_spaces_are_listed_by_key(ops: Confluence, kind: str) -> None:
    ops.space("HR", "People")
    shown = run_action(spaces, {}, context(ops, kind)).result
    assert [(one.key, one.name) for one in shown.spaces] == [("HR", "People"), ("OPS", "Space OPS")]
    assert not shown.truncated


@both
def test_a_page_that_has_changed_is_not_trashed_for_who_knew_it_otherwise(ops: Confluence, kind: str) -> None:
    kept = ops.add("OPS", "Title")
    ops.edit(kept.id, "<p>2</p>")
    with pytest.raises(PageConflict):
        run_action(trash_page, {"page": kept.id, "version": 1}, context(ops, kind))
    run_action(trash_page, {"page": kept.id}, context(ops, kind))
    assert kept.status == "trashed"


def test_every_job_has_a_marker_of_its_own(ops: Confluence) -> None:
    first, second = context(ops, job_id=new_id()), context(ops, job_id=new_id())
    run_action(create_page, NEW, first)
    with pytest.raises(TitleTaken):
        run_action(create_page, NEW, second)
