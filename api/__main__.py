"""`python -m api`: the API process on API_HOST and API_PORT. Stateless; any number may run behind a proxy."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.http.deferred import DeferredRoutes
from api.http.wire import Connection, Socket, most_connections
from llmcoder.config import config
from llmcoder.config_file import ConfigError
from llmcoder.log import set_up_logging
from llmcoder.logger import get_logger
from llmcoder.private import keep_private
from llmcoder.settings import EngineSettings
from llmcoder.startup import UpError, free_port
from models.accounts import vault

#: Requests in flight get this long when the process is told to end; streams and waits are let go at once.
GRACE_S = 3
LARGEST_WS_MESSAGE_BYTES = 65_536
#: A client that takes nothing of what it is sent for so long is cut off.
TAKEN_WITHIN_S = 30.0

log = get_logger(__name__)


class Server(uvicorn.Server):
    """Uvicorn, which would wait for streams and long-polls to end by themselves."""

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        Connection.most = most_connections()
        await super().startup(sockets)
        for server in self.servers:
            for listening in server.sockets:
                cut_off_who_takes_nothing(listening)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.services.hub.stop()
        await asyncio.sleep(0.05)  # for their last words
        await super().shutdown(sockets)


def cut_off_who_takes_nothing(listening: socket.socket) -> None:
    """Have the kernel end connections that send nothing any more, because their clients do not read or are gone.

    Nobody else does. To close such a connection is to wait until everything is sent, so uvicorn's pings end it in name
    only, and an authenticated client that never reads would hold its connection and its stream for ever. Connections
    inherit this from the socket that accepts them. Linux has it; elsewhere they stay.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(TAKEN_WITHIN_S * 1000))


def main() -> None:
    keep_private()
    try:
        set_up_logging()
        settings = config().get(EngineSettings)
        vault.refuse_wrong_keys()
        port = free_port(settings.api_host, settings.api_port, "API_PORT")
        serve(settings.api_host, port)
    except (ConfigError, UpError) as error:
        raise SystemExit(f"llmcoder api: {error}") from None


def serve(host: str, port: int) -> None:
    """Answer until SIGTERM or SIGINT."""
    server = server_of(create_app(), host, port)
    # What is loaded stays. The garbage collector would look through all of it now and then, for some tenths of a second
    # in which nobody is answered.
    gc.freeze()
    DeferredRoutes.on_made = gc.freeze
    signal.signal(signal.SIGTERM, _leave)  # uvicorn raises the signals again that it was ended by
    signal.signal(signal.SIGINT, _leave)
    log.info("listening", address=f"http://{host}:{port}")
    server.run()


def server_of(app: FastAPI, host: str, port: int) -> Server:
    """The server as we set it up."""
    return Server(
        app,
        uvicorn.Config(
            app,
            host=host,
            port=port,
            loop="uvloop",
            http=Connection,
            ws=Socket,
            ws_max_size=LARGEST_WS_MESSAGE_BYTES,
            ws_per_message_deflate=False,
            lifespan="on",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        ),
    )


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
