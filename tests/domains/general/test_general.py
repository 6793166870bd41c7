"""Notes and to-dos, by their actions and by the store behind their collections."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from llmcoder import Action, NotFound, Transient, User
from llmcoder.config import Config, use
from llmcoder.ids import new_id
from llmcoder.testing import FakeContext, run_action
from models.accounts.tables import users
from models.db.database import Database
from tasks.general.actions import (
    add_note,
    add_todo,
    complete_todo,
    list_notes,
    list_todos,
    remove_note,
    remove_todo,
    reopen_todo,
)
from tasks.general.records import NewNote, NewTodo, NoteChange, TodoChange
from tasks.general.store import NOTES, TODOS

pytestmark = [pytest.mark.both_stores, pytest.mark.usefixtures("configured")]
SOON = datetime(2030, 6, 1, 9, tzinfo=UTC)


@pytest.fixture
def run(user: User):
    """Run an action for alice: `run(add_note, text="milk")`."""

    def run(action: Action, job_id=None, **given: object):
        return run_action(action, given, FakeContext(user=user, job_id=job_id)).result

    return run


@pytest.fixture
def bob(new_user: Callable[[str], User]) -> User:
    return new_user("bob@example.org")


def test_a_note_is_kept_under_its_job(run):
    job_id = new_id()
    note = run(add_note, job_id, text="milk")
    assert note.id == job_id
    assert run(list_notes).items == [note]


def test_adding_again_by_the_same_job_adds_nothing(run):
    job_id = new_id()
    first = run(add_note, job_id, text="milk")
    assert run(add_note, job_id, text="milk") == first
    assert run(list_notes).items == [first]


def test_lists_are_newest_first_and_go_on_where_the_page_before_ended(run):
    texts = [run(add_note, text=f"note {n}").text for n in range(5)]
    first = run(list_notes, limit=2)
    second = run(list_notes, limit=2, before=first.next)
    last = run(list_notes, limit=2, before=second.next)
    assert [note.text for page in (first, second, last) for note in page.items] == texts[::-1]
    assert last.next is None


def test_a_page_that_ends_exactly_at_the_last_record_has_no_next(run):
    run(add_note, text="milk")
    assert run(list_notes, limit=1).next is None


def test_a_page_goes_on_although_its_cursor_was_removed(run, user):
    kept, removed = run(add_note, text="kept"), run(add_note, text="removed")
    NOTES.remove(user.id, removed.id)
    assert run(list_notes, before=removed.id).items == [kept]


@pytest.mark.parametrize(("search", "found"), [("MILK", True), ("100%", True), ("1_0", False), ("bread", False)])
def test_notes_are_found_by_any_part_of_their_text_and_wildcards_are_plain_characters(run, search, found):
    run(add_note, text="100% milk")
    assert bool(run(list_notes, contains=search).items) is found


def test_todos_are_listed_by_done_and_by_due_date(run):
    soon, later = run(add_todo, title="soon", due_at=SOON), run(add_todo, title="later", due_at=SOON + timedelta(1))
    some_day = run(add_todo, title="some day")
    run(complete_todo, todo_id=later.id)
    assert [todo.title for todo in run(list_todos, done=True).items] == ["later"]
    assert [todo.id for todo in run(list_todos, done=False).items] == [some_day.id, soon.id]
    assert [todo.title for todo in run(list_todos, due_before=SOON + timedelta(hours=1)).items] == ["soon"]


def test_an_instant_in_another_zone_is_the_same_instant(run):
    todo = run(add_todo, title="tea", due_at="2030-06-01T11:00+02:00")
    assert todo.due_at == SOON


def test_completing_twice_keeps_the_first_time(run):
    todo = run(add_todo, title="tea")
    done = run(complete_todo, todo_id=todo.id)
    assert done.done_at is not None
    assert run(complete_todo, todo_id=todo.id).done_at == done.done_at


@pytest.mark.parametrize("action", [complete_todo, reopen_todo])
def test_completing_or_reopening_what_is_not_there_says_so(run, action):
    with pytest.raises(NotFound, match="no to-do"):
        run(action, todo_id=new_id())


@pytest.mark.parametrize(
    ("add", "remove", "show", "given"),
    [(add_note, remove_note, list_notes, {"text": "milk"}), (add_todo, remove_todo, list_todos, {"title": "tea"})],
)
def test_what_was_added_is_taken_back_and_given_back_and_once_more_is_no_error(run, add, remove, show, given):
    added, other = run(add, **given), run(add, **given)
    taking_back = add.undo.input(add.input(**given), added).model_dump()
    assert add.undo.action is remove
    assert run(remove, **taking_back).removed == added
    assert run(remove, **taking_back).removed is None
    assert run(show).items == [other]


def test_what_was_done_is_opened_again_and_twice_is_as_once(run):
    todo = run(add_todo, title="tea")
    done = run(complete_todo, todo_id=todo.id)
    taking_back = complete_todo.undo.input(complete_todo.input(todo_id=todo.id), done).model_dump()
    assert complete_todo.undo.action is reopen_todo
    assert run(reopen_todo, **taking_back).done_at is None
    assert run(reopen_todo, **taking_back).done_at is None


def test_a_change_sets_what_it_names_and_leaves_the_rest(run, user):
    todo = run(add_todo, title="tea", due_at=SOON)
    renamed = TODOS.change(user.id, todo.id, TodoChange(title="coffee"))
    assert (renamed.title, renamed.due_at) == ("coffee", SOON)
    assert renamed.updated_at > todo.updated_at


def test_null_takes_the_due_date_away_and_leaves_the_title(run, user):
    todo = run(add_todo, title="tea", due_at=SOON)
    changed = TODOS.change(user.id, todo.id, TodoChange(title=None, due_at=None, done=None))
    assert (changed.title, changed.due_at, changed.done_at) == ("tea", None, None)


def test_a_done_todo_opens_again(run, user):
    todo = run(complete_todo, todo_id=run(add_todo, title="tea").id)
    assert TODOS.change(user.id, todo.id, TodoChange(done=False)).done_at is None


def test_a_change_of_nothing_leaves_even_its_time(run, user):
    todo = run(add_todo, title="tea")
    assert TODOS.change(user.id, todo.id, TodoChange()) == todo


def test_others_records_do_not_exist(run, user, bob):
    note, todo = run(add_note, text="mine"), run(add_todo, title="mine")
    assert NOTES.get(bob.id, note.id) is None
    assert NOTES.change(bob.id, note.id, NoteChange(text="yours")) is None
    assert NOTES.remove(bob.id, note.id) is False
    assert NOTES.page(bob.id, None, 10).items == []
    for action in (complete_todo, reopen_todo):
        with pytest.raises(NotFound):
            run_action(action, {"todo_id": todo.id}, FakeContext(user=bob))
    for action, which in ((remove_note, {"note_id": note.id}), (remove_todo, {"todo_id": todo.id})):
        assert run_action(action, which, FakeContext(user=bob)).result.removed is None
    assert run(list_todos).items == [todo]
    assert NOTES.get(user.id, note.id) == note


def test_what_was_removed_is_gone(run, user):
    note = run(add_note, text="milk")
    assert NOTES.remove(user.id, note.id) is True
    assert NOTES.remove(user.id, note.id) is False
    assert NOTES.get(user.id, note.id) is None


@pytest.mark.parametrize("text", ["", "   \n", "a\0b", "x" * 10_001])
def test_a_text_that_cannot_be_kept_is_refused(text):
    with pytest.raises(ValidationError):
        NewNote(text=text)


@pytest.mark.parametrize("due_at", ["2030-06-01T09:00", "0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00"])
def test_an_instant_without_a_zone_or_out_of_the_calendar_is_refused(due_at):
    with pytest.raises(ValidationError):
        NewTodo(title="tea", due_at=due_at)


def test_a_database_that_is_away_is_transient(tmp_path, user):
    gone = {"DATA_DIR": str(tmp_path / "gone"), "DATABASE_URL": f"sqlite:///{tmp_path}/no/such/folder/file.db"}
    with use(Config.open(gone, cwd=tmp_path)):
        with pytest.raises(Transient):
            NOTES.page(user.id, None, 10)
        with pytest.raises(Transient):
            NOTES.add(user.id, NewNote(text="milk"))


def test_records_go_with_their_user(run, user, db: Database):
    note = run(add_note, text="milk")
    with db.write() as conn:
        conn.execute(sa.delete(users).where(users.c.id == user.id))
    assert NOTES.get(user.id, note.id) is None


@pytest.mark.parametrize("done", [0, 1, "true", "no"])
def test_done_is_true_or_false_as_the_document_says(done):
    with pytest.raises(ValidationError):
        TodoChange(done=done)
