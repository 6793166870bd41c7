"""One readable log line per event, on standard error, for every process; at every level without inputs and secrets."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from llmcoder.config import config
from llmcoder.settings import EngineSettings

if TYPE_CHECKING:
    import structlog
    from structlog.typing import ExcInfo

#: LOG_LEVEL is for these. Whatever a library says below WARNING may quote an address, a header or an input.
OURS = ("api", "cli", "engine", "llmcoder", "models", "schedules", "tasks", "workers")


def set_up_logging() -> None:
    """Send structlog and the standard library's loggers through one renderer; libraries say only what is wrong."""
    import structlog

    level = logging.getLevelNamesMapping()[config().get(EngineSettings).log_level]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
    ]
    renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=write_places)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )


def write_places(stream: TextIO, exc_info: ExcInfo) -> None:
    """Write a traceback without the exceptions' own words, which may quote an input, a row or a secret."""
    stream.write("".join(_places(exc_info[1], set())).rstrip("\n"))


def _places(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _places(before, seen)
        yield "which led to:\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__module__}.{type(error).__qualname__}\n"
    for inner in getattr(error, "exceptions", ()):  # of a group
        if isinstance(inner, BaseException) and id(inner) not in seen:
            yield "in it:\n"
            yield from _places(inner, seen)
