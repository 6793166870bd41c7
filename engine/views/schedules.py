"""Schedules as every door takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field, JsonValue, model_validator

from engine.scheduling import timing_of
from llmcoder import strict_json
from llmcoder.ids import new_id
from llmcoder.instants import Instant
from llmcoder.model import Model
from llmcoder.registry import registry
from models.schedules.store import CatchUp, Overlap, Schedule

YEAR_S = 366 * 86_400
DAY_S = 86_400
WORDS = (
    "Instead, in words of English, German, French or Spanish: `every weekday at 18:00`, `first monday of every month`."
)


class Timing(Model):
    """When it fires; give exactly one of `cron`, `every_s`, `at` and `when`."""

    cron: str | None = Field(
        None,
        max_length=200,
        description="Cron expression: minute, hour, day of month, month, weekday; or six fields with seconds first. "
        "`L` is the last day of the month, `mon#1` its first Monday, `tue%2` every other Tuesday.",
        examples=["0 9 * * mon-fri"],
    )
    every_s: int | None = Field(
        None, ge=1, le=YEAR_S, description="Every so many seconds, counted from `starts_at`, or else from now."
    )
    at: Instant | None = Field(None, description="Once, at this instant.")
    when: str | None = Field(None, max_length=200, description=WORDS, examples=["every other tuesday at 9:00"])
    timezone: str = Field(
        "UTC",
        max_length=64,
        description="IANA time zone of the cron expression or the words; for words, that of your preferences when "
        "left out.",
        examples=["Europe/Berlin"],
    )
    starts_at: Instant | None = Field(None, description="Does not fire before.")
    ends_at: Instant | None = Field(None, description="Does not fire later.")


class NewSchedule(Timing):
    """An action that the clock submits."""

    name: str = Field(min_length=1, max_length=200, description="What you call it.", examples=["Morning digest"])
    action: str = Field(description="Name of the action; GET /actions lists them.", examples=["document.summarize"])
    input: dict[str, JsonValue] = Field(default_factory=dict, description="What the action takes.")
    jitter_s: int = Field(0, ge=0, le=3_600, description="Each job is due up to so many seconds later, by chance.")
    catch_up: CatchUp = Field(
        CatchUp.ONCE,
        description="Fire times that passed while the engine was down: `skip` them, run `once` for all, or run `all`.",
    )
    catch_up_within_s: int = Field(
        DAY_S, ge=0, le=31 * DAY_S, description="Those that are longer ago are never caught up."
    )
    overlap: Overlap = Field(
        Overlap.SKIP,
        description="A fire time while an earlier job has not ended: `skip` it; `queue_one` or `queue` a job that "
        "follows; `cancel_running`; or `allow` both.",
    )
    pause_after_failures: int = Field(
        10, ge=0, le=1_000, description="Pause after so many failures in a row; 0 never does."
    )
    enabled: bool = Field(True, description="Whether it fires.")

    @model_validator(mode="after")
    def _one_timing(self) -> Self:
        if sum(one is not None for one in (self.cron, self.every_s, self.at, self.when)) != 1:
            raise ValueError("give exactly one of cron, every_s and at, or when in words")
        if self.starts_at is not None and self.ends_at is not None and self.starts_at > self.ends_at:
            raise ValueError("ends_at lies before starts_at")
        return self


class ScheduleView(BaseModel):
    """One schedule."""

    id: UUID
    name: str
    action: str
    input: JsonValue
    cron: str | None
    every_s: int | None
    at: datetime | None
    timezone: str
    jitter_s: int
    starts_at: datetime | None
    ends_at: datetime | None
    catch_up: CatchUp
    catch_up_within_s: int
    overlap: Overlap
    pause_after_failures: int
    enabled: bool
    note: str | None = Field(description="Why it was paused.")
    next_fire_at: datetime | None = Field(description="Null when it is paused, or will never fire again.")
    version: int = Field(description="Counts changes by people.")
    created_at: datetime
    updated_at: datetime


def schedule_view(one: Schedule) -> ScheduleView:
    """The schedule as every door shows it."""
    shown = {name: getattr(one, name) for name in ScheduleView.model_fields}
    if one.enabled and one.action not in registry():
        shown["note"] = f"Nothing installed here declares {one.action}; it fires once a scheduler knows that."
    return ScheduleView(**{**shown, "input": strict_json.read_lenient(one.input)})


def schedule_of(user_id: UUID, new: NewSchedule, own_zone: str, now: datetime) -> Schedule:
    """The schedule that somebody wants, not yet checked.

    Args:
        own_zone: Of the user's preferences; words are on its clock where they name no zone.

    Raises:
        BadInput: The words are not understood, or there is no such zone.
    """
    values = new.model_dump(exclude={"input", "when"})
    if new.when is not None:
        zone = new.timezone if "timezone" in new.model_fields_set else own_zone
        values |= {"timezone": zone, **timing_of(new.when, zone, now)}
    return Schedule(
        **values,
        id=new_id(),
        user_id=user_id,
        input=strict_json.write(new.input),
        note=None,
        resumed_at=now,
        next_fire_at=None,
        version=1,
        created_at=now,
        updated_at=now,
    )
