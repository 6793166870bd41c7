"""One request to a source over HTTP, and what its answer is: the same for all of them but for their errors.

To ask for prices changes nothing, so silence is `Transient`: it may simply be asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from llmcoder import strict_json
from llmcoder.context import Context
from llmcoder.declare.connection import Caller
from llmcoder.errors import BadInput, Forbidden, NeedsReconnect, Transient, Uncertain
from llmcoder.net import BlockedAddress, Limits, Response

CONNECT_S = 5.0
#: Our verdict on an answer comes before the deadline of the attempt, or nobody hears it.
MARGIN_S = 2.0
#: A search with hundreds of offers has some megabytes.
LARGEST_ANSWER_BYTES = 30 * 1024 * 1024
MOST_CONTAINERS = 400_000

#: Makes the error of an answer that is none, by status, headers and what its body says.
ErrorOf = Callable[[int, Mapping[str, str], Any], Exception]


@dataclass(frozen=True)
class Service:
    """Where a source is, and how it refuses.

    Attributes:
        title: What people call it.
        provider: Whose limits its answers speak of.
        account: Which account there; empty for the installation's.
    """

    title: str
    provider: str
    account: str
    url: str
    headers: Mapping[str, str]
    error_of: ErrorOf


def ask(
    caller: Caller, service: Service, method: str, path: str, body: Any = None, *, longest_s: float
) -> dict[str, Any]:
    """The JSON object of an answer.

    Raises:
        Transient: Nobody answered, or not in the service's way.
        ActionError: What the service's own map makes of a refusal.
    """
    content = None if body is None else strict_json.write_bytes(body)
    headers = {"accept": "application/json", "content-type": "application/json", **service.headers}
    answer = exchange(caller, service, method, f"{service.url}{path}", headers, content, longest_s)
    if isinstance(caller, Context):
        caller.heed(answer.headers, service.account, service.provider)
    document = read(answer.body)
    if answer.status >= 400:
        raise service.error_of(answer.status, answer.headers, document)
    if not isinstance(document, dict) or answer.truncated:
        raise Transient(f"{service.title} answered {answer.status} with something that is not what it promises.")
    return document


@contextmanager
def no_wait_for_an_account() -> Iterator[None]:
    """Have a job fail whose account is refused. The engine lets a job wait for the account that was chosen when it was
    submitted; one that asks for flights has none, since most sources need none, and would wait for ever.

    Raises:
        Forbidden: In place of `NeedsReconnect`; the detail says what to do.
    """
    try:
        yield
    except NeedsReconnect as error:
        raise Forbidden(f"{error.detail} Connect the account again (POST /connections), then ask again.") from error


def exchange(
    caller: Caller, service: Service, method: str, url: str, headers: Mapping[str, str], content: bytes | None,
    longest_s: float,
) -> Response:  # fmt: skip
    """One request and its answer, whatever the status. Raises as `ask`, but for refusals."""
    check = caller.check if isinstance(caller, Context) else None
    total_s = max(min(caller.remaining_s - MARGIN_S, longest_s), 0.5)
    limits = Limits(
        connect_s=min(CONNECT_S, total_s), read_s=total_s, total_s=total_s, wire_bytes=LARGEST_ANSWER_BYTES,
        decoded_bytes=LARGEST_ANSWER_BYTES, redirects=0,
    )  # fmt: skip
    with asked_again(service.title):
        return caller.http.request(method, url, headers=headers, content=content, check=check, limits=limits)


@contextmanager
def asked_again(title: str) -> Iterator[None]:
    """One request to a source whose address is the operator's: whoever asks for flights has not written it.

    Raises:
        Transient: Silence, a name that cannot be looked up, a certificate of another's, an answer that is none.
        BlockedAddress: The guard does not let it out, which an operator can change.
    """
    try:
        yield
    except Uncertain as error:
        raise Transient(f"{title} did not answer in time. Asking again does no harm.") from error
    except BlockedAddress:
        raise
    except BadInput as error:
        raise Transient(f"{title} cannot be reached: {error.detail} Asking again does no harm.") from error


def read(body: bytes) -> Any:
    """What a body says; None where it is no JSON, or too much of it."""
    if strict_json.has_more_containers(body, MOST_CONTAINERS):
        return None
    try:
        return strict_json.read_lenient(body)
    except strict_json.NotJson:
        return None


def members(value: object) -> dict[str, Any]:
    """The members of an object; none of anything else."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """The items of a list; none of anything else."""
    return value if isinstance(value, list) else []
