"""The job as every door shows it, for the OpenAPI document; `models.jobs.store.Job.as_json` writes the bytes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(description="Stable name of the kind of problem, a URN.")
    title: str
    status: int
    detail: str = Field(description="What happened, about which object, what to do.")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route says about its errors."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": MEANINGS[status], "content": content} for status in statuses}


MEANINGS = {
    400: "The body or the idempotency key cannot be read.",
    401: "Not logged in.",
    403: "Only an administrator may do this.",
    404: "There is no such thing, or it is not yours.",
    405: "The address does not take that method.",
    409: "Not possible as things stand; the detail says why.",
    412: "It was changed since you saw it.",
    413: "The body or the input is too large.",
    414: "The address with its query is too long.",
    415: "The body is of a type that is not read here.",
    416: "The file has nothing in that range.",
    422: "The input is not usable; `errors` says which part and why.",
    429: "Too many at once.",
    500: "What should be there is missing or damaged, or the action broke; an operator must look.",
    504: "The job ran out of time.",
    503: "The database cannot be reached; send the same again later.",
    507: "There is no room left; an operator must make some.",
}
