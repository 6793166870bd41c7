"""Named points in the program where a test makes a process die, freeze or fail; in production each is one comparison.

`LLMCODER_FAULTS` holds `point=what` pairs by comma, such as `worker.after_claim=kill:0.01`:

    kill            the process gets SIGKILL
    stop            the process gets SIGSTOP; whoever planted it continues it
    nap:SECONDS     the thread sleeps
    raise           the point raises `InjectedFault`

A probability from 0 to 1 after a further colon makes it happen now and then. With a path in `LLMCODER_FAULTS_ONCE`,
only the process that creates this file first has a fault, and only one.

Where `LLMCODER_FAULTS` is set, be it empty, a point that is not in the list raises when it is reached.
"""

from __future__ import annotations

import os
import random
import signal
import time

#: Every point, so that a misspelt one fails when it is planted and not by never happening. A test holds the list and
#: the program to each other.
POINTS = frozenset(
    {
        "submit.before_commit",
        "submit.after_commit",  # accepted, and nobody was told
        "worker.before_claim",
        "worker.after_claim",
        "worker.before_arm",
        "worker.after_arm",  # armed in SQL, nothing sent
        "worker.after_effect",  # the provider answered, nothing written
        "worker.after_finish",  # written, nobody was told
        "dispatcher.after_ring",
        "dispatcher.before_rescue",
        "schedules.before_commit",  # fired, and nothing of it on disk
        "macros.before_commit",  # likewise for a look at a run
        "files.while_writing",  # some of a file is in the store
        "files.before_publish",  # all of it is, and SQL does not say so
        "files.after_publish",  # SQL does, and nobody was told
        "files.before_remove",  # let go of, with its bytes still in the store
        "files.after_remove",  # without them
        "webhooks.after_send",  # a receiver has the message, and nothing of it on disk
    }
)


class InjectedFault(RuntimeError):
    """A planted failure."""


def reach(point: str) -> None:
    """Have the planted fault of this point, if there is one."""
    if strict:
        _have(point)


def _have(point: str) -> None:
    if point not in POINTS:
        raise LookupError(f"{point!r} is no point of llmcoder.faults.POINTS, so nobody can plant a fault there")
    fault = _planted.get(point)
    if fault is None or random.random() >= fault[2] or not _is_first():
        return
    what, seconds, _ = fault
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif what == "nap":
        time.sleep(seconds)
    else:
        raise InjectedFault(point)


def _is_first() -> bool:
    """Whether the one fault that a test wants is still to be had."""
    once = os.environ.get("LLMCODER_FAULTS_ONCE")
    if not once:
        return True
    try:
        os.close(os.open(once, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def planted(text: str) -> dict[str, tuple[str, float, float]]:
    """What stands in `LLMCODER_FAULTS`: for each point what happens, for how many seconds, how probably.

    Raises:
        ValueError: A point or a kind that does not exist.
    """
    found: dict[str, tuple[str, float, float]] = {}
    for pair in filter(None, text.split(",")):
        point, _, fault = pair.strip().partition("=")
        what, *numbers = fault.split(":")
        seconds = float(numbers.pop(0)) if what == "nap" and numbers else 0.0
        probability = float(numbers.pop(0)) if numbers else 1.0
        if point not in POINTS or what not in ("kill", "stop", "nap", "raise") or numbers:
            raise ValueError(f"LLMCODER_FAULTS: {pair!r} is not point=what[:seconds][:probability]")
        found[point] = (what, seconds, probability)
    return found


#: Whether points are looked at.
strict = "LLMCODER_FAULTS" in os.environ
_planted = planted(os.environ.get("LLMCODER_FAULTS", ""))
