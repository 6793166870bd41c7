"""Send one HTTP request and keep the answer, whatever its status.

A status is a result and not an error: the server has answered, so what happened is known, and only the caller can judge
what a 404 or a 500 means there. Errors are left for the cases where no usable answer came.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, model_validator

from llmcoder import BadInput, Context, Effect, Model, Retry, Transient, Uncertain, action, strict_json
from tasks.http.client import CONTENT_TYPE, IDEMPOTENCY_KEY, Answer, body_of, find, is_json, send, text_of

MAX_TIMEOUT_S = 300
MAX_BODY_CHARS = 2_000_000
#: What of an answer is kept; a job's result is a row, not a file store.
KEPT_BYTES = 512 * 1024
#: Looking changes nothing (RFC 9110, 9.2.1), so silence is no riddle and the request may simply be sent again.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

#: Of a body that is shown as JSON; deeper ones are shown as text. What is kept of a result is not much deeper.
MOST_DEEP = 100
#: Lists and objects of an answer that is read; each takes as long as a hundred characters, of all jobs of the worker.
MOST_CONTAINERS = 50_000


class HttpRequest(Model):
    """One request to an http or https address."""

    # `json` is a field for callers only: inside, the name belongs to pydantic.
    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    method: Annotated[str, StringConstraints(to_upper=True, pattern=r"^[A-Za-z]{1,20}$")] = Field(
        description="HTTP method, such as GET, POST, PUT, PATCH or DELETE.", examples=["POST"]
    )
    url: str = Field(
        min_length=1,
        max_length=8192,
        description="Where to send it; http or https, without user name or password.",
        examples=["https://example.org/orders"],
    )
    headers: dict[str, str] | None = Field(
        None,
        max_length=100,
        description="Headers by name. An Idempotency-Key is added when you give none; Host and framing are not yours.",
        examples=[{"Accept": "application/json"}],
    )
    json_body: JsonValue = Field(
        None, alias="json", description="Body as JSON; give this or `text`.", examples=[{"item": "tea", "count": 2}]
    )
    text: str | None = Field(
        None,
        max_length=MAX_BODY_CHARS,
        description="Body as text, sent as UTF-8; text/plain unless a Content-Type header says otherwise.",
    )
    timeout_s: float = Field(
        30.0, ge=1, le=MAX_TIMEOUT_S, description="Seconds to wait for the whole answer, redirects included."
    )

    @model_validator(mode="after")
    def _can_be_sent(self) -> Self:
        """What is wrong with the request itself is said at the submit, not by a failed job."""
        from llmcoder.net.request import prepare

        if self.json_body is not None and self.text is not None:
            raise ValueError("give `json` or `text`, not both")
        try:
            prepare(self.method, self.url, self.headers, self.content(), user_agent="")
        except BadInput as error:
            raise ValueError(error.detail) from None
        return self

    def content(self) -> bytes | None:
        """The body as sent."""
        if self.text is not None:
            return self.text.encode("utf-8")
        return None if self.json_body is None else strict_json.write_bytes(self.json_body)


class HttpAnswer(Model):
    """What the server answered."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    status: int = Field(description="HTTP status.")
    ok: bool = Field(description="Whether the status is 200 to 299.")
    url: str = Field(description="Address that answered, after redirects.")
    headers: dict[str, str] = Field(description="Headers, names in lower case.")
    json_body: JsonValue = Field(
        None,
        alias="json",
        description=f"Body, where it is JSON, was kept whole, and has at most {MOST_CONTAINERS:,} lists and objects.",
    )
    text: str | None = Field(None, description="Body, where it is text and not in `json`; null when binary.")
    body_bytes: int = Field(description="Size of the body that was read, after decompression.")
    truncated: bool = Field(description=f"Whether the kept body is not whole; at most {KEPT_BYTES} bytes are kept.")


@action(
    "http.request",
    effect=Effect.WRITE,
    outside=True,
    repeatable=False,
    timeout_s=MAX_TIMEOUT_S + 30,
    retry=Retry(attempts=4, first_wait_s=5),
)
def request(given: HttpRequest, ctx: Context) -> HttpAnswer:
    """Send one HTTP request and return the answer.

    Any status is a result (see `ok`), except 429 with Retry-After: then the job waits and sends again. The same
    Idempotency-Key goes along every time, so a server that knows it takes the request once.
    When a request that may change something was sent and nobody answered, the job ends as uncertain.
    """
    headers = _headers(given, ctx)
    if given.method in SAFE_METHODS:
        return _look(given, headers, ctx)
    ctx.armed({"idempotency_key": find(headers, IDEMPOTENCY_KEY) or ""})
    # From here on no `check`: to end the wait for an answer because of a cancellation would make a riddle of a request
    # whose outcome is about to be known. `timeout_s` bounds it.
    answer = send(given.method, given.url, headers, given.content(), ctx, given.timeout_s)
    if answer.status < 500:  # the server has had its say; what a failing one did not do by then is for the caller
        ctx.confirmed()
    return _kept(answer)


def _look(given: HttpRequest, headers: dict[str, str], ctx: Context) -> HttpAnswer:
    """A safe request is not armed: nothing can be uncertain of it, so an attempt that dies over it is run again."""
    try:
        answer = send(given.method, given.url, headers, given.content(), ctx, given.timeout_s, check=ctx.check)
    except Uncertain as error:
        raise Transient(error.detail) from error
    return _kept(answer)


def _headers(given: HttpRequest, ctx: Context) -> dict[str, str]:
    headers = dict(given.headers or {})
    if find(headers, IDEMPOTENCY_KEY) is None:
        headers[IDEMPOTENCY_KEY] = str(ctx.job_id)
    if given.content() is not None and find(headers, CONTENT_TYPE) is None:
        headers[CONTENT_TYPE] = "application/json" if given.text is None else "text/plain; charset=utf-8"
    return headers


def _kept(answer: Answer) -> HttpAnswer:
    """The answer as a result. Nothing here may fail: the effect has happened, and an error would hide it."""
    body = body_of(answer)
    truncated = answer.truncated or len(body) > KEPT_BYTES
    parsed = None if truncated else _json(body, answer)
    return HttpAnswer(
        status=answer.status,
        ok=200 <= answer.status < 300,
        url=answer.url,
        headers=dict(answer.headers),
        json_body=parsed,
        text=None if parsed is not None else text_of(body, answer.headers, KEPT_BYTES),
        body_bytes=len(body),
        truncated=truncated,
    )


def _json(body: bytes, answer: Answer) -> JsonValue:
    if not is_json(answer.headers):
        return None
    value = _json_value(body)
    if value is None and (text := text_of(body, answer.headers, KEPT_BYTES)) is not None:
        value = _json_value(text.encode("utf-8", "replace"))  # JSON is UTF-8, and some servers write it in another
    return value


def _json_value(content: bytes) -> JsonValue:
    try:
        value: JsonValue = strict_json.read(content, MOST_CONTAINERS)
    except strict_json.NotJson:  # or none that every reader takes; the text is shown instead
        return None
    return None if strict_json.is_deeper(value, MOST_DEEP) else value
