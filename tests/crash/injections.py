"""What the faults of the crash matrix do, each again and again while jobs are under way."""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import redis
import sqlalchemy as sa

from engine.broker import EPOCH_KEY, PREFIX, QUEUES
from tests.crash.cluster import LEASE_S, Cluster
from tests.crash.servers import all_connections, allow_writes, forbid_writes
from tests.crash.surroundings import Clock, SmallDisk, WriteSwitch, frozen, frozen_writer, hold_write_lock
from tests.ports import free_port

HOUR_S = 3_600
RESTORED_WITHIN_S = 30.0
FROZEN_LOOK_S = 0.1
#: In which one that was woken has its chance to send what it had armed.
AWAKE_S = 3.0
#: What another fault may have taken away from the one that is just doing something.
AWAY = (redis.RedisError, sa.exc.DBAPIError, OSError)
#: Keys by which Redis carries doorbells, whether they exist just now or not.
WORKED_ON = (EPOCH_KEY, *(f"{PREFIX}{name}" for name in QUEUES), *(f"{PREFIX}_kombu.binding.{name}" for name in QUEUES))


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
    switch: WriteSwitch | None = None

    def pause(self, low_s: float, high_s: float) -> bool:
        """Wait for a while; False when the last job was accepted meanwhile."""
        return not self.over.wait(self.rng.uniform(low_s, high_s))

    def episode(self) -> Scene:
        """The same for a while; who began it ends it."""
        return replace(self, rng=random.Random(self.rng.random()), over=threading.Event())

    def broker(self) -> redis.Redis:
        return redis.Redis.from_url(self.cluster.redis_url, socket_timeout=2)

    def insist(self, command: Callable[[redis.Redis], Any]) -> None:
        """Have the broker do what must be done; one that is killed meanwhile forgets what it was told before."""
        deadline = time.monotonic() + RESTORED_WITHIN_S
        while True:
            try:
                with self.broker() as client:
                    command(client)
                    return
            except redis.RedisError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


#: Does it again and again until all is accepted, leaves nothing broken behind; yields how often it just did it.
Inject = Callable[[Scene], Iterator[int]]


def nothing_more(scene: Scene) -> Iterator[int]:
    """The fault is planted in the processes; they are counted by their deaths."""
    scene.over.wait()
    yield 0


def broker_killed(scene: Scene) -> Iterator[int]:
    while scene.pause(1.5, 3):
        yield scene.cluster.kill("redis")


def broker_flushed(scene: Scene) -> Iterator[int]:
    with scene.broker() as client:
        while scene.pause(0.2, 0.8):
            client.flushall()
            yield 1


def broker_paused(scene: Scene) -> Iterator[int]:
    while scene.pause(1, 2):
        scene.cluster.kill("redis", signal.SIGSTOP)
        scene.over.wait(10)
        scene.cluster.kill("redis", signal.SIGCONT)
        yield 1


def broker_keys_spoilt(scene: Scene) -> Iterator[int]:
    """Nobody puts them right afterwards: that is the engine's."""
    while scene.pause(0.5, 2):
        with scene.broker() as client:
            for key in {*WORKED_ON, *client.scan_iter(f"{PREFIX}*")}:
                if key == EPOCH_KEY:
                    with client.pipeline() as both:  # at once, or the engine writes it in between
                        both.delete(key).rpush(key, "x").execute()
                else:
                    client.set(key, "x")
        yield 1


def broker_out_of_memory(scene: Scene) -> Iterator[int]:
    while scene.pause(1, 2):
        with scene.broker() as client:
            client.config_set("maxmemory", "1")
        yield 1
        scene.over.wait(scene.rng.uniform(2, 6))
        scene.insist(lambda client: client.config_set("maxmemory", "0"))


def broker_read_only(scene: Scene) -> Iterator[int]:
    """It becomes the replica of a server that does not exist, as after a failover that went wrong."""
    while scene.pause(1, 2):
        with scene.broker() as client:
            client.replicaof("127.0.0.1", str(free_port()))
        yield 1
        scene.over.wait(scene.rng.uniform(2, 6))
        scene.insist(lambda client: client.replicaof("NO", "ONE"))


def database_restarted(scene: Scene) -> Iterator[int]:
    """PostgreSQL: an immediate shutdown, which is a crash. SQLite: a stranger has the one write lock."""
    while scene.pause(2, 4):
        if scene.cluster.has_server:
            yield scene.cluster.kill("database", signal.SIGQUIT)
        else:
            hold_write_lock(scene.cluster.database_file, scene.rng.uniform(1, LEASE_S + 3))
            yield 1


def database_read_only(scene: Scene) -> Iterator[int]:
    """PostgreSQL: as on a standby after a failover. SQLite: as on a file system that had an error."""
    while scene.pause(2, 4):
        if scene.cluster.has_server:
            forbid_writes(scene.cluster)
        elif scene.switch is not None:
            scene.switch.forbid_writes()
        yield 1
        scene.over.wait(scene.rng.uniform(1, LEASE_S + 3))
        if scene.cluster.has_server:
            allow_writes(scene.cluster)
        elif scene.switch is not None:
            scene.switch.allow_writes()


def database_frozen(scene: Scene) -> Iterator[int]:
    """PostgreSQL: every process of it is stopped for longer than a lease. SQLite: its writer is."""
    while scene.pause(2, 4):
        for_s = LEASE_S + scene.rng.uniform(1, 4)
        if scene.cluster.has_server:
            with frozen(scene.cluster.pid("database")):
                yield 1
                scene.over.wait(for_s)
        else:
            with frozen_writer(scene.cluster.database_file):
                yield 1
                scene.over.wait(for_s)


def connections_used_up(scene: Scene) -> Iterator[int]:
    while scene.pause(1, 3):
        with all_connections(scene.cluster):
            yield 1
            scene.over.wait(scene.rng.uniform(1, LEASE_S + 2))


def connections_cut(scene: Scene) -> Iterator[int]:
    while scene.pause(0.5, 2.5):
        yield scene.cluster.kill("proxy", signal.SIGUSR1)


def provider_cut(scene: Scene) -> Iterator[int]:
    while scene.pause(0.3, 1.2):
        yield scene.cluster.kill("provider", signal.SIGUSR1)


def worker_killed(scene: Scene) -> Iterator[int]:
    while scene.pause(0.4, 1.6):
        yield scene.cluster.kill(scene.rng.choice(["io-1", "io-2"]))


def api_killed(scene: Scene) -> Iterator[int]:
    while scene.pause(1, 3):
        yield scene.cluster.kill(scene.rng.choice(["api-1", "api-2"]))


def worker_frozen(scene: Scene) -> Iterator[int]:
    """For longer than its lease; one time in three for longer than what it had armed is waited for."""
    done = 0
    while scene.pause(0.2, 1):
        name = scene.rng.choice(["io-1", "io-2"])
        scene.cluster.kill(name, signal.SIGSTOP)
        extra_s = scene.rng.uniform(8, 12) if done % 3 == 2 else scene.rng.uniform(0.5, 3)
        scene.over.wait(LEASE_S + extra_s)
        scene.cluster.kill(name, signal.SIGCONT)
        done += 1
        yield 1


def worker_woken(scene: Scene) -> Iterator[int]:
    """Workers freeze by themselves, at the planted point; each goes on when others have decided about its jobs.

    In the end all are replaced by workers without the fault: nobody would wake one that froze later.
    """
    wakes_at: dict[int, float] = {}
    while not scene.over.is_set() or wakes_at:
        time.sleep(FROZEN_LOOK_S)
        now = time.monotonic()
        for part in scene.cluster.named("io"):
            if part.is_stopped and part.pid not in wakes_at:
                wakes_at[part.pid] = now + LEASE_S + scene.rng.uniform(8, 14)
                yield 1
        for pid in [pid for pid, at in wakes_at.items() if now >= at]:
            del wakes_at[pid]
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    time.sleep(AWAKE_S)
    scene.cluster.pull_up()
    for part in scene.cluster.named("io"):
        scene.cluster.restart(part)


def dispatcher_killed(scene: Scene) -> Iterator[int]:
    names = itertools.cycle(["scheduler-1", "scheduler-2"])
    while scene.pause(0.5, 1.5):
        yield scene.cluster.kill(next(names))


def clock_jumped(scene: Scene) -> Iterator[int]:
    """An hour forward, another one, back one, forward again."""
    assert scene.clock is not None
    for offset_s in (HOUR_S, 2 * HOUR_S, HOUR_S, 2 * HOUR_S, 3 * HOUR_S):
        if not scene.pause(2, 3.5):
            break
        scene.clock.jump_to(offset_s)
        yield 1
    scene.over.wait()
    scene.clock.jump_to(3 * HOUR_S)


def disk_filled(scene: Scene) -> Iterator[int]:
    assert scene.disk is not None
    while scene.pause(2, 3):
        scene.disk.fill()
        scene.over.wait(scene.rng.uniform(1, 4))
        scene.disk.empty()
        yield 1


#: What may happen together, and what of it there is on a file.
TOGETHER: tuple[Inject, ...] = (
    broker_killed, broker_flushed, broker_paused, broker_keys_spoilt, broker_out_of_memory, broker_read_only,
    database_restarted, database_read_only, database_frozen, connections_used_up, connections_cut,
    provider_cut, worker_killed, worker_frozen, dispatcher_killed, api_killed,
)  # fmt: skip
OF_A_SERVER = frozenset({connections_used_up, connections_cut})


def several_at_once(scene: Scene) -> Iterator[int]:
    """Two or three of the others, again and again others."""
    possible = [one for one in TOGETHER if scene.cluster.has_server or one not in OF_A_SERVER]
    while not scene.over.wait(scene.rng.uniform(0.5, 2)):
        together = scene.rng.sample(possible, scene.rng.choice((2, 3)))
        episodes = [scene.episode() for _ in together]
        with ThreadPoolExecutor(len(together)) as side_by_side:
            done = [side_by_side.submit(_stubborn, *one) for one in zip(together, episodes, strict=True)]
            scene.over.wait(scene.rng.uniform(6, 12))
            for episode in episodes:
                episode.over.set()
        yield sum(one.result() for one in done)


def _stubborn(inject: Inject, scene: Scene) -> int:
    """How often it happened, also where another fault took away what it needs."""
    done = 0
    while not scene.over.is_set():
        try:
            for happened in inject(scene):
                done += happened
        except AWAY:
            scene.over.wait(0.2)
    return done
