"""Reads one page in a process of its own, which has a limit of time and of memory, and no network.

    python -m llmcoder.process tasks.recipe.page_process < {"html": …, "url": …} > {"recipe": …}

A page decides over what libraries' patterns work on; one that makes them very slow costs its own process, and nobody
else's thread. What would fetch something finds no sockets.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NoReturn

from llmcoder import strict_json
from llmcoder.errors import BadInput, Transient
from llmcoder.process import command_line

if TYPE_CHECKING:
    from llmcoder.context import Context
    from tasks.recipe.page import PageReading

TIME_LIMIT_S = 20
MEMORY_BYTES = 2 * 1024**3
#: How often a cancelled job is noticed.
LOOK_EVERY_S = 0.2
PASSED_ON = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONHOME", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")


def read_in_process(html: str, url: str | None, ctx: Context) -> PageReading:
    """What a page says, as `tasks.recipe.page.read_page`.

    Raises:
        BadInput: The page cannot be read within the limits.
        Transient: No process could be started.
        Cancelled: The job is to end.
    """
    from tasks.recipe.page import PageReading

    # a file, and no pipe: whoever waits for a little while cannot go on writing into one
    with tempfile.TemporaryFile() as given:
        given.write(strict_json.write_bytes({"html": html, "url": url}))
        given.seek(0)
        try:
            child = subprocess.Popen(
                command_line(__name__), stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environ()
            )
        except OSError as error:
            raise Transient(f"No process could be started that reads the page ({error.strerror}).") from error
        with child:
            answer, complaint = _communicated(child, ctx)
    if child.returncode != 0:
        last = (complaint.decode("utf-8", "replace").strip().splitlines() or ["no reason"])[-1]
        ctx.log("the page could not be read", exit_status=child.returncode, reason=last[:300])
        raise BadInput("The page cannot be read: it is broken, or made to take more time or memory than a page may.")
    return PageReading(**strict_json.read(answer))


def _environ() -> dict[str, str]:
    """What Python needs, and none of our keys."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def _communicated(child: subprocess.Popen[bytes], ctx: Context) -> tuple[bytes, bytes]:
    until = time.monotonic() + min(TIME_LIMIT_S, max(ctx.remaining_s - 1, 1))
    try:
        while True:
            try:
                return child.communicate(timeout=LOOK_EVERY_S)
            except subprocess.TimeoutExpired:
                ctx.check()
                if time.monotonic() > until:
                    raise BadInput(f"The page takes longer than {TIME_LIMIT_S} s to read.") from None
    finally:
        if child.poll() is None:
            child.kill()


# --- in that process


def refuse_network() -> None:
    """Whoever looks for an address or a connection from here on finds neither."""
    import _socket
    import socket

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise OSError("there is no network where pages are read")

    class NoSocket(_socket.socket):
        __init__ = refuse

    socket.socket = NoSocket  # type: ignore[misc]
    socket.create_connection = refuse
    socket.getaddrinfo = refuse


def limit() -> None:
    """Bound what this process may take, where the system can."""
    try:
        import resource
    except ImportError:  # not there on Windows
        return
    for what, most in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, TIME_LIMIT_S)):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, hard))


def main() -> None:
    limit()
    warnings.simplefilter("ignore")  # what a site does not say is no news
    refuse_network()
    from tasks.recipe.page import read_page

    given = strict_json.read(sys.stdin.buffer.read())
    reading = read_page(given["html"], given["url"])
    sys.stdout.buffer.write(strict_json.write_bytes(asdict(reading)))


if __name__ == "__main__":
    main()
