"""The context a worker gives to a running action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from llmcoder.config import config
from llmcoder.context import Context, S, T, User
from llmcoder.registry import registry
from llmcoder.settings import EngineSettings
from workers.attempt import Attempt
from workers.ledger import Ledger
from workers.outbox import Outbox

if TYPE_CHECKING:
    from llmcoder.net import GuardedClient

MESSAGE_LIMIT = 2_000


class JobContext(Context):
    """One attempt, connected to the ledger and the outbox of its worker process."""

    def __init__(self, attempt: Attempt, ledger: Ledger, outbox: Outbox) -> None:
        self.job_id = attempt.claimed.id
        self.attempt = attempt.claimed.attempt
        self.user = User(attempt.claimed.user_id, attempt.claimed.email)
        self._attempt = attempt
        self._ledger = ledger
        self._outbox = outbox
        self._http: GuardedClient | None = None

    def settings(self, kind: type[S]) -> S:
        return config().get(kind)

    def use(self, interface: type[T]) -> T:
        return registry().provider(interface).make(self)

    def progress(self, fraction: float, message: str = "") -> None:
        self.check()
        fraction = min(max(float(fraction), 0.0), 1.0)
        message = message[:MESSAGE_LIMIT].replace("\0", "")
        self._attempt.show(fraction, message)
        self._live({"type": "progress", "fraction": fraction, "message": message})

    def log(self, message: str, **fields: str | int | float | bool | None) -> None:
        self.check()
        self._live({"type": "log", "message": message[:MESSAGE_LIMIT], "fields": fields})

    def emit_token(self, text: str) -> None:
        self.check()
        self._live({"type": "token", "text": text})

    def cancelled(self) -> bool:
        return self._attempt.should_end()

    def check(self) -> None:
        if self._attempt.should_end():
            raise self._attempt.error()

    def wait(self, seconds: float) -> None:
        self._attempt.wait(seconds)
        self.check()

    def armed(self, marker: Mapping[str, str] | None = None) -> None:
        self.check()
        if not self._ledger.arm(self.job_id, self.attempt, orjson.dumps(dict(marker or {})).decode()):
            from llmcoder.errors import Cancelled

            raise Cancelled("The job was cancelled, or is another attempt's by now; nothing was sent.")
        self._attempt.armed = True

    @property
    def remaining_s(self) -> float:
        return self._attempt.remaining_s

    @property
    def http(self) -> GuardedClient:
        if self._http is None:
            from llmcoder.net import GuardedClient

            self._http = GuardedClient(allow=self.settings(EngineSettings).fetch_allow)
        return self._http

    def _live(self, message: dict[str, Any]) -> None:
        self._outbox.live(self.user.id, message | {"job_id": str(self.job_id)})
