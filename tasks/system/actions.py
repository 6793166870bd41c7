"""Watch the machine live: start a stream of log lines, and stop it."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from llmcoder import Context, Effect, Model, NotFound, Refused, action
from llmcoder.states import State
from models.db.database import database, reading, writing
from models.jobs.store import Filter, Job, get, listed, request_cancel
from tasks.system.machine import MachineLoad, busy_fraction, read

START = "system.start_realtime"
DAY_S = 24 * 3600
#: A stream that reaches its last seconds ends by itself, before the deadline fails it.
MARGIN_S = 5.0
#: Each stream holds a slot of the io pool for as long as it runs; one user must not hold them all.
MAX_STREAMS = 4
UNFINISHED = (State.QUEUED, State.SCHEDULED, State.WAITING, State.RUNNING)
PAGE_JOBS = 100


class Stream(Model):
    """A stream of log lines about the machine."""

    interval_s: float = Field(1.0, ge=0.2, le=3600, description="Seconds from one line to the next.", examples=[1.0])
    lines: int | None = Field(
        None, ge=1, le=1_000_000, description="End after this many lines; left out, the stream runs until stopped."
    )
    topic: str = Field(
        "machine",
        pattern=r"^[A-Za-z0-9_.-]{1,50}$",
        description="A word that every line carries, to tell several streams apart.",
    )


class Streamed(Model):
    """What a stream that ended by itself has sent."""

    topic: str = Field(description="The word that every line carried.")
    lines: int = Field(description="How many lines were sent.")


class StreamChoice(Model):
    """Which streams are meant."""

    job_id: UUID | None = Field(None, description="The job of the stream to stop; left out, all of yours.")


class Stopped(Model):
    """Which streams were asked to end."""

    job_ids: list[UUID] = Field(description="Their jobs; each ends as cancelled within about a second.")


# DRAFT and not READ: what a stream gives is for a person to watch, and a GET must not start something that stays.
@action(START, effect=Effect.DRAFT, timeout_s=DAY_S)
def start_realtime(given: Stream, ctx: Context) -> Streamed:
    """Stream log lines about this machine (load, processors, memory) to whoever watches the job.

    It runs until system.stop_realtime or a cancel ends it as cancelled, or ends by itself: after `lines`, or after a
    day. A running stream occupies one of the io worker's slots all the time, so a user may have four at once. Lines
    are live only; a stream whose worker is replaced goes on in another one and counts its lines anew.
    """
    _refuse_too_many(ctx)
    sent = 0
    before = read()
    while sent != given.lines and ctx.remaining_s > given.interval_s + MARGIN_S:
        ctx.wait(given.interval_s)
        now = read()
        sent += 1
        _send(given, sent, before, now, ctx)
        before = now
    return Streamed(topic=given.topic, lines=sent)


# WRITE, since it changes something outside its own job: a person's runs at once, an agent's waits for approval unless
# the user's policy lets it pass. Repeatable: asking a job to end twice is asking once.
@action("system.stop_realtime", effect=Effect.WRITE, repeatable=True, timeout_s=30)
def stop_realtime(given: StreamChoice, ctx: Context) -> Stopped:
    """Stop your streams of log lines: one by its job, or all.

    Stopping what has ended already does nothing. POST /jobs/{id}/cancel does the same for one job of any kind.
    """
    chosen = _one(given.job_id, ctx) if given.job_id else _all(ctx)
    for stream in chosen:
        _ask_to_end(stream)
    return Stopped(job_ids=[stream.id for stream in chosen])


def _refuse_too_many(ctx: Context) -> None:
    with reading("jobs") as conn:
        running = listed(conn, ctx.user.id, Filter(START, states=(State.RUNNING,)), MAX_STREAMS + 1)
    others = [stream for stream in running if stream.id != ctx.job_id]
    if len(others) >= MAX_STREAMS:
        raise Refused(f"{len(others)} streams of yours run already; stop one with system.stop_realtime first.")


def _send(given: Stream, number: int, before: MachineLoad, now: MachineLoad, ctx: Context) -> None:
    busy = busy_fraction(before, now)
    ctx.log(
        f"load {now.load_1m:.2f}, processors {busy:.0%}, memory {now.memory_fraction:.0%}",
        topic=given.topic,
        number=number,
        load_1m=round(now.load_1m, 2),
        busy_fraction=round(busy, 3),
        memory_fraction=round(now.memory_fraction, 3),
    )
    ctx.progress(number / given.lines if given.lines else 0.0, f"{number} lines sent")


def _one(job_id: UUID, ctx: Context) -> list[Job]:
    with reading("jobs") as conn:
        job = get(conn, ctx.user.id, job_id)
    if job is None or job.action != START:
        raise NotFound(f"You have no stream with the job {job_id}.")
    return [] if job.ended else [job]


def _all(ctx: Context) -> list[Job]:
    streams: list[Job] = []
    while True:
        older = Filter(START, UNFINISHED, before=streams[-1].id if streams else None)
        with reading("jobs") as conn:
            page = listed(conn, ctx.user.id, older, PAGE_JOBS)
        streams += page
        if len(page) < PAGE_JOBS:
            return streams


def _ask_to_end(stream: Job) -> None:
    """Each in a transaction of its own: holding one job's locks while asking for the next one's could deadlock.

    A worker that runs the stream sees the request at its next look, about once a second.
    """
    with writing("jobs") as conn:
        request_cancel(conn, stream, database().now())
