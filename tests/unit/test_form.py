"""Reading a form out of what models write around it, and asking again for one that is wrong."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from pydantic import BaseModel, Field

from llmcoder import form
from llmcoder.form import Misfit
from llmcoder.language import RETURNED_CHARS, Completion, Embeddings, LanguageModel, Message, WrongForm


class Place(BaseModel):
    name: str = Field(description="Its name.")
    people: float = Field(description="How many live there.")


ULM = '{"name": "Ulm", "people": 126000}'


class Scripted(LanguageModel):
    """A model that says one text after the other, and remembers what it was asked."""

    def __init__(self, *answers: str, cut_off: bool = False) -> None:
        self.left = list(answers)
        self.cut_off = cut_off
        self.asked: list[Sequence[Message]] = []
        self.schemas: list[Mapping[str, Any] | None] = []

    def configured(self) -> bool:
        return True

    def complete(self, messages: Sequence[Message], *, schema: Mapping[str, Any] | None = None, **_: Any) -> Completion:
        self.asked.append(list(messages))
        self.schemas.append(schema)
        return Completion(self.left.pop(0), "scripted", "parrot", 1, 2, self.cut_off)

    def can_embed(self) -> bool:
        return False

    def embed(self, texts: Sequence[str]) -> Embeddings:
        raise NotImplementedError


@pytest.mark.parametrize(
    "text",
    [
        ULM,
        f"```json\n{ULM}\n```",
        f"```\n{ULM}\n```\nAnything else?",
        f"Sure! {ULM} I hope that helps.",
        f"{ULM} (I left out {{districts}} and [footnotes].)",
        f'<think>Is it {{"name": "Bonn"}} or [1]? {{ hm</think>{ULM}',
        f'First {{"name": "Bonn", "people": 1}}, no: {ULM}',
        f'"Ulm" {{ {ULM}',
    ],
)
def test_the_last_value_of_the_form_is_the_answer(text: str) -> None:
    assert form.read(text, Place).name == "Ulm"


@pytest.mark.parametrize("name", ["a } in a string {", 'a "quoted" {"name": 1}', "```json\n{}\n```", "[]{}", "日本 👍"])
def test_braces_quotes_and_fences_in_a_text_are_text(name: str) -> None:
    assert form.read(Place(name=name, people=1).model_dump_json() + " Done.", Place).name == name


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no whole JSON object"),
        ("I cannot do that.", "no whole JSON object"),
        ('{"name": "Ulm", "peop', "no whole JSON object"),
        (f'{{"name": "Bonn", "people": {ULM}', "no whole JSON object"),
        ('{"name": "Ulm"}', "people: Field required"),
        ('{"name": "Ulm"} [1]', "people: Field required"),
        ('{"name": "Ulm", "people": "many"}', "people: Input should be a valid number"),
        (f"[{ULM}]", "the answer: Input should be an object"),
        ('{"name": "Ulm", "people": NaN}', "NaN, infinite or too long"),
        ('{"name": "Ulm", "people": 1e999}', "NaN, infinite or too long"),
        ('{"name": "Ulm", "people": ' + "9" * 5_000 + "}", "NaN, infinite or too long"),
        ('{"name": "\\ud800", "people": 1}', "the answer: Invalid JSON"),
        ('{"name": ' * 10_000, "nested too deeply"),
        ("[" * 190_000, "nested too deeply"),
        ("x" * 200_001, "200001 characters"),
    ],
)
def test_what_does_not_fit_says_why(text: str, why: str) -> None:
    with pytest.raises(Misfit, match=why):
        form.read(text, Place)


@pytest.mark.parametrize("piece", ["{", '{"', "[]", "{} ", '" {"', '{"a":"', "[1,", "\\{"])
def test_no_text_takes_long_to_read(piece: str) -> None:
    began = time.process_time()
    with pytest.raises(Misfit):
        form.read(piece * (form.LONGEST_ANSWER_CHARS // len(piece)), Place)
    assert time.process_time() - began < 5


def test_a_complaint_is_short_however_much_is_wrong() -> None:
    class Many(BaseModel, extra="forbid"):
        a: int

    with pytest.raises(Misfit) as caught:
        form.read("{" + ", ".join(f'"{n}{"x" * 500}": 1' for n in range(50)) + "}", Many)
    assert len(str(caught.value)) <= form.LONGEST_COMPLAINT_CHARS


# --- asking again


def test_the_form_stands_in_the_instructions_and_goes_to_the_provider() -> None:
    model = Scripted(ULM)
    model.structured([Message("system", "Be brief."), Message("user", "Ulm?")], Place)
    [[system, user]] = model.asked
    assert system.role == "system" and system.text.startswith("Be brief.\n\n") and '"people"' in system.text
    assert user == Message("user", "Ulm?")
    assert model.schemas == [Place.model_json_schema()]


def test_without_instructions_the_form_is_the_instruction() -> None:
    model = Scripted(ULM)
    model.structured([Message("user", "Ulm?")], Place)
    assert [turn.role for turn in model.asked[0]] == ["system", "user"]


def test_a_wrong_answer_goes_back_once_with_what_is_wrong_about_it() -> None:
    model = Scripted('{"name": "Ulm"}', ULM)
    done = model.structured([Message("user", "Ulm?")], Place)
    assert (done.value.people, done.model, len(done.completions)) == (126_000, "parrot", 2)
    wrong, complaint = model.asked[1][-2:]
    assert wrong == Message("assistant", '{"name": "Ulm"}')
    assert complaint.role == "user" and "people: Field required" in complaint.text


def test_a_second_wrong_answer_is_the_end() -> None:
    model = Scripted("no", "still no", ULM)
    with pytest.raises(WrongForm, match="parrot does not answer in the form that was asked for: there is no whole"):
        model.structured([Message("user", "Ulm?")], Place)
    assert len(model.left) == 1


def test_an_answer_that_was_cut_off_is_asked_to_be_briefer() -> None:
    model = Scripted('{"name": "Ul', ULM, cut_off=True)
    assert model.structured([Message("user", "Ulm?")], Place).value.name == "Ulm"
    assert "the limit of tokens cut it off, so be briefer" in model.asked[1][-1].text


def test_a_huge_wrong_answer_does_not_go_back_whole() -> None:
    model = Scripted("x" * 2_000_000, ULM)
    model.structured([Message("user", "Ulm?")], Place)
    assert len(model.asked[1][-2].text) == RETURNED_CHARS
