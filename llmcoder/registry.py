"""Finds every action: in `tasks/<domain>/actions.py` and in installed packages (entry-point group `llmcoder.actions`).

What a domain offers besides (settings, services, collections, connections, listeners, hooks, triggers) stands in files
of fixed names and is found here too.

Nobody keeps a list by hand. A process knows every action's facts from the manifest, and loads a domain when it first
asks for one of its actions; that loads no vendor SDK.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from types import ModuleType
from typing import Any, TypeVar, cast

from llmcoder import manifest
from llmcoder.declare.action import Action, Role
from llmcoder.declare.channel import Channel
from llmcoder.declare.check import Check
from llmcoder.declare.collection import Collection
from llmcoder.declare.connection import ConnectionKind
from llmcoder.declare.digest import Part
from llmcoder.declare.hook import Hook
from llmcoder.declare.listener import Listener
from llmcoder.declare.rate import Rate
from llmcoder.declare.schedule import DefaultSchedule
from llmcoder.declare.service import Provider
from llmcoder.declare.trigger import Trigger
from llmcoder.errors import DeclarationError, NotConfigured, NotFound
from llmcoder.logger import get_logger
from llmcoder.manifest import ActionFacts, Manifest
from llmcoder.settings import Settings

log = get_logger(__name__)

ENTRY_POINTS = "llmcoder.actions"
#: Before an entry point, where the source of an action is named.
_POINT = "entry point "
AnyAction = Action[Any, Any]
AnyCollection = Collection[Any, Any, Any]
AnyKind = ConnectionKind[Any]
T = TypeVar("T")
D = TypeVar("D")


class Registry(Mapping[str, AnyAction]):
    """All actions by name, in the order of their names.

    To ask for an action loads the domain that declares it, which takes a moment: an event loop asks for `facts`, or has
    a thread ask.

    Args:
        actions: Those that are loaded already.
        declared: What is known of others.

    Attributes:
        facts: What is known of each action without loading it, by name.
        outside: Names of the actions that bring in what others wrote.
        rates: How often each provider may be called, where somebody declares it.

    Raises:
        DeclarationError: Two actions carry one name, play one role, or differ about a provider's rate.
    """

    def __init__(self, actions: Iterable[AnyAction], declared: Manifest | None = None) -> None:
        self._loaded: dict[str, AnyAction] = {}
        for one in sorted(actions, key=lambda a: a.name):
            if self._loaded.setdefault(one.name, one) is not one:
                places = f"{self._loaded[one.name].function.__module__} and {one.function.__module__}"
                raise DeclarationError(f"{one.name}: a name belongs to one action; declared in {places}")
        self._declared = declared
        self._kinds: dict[str, AnyKind] | None = None
        known = [] if declared is None else [one for one in declared.actions if one.name not in self._loaded]
        known += [ActionFacts.of(one, one.function.__module__) for one in self._loaded.values()]
        self.facts: Mapping[str, ActionFacts] = {one.name: one for one in sorted(known, key=lambda facts: facts.name)}
        self.outside = frozenset(one.name for one in self.facts.values() if one.outside)
        self.rates = _declared_rates(self.facts.values())
        self._roles = _declared_roles(self.facts.values())

    def __getitem__(self, name: str) -> AnyAction:
        if name not in self._loaded:
            self._load(self.facts[name].source)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.facts)

    def __len__(self) -> int:
        return len(self.facts)

    def __contains__(self, name: object) -> bool:
        return name in self.facts

    def loaded(self, name: str) -> AnyAction | None:
        """The action of that name, where it takes no time to have it."""
        return self._loaded.get(name)

    def if_loadable(self, name: str) -> AnyAction | None:
        """The action of that name; None where there is none, and where its package cannot be imported here.

        For those who go through rows of many: that of one package keeps no other from being looked at.
        """
        try:
            return self.get(name)
        except Exception:  # another package's code, which runs while it is imported
            log.exception("an action cannot be loaded", action=name)
            return None

    def _load(self, source: str) -> None:
        try:
            actions = list(_actions_of(source))
        except SystemExit as error:  # a package's own code; whoever asks serves others, too, and goes on
            raise ImportError(f"what is imported for it ends the process ({error})") from error
        for one in actions:
            if one.name in self.facts:
                self._loaded.setdefault(one.name, one)

    def find(self, name: str) -> AnyAction:
        """The action of that name.

        Raises:
            NotFound: There is none; the detail offers the nearest names of those that are for everybody.
        """
        if name in self.facts:
            return self[name]
        from difflib import get_close_matches

        offered = [one.name for one in self.facts.values() if not one.administrators_only]
        near = get_close_matches(name, offered, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else " GET /actions lists them."
        raise NotFound(f"There is no action {name!r}.{hint}")

    def in_role(self, role: Role) -> AnyAction:
        """The action that the engine needs for something.

        Raises:
            NotConfigured: No installed domain declares one.
        """
        if role not in self._roles:
            raise NotConfigured(
                f"No installed action has the role {role}, which this needs. Install a domain that declares one: "
                f"@action(..., role=Role.{role.name})."
            )
        return self[self._roles[role]]

    def plays(self, name: str | None, role: Role) -> bool:
        """Whether the action of that name has the role."""
        return name is not None and self._roles.get(role) == name

    def settings(self) -> list[type[Settings]]:
        """Every kind of settings that some action's domain declares, once each."""
        kinds: dict[type[Settings], None] = {}
        if self._declared is not None:
            return list(dict.fromkeys([_named_kind(one) for one in self._declared.settings]))
        kinds.update(dict.fromkeys(_declared_settings()))
        for found in self.values():
            kinds.update(dict.fromkeys(found.requires))
            for kind in found.connects:
                kinds.update(dict.fromkeys(kind.settings))
        return list(kinds)

    def connections(self) -> dict[str, AnyKind]:
        """Every kind of account by its provider, in the order of their names; the first time it loads domains.

        Raises:
            DeclarationError: Two kinds carry one provider's name.
        """
        if self._kinds is not None:
            return self._kinds
        used = [kind for name, found in self.facts.items() if found.accounts for kind in self[name].connects]
        every = [*_declared("connections", ConnectionKind), *used]
        rule = "a provider's accounts are of one kind; two are declared"
        self._kinds = dict(sorted(_by_key(every, lambda kind: kind.provider, rule).items()))
        return self._kinds

    def connecting(self, provider: str | None = None) -> frozenset[str]:
        """Names of the actions that use accounts, of one provider or of any."""
        found = [one for one in self.facts.values() if one.accounts]
        return frozenset(one.name for one in found if provider is None or provider in one.accounts)

    def provider(self, interface: type[T]) -> Provider[T]:
        """Who makes instances of the interface.

        Raises:
            NotConfigured: No installed domain provides it.
        """
        for provider in _declared("services", Provider):
            if provider.interface is interface:
                return cast("Provider[T]", provider)
        raise NotConfigured(f"No installed domain provides a {interface.__name__}.")

    def collections(self) -> list[AnyCollection]:
        """Every collection of the application's domains, in the order of their paths.

        Raises:
            DeclarationError: A collection stands in another domain's folder, or its address is taken.
        """
        for module in _modules("tasks", "collections"):
            for collection in _of_kind(module, Collection):
                _refuse_taken(collection, module, self.facts)
        found = _by_key(_declared("collections", Collection), lambda one: one.path, "a path belongs to one collection")
        return [found[path] for path in sorted(found)]

    def hooks(self) -> list[Hook]:
        """Every hook of the application's domains, in the order of their paths.

        Raises:
            DeclarationError: An action or another hook has its address.
        """
        found = _by_key(_declared("hooks", Hook), lambda one: one.path, "a path belongs to one inbound webhook")
        for path in found:
            if path.replace("/", ".") in self.facts:
                raise DeclarationError(f"{path}: an action has this address")
        return [found[path] for path in sorted(found)]

    def collection_paths(self) -> tuple[str, ...]:
        """The paths of `collections()`, which loads nothing where a manifest says them."""
        return tuple(one.path for one in self.collections()) if self._declared is None else self._declared.collections

    def hook_paths(self) -> tuple[str, ...]:
        """The paths of `hooks()`, which loads nothing where a manifest says them."""
        return tuple(one.path for one in self.hooks()) if self._declared is None else self._declared.hooks


@cache
def registry() -> Registry:
    """The registry of this process: of the manifest, which is made of the declarations where it is missing or older.

    Raises:
        DeclarationError: A declaration breaks a rule.
    """
    stamp = manifest.stamp_of(entry_points(group=ENTRY_POINTS))
    if stamp is not None and (kept := manifest.load(stamp)) is not None:
        return Registry([], kept)
    sources = dict(_sources())
    whole = Registry(one for actions in sources.values() for one in actions)
    made = _manifest_of(whole, sources)
    if stamp is not None and all("<" not in kind for kind in made.settings):  # a class of a function is not found again
        manifest.keep(stamp, made)
    return whole


def _manifest_of(whole: Registry, sources: Mapping[str, list[AnyAction]]) -> Manifest:
    return Manifest(
        actions=tuple(ActionFacts.of(one, source) for source, actions in sources.items() for one in actions),
        collections=whole.collection_paths(),
        hooks=whole.hook_paths(),
        settings=tuple(f"{kind.__module__}:{kind.__qualname__}" for kind in whole.settings()),
    )


def listeners() -> list[Listener[Any]]:
    """Every listener of the application's domains, in the order of their names; loads no action.

    Raises:
        DeclarationError: Two carry one name.
    """
    found = _by_key(_declared("listeners", Listener), lambda one: one.name, "a name belongs to one listener")
    return [found[name] for name in sorted(found)]


def triggers() -> list[Trigger]:
    """Every trigger of the application's domains, in the order of their names.

    Raises:
        DeclarationError: Two carry one name.
    """
    found = _by_key(_declared("triggers", Trigger), lambda one: one.name, "a name belongs to one trigger")
    return [found[name] for name in sorted(found)]


@cache
def channels() -> dict[str, Channel]:
    """Every channel of the application's domains by its name; loaded at the first call.

    Raises:
        DeclarationError: Two carry one name.
    """
    found = _by_key(_declared("notify", Channel), lambda one: one.name, "a name belongs to one channel")
    return dict(sorted(found.items()))


@cache
def digest_parts() -> dict[str, Part]:
    """Every part of a digest, by its name; loaded at the first call.

    Raises:
        DeclarationError: Two carry one name.
    """
    return _by_key(_declared("digests", Part), lambda one: one.name, "a name belongs to one part of a digest")


def checks() -> list[Check[Any]]:
    """Every check of settings that a domain declares.

    Raises:
        DeclarationError: Two are of one kind.
    """
    found: dict[type[Settings], Check[Any]] = {}
    for check in _declared("checks", Check):
        if found.setdefault(check.settings, check) is not check:
            raise DeclarationError(f"{check.settings.__name__}: a kind of settings has one check")
    return list(found.values())


def default_schedules() -> list[DefaultSchedule]:
    """Every schedule that a domain suggests, in the order of their names."""
    return sorted(_declared("schedules", DefaultSchedule), key=lambda one: one.name)


def discover() -> Iterator[AnyAction]:
    """Every action of the application's domains and of installed packages."""
    for _, actions in _sources():
        yield from actions


def _sources() -> Iterator[tuple[str, list[AnyAction]]]:
    """What declares actions, by the name under which `_actions_of` finds it again."""
    for module in _modules("tasks", "actions"):
        yield module.__name__, list(_declared_actions(module))
    for point in entry_points(group=ENTRY_POINTS):
        yield f"{_POINT}{point.name} = {point.value}", list(_actions_at(point))


def _actions_of(source: str) -> Iterator[AnyAction]:
    if not source.startswith(_POINT):
        return _declared_actions(importlib.import_module(source))
    name, _, value = source.removeprefix(_POINT).partition(" = ")
    return _actions_at(EntryPoint(name, value, ENTRY_POINTS))


def _actions_at(point: EntryPoint) -> Iterator[AnyAction]:
    loaded = point.load()
    if isinstance(loaded, Action):
        yield loaded
    elif isinstance(loaded, ModuleType):
        yield from _declared_actions(loaded)
    else:
        rule = "must name an action or a module of actions"
        raise DeclarationError(f"entry point {point.name} = {point.value}: {rule}")


def _modules(package: str, name: str) -> Iterator[ModuleType]:
    """`<package>.<domain>.<name>` of every domain that has it."""
    spec = find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        return
    for domain in pkgutil.iter_modules(spec.submodule_search_locations):
        if domain.ispkg and find_spec(f"{package}.{domain.name}.{name}"):
            yield importlib.import_module(f"{package}.{domain.name}.{name}")


def _declared(name: str, kind: type[D]) -> Iterator[D]:
    """What the domains declare in their files of that name."""
    for module in _modules("tasks", name):
        yield from _of_kind(module, kind)


def _of_kind(module: ModuleType, kind: type[D]) -> Iterator[D]:
    return (value for value in vars(module).values() if isinstance(value, kind))


def _by_key(declared: Iterable[D], key: Callable[[D], str], rule: str) -> dict[str, D]:
    """In the order in which they are declared.

    Raises:
        DeclarationError: Two of them have one key.
    """
    found: dict[str, D] = {}
    for one in declared:
        if found.setdefault(key(one), one) is not one:
            raise DeclarationError(f"{key(one)}: {rule}")
    return found


def _declared_actions(module: ModuleType) -> Iterator[AnyAction]:
    """Its own, and those it imports from files beside it: a domain with many actions has several."""
    folder = module.__name__.rpartition(".")[0]
    for value in vars(module).values():
        if isinstance(value, Action):
            declared_in = value.function.__module__
            if declared_in == module.__name__ or (folder and declared_in.rpartition(".")[0] == folder):
                yield value


def _declared_roles(actions: Iterable[ActionFacts]) -> dict[Role, str]:
    roles: dict[Role, str] = {}
    for found in actions:
        if found.role is not None and roles.setdefault(found.role, found.name) != found.name:
            raise DeclarationError(
                f"{found.name}: a role is played by one action; {roles[found.role]} has {found.role}"
            )
    return roles


def _declared_rates(actions: Iterable[ActionFacts]) -> dict[str, Rate]:
    """How often each provider may be called, where somebody declares it."""
    rates: dict[str, Rate] = {}
    for found in actions:
        for provider, rate in found.rates:
            if rates.setdefault(provider, rate) != rate:
                raise DeclarationError(f"{found.name}: a provider has one rate; another action of {provider} differs")
    return rates


def _named_kind(name: str) -> type[Settings]:
    module, _, kind = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in kind.split("."):
        found = getattr(found, part)
    return cast("type[Settings]", found)


def _declared_settings() -> Iterator[type[Settings]]:
    """The kinds themselves: a file of settings declares classes, and imports others."""
    for module in _modules("tasks", "settings"):
        for value in _of_kind(module, type):
            if issubclass(value, Settings) and value.__module__ == module.__name__:
                yield value


def _refuse_taken(collection: AnyCollection, module: ModuleType, actions: Container[str]) -> None:
    """A domain speaks for its own addresses only, and an action's address is not a collection's too."""
    if module.__name__ != f"tasks.{collection.domain}.collections":
        raise DeclarationError(f"{collection.path}: declared in {module.__name__}, which is another domain's folder")
    if f"{collection.domain}.{collection.nouns}" in actions:
        raise DeclarationError(f"{collection.path}: an action has this address")
