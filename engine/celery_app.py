"""Celery as every process here speaks to it: the broker, its queues, and messages that are JSON."""

from __future__ import annotations

from celery import Celery

from engine import transport
from engine.broker import for_kombu, queues, transport_options
from llmcoder.config import config
from llmcoder.declare.action import Queue
from llmcoder.settings import EngineSettings


def base_app() -> Celery:
    """The app for the configured broker, without any task.

    The reasons for the settings, with the threads that report each fault, stand in `docs/decisions/0002-doorbells.md`.
    """
    broker = config().get(EngineSettings).broker_url
    transport.install()
    app = Celery("llmcoder", broker=for_kombu(broker), set_as_current=True)
    app.conf.update(
        broker_transport_options=transport_options(broker),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,  # a Redis that refuses commands is one that is away, and no reason to end
        broker_heartbeat=10,  # AMQP: a worker whose broker went without a goodbye hears nothing until it looks
        broker_pool_acquire_timeout=2,
        result_backend=None,
        task_ignore_result=True,
        task_serializer="json",
        event_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        task_publish_retry=False,
        task_create_missing_queues=False,
        task_queues=queues(broker),
        task_default_queue=Queue.IO.value,
        control_queue_exclusive=False,  # RabbitMQ would lock out a host's second worker of a queue,
        control_queue_durable=True,  # and from 4.3 on takes no queue that is neither durable nor exclusive
    )
    return app
