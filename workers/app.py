"""The Celery app: one task per action under the action's name, whose message carries a job id and an attempt number.

The reasons for the settings, with the threads that report each fault, stand in `docs/decisions/0002-doorbells.md`.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType
from typing import Any
from uuid import UUID

from billiard import active_children
from celery import Celery, bootsteps, signals
from celery.app.trace import build_tracer
from celery.worker import consumer
from celery.worker.state import maybe_shutdown

from engine import transport
from engine.broker import is_wrong_type, mend_keys, redis_client
from engine.celery_app import base_app
from llmcoder.config import config
from llmcoder.declare.action import Queue
from llmcoder.logger import get_logger
from llmcoder.manifest import ActionFacts
from llmcoder.registry import registry
from llmcoder.settings import EngineSettings
from llmcoder.timing import TIMING
from workers.runtime import Runtime

FINISH_OR_GIVE_BACK = signal.SIGRTMIN + 3  # to a pool's child: the worker stops; Celery itself would wait for ever
#: Between tries to use a broker that fails; from the first on again when it has worked for a while.
FIRST_REST_S, LONGEST_REST_S, CALM_S = 0.25, 5.0, 15.0
HARD_LIMIT_SLACK_S = 30.0  # the watch ends a heavy job; Celery's own limit is behind it, should the watch hang


log = get_logger(__name__)


# Celery sends it from a signal's handler. Told to stop twice at once, the second handler waited for ever for the lock
# of the first, which stood still beneath it.
signals.worker_shutting_down.lock = threading.RLock()


class Process:
    """The runtime of this process; a pool's child makes its own at its first doorbell.

    Attributes:
        stops: The worker whose child this is stops; no job is begun any more.
    """

    runtime: Runtime | None = None
    stops = False


def make_app() -> Celery:
    """The app for the configured broker, with a task for every action."""
    app = base_app()
    transport.only_questions()
    app.conf.update(
        task_acks_late=False,
        task_reject_on_worker_lost=False,
        worker_consumer=f"{__name__}:Consumer",
        worker_pool="workers.heavy_pool:TaskPool",  # of io the command line says another
        worker_prefetch_multiplier=1,
        worker_send_task_events=False,  # ours speak for every job, see workers.events
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_max_tasks_per_child=200,
        worker_proc_alive_timeout=30,
        worker_soft_shutdown_timeout=0,
    )
    for facts in registry().facts.values():
        _add_task(app, facts)
    app.steps["worker"].add(RuntimeStep)
    return app


def _add_task(app: Celery, action: ActionFacts) -> None:
    limit = action.timeout_s + TIMING.grace_s + HARD_LIMIT_SLACK_S if action.queue is Queue.HEAVY else None
    run = _doorbell_of_heavy if action.queue is Queue.HEAVY else _doorbell
    app.task(run, name=action.name, time_limit=limit, shared=False, typing=False)


def _doorbell(job_id: str, attempt: int) -> None:
    """Look at a job of the io queue; `attempt` only tells a doorbell's age."""
    runtime = Process.runtime
    if runtime is not None and runtime.slots is not None:
        runtime.slots.offer(UUID(job_id))


def _doorbell_of_heavy(job_id: str, attempt: int) -> None:
    """Look at a job of the heavy queue, in this child process."""
    if Process.runtime is None:
        Process.runtime = Runtime(app, Queue.HEAVY, beats=False)
        Process.runtime.start()
    if not Process.stops:  # else the job stays queued, for whoever comes next
        Process.runtime.run_here(UUID(job_id))


class Strategies(dict[str, Any]):
    """How messages of each task are received, made when the first one comes: most actions are never run here."""

    def __init__(self) -> None:
        super().__init__()
        self.consumer: Consumer | None = None

    def __missing__(self, name: str) -> Any:
        if self.consumer is None:
            raise KeyError(name)
        task, own = self.consumer.app.tasks[name], self.consumer
        self[name] = task.start_strategy(own.app, own)
        task.__trace__ = build_tracer(name, task, own.app.loader, own.hostname, app=own.app)
        return self[name]


class Consumer(consumer.Consumer):  # type: ignore[misc]
    """Celery's, without the 28 queues that it keeps in RabbitMQ for delays; ours are a `due_at` in SQL."""

    class Blueprint(consumer.Consumer.Blueprint):  # type: ignore[misc]
        default_steps = tuple(
            step for step in consumer.Consumer.Blueprint.default_steps if "delayed_delivery" not in str(step)
        )

    Strategies = Strategies

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._rest_s = 0.0
        self._failed_at = float("-inf")

    def update_strategies(self) -> None:
        """After each connection; Celery makes all of them here."""
        self.strategies.clear()
        self.strategies.consumer = self

    def on_connection_error_before_connected(self, exc: BaseException) -> None:
        super().on_connection_error_before_connected(exc)
        self._rest(exc)

    def on_connection_error_after_connected(self, exc: BaseException) -> None:
        super().on_connection_error_after_connected(exc)
        self._rest(exc)

    def on_unknown_task(self, body: Any, message: Any, exc: BaseException) -> None:
        """Drop a doorbell of an action that only other workers know; Celery would log all of it, and Flower a failure.

        It is rung again until one of those gets it. Through Redis none comes as far as this, see `engine.transport`.
        """
        log.debug("a doorbell for an action that is not known here; it was dropped")
        message.reject_log_error(log, self.connection_errors)

    def _rest(self, error: BaseException) -> None:
        """A while before the next try, longer each time: a broker that takes connections may refuse all else."""
        if is_wrong_type(error):
            _mend_broker()
        lasted = time.monotonic() - self._failed_at > CALM_S
        self._rest_s = FIRST_REST_S if lasted else min(self._rest_s * 2, LONGEST_REST_S)
        until = time.monotonic() + self._rest_s
        while time.monotonic() < until:
            maybe_shutdown()
            time.sleep(0.1)
        self._failed_at = time.monotonic()


def _mend_broker() -> None:
    import redis

    client = redis_client(config().get(EngineSettings).broker_url)
    try:
        log.warning("keys of a wrong type stood in the broker; they are made anew", keys=mend_keys(client))
    except redis.RedisError as error:
        log.warning("keys of a wrong type cannot be deleted", error=type(error).__name__)
    finally:
        client.close()


class RuntimeStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Starts and stops the runtime with the Celery worker."""

    requires = ("celery.worker.components:Pool",)

    def start(self, parent: Any) -> None:
        queue = next(iter(parent.app.amqp.queues.consume_from))
        self.runtime = Runtime(parent.app, Queue(queue), beats=True)
        if queue == Queue.IO.value:
            Process.runtime = self.runtime
        # A child has this from its first moment until it knows what to do; by default the signal would kill it.
        signal.signal(FINISH_OR_GIVE_BACK, signal.SIG_IGN)
        self.runtime.start()

    def stop(self, parent: Any) -> None:
        self.runtime.stop()

    terminate = stop


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _stop_taking(**_: Any) -> None:
    """Doorbells that wait for a slot let go at once, so that Celery's pool can end; a heavy job may be given back."""
    if Process.runtime is not None and Process.runtime.slots is not None:
        Process.runtime.slots.stop_taking()
    for child in active_children():
        os.kill(child.pid, FINISH_OR_GIVE_BACK)


@signals.worker_process_init.connect  # type: ignore[untyped-decorator]
def _begin_child(**_: Any) -> None:
    Process.runtime, Process.stops = None, False
    signal.signal(FINISH_OR_GIVE_BACK, _finish_or_give_back)


def _finish_or_give_back(_number: int, _frame: FrameType | None) -> None:
    Process.stops = True
    if Process.runtime is not None:
        Process.runtime.finish_or_give_back()


@signals.worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def _stop_child(**_: Any) -> None:
    if Process.runtime is not None:
        Process.runtime.stop()


app = make_app()
