"""A TCP proxy in front of a unix socket: `python proxy.py PORT SOCKET`. SIGUSR1 resets every connection at once."""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
import sys
from contextlib import suppress

#: Closing then sends RST and drops what was not sent: the peer sees its connection reset, in the middle of anything.
RESET = struct.pack("ii", 1, 0)


class Proxy:
    def __init__(self, target: str) -> None:
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream = await asyncio.open_unix_connection(self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, upstream}
        with suppress(OSError):
            await asyncio.gather(pass_on(reader, upstream), pass_on(upstream_reader, writer))
        self._open -= {writer, upstream}
        writer.close()
        upstream.close()

    def reset(self) -> None:
        for writer in self._open:
            own = writer.get_extra_info("socket")
            if own.family == socket.AF_INET:
                own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65_536):
        writer.write(piece)
        await writer.drain()
    writer.close()


async def main(port: int, target: str) -> None:
    proxy = Proxy(target)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, proxy.reset)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
