"""Socket Mode: the only other module that speaks to slack_sdk. Keeps one websocket to Slack and hears on it.

The SDK keeps the connection: pings, refreshes, reconnects. Its address comes from the Web API, which is asked through
our guarded client. https://docs.slack.dev/apis/events-api/using-socket-mode
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from ssl import SSLSocket
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlsplit

from llmcoder.declare.connection import Caller
from llmcoder.errors import Refused
from llmcoder.logger import get_logger
from tasks.slack.client import QUIET, of_token

if TYPE_CHECKING:
    from slack_sdk.socket_mode.request import SocketModeRequest

log = get_logger(__name__)

#: How often the SDK looks whether the connection is alive, and dials again where it is not.
LOOK_EVERY_S = 2.0
SECURE_PORT = 443


class Ack(Protocol):
    """Tells Slack that something was taken, perhaps with what is to be said."""

    def __call__(self, payload: Mapping[str, Any] | None = None) -> None: ...


#: Kind, payload, envelope id, how to acknowledge it.
OnEnvelope = Callable[[str, Mapping[str, Any], str, Ack], None]


class SlackSocket(Protocol):
    """An open conversation."""

    def is_connected(self) -> bool: ...


@contextmanager
def conversation(token: str, make_caller: Callable[[], Caller], api_url: str, on: OnEnvelope) -> Iterator[SlackSocket]:
    """Hear what Slack says, until the block ends.

    Args:
        token: App-level, xapp-….
        make_caller: With what an address for the websocket is asked for; anew each time.
        on: Called in one of several threads for each envelope.

    Raises:
        ActionError: Slack does not let us in.
    """
    client = _client_class()(token)
    client.new_url = lambda: websocket_url(token, make_caller(), api_url)
    client.on = on
    try:
        client.connect()
        yield client
    finally:
        _close(client)


def websocket_url(token: str, caller: Caller, api_url: str) -> str:
    """An address for one connection.

    Raises:
        Refused: Slack's answer would have us speak in the clear.
        ActionError: It gives none.
    """
    answer = of_token(token, caller).ask(lambda web: web.apps_connections_open(app_token=token))
    url = urlsplit(str(answer.get("url") or ""))
    # the SDK speaks TLS on port 443 only, whatever the scheme says
    secure = url.scheme == "wss" and (url.port or SECURE_PORT) == SECURE_PORT
    if not secure and urlsplit(api_url).scheme == "https":
        raise Refused("Slack named an address for its websocket that is not secure.")
    return url.geturl()


@cache
def _client_class() -> Any:
    """The SDK's client with our address and our listener; made at first use, since loading the SDK takes its time."""
    from slack_sdk import WebClient
    from slack_sdk.socket_mode import SocketModeClient

    from llmcoder.net.trust import verifying_context

    class Listening(SocketModeClient):
        """As the SDK's, but that it asks us for addresses and takes no proxy from the surroundings."""

        new_url: Callable[[], str]
        on: OnEnvelope

        def __init__(self, token: str) -> None:
            web = WebClient(token=token, ssl=verifying_context(), logger=QUIET)
            super().__init__(token, logger=QUIET, web_client=web, ping_interval=LOOK_EVERY_S)
            self.proxy = None
            self.socket_mode_request_listeners.append(self._heard)

        def connect(self) -> None:
            super().connect()
            session = self.current_session
            if session is not None and session.sock is not None:
                session.sock = cast(SSLSocket, _EndIsAnError(session.sock))

        def issue_new_wss_url(self) -> str:
            return self.new_url()

        def _heard(self, _client: object, request: SocketModeRequest) -> None:
            def ack(payload: Mapping[str, Any] | None = None) -> None:
                from slack_sdk.socket_mode.response import SocketModeResponse

                answer = dict(payload) if payload is not None and request.accepts_response_payload else None
                self.send_socket_mode_response(SocketModeResponse(request.envelope_id, answer))

            self.on(request.type, request.payload, request.envelope_id, ack)

    return Listening


class _EndIsAnError:
    """A socket that raises where the other side has hung up.

    The SDK takes the end for nothing new: it asks again and again without a pause, and dials anew only when five of its
    pings could not be sent. What raises has it dial at its next look.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def recv(self, size: int) -> bytes:
        if not (received := self._sock.recv(size)):
            raise ConnectionResetError("Slack has hung up")
        return received


def _close(client: Any) -> None:
    """Wakes the thread that waits for the next message, which the SDK would let wait for seconds."""
    client.auto_reconnect_enabled = False
    session = client.current_session
    raw = session.sock if session is not None else None
    if raw is not None:
        with suppress(OSError):
            raw.shutdown(socket.SHUT_RDWR)
    client.close()
