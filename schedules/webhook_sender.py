"""Sends the webhooks that go out, by the Standard Webhooks scheme. Any number of schedulers may.

Each process has some threads that send, and takes as many messages as it has threads free, by turns between users: a
few of one user at most and two of one webhook, so that receivers that hang hold up their own user's messages and no
others.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from engine.outbox import Outbox
from llmcoder import faults
from llmcoder.errors import ActionError
from llmcoder.logger import get_logger
from llmcoder.signatures import sign
from models.audit import log as audit
from models.audit.log import Entry, Event
from models.db.database import TRANSIENT_ERRORS, Database
from models.webhooks import outbound as webhooks
from models.webhooks.outbound import ClaimedDelivery
from models.webhooks.tables import DeliveryState

if TYPE_CHECKING:
    from llmcoder.net import GuardedClient

log = get_logger(__name__)

#: When a message is tried again that failed; the last is more than a day after the first.
WAITS_S = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
#: A webhook that has only failed for so long is disabled.
DISABLED_AFTER = timedelta(days=3)
LONGEST_REST_S = 600
#: Threads; of those for one user's messages, so that no user's receivers keep them all; and for one webhook's.
SENDERS, OF_USER, OF_EACH = 16, 4, 2
#: Of one webhook before others have their turn at a thread, and for how long.
IN_A_ROW, IN_A_ROW_S = 50, 2.0
ANSWER_WITHIN_S = 15.0
#: Whoever took a message and has not said how it went by then has died with it.
LOST_AFTER_S = 60.0
WEBHOOKS_AT_ONCE, CHANGES_AT_ONCE = 50, 200
LARGEST_ANSWER_BYTES = 64 * 1024
LONGEST_ERROR_CHARS = 500


@dataclass(frozen=True)
class DeliveryOutcome:
    """How a try went.

    Attributes:
        status: Of the answer; None where there was none.
        error: None where it was delivered.
    """

    status: int | None
    error: str | None

    @property
    def gone(self) -> bool:
        """The receiver says that it wants no more, as Standard Webhooks has it."""
        return self.status == 410


class Sending:
    """The two duties: make messages of what changed, and send those that are due.

    Args:
        http: Made when something is sent.
    """

    def __init__(self, db: Database, outbox: Outbox, http: Callable[[], GuardedClient]) -> None:
        self._db = db
        self._outbox = outbox
        self._http = http
        self._pool = ThreadPoolExecutor(SENDERS, "webhook")
        self._busy: Counter[UUID] = Counter()
        self._busy_users: Counter[UUID] = Counter()
        self._last_user: UUID | None = None
        self._last_made: UUID | None = None
        self._ending = False
        self._lock = threading.Lock()

    def make_messages(self) -> int:
        """Make messages of what changed; returns how many webhooks had something."""
        total = 0
        while self._is_there(webhooks.any_behind):
            at_once = WEBHOOKS_AT_ONCE, CHANGES_AT_ONCE
            with self._db.write() as conn:
                done = webhooks.make_messages(conn, self._db.now(), *at_once, self._last_made)
            if not done:
                break  # another scheduler has them
            self._last_made = done[-1]
            total += len(done)
        return total

    def send(self) -> int:
        """Hand the senders as many messages as they have time for; returns how many."""
        with self._lock:
            busy, of_users = dict(self._busy), dict(self._busy_users)
        room = SENDERS - sum(busy.values())
        users = self._turns(of_users) if room > 0 else []
        if not users:
            return 0
        taken: list[ClaimedDelivery] = []
        with self._db.write() as conn:
            for user_id in users[:room]:
                share = max(1, room // len(users))
                limit = min(share, OF_USER - of_users.get(user_id, 0), room - len(taken))
                taken += webhooks.take(conn, user_id, self._db.now(), busy, OF_EACH, limit, LOST_AFTER_S)
                self._last_user = user_id
        for one in taken:
            with self._lock:
                self._busy[one.webhook.id] += 1
                self._busy_users[one.webhook.user_id] += 1
            self._pool.submit(self._send_one, one)
        return len(taken)

    def _turns(self, of_users: Mapping[UUID, int]) -> list[UUID]:
        """Users who have something to send: those with the fewest under way, and after the one of the last turn."""
        full = {user_id for user_id, number in of_users.items() if number >= OF_USER}
        with self._db.read() as conn:
            users = webhooks.users_to_send(conn, self._db.now(), full)
        last = self._last_user
        return sorted(users, key=lambda one: (of_users.get(one, 0), last is not None and one <= last))

    def close(self) -> None:
        """Wait for what is under way; what nobody began is sent by another, or later."""
        self._ending = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _send_one(self, taken: ClaimedDelivery) -> None:
        """Send a message, and others of its webhook as long as it takes them well."""
        one = taken
        ends_at = time.monotonic() + IN_A_ROW_S
        try:
            for left in reversed(range(IN_A_ROW)):
                outcome = self._try(one)
                faults.reach("webhooks.after_send")
                go_on = left > 0 and not self._ending and time.monotonic() < ends_at
                following = self._write_down(one, outcome, go_on=go_on)
                if following is None:
                    break
                one = following
        except TRANSIENT_ERRORS as error:  # it is sent again when it counts as lost
            log.warning("how a webhook went could not be written down", error=type(error).__name__)
        except Exception:  # the end of a thread of ours: its message is sent again when it counts as lost
            log.exception("a webhook could not be sent")
        finally:
            with self._lock:
                self._busy[taken.webhook.id] -= 1
                self._busy_users[taken.webhook.user_id] -= 1
                self._busy += Counter()  # forgets those at zero
                self._busy_users += Counter()

    def _try(self, taken: ClaimedDelivery) -> DeliveryOutcome:
        from llmcoder.net import Limits

        body = taken.payload.encode()
        sent_at = str(int(self._db.now().timestamp()))
        signatures = [sign(secret, str(taken.id), sent_at, body) for secret in taken.secrets]
        headers = {
            "content-type": "application/json", "webhook-id": str(taken.id), "webhook-timestamp": sent_at,
            "webhook-signature": " ".join(signatures),
        }  # fmt: skip
        limits = Limits(
            connect_s=5, read_s=ANSWER_WITHIN_S, total_s=ANSWER_WITHIN_S, redirects=0,
            wire_bytes=LARGEST_ANSWER_BYTES, decoded_bytes=LARGEST_ANSWER_BYTES,
        )  # fmt: skip
        try:
            answer = self._http().request("POST", taken.webhook.url, headers=headers, content=body, limits=limits)
        except ActionError as error:
            return DeliveryOutcome(None, error.detail[:LONGEST_ERROR_CHARS])
        if 200 <= answer.status < 300:
            return DeliveryOutcome(answer.status, None)
        return DeliveryOutcome(answer.status, f"It was answered with {answer.status}.")

    def _write_down(self, taken: ClaimedDelivery, outcome: DeliveryOutcome, *, go_on: bool) -> ClaimedDelivery | None:
        """Keep how it went; where it went well, and there is time, the webhook's next message is taken at once."""
        if outcome.error is not None:
            self._write_failure(taken, outcome, outcome.error)
            return None
        now = self._db.now()
        with self._db.write() as conn:
            webhooks.end(conn, taken, DeliveryState.DELIVERED, outcome.status, None, None, now)
            if taken.webhook.failures:
                webhooks.change(conn, taken.webhook.id, _WELL)
            following = webhooks.take_of(conn, taken.webhook.id, now, 1, LOST_AFTER_S) if go_on else []
        return following[0] if following else None

    def _write_failure(self, taken: ClaimedDelivery, outcome: DeliveryOutcome, error: str) -> None:
        now = self._db.now()
        again = None if outcome.gone else _next_try(taken, now)
        disabled = _why_disabled(taken, outcome, now)
        with self._db.write() as conn:
            state = DeliveryState.FAILED if again is None else DeliveryState.PENDING
            webhooks.end(conn, taken, state, outcome.status, error, again, now)
            webhooks.change(conn, taken.webhook.id, _badly(taken, disabled, now))
            if disabled is not None:
                about = str(taken.webhook.id), taken.webhook.user_id
                audit.append(conn, [Entry(Event.WEBHOOK_DISABLED, *about)], now)
        if disabled is not None:
            message = {"type": "webhook", "id": str(taken.webhook.id), "state": "disabled", "detail": disabled}
            self._outbox.live(taken.webhook.user_id, message)

    def _is_there(self, question: Callable[..., bool]) -> bool:
        with self._db.read() as conn:
            return question(conn, self._db.now())


_WELL: dict[str, object] = {"failures": 0, "failing_since": None, "resting_until": None}


def _next_try(taken: ClaimedDelivery, now: datetime) -> datetime | None:
    return now + timedelta(seconds=WAITS_S[taken.tries - 1]) if taken.tries <= len(WAITS_S) else None


def _why_disabled(taken: ClaimedDelivery, outcome: DeliveryOutcome, now: datetime) -> str | None:
    if outcome.gone:
        return "Disabled, since the receiver answered 410: it wants no more."
    since = taken.webhook.failing_since
    if since is not None and now - since > DISABLED_AFTER:
        return f"Disabled, since everything has failed from {since:%Y-%m-%d %H:%M} UTC on. The last: {outcome.error}"
    return None


def _badly(taken: ClaimedDelivery, disabled: str | None, now: datetime) -> dict[str, object]:
    """The columns of a webhook after one more failure."""
    failures = taken.webhook.failures + 1
    rest_s = min(2.0 ** min(failures, 20), LONGEST_REST_S)
    values: dict[str, object] = {
        "failures": failures,
        "failing_since": taken.webhook.failing_since or now,
        "resting_until": now + timedelta(seconds=rest_s),
    }
    return values if disabled is None else {**values, "enabled": False, "note": disabled}
