"""What every process may find wrong before it starts."""

import errno
import socket


class UpError(Exception):
    """The engine cannot be started; the text says what is wrong and what to do about it."""


def free_port(host: str, port: int, setting: str) -> int:
    """The port that `setting`, such as API_PORT, names, after seeing that it can be listened on; for 0 any free one.

    Raises:
        UpError: It is taken, or not ours to take.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise UpError(f"{host} is no address to listen on ({error.strerror}); it goes with {setting}={port}") from error
    family, kind, _, _, address = found[0]
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise UpError(_why_not_bound(error, host, port, setting)) from error
        return int(probe.getsockname()[1])


def _why_not_bound(error: OSError, host: str, port: int, setting: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use by another program: end that program, or set {setting} to another port"
    return f"cannot listen on {host} port {port} ({error.strerror}): change {setting}, or the host that goes with it"
