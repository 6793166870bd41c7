"""Finds every action: in `tasks/<domain>/actions.py` and in installed packages (entry-point group `llmcoder.actions`).

What a domain offers besides (settings, services, collections, connections, listeners, hooks, triggers) stands in files
of fixed names and is found here too.

Nobody keeps a list by hand, and loading the registry loads no vendor SDK.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from types import ModuleType
from typing import Any, TypeVar, cast

from llmcoder.declare.action import Action
from llmcoder.declare.channel import Channel
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
from llmcoder.settings import Settings

ENTRY_POINTS = "llmcoder.actions"
AnyAction = Action[Any, Any]
AnyCollection = Collection[Any, Any, Any]
AnyKind = ConnectionKind[Any]
T = TypeVar("T")
D = TypeVar("D")


class Registry(Mapping[str, AnyAction]):
    """All actions by name, in the order of their names.

    Attributes:
        outside: Names of the actions that bring in what others wrote.
        rates: How often each provider may be called, where somebody declares it.

    Raises:
        DeclarationError: Two actions carry one name, or differ about a provider's rate.
    """

    def __init__(self, actions: Iterable[AnyAction]) -> None:
        self._actions: dict[str, AnyAction] = {}
        for found in sorted(actions, key=lambda a: a.name):
            if self._actions.setdefault(found.name, found) is not found:
                places = f"{self._actions[found.name].function.__module__} and {found.function.__module__}"
                raise DeclarationError(f"{found.name}: a name belongs to one action; declared in {places}")
        self.outside = frozenset(found.name for found in self._actions.values() if found.outside)
        self.rates = _declared_rates(self._actions.values())

    def __getitem__(self, name: str) -> AnyAction:
        return self._actions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._actions)

    def __len__(self) -> int:
        return len(self._actions)

    def find(self, name: str) -> AnyAction:
        """The action of that name.

        Raises:
            NotFound: There is none; the detail offers the nearest names.
        """
        if name in self._actions:
            return self._actions[name]
        from difflib import get_close_matches

        near = get_close_matches(name, self._actions, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else " GET /actions lists them."
        raise NotFound(f"There is no action {name!r}.{hint}")

    def settings(self) -> list[type[Settings]]:
        """Every kind of settings that some action's domain declares, once each."""
        kinds: dict[type[Settings], None] = {}
        for module in _modules("tasks", "settings"):
            kinds.update(dict.fromkeys(_declared_settings(module)))
        for found in self._actions.values():
            kinds.update(dict.fromkeys(found.requires))
            for kind in found.connects:
                kinds.update(dict.fromkeys(kind.settings))
        return list(kinds)

    def connections(self) -> dict[str, AnyKind]:
        """Every kind of account by its provider, in the order of their names.

        Raises:
            DeclarationError: Two kinds carry one provider's name.
        """
        declared = [kind for module in _modules("tasks", "connections") for kind in _declared_kinds(module)]
        used = [kind for found in self._actions.values() for kind in found.connects]
        kinds: dict[str, AnyKind] = {}
        for kind in sorted([*declared, *used], key=lambda one: one.provider):
            if kinds.setdefault(kind.provider, kind) is not kind:
                raise DeclarationError(f"{kind.provider}: a provider's accounts are of one kind; two are declared")
        return kinds

    def connecting(self, provider: str | None = None) -> frozenset[str]:
        """Names of the actions that use accounts, of one provider or of any."""
        found = [one for one in self._actions.values() if one.connects]
        return frozenset(one.name for one in found if provider is None or provider in one.providers)

    def provider(self, interface: type[T]) -> Provider[T]:
        """Who makes instances of the interface.

        Raises:
            NotConfigured: No installed domain provides it.
        """
        for module in _modules("tasks", "services"):
            for value in vars(module).values():
                if isinstance(value, Provider) and value.interface is interface:
                    return cast("Provider[T]", value)
        raise NotConfigured(f"No installed domain provides a {interface.__name__}.")

    def collections(self) -> list[AnyCollection]:
        """Every collection of the application's domains, in the order of their paths.

        Raises:
            DeclarationError: A collection stands in another domain's folder, or its address is taken.
        """
        found: dict[str, AnyCollection] = {}
        for module in _modules("tasks", "collections"):
            for collection in _declared_collections(module):
                _refuse_taken(collection, module, self._actions)
                if found.setdefault(collection.path, collection) is not collection:
                    raise DeclarationError(f"{collection.path}: a path belongs to one collection")
        return [found[path] for path in sorted(found)]

    def hooks(self) -> list[Hook]:
        """Every hook of the application's domains, in the order of their paths.

        Raises:
            DeclarationError: An action or another hook has its address.
        """
        found: dict[str, Hook] = {}
        for hook in _declared("hooks", Hook):
            if hook.path.replace("/", ".") in self._actions:
                raise DeclarationError(f"{hook.path}: an action has this address")
            if found.setdefault(hook.path, hook) is not hook:
                raise DeclarationError(f"{hook.path}: a path belongs to one hook")
        return [found[path] for path in sorted(found)]


@cache
def registry() -> Registry:
    """The registry of this process, loaded at the first call."""
    return Registry(discover())


def listeners() -> list[Listener[Any]]:
    """Every listener of the application's domains, in the order of their names; loads no action.

    Raises:
        DeclarationError: Two carry one name.
    """
    found: dict[str, Listener[Any]] = {}
    for listener in _declared("listeners", Listener):
        if found.setdefault(listener.name, listener) is not listener:
            raise DeclarationError(f"{listener.name}: a name belongs to one listener")
    return [found[name] for name in sorted(found)]


def triggers() -> list[Trigger]:
    """Every trigger of the application's domains, in the order of their names.

    Raises:
        DeclarationError: Two carry one name.
    """
    found: dict[str, Trigger] = {}
    for trigger in _declared("triggers", Trigger):
        if found.setdefault(trigger.name, trigger) is not trigger:
            raise DeclarationError(f"{trigger.name}: a name belongs to one trigger")
    return [found[name] for name in sorted(found)]


@cache
def channels() -> dict[str, Channel]:
    """Every channel of the application's domains by its name; loaded at the first call.

    Raises:
        DeclarationError: Two carry one name.
    """
    found: dict[str, Channel] = {}
    for channel in _declared("notify", Channel):
        if found.setdefault(channel.name, channel) is not channel:
            raise DeclarationError(f"{channel.name}: a name belongs to one channel")
    return dict(sorted(found.items()))


@cache
def digest_parts() -> dict[str, Part]:
    """Every part of a digest, by its name; loaded at the first call.

    Raises:
        DeclarationError: Two carry one name.
    """
    found: dict[str, Part] = {}
    for part in _declared("digests", Part):
        if found.setdefault(part.name, part) is not part:
            raise DeclarationError(f"{part.name}: a name belongs to one part of a digest")
    return found


def default_schedules() -> list[DefaultSchedule]:
    """Every schedule that a domain suggests, in the order of their names."""
    return sorted(_declared("schedules", DefaultSchedule), key=lambda one: one.name)


def discover() -> Iterator[AnyAction]:
    """Every action of the application's domains and of installed packages."""
    for module in _modules("tasks", "actions"):
        yield from _declared_actions(module)
    for point in entry_points(group=ENTRY_POINTS):
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
        yield from (value for value in vars(module).values() if isinstance(value, kind))


def _declared_actions(module: ModuleType) -> Iterator[AnyAction]:
    """Its own, and those it imports from files beside it: a domain with many actions has several."""
    folder = module.__name__.rpartition(".")[0]
    for value in vars(module).values():
        if isinstance(value, Action):
            declared_in = value.function.__module__
            if declared_in == module.__name__ or (folder and declared_in.rpartition(".")[0] == folder):
                yield value


def _declared_rates(actions: Iterable[AnyAction]) -> dict[str, Rate]:
    """How often each provider may be called, where somebody declares it."""
    rates: dict[str, Rate] = {}
    for found in actions:
        declared = [(kind.provider, kind.rate) for kind in found.connects] + [(found.provider, found.rate)]
        for provider, rate in declared:
            if rate is not None and rates.setdefault(provider, rate) != rate:
                raise DeclarationError(f"{found.name}: a provider has one rate; another action of {provider} differs")
    return rates


def _declared_settings(module: ModuleType) -> Iterator[type[Settings]]:
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Settings) and value.__module__ == module.__name__:
            yield value


def _declared_collections(module: ModuleType) -> Iterator[AnyCollection]:
    for value in vars(module).values():
        if isinstance(value, Collection):
            yield value


def _declared_kinds(module: ModuleType) -> Iterator[AnyKind]:
    for value in vars(module).values():
        if isinstance(value, ConnectionKind):
            yield value


def _refuse_taken(collection: AnyCollection, module: ModuleType, actions: Mapping[str, AnyAction]) -> None:
    """A domain speaks for its own addresses only, and an action's address is not a collection's too."""
    if module.__name__ != f"tasks.{collection.domain}.collections":
        raise DeclarationError(f"{collection.path}: declared in {module.__name__}, which is another domain's folder")
    if f"{collection.domain}.{collection.nouns}" in actions:
        raise DeclarationError(f"{collection.path}: an action has this address")
