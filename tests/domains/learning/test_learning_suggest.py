"""Cards drafted from what a user noted and approved: each names its source, none is of a stranger's making unsaid."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from learning_kit import Learner

from llmcoder import BadInput, Transient
from llmcoder.language import Completion, Embeddings, LanguageModel, Message
from llmcoder.provenance import Taint
from llmcoder.registry import Registry, discover
from llmcoder.testing import FakeContext, run_action
from models.db.database import Database
from tasks.general.actions import add_note
from tasks.learning import drafting
from tasks.learning.actions import add_cards, add_starter_resources, list_cards, suggest
from tasks.learning.material import Material

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))

from inline_kit import Inline

from models.jobs.approvals import Origin
from models.jobs.tables import jobs

both_stores = pytest.mark.both_stores
NOTE = """# Deployment
Blue-green deployment: two environments, of which one serves while the other is made ready.
A canary release is a release that only few users see at first.
Q: Who may approve a rollback?
A: Anybody on call.
The health check gives up after 30 seconds.
"""


class ScriptedModel(LanguageModel):
    """A model that says what it was told to, and remembers what it was asked."""

    def __init__(self, *answers: str | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[Sequence[Message]] = []

    def configured(self) -> bool:
        return True

    def complete(self, messages: Sequence[Message], **_: Any) -> Completion:
        self.asked.append(messages)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Completion(answer, "scripted", "scripted-1", 100, 20)

    def can_embed(self) -> bool:
        return False

    def embed(self, texts: Sequence[str]) -> Embeddings:
        raise NotImplementedError


def suggested(learner: Learner, model: LanguageModel | None = None, **wish: Any) -> Any:
    ctx = FakeContext(user=learner.user, services=[] if model is None else [model])
    return run_action(suggest, {"use_model": model is not None} | wish, ctx).result


def noted(learner: Learner, text: str) -> str:
    return f"/general/notes/{learner(add_note, text=text).id}"


@both_stores
def test_by_words_a_note_becomes_cards_that_link_to_it(learner: Learner) -> None:
    path = noted(learner, NOTE)
    found = suggested(learner)
    assert [(one.front, one.back) for one in found.cards] == [
        ("Who may approve a rollback?", "Anybody on call."),
        ("What is Blue-green deployment?", "two environments, of which one serves while the other is made ready."),
        ("What is a canary release?", "A canary release is a release that only few users see at first."),
    ]
    assert {(one.source_path, one.source_title) for one in found.cards} == {(path, "Deployment")}
    assert (found.looked_at, found.prompt, found.note) == (1, None, None)


@both_stores
def test_what_was_suggested_is_kept_as_it_is_and_not_suggested_again(learner: Learner) -> None:
    path = noted(learner, NOTE)
    drafts = suggested(learner, most=2).cards
    kept = learner(add_cards, cards=[one.model_dump(mode="json") for one in drafts]).added
    listed = learner(list_cards, source=path, has_source=True).items
    assert {one.id for one in listed} == set(kept) and len(kept) == 2
    again = suggested(learner)
    assert again.cards == [] and "no card yet" in again.note
    more = suggested(learner, again=True)
    assert not {one.front for one in more.cards} & {one.front for one in drafts}


@both_stores
def test_a_job_that_a_person_approved_becomes_cards_as_it_was_approved(db: Database, learner: Learner) -> None:
    engine = Inline(db, learner.user, Registry(discover()))
    text = {"text": "A circuit breaker is a switch that stops calls to a service that fails."}
    job_id = engine.submit("general.add_note", text, Origin.AGENT)
    engine.run()
    assert suggested(learner, places=["jobs"]).cards == [], "nobody has approved it yet"
    edited = {"text": "A circuit breaker is a guard that stops calls to a service that fails."}
    engine.approve(job_id, edited)
    assert engine.job(job_id).state == "succeeded"
    found = suggested(learner, places=["jobs"])
    (card,) = found.cards
    assert (card.front, card.back) == ("What is a circuit breaker?", edited["text"])
    assert card.source_path == f"/jobs/{job_id}"


@both_stores
def test_whose_words_a_draft_holds_goes_with_it(db: Database, learner: Learner) -> None:
    engine = Inline(db, learner.user, Registry(discover()))
    text = {"text": "Phishing is a way to make people give away their passwords."}
    engine.done("general.add_note", text, Origin.MACRO, tainted=True)
    job = engine.done("learning.suggest", {"use_model": False})
    assert job.state == "succeeded" and job.result is not None
    assert json.loads(job.result)["cards"][0]["front"] == "What is Phishing?"
    with db.read() as conn:
        assert conn.execute(sa.select(jobs.c.result_taint).where(jobs.c.id == job.id)).scalar() == Taint.OUTSIDE


@both_stores
def test_a_model_drafts_and_each_card_names_the_record_that_it_was_made_from(learner: Learner) -> None:
    noted(learner, "Nothing of note happened on that day.")
    path = noted(learner, NOTE)
    made = [
        {"record": 1, "front": "When does the health check give up?", "back": "After 30 s."},
        {"record": 9, "front": "Of which record?", "back": "Of none."},
        {"record": 1, "front": " ", "back": "x"},
        {"record": 1, "front": "What no\0 store takes?", "back": "\0"},
        {"record": 1, "front": "What no\0 store takes?", "back": "NUL\0."},
    ]
    model = ScriptedModel(json.dumps({"cards": made}))
    found = suggested(learner, model, most=5)
    fronts = ["When does the health check give up?", "What no store takes?"]
    assert [(one.front, one.source_path) for one in found.cards] == [(front, path) for front in fronts]
    assert (found.prompt, found.model, found.tokens_in) == ("cards/1", "scripted-1", 100)
    system, user = model.asked[0]
    assert "Blue-green" in user.text and "Blue-green" not in system.text
    assert "At most 5 cards" in system.text


@both_stores
def test_where_a_model_fails_words_do_and_the_note_says_so(learner: Learner) -> None:
    noted(learner, NOTE)
    found = suggested(learner, ScriptedModel(Transient("The model is away.")))
    assert len(found.cards) == 3 and found.prompt is None
    assert found.note == "No model drafted: The model is away."


@both_stores
def test_resources_are_suggested_of_what_the_records_speak_of_and_not_those_that_are_there(learner: Learner) -> None:
    noted(learner, "Use git bisect when a test began to fail.")
    found = suggested(learner)
    assert {one.resource.topic for one in found.resources} == {"git"}
    assert found.resources[0].because == "1 of your records speak of git."
    learner(add_starter_resources, topics=["git"])
    assert suggested(learner).resources == []


def test_a_place_that_there_is_not_names_those_that_there_are(learner: Learner) -> None:
    with pytest.raises(BadInput, match=r"general/notes"):
        suggested(learner, places=["general/secrets"])


@both_stores
def test_anothers_notes_are_not_drafted_from(learner: Learner, bob: Learner) -> None:
    noted(learner, NOTE)
    assert suggested(bob).cards == [] and suggested(bob).looked_at == 0


def test_money_and_the_like_are_not_read_unless_their_domain_says_so() -> None:
    open_ones = {one.path for one in Registry(discover()).collections() if one.excerpt is not None}
    assert "general/notes" in open_ones
    assert not open_ones & {"email/watches", "general/todos", "learning/cards", "learning/resources"}


@pytest.mark.parametrize(
    ("text", "front", "back"),
    [
        ("- SLO: service level objective", "What is SLO?", "service level objective"),
        ("Mitochondrien sind die Kraftwerke der Zelle und nicht ihr Kern.", "Was sind Mitochondrien?", None),
        ("How long is a sprint?\nTwo weeks", "How long is a sprint?", "Two weeks"),
        ("Frage: Wer darf?\nAntwort: Alle", "Wer darf?", "Alle"),
        ("We keep backups for 30 days before they go.", "We keep backups for {{c1::30 days}} before they go.", ""),
        (
            "Run `git gc` when the folder has grown large.",
            "Run `{{c1::git gc}}` when the folder has grown large.",
            None,
        ),
        ("Ingredients: flour, milk and two eggs", "Pancakes: Ingredients?", "flour, milk and two eggs"),
    ],
)
def test_the_form_of_a_text_says_what_is_to_be_remembered(text: str, front: str, back: str | None) -> None:
    (draft,) = drafting.drafts([Material("/x/y/1", "Pancakes", text)], 10)
    assert draft.front == front
    assert back is None or draft.back == back


@pytest.mark.parametrize(
    "text",
    [
        "", "Buy milk", "https://example.org/a: b c d", "It is raining again today in the north.", "x" * 50_000,
        ": = - " * 10_000, "Note: call Ann", "a b c d e f g h i j k l m: n o p",
    ],
)  # fmt: skip
def test_what_says_nothing_to_remember_makes_no_card(text: str) -> None:
    assert drafting.drafts([Material("/x/y/1", "", text)], 10) == []


@pytest.mark.parametrize(
    "text",
    [
        "Use `std::move` to cast an lvalue to an rvalue reference.",
        "Write `${{ secrets.X }}` into the workflow file for a secret.",
        "The text {{c1::a}} is 5 km long here today.",
        "The module `A::B` is loaded at boot of this app in 30 days.",
    ],
)
def test_what_means_something_in_a_hole_is_not_asked_for_by_one(text: str) -> None:
    """A hole of `std::move` would ask for `std`, with a hint, and show it as the answer."""
    assert drafting.drafts([Material("/x/y/1", "C++", text)], 10) == []


def test_of_one_record_come_few_cards_and_of_many_the_surest() -> None:
    long = Material("/x/y/1", "", "\n".join(f"Term{n}: what it means {n}" for n in range(50)))
    asked = Material("/x/y/2", "", "Q: Why?\nA: Because.")
    assert len(drafting.drafts([long], 10)) == drafting.MOST_OF_A_RECORD
    assert [one.material for one in drafting.drafts([long, asked], 1)] == [asked]
