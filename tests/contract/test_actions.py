"""What must hold for every action there is: a new one gets these tests for nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from llmcoder.declare.action import Action
from llmcoder.errors import ActionError
from llmcoder.registry import Registry, discover

#: Of its own: the one of the process is loaded when first asked for, and other tests' actions are to be in it.
REGISTRY = Registry(discover())
ROOT = Path(__file__).resolve().parents[2]
ACTIONS = list(REGISTRY.values())
VENDORS = [
    "openai", "ollama", "googleapiclient", "jira", "slack_sdk", "plaid", "playwright", "torch", "transformers",
    "trafilatura", "bs4", "pypdf", "httpx", "lxml", "mcp", "httpx2",
    "airportsdata", "feedparser", "nh3", "fsrs", "zstandard", "recipe_scrapers", "extruct", "rdflib",
]  # fmt: skip

every_action = pytest.mark.parametrize("action", ACTIONS, ids=[action.name for action in ACTIONS])


def errors() -> Iterator[type[ActionError]]:
    """The whole error tree, the domains' own branches included."""
    waiting = [ActionError]
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting += kind.__subclasses__()


def test_there_are_actions():
    assert {"document.summarize", "http.request", "llm.chat", "llm.generate"} <= set(REGISTRY)


@every_action
def test_the_example_is_an_input(action: Action):
    missing = [
        field.alias or name
        for name, field in action.input.model_fields.items()
        if field.is_required() and (field.alias or name) not in action.example
    ]
    assert not missing, f"examples=[...] is missing on {', '.join(missing)}"
    action.input.model_validate(action.example)


@every_action
def test_an_input_survives_being_stored_and_read_again(action: Action):
    given = action.input.model_validate(action.example)
    assert action.input.model_validate_json(given.model_dump_json()) == given
    assert action.input.model_validate(json.loads(given.model_dump_json())) == given


@every_action
def test_the_schema_says_what_validation_does(action: Action):
    schema = json.loads(json.dumps(action.input_schema))
    Draft202012Validator.check_schema(schema)
    stored = json.loads(action.input.model_validate(action.example).model_dump_json())
    for instance in (json.loads(json.dumps(action.example)), stored):
        assert [error.message for error in Draft202012Validator(schema).iter_errors(instance)] == []
    assert list(Draft202012Validator(schema).iter_errors({**action.example, "no_such_field": 1}))


@every_action
def test_its_models_are_built_without_a_word(action: Action):
    """They are built when first used, so that a mistake in one would be found by a user."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in (action.input, action.output):
            assert model.model_rebuild(force=True)


def test_no_model_of_an_action_is_built_before_it_is_used(tmp_path: Path):
    code = (
        "from llmcoder.registry import Registry, discover\n"
        "print(sum(a.input.__pydantic_complete__ for a in Registry(discover()).values()))"
    )
    environ = {**os.environ, "DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120
    )
    assert (done.stdout.strip(), done.stderr) == ("0", "")


@every_action
def test_the_schema_of_the_result_is_one(action: Action):
    Draft202012Validator.check_schema(json.loads(json.dumps(action.output_schema)))


@every_action
def test_every_field_a_stranger_fills_in_is_described(action: Action):
    undescribed = [
        f"{model}.{field}"
        for model, schema in {action.name: action.input_schema, **action.input_schema.get("$defs", {})}.items()
        for field, described in schema.get("properties", {}).items()
        if not described.get("description")
    ]
    assert undescribed == []


@every_action
def test_the_summary_is_one_sentence_for_a_menu(action: Action):
    assert re.fullmatch(r"[A-Z][^\n]*\.", action.summary)
    assert not re.search(r"[.!?] [A-Z]", action.summary), "one sentence; the rest belongs below it"


@every_action
def test_the_name_begins_with_the_folder(action: Action):
    module = action.function.__module__
    assert not module.startswith("tasks.") or module.startswith(f"tasks.{action.domain}.")


@every_action
def test_what_only_looks_or_drafts_is_repeatable(action: Action):
    assert action.effect.writes or action.repeatable


@every_action
def test_every_required_kind_of_settings_is_known_to_the_configuration(action: Action):
    assert set(action.requires) <= set(REGISTRY.settings())


@pytest.mark.parametrize("kind", list(errors()), ids=lambda kind: kind.__name__)
def test_every_error_has_slug_title_and_status(kind: type[ActionError]):
    assert re.fullmatch(r"[a-z][a-z0-9-]*", kind.slug)
    assert kind.title
    assert 400 <= kind.status <= 599
    assert kind.__doc__, "the docstring of an error says when it is raised"


def test_two_errors_share_a_slug_only_when_one_is_a_kind_of_the_other():
    first: dict[str, type[ActionError]] = {}
    for kind in errors():
        assert issubclass(kind, first.setdefault(kind.slug, kind))


def test_every_kind_of_settings_can_be_made_and_no_two_speak_for_one_name():
    kinds = REGISTRY.settings()
    for kind in kinds:
        kind()
    names = Counter(name for kind in kinds for name in kind.names())
    assert [name for name, count in names.items() if count > 1] == []


def test_loading_the_registry_loads_no_vendor_sdk():
    code = (
        "import sys\n"
        "from llmcoder.language import LanguageModel\n"
        "from llmcoder.registry import registry\n"
        "for action in registry().values():\n"
        "    action.input_schema, action.output_schema, action.input.model_validate(action.example)\n"
        "registry().settings(), registry().provider(LanguageModel)\n"
        f"print(sorted(set({VENDORS!r}) & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
