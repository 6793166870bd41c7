"""How a mail server is dialled: through the guard, to the address that was checked, with its certificate verified.

Loaded when somebody connects, since it loads the HTTP library whose connections the guard's are.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path

import certifi

from llmcoder.declare.connection import Caller, GetSettings
from llmcoder.errors import BadInput, NotConfigured, Refused
from llmcoder.net import AllowList, verifying_context
from llmcoder.net.guard import canonical_host
from llmcoder.net.line import Line
from llmcoder.settings import EngineSettings
from tasks.email.imap_account import MailServer, own_account
from tasks.email.settings import ImapSettings

#: Of IMAP and of submission. Not 25, where servers speak to each other and nobody signs in.
PORTS = frozenset({143, 993, 465, 587})
#: The longest silence of a server, unless a step says otherwise.
STEP_S = 30.0
#: Our own errors say more than the engine's deadline, so they come first.
SPARE_S = 1.5


def dial(server: MailServer, caller: Caller, check: Callable[[], None] | None) -> Line:
    """A connection; in TLS from the first byte where the server is to be spoken to in that way.

    Args:
        check: Called several times a second while waiting; what it raises comes out.

    Raises:
        BadInput: The guard refuses the host or the port, or plain text to a host that no operator named.
        Refused: Its certificate is not valid.
        Transient: It cannot be reached now.
        NotConfigured: The file of authorities cannot be read.
    """
    allow = AllowList.parse((*caller.settings(EngineSettings).fetch_allow, *_own_hosts(caller.settings)))
    if server.security == "plain":
        _refuse_unnamed(server, allow)
    budget = caller.http.budget(max(caller.remaining_s - SPARE_S, 0.0), check)
    line = Line(server.host, server.port, allow=allow, ports=PORTS, budget=budget, step_s=STEP_S)
    if server.security == "tls":
        try:
            start_tls(line, caller)
        except BaseException:
            line.close()
            raise
    return line


def start_tls(line: Line, caller: Caller) -> None:
    """Go on in TLS; raises as `dial` does, and then the connection is of no use."""
    try:
        line.start_tls(_context(caller))
    except BadInput as error:
        hint = "An operator may add its authority with MAIL_CA_FILE."
        raise Refused(f"{error.detail} Nothing was sent. {hint}") from error


def _context(caller: Caller) -> ssl.SSLContext:
    path = caller.settings(ImapSettings).mail_ca_file
    if path is None:
        return verifying_context()
    try:
        return _context_with(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise NotConfigured(f"MAIL_CA_FILE cannot be used: {path}: {error.strerror or error}.") from error


@lru_cache(maxsize=4)
def _context_with(path: Path, _changed_at: int) -> ssl.SSLContext:
    """As `verifying_context`, with the operator's authorities besides; made anew when the file changes."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.load_verify_locations(path)
    return context


def _own_hosts(get: GetSettings) -> list[str]:
    """The operator's own mail servers may be private, and users may have mailboxes there too."""
    try:
        own = own_account(get)
    except NotConfigured:
        return []
    return [] if own is None else [_entry(own.imap), _entry(own.smtp)]


def _entry(server: MailServer) -> str:
    return f"[{server.host}]:{server.port}" if ":" in server.host else f"{server.host}:{server.port}"


def _is_allowed_address(host: str, allow: AllowList) -> bool:
    try:
        return allow.has_address(ip_address(host))
    except ValueError:
        return False


def _refuse_unnamed(server: MailServer, allow: AllowList) -> None:
    host = canonical_host(server.host)
    if not (allow.has_host(host, server.port) or _is_allowed_address(host, allow)):
        raise BadInput(
            f"{server.host}: a password is not sent in plain text. Use tls or starttls; or, on a network that you "
            f"trust, an operator adds {_entry(server)} to the setting FETCH_ALLOW."
        )
