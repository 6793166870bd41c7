"""The only module that speaks to the `jira` library: how an account proves itself, and what becomes of each answer.

The library writes requests and reads answers; what it sends goes through our guarded client, and each answer is judged
before the library sees it. Its retries, its greeting (`/serverInfo`, `/field`) and its convenience methods that break
the vendor's contract are not used. What is asked of Cloud stands in `cloud.py`, of Data Center in `data_center.py`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BaseModel

from llmcoder import strict_json
from llmcoder.context import Context
from llmcoder.declare.connection import Caller, Connection
from llmcoder.errors import BadInput, NeedsReconnect, Transient, Uncertain
from llmcoder.net import GuardedClient, Limits, Response
from tasks.jira.account import JiraAccount, host_of
from tasks.jira.errors import error_of
from tasks.jira.settings import JiraSettings

if TYPE_CHECKING:
    from jira import JIRA

    from tasks.jira.tracker import Tracker

#: The value of the header Authorization; given the one that was refused, another one.
Authorization = Callable[[str | None], str]
Query = Mapping[str, str | int | bool]

CONNECT_S = 5.0
SILENCE_S = 25.0
LONGEST_S = 45.0
#: Our verdict on an answer comes before the deadline of the attempt, or nobody hears it.
MARGIN_S = 2.0
#: An issue whose every comment is as long as JIRA allows (32,767 characters) has some tens of megabytes.
LARGEST_ANSWER_BYTES = 40 * 1024 * 1024

W = TypeVar("W", bound=BaseModel)
T = TypeVar("T")


class JiraClient:
    """Requests to one site in the name of one account. For one thread at a time.

    Args:
        base_url: What the paths of the library begin with.
        version: Of the REST API: "3" speaks ADF, "2" wiki markup.
        site: What people call it.
        ctx: The job, which may end while it waits and hears of limits; None outside of one.
    """

    def __init__(
        self,
        http: GuardedClient,
        base_url: str,
        version: str,
        proof: Authorization,
        caller: Caller,
        ctx: Context | None = None,
        *,
        site: str,
    ) -> None:
        self.base_url = base_url
        self.site = site
        self._http = http
        self._version = version
        self._proof = proof
        self._caller = caller
        self._ctx = ctx

    def get(self, kind: type[W], path: str, query: Query | None = None) -> W:
        """Ask for something.

        Raises:
            Transient: No answer came, or none that can be read.
            ActionError: What `errors.error_of` makes of a refusal.
        """
        return self._read(kind, lambda jira: jira._get_json(path, params=dict(query or {})))

    def search(self, kind: type[W], path: str, body: Mapping[str, Any]) -> W:
        """Ask by POST, whose body may be as long as a query needs. Raises as `get`."""
        return self._read(kind, lambda jira: jira._get_json(path, params=dict(body), use_post=True))

    def send(self, method: str, path: str, body: Any = None, kind: type[W] | None = None) -> W | None:
        """Change something. Not interrupted by a cancellation: the outcome is worth the wait.

        Args:
            kind: Of the answer; None where there is none.

        Raises:
            Transient: It was never sent.
            Uncertain: It may have happened: no answer came, or none that can be read, or the site failed.
            ActionError: What `errors.error_of` makes of a refusal.
        """

        def call(jira: JIRA) -> bytes:
            content = None if body is None else strict_json.write(body)
            return jira._session.request(method, jira._get_url(path), data=content).content

        answer = self._proven(call, writes=True)
        if kind is None:
            return None
        try:
            return kind.model_validate(strict_json.read_lenient(answer))
        except ValueError as error:
            raise Uncertain(f"{self.site} has probably done it, but its answer could not be read.") from error

    def _read(self, kind: type[W], call: Callable[[JIRA], Any]) -> W:
        if self._ctx is not None:
            self._ctx.check()
        try:
            return kind.model_validate(self._proven(call, writes=False))
        except Uncertain as error:
            raise Transient(f"{error.detail} Asking again does no harm.") from error
        except (
            ValueError,
            RecursionError,
        ) as error:  # of the library for what is no JSON, of pydantic for what is not as described
            raise Transient(f"{self.site} answered with something else than {kind.__name__}.") from error

    def _proven(self, call: Callable[[JIRA], T], *, writes: bool) -> T:
        """Once, and once more with a new token where the first is refused: a refused token has done nothing."""
        proof = self._proof(None)
        try:
            return call(self._library(proof, writes=writes))
        except NeedsReconnect:
            if (other := self._proof(proof)) == proof:
                raise
        return call(self._library(other, writes=writes))

    def _library(self, proof: str, *, writes: bool) -> JIRA:
        from jira import JIRA

        from llmcoder.net.sessions import GuardedAdapter, guard

        jira = JIRA(
            options={
                "server": self.base_url,
                "rest_api_version": self._version,
                # one way for all three kinds of account
                "headers": {"Authorization": proof, "Accept": "application/json"},
            },
            get_server_info=False,  # it asks /serverInfo before every job
            max_retries=0,  # whether to try again is the engine's decision
            logging=False,  # it writes answers into the log
        )
        jira.deploymentType = "Cloud" if self._version == "3" else "Server"  # what /serverInfo would have told
        heard = partial(self.heard, writes=writes)
        check = None if writes or self._ctx is None else self._ctx.check
        guard(jira._session, GuardedAdapter(self._http, limits=lambda: self._limits(writes), check=check, heard=heard))
        return jira

    def heard(self, answer: Response, *, writes: bool) -> None:
        """Judge an answer before the library sees it."""
        if self._ctx is not None:
            self._ctx.heed(answer.headers)
        error = error_of(
            answer.status, answer.headers, answer.body, site=self.site, now=datetime.now(UTC), writes=writes
        )
        if error is not None:
            raise error
        if answer.truncated and not writes:
            raise BadInput(f"{self.site} answered with more than can be taken; ask for less at once.")

    def _limits(self, writes: bool) -> Limits:
        total_s = min(max(self._caller.remaining_s - MARGIN_S, 1.0), LONGEST_S)
        limits = Limits(
            connect_s=min(CONNECT_S, total_s),
            read_s=min(SILENCE_S, total_s),
            total_s=total_s,
            wire_bytes=LARGEST_ANSWER_BYTES,
            decoded_bytes=LARGEST_ANSWER_BYTES,
        )
        # A redirect would make a GET of it, whose answer says nothing of what was done.
        return replace(limits, redirects=0) if writes else limits


def segment(text: str) -> str:
    """A part of a path; what people type as an issue's key may hold a slash."""
    return quote(text, safe="")


# --- opening a site


def opened(found: Connection[JiraAccount], ctx: Context) -> Tracker:
    """The site of the account that a job acts for."""
    account = found.credentials

    def proof(refused: str | None) -> str:
        if account.grant is None:
            return proof_of(account)
        return f"Bearer {found.access_token(refused=refused and refused.removeprefix('Bearer '))}"

    return tracker_of(account, client_of(account, ctx, proof, ctx))


def tracker_of(account: JiraAccount, client: JiraClient) -> Tracker:
    """The site behind an account."""
    from tasks.jira.cloud import Cloud  # these two import this module
    from tasks.jira.data_center import DataCenter

    return (Cloud if account.is_cloud else DataCenter)(client, account.site)


def client_of(account: JiraAccount, caller: Caller, proof: Authorization, ctx: Context | None = None) -> JiraClient:
    """Requests in the name of an account. The operator's own site may be at a private address, others may not."""
    settings = caller.settings(JiraSettings)
    http = caller.http
    if settings.jira_server_url is not None:
        http = http.allowing(urlsplit(settings.jira_server_url).netloc)
    base = account.site
    if account.is_cloud and account.cloud_id is not None:
        base = f"{settings.jira_oauth_api_url}/ex/jira/{account.cloud_id}"
    version = "3" if account.is_cloud else "2"
    return JiraClient(http, base, version, proof, caller, ctx, site=host_of(account.site))


def proof_of(account: JiraAccount) -> str:
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
