"""How long the engine's processes wait for one another: one value, which each of them has from its start.

None of it is a setting: an operator has no reason to change it, and the promises hold whatever it is. Tests have real
processes wait a fraction of it, by `LLMCODER_TIMING=0.2`, so that what follows a death is seen within seconds.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """All in seconds.

    Attributes:
        shortest_lease_s: What LEASE_S may be at least.
        look_s: How often a worker looks after its running jobs: deadlines, cancellations, and leases, which are renewed
            when a quarter of one is over.
        beat_s: How often a worker says that it is there.
        idle_look_s: How often an idle worker looks into SQL by itself, so that it works on while the broker is away.
        stand_back_s: How long a worker whose slots are all taken leaves messages to others.
        grace_s: How long an action may take to notice that it should end.
        drain_s: How long a worker that is told to stop lets its jobs run on.
        rescue_every_s: How often expired leases are looked for.
        release_every_s: How often what waits for nothing any more, or for a decision for too long, is looked for.
        ring_again_s: How long a job that was rung for may be unclaimed before it is rung for again.
        reconcile_after_s: How long after an effect of unknown outcome its provider is asked.
        idle_transaction_s: How long PostgreSQL keeps a transaction in which nothing happens: that of a process that is
            frozen would keep its jobs from being rescued until it wakes up.
    """

    shortest_lease_s: float = 5.0
    look_s: float = 1.0
    beat_s: float = 5.0
    idle_look_s: float = 2.0
    stand_back_s: float = 1.0
    grace_s: float = 5.0
    drain_s: float = 5.0
    rescue_every_s: float = 2.0
    release_every_s: float = 5.0
    ring_again_s: float = 15.0
    reconcile_after_s: float = 5.0
    idle_transaction_s: float = 60.0

    def __post_init__(self) -> None:
        if min(getattr(self, field.name) for field in fields(self)) <= 0:
            raise ValueError("nothing waits for no time at all: it would look without a pause")
        if self.look_s > self.shortest_lease_s / 4:
            raise ValueError(
                "a lease is renewed when a quarter of it is over, so that a worker looks as often at least"
            )
        if self.ring_again_s < 2 * self.idle_look_s:
            raise ValueError("idle workers look before a job is rung for again, or each is rung for twice")

    def scaled(self, by: float) -> Timing:
        """The same, with every wait so many times as long."""
        return Timing(**{field.name: getattr(self, field.name) * by for field in fields(self)})


#: That of this process.
TIMING = Timing().scaled(float(os.environ.get("LLMCODER_TIMING", "1")))
