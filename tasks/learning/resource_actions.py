"""Resources as actions, so that a schedule, a macro or an agent can keep and read them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import Field

from llmcoder import BadInput, Context, Effect, Model, NotFound, Undo, action
from llmcoder.declare.collection import Page
from llmcoder.declare.cursor import Cursor
from llmcoder.declare.filter import Number
from tasks.learning import starter
from tasks.learning.records import NewResource, Resource, ResourceChange, ResourceFilter, Topic
from tasks.learning.store import RESOURCES

TIMEOUT_S = 15.0
MOST_LISTED: Any = Field(20, ge=1, le=100, description="Most records to return.", examples=[20])
PAGE_BEFORE: Any = Field(
    None,
    description="`next` of the page before, with the same filter and sort; or the id of a record, for those older.",
)
EXAMPLE_ID = "01937b2e-7c00-7000-8000-000000000001"


class ResourceListing(ResourceFilter):
    """Which resources are wanted."""

    limit: Number = MOST_LISTED
    before: Cursor | None = PAGE_BEFORE


class ResourceChoice(Model):
    """Which resource is meant."""

    resource_id: UUID = Field(description="The resource's id.", examples=[EXAMPLE_ID])


class ChangedResource(ResourceChange):
    """Which resource, and what to change of it; a field left out stays as it is."""

    resource_id: UUID = Field(description="The resource's id.", examples=[EXAMPLE_ID])


class RemovedResource(Model):
    """A resource that is gone."""

    removed: Resource | None = Field(description="The resource as it was; null when it was gone already.")


class StarterChoice(Model):
    """Which of the resources that come with the engine."""

    topics: list[Topic] = Field(
        default_factory=list,
        max_length=50,
        description=f"Only those of these topics ({', '.join(starter.topics())}); all when left out.",
        examples=[["git", "python"]],
    )


class StarterResources(Model):
    """Which of them were added."""

    added: list[UUID] = Field(description="Ids of the new ones; those that you have already are left as they are.")


class StarterRemoval(Model):
    """Which resources to take back."""

    ids: list[UUID] = Field(max_length=200, description="Ids of resources.", examples=[[EXAMPLE_ID]])


class RemovedCount(Model):
    """How many are gone."""

    removed: int = Field(description="How many there were.")


@action("learning.remove_resource", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def remove_resource(which: ResourceChoice, ctx: Context) -> RemovedResource:
    """Remove a resource.

    One that is gone already is no error. To keep it as finished, use learning.change_resource.
    """
    return RemovedResource(removed=RESOURCES.take(ctx.user.id, which.resource_id))


@action(
    "learning.add_resource",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(remove_resource, lambda new, resource: ResourceChoice(resource_id=resource.id)),
    timeout_s=TIMEOUT_S,
)
def add_resource(new: NewResource, ctx: Context) -> Resource:
    """Keep something to learn from.

    To change one, use learning.change_resource; to remove it, learning.remove_resource.
    """
    return RESOURCES.add(ctx.user.id, new, ctx.job_id)


@action("learning.change_resource", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def change_resource(change: ChangedResource, ctx: Context) -> Resource:
    """Change a resource, or how far you are with it.

    A field left out stays as it is; what stood there before is gone.
    """
    changes = {name: getattr(change, name) for name in change.model_fields_set - {"resource_id"}}
    resource = RESOURCES.change(ctx.user.id, change.resource_id, ResourceChange(**changes))
    if resource is None:
        raise NotFound(f"You have no resource {change.resource_id}; it may have been removed.")
    return resource


@action("learning.list_resources", effect=Effect.READ, timeout_s=TIMEOUT_S)
def list_resources(wanted: ResourceListing, ctx: Context) -> Page[Resource]:
    """List and search what you learn from."""
    return RESOURCES.page(ctx.user.id, wanted.before, wanted.limit, wanted)


@action("learning.remove_resources", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def remove_resources(which: StarterRemoval, ctx: Context) -> RemovedCount:
    """Remove several resources; those that are gone already are no error."""
    return RemovedCount(removed=RESOURCES.remove_all(ctx.user.id, which.ids))


@action(
    "learning.add_starter_resources",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(remove_resources, lambda wanted, done: StarterRemoval(ids=done.added)),
    timeout_s=TIMEOUT_S,
)
def add_starter_resources(wanted: StarterChoice, ctx: Context) -> StarterResources:
    """Keep the resources that come with the engine.

    They are free to read, and yours from then on: change or remove them as any other.
    """
    chosen = starter.resources(wanted.topics)
    if not chosen:
        raise BadInput(f"There is nothing of these topics; there are {', '.join(starter.topics())}.")
    return StarterResources(added=RESOURCES.add_all(ctx.user.id, chosen))
