"""The configuration of one process: DATA_DIR/config.json, with real environment variables over it.

`.env` is only the way in: at the first start it becomes config.json and is deleted. From then on the file is edited by
hand or by `Config.patch`, while any number of processes run; each looks at it when somebody asks for settings, at most
twice a second. Messages of this module name settings, files, lines and columns, and never a value.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, cast
from weakref import WeakSet

from pydantic import JsonValue

from llmcoder.config_file import (
    ConfigError,
    Values,
    exclusive,
    prepare_folder,
    read_env,
    read_values,
    write_values,
)
from llmcoder.errors import BadInput, Refused
from llmcoder.private import shut_out_others
from llmcoder.settings import EngineSettings, InvalidSettings, ReservedSettings, Settings, unset
from llmcoder.stamp import Stamp

S = TypeVar("S", bound=Settings)

LOOK_EVERY_S = 0.5
_OWN_PLACE = "says where config.json is, so it cannot stand in it; remove it and set an environment variable"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SettingView:
    """One setting as an operator may see it; `value` stays None for a secret."""

    name: str
    title: str
    description: str
    set: bool
    secret: bool
    source: Literal["environment", "file", "default"]
    value: JsonValue = None


@dataclass(frozen=True)
class _Loaded:
    """What is in force."""

    version: int
    file: Values = field(repr=False)
    made: dict[type[Settings], Settings] = field(repr=False)


#: Those of this process that somebody still has.
_opened: WeakSet[Config] = WeakSet()


def _renew_locks() -> None:
    """A forked pool must not inherit a lock some thread holds."""
    for one in _opened:
        one._new_lock()


os.register_at_fork(after_in_child=_renew_locks)  # keeps for ever what it is given, so no method of one of them


class Config:
    """The values in force, and the way to change them. Safe to share between threads.

    Attributes:
        path: The file, `config.json` in the data folder.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], env_file: Path, *, looks_only: bool) -> None:
        """Call `Config.open` instead: it finds the folder and the `.env` file."""
        self.path = folder / "config.json"
        self._env_file = env_file
        self._looks_only = looks_only
        self._environ = {name: value for name, value in environ.items() if not unset(value)}
        self._kinds: dict[type[Settings], None] = {ReservedSettings: None, EngineSettings: None}
        self._problem: str | None = None
        self._unknown_seen: set[str] | None = None  # until domains are registered; before, their names look unknown
        self._look_at = time.monotonic() + LOOK_EVERY_S
        self._new_lock()
        _opened.add(self)
        if not looks_only:
            self._make_ready()
        self._stamp = Stamp.of(self.path)
        values = self.in_file() or {}
        self._loaded = _Loaded(1, values, self._usable(values, self._kinds, self.source))

    @classmethod
    def open(
        cls, environ: Mapping[str, str] | None = None, cwd: Path | None = None, *, looks_only: bool = False
    ) -> Config:
        """Find the data folder (DATA_DIR, else `data`) and, at the first start, take in ENV_FILE (else `.env`).

        Args:
            looks_only: Make no folder and no file, and let `.env` count as it stands where there is no config.json,
                until `begin` or `patch` is called.

        Raises:
            ConfigError: The folder cannot be written, or `.env` or config.json cannot be used. Nothing was lost.
        """
        environ = os.environ if environ is None else environ
        start = (cwd or Path.cwd()).absolute()
        folder = start / Path(environ.get("DATA_DIR", "").strip() or "data").expanduser()
        env_file = start / Path(environ.get("ENV_FILE", "").strip() or ".env").expanduser()
        return cls(folder, environ, env_file, looks_only=looks_only)

    def begin(self) -> None:
        """Make ready what the engine needs, for one that only looked so far: the folder, and config.json of `.env`.

        Raises:
            ConfigError: As `open`.
        """
        if self._looks_only:
            self._make_ready()
            self._looks_only = False
            with self._lock:
                self._look()

    @property
    def source(self) -> Path:
        """The file whose values are in force: config.json, or a `.env` that nothing has made one of yet."""
        is_env = self._looks_only and not self.path.exists() and self._env_file.is_file()
        return self._env_file if is_env else self.path

    @property
    def version(self) -> int:
        """Grows whenever a value changes; counts in this process only."""
        return self._current().version

    @property
    def problems(self) -> str | None:
        """Why the file as it is now was refused, while the last good values stay in force; None when all is well."""
        self._current()
        return self._problem

    def get(self, kind: type[S]) -> S:
        """The settings of one kind as they are now; the same object until a value changes.

        Raises:
            ConfigError: The kind was never registered and its values cannot be used.
        """
        loaded = self._current()
        if kind not in loaded.made:
            loaded = self._add((kind,))
        return cast(S, loaded.made[kind])

    def register(self, *kinds: type[Settings]) -> None:
        """Make kinds known to `patch` and `describe`, then warn of names in the file that no kind knows.

        Give all of them in one call.

        Raises:
            ConfigError: A value of theirs cannot be used.
        """
        self._add(kinds)
        self._unknown_seen = self._unknown_seen or set()
        self._warn_of_unknown()

    def describe(self) -> list[SettingView]:
        """Every known setting, by kind and name."""
        loaded = self._current()
        secrets = frozenset[str]().union(*(kind.secret_names() for kind in loaded.made))
        views = [self._view(name, loaded.made[kind], secrets) for name, kind in self._owners().items()]
        return sorted(views, key=lambda view: (view.title, view.name))

    def patch(self, changes: Mapping[str, JsonValue]) -> list[str]:
        """Change settings for every process; None or an empty text removes one. Returns the names that changed.

        Raises:
            BadInput: A name is unknown or fixed by the environment, or a value cannot be used; nothing was changed.
            Refused: The file was broken by hand; repair it first.
            Transient: Another process held the file for too long; nothing was changed.
            ConfigError: The file cannot be written.
        """
        self._refuse_names(changes, self._loaded.file)
        self.begin()
        with exclusive(self.path):
            before = self._to_build_on()
            self._refuse_names(changes, before)
            kept = {name: value for name, value in before.items() if name not in changes}
            after = kept | {name: value for name, value in changes.items() if not unset(value)}
            if after == before:
                return []
            try:
                self._make(after, self._kinds)
            except InvalidSettings as error:
                raise BadInput(self._explain(error, self.path)) from None
            write_values(self.path, after)
        with self._lock:
            self._look()
        return sorted(name for name in changes if before.get(name) != after.get(name))

    def _make_ready(self) -> None:
        prepare_folder(self.path.parent)
        shut_out_others(self.path.parent)
        if self._env_file.is_file():
            self._take_in(self._env_file)

    def in_file(self) -> Values | None:
        """What stands in the file whose values are in force, as it is this moment; None when there is none.

        Raises:
            ConfigError: It cannot be read.
        """
        if self.source == self.path:
            return read_values(self.path, shut=not self._looks_only)
        values = read_env(self._env_file)
        self._leave_out_own_place(values)
        return values

    def _to_build_on(self) -> Values:
        """The file's values as they are this moment, for a caller who holds the lock file."""
        try:
            found = read_values(self.path)
        except ConfigError as error:
            raise Refused(f"Nothing was changed. {error.detail}") from error
        return self._loaded.file if found is None else found

    def _refuse_names(self, changes: Mapping[str, JsonValue], before: Values) -> None:
        owners = self._owners()
        for name, value in changes.items():
            if name not in owners and not (name in before and unset(value)):
                raise BadInput(f"There is no setting {name!r}.{_nearest(name, owners)}")
            if name in owners and name in self._environ:
                raise BadInput(f"{name} is fixed by an environment variable; change or remove it there and restart.")

    def _owners(self) -> dict[str, type[Settings]]:
        """Which kind speaks for a name: a domain's before the engine's, the engine's before the reserved."""
        return {name: kind for kind in self._kinds for name in kind.names()}

    def _view(self, name: str, settings: Settings, secrets: frozenset[str]) -> SettingView:
        shown = None if name in secrets else settings.model_dump(mode="json", include={name.lower()})[name.lower()]
        source = self._source(name)
        return SettingView(
            name=name,
            title=settings.title,
            description=type(settings).model_fields[name.lower()].description or "",
            set=source != "default",
            secret=name in secrets,
            source=source,
            value=shown,
        )

    def _source(self, name: str) -> Literal["environment", "file", "default"]:
        if name in self._environ:
            return "environment"
        return "default" if unset(self._loaded.file.get(name)) else "file"

    def _make(self, values: Values, kinds: Iterable[type[Settings]]) -> dict[type[Settings], Settings]:
        """Every kind, made of the environment over these values of the file."""
        in_force: ChainMap[str, Any] = ChainMap({"DATA_DIR": str(self.path.parent)}, self._environ, values)
        made: dict[type[Settings], Settings] = {}
        reasons = {"DATA_DIR": _OWN_PLACE} if "DATA_DIR" in values else {}
        for kind in kinds:
            try:
                made[kind] = kind.read(in_force)
            except InvalidSettings as error:
                reasons |= error.reasons
        if reasons:
            raise InvalidSettings(reasons)
        return made

    def _usable(self, values: Values, kinds: Iterable[type[Settings]], source: Path) -> dict[type[Settings], Settings]:
        """As `_make`, for an operator who must correct the source before anything starts."""
        try:
            return self._make(values, kinds)
        except InvalidSettings as error:
            raise ConfigError(self._explain(error, source)) from None

    def _explain(self, error: InvalidSettings, source: Path) -> str:
        fixed = dict.fromkeys(self._environ.keys() - {"DATA_DIR"}, "environment variable")
        return " ".join(f"{name} ({fixed.get(name, source)}): {why}." for name, why in error.reasons.items())

    def _take_in(self, env_file: Path) -> None:
        """Turn `.env` into config.json. Whatever dies on the way, one of the two files holds everything."""
        with exclusive(self.path):
            if not env_file.is_file():  # another process took it in a moment ago
                return
            if self.path.exists():
                log.warning("%s is ignored: %s exists and wins. Delete the former.", env_file, self.path)
                return
            values = read_env(env_file)
            self._leave_out_own_place(values)
            self._usable(values, self._kinds, env_file)
            write_values(self.path, values)
            if read_values(self.path) != values:
                raise ConfigError(f"{self.path} reads differently from what was written; {env_file} was kept.")
            try:
                env_file.unlink()
            except OSError as error:
                log.warning("%s could not be deleted (%s) and still holds secrets.", env_file, error.strerror)
            # A warning, though nothing is wrong: somebody's file is gone, and only warnings reach every terminal.
            log.warning("%s became %s with %d settings, and was deleted.", env_file, self.path, len(values))

    def _leave_out_own_place(self, values: Values) -> None:
        """The environment says the same, and must go on saying it."""
        if self._is_own_place(values.get("DATA_DIR"), self._env_file.parent):
            del values["DATA_DIR"]

    def _is_own_place(self, named: JsonValue, start: Path) -> bool:
        return isinstance(named, str) and (start / Path(named).expanduser()).resolve() == self.path.parent.resolve()

    def _current(self) -> _Loaded:
        if time.monotonic() >= self._look_at and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        return self._loaded

    def _look(self) -> None:
        """Take over what changed in the file, whole or not at all. The caller holds the lock."""
        self._look_at = time.monotonic() + LOOK_EVERY_S
        stamp = Stamp.of(self.path)
        if stamp == self._stamp and not stamp.young:
            return
        self._stamp = stamp
        try:
            self._take_over(self.in_file())
        except ConfigError as error:
            if error.detail != self._problem:
                log.warning("The last good settings stay in force. %s", error.detail)
            self._problem = error.detail

    def _take_over(self, values: Values | None) -> None:
        if values is None and self._loaded.file:
            raise ConfigError(f"{self.path} is gone. Put it back, or change a setting to write it anew.")
        values = values or {}
        if values != self._loaded.file:
            made = self._usable(values, self._kinds, self.path)
            self._loaded = _Loaded(self._loaded.version + 1, values, made)
            self._warn_of_unknown()
        self._problem = None

    def _add(self, kinds: Iterable[type[Settings]]) -> _Loaded:
        with self._lock:
            made = self._loaded.made | self._usable(self._loaded.file, kinds, self.path)
            self._kinds = self._kinds | dict.fromkeys(kinds)  # a new dict: other threads walk over the old one
            self._loaded = replace(self._loaded, made=made)
            return self._loaded

    def _warn_of_unknown(self) -> None:
        if self._unknown_seen is None:
            return
        owners = self._owners()
        for name in sorted(self._loaded.file.keys() - owners.keys() - self._unknown_seen):
            self._unknown_seen.add(name)
            log.warning("%s: nothing here reads %r.%s", self.path, name, _nearest(name, owners))

    def _new_lock(self) -> None:
        self._lock = threading.Lock()


_process_config: Config | None = None
_looks_only = False
_opening = threading.Lock()


def config() -> Config:
    """The configuration of this process, opened at the first call.

    Raises:
        ConfigError: See `Config.open`.
    """
    global _process_config
    with _opening:
        if _process_config is None:
            _process_config = Config.open(looks_only=_looks_only)
        return _process_config


def only_look() -> None:
    """Let the configuration of this process change no file by being opened; whoever starts an engine calls `begin`."""
    global _looks_only
    _looks_only = True


@contextmanager
def use(other: Config) -> Iterator[Config]:
    """Let `config()` answer with another one for a while: that of a data folder being made ready, or of a test."""
    global _process_config
    before, _process_config = _process_config, other
    try:
        yield other
    finally:
        _process_config = before


def _nearest(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name.upper(), list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""
