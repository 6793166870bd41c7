"""A guarded connection for protocols that speak in lines, such as IMAP and SMTP.

The client libraries of these protocols dial by themselves and wait without looking up; they are given one of these in
place of their socket.
"""

from __future__ import annotations

import ssl
from collections.abc import Collection

import httpcore

from llmcoder.errors import Transient
from llmcoder.net.dial import Budget, GuardedBackend, Resolve, system_resolve
from llmcoder.net.guard import AllowList

_CHUNK_BYTES = 65_536


class Silent(TimeoutError):
    """The other side said nothing in time, or took nothing."""


class Broken(ConnectionError):
    """The other side closed the connection, or the network did."""


class Line:
    """One connection: what comes in is buffered, every wait ends with the budget and notices a cancellation.

    Args:
        ports: Of the protocol; others that belong to some protocol are refused.
        budget: For all of the connection's life.
        step_s: The longest silence; may be changed at any time.

    Raises:
        BadInput: The guard refuses, or there is no such name.
        Transient: No connection.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        allow: AllowList,
        ports: Collection[int],
        budget: Budget,
        step_s: float = 30.0,
        resolve: Resolve = system_resolve,
    ) -> None:
        self.host = host
        self.step_s = step_s
        self._buffer = bytearray()
        self._budget = budget
        try:
            self._stream = GuardedBackend(allow, resolve, budget, ports).connect_tcp(host, port, step_s)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise Transient(f"No connection to {host}, port {port}: {error}. Nothing was sent.") from error

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Go on in TLS, with the certificate of the name that was dialled.

        Raises:
            BadInput: The certificate is not valid.
            Transient: There was no handshake; or something came in before it, which somebody in between may have sent.
        """
        if self._buffer:
            raise Transient(f"{self.host} went on in plain text where TLS was agreed on; nothing was sent.")
        try:
            self._stream = self._stream.start_tls(context, self.host, self.step_s)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise Transient(f"{self.host}: {error}. Nothing was sent.") from error

    def before_send(self) -> None:
        """Asked at the first byte by itself; once more right before what cannot be taken back.

        Raises:
            ActionError: It may not be sent.
        """
        self._budget.before_send()

    def readline(self, limit: int = -1) -> bytes:
        """As of a binary file: up to and with the end of line, or `limit` bytes; less where the other side closed."""
        while True:
            end = self._buffer.find(b"\n") + 1
            if end or 0 <= limit <= len(self._buffer):
                return self._take(min(end or limit, limit) if limit >= 0 else end)
            if not self._more():
                return self._take(len(self._buffer))

    def read(self, size: int) -> bytes:
        """Exactly so many bytes; less only where the other side closed."""
        while len(self._buffer) < size and self._more():
            pass
        return self._take(size)

    def sendall(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            Silent, Broken: Part of it may have gone out; all of it did not.
        """
        try:
            self._stream.write(data, self.step_s)
        except httpcore.TimeoutException as error:
            raise Silent(f"{self.host} took nothing in time") from error
        except httpcore.NetworkError as error:
            raise Broken(f"{self.host} closed the connection") from error

    def close(self) -> None:
        self._stream.close()

    def _more(self) -> bool:
        try:
            piece = self._stream.read(_CHUNK_BYTES, self.step_s)
        except httpcore.TimeoutException as error:
            raise Silent(f"{self.host} said nothing in time") from error
        except httpcore.NetworkError as error:
            raise Broken(f"{self.host} closed the connection") from error
        self._buffer += piece
        return bool(piece)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken
