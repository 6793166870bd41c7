"""Any error as the problem of a step or run: short, of characters that every store takes; logged where it is ours."""

from __future__ import annotations

from llmcoder.errors import ActionError, problem_type
from llmcoder.logger import get_logger
from llmcoder.text import storable

log = get_logger(__name__)

#: An error of an expression quotes the value that it could not take, which may be a page.
LONGEST_DETAIL_CHARS = 1_000


def problem_of(error: BaseException, about: str = "") -> dict[str, str]:
    """The error as it stands in a step or a job.

    Args:
        about: Stands before the detail.
    """
    problem = error.as_problem() if isinstance(error, ActionError) else _defect(error)
    detail = storable(f"{about}{problem['detail']}")
    if len(detail) > LONGEST_DETAIL_CHARS:
        detail = f"{detail[:LONGEST_DETAIL_CHARS]}…"
    return problem | {"detail": detail}


def _defect(error: BaseException) -> dict[str, str]:
    """What nobody foresaw: only its kind, since its text may quote anything. The log has where it came from."""
    log.error("a step or run broke", kind=type(error).__name__, at=frames_of(error))
    detail = f"It broke with {type(error).__name__}. This is a defect; the scheduler's log says where."
    return {"type": problem_type("defect"), "title": "It broke", "detail": detail}


def frames_of(error: BaseException) -> list[str]:
    """Where it was raised, for the log: the frames and not the message, which may quote an input."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_qualname}")
        trace = trace.tb_next
    return frames[-6:]
