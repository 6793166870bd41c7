"""The registry: what actions say of their providers together."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from pydantic import Field, SecretStr

from llmcoder import ConnectionKind, Context, DeclarationError, Effect, Model, NotConfigured, Role, action
from llmcoder.declare.rate import Rate
from llmcoder.registry import AnyAction, Registry, _declared_actions


class Note(Model):
    """What to write down."""

    text: str = Field(description="The note.", examples=["milk"])


def declared(name: str, provider: str = "", rate: Rate | None = None, outside: bool = False) -> AnyAction:
    @action(name, effect=Effect.DRAFT, provider=provider, rate=rate, outside=outside)
    def draft(given: Note, ctx: Context) -> Note:
        """Draft a note."""
        return given

    return draft


def test_a_rate_is_declared_once_for_all_actions_of_a_provider() -> None:
    found = Registry([declared("jira.a", rate=Rate(10, 60)), declared("jira.b"), declared("email.c")])
    assert found.rates == {"jira": Rate(10, 60)}
    assert found["jira.b"].provider == "jira"


def test_actions_of_one_provider_may_not_differ_about_its_rate() -> None:
    same = [declared("jira.a", rate=Rate(10, 60)), declared("jira.b", rate=Rate(10, 60.0))]
    assert Registry(same).rates == {"jira": Rate(10, 60)}
    other = declared("planning.c", provider="jira", rate=Rate(5, 60))
    with pytest.raises(
        DeclarationError, match=r"^planning\.c: a provider has one rate; another action of jira differs"
    ):
        Registry([*same, other])


class Key(Model):
    """What proves an account."""

    key: SecretStr = Field(description="The key.")


def kind(provider: str, rate: Rate | None = None) -> ConnectionKind[Key]:
    return ConnectionKind(provider, title=provider, credentials=Key, identify=lambda key, _: provider, rate=rate)


def test_an_action_of_several_kinds_of_account_keeps_the_rate_of_each_and_is_found_by_each() -> None:
    one, other = kind("pigeon", Rate(10, 60)), kind("bottle")

    @action("email.read", effect=Effect.DRAFT, connects=(one, other))
    def read(given: Note, ctx: Context) -> Note:
        """Read mail."""
        return given

    found = Registry([read])
    assert (read.provider, read.providers) == ("pigeon", ("pigeon", "bottle"))
    assert found.rates["pigeon"] == Rate(10, 60)
    assert (found.connecting("bottle"), found.connecting("slack")) == ({"email.read"}, frozenset())
    assert {"pigeon", "bottle"} <= set(found.connections())


@pytest.mark.parametrize(
    ("same", "more", "rule"),
    [
        (False, {"rate": Rate(1, 1)}, "leaves the rate to them"),
        (False, {"provider": "email"}, "its provider is theirs"),
        (True, {}, "the kinds of account that an action connects differ"),
    ],
)
def test_what_an_action_of_several_kinds_may_not_say(same: bool, more: dict[str, Any], rule: str) -> None:
    def read(given: Note, ctx: Context) -> Note:
        """Read mail."""
        return given

    kinds = (kind("pigeon"), kind("pigeon" if same else "bottle"))
    with pytest.raises(DeclarationError, match=rule):
        action("email.read", effect=Effect.DRAFT, connects=kinds, **more)(read)


def test_what_brings_in_the_words_of_others_is_known_by_name() -> None:
    assert Registry([declared("email.read", outside=True), declared("email.draft")]).outside == {"email.read"}


def test_a_domain_may_have_actions_in_several_files_and_takes_none_of_another_domain() -> None:
    own, beside, foreign = declared("pastes.a"), declared("pastes.b"), declared("jira.c")
    own.function.__module__ = "tasks.pastes.actions"
    beside.function.__module__ = "tasks.pastes.index_actions"
    foreign.function.__module__ = "tasks.jira.actions"
    module = ModuleType("tasks.pastes.actions")
    vars(module).update(own=own, beside=beside, foreign=foreign)
    assert list(_declared_actions(module)) == [own, beside]


@pytest.mark.parametrize(("calls", "per_s"), [(0, 60), (-1, 60), (1, 0), (1, -1)])
def test_a_rate_that_makes_no_sense_is_refused(calls: int, per_s: float) -> None:
    with pytest.raises(ValueError, match="calls >= 1"):
        Rate(calls, per_s)


# --- what the engine needs actions for


def waiting(name: str) -> AnyAction:
    @action(name, effect=Effect.READ, role=Role.PASS_TIME)
    def wait(given: Note, ctx: Context) -> Note:
        """Wait."""
        return given

    return wait


def test_an_action_is_found_by_its_role_whatever_its_name_is() -> None:
    found = Registry([declared("jira.a"), waiting("clock.rest")])
    assert found.in_role(Role.PASS_TIME) is found["clock.rest"]
    assert found.plays("clock.rest", Role.PASS_TIME)
    assert not found.plays("jira.a", Role.PASS_TIME)
    assert not found.plays(None, Role.PASS_TIME)
    assert not found.plays("clock.rest", Role.AWAIT_CALL)


def test_a_role_that_nobody_has_says_what_to_declare() -> None:
    with pytest.raises(NotConfigured, match=r"the role await-call, .*Role\.AWAIT_CALL"):
        Registry([declared("jira.a")]).in_role(Role.AWAIT_CALL)


def test_two_actions_may_not_have_one_role() -> None:
    with pytest.raises(
        DeclarationError, match=r"^clock\.wait: a role is played by one action; clock\.rest has pass-time"
    ):
        Registry([waiting("clock.rest"), waiting("clock.wait")])


def test_what_asks_a_person_waits_for_approval_and_takes_a_question() -> None:
    with pytest.raises(DeclarationError, match=r"^clock\.ask: what asks a person is a write"):

        @action("clock.ask", effect=Effect.READ, role=Role.ASK_PERSON)
        def ask(given: Note, ctx: Context) -> Note:
            """Ask."""
            return given
