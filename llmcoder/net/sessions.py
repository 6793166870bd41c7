"""The guard for vendor SDKs that speak through requests: what they send goes through our guarded client.

So addresses are checked, sizes and times are limited, and "never sent" is told from "no answer", as everywhere. Errors
come out as ours; SDKs do not know them and let them through. Retries, proxies, netrc and cookies are not used, and
redirects are left to the guarded client, which takes no credentials to another origin.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from llmcoder.errors import BadInput
from llmcoder.net.client import GuardedClient, Limits, Response

#: The guarded client writes these itself, and refuses to be told them.
_FRAMING = frozenset({"host", "connection", "keep-alive", "content-length", "transfer-encoding", "accept-encoding"})


class GuardedAdapter(BaseAdapter):
    """Sends the requests of a session.

    Args:
        limits: What the next request may cost; asked for each one, since the time that is left changes.
        check: Called several times a second while waiting; what it raises comes out.
        heard: Told of each answer before the SDK sees it; what it raises comes out.
    """

    def __init__(
        self,
        http: GuardedClient,
        *,
        limits: Callable[[], Limits],
        check: Callable[[], None] | None = None,
        heard: Callable[[Response], None] | None = None,
    ) -> None:
        super().__init__()
        self._http = http
        self._limits = limits
        self._check = check
        self._heard = heard

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Send one request and read the whole answer; the session's own wishes (timeout, proxies, TLS) do not count.

        Raises:
            BadInput, Transient, Uncertain: As `GuardedClient.request`.
        """
        answer = self._http.request(
            request.method or "GET",
            request.url or "",
            headers=_headers(request),
            content=_content(request.body),
            check=self._check,
            limits=self._limits(),
        )
        if self._heard is not None:
            self._heard(answer)
        return _as_requests(answer, request)

    def close(self) -> None:
        """Nothing is kept open."""


def guard(session: requests.Session, adapter: GuardedAdapter) -> None:
    """Let all that a session sends go through the adapter, and nothing of the surroundings into it."""
    session.trust_env = False  # netrc and proxies
    session.adapters.clear()
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)


class _Final(requests.Response):
    """An answer whose redirect was followed already, or is not to be."""

    @property
    def is_redirect(self) -> bool:
        return False


def _headers(request: requests.PreparedRequest) -> dict[str, str]:
    given = {_text(name): _text(value) for name, value in request.headers.items()}
    return {name: value for name, value in given.items() if name.lower() not in _FRAMING}


def _text(part: str | bytes) -> str:
    return part.decode("latin-1") if isinstance(part, bytes) else part


def _content(body: object) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    raise BadInput("A body that comes in pieces cannot be sent.")


def _as_requests(answer: Response, request: requests.PreparedRequest) -> requests.Response:
    made = _Final()
    made.status_code = answer.status
    # The body is decompressed; a second time would be an error.
    kept = [(name, value) for name, value in answer.headers.multi_items() if name.lower() != "content-encoding"]
    made.headers = CaseInsensitiveDict(kept)
    made.url = answer.url
    made.request = request
    made.encoding = requests.utils.get_encoding_from_headers(made.headers)
    made.raw = BytesIO(answer.body)
    made._content = answer.body
    return made
