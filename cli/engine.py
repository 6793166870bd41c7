"""What the commands share that speak to the engine: its whole configuration and its log."""

from __future__ import annotations

import logging
import sys

import structlog

from llmcoder.config import Config, config
from llmcoder.registry import registry


def whole_config() -> Config:
    """The configuration, with every installed domain's settings known to it.

    Raises:
        ConfigError: A value, the file or the data folder cannot be used.
    """
    quiet()
    found = config()
    found.register(*registry().settings())
    return found


def quiet() -> None:
    """Warnings to standard error and nothing else: standard output belongs to answers."""
    structlog.configure(
        processors=[structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
