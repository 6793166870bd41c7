"""The only module that speaks to slack_sdk's Web API client; `socket_client.py` has its Socket Mode, nothing else does.

The SDK writes requests and reads answers; what it sends goes through our guarded HTTP client, so that leases, limits
and the difference between "never sent" and "no answer" are ours. Its retries and its way through proxies are not used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from llmcoder import strict_json
from llmcoder.connection import Connection
from llmcoder.context import Context
from llmcoder.declare.connection import Caller
from llmcoder.errors import BadInput, Forbidden, NeedsReconnect, NotConfigured, Transient, Uncertain
from llmcoder.net import Limits
from tasks.slack.errors import PROVIDER, error_of
from tasks.slack.settings import SlackSettings

if TYPE_CHECKING:
    from urllib.request import Request

    from slack_sdk import WebClient
    from slack_sdk.web import SlackResponse

    from tasks.slack.account import SlackAccount

#: The token, or another one than the one that was refused.
Token = Callable[[str | None], str]
#: One method of the SDK's client with its arguments.
Call = Callable[["WebClient"], "SlackResponse"]

CONNECT_S = 5.0
SILENCE_S = 20.0
LONGEST_S = 30.0
#: Our verdict on an answer comes before the deadline of the attempt, or nobody hears it.
MARGIN_S = 1.0
LARGEST_ANSWER_BYTES = 20 * 1024 * 1024
#: The SDK writes each failure into the log before it raises it; whoever catches it decides that here.
QUIET = logging.getLogger("llmcoder.slack.quiet")
QUIET.disabled = True


class SlackClient:
    """Requests in the name of one account. For one thread at a time.

    Args:
        caller: With what is asked.
        token: Gives the token.
        account: Whose limits the answers speak of; empty for the bot of the installation.
        ctx: The job, which may end while it waits and hears of limits; None outside of one.
    """

    def __init__(self, caller: Caller, token: Token, account: str = "", ctx: Context | None = None) -> None:
        self._caller = caller
        self._token = token
        self._account = account
        self._ctx = ctx

    def ask(self, call: Call) -> dict[str, Any]:
        """Send what may be sent again: it reads, or doing it twice is doing it once.

        Raises:
            Transient: No answer came, or not Slack's.
            ActionError: What `errors.error_of` makes of a refusal.
        """
        if self._ctx is not None:
            self._ctx.check()
        try:
            return self._called(call, sends=False)
        except Uncertain as error:
            raise Transient(f"{error.detail} Asking again does no harm.") from error

    def send(self, call: Call) -> dict[str, Any]:
        """Send what must not happen twice. Not interrupted by a cancellation: the outcome is worth the wait.

        Raises:
            Uncertain: It may have happened: no answer came, or Slack failed.
            Unreadable: It happened, and the answer is not Slack's.
            ActionError: What `errors.error_of` makes of a refusal.
        """
        answer = self._called(call, sends=True)
        if self._ctx is not None:
            self._ctx.confirmed()
        return answer

    def _called(self, call: Call, *, sends: bool) -> dict[str, Any]:
        """Once, and once more with a new token where the first is refused: a refused token has done nothing."""
        token = self._token(None)
        try:
            return self._answered(call, token, sends=sends)
        except NeedsReconnect:
            if (other := self._token(token)) == token:
                raise
        return self._answered(call, other, sends=sends)

    def _answered(self, call: Call, token: str, *, sends: bool) -> dict[str, Any]:
        from slack_sdk.errors import SlackApiError

        try:
            answer = call(self._web(token, sends=sends)).data
        except SlackApiError as error:
            raise self._error(error.response, sends=sends) from None  # its text holds what was sent
        assert isinstance(answer, dict)  # `_Exchange` lets nothing else through
        return answer

    def _web(self, token: str, *, sends: bool) -> WebClient:
        exchange = _Exchange(self, sends)
        url = self._caller.settings(SlackSettings).slack_api_url
        web: WebClient = _guarded_web()(token=token, base_url=url, retry_handlers=[], logger=QUIET)
        web.exchange = exchange  # type: ignore[attr-defined]  # of our own kind of it
        return web

    def _error(self, response: SlackResponse, *, sends: bool) -> Exception:
        answer = response.data if isinstance(response.data, dict) else None
        return error_of(
            int(response.status_code),
            {name.lower(): value for name, value in response.headers.items()},
            answer,
            account=self._account,
            now=datetime.now(UTC),
            sends=sends,
        )

    def exchanged(self, url: str, content: bytes | None, headers: Mapping[str, str], *, sends: bool) -> dict[str, Any]:
        """One request of the SDK's, as it wants its answer: status, headers, body as text."""
        check = None if self._ctx is None or sends else self._ctx.check
        answer = self._caller.http.request(
            "POST", url, headers=headers, content=content, check=check, limits=limits(self._caller)
        )
        if self._ctx is not None:
            self._ctx.heed(answer.headers, account=self._account, provider=PROVIDER)
        read = _object(answer.body)
        if read.get("ok") is not True and not read.get("error"):
            now = datetime.now(UTC)
            raise error_of(answer.status, answer.headers, read, account=self._account, now=now, sends=sends)
        # the SDK reads it once more, and takes less for JSON than Slack's servers and proxies may send
        return {"status": answer.status, "headers": dict(answer.headers), "body": strict_json.write(read)}


class _Exchange:
    """One call of the SDK's."""

    def __init__(self, client: SlackClient, sends: bool) -> None:
        self._client = client
        self._sends = sends

    def __call__(self, url: str, request: Request) -> dict[str, Any]:
        headers = {name: value for name, value in request.header_items() if name.lower() not in FRAMING}
        content = request.data
        assert content is None or isinstance(content, bytes)
        return self._client.exchanged(url, content or b"", headers, sends=self._sends)


#: The guarded client frames requests itself.
FRAMING = {"content-length", "accept-encoding", "connection", "host"}


@cache
def _guarded_web() -> Any:
    """The SDK's client with our wire; made at first use, since loading the SDK takes its time."""
    from slack_sdk import WebClient

    class GuardedWeb(WebClient):
        """As the SDK's, but for the one method that touches the network."""

        exchange: _Exchange

        def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
            return self.exchange(url, req)

    return GuardedWeb


def limits(caller: Caller) -> Limits:
    """What one request may take of the time that is left."""
    total_s = min(max(caller.remaining_s - MARGIN_S, 0.5), LONGEST_S)
    return Limits(
        connect_s=min(CONNECT_S, total_s),
        read_s=min(SILENCE_S, total_s),
        total_s=total_s,
        wire_bytes=LARGEST_ANSWER_BYTES,
        decoded_bytes=LARGEST_ANSWER_BYTES,
        redirects=0,
    )


def _object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; empty where it is none, and so not Slack's."""
    try:
        found = strict_json.read_lenient(body)
    except strict_json.NotJson:
        try:  # perhaps for one wrong byte
            found = strict_json.read_lenient(body.decode("utf-8-sig", "replace"))
        except strict_json.NotJson:
            return {}
    return found if isinstance(found, dict) else {}


# --- in whose name


def of_connection(connection: Connection[SlackAccount], ctx: Context) -> SlackClient:
    """In the name of the account that a job acts for."""
    return SlackClient(ctx, token_of(connection), connection.account, ctx)


def token_of(connection: Connection[SlackAccount]) -> Token:
    """The token of an account: one that is renewed where it came by OAuth, else the one that was typed in."""

    def token(refused: str | None) -> str:
        account = connection.credentials
        if account.grant is not None:
            return connection.access_token(refused)
        assert account.token is not None  # an account has one of the two
        return account.token.get_secret_value()

    return token


def of_token(token: str, caller: Caller) -> SlackClient:
    """In the name of whoever a token belongs to, outside of a job."""
    return SlackClient(caller, lambda refused: token)


def who_is(client: SlackClient) -> dict[str, str]:
    """Whose token it is: `team_id`, `team`, `user_id`, `user`, and `bot_id` of a bot. One cheap real call."""
    answer = client.ask(lambda web: web.auth_test())
    names = ("team_id", "team", "user_id", "user", "bot_id", "enterprise_id")
    return {name: str(answer[name]) for name in names if answer.get(name)}


# --- what is not the Web API


def proved(secret: str | None, headers: Mapping[str, str], body: bytes) -> None:
    """Make sure that a request comes from Slack, and not more than five minutes ago.

    Raises:
        NotConfigured: There is no signing secret.
        Forbidden: The signature is missing, wrong, or old.
    """
    if not secret:
        raise NotConfigured("Requests from Slack cannot be proved: set SLACK_SIGNING_SECRET.")
    from slack_sdk.signature import SignatureVerifier

    genuine = False
    with suppress(ValueError, TypeError):  # the verifier trips over headers that Slack would not send
        genuine = SignatureVerifier(secret).is_valid_request(body, dict(headers))
    if not genuine:
        raise Forbidden("The signature is missing, wrong, or older than five minutes.")


def answer_later(url: str, message: Mapping[str, Any], caller: Caller) -> None:
    """Send what is to be said to a `response_url`, which Slack takes for half an hour.

    Raises:
        ActionError: It did not arrive, as far as we know.
    """
    content = strict_json.write_bytes(message)
    headers = {"content-type": "application/json"}
    answer = caller.http.request("POST", url, headers=headers, content=content, limits=limits(caller))
    if answer.status >= 400:
        raise BadInput(f"Slack did not take the answer: {answer.status}.")
