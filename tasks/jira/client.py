"""The only module that speaks to the `jira` library: how an account proves itself, and what becomes of each answer.

The library writes requests and reads answers; what it sends goes through our guarded client, and each answer is judged
before the library sees it. Its retries, its greeting (`/serverInfo`, `/field`) and its convenience methods that break
the vendor's contract are not used. What is asked of Cloud stands in `cloud.py`, of Data Center in `data_center.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel

from llmcoder import strict_json
from llmcoder.context import Context
from llmcoder.declare.connection import Caller
from llmcoder.errors import BadInput, NeedsReconnect, Transient, Uncertain
from llmcoder.net import GuardedClient, Response
from tasks.atlassian.account import Authorization, host_of
from tasks.atlassian.client import Timeouts, gateway_of, http_of, unreadable
from tasks.atlassian.payload import receipt_of
from tasks.jira.account import JiraAccount
from tasks.jira.errors import REFUSALS
from tasks.jira.settings import JiraSettings

if TYPE_CHECKING:
    from jira import JIRA

Query = Mapping[str, str | int | bool]

TIMEOUTS = Timeouts(silence_s=25.0, longest_s=45.0)

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
            ActionError: What `REFUSALS.error_of` makes of a refusal.
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
            Uncertain: It may have happened: no answer came, or the site failed.
            Unreadable: It happened, and the answer is not what was expected.
            ActionError: What `REFUSALS.error_of` makes of a refusal.
        """

        def call(jira: JIRA) -> bytes:
            content = None if body is None else strict_json.write(body)
            return jira._session.request(method, jira._get_url(path), data=content).content

        answer = self._proven(call, writes=True)
        if kind is None:
            return None
        try:
            return receipt_of(kind, answer)
        except ValueError as error:
            raise unreadable(self.site) from error

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
        guard(
            jira._session,
            GuardedAdapter(
                self._http, limits=lambda: TIMEOUTS.limits(self._caller, writes=writes), check=check, heard=heard
            ),
        )
        return jira

    def heard(self, answer: Response, *, writes: bool) -> None:
        """Judge an answer before the library sees it."""
        if self._ctx is not None:
            self._ctx.heed(answer.headers)
        error = REFUSALS.error_of(
            answer.status, answer.headers, answer.body, site=self.site, now=datetime.now(UTC), writes=writes
        )
        if error is not None:
            raise error
        if writes and self._ctx is not None:
            self._ctx.confirmed()
        if answer.truncated and not writes:
            raise BadInput(f"{self.site} answered with more than can be taken; ask for less at once.")


def segment(text: str) -> str:
    """A part of a path; what people type as an issue's key may hold a slash."""
    return quote(text, safe="")


def client_of(account: JiraAccount, caller: Caller, proof: Authorization, ctx: Context | None = None) -> JiraClient:
    """Requests in the name of an account."""
    installation = caller.settings(JiraSettings).installation
    base = gateway_of(account, installation, "jira") or account.site
    version = "3" if account.is_cloud else "2"
    return JiraClient(http_of(caller, installation), base, version, proof, caller, ctx, site=host_of(account.site))
