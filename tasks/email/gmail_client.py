"""The only module that speaks to google-api-python-client.

The library describes requests and reads answers; what it sends goes through our guarded HTTP client, so that leases,
limits and the difference between "never sent" and "no answer" are ours. Its retries, its way of renewing tokens and its
batches (which go to Google whatever address is set) are not used.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from llmcoder.context import Context
from llmcoder.declare.connection import Caller
from llmcoder.errors import BadInput, NotFound, Transient, Uncertain, Unreadable
from llmcoder.net import Limits, Response
from tasks.email.gmail_errors import PROVIDER, error_of
from tasks.email.settings import GmailSettings

if TYPE_CHECKING:
    import httplib2  # type: ignore[import-untyped]

#: Of one question among several.
Answer = dict[str, Any] | NotFound | BadInput
#: The access token, or another one than the one that was refused.
Token = Callable[[str | None], str]

CONNECT_S = 5.0
#: Taking in 25 MB of attachments is slow.
SILENCE_S = 60.0
LONGEST_S = 300.0
#: Our verdict on an answer comes before the deadline of the attempt, or nobody hears it.
MARGIN_S = 2.0
#: A raw message of 35 MB, the largest that Gmail sends, is this long in base64 and JSON.
LARGEST_ANSWER_BYTES = 50 * 1024 * 1024
#: Gmail refuses more concurrent requests of one user ("Too many concurrent requests for user"). A message costs 5 units
#: of the 15,000 that a user has in a minute: https://developers.google.com/workspace/gmail/api/reference/quota
AT_ONCE = 4
#: What a JSON request may hold is not documented beyond "5 MB or less" for simple uploads; larger ones are uploaded.
LARGEST_INLINE_BYTES = 3 * 1024 * 1024


class GmailClient:
    """Requests to one mailbox. May be used by many threads.

    Args:
        caller: With what is asked.
        token: Gives the access token.
        account: Whose limits the answers speak of; empty for the mailbox of the installation.
        ctx: The job, which may end while it waits and hears of limits; None outside of one.
    """

    def __init__(self, caller: Caller, token: Token, account: str = "", ctx: Context | None = None) -> None:
        from googleapiclient.discovery import build  # type: ignore[import-untyped]  # loads google.auth and httplib2

        self._caller = caller
        self._account = account
        self._ctx = ctx
        self.url = caller.settings(GmailSettings).gmail_api_url
        self._http = GuardedHttp(caller, token, self._seen, None if ctx is None else ctx.check)
        self.users = build(
            "gmail",
            "v1",
            http=self._http,
            static_discovery=True,
            cache_discovery=False,
            client_options={"api_endpoint": self.url},
        ).users()

    def ask(self, request: Any) -> dict[str, Any]:
        """Send what may be sent again: it reads, or doing it twice is doing it once.

        Raises:
            Transient: No answer came, or not Gmail's.
            ActionError: What `gmail_errors.error_of` makes of a refusal.
        """
        if self._ctx is not None:
            self._ctx.check()
        try:
            answer = self._executed(request, self._http, sends=False)
        except Uncertain as error:
            raise Transient(f"{error.detail} Asking again does no harm.") from error
        if not isinstance(answer, dict):
            raise Transient("Something that is not Gmail answered in its place.")
        return answer

    def change(self, request: Any) -> dict[str, Any]:
        """Send what changes something, though doing it twice is doing it once.

        Returns:
            What Gmail says of it; nothing where that cannot be read.

        Raises:
            Transient: No answer came.
            ActionError: What `gmail_errors.error_of` makes of a refusal.
        """
        try:
            answer = self._executed(request, self._http.patient(), sends=False)
        except Uncertain as error:
            raise Transient(f"{error.detail} Doing it again does no harm.") from error
        return answer if isinstance(answer, dict) else {}

    def send(self, request: Any) -> dict[str, Any]:
        """Send what must not happen twice. Not interrupted by a cancellation: the outcome is worth the wait.

        Raises:
            Uncertain: It may have happened: no answer came, or the server failed.
            Unreadable: It happened, and the answer is not Gmail's.
            ActionError: What `gmail_errors.error_of` makes of a refusal.
        """
        answer = self._executed(request, self._http.patient(), sends=True)
        if self._ctx is not None:
            self._ctx.confirmed()
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str) or not answer["id"]:
            raise Unreadable("Gmail has sent the message, but its answer could not be read; look in Sent.")
        return answer

    def ask_all(self, requests: Iterable[Any]) -> Iterator[Answer]:
        """Several questions side by side, answered in their order and as they are taken: no more are on the way.

        An answer is what Gmail says, or the error of what is not there or too large to be taken. Any other error ends
        it: what is on the way is waited for, and nothing else is asked.
        """
        waiting: deque[Future[Answer]] = deque()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="gmail") as pool:
            try:
                for request in requests:
                    if len(waiting) == AT_ONCE:
                        yield waiting.popleft().result()
                    waiting.append(pool.submit(self._answer, request))
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for one in waiting:
                    one.cancel()

    def _answer(self, request: Any) -> Answer:
        try:
            return self.ask(request)
        except (NotFound, BadInput) as error:
            return error

    def _executed(self, request: Any, http: GuardedHttp, *, sends: bool) -> Any:
        from googleapiclient.errors import HttpError  # type: ignore[import-untyped]

        try:
            answer = request.execute(http=http, num_retries=0)
        except HttpError as error:
            body, headers, now = error.content, error.resp, datetime.now(UTC)
            raise error_of(error.status_code, headers, body, account=self._account, now=now, sends=sends) from error
        except (ValueError, RecursionError):  # its body is no text, or no JSON that the library can read
            return None
        # 204 and an empty body are how Gmail says that it has changed labels
        return {} if answer in (b"", "") else answer

    def _seen(self, headers: Mapping[str, str]) -> None:
        if self._ctx is not None:
            self._ctx.heed(headers, account=self._account, provider=PROVIDER)


class GuardedHttp:
    """What googleapiclient takes for an `httplib2.Http`.

    Args:
        seen: Called with the headers of every answer.
        check: Called while waiting; what it raises ends the wait.
    """

    def __init__(
        self,
        caller: Caller,
        token: Token,
        seen: Callable[[Mapping[str, str]], None],
        check: Callable[[], None] | None = None,
    ) -> None:
        self._caller = caller
        self._token = token
        self._seen = seen
        self._check = check
        self._api = urlsplit(caller.settings(GmailSettings).gmail_api_url)
        self._lock = threading.Lock()

    def patient(self) -> GuardedHttp:
        """The same, for what must not be interrupted."""
        return GuardedHttp(self._caller, self._token, self._seen)

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        redirections: int = 0,
        connection_type: object = None,
    ) -> tuple[httplib2.Response, bytes]:
        """One exchange, and once more with a new token where the first is refused: a 401 has done nothing."""
        import httplib2

        content = body.encode() if isinstance(body, str) else body
        given = {name: value for name, value in (headers or {}).items() if name.lower() not in FRAMING}
        token = self._fresh(None)
        answer = self._exchange(method, self._at_home(uri), given, content, token)
        if answer.status == 401 and (other := self._fresh(token)) != token:
            answer = self._exchange(method, self._at_home(uri), given, content, other)
        return httplib2.Response({**answer.headers, "status": str(answer.status)}), answer.body

    def close(self) -> None:
        """Nothing is kept open."""

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, token: str
    ) -> Response:
        answer = self._caller.http.request(
            method,
            url,
            headers={**headers, "authorization": f"Bearer {token}"},
            content=content,
            check=self._check,
            limits=self._limits(),
        )
        self._seen(answer.headers)
        return answer

    def _fresh(self, refused: str | None) -> str:
        with self._lock:
            return self._token(refused)

    def _at_home(self, uri: str) -> str:
        """The address at the one host that may see the token.

        The library makes every upload address https, so the scheme is put back for a server of one's own.
        """
        asked = urlsplit(uri)
        if asked.netloc != self._api.netloc:
            raise BadInput(f"A request to Gmail would have gone to {asked.hostname}.")
        return urlunsplit(asked._replace(scheme=self._api.scheme))

    def _limits(self) -> Limits:
        total_s = min(max(self._caller.remaining_s - MARGIN_S, 1.0), LONGEST_S)
        return Limits(
            connect_s=min(CONNECT_S, total_s),
            read_s=min(SILENCE_S, total_s),
            total_s=total_s,
            wire_bytes=LARGEST_ANSWER_BYTES,
            decoded_bytes=LARGEST_ANSWER_BYTES,
            redirects=0,
        )


#: The guarded client frames requests itself.
FRAMING = {"content-length", "accept-encoding", "connection", "host"}


def uploaded(request: Any, raw: bytes) -> Any:
    """The request, with a message beside its JSON: multipart/related to the upload address.

    The library would flatten the two with the standard library's generator, which fails on a message that is not ASCII.
    """
    boundary = f"part-{uuid4().hex}".encode()
    head, rest = request.uri.split("/gmail/v1/", 1)
    request.uri = f"{head}/upload/gmail/v1/{rest}&uploadType=multipart"
    request.headers["content-type"] = f'multipart/related; boundary="{boundary.decode()}"'
    request.body = b"\r\n".join(
        (
            *(b"--" + boundary, b"Content-Type: application/json; charset=UTF-8", b"", request.body.encode()),
            *(b"--" + boundary, b"Content-Type: message/rfc822", b"", raw),
            *(b"--" + boundary + b"--", b""),
        )
    )
    return request


def chunks(items: Sequence[str], size: int) -> list[Sequence[str]]:
    """The items, so many at a time."""
    return [items[at : at + size] for at in range(0, len(items), size)]
