"""What a user's own records and decisions say, for cards to be drafted from: of every domain that lets its be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from llmcoder import Context, strict_json
from llmcoder.registry import registry
from llmcoder.text import one_line
from models.db.database import reading
from models.jobs import inquiries

#: By which a caller names decisions among the places to look in.
JOBS = "jobs"
#: Of one place; the newest.
MOST_RECORDS = 100
#: Of one record; nobody needs more of it to make three cards.
LONGEST_CHARS = 4_000
LONGEST_TITLE = 100
#: What stands in a job as text and says nothing to a person is short: an id, an address, a colour.
LEAST_CHARS = 20


@dataclass(frozen=True)
class Material:
    """One record or job.

    Attributes:
        path: Where it is here: GET it.
    """

    path: str
    title: str
    text: str


def places() -> list[str]:
    """Where there is something to draft from."""
    return [JOBS, *(one.path for one in registry().collections() if one.excerpt is not None)]


def gathered(wanted: list[str], since: datetime, ctx: Context) -> list[Material]:
    """What these places have since then, the newest of each first.

    Whose words it holds goes with it: the trail of the job notes every record that is read.
    """
    materials = list(_decisions(since, ctx)) if JOBS in wanted else []
    for collection in registry().collections():
        if collection.path in wanted and collection.excerpt is not None:
            page = collection.store.page(ctx.user.id, None, MOST_RECORDS)
            materials += [_record(collection, item) for item in page.items if _changed_at(item, since) >= since]
    return [one for one in materials if one.text.strip()]


def _record(collection: Any, item: Any) -> Material:
    excerpt = collection.excerpt(item)
    title = one_line(excerpt.title, LONGEST_TITLE) or collection.title
    return Material(f"/{collection.path}/{item.id}", title, excerpt.text[:LONGEST_CHARS])


def _changed_at(item: Any, unknown: datetime) -> datetime:
    at = getattr(item, "updated_at", None)
    return at if isinstance(at, datetime) else unknown


def _decisions(since: datetime, ctx: Context) -> Iterator[Material]:
    """Jobs that a person approved: what they let pass is what they know to be right."""
    actions = registry()
    with reading("jobs") as conn:
        jobs = inquiries.approved(conn, ctx.user.id, since, actions.outside, MOST_RECORDS)
    for job in jobs:
        ctx.trail.read(job.taint, (job.id, *job.sources))
        texts = [*_texts(strict_json.read_lenient(job.input)), *_texts(strict_json.read_lenient(job.result or "null"))]
        text = "\n\n".join(dict.fromkeys(texts))[:LONGEST_CHARS]
        summary = actions.facts[job.action].summary if job.action in actions.facts else job.action
        yield Material(f"/jobs/{job.id}", one_line(f"{summary} {text}", LONGEST_TITLE), text)


def _texts(value: Any) -> Iterator[str]:
    """What stands in an input or a result as text for people."""
    if isinstance(value, str) and len(value) >= LEAST_CHARS and " " in value.strip():
        yield value.strip()
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)
