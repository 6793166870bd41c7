"""Carries bytes between a socket on this machine and one that the guard has connected, within limits.

A client library may do with its end what it likes (TLS of its own, an event loop, `select`, C code): nothing goes out
and nothing lasts but through here, so no library needs to know of deadlines, cancellations, leases and limits.
"""

from __future__ import annotations

import math
import select
import socket
import ssl
import struct
import threading
from time import monotonic

from llmcoder.errors import ActionError, BadInput, Transient
from llmcoder.net.dial import SLICE_S, Budget

_CHUNK_BYTES = 65_536
#: Silence after which a connection ends that one side has closed: most libraries close both ways by closing once.
HALF_CLOSED_S = 30.0
#: Once a job has ended: how long the other side has to take what was written, and then to close, too.
FINISH_S, CLOSE_S = 5.0, 1.0
#: What a library has written may still be on its way to us; nothing comes after so long a silence.
_QUIET_S = 0.1
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close says "reset", so that nobody takes a cut for the end
_MIB = 1024 * 1024


class Meter:
    """Counts bytes against a cap that several connections may share; safe for threads.

    Args:
        cap_bytes: None counts without a cap.
        what: What is counted, for the message.
    """

    def __init__(self, cap_bytes: int | None, what: str) -> None:
        self._cap_bytes = cap_bytes
        self._what = what
        self._lock = threading.Lock()
        self.count_bytes = 0

    def add(self, count_bytes: int) -> None:
        """Count these.

        Raises:
            BadInput: It is more than the cap.
        """
        with self._lock:
            self.count_bytes += count_bytes
            is_over = self._cap_bytes is not None and self.count_bytes > self._cap_bytes
        if is_over:
            raise BadInput(f"More than {(self._cap_bytes or 0) / _MIB:g} MiB went over {self._what}.")


class Relay:
    """One connection, carried by whoever calls `run`.

    Args:
        near: Whose other end the library, or the browser, has.
        far: Connected by the guard; may be in TLS.
        host: For messages.
        budget: For all of the connection's life; asked before each piece that goes out.
        meter: Counts both directions.
        idle_s: The longest silence of both sides together; None for any.
        head: Read from near already.

    Attributes:
        fault: Why the guard ended it; None while it runs, and where one of the two sides did.
    """

    def __init__(
        self,
        near: socket.socket,
        far: socket.socket,
        *,
        host: str,
        budget: Budget,
        meter: Meter,
        idle_s: float | None,
        head: bytes = b"",
    ) -> None:
        self.fault: ActionError | None = None
        self._near, self._far, self._host = near, far, host
        self._budget, self._idle_s = budget, idle_s
        self._out = _Flow(near, far, meter, head)
        self._back = _Flow(far, near, meter)
        self._is_silent = True  # nothing of the library's went out so far
        self._finish_by = math.inf
        self._moved_at = monotonic()

    def run(self) -> None:
        """Carry until both sides have closed, or the guard ends it; then both sockets are closed."""
        is_whole = False
        try:
            for end in (self._near, self._far):
                end.setblocking(False)
            self._carry()
            is_whole = self._out.is_done
        except ActionError as error:
            self.fault = error
        except (OSError, ValueError):
            pass  # one side broke off, or another thread closed it; the other side is told by a reset
        finally:
            if not is_whole:
                reset_on_close(self._near)
            for end in (self._far, self._near):
                end.close()

    def finish(self) -> None:
        """Let go out what near has written so far, and end soon; from any thread."""
        self._finish_by = monotonic() + (CLOSE_S if self._out.is_done else FINISH_S)

    def _carry(self) -> None:
        while not (self._out.is_done and (self._back.is_done or _is_tls(self._far))):
            self._budget.check()
            if self._out.has_piece:
                self._ask()
            if self._out.step() + self._back.step():
                self._moved_at = monotonic()
            elif monotonic() >= self._finish_by:
                break
            else:
                self._end_when_quiet()
                self._wait()
        _say_end(self._far)

    def _end_when_quiet(self) -> None:
        """Where the job has ended and its library has left the connection open."""
        if self._finish_by == math.inf or self._out.has_piece:
            return
        if not self._out.is_done and monotonic() - self._moved_at >= _QUIET_S:
            self._out.end()
            self._finish_by = min(self._finish_by, monotonic() + CLOSE_S)

    def _ask(self) -> None:
        """The last look before the system call, as for requests."""
        if self._is_silent:
            self._budget.before_send()
        if not self._budget.may_send():
            raise Transient(f"It was too late to send more to {self._host}.")
        self._is_silent = False

    def _wait(self) -> None:
        now, ends_at = monotonic(), self._budget.ends_at(None)
        if now >= ends_at:
            raise Transient(f"The time for the connection to {self._host} is over.")
        flows = [flow for flow in (self._out, self._back) if not flow.is_done]
        idle_s = min(self._idle_s or math.inf, HALF_CLOSED_S if len(flows) < 2 else math.inf)
        if now - self._moved_at >= idle_s:
            raise Transient(f"{self._host}: no byte came or went for {idle_s:g} s.")
        poll = select.poll()
        for flow in flows:
            poll.register(flow.waits_for, flow.waits_to)
        if len(flows) == 2 and flows[0].waits_for is flows[1].waits_for:
            poll.modify(flows[0].waits_for, flows[0].waits_to | flows[1].waits_to)
        slice_s = SLICE_S if self._finish_by == math.inf else _QUIET_S
        poll.poll(max(0.0, min(slice_s, ends_at - now)) * 1_000)


class _Flow:
    """One direction: reads a piece, and reads no further before it is written. Sockets do not block.

    Attributes:
        is_done: The source has ended, and all of it was written.
        waits_for, waits_to: The socket and the event without which the next step moves nothing.
    """

    def __init__(self, source: socket.socket, sink: socket.socket, meter: Meter, head: bytes = b"") -> None:
        self._source, self._sink, self._meter = source, sink, meter
        self._piece = memoryview(head)
        self.is_done = False
        self.waits_for, self.waits_to = source, select.POLLIN

    @property
    def has_piece(self) -> bool:
        return len(self._piece) > 0

    def step(self) -> int:
        """Read or write once; how many bytes that moved, 0 where it would have to wait."""
        if self.is_done:
            return 0
        return self._write() if self.has_piece else self._read()

    def _read(self) -> int:
        try:
            piece = self._source.recv(_CHUNK_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            return self._wait(self._source, select.POLLIN)
        except ssl.SSLWantWriteError:
            return self._wait(self._source, select.POLLOUT)
        self._meter.add(len(piece))
        self._piece = memoryview(piece)
        if not piece:
            self.end()
        return len(piece)

    def end(self) -> None:
        """Pass on that no more comes; of TLS the whole connection ends then."""
        self.is_done = True
        if not _is_tls(self._sink):
            shut(self._sink, socket.SHUT_WR)

    def _write(self) -> int:
        try:
            count = self._sink.send(self._piece)
        except (BlockingIOError, ssl.SSLWantWriteError):
            return self._wait(self._sink, select.POLLOUT)
        except ssl.SSLWantReadError:
            return self._wait(self._sink, select.POLLIN)
        self._piece = self._piece[count:]
        return count

    def _wait(self, end: socket.socket, events: int) -> int:
        self.waits_for, self.waits_to = end, events
        return 0


def _is_tls(end: socket.socket) -> bool:
    """TLS has no half-closed connections: what came after our end would have to be read without it."""
    return isinstance(end, ssl.SSLSocket)


def _say_end(far: socket.socket) -> None:
    if isinstance(far, ssl.SSLSocket):
        try:
            far.unwrap()
        except (OSError, ValueError):
            return  # it was said; whether the other side says it too is not waited for


def shut(end: socket.socket, how: int) -> None:
    """Shut down a socket that may be gone already."""
    try:
        end.shutdown(how)
    except OSError:
        return


def reset_on_close(end: socket.socket) -> None:
    """Have whoever holds the other end see a reset instead of an end."""
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    except OSError:
        return


def loopback_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected TCP sockets. Not a UNIX pair: those cannot be reset, and libraries set TCP's options on theirs."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
        while True:
            mine = socket.create_connection(listener.getsockname())
            theirs, peer = listener.accept()
            if peer == mine.getsockname():
                break
            mine.close()  # somebody else of this machine was quicker
            theirs.close()
    for end in (mine, theirs):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return mine, theirs
