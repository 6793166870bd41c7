"""The rows of the crash matrix: what is done to the engine while jobs are under way."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.crash.client import Wanted
from tests.crash.injections import (
    Inject,
    broker_flushed,
    broker_keys_spoilt,
    broker_killed,
    broker_out_of_memory,
    broker_paused,
    broker_read_only,
    clock_jumped,
    connections_cut,
    connections_used_up,
    database_frozen,
    database_read_only,
    database_restarted,
    disk_filled,
    dispatcher_killed,
    nothing_more,
    provider_cut,
    several_at_once,
    worker_frozen,
    worker_killed,
    worker_woken,
)
from tests.crash.surroundings import can_compile, can_mount

NOT_APPLICABLE_TO_A_FILE = "a file has no connections"


@dataclass(frozen=True)
class Fault:
    """One row.

    Attributes:
        name: As the table shows it.
        does: What is done, for the reader of the table.
        uncertain: Which jobs may end so, and why.
        jobs: How many are submitted in the long run.
        parts: Which get `planted`.
        planted: Named faults for their environment, see `llmcoder.faults`.
        special: Jobs beside the usual mix.
        expected: State by action of the special ones.
        not_on: A store where there is no such thing, and why.
        impossible: Why it cannot be done here; None where it can.
    """

    name: str
    does: str
    uncertain: str
    inject: Inject
    jobs: int = 600
    jobs_per_s: float = 36.0
    parts: str = ""
    planted: str = ""
    proxied: bool = False
    heavy: bool = False
    needs_clock: bool = False
    needs_switch: bool = False
    small_disk_mb: dict[str, int] = field(default_factory=dict)
    special: tuple[Wanted, ...] = ()
    expected: dict[str, str] = field(default_factory=dict)
    not_on: dict[str, str] = field(default_factory=dict)
    impossible: Callable[[], str | None] = lambda: None


# --- the rows

_NONE = "none by the fault"
_UNRENEWED = "blind writes under way in a worker that could not renew its leases"
_LOST_ARMED = "blind writes that were armed in the worker that died: it may have sent, and nobody can be asked"


def _at(point: str, name: str, probability: float, uncertain: str, does: str) -> Fault:
    return Fault(
        name=name,
        does=f"{does} (`{point}`, with a probability of {probability:g} each time)",
        uncertain=uncertain,
        inject=nothing_more,
        jobs=800,
        jobs_per_s=30.0,
        parts="io",
        planted=f"{point}=kill:{probability:g}",
    )


FAULTS = (
    _at("worker.before_claim", "before claim", 0.04, _LOST_ARMED, "a worker dies as it begins to claim"),
    _at("worker.after_claim", "after claim", 0.05, _LOST_ARMED, "a worker dies when it has claimed"),
    _at("worker.before_arm", "before arm", 0.06, _LOST_ARMED, "a worker dies as it is about to arm an effect"),
    _at("worker.after_arm", "after arm", 0.05, _LOST_ARMED, "a worker dies when an effect is armed and nothing sent"),
    _at(
        "worker.after_effect",
        "after the provider answered",
        0.05,
        _LOST_ARMED,
        "a worker dies when the action has returned and its ending is not written",
    ),
    _at(
        "worker.after_finish",
        "after the finish commit",
        0.05,
        _LOST_ARMED,
        "a worker dies when an ending is written and nobody was told",
    ),
    Fault(
        "API killed while it accepts",
        "both APIs die, before or after the commit of what they accept (`submit.before_commit`, `submit.after_commit`, "
        "0.02 each); clients repeat with the same key",
        _NONE,
        nothing_more,
        parts="api",
        planted="submit.before_commit=kill:0.02,submit.after_commit=kill:0.02",
    ),
    Fault(
        "after a webhook was sent",
        "a scheduler dies when a webhook's receiver has answered and nobody has written it down "
        "(`webhooks.after_send`, with a probability of 0.02 each time)",
        _NONE,
        nothing_more,
        parts="scheduler",
        planted="webhooks.after_send=kill:0.02",
    ),
    Fault("broker killed", "`redis-server` gets SIGKILL and starts empty", _NONE, broker_killed),
    Fault("broker flushed", "FLUSHALL", _NONE, broker_flushed),
    Fault(
        "broker paused",
        "`redis-server` gets SIGSTOP for 10 s: it holds its connections and answers nobody",
        _NONE,
        broker_paused,
        jobs_per_s=30.0,
    ),
    Fault(
        "broker keys of a wrong type",
        "every key by which doorbells travel is deleted and SET to a text (queues, bindings; the epoch becomes a "
        "list), again and again, and stays so",
        _NONE,
        broker_keys_spoilt,
    ),
    Fault(
        "broker out of memory",
        "`CONFIG SET maxmemory 1` without eviction for 2 to 6 s: Redis answers, and takes no message",
        _NONE,
        broker_out_of_memory,
    ),
    Fault(
        "broker read-only",
        "Redis is made the replica of a server that does not exist for 2 to 6 s, and refuses to write",
        _NONE,
        broker_read_only,
    ),
    Fault(
        "database restarted",
        "PostgreSQL gets SIGQUIT, an immediate shutdown without a checkpoint, and recovers; on SQLite a foreign "
        "process holds the write lock for 1 to 8 s, longer than a lease",
        _UNRENEWED,
        database_restarted,
        jobs_per_s=24.0,
    ),
    Fault(
        "connections cut",
        "a proxy resets every connection to PostgreSQL, in the middle of whatever they carry",
        _UNRENEWED,
        connections_cut,
        proxied=True,
        not_on={"SQLite": NOT_APPLICABLE_TO_A_FILE},
    ),
    Fault(
        "database read-only",
        "PostgreSQL refuses to write for 1 to 8 s (`default_transaction_read_only`, every session ended), as on a "
        "standby after a failover; on SQLite every write to the database's folder fails with EROFS, as on a disk "
        "that had an error",
        _UNRENEWED,
        database_read_only,
        jobs_per_s=24.0,
        needs_switch=True,
        impossible=lambda: None if can_compile() else "needs gcc",
    ),
    Fault(
        "database frozen",
        "every process of PostgreSQL gets SIGSTOP for longer than a lease, and then SIGCONT; on SQLite a foreign "
        "process that is amid a write does",
        _UNRENEWED,
        database_frozen,
        jobs_per_s=18.0,
    ),
    Fault(
        "connections used up",
        "somebody ends every session of PostgreSQL, takes all of its connections and keeps them for 1 to 7 s",
        _UNRENEWED,
        connections_used_up,
        jobs_per_s=24.0,
        not_on={"SQLite": NOT_APPLICABLE_TO_A_FILE},
    ),
    Fault(
        "provider cut",
        "every connection to the provider is reset at once, in the middle of whatever it carries",
        "blind writes that were under way: they may have been done",
        provider_cut,
    ),
    Fault("worker killed", "an io worker gets SIGKILL at any time", _LOST_ARMED, worker_killed),
    Fault(
        "worker frozen",
        "an io worker gets SIGSTOP for longer than its lease, then SIGCONT",
        "blind writes that were armed in the frozen worker",
        worker_frozen,
        jobs_per_s=14.0,
    ),
    Fault(
        "frozen when armed",
        "an io worker stops by SIGSTOP when an effect is armed and nothing sent (`worker.after_arm`, with a "
        "probability of 0.05 each time), for so long that others ask the provider and decide, then SIGCONT",
        "blind writes that were armed in the frozen worker",
        worker_woken,
        jobs=400,
        jobs_per_s=12.0,
        parts="io",
        planted="worker.after_arm=stop:0.05",
    ),
    Fault(
        "out of memory",
        "jobs that raise MemoryError, jobs whose process the kernel ends (SIGKILL, SIGSEGV) in the pool of processes, "
        "and one that takes a whole io worker along",
        _LOST_ARMED,
        nothing_more,
        heavy=True,
        special=(
            *(Wanted("crash.run_out_of_memory", {"number": number}) for number in range(10)),
            *(Wanted("crash.end_process", {"how": int(how)}) for how in [signal.SIGKILL, signal.SIGSEGV] * 2),
            Wanted("crash.end_worker", {"how": int(signal.SIGKILL)}),
        ),
        expected=dict.fromkeys(("crash.run_out_of_memory", "crash.end_process", "crash.end_worker"), "failed"),
    ),
    Fault("two dispatchers", "two schedulers run, and one of them gets SIGKILL in turn", _NONE, dispatcher_killed),
    Fault(
        "clock jumps",
        "the wall clock of every process, Redis and PostgreSQL included, jumps by an hour: forward, forward, back, "
        "forward, forward",
        "blind writes under way when their leases seemed to have run out",
        clock_jumped,
        needs_clock=True,
        impossible=lambda: None if can_compile() else "needs gcc",
    ),
    Fault(
        "disk full",
        "the file system of the database has not one byte left for 1 to 4 s",
        "blind writes whose ending could not be written before their lease ran out",
        disk_filled,
        small_disk_mb={"SQLite": 24, "PostgreSQL": 192},
        impossible=lambda: None if can_mount() else "needs a file system of its own, which only root may mount",
    ),
    Fault(
        "several at once",
        "two or three of the faults of broker, database, provider, workers, schedulers and APIs for 6 to 12 s, then "
        "others",
        "blind writes under way in a worker that died or could not renew its leases",
        several_at_once,
        jobs=1_000,
        jobs_per_s=16.0,
        proxied=True,
        needs_switch=True,
        impossible=lambda: None if can_compile() else "needs gcc",
    ),
)
