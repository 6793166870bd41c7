"""How often a provider may be called: declared beforehand, and read from what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from llmcoder.retry_after import MAX_WAIT_S, retry_at

#: Share of the calls that may come at once after a pause.
BURST = 0.2
#: A reset beyond this is an instant (seconds since 1970) and not a number of seconds.
LONGEST_RESET_S = 10 * 365 * 86_400


@dataclass(frozen=True)
class Rate:
    """At most so many calls in any stretch of so many seconds, per account.

    A fifth of them may come at once; the rest is spread out, so that no stretch ever holds more.

    Args:
        calls: 1 or more.
        per_s: Length of the stretch in seconds, more than 0.
    """

    calls: int
    per_s: float

    def __post_init__(self) -> None:
        if self.calls < 1 or self.per_s <= 0:
            raise ValueError(f"{self}: calls >= 1 and per_s > 0 must hold")

    @property
    def burst(self) -> int:
        return max(1, int(self.calls * BURST))

    @property
    def interval(self) -> timedelta:
        """What one call uses up."""
        spread = self.calls - self.burst if self.calls > 1 else 1
        return timedelta(seconds=self.per_s / spread)

    @property
    def slack(self) -> timedelta:
        """How far calls may run ahead."""
        return self.interval * (self.burst - 1)


def pause_until(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """When a provider wants to be asked again, by the headers of any of its answers.

    Understood are `Retry-After`; `RateLimit-Remaining` and `RateLimit-Reset` (seconds) of the IETF draft
    draft-ietf-httpapi-ratelimit-headers; the older `X-RateLimit-*`, whose reset is seconds or seconds since 1970.

    Args:
        headers: Names in lower case, or a mapping that does not mind.
        now: Aware.

    Returns:
        None as long as calls are left.
    """
    if headers.get("retry-after"):
        return retry_at(headers, now)
    for prefix in ("ratelimit", "x-ratelimit", "x-rate-limit"):
        remaining, reset = _number(headers.get(f"{prefix}-remaining")), _number(headers.get(f"{prefix}-reset"))
        if remaining is not None and reset is not None and remaining < 1:
            return now + timedelta(seconds=min(max(_seconds(reset, now), 0.0), MAX_WAIT_S))
    return None


def _seconds(reset: float, now: datetime) -> float:
    return reset - now.timestamp() if reset > LONGEST_RESET_S else reset


def _number(text: str | None) -> float | None:
    digits = (text or "").strip()
    plain = digits.replace(".", "", 1)
    return float(digits) if plain.isascii() and plain.isdigit() and len(plain) < 20 else None
