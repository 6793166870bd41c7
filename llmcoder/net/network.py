"""Connections for what is not HTTP, and for a browser: `ctx.net` of an action, `engine.net` of a listener.

    with ctx.net.connect("broker.example", 8883, tls=True) as checked:
        ...  # MQTT, WebSocket, any protocol whose library takes a connected socket

    with ctx.net.proxy() as proxy, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**chromium.launch_options(proxy))

All of it is checked where it connects, as requests are, and ends with the job.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Collection, Sequence
from copy import copy
from time import monotonic
from typing import TYPE_CHECKING

from llmcoder.errors import ActionError, BadInput, Cancelled, Transient
from llmcoder.net.guard import AllowList, canonical_host
from llmcoder.net.limits import ProxyLimits, SocketLimits
from llmcoder.net.trust import verifying_context

if TYPE_CHECKING:
    import ssl

    from llmcoder.net.dial import Budget, Resolve
    from llmcoder.net.proxy import Proxy
    from llmcoder.net.relay import Relay

#: How long the end of a job waits for what its libraries have written last.
CLOSE_S = 6.5


class CheckedSocket(socket.socket):
    """A connected TCP socket for a client library.

    It leads to the host through the guard of this process: its peer is an address of this machine, and whatever the
    library does with it, what goes out is asked about and counted on the way. Where the guard ends the connection, the
    library sees a reset.
    """

    def __init__(self, end: socket.socket, relay: Relay) -> None:
        super().__init__(fileno=end.detach())
        self._relay = relay

    @property
    def fault(self) -> ActionError | None:
        """Why the guard ended it: too late, cancelled, too much, too silent. None where it did not.

        A library only says that the connection broke. `raise checked.fault or Transient(...)` says why.
        """
        return self._relay.fault


class Network:
    """Makes connections that last no longer than the job.

    Args:
        allow: The setting FETCH_ALLOW.
        remaining_s: Seconds until all of it must have ended; None for a listener.
        check: Called several times a second; what it raises ends a connection.
        check_owner: The same for a connection that a cancellation does not end: raises only where nobody waits for the
            attempt any more.
        before_send: Called on each connection before the first byte goes out; what it raises ends the connection.
        may_send: Asked right before each piece goes out.
        resolve: Look-up of a name, see `GuardedClient`.
        job: For the log.
    """

    def __init__(
        self,
        *,
        allow: Sequence[str] = (),
        remaining_s: Callable[[], float] | None = None,
        check: Callable[[], None] | None = None,
        check_owner: Callable[[], None] | None = None,
        before_send: Callable[[], None] | None = None,
        may_send: Callable[[], bool] | None = None,
        resolve: Resolve | None = None,
        job: str = "",
    ) -> None:
        self._allow = AllowList.parse(allow)
        self._remaining_s = remaining_s
        self._check, self._check_owner = check, check_owner
        self._before_send, self._may_send = before_send, may_send
        self._resolve = resolve
        self._job = job
        self._open = _Open()

    def allowing(self, *hosts: str) -> Network:
        """The same network, which may also reach these: hosts of the operator's own settings, never of a user's."""
        own, more = self._allow, AllowList.parse(hosts)
        wider = copy(self)
        wider._allow = AllowList(own.everything, own.hosts | more.hosts, own.networks + more.networks)
        return wider

    def connect(
        self,
        host: str,
        port: int,
        *,
        tls: bool | ssl.SSLContext = False,
        ports: Collection[int] = (),
        limits: SocketLimits = SocketLimits(),
        interruptible: bool = True,
    ) -> CheckedSocket:
        """Connect to one of the host's addresses after all of them were checked.

        Args:
            tls: Speak TLS to the host and verify its certificate by this name; the library then speaks plain text to
                the socket. A context is for authorities or a certificate of your own. False leaves TLS to the library,
                which then must verify the name itself (`verifying_context()` does).
            ports: Of the protocol, where they are below 1024 or another protocol's, such as 389 of LDAP.
            interruptible: Whether a cancellation ends it at once. False while a write waits to hear what became of it;
                a lost lease and the deadline end it all the same.

        Raises:
            BadInput: The guard refuses, there is no such name, or the certificate is not valid.
            Transient: No connection, nothing was sent.
            Cancelled: The job has ended.
            ValueError: The context does not verify certificates and names.
        """
        from llmcoder.net.relay import Meter, Relay, loopback_pair

        self._open.refuse_if_closed()
        context = _context(tls)
        budget = self._budget(self._check if interruptible else self._check_owner)
        far = self._far(host, port, context, ports, budget, limits.connect_s)
        try:
            mine, theirs = loopback_pair()
        except BaseException:
            far.close()
            raise
        meter = Meter(limits.total_bytes, f"the connection to {host}")
        relay = Relay(theirs, far, host=host, budget=budget, meter=meter, idle_s=limits.idle_s)
        self._open.add(relay)
        return CheckedSocket(mine, relay)

    def proxy(self, limits: ProxyLimits = ProxyLimits()) -> Proxy:
        """Start a proxy on this machine for a browser, with a password of its own; see `llmcoder.net.chromium`."""
        from llmcoder.net.proxy import Proxy

        self._open.refuse_if_closed()
        started = Proxy(
            self._allow,
            self._resolve,
            self._budget,
            limits=limits,
            check=self._check,
            job=self._job,
        )
        self._open.add_proxy(started)
        return started

    def close(self) -> None:
        """End all connections and proxies; what libraries have written goes out still, within `CLOSE_S`."""
        self._open.close()

    def _budget(self, check: Callable[[], None] | None) -> Budget:
        from llmcoder.net.dial import Budget  # loads httpcore

        total_s = None if self._remaining_s is None else max(self._remaining_s(), 0.0)
        return Budget(total_s, check, self._before_send, self._may_send)

    def _far(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext | None,
        ports: Collection[int],
        budget: Budget,
        connect_s: float,
    ) -> socket.socket:
        import httpcore

        from llmcoder.net.dial import GuardedBackend, system_resolve

        if not 0 < port < 65536:
            raise BadInput(f"The port {port} does not exist.")
        backend = GuardedBackend(self._allow, self._resolve or system_resolve, budget, ports)
        try:
            stream = backend.connect_tcp(host, port, connect_s)
            if context is not None:
                stream = stream.start_tls(context, canonical_host(host), connect_s)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise Transient(f"No connection to {host}, port {port}: {error}. Nothing was sent.") from error
        connected: socket.socket = stream.get_extra_info("socket")
        return connected


def _context(tls: bool | ssl.SSLContext) -> ssl.SSLContext | None:
    import ssl

    if isinstance(tls, bool):
        return verifying_context() if tls else None
    if tls.verify_mode is not ssl.CERT_REQUIRED or not tls.check_hostname:
        raise ValueError("A TLS context verifies certificates and names; give it your own authority instead.")
    return tls


class _Open:
    """What is to be closed with the job, for all copies of its network."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_closed = False
        self._relays: dict[Relay, threading.Thread] = {}
        self._proxies: list[Proxy] = []

    def refuse_if_closed(self) -> None:
        if self._is_closed:
            raise Cancelled("The job has ended; nothing is connected any more.")

    def add(self, relay: Relay) -> None:
        thread = threading.Thread(target=self._run, args=(relay,), name="relay", daemon=True)
        with self._lock:
            self._relays[relay] = thread
            is_late = self._is_closed
        thread.start()
        if is_late:
            relay.finish()

    def add_proxy(self, proxy: Proxy) -> None:
        with self._lock:
            self._proxies.append(proxy)
            is_late = self._is_closed
        if is_late:
            proxy.close()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            relays, proxies = dict(self._relays), list(self._proxies)
        for proxy in proxies:
            proxy.close()
        for relay in relays:
            relay.finish()
        until = monotonic() + CLOSE_S
        for thread in relays.values():
            thread.join(max(0.0, until - monotonic()))

    def _run(self, relay: Relay) -> None:
        try:
            relay.run()
        finally:
            with self._lock:
                self._relays.pop(relay, None)
