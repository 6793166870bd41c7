"""The rows of the crash matrix: what is done to the engine while jobs are under way."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.crash.client import Wanted
from tests.crash.cluster import LEASE_S, Cluster
from tests.crash.surroundings import Clock, SmallDisk, can_jump, can_mount, hold_write_lock

HOUR_S = 3_600
NOT_APPLICABLE_TO_A_FILE = "a file has no connections"


@dataclass
class Scene:
    """What a fault can reach.

    Attributes:
        over: Set when the last job was accepted.
    """

    cluster: Cluster
    rng: random.Random
    over: threading.Event
    clock: Clock | None = None
    disk: SmallDisk | None = None

    def pause(self, low_s: float, high_s: float) -> bool:
        """Wait for a while; False when the last job was accepted meanwhile."""
        return not self.over.wait(self.rng.uniform(low_s, high_s))


#: Does it again and again until all is accepted, leaves nothing broken behind, and says how often it did it.
Inject = Callable[[Scene], int]


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
    small_disk_mb: dict[str, int] = field(default_factory=dict)
    special: tuple[Wanted, ...] = ()
    expected: dict[str, str] = field(default_factory=dict)
    not_on: dict[str, str] = field(default_factory=dict)
    impossible: Callable[[], str | None] = lambda: None


# --- what is done


def nothing_more(scene: Scene) -> int:
    """The fault is planted in the processes; they are counted by their deaths."""
    scene.over.wait()
    return 0


def broker_killed(scene: Scene) -> int:
    done = 0
    while scene.pause(1.5, 3):
        done += scene.cluster.kill("redis")
    return done


def broker_flushed(scene: Scene) -> int:
    import redis

    done = 0
    with redis.Redis.from_url(scene.cluster.redis_url) as client:
        while scene.pause(0.2, 0.8):
            client.flushall()
            done += 1
    return done


def broker_paused(scene: Scene) -> int:
    done = 0
    while scene.pause(1, 2):
        scene.cluster.kill("redis", signal.SIGSTOP)
        scene.over.wait(10)
        scene.cluster.kill("redis", signal.SIGCONT)
        done += 1
    return done


def database_restarted(scene: Scene) -> int:
    """PostgreSQL: an immediate shutdown, which is a crash. SQLite: a stranger has the one write lock."""
    done = 0
    while scene.pause(2, 4):
        if "database" in scene.cluster.parts:
            done += scene.cluster.kill("database", signal.SIGQUIT)
        else:
            file = scene.cluster.database().url.database
            assert file is not None
            hold_write_lock(file, scene.rng.uniform(1, LEASE_S + 3))
            done += 1
    return done


def connections_cut(scene: Scene) -> int:
    done = 0
    while scene.pause(0.5, 2.5):
        done += scene.cluster.kill("proxy", signal.SIGUSR1)
    return done


def worker_killed(scene: Scene) -> int:
    done = 0
    while scene.pause(0.4, 1.6):
        done += scene.cluster.kill(scene.rng.choice(["io-1", "io-2"]))
    return done


def worker_frozen(scene: Scene) -> int:
    """For longer than its lease; one time in three for longer than what it had armed is waited for."""
    done = 0
    while scene.pause(0.2, 1):
        name = scene.rng.choice(["io-1", "io-2"])
        scene.cluster.kill(name, signal.SIGSTOP)
        extra_s = scene.rng.uniform(8, 12) if done % 3 == 2 else scene.rng.uniform(0.5, 3)
        scene.over.wait(LEASE_S + extra_s)
        scene.cluster.kill(name, signal.SIGCONT)
        done += 1
    return done


def dispatcher_killed(scene: Scene) -> int:
    done = 0
    names = ["scheduler-1", "scheduler-2"]
    while scene.pause(0.5, 1.5):
        done += scene.cluster.kill(names[done % 2])
    return done


def clock_jumped(scene: Scene) -> int:
    """An hour forward, another one, back one, forward again."""
    assert scene.clock is not None
    done = 0
    for offset_s in (HOUR_S, 2 * HOUR_S, HOUR_S, 2 * HOUR_S, 3 * HOUR_S):
        if not scene.pause(2, 3.5):
            break
        scene.clock.jump_to(offset_s)
        done += 1
    scene.over.wait()
    scene.clock.jump_to(3 * HOUR_S)
    return done


def disk_filled(scene: Scene) -> int:
    assert scene.disk is not None
    done = 0
    while scene.pause(2, 3):
        scene.disk.fill()
        scene.over.wait(scene.rng.uniform(1, 4))
        scene.disk.empty()
        done += 1
    return done


# --- the rows

_NONE = "none by the fault"
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
        "database restarted",
        "PostgreSQL gets SIGQUIT, an immediate shutdown without a checkpoint, and recovers; on SQLite a foreign "
        "process holds the write lock for 1 to 8 s, longer than a lease",
        "blind writes under way in a worker that could not renew its leases",
        database_restarted,
        jobs_per_s=24.0,
    ),
    Fault(
        "connections cut",
        "a proxy resets every connection to PostgreSQL, in the middle of whatever they carry",
        "blind writes under way in a worker that could not renew its leases",
        connections_cut,
        proxied=True,
        not_on={"SQLite": NOT_APPLICABLE_TO_A_FILE},
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
        impossible=lambda: None if can_jump() else "needs gcc",
    ),
    Fault(
        "disk full",
        "the file system of the database has not one byte left for 1 to 4 s",
        "blind writes whose ending could not be written before their lease ran out",
        disk_filled,
        small_disk_mb={"SQLite": 24, "PostgreSQL": 192},
        impossible=lambda: None if can_mount() else "needs a file system of its own, which only root may mount",
    ),
)
