"""Run one action with a fake context: no queue, no database, no broker.

    run = run_action(keep_text, {"text": "milk"}, FakeContext([PasteSettings(paste_url=server.url)]))
    assert run.result.url == "https://pastes.example/1"
    assert run.markers == [{"reference": str(run.context.job_id)}]  # what it armed its effect with
    assert run.context.pauses == []  # no answer asked to wait

The input that takes the effect back, for an action with a way back:

    assert keep_text.undo.input(given, run.result) == PasteChoice(url="https://pastes.example/1")
"""

from __future__ import annotations

import hashlib
import io
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel

from llmcoder.connection import Connection
from llmcoder.context import Context, S, User
from llmcoder.declare.action import Action, In, Out
from llmcoder.declare.connection import C, Caller, ConnectionKind, keeping_refresh_token
from llmcoder.errors import Cancelled, NotConfigured, NotFound
from llmcoder.file import FileRef, Source, StoredFile, pieces
from llmcoder.ids import new_id
from llmcoder.provenance import Taint, Trail, following
from llmcoder.settings import Settings
from llmcoder.usage import ProviderCall, UsageLedger

if TYPE_CHECKING:
    from llmcoder.model import Model
    from llmcoder.net import GuardedClient, Network

T = TypeVar("T", bound=BaseModel)
P = TypeVar("P")


class FakeConnection(Connection[C]):
    """An account that remembers what was kept of it.

    Attributes:
        replaced: Credentials that were kept, the newest last.
    """

    def __init__(self, kind: ConnectionKind[C], account: str, credentials: C, caller: Caller) -> None:
        self.kind = kind
        self.account = account
        self.replaced: list[C] = []
        self._credentials = credentials
        self._caller = caller

    @property
    def credentials(self) -> C:
        return self._credentials

    @property
    def caller(self) -> Caller:
        return self._caller

    def replace(self, credentials: C) -> C:
        self._credentials = keeping_refresh_token(credentials, self._credentials)
        self.replaced.append(self._credentials)
        return self._credentials

    def renew(self, make: Callable[[C], C]) -> C:
        return self.replace(make(self._credentials))


class FakeLedger(UsageLedger):
    """A ledger in memory, without a budget.

    Attributes:
        calls: Those that were counted, by id: (call, model, tokens in, tokens out).
    """

    def __init__(self) -> None:
        self.calls: dict[UUID, tuple[ProviderCall, str, int | None, int | None]] = {}

    def begin(self, call: ProviderCall) -> UUID:
        call_id = new_id()
        self.calls[call_id] = (call, call.model, None, None)
        return call_id

    def end(self, call_id: UUID, model: str, tokens_in: int | None, tokens_out: int | None, written: int) -> None:
        self.calls[call_id] = (self.calls[call_id][0], model, tokens_in, tokens_out)

    def drop(self, call_id: UUID) -> None:
        del self.calls[call_id]


class FakeContext(Context):
    """A context that records what the action did: `progress_seen`, `log_seen`, `tokens`, `markers`, `pauses`, `usage`,
    `attached` (contents by name). `give_file` has it know a file that the action may read.

    Args:
        settings: Settings the action sees; other kinds have their defaults.
        services: Instances that `use` gives out, by the interface they implement; else the registry's provider.
        cancel_after: The cancellation takes hold at this many calls of progress, log, token or check; None never.
        fetch_allow: Hosts or networks the guarded client may reach although they are not public.
        timeout_s: Seconds until the deadline.
        connections: Credentials of the user's accounts, by kind; where there are none, the installation's count. Of
            several kinds that an action serves, the first here is the chosen one.
        account: What the user's accounts are called.
        action: Name of the action that runs; `run_action` knows it.
    """

    def __init__(
        self,
        settings: Iterable[Settings] = (),
        *,
        services: Iterable[object] = (),
        job_id: UUID | None = None,
        user: User | None = None,
        attempt: int = 1,
        cancel_after: int | None = None,
        fetch_allow: tuple[str, ...] = (),
        timeout_s: float = 60.0,
        connections: Mapping[ConnectionKind[Any], Model] | None = None,
        account: str = "someone@example.org",
        action: str = "test.action",
    ) -> None:
        self.job_id = job_id or new_id()
        self.attempt = attempt
        self.user = user or User(new_id(), "someone@example.org")
        self.action = action
        self.trail = Trail(self.job_id)
        self.progress_seen: list[tuple[float, str]] = []
        self.log_seen: list[str] = []
        self.tokens: list[str] = []
        self.markers: list[Mapping[str, str]] = []
        self.confirmations = 0
        self.pauses: list[datetime] = []
        self.usage = FakeLedger()
        self.attached: dict[str, bytes] = {}
        self._files: dict[UUID, tuple[StoredFile, bytes]] = {}
        self._settings = {type(given): given for given in settings}
        self._services = tuple(services)
        self._cancel_after = cancel_after
        self._looks = 0
        self._net: Network | None = None
        self._fetch_allow = fetch_allow
        self._deadline = time.monotonic() + timeout_s
        self._connections: dict[ConnectionKind[Any], FakeConnection[Any]] = {
            kind: FakeConnection(kind, account, credentials, self) for kind, credentials in (connections or {}).items()
        }

    def settings(self, kind: type[S]) -> S:
        found = self._settings.get(kind)
        return found if isinstance(found, kind) else kind()

    def progress(self, fraction: float, message: str = "") -> None:
        self.check()
        self.progress_seen.append((fraction, message))

    def log(self, message: str, **fields: str | int | float | bool | None) -> None:
        self.check()
        self.log_seen.append(message)

    def emit_token(self, text: str) -> None:
        self.check()
        self.tokens.append(text)

    def cancelled(self) -> bool:
        self._looks += 1
        return self._cancel_after is not None and self._looks > self._cancel_after

    def wait(self, seconds: float) -> None:
        self.check()

    def armed(self, marker: Mapping[str, str] | None = None) -> None:
        if self.cancelled():
            raise Cancelled("The job was cancelled before its effect.")
        self.markers.append(dict(marker or {}))

    def confirmed(self) -> None:
        self.confirmations += 1

    def give_file(self, name: str, content: bytes, media_type: str = "application/octet-stream") -> FileRef:
        """A file that the user has uploaded."""
        stored = StoredFile(new_id(), name, media_type, len(content), hashlib.sha256(content).hexdigest())
        self._files[stored.id] = (stored, content)
        return stored.ref

    def attach(self, name: str, source: Source, media_type: str | None = None) -> FileRef:
        self.check()
        if name in self.attached:
            raise ValueError(f"the action attaches two files of the name {name!r}")
        self.attached[name] = b"".join(pieces(source))
        return self.give_file(name, self.attached[name], media_type or "application/octet-stream")

    def file(self, ref: FileRef) -> StoredFile:
        return self._file(ref)[0]

    @contextmanager
    def open_file(self, ref: FileRef) -> Iterator[IO[bytes]]:
        self.trail.read(Taint.OUTSIDE)
        yield io.BytesIO(self._file(ref)[1])

    @contextmanager
    def file_copy(self, ref: FileRef) -> Iterator[Path]:
        self.trail.read(Taint.OUTSIDE)
        stored, content = self._file(ref)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, stored.name)
            path.write_bytes(content)
            yield path

    def _file(self, ref: FileRef) -> tuple[StoredFile, bytes]:
        found = self._files.get(ref.id)
        if found is None or found[0].sha256 != ref.sha256:
            raise NotFound(f"You have no file {ref.id}.")
        return found

    def heed(self, headers: Mapping[str, str], account: str = "", provider: str = "") -> None:
        from llmcoder.declare.rate import pause_until

        if (until := pause_until(headers, datetime.now(UTC))) is not None:
            self.pauses.append(until)

    def connection(self, kind: ConnectionKind[C]) -> FakeConnection[C]:
        if kind not in self._connections:
            own = kind.fallback(self.settings) if kind.fallback is not None else None
            if own is None:
                raise NotConfigured(f"There is no {kind.title} account.")
            self._connections[kind] = FakeConnection(kind, "", own, self)
        return self._connections[kind]

    def connection_of(self, kinds: Sequence[ConnectionKind[Any]]) -> FakeConnection[Any]:
        if (own := next((kind for kind in self._connections if kind in kinds), None)) is not None:
            return self._connections[own]
        for kind in kinds:
            if kind.fallback is not None and kind.fallback(self.settings) is not None:
                return self.connection(kind)
        raise NotConfigured(f"There is no {' or '.join(kind.title for kind in kinds)} account.")

    def use(self, interface: type[P]) -> P:
        for service in self._services:
            if isinstance(service, interface):
                return service
        if isinstance(self.usage, interface):
            return self.usage
        from llmcoder.registry import registry

        return registry().provider(interface).make(self)

    @property
    def remaining_s(self) -> float:
        return self._deadline - time.monotonic()

    @property
    def http(self) -> GuardedClient:
        from llmcoder.net import GuardedClient

        return GuardedClient(allow=self._fetch_allow)

    @property
    def net(self) -> Network:
        if self._net is None:
            from llmcoder.net import Network

            self._net = Network(
                allow=self._fetch_allow,
                remaining_s=lambda: self.remaining_s,
                check=self._check_without_counting,
                job=str(self.job_id),
            )
        return self._net

    def close(self) -> None:
        """End what the action has opened and not closed, as a worker does."""
        if self._net is not None:
            self._net.close()

    def _check_without_counting(self) -> None:
        """Connections look by themselves, nobody knows how often."""
        if self._cancel_after is not None and self._looks > self._cancel_after:
            raise Cancelled("The job was cancelled while it ran.")


@dataclass(frozen=True)
class Run(Generic[T]):
    """What one run of an action gave and did."""

    result: T
    context: FakeContext
    progress: list[tuple[float, str]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    markers: list[Mapping[str, str]] = field(default_factory=list)


def run_action(action: Action[In, Out], given: In | Mapping[str, Any], context: FakeContext | None = None) -> Run[Out]:
    """Validate the input, run the action, validate the result.

    Raises:
        ActionError: What the action raised; `NotConfigured` when a required setting is missing.
        AssertionError: The action broke its declaration (a result of another type, a write that never armed).
    """
    ctx = context or FakeContext()
    ctx.action = action.name
    for kind in action.requires:
        if missing := ctx.settings(kind).missing():
            raise NotConfigured(f"{action.name} needs {', '.join(missing)}.")
    checked = given if isinstance(given, action.input) else action.input.model_validate(given)
    try:
        with following(ctx.trail):
            result = action(checked, ctx)
    finally:
        ctx.close()
    if not isinstance(result, action.output):
        raise AssertionError(f"{action.name} returned {type(result).__name__}, not {action.output.__name__}")
    if action.effect.writes and not action.repeatable and not ctx.markers:
        raise AssertionError(f"{action.name}: a write that is not repeatable calls ctx.armed() before it calls out")
    return Run(result, ctx, ctx.progress_seen, ctx.log_seen, ctx.tokens, ctx.markers)
