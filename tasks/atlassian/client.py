"""Requests to one site in the name of one account, by the guarded client: leases, limits and the difference between
"never sent" and "no answer" are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar, TypeVar, overload
from urllib.parse import quote, urlencode, urljoin, urlsplit

from pydantic import BaseModel

from llmcoder import strict_json
from llmcoder.context import Context
from llmcoder.declare.connection import Caller
from llmcoder.errors import BadInput, Refused, Transient, Uncertain, Unreadable
from llmcoder.net import GuardedClient, Limits, Response
from tasks.atlassian.account import AtlassianAccount, Authorization
from tasks.atlassian.errors import Refusals
from tasks.atlassian.installation import Installation
from tasks.atlassian.payload import receipt_of

#: Members of a query: texts, numbers, None for those left out. A list is one member for each of its items.
Query = Mapping[str, object]

CONNECT_S = 5.0
#: Our verdict on an answer comes before the deadline of the attempt, or nobody hears it.
MARGIN_S = 2.0
#: Bodies of pages are up to 5 MB each, an issue whose every comment is as long as JIRA allows has some tens of MB.
LARGEST_ANSWER_BYTES = 40 * 1024 * 1024

W = TypeVar("W", bound=BaseModel)


@dataclass(frozen=True)
class Timeouts:
    """How long a site may take: without a byte, and altogether."""

    silence_s: float = 30.0
    longest_s: float = 60.0

    def limits(self, caller: Caller, *, writes: bool = False, largest_bytes: int = LARGEST_ANSWER_BYTES) -> Limits:
        """For a request that is sent now."""
        total_s = min(max(caller.remaining_s - MARGIN_S, 1.0), self.longest_s)
        limits = Limits(
            connect_s=min(CONNECT_S, total_s),
            read_s=min(self.silence_s, total_s),
            total_s=total_s,
            wire_bytes=largest_bytes,
            decoded_bytes=largest_bytes,
        )
        # A redirect would make a GET of a write, whose answer says nothing of what was done.
        return replace(limits, redirects=0) if writes else limits


class AtlassianClient:
    """Requests to one site in the name of one account.

    Args:
        base_url: What all paths begin with.
        site: What people call it.
        ctx: The job, which may end while it waits and hears of limits; None outside of one.
    """

    refusals: ClassVar[Refusals] = Refusals()
    timeouts: ClassVar[Timeouts] = Timeouts()

    def __init__(
        self,
        http: GuardedClient,
        base_url: str,
        site: str,
        proof: Authorization,
        caller: Caller,
        ctx: Context | None = None,
    ) -> None:
        self.base_url = base_url
        self.site = site
        self._http = http
        self._proof = proof
        self._caller = caller
        self._ctx = ctx

    def get(self, kind: type[W], path: str, query: Query | None = None) -> W:
        """Ask for something; asking again does no harm.

        Raises:
            Transient: No answer came, or none that can be read.
            ActionError: What `Refusals.error_of` makes of a refusal.
        """
        answer = self._read(f"{self.base_url}{path}{_query(query)}", self.timeouts.limits(self._caller))
        self._judge(answer, writes=False)
        return _parsed(kind, answer, Transient(f"{self.site} answered with something else than {kind.__name__}."))

    def ask(self, kind: type[W], path: str, body: object) -> W:
        """Ask for something that no query holds, by POST. Raises as `get`."""
        limits = self.timeouts.limits(self._caller, writes=True)
        try:
            answer = self._proven("POST", f"{self.base_url}{path}", strict_json.write_bytes(body), limits)
        except Uncertain as error:
            raise Transient(f"{error.detail} Asking again does no harm.") from error
        self._judge(answer, writes=False)
        return _parsed(kind, answer, Transient(f"{self.site} answered with something else than {kind.__name__}."))

    @overload
    def send(self, kind: type[W], method: str, path: str, body: object = None) -> W: ...

    @overload
    def send(self, kind: None, method: str, path: str, body: object = None) -> None: ...

    def send(self, kind: type[W] | None, method: str, path: str, body: object = None) -> W | None:
        """Change something. Not interrupted by a cancellation: the outcome is worth the wait.

        Args:
            kind: Of the answer; None where nothing of it is needed.

        Raises:
            Transient: It was never sent.
            Uncertain: It may have happened: no answer came, or the site failed.
            Unreadable: It happened, and the answer is not what was expected.
            ActionError: What `Refusals.error_of` makes of a refusal.
        """
        content = None if body is None else strict_json.write_bytes(body)
        limits = self.timeouts.limits(self._caller, writes=True)
        answer = self._proven(method, f"{self.base_url}{path}", content, limits)
        self._judge(answer, writes=True)
        if self._ctx is not None:
            self._ctx.confirmed()
        if kind is None:
            return None
        try:
            return receipt_of(kind, answer.body)
        except ValueError as error:
            raise unreadable(self.site) from error

    def load(self, path: str, media_type: str, max_bytes: int) -> bytes:
        """The content of a file, from an address of the site; media servers that it redirects to see no token.

        Args:
            media_type: What the file is said to be; a login page in its place is known by that.

        Raises:
            Refused: It is larger, or stands elsewhere.
        """
        url = urljoin(self.base_url, path)
        if urlsplit(url)[:2] != urlsplit(self.base_url)[:2]:
            raise Refused(f"{self.site} keeps that file at another site, which is not asked.")
        try:
            answer = self._read(url, self.timeouts.limits(self._caller, largest_bytes=max_bytes))
        except BadInput as error:
            raise Refused(f"The file could not be loaded: {error.detail}") from error
        if answer.status >= 300 or "html" not in media_type:
            self._judge(answer, writes=False)
        return answer.body

    def _read(self, url: str, limits: Limits) -> Response:
        if self._ctx is not None:
            self._ctx.check()
        try:
            return self._proven("GET", url, None, limits)
        except Uncertain as error:
            raise Transient(f"{error.detail} Asking again does no harm.") from error

    def _proven(self, method: str, url: str, content: bytes | None, limits: Limits) -> Response:
        """One exchange, and once more with a new token where the first is refused: a 401 has done nothing."""
        proof = self._proof(None)
        answer = self._exchange(method, url, content, limits, proof)
        if answer.status == 401 and (other := self._proof(proof)) != proof:
            answer = self._exchange(method, url, content, limits, other)
        return answer

    def _exchange(self, method: str, url: str, content: bytes | None, limits: Limits, proof: str) -> Response:
        headers = {"authorization": proof, "accept": "application/json, */*;q=0.1"}
        if content is not None:
            headers["content-type"] = "application/json"
        check = self._ctx.check if self._ctx is not None and method == "GET" else None
        answer = self._http.request(method, url, headers=headers, content=content, check=check, limits=limits)
        if self._ctx is not None:
            self._ctx.heed(answer.headers)
        return answer

    def _judge(self, answer: Response, *, writes: bool) -> None:
        error = self.refusals.error_of(
            answer.status, answer.headers, answer.body, site=self.site, now=datetime.now(UTC), writes=writes
        )
        if error is not None:
            raise error


def _query(query: Query | None) -> str:
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return f"?{urlencode(given, doseq=True, quote_via=quote)}" if given else ""


def unreadable(site: str) -> Unreadable:
    """The error of a change that a site has made, and said so in an answer that is not what was expected."""
    return Unreadable(f"{site} has done it, but its answer could not be read; look there for what it made.")


def _parsed(kind: type[W], answer: Response, otherwise: Transient) -> W:
    try:
        return kind.model_validate(strict_json.read_lenient(answer.body or b"{}"))
    except (ValueError, RecursionError) as error:
        raise otherwise from error


# --- where an account's site is reached


def http_of(caller: Caller, installation: Installation) -> GuardedClient:
    """The operator's own site may be at a private address, others may not."""
    if installation.url is None:
        return caller.http
    return caller.http.allowing(urlsplit(installation.url).netloc)


def gateway_of(account: AtlassianAccount, installation: Installation, product: str) -> str | None:
    """Where Atlassian lets a site be reached by its id; None where the site itself is asked."""
    if not account.is_cloud or account.cloud_id is None:
        return None
    return f"{installation.api_url}/ex/{product}/{account.cloud_id}"
