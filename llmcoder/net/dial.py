"""From a name to a socket that is connected to an address the guard has checked. The only place that connects.

httpcore comes here for every new connection and for every byte, so redirects, names that change their address between
two look-ups, and servers that send one byte a second need no rule of their own anywhere else.
"""

from __future__ import annotations

import errno
import math
import os
import select
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from time import monotonic
from typing import Any, TypeVar

import httpcore

from llmcoder.errors import BadInput, Transient
from llmcoder.net.guard import Address, AllowList, blocked, canonical_host, checked_answers, refuse_port

T = TypeVar("T")
Resolve = Callable[[str, int], Sequence[str]]

#: How long a wait may keep a cancellation waiting.
SLICE_S = 0.25
#: The kernel repeats what nobody acknowledges for a quarter of an hour, long after we have given the request up, and
#: a network that comes back would deliver it then. Below the shortest time that a write's look-up waits.
UNACKNOWLEDGED_S = 20.0
_UNDER_WAY = {errno.EINPROGRESS, errno.EALREADY, errno.EWOULDBLOCK}
_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


def system_resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, in the order the system prefers."""
    return [str(answer[4][0]) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Budget:
    """What one request may still spend, whatever the server does, and who may stop it.

    Args:
        total_s: Seconds for all of it, look-ups and redirects included; None leaves it to the timeouts of each step.
        check: Called several times a second while waiting; what it raises ends the request.
        before_send: Called on each connection before the first byte goes out; it may take a moment.
        may_send: Asked right before each piece goes out; it takes none.
    """

    def __init__(
        self,
        total_s: float | None = None,
        check: Callable[[], None] | None = None,
        before_send: Callable[[], None] | None = None,
        may_send: Callable[[], bool] | None = None,
    ) -> None:
        self._ends_at = math.inf if total_s is None else monotonic() + total_s
        self._check = check
        self._before_send = before_send
        self._may_send = may_send

    def before_send(self) -> None:
        """Raise where nothing may be sent."""
        if self._before_send is not None:
            self._before_send()

    def may_send(self) -> bool:
        return self._may_send is None or self._may_send()

    def check(self) -> None:
        """Give whoever may stop the request the chance to."""
        if self._check is not None:
            self._check()

    def ends_at(self, timeout_s: float | None) -> float:
        """The monotonic time at which a step that starts now must be over."""
        return self._ends_at if timeout_s is None else min(self._ends_at, monotonic() + timeout_s)


class GuardedBackend(httpcore.NetworkBackend):
    """Connects only where the guard agrees, and to the very address it agreed to. TLS and Host keep the name.

    Args:
        ports: Of the protocol that is spoken; those of the web are allowed without.
    """

    def __init__(
        self, allow: AllowList, resolve: Resolve, budget: Budget | None = None, ports: Collection[int] = ()
    ) -> None:
        self._allow = allow
        self._resolve = resolve
        self._budget = budget or Budget()
        self._ports = ports

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Open a connection.

        Raises:
            BadInput: The guard refuses, or there is no such name.
            Transient: The name cannot be looked up now.
            httpcore.ConnectError, httpcore.ConnectTimeout: Nobody answers at any of the addresses.
        """
        self._budget.check()
        ends_at = self._budget.ends_at(timeout)
        host = canonical_host(host)
        if port not in self._ports:
            refuse_port(host, port, self._allow)
        addresses = checked_answers(host, port, self._answers(host, port, ends_at), self._allow)
        for address in addresses:
            self._refuse_own(host, port, address)
        return Stream(self._connected(addresses, port, ends_at), host, self._budget)

    def _answers(self, host: str, port: int, ends_at: float) -> Sequence[str]:
        if ":" in host or host.rpartition(".")[2].isdigit():
            return [host]
        try:
            answers = _resolve_by(partial(self._resolve, host, port), ends_at, self._budget)
        except TimeoutError as error:
            raise Transient(f"{host} could not be looked up in time; nothing was sent.") from error
        except (OSError, UnicodeError) as error:
            if isinstance(error, UnicodeError) or error.errno in _NO_SUCH_NAME:
                raise BadInput(f"There is no host named {host}.") from error
            raise Transient(f"{host} cannot be looked up at the moment; nothing was sent.") from error
        if not answers:
            raise BadInput(f"The name {host} has no address.")
        return answers

    def _refuse_own(self, host: str, port: int, address: Address) -> None:
        """A public address of this very machine leads past its firewall, to services that trust it."""
        if self._allow.has_host(host, port) or self._allow.has_address(address):
            return
        if is_own_address(address):
            raise blocked(host, "this machine")

    def _connected(self, addresses: Sequence[Address], port: int, ends_at: float) -> socket.socket:
        """Try the addresses in order; each gets its share of the time that is left, so that a dead first is no end."""
        failure: OSError | None = None
        for tried, address in enumerate(addresses):
            self._budget.check()
            left_s = (ends_at - monotonic()) / (len(addresses) - tried)
            if left_s <= 0:
                break
            try:
                connected = _connect_by(address, port, monotonic() + left_s, self._budget)
            except OSError as error:
                failure = error
                continue
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if sys.platform == "linux":
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNACKNOWLEDGED_S * 1_000))
            return connected
        if failure is None or isinstance(failure, TimeoutError):
            raise httpcore.ConnectTimeout("no answer in time") from failure
        raise httpcore.ConnectError(failure.strerror or "no connection") from failure


def _connect_by(address: Address, port: int, ends_at: float, budget: Budget) -> socket.socket:
    """Connect in slices of waiting, so that a cancellation does not wait for a host that swallows packets."""
    connecting = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)
        code = connecting.connect_ex((str(address), port))
        while code in _UNDER_WAY:
            budget.check()
            left_s = ends_at - monotonic()
            if left_s <= 0:
                raise TimeoutError
            if _is_writable(connecting, min(left_s, SLICE_S)):
                code = connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                break
        if code:
            raise OSError(code, os.strerror(code))
    except BaseException:
        connecting.close()
        raise
    connecting.setblocking(True)
    return connecting


def _is_writable(connecting: socket.socket, within_s: float) -> bool:
    poll = select.poll()
    poll.register(connecting, select.POLLOUT)
    return bool(poll.poll(within_s * 1_000))


def is_own_address(address: Address) -> bool:
    """Whether an address belongs to this machine: the kernel then chooses it as the sender too. Sends nothing."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return bool(probe.getsockname()[0] == str(address))
    except OSError:
        return False  # no route there, or no such family: it will not be connected to either


def _resolve_by(resolve: Callable[[], Sequence[str]], ends_at: float, budget: Budget) -> Sequence[str]:
    """Look up in a thread of its own: getaddrinfo knows no timeout, and a hostile name server can hold it for long."""
    answer: Future[Sequence[str]] = Future()

    def look_up() -> None:
        try:
            answer.set_result(resolve())
        except Exception as error:  # noqa: BLE001  whatever it is, who waits for it is told, and does not wait
            answer.set_exception(error)

    threading.Thread(target=look_up, name="resolve", daemon=True).start()
    while True:
        left_s = ends_at - monotonic()
        if left_s <= 0:
            raise TimeoutError
        if _is_done_within(answer, min(left_s, SLICE_S)):
            return answer.result()
        budget.check()


def _is_done_within(answer: Future[Sequence[str]], wait_s: float) -> bool:
    try:
        answer.exception(wait_s)
    except TimeoutError:
        return False
    return True


class Stream(httpcore.NetworkStream):
    """A socket whose every wait ends with the budget and notices a cancellation."""

    def __init__(self, connected: socket.socket, host: str, budget: Budget) -> None:
        self._socket = connected
        self._host = host
        self._budget = budget
        self._silent = True  # nothing was sent on it so far

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return self._patiently(partial(self._socket.recv, max_bytes), timeout)
        except TimeoutError as error:
            raise httpcore.ReadTimeout("no answer in time") from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._silent:
            self._budget.before_send()
        rest = memoryview(buffer)
        try:
            while rest:
                rest = rest[self._patiently(partial(self._send, rest), timeout) :]
        except TimeoutError as error:
            raise httpcore.WriteTimeout("the request was not taken in time") from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def _send(self, piece: memoryview) -> int:
        """The last look before the system call: whoever sends may have been frozen since the one before."""
        if self._budget.may_send():
            self._silent = False
            return self._socket.send(piece)
        if self._silent:
            raise Transient(f"It was too late to send anything to {self._host}; nothing was sent.")
        raise httpcore.WriteTimeout("it was too late to send the rest")

    def _patiently(self, step: Callable[[], T], timeout_s: float | None) -> T:
        """Run one step of a socket in slices of waiting; a slice that ran out has moved no byte and is repeated."""
        ends_at = self._budget.ends_at(timeout_s)
        while True:
            self._budget.check()
            left_s = ends_at - monotonic()
            if left_s <= 0:
                raise TimeoutError
            self._socket.settimeout(min(left_s, SLICE_S))
            try:
                return step()
            except TimeoutError:
                continue

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            secured = Stream(self._wrapped(ssl_context, server_hostname), self._host, self._budget)
            secured._shake_hands(timeout)
        except ssl.SSLCertVerificationError as error:
            raise BadInput(f"{self._host}: its certificate is not valid ({error.verify_message}).") from error
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("no TLS handshake in time") from error
        except OSError as error:
            raise httpcore.ConnectError("the TLS handshake failed") from error
        return secured

    def _wrapped(self, context: ssl.SSLContext, name: str | None) -> ssl.SSLSocket:
        try:
            return context.wrap_socket(self._socket, server_hostname=name, do_handshake_on_connect=False)
        finally:
            self._socket.close()  # wrap_socket has taken the descriptor over, or failed

    def _shake_hands(self, timeout_s: float | None) -> None:
        """In slices of waiting, too: OpenSSL goes on where a slice ran out."""
        assert isinstance(self._socket, ssl.SSLSocket)
        try:
            self._patiently(self._socket.do_handshake, timeout_s)
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks for: `is_readable` finds a kept connection that the server has closed meanwhile."""
        if info == "ssl_object":
            return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
        if info == "is_readable":
            return self._is_readable()
        return {"socket": self._socket}.get(info)

    def _is_readable(self) -> bool:
        if self._socket.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))
