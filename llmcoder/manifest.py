"""What the domains declare, in short, so that a process loads a domain with its first job and not with its start.

It is to declarations what a `.pyc` is to sources: made of them when it is missing or older, kept beside them (or in
the user's cache folder where that cannot be written), and never needed. A declaration therefore says the same in every
process: it must not depend on the environment, the clock or what happens to be installed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import blake2b
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

from llmcoder import strict_json
from llmcoder.declare.action import Action, Effect, Queue, Role
from llmcoder.declare.rate import Rate
from llmcoder.version import VERSION

#: Grows when what stands in a manifest does.
FORMAT = 2
#: Several sets of packages may share one checkout; of those used least lately the manifests go.
KEPT = 16
#: What declarations are made of, beside the packages that entry points name.
_PACKAGES = ("llmcoder", "models", "engine", "tasks")


@dataclass(frozen=True, slots=True)
class ActionFacts:
    """What routes, admission, doorbells and lists of actions need to know of one.

    Attributes:
        source: What loads it: a module of the application's, or an entry point's value.
        accounts: The providers of the accounts that it connects.
        rates: How often which provider may be called, as it says.
    """

    name: str
    summary: str
    source: str
    effect: Effect
    queue: Queue
    timeout_s: float
    outside: bool
    administrators_only: bool
    role: Role | None
    accounts: tuple[str, ...]
    rates: tuple[tuple[str, Rate], ...]

    @property
    def domain(self) -> str:
        return self.name.partition(".")[0]

    @property
    def verb(self) -> str:
        return self.name.partition(".")[2]

    @classmethod
    def of(cls, action: Action[Any, Any], source: str) -> ActionFacts:
        declared = [(kind.provider, kind.rate) for kind in action.connects] + [(action.provider, action.rate)]
        return cls(
            name=action.name,
            summary=action.summary,
            source=source,
            effect=action.effect,
            queue=action.queue,
            timeout_s=action.timeout_s,
            outside=action.outside,
            administrators_only=action.administrators_only,
            role=action.role,
            accounts=action.providers if action.connects else (),
            rates=tuple((provider, rate) for provider, rate in declared if rate is not None),
        )

    @classmethod
    def read(cls, kept: dict[str, Any]) -> ActionFacts:
        return cls(
            **kept
            | {
                "effect": Effect(kept["effect"]),
                "queue": Queue(kept["queue"]),
                "role": None if kept["role"] is None else Role(kept["role"]),
                "accounts": tuple(kept["accounts"]),
                "rates": tuple((provider, Rate(**rate)) for provider, rate in kept["rates"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """What all domains declare.

    Attributes:
        collections: Their paths, `<domain>/<nouns>`.
        hooks: Those of the addresses at which providers call, `<domain>/<name>`.
        settings: Every kind, as `module:class`.
    """

    actions: tuple[ActionFacts, ...] = ()
    collections: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> Manifest:
        """Of what `write` gave.

        Raises:
            ValueError, TypeError, KeyError: It is something else.
        """
        kept = strict_json.read_lenient(text)
        actions = tuple(ActionFacts.read(one) for one in kept.pop("actions"))
        return cls(actions, **{name: tuple(values) for name, values in kept.items()})

    def write(self) -> str:
        return strict_json.write(asdict(self))


def load(stamp: str) -> Manifest | None:
    """The manifest that was kept under this stamp; None where there is none that can be read."""
    for folder in _folders():
        path = folder / _name(stamp)
        try:
            found = Manifest.read(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError, KeyError):
            continue  # whoever made it was cut off; it is made again
        return found
    return None


def keep(stamp: str, made: Manifest) -> None:
    """Keep it for the next process, in the first folder that can be written; where none can, nothing is kept."""
    for folder in _folders():
        path = folder / _name(stamp)
        beside = folder / f".{path.name}.{uuid4().hex}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            beside.write_text(made.write(), encoding="utf-8")
            beside.replace(path)
            _forget_old(folder)
        except OSError:
            with suppress(OSError):
                beside.unlink()
            continue
        return


def stamp_of(points: Iterable[EntryPoint]) -> str | None:
    """Says which sources a manifest was made of: their names, sizes and times, as for a `.pyc`.

    Args:
        points: The entry points of the installed packages that declare something.

    Returns:
        None where a source is no file that can be looked at; then nothing is kept.
    """
    digest = blake2b(digest_size=16)
    digest.update(f"{FORMAT} {VERSION} {sys.version_info[:3]}\n".encode())
    packages = list(_PACKAGES)
    for point in sorted(points):
        version = "" if point.dist is None else point.dist.version
        digest.update(f"{point.name} = {point.value} {version}\n".encode())
        packages.append(point.module.partition(".")[0])
    for package in dict.fromkeys(packages):
        places = _places(package)
        if places is None:
            return None
        for line in _files(places):
            digest.update(line)
    return digest.hexdigest()


def _places(package: str) -> list[Path] | None:
    """A package's folders, or the file that a module is."""
    spec = find_spec(package)
    if spec is None:
        return []  # loading it says so, and says more
    if spec.submodule_search_locations is not None:
        return [Path(folder) for folder in spec.submodule_search_locations]
    return [Path(spec.origin)] if spec.has_location and spec.origin and Path(spec.origin).exists() else None


def _files(places: Iterable[Path]) -> Iterator[bytes]:
    """A line for every source at these places."""
    for place in places:
        if not place.is_dir():
            yield _line(str(place), place.stat())
            continue
        folders = [str(place)]
        while folders:
            with os.scandir(folders.pop()) as entries:  # a fifth of the time that pathlib takes
                for entry in sorted(entries, key=lambda one: one.name):
                    if entry.name.endswith(".py"):
                        yield _line(entry.path, entry.stat())
                    elif not entry.name.startswith(("__pycache__", ".")) and entry.is_dir():
                        folders.append(entry.path)


def _line(path: str, status: os.stat_result) -> bytes:
    # whole seconds: layers of an image keep no more
    return f"{path} {status.st_size} {int(status.st_mtime)}\n".encode()


def _folders() -> Iterator[Path]:
    """Where manifests are kept, the best place first."""
    yield Path(__file__).resolve().parent / "__pycache__"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    if cache.is_absolute():
        yield cache / "llmcoder"


def _name(stamp: str) -> str:
    return f"manifest-{stamp}.json"


def _forget_old(folder: Path) -> None:
    found = sorted(folder.glob(_name("*")), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[KEPT:]:
        path.unlink(missing_ok=True)
