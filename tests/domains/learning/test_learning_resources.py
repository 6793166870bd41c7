"""Resources: kept, found by what they are and how far one is, and the ones that come with the engine."""

from __future__ import annotations

from typing import Any

import pytest
from learning_kit import Learner
from pydantic import ValidationError

from llmcoder import BadInput, NotFound
from llmcoder.ids import new_id
from tasks.learning import starter
from tasks.learning.actions import (
    add_resource,
    add_starter_resources,
    change_resource,
    list_resources,
    remove_resource,
    remove_resources,
)
from tasks.learning.records import NewResource

pytestmark = pytest.mark.both_stores


def titles(page: Any) -> list[str]:
    return [one.title for one in page.items]


def test_a_new_user_has_something_real_after_one_command_and_once_only(learner: Learner) -> None:
    added = learner(add_starter_resources).added
    assert len(added) == len(starter.resources()) > 20
    assert learner(add_starter_resources).added == []
    page = learner(list_resources, topic=["Git"], level=["beginner"], limit=100)
    assert titles(page) == ["Learn Git Branching", "Pro Git"]
    assert all(one.url.startswith("http") for one in page.items)


def test_the_starter_resources_are_taken_back_as_one_and_what_was_there_before_stays(learner: Learner) -> None:
    mine = learner(add_resource, title="Pro Git", topic="git", url="https://git-scm.com/book/en/v2")
    done = learner(add_starter_resources, topics=["GIT"])
    assert len(done.added) == 1
    taken_back = add_starter_resources.undo.input(None, done)
    assert learner(remove_resources, **taken_back.model_dump()).removed == 1
    assert learner(remove_resources, **taken_back.model_dump()).removed == 0
    assert [one.id for one in learner(list_resources).items] == [mine.id]


def test_a_topic_that_there_is_not_names_those_that_there_are(learner: Learner) -> None:
    with pytest.raises(BadInput, match="python"):
        learner(add_starter_resources, topics=["alchemy"])


@pytest.mark.parametrize(
    ("given", "progress", "percent"),
    [
        ({}, "planned", None),
        ({"percent": 0}, "planned", 0),
        ({"percent": 40}, "started", 40),
        ({"percent": 100}, "finished", 100),
        ({"progress": "started"}, "started", None),
        ({"progress": "finished"}, "finished", 100),
    ],
)
def test_progress_may_be_a_word_or_in_percent(
    learner: Learner, given: dict[str, Any], progress: str, percent: int | None
) -> None:
    new = learner(add_resource, title="A", topic="b", **given)
    assert new.progress == progress
    later = learner(add_resource, title="B", topic="b")
    changed = learner(change_resource, resource_id=later.id, **(given or {"title": "C"}))
    assert changed.progress == progress
    assert given == {} or changed.percent == percent


def test_a_word_and_a_figure_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValidationError, match="percent is 40, which is started and not finished"):
        NewResource(title="A", topic="b", progress="finished", percent=40)


def test_started_again_forgets_how_far_one_was(learner: Learner) -> None:
    one = learner(add_resource, title="A", topic="b", progress="finished")
    again = learner(change_resource, resource_id=one.id, progress="started")
    assert (again.progress, again.percent) == ("started", None)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"topic": ["SQL"]}, ["Use The Index, Luke"]),
        ({"level": ["advanced"]}, ["Crafting Interpreters"]),
        ({"kind": ["book"]}, ["Crafting Interpreters", "Use The Index, Luke"]),
        ({"progress": ["started", "finished"]}, ["Crafting Interpreters"]),
        ({"text": "luke INDEX"}, ["Use The Index, Luke"]),
        ({"text": "nystrom"}, ["Crafting Interpreters"]),
        ({"text": "straße"}, ["Deutsch im Alltag"]),
        ({"text": "STRASSE"}, ["Deutsch im Alltag"]),
        ({"text": "100%"}, []),
        ({"kind": ["book"], "progress": ["planned"]}, ["Use The Index, Luke"]),
        ({"sort": "created", "topic": ["sql", "languages"]}, ["Deutsch im Alltag", "Use The Index, Luke"]),
    ],
)
def test_resources_are_found_by_what_they_are(learner: Learner, wanted: dict[str, Any], found: list[str]) -> None:
    learner(add_resource, title="Deutsch im Alltag", topic="languages", notes="Auf der Straße", level="beginner")
    learner(add_resource, title="Use The Index, Luke", topic="sql", kind="book", level="intermediate")
    learner(
        add_resource, title="Crafting Interpreters", topic="systems", kind="book", level="advanced", percent=3,
        author="Robert Nystrom",
    )  # fmt: skip
    assert titles(learner(list_resources, **wanted)) == found


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "nonsense", "https://", "http://[::1"])
def test_an_address_that_no_browser_should_open_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        NewResource(title="A", topic="b", url=url)


def test_adding_again_by_the_same_job_adds_nothing_and_removing_again_is_no_error(learner: Learner) -> None:
    job_id = new_id()
    first = learner(add_resource, job_id, title="A", topic="b")
    assert learner(add_resource, job_id, title="A", topic="b") == first
    assert learner(remove_resource, resource_id=first.id).removed == first
    assert learner(remove_resource, resource_id=first.id).removed is None
    with pytest.raises(NotFound):
        learner(change_resource, resource_id=first.id, title="B")


def test_anothers_resource_is_not_there(learner: Learner, bob: Learner) -> None:
    mine = learner(add_resource, title="A", topic="b")
    assert bob(list_resources).items == []
    assert bob(remove_resource, resource_id=mine.id).removed is None
    assert bob(remove_resources, ids=[mine.id]).removed == 0
    assert learner(list_resources).items == [mine]
