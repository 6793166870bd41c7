"""Digests: a job that has every part gathered by a job of its own, and writes down what came of them.

The parts are steps of a macro that is made for the purpose, so they run beside each other and outlive whatever dies.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from pydantic import Field

from llmcoder import BadInput, Context, Effect, Model, NotConfigured, Retry, action
from llmcoder.declare.digest import Part, Span
from llmcoder.errors import ActionError, Cancelled, RateLimited, Suspended
from llmcoder.language import Completion, LanguageModel
from llmcoder.prompts import Prompts
from llmcoder.registry import digest_parts
from models.accounts import preferences
from models.db.database import database, reading, writing
from models.jobs import inquiries
from models.macros import store
from models.macros.document import Macro
from tasks.digest.tables import digests
from tasks.digest.writing import Gathered, as_html, as_text

PROMPTS = Prompts(Path(__file__).parent / "prompts")
DigestKind = Literal["daily", "weekly"]
SPANS: dict[str, timedelta] = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}
#: After a longer time without any, a digest is no digest.
LONGEST = {"daily": timedelta(days=7), "weekly": timedelta(days=28)}
#: What ended as the digest before was gathered may have been committed after it.
OVERLAP = timedelta(minutes=1)
#: Digests of all kinds; they are kept for a month.
LOOKED_BACK = 200
MOST_TOKENS = 400
PART_WITHIN_S = 300


class Wish(Model):
    """What a digest holds."""

    parts: list[str] | None = Field(
        None, min_length=1, max_length=40, description="Only these parts, in this order; all when left out.",
        examples=[["todos", "mail", "troubles"]],
    )  # fmt: skip
    prose: bool = Field(True, description="Whether a language model opens it, where there is one.")


class Parts(Model):
    """What came of the parts of a digest."""

    kind: DigestKind = Field(description="Which digest.", examples=["daily"])
    timezone: str = Field(max_length=64, description="On whose clock times are written.", examples=["Europe/Berlin"])
    prose: bool = Field(True, description="Whether a language model opens it.")
    parts: list[Gathered] = Field(max_length=40, description="Them, in order.", examples=[[]])


class Digest(Model):
    """A digest."""

    title: str = Field(description="Its title.")
    text: str = Field(description="It, as plain text.")
    html: str = Field(description="It, as HTML.")
    left_out: list[str] = Field(description="Parts that are not set up.")
    failed: dict[str, str] = Field(description="Parts that failed, and why.")
    prompt: str | None = Field(None, description="By which prompt its opening was written; null without one.")
    model: str | None = Field(None, description="By which model.")
    tokens_in: int | None = Field(None, description="Prompt tokens of that.")
    tokens_out: int | None = Field(None, description="Generated tokens of that.")
    note: str | None = Field(None, description="Why it has no opening although it was to have one.")


@action(
    "digest.daily", effect=Effect.DRAFT, keeps=True, outside=True, timeout_s=60, retry=Retry(attempts=5, first_wait_s=1)
)
def daily(wish: Wish, ctx: Context) -> Digest:
    """Gather what is due today, what came in since yesterday, and what failed or waits for you."""
    raise _begin("daily", wish, ctx)


@action(
    "digest.weekly",
    effect=Effect.DRAFT,
    keeps=True,
    outside=True,
    timeout_s=60,
    retry=Retry(attempts=5, first_wait_s=1),
)
def weekly(wish: Wish, ctx: Context) -> Digest:
    """Gather what is due this week, what came in since the last, and what failed or waits for you."""
    raise _begin("weekly", wish, ctx)


@action("digest.write", effect=Effect.DRAFT, keeps=True, outside=True, timeout_s=300, retry=Retry(attempts=5))
def write(given: Parts, ctx: Context) -> Digest:
    """Write a digest of what its parts gathered, and have it sent over its user's channels.

    The last step of the others. A part that failed, or is not set up, is named.
    """
    now, zone = database().now(), ZoneInfo(given.timezone)
    given = _confirmed(given, ctx)
    title = f"{given.kind.capitalize()} digest, {now.astimezone(zone):%A %d %B %Y}"
    written, note = _opening(given, title, zone, ctx) if given.prose else (None, None)
    opening = " ".join(written.text.split()) if written is not None else ""
    made = Digest(
        title=title,
        text=as_text(title, opening, given.parts, zone),
        html=as_html(title, opening, given.parts, zone),
        left_out=[part.name for part in given.parts if part.left_out],
        failed={part.name: part.why for part in given.parts if not part.ok and not part.left_out},
        prompt=PROMPTS["digest"].name if written is not None else None,
        model=written.model if written is not None else None,
        tokens_in=written.tokens_in if written is not None else None,
        tokens_out=written.tokens_out if written is not None else None,
        note=note,
    )
    _keep(made, ctx, now)
    return made


def _begin(kind: DigestKind, wish: Wish, ctx: Context) -> Suspended:
    known = digest_parts()
    unknown = sorted(set(wish.parts or ()) - set(known))
    if unknown:
        raise BadInput(f"parts: there is no {', '.join(unknown)}; there is {', '.join(known)}.")
    now = database().now()
    with writing("digests") as conn:
        zone = preferences.load(conn, ctx.user.id).timezone
        span = Span(_since(conn, kind, wish, ctx, now), now, now + SPANS[kind], ZoneInfo(zone))
        macro = document(kind, [known[name] for name in wish.parts or known], span, prose=wish.prose)
        store.begin(conn, ctx.job_id, ctx.user.id, macro, {}, store.RUN, None, now)
    return Suspended("The parts of the digest are gathered by jobs of their own.")


def _since(conn: sa.Connection, kind: DigestKind, wish: Wish, ctx: Context, now: datetime) -> datetime:
    """Where the digest before this one ended, if that is longer ago than usual: nothing falls between the two.

    A clock that is moved makes a day longer, a busy or stopped engine a digest later.
    """
    usual = now - SPANS[kind]
    query = sa.select(digests.c.id).where(digests.c.user_id == ctx.user.id).order_by(digests.c.id.desc())
    written = list(conn.execute(query.limit(LOOKED_BACK)).scalars())
    runs = inquiries.runs_of(conn, written)
    before = [runs[one] for one in written if one in runs and runs[one].id != ctx.job_id]
    same = [run for run in before if run.action == f"digest.{kind}"]
    like = [run.created_at for run in same if Wish.model_validate_json(run.input).parts == wish.parts]
    return max(min([usual, *(at - OVERLAP for at in like[:1])]), now - LONGEST[kind])


def document(kind: DigestKind, parts: list[Part], span: Span, *, prose: bool) -> Macro:
    """The macro that gathers a digest."""
    gathering = [
        {
            "id": part.name,
            "action": part.action,
            "with": dict(part.given(span)),
            "on_error": "continue",
            "timeout_s": PART_WITHIN_S,  # one that waits for an account, or a provider, must not hold up the others
        }
        for part in parts
    ]
    came = [
        {
            "name": part.name,
            "title": part.title,
            "state": f"${{{{ steps.{part.name}.state }}}}",
            "rows": f"${{{{ steps.{part.name}.result.{part.pick} }}}}",
            "error": f"${{{{ steps.{part.name}.error }}}}",
        }
        for part in parts
    ]
    given = {"kind": kind, "timezone": span.zone.key, "prose": prose, "parts": came}
    last = {"id": "write_it", "action": "digest.write", "with": given}
    output = {name: f"${{{{ steps.write_it.result.{name} }}}}" for name in Digest.model_fields}
    return Macro.model_validate({"name": f"{kind} digest", "steps": [*gathering, last], "output": output})


def _confirmed(given: Parts, ctx: Context) -> Parts:
    """With the rows alone that may still be told; of what is written without a run, all."""
    with reading("digests") as conn:
        run = inquiries.runs_of(conn, [ctx.job_id]).get(ctx.job_id)
    if run is None:
        return given
    known, parts = digest_parts(), []
    for part in given.parts:
        confirm = known[part.name].confirm if part.name in known else None
        if confirm is not None and part.ok and isinstance(part.rows, list):
            part = part.model_copy(update={"rows": confirm(ctx.user.id, run.id, part.rows)})
        parts.append(part)
    return given.model_copy(update={"parts": parts})


def _opening(given: Parts, title: str, zone: ZoneInfo, ctx: Context) -> tuple[Completion | None, str | None]:
    """What a model says first; without one, or where it fails, the digest does without and says why."""
    try:
        model = ctx.use(LanguageModel)
        if not model.configured():
            return None, None
        content = as_text(title, "", given.parts, zone)
        messages = PROMPTS["digest"].messages(content, kind=given.kind)
        return model.complete(messages, max_tokens=MOST_TOKENS, stream=True), None
    except NotConfigured:
        return None, None
    except (Cancelled, RateLimited):
        raise
    except ActionError as error:
        return None, f"No model opened it: {error.detail}"


def _keep(made: Digest, ctx: Context, now: datetime) -> None:
    row = {
        "id": ctx.job_id, "user_id": ctx.user.id, "title": made.title, "text": made.text, "html": made.html,
        "created_at": now.astimezone(UTC),
    }  # fmt: skip
    with writing("digests") as conn:
        if conn.execute(sa.select(digests.c.id).where(digests.c.id == ctx.job_id)).first() is None:
            conn.execute(sa.insert(digests).values(row))
