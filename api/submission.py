"""Taking a job in: what every door does with a submission once it knows who is asking and for which action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool

from api.http.problems import HttpError, errors_at
from engine import references
from engine.administrators import refuse_others
from engine.admission import PLAIN, JobSubmission, look, new_job, refuse_unconfigured
from engine.idempotency import fingerprint
from engine.local_door import KeyReused
from engine.submitter import refuse_too_large
from llmcoder import strict_json
from llmcoder.errors import BadInput
from llmcoder.registry import AnyAction
from models.jobs import taint
from models.jobs.store import PRIORITY, Accepted

if TYPE_CHECKING:
    from api.auth.identity import Identity
    from api.services import Services

M = TypeVar("M", bound=BaseModel)

#: Priority of what somebody waits for, unless they say otherwise.
AWAITED = PRIORITY - 2

#: Jobs that a caller may name as those of whose results an input was made.
MOST_SOURCES = 100
#: What Python's JSON readers take for numbers and JSON does not know.
_NOT_JSON = (b"NaN", b"Infinity")


class KeySpent(HttpError):
    """The same Idempotency-Key made a job that is not kept any more; nothing was accepted."""

    slug, title, status = "idempotency-key-spent", "The idempotency key has done its work", 422


class BodyNotJson(HttpError):
    """The body cannot be read."""

    slug, title, status = "invalid-json", "The body is not JSON", 400


@dataclass(frozen=True, slots=True)
class Given:
    """A validated input.

    Attributes:
        text: As JSON.
        sources: Jobs whose results it was made of.
    """

    text: str
    sources: tuple[UUID, ...] = ()


async def accept(
    services: Services,
    who: Identity,
    action: AnyAction,
    given: Given,
    *,
    door: str,
    key: str | None = None,
    due_at: datetime | None = None,
    priority: int | None = None,
    waits: bool = False,
) -> Accepted:
    """Commit a job, or find the one that came under this key before.

    Args:
        given: From one of the functions below.
        door: Through which it came, for the metrics.
        priority: As its submitter wants; when not given, one that somebody waits for passes before the others.
        waits: Whether the caller waits for the outcome.

    Raises:
        InputTooLarge: MAX_INPUT_BYTES says so.
        NotConfigured: A setting that the action needs has no value.
        KeyReused: The key came with another submission before.
        KeySpent: The job that it made is gone.
        sqlalchemy.exc.OperationalError: The database did not take it.
    """
    refuse_too_large(given.text, services.settings().max_input_bytes)
    if action.requires:
        refuse_unconfigured(services.config.get, action)
    submission = JobSubmission(
        user_id=who.user_id,
        action=action,
        text=given.text,
        origin=who.origin,
        sources=given.sources,
        due_at=due_at,
        priority=(AWAITED if waits else PRIORITY) if priority is None else priority,
        key=key,
        fingerprint=fingerprint(action.name, given.text, due_at, priority) if key is not None else None,
    )
    standing = (
        PLAIN
        if submission.is_plain
        else await services.sql.read(look, submission, services.registry, services.db.now())
    )
    accepted = await services.submitter.submit(new_job(submission, standing, services.db.now()))
    if accepted.conflict:
        raise KeyReused(f"The key {key!r} came with another submission before. Take a new key for a new job.")
    if accepted.gone:
        raise KeySpent(f"The key {key!r} made the job {accepted.job.id}, which is over and no longer kept.")
    if not accepted.replayed:
        services.metrics.submitted(action.name, door)
    return accepted


def read_model(kind: type[M], body: bytes) -> M:
    """A message of our own, from a request's body.

    Raises:
        RequestValidationError: It is something else.
        BodyNotJson: It is not JSON.
    """
    return _validated(kind, body, "body")


async def input_of_body(services: Services, who: Identity, action: AnyAction, body: bytes) -> Given:
    """The input that stands in a request's body; no body at all is an empty object.

    Raises:
        RequestValidationError: It is not what the action takes.
        BodyNotJson: It is not JSON.
        NotFound, NoResultYet, BadInput: It refers to a result that cannot be had.
        AdministratorsOnly: The caller may not have the action run.
    """
    await prepare(services, who, action)
    body = strict_json.utf8(body)
    if references.SIGN in body:
        return await _with_results(services, who, action, _parsed(body), (), "body")
    return Given(_text(action, b"{}" if not body or body.isspace() else body, "body"))


async def input_of_object(
    services: Services, who: Identity, action: AnyAction, given: dict[str, Any], sources: Sequence[UUID], *where: str
) -> Given:
    """The input that stands as an object in a larger message, at `where`.

    Args:
        sources: Jobs of which the caller says that the input was made of their results.

    Raises:
        RequestValidationError: It is not what the action takes.
        NotFound, NoResultYet, BadInput: It refers to a result that cannot be had.
        AdministratorsOnly: The caller may not have the action run.
    """
    await prepare(services, who, action)
    return await _with_results(services, who, action, given, sources, *where)


async def _with_results(
    services: Services, who: Identity, action: AnyAction, given: Any, sources: Sequence[UUID], *where: str
) -> Given:
    named = references.find(given)
    if named:
        found = await services.sql.read(taint.look_up, who.user_id, named, services.registry.outside)
        given = references.resolve(given, found)
    return Given(_text(action, strict_json.write_bytes(given), *where), tuple(dict.fromkeys([*named, *sources])))


def _parsed(body: bytes) -> Any:
    try:
        return strict_json.read(body, strict_json.MOST_CONTAINERS)
    except strict_json.NotJson as error:
        if isinstance(error, strict_json.NotTaken) and not isinstance(error, strict_json.TooMany):
            raise BadInput(f"The body cannot be kept: {error}.") from None
        raise BodyNotJson(f"The body cannot be read as JSON: {error}.") from error


async def input_of_query(services: Services, who: Identity, action: AnyAction, query: bytes) -> Given:
    """The input that stands in a query string; a list is a parameter that comes several times.

    Raises:
        RequestValidationError: It is not what the action takes.
        AdministratorsOnly: The caller may not have the action run.
    """
    await prepare(services, who, action)
    given: dict[str, list[str]] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        given.setdefault(name, []).append(value)
    lists = action.input_schema.get("properties", {})
    plain = {
        name: values if len(values) > 1 or _takes_list(lists.get(name, {})) else values[0]
        for name, values in given.items()
    }
    try:
        return Given(_dumped(action.input.model_validate(plain)))
    except ValidationError as error:
        raise _at(error, "query") from None


async def prepare(services: Services, who: Identity, action: AnyAction) -> None:
    """Before the input is looked at: what is wrong with it would tell what it should be."""
    if not action.input.__pydantic_complete__:
        # built when first used, and that takes milliseconds; the loop goes on meanwhile
        await run_in_threadpool(action.build)
    if action.administrators_only:
        await services.sql.read(refuse_others, action, who.user_id, who.origin)


def _takes_list(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "array" or any(_takes_list(one) for one in schema.get("anyOf", ()))


def _text(action: AnyAction, body: bytes, *where: str) -> str:
    return _dumped(_validated(action.input, body, *where))


def _validated(kind: type[M], body: bytes, *where: str) -> M:
    body = strict_json.utf8(body)
    too_many = strict_json.has_more_containers(body, strict_json.MOST_CONTAINERS)
    if too_many or any(word in body for word in _NOT_JSON) or strict_json.is_large(body):
        _refuse_what_is_not_json(body)
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        _refuse_half_a_character(error, body)
        raise _at(error, *where) from None


def _refuse_half_a_character(error: ValidationError, body: bytes) -> None:
    """To pydantic that is no JSON at all; here it is a value that cannot be kept, as at every other door."""
    if error.error_count() > 1 or error.errors(include_url=False, include_input=False)[0]["type"] != "json_invalid":
        return
    with suppress(BodyNotJson):
        _parsed(body)


def _refuse_what_is_not_json(body: bytes) -> None:
    _parsed(body)


def _dumped(given: BaseModel) -> str:
    """With the names that the schema shows, so that the worker reads it as the caller wrote it."""
    return given.model_dump_json(by_alias=True)


def _at(error: ValidationError, *where: str) -> RequestValidationError:
    return RequestValidationError(errors_at(error, *where))
