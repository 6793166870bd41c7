"""Where every module has its logger from; how lines look is said in `llmcoder.log`."""

from __future__ import annotations

import sys
from typing import Any


def get_logger(name: str) -> Any:
    """The module's logger: `log = get_logger(__name__)`."""
    import structlog

    return structlog.get_logger(name)


def _load_without_rich() -> None:
    """structlog draws tracebacks with rich where it finds it: 3.6 MB in each process, whose lines have none of that."""
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # the import system's way to say that there is none
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]


_load_without_rich()
