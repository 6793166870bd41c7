"""The only module that sends requests to Confluence: how an account proves itself, and what becomes of each answer.

Plain HTTP by the guarded client, so that leases, limits and the difference between "never sent" and "no answer" are
ours. What is asked of Cloud stands in `cloud.py`, of Data Center in `data_center.py`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urljoin, urlsplit

from pydantic import BaseModel, ConfigDict, model_validator

from llmcoder import strict_json
from llmcoder.context import Context
from llmcoder.declare.connection import Caller, Connection
from llmcoder.errors import BadInput, NeedsReconnect, Refused, Transient, Uncertain
from llmcoder.net import GuardedClient, Limits, Response
from tasks.confluence.account import ConfluenceAccount, host_of
from tasks.confluence.errors import error_of
from tasks.confluence.settings import ConfluenceSettings
from tasks.confluence.site import Site

#: The value of the header Authorization; given the one that was refused, another one.
Authorization = Callable[[str | None], str]
#: Members of a query: texts, numbers, None for those left out. A list is one member for each of its items.
Query = Mapping[str, object]

CONNECT_S = 5.0
SILENCE_S = 30.0
LONGEST_S = 60.0
#: Our verdict on an answer comes before the deadline of the attempt, or nobody hears it.
MARGIN_S = 2.0
#: Bodies are up to 5 MB each; a batch of pages that is larger than this is refused, and asked for in parts.
LARGEST_ANSWER_BYTES = 40 * 1024 * 1024

W = TypeVar("W", bound=BaseModel)


class Wire(BaseModel):
    """What the site sends: members that we do not read may be anything, ids may be numbers."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, sent: Any) -> Any:
        return {name: value for name, value in sent.items() if value is not None} if isinstance(sent, dict) else sent


class Rest:
    """Requests to one site in the name of one account.

    Args:
        base_url: What all paths begin with.
        site: What people call it.
        ctx: The job, which may end while it waits and hears of limits; None outside of one.
    """

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
            ActionError: What `errors.error_of` makes of a refusal.
        """
        answer = self._read(f"{self.base_url}{path}{_query(query)}", self._limits(LARGEST_ANSWER_BYTES))
        self._judge(answer, writes=False)
        return _parsed(kind, answer, Transient(f"{self.site} answered with something else than {kind.__name__}."))

    def send(self, kind: type[W], method: str, path: str, body: object = None) -> W:
        """Change something. Not interrupted by a cancellation: the outcome is worth the wait.

        Raises:
            Transient: It was never sent.
            Uncertain: It may have happened: no answer came, or none that can be read, or the site failed.
            ActionError: What `errors.error_of` makes of a refusal.
        """
        content = None if body is None else strict_json.write_bytes(body)
        # A redirect would make a GET of it, whose answer says nothing of what was done.
        limits = replace(self._limits(LARGEST_ANSWER_BYTES), redirects=0)
        answer = self._proven(method, f"{self.base_url}{path}", content, limits)
        self._judge(answer, writes=True)
        lost = Uncertain(f"{self.site} has probably done it, but its answer could not be read.")
        return _parsed(kind, answer, lost)

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
            answer = self._read(url, self._limits(max_bytes))
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
        error = error_of(
            answer.status, answer.headers, answer.body, site=self.site, now=datetime.now(UTC), writes=writes
        )
        if error is not None:
            raise error

    def _limits(self, largest_bytes: int) -> Limits:
        total_s = min(max(self._caller.remaining_s - MARGIN_S, 1.0), LONGEST_S)
        return Limits(
            connect_s=min(CONNECT_S, total_s),
            read_s=min(SILENCE_S, total_s),
            total_s=total_s,
            wire_bytes=largest_bytes,
            decoded_bytes=largest_bytes,
        )


def page_url(base: str | None, webui: str | None, page_id: str, site: str) -> str:
    """Where people read a page: as the site says it, where that is an address and not something else."""
    base = base if base and base.startswith(("http://", "https://")) else site
    return f"{base}{webui if webui and webui.startswith('/') else f'/pages/viewpage.action?pageId={page_id}'}"


def _query(query: Query | None) -> str:
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return f"?{urlencode(given, doseq=True, quote_via=quote)}" if given else ""


def _parsed(kind: type[W], answer: Response, otherwise: Transient | Uncertain) -> W:
    try:
        return kind.model_validate(strict_json.read_lenient(answer.body or b"{}"))
    except ValueError as error:
        raise otherwise from error


# --- opening a site


def opened(found: Connection[ConfluenceAccount], ctx: Context) -> Site:
    """The site of the account that a job acts for."""
    account = found.credentials

    def proof(refused: str | None) -> str:
        if account.grant is None:
            return proof_of(account)
        return f"Bearer {found.access_token(refused=refused and refused.removeprefix('Bearer '))}"

    return site_of(account, rest_of(account, ctx, proof, ctx))


def site_of(account: ConfluenceAccount, rest: Rest) -> Site:
    """The site behind an account."""
    from tasks.confluence.cloud import Cloud  # these two import this module
    from tasks.confluence.data_center import DataCenter

    if not account.is_cloud:
        return DataCenter(rest)
    return Cloud(rest, account.site.removesuffix("/wiki"), by_id=account.cloud_id is not None)


def rest_of(account: ConfluenceAccount, caller: Caller, proof: Authorization, ctx: Context | None = None) -> Rest:
    """Requests in the name of an account. The operator's own site may be at a private address, others may not."""
    settings = caller.settings(ConfluenceSettings)
    http = caller.http
    if settings.confluence_url is not None:
        http = http.allowing(urlsplit(settings.confluence_url).netloc)
    base = account.site
    if account.is_cloud and account.cloud_id is not None:
        base = f"{settings.confluence_oauth_api_url}/ex/confluence/{account.cloud_id}/wiki"
    elif account.is_cloud:
        base = f"{account.site.removesuffix('/wiki')}/wiki"
    return Rest(http, base, host_of(account.site), proof, caller, ctx)


def proof_of(account: ConfluenceAccount) -> str:
    """The header Authorization of an account as it is kept.

    Raises:
        NeedsReconnect: There is nothing that proves it.
    """
    if account.grant is not None:
        return f"Bearer {account.grant.access_token.get_secret_value()}"
    if account.token is None:
        raise NeedsReconnect("This account has no token. Connect it again.")
    token = account.token.get_secret_value()
    if account.email is None:
        return f"Bearer {token}"
    return f"Basic {base64.b64encode(f'{account.email}:{token}'.encode()).decode()}"
