"""Keeps the processes of one machine running: starts them in order, brings back what dies, stops them within 10 s.

It knows processes, not what they do: no database, no broker, no domain. A process that exists and does nothing ends
itself (`workers/watch.py`, `llmcoder/vital.py`).
"""

import asyncio
import concurrent.futures
import contextlib
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from cli.up.child import Backoff, Child, in_words
from cli.up.guard import Guard
from cli.up.log import Log
from cli.up.process import Process
from llmcoder.startup import UpError

T = TypeVar("T")

READY_EVERY_S = 0.1
# A first start that ends this often before it was ready is a mistake to show, not an accident to repair.
TRIES_AT_START = 3
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    def __init__(self, children: Sequence[Child], log: Log, guard: Guard, backoff: Backoff | None = None) -> None:
        self._children = children
        self._log = log
        self._guard = guard
        self._backoff = backoff or Backoff()
        self._stop = asyncio.Event()
        self._stop_outliving = asyncio.Event()
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._running: dict[str, Process] = {}
        self._short_lives: dict[str, int] = {}

    async def run(self, started: Callable[[], None]) -> None:
        """Start everything, call `started`, and keep it running until SIGINT, SIGTERM or SIGHUP.

        Raises:
            UpError: A process did not become ready; everything has been stopped again.
        """
        self._listen()
        try:
            await self._unless_stopped(self._start_all())
            if not self._stop.is_set():
                started()
                await self._unless_stopped(self._until_a_keeper_fails())
        finally:
            await self._stop_all()

    # ---- start

    async def _start_all(self) -> None:
        for child in self._children:
            if child.once:
                await self._run_once(child)
            else:
                self._keepers[child.name] = asyncio.create_task(self._keep(child), name=child.name)
                await self._until_ready(child)

    async def _run_once(self, child: Child) -> None:
        try:
            process = await Process.start(child, self._guard, self._log)
        except OSError as error:
            raise UpError(f"{child.name} could not be started: {error}") from error
        try:
            exit_code = await process.exit_code()
        finally:
            await process.stop()
            process.bury(self._guard)
        if exit_code != 0:
            raise UpError(f"{child.name} {in_words(exit_code)}; its lines above say why")

    async def _until_ready(self, child: Child) -> None:
        deadline = time.monotonic() + child.ready_within_s
        while child.ready is not None and not await self._ask(child, child.ready):
            if self._short_lives.get(child.name, 0) >= TRIES_AT_START:
                raise UpError(f"{child.name} does not stay up; its lines above say why")
            if time.monotonic() > deadline:
                raise UpError(f"{child.name} was not ready within {child.ready_within_s:g} s; see its lines above")
            await asyncio.sleep(READY_EVERY_S)

    # ---- keep

    async def _keep(self, child: Child) -> None:
        """Life after life of one child, until it is asked to stop."""
        stop = self._stop_outliving if child.outlives else self._stop
        short_lives = 0
        while not stop.is_set():
            await self._until_wanted(child, stop)
            if stop.is_set():
                return
            born = time.monotonic()
            ending = await self._live(child, short_lives, stop)
            if stop.is_set():
                return
            short_lives = self._backoff.short_lives(short_lives, time.monotonic() - born)
            self._short_lives[child.name] = short_lives
            wait_s = self._backoff.wait_s(short_lives)
            self._log.say(f"{child.name} {ending}; starting it again in {wait_s:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait_s)

    async def _until_wanted(self, child: Child, stop: asyncio.Event) -> None:
        while child.wanted is not None and not stop.is_set() and not await self._ask(child, child.wanted):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), child.wanted_every_s)

    async def _live(self, child: Child, short_lives: int, stop: asyncio.Event) -> str:
        """One life, from start to end; how it ended, in words."""
        try:
            if child.prepare is not None:
                child.prepare(short_lives)
            process = await Process.start(child, self._guard, self._log)
        except OSError as error:
            return f"could not be started ({error})"
        self._running[child.name] = process
        self._log.say(f"{child.name} started (pid {process.pid})")
        try:
            reason = await _first(process.ended(), _asked(stop))
            await process.stop()  # at once where it has ended by itself
            return reason
        finally:
            del self._running[child.name]
            process.bury(self._guard)

    async def _ask(self, child: Child, question: Callable[[], T]) -> T | None:
        try:
            return await _in_thread(question)
        except Exception as error:  # noqa: BLE001 (another module's question; its failure must not end the supervision)
            self._log.say(f"{child.name} cannot be checked: {type(error).__name__}: {error}")
            return None

    async def _until_a_keeper_fails(self) -> None:
        # A keeper ends only by a stop, or by a mistake in this package, which must not pass for a healthy engine.
        await asyncio.wait(self._keepers.values(), return_when=asyncio.FIRST_COMPLETED)

    # ---- stop

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in STOPS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # under nohup a closed terminal is no reason to stop
            loop.add_signal_handler(number, self._ask_to_stop, number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)  # held back until now, see cli.up.handover

    def _ask_to_stop(self, number: signal.Signals) -> None:
        if not self._stop.is_set():
            self._log.say(f"{number.name}: stopping; once more to kill what is left")
            self._stop.set()
            return
        for process in self._running.values():
            process.kill()

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        await _first(work, _asked(self._stop))

    async def _stop_all(self) -> None:
        self._stop.set()
        outliving = {child.name for child in self._children if child.outlives}
        await self._ended([task for name, task in self._keepers.items() if name not in outliving])
        self._stop_outliving.set()
        await self._ended([task for name, task in self._keepers.items() if name in outliving])

    async def _ended(self, keepers: list[asyncio.Task[None]]) -> None:
        for outcome in await asyncio.gather(*keepers, return_exceptions=True):
            if isinstance(outcome, Exception):
                self._log.say(f"mistake in the supervisor: {outcome!r}")


async def _asked(stop: asyncio.Event) -> str:
    await stop.wait()
    return "was asked to stop"


async def _first(*works: Coroutine[Any, Any, T]) -> T:
    """The outcome of the first to finish, the earlier argument where two did; the others are cancelled."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task.done()).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _in_thread(question: Callable[[], T]) -> T:
    """Ask without blocking the loop.

    A daemon thread, not asyncio's pool: Python waits for that pool at its end, and a question that hangs on a hung
    database would make Ctrl-C hang with it.
    """
    answer: concurrent.futures.Future[T] = concurrent.futures.Future()

    def ask() -> None:
        if not answer.set_running_or_notify_cancel():
            return
        try:
            answer.set_result(question())
        except Exception as error:  # noqa: BLE001 (handed to the caller, whose thread it belongs to)
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    return await asyncio.wrap_future(answer)
