"""A READ or DRAFT that leaves something behind says so, since a plan of a macro does whatever only reads and drafts."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from pydantic import Field

from llmcoder import Context, Effect, Model, action
from llmcoder.declare.action import Action
from llmcoder.errors import DeclarationError
from llmcoder.registry import discover

ROOT = Path(__file__).parents[2]
ACTIONS = [one for one in discover() if one.function.__module__.startswith("tasks.")]
LOOKING = [one for one in ACTIONS if not one.effect.writes]
#: What changes something: the transactions of a domain's own tables, and drafts that are put into a mailbox.
TRACES = {"writing", "save_draft"}
#: Those that come by one all the same, and why a plan may do it.
HARMLESS = {"tasks.start_macro": "in a plan it begins a plan"}


#: A function or class of a domain, by its module.
Place = tuple[str, str]


@dataclass
class Module:
    """What a module defines, and what its names mean that come from its domain."""

    name: str
    defined: dict[str, ast.stmt]
    imported: dict[str, Place]

    def meant(self, node: ast.AST) -> Place | None:
        """What of the domain an expression names: something of this module, of another one, or `module.name`."""
        if isinstance(node, ast.Name):
            return (self.name, node.id) if node.id in self.defined else self.imported.get(node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            package, name = self.imported.get(node.value.id, ("", ""))
            return (f"{package}.{name}", node.attr) if package else None
        return None


@cache
def modules_of(domain: str) -> dict[str, Module]:
    return {name: module(name, path) for path in (ROOT / "tasks" / domain).glob("*.py") if (name := named(path))}


def named(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def module(name: str, path: Path) -> Module:
    tree = ast.parse(path.read_text())
    defined = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    imported = {
        one.asname or one.name: (node.module or "", one.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(name.rpartition(".")[0])
        for one in node.names
    }
    return Module(name, dict(defined), imported)


def traces_of(one: Action) -> set[str]:  # type: ignore[type-arg]
    """What its function may come to that changes something: whatever it names, and what that names, in its domain."""
    modules = modules_of(one.domain)
    left: set[Place] = {(one.function.__module__, one.function.__name__)}
    seen: set[Place] = set()
    found: set[str] = set()
    while left:
        place = left.pop()
        seen.add(place)
        home = modules.get(place[0])
        body = home.defined.get(place[1]) if home else None
        for node in ast.walk(body) if home and body else ():
            called = {getattr(node, "id", ""), getattr(node, "attr", "")}
            found |= called & TRACES
            meant = home.meant(node)
            left |= {meant} - seen if meant else set()
    return found


@pytest.mark.parametrize("looking", LOOKING, ids=lambda one: one.name)
def test_what_leaves_something_behind_says_so(looking: Action) -> None:  # type: ignore[type-arg]
    if looking.name in HARMLESS:
        assert not looking.keeps
        return
    assert not traces_of(looking) or looking.keeps, f"{looking.name}: a plan would do it: keeps=True, or a field's name"


def test_the_search_sees_every_write_of_a_domain_that_has_tables() -> None:
    """Otherwise it would find nothing, whatever there is."""
    seen = {one.name for one in ACTIONS if one.effect.writes and traces_of(one)}
    assert {"reminders.create", "reminders.remove"} <= seen
    assert not HARMLESS.keys() - {one.name for one in LOOKING if traces_of(one)}, "nobody is excused in vain"


@pytest.mark.parametrize(
    ("effect", "keeps", "why"),
    [
        (Effect.WRITE, True, "a write always leaves something"),
        (Effect.DRAFT, "kept", "a field of its input that is a bool"),
        (Effect.DRAFT, "text", "a field of its input that is a bool"),
    ],
)
def test_a_wrong_declaration_fails_at_import(effect: Effect, keeps: bool | str, why: str) -> None:
    class Described(Model):
        save: bool = Field(False, description="Whether it stays.")
        text: str = Field("", description="What it says.")

    def draft_it(given: Described, ctx: Context) -> Described:
        """Draft it."""
        return given

    draft_it.__annotations__ = {"given": Described, "ctx": Context, "return": Described}
    with pytest.raises(DeclarationError, match=why):
        action("trial.draft_it", effect=effect, repeatable=True if effect.writes else None, keeps=keeps)(draft_it)


@pytest.mark.parametrize(
    ("given", "leaves"),
    [({}, False), ({"save": False}, False), ({"save": True}, True), ({"save": "${{ steps.a.result.save }}"}, True)],
)
def test_a_field_decides_and_one_that_is_not_known_yet_counts_as_yes(given: dict[str, object], leaves: bool) -> None:
    (draft_reply,) = (one for one in ACTIONS if one.name == "email.draft_reply")
    assert draft_reply.leaves_something(given) is leaves
