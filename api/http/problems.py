"""Every error the API answers with: one shape, `application/problem+json` (RFC 9457), and never an input or a secret.

`type` is `urn:llmcoder:problem:<slug>`, for ever; `detail` speaks to the caller; some kinds add members of their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, ClassVar

import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llmcoder import strict_json
from llmcoder.errors import ActionError, Busy, RateLimited, Transient, problem_type
from llmcoder.ids import new_id
from llmcoder.logger import get_logger
from models.db.database import TRANSIENT_ERRORS, is_full

RETRY_AFTER_S = 2
#: Described one by one; a body of two megabytes can have 180,000, which held the process up for seconds.
MOST_ERRORS = 1_000
#: Of an input's errors: two megabytes can have 180,000 wrong places, and named 12 megabytes of them in the answer.
MOST_SHOWN = 50
#: Somebody has to make room first.
DISK_RETRY_AFTER_S = 30
#: What `api.http.edge` adds to every other answer.
PROTECTION_OF_PROBLEMS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
FASTAPI_UNREADABLE = "There was an error parsing the body"
#: Where the framework's own words ("Not Found") would not help.
DETAILS = {
    400: "The request's body cannot be read as what its Content-Type says.",
    404: "Nothing is at this address. GET /openapi.json lists every one.",
    405: "This address does not take that method; the header Allow lists those it takes.",
}

log = get_logger(__name__)


class HttpError(ActionError):
    """Base of the errors that belong to the HTTP surface and not to an action.

    Attributes:
        headers: Response headers that go with it.
    """

    headers: Mapping[str, str]
    default_headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, detail: str, **headers: str) -> None:
        """Headers are written as keywords: `retry_after="3"` becomes `retry-after: 3`."""
        super().__init__(detail)
        self.headers = {**self.default_headers, **{name.replace("_", "-"): value for name, value in headers.items()}}


def problem(
    status: int, slug: str, title: str, detail: str, headers: Mapping[str, str] | None = None, **extra: object
) -> Response:
    """The answer for one problem; `extra` become members of the object."""
    body = {"type": problem_type(slug), "title": title, "status": status, "detail": detail, **extra}
    return Response(strict_json.write_bytes(body), status, headers, media_type="application/problem+json")


def problem_of(error: ActionError) -> Response:
    """The answer for an error of the kernel's tree or of the HTTP surface."""
    return problem(error.status, error.slug, error.title, error.detail, _headers(error))


def _headers(error: ActionError) -> Mapping[str, str]:
    if isinstance(error, HttpError):
        return error.headers
    if isinstance(error, Busy):
        return {"retry-after": str(error.retry_after_s)}
    if isinstance(error, RateLimited):
        return {"retry-after": str(whole_seconds((error.retry_at - datetime.now(UTC)).total_seconds()))}
    return {"retry-after": str(RETRY_AFTER_S)} if isinstance(error, Transient) else {}


def whole_seconds(seconds: float) -> int:
    """As Retry-After wants it: rounded up, at least 1."""
    return max(1, math.ceil(seconds))


def errors_at(error: ValidationError, *where: int | str) -> list[dict[str, Any]]:
    """What is wrong with a value that stands at `where`, for `invalid`; too much to be described is one error."""
    if error.error_count() > MOST_ERRORS:
        many = f"{error.error_count()} places cannot be used."
        return [{"type": "too_many_errors", "loc": where, "msg": many}]
    found = error.errors(include_url=False, include_input=False)
    return [{**one, "loc": (*where, *one["loc"])} for one in found]


def invalid(errors: Sequence[Mapping[str, Any]]) -> Response:
    """The answer for input that pydantic refused: 400 where it is not JSON at all, else 422 and every place."""
    if any(error["type"] == "json_invalid" for error in errors):
        return problem(400, "invalid-json", "The body is not JSON", "The body cannot be read as JSON.")
    shown = [{"loc": error["loc"], "msg": _message(error)} for error in errors[:MOST_SHOWN]]
    which = "which" if len(errors) == len(shown) else f"the first {MOST_SHOWN} of {len(errors)} places"
    detail = f"Some input cannot be used; `errors` says {which} and why."
    return problem(422, "bad-input", "The input is not usable", detail, errors=shown)


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "union_tag_invalid":  # the one message of pydantic's that quotes what it was given
        return f"Must be one of {error['ctx']['expected_tags']}"
    message: str = error["msg"]
    return message.removeprefix("Value error, ")


def database_unavailable(error: Exception) -> Response:
    """The answer while the database cannot be reached, is locked or is full.

    A connection that breaks in the middle of a commit leaves the question open, and only a second look settles it.
    """
    # `orig` is the driver's own error, without the statement's parameters
    log.error("database unavailable", kind=type(error).__name__, reason=str(getattr(error, "orig", None) or ""))
    detail, wait_s = "The database cannot be reached or cannot write.", RETRY_AFTER_S
    if is_full(error):
        detail, wait_s = "The database's disk is full or does not take writes.", DISK_RETRY_AFTER_S
    headers = {"retry-after": str(wait_s)}
    return problem(503, "database-unavailable", "Temporarily unavailable", f"{detail} {_LATER}", headers)


_LATER = (
    "Nothing was changed, unless it broke off in this very moment: send the same again later, a submit with the same "
    "Idempotency-Key."
)


def cannot_be_kept(error: Exception) -> Response:
    """The answer to a value that the database does not take: PostgreSQL's texts hold no zero byte, SQLite's do."""
    log.warning("the database refused a value", kind=type(error).__name__)  # its words may quote the value
    detail = "The database cannot keep or compare something in this request, such as a zero byte. Nothing was changed."
    return problem(422, "bad-input", "The input is not usable", detail)


def install(app: FastAPI) -> None:
    """Make the app answer every error as a problem. Call it before the app starts."""
    app.add_exception_handler(ActionError, _on_action_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(ValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_exception)
    for kind in TRANSIENT_ERRORS:
        app.add_exception_handler(kind, _on_database_error)
    app.add_exception_handler(sa.exc.DataError, _on_refused_value)
    app.add_exception_handler(Exception, _on_unexpected)
    app.add_middleware(Unexpected)


# Coroutines, since Starlette would send plain functions to a thread.


async def _on_action_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ActionError)
    return problem_of(error)


async def _on_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError | ValidationError)
    return invalid(error.errors())


async def _on_database_error(_request: Request, error: Exception) -> Response:
    return database_unavailable(error)


async def _on_refused_value(_request: Request, error: Exception) -> Response:
    return cannot_be_kept(error)


async def _on_http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, BodyTooLarge):
        return error.answer()
    phrase = HTTPStatus(error.status_code).phrase
    own_words = error.detail not in (phrase, FASTAPI_UNREADABLE)
    detail = str(error.detail) if own_words else DETAILS.get(error.status_code, phrase)
    return problem(error.status_code, phrase.lower().replace(" ", "-"), phrase, detail, error.headers)


async def _on_unexpected(request: Request, _error: Exception) -> Response:
    """What a layer outside of `Unexpected` raised; Starlette's own handler would answer with plain text."""
    answer = unexpected(request.scope)
    answer.headers.update(PROTECTION_OF_PROBLEMS)
    return answer


class Unexpected:
    """ASGI middleware: whatever nobody foresaw becomes a 500 with an id that finds it in the log, and ends there.

    Starlette's own handler would raise it again, for the server to log a second time.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:  # there is nobody to answer, and nothing that an operator should look at
            return
        except Exception:  # the edge of the process: nothing above could answer the caller; logged, with its trace
            answer = unexpected(scope)
            if started:  # half an answer is out; only a broken connection still tells the caller
                raise
            await answer(scope, receive, send)


def unexpected(scope: Scope) -> Response:
    """The answer while an exception is handled that nobody foresaw; its trace goes to the log."""
    request_id = str(new_id())
    log.exception("unexpected error", request_id=request_id, method=scope["method"], path=scope["path"])
    detail = f"This is a defect of the service, logged as request {request_id}."
    return problem(500, "internal", "Something went wrong here", detail, request_id=request_id)


class BodyTooLarge(HTTPException):
    """More came than the limit allows; an HTTPException since FastAPI turns all others into 400."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(413)
        self.max_bytes = max_bytes

    def answer(self) -> Response:
        detail = f"A request's body may have {self.max_bytes} bytes."
        return problem(413, "body-too-large", "The body is too large", detail, max_bytes=self.max_bytes)


class BodyLimit:
    """ASGI middleware: refuses large bodies, at once where Content-Length tells, else as soon as they have come.

    The connection stays open: the server reads and drops the rest, so that a client which sends before it reads gets
    the answer and not a reset.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        declared = _content_length(scope) if scope["type"] == "http" else 0
        if declared is None:
            await self._count(scope, receive, send)
        elif declared > self._max_bytes:
            await BodyTooLarge(self._max_bytes).answer()(scope, receive, send)
        else:  # the server holds the client to what it declared
            await self._app(scope, receive, send)

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        read_bytes = 0
        started = False
        refusal: BodyTooLarge | None = None

        async def counted() -> Message:
            nonlocal read_bytes, refusal
            message = await receive()
            read_bytes += len(message.get("body", b""))
            if read_bytes > self._max_bytes:
                refusal = BodyTooLarge(self._max_bytes)
                raise refusal
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            if refusal is None or started:
                started = True
                await send(message)

        try:
            await self._app(scope, counted, watched)
        except BodyTooLarge:
            if started:
                raise
        if refusal is not None and not started:  # whatever the app made of the refusal
            await refusal.answer()(scope, receive, send)


def _content_length(scope: Scope) -> int | None:
    """What the client declared; 0 for a request without a body, None when only counting tells."""
    headers = dict(scope["headers"])
    if b"content-length" in headers:
        return int(headers[b"content-length"])  # the server has refused what is not a number
    return None if b"transfer-encoding" in headers else 0
