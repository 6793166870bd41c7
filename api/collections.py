"""The doors of collections: list, add, show, change, remove, made from their declarations.

A user meets only their own records; another's id is as unknown as one that never was.
"""

# No `from __future__ import annotations` here: models in the signatures below are variables, and FastAPI could not find
# them again by name.

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from api.auth.identity import Identity, current
from api.bodies import Router
from api.job_view import problems
from llmcoder.collection import Page
from llmcoder.errors import NotFound
from llmcoder.registry import AnyCollection, Registry

Caller = Annotated[Identity, Depends(current)]
Limit = Annotated[int, Query(ge=1, le=200, description="Most records to return.")]
Cursor = Annotated[UUID | None, Query(description="`next` of the page before; left out, the newest are returned.")]

NO_SUCH = problems(404)


def router_for(registry: Registry) -> APIRouter:
    """Every collection's routes. The handlers are plain functions, so that FastAPI runs their SQL in threads."""
    router = Router()
    for collection in registry.collections():
        own = Router(prefix=f"/{collection.path}", tags=[collection.domain])
        for add_route in (_add_list, _add_addition, _add_show, _add_change, _add_removal):
            add_route(own, collection)
        router.include_router(own)
    return router


def _add_list(router: APIRouter, collection: AnyCollection) -> None:
    page: Any = Page[collection.item]  # type: ignore[name-defined]  # pydantic makes the class at runtime

    @router.get("", response_model=page, **_named(collection, "list"))
    def list_records(who: Caller, limit: Limit = 50, cursor: Cursor = None) -> Any:
        """Your records, newest first."""
        return collection.store.page(who.user_id, cursor, limit)


def _add_addition(router: APIRouter, collection: AnyCollection) -> None:
    new: Any = collection.new
    item = collection.item

    @router.post("", status_code=201, response_model=item, **_named(collection, "add"))
    def add_record(who: Caller, body: new, response: Response) -> Any:
        """Keep a new record; `Location` is its address."""
        added = collection.store.add(who.user_id, body)
        response.headers["location"] = f"/{collection.path}/{added.id}"
        return added


def _add_show(router: APIRouter, collection: AnyCollection) -> None:
    @router.get("/{record_id}", response_model=collection.item, responses=NO_SUCH, **_named(collection, "show"))
    def show_record(who: Caller, record_id: UUID) -> Any:
        """One of your records."""
        return _there(collection, record_id, collection.store.get(who.user_id, record_id))


def _add_change(router: APIRouter, collection: AnyCollection) -> None:
    change: Any = collection.change

    @router.patch("/{record_id}", response_model=collection.item, responses=NO_SUCH, **_named(collection, "change"))
    def change_record(who: Caller, record_id: UUID, body: change) -> Any:
        """Set the given fields of a record; those left out stay."""
        return _there(collection, record_id, collection.store.change(who.user_id, record_id, body))


def _add_removal(router: APIRouter, collection: AnyCollection) -> None:
    @router.delete("/{record_id}", status_code=204, responses=NO_SUCH, **_named(collection, "remove"))
    def remove_record(who: Caller, record_id: UUID) -> None:
        """Delete a record for good."""
        _there(collection, record_id, collection.store.remove(who.user_id, record_id) or None)


def _there(collection: AnyCollection, record_id: UUID, found: Any) -> Any:
    if found is None:
        raise NotFound(f"There is no {record_id} in your {collection.title.lower()}.")
    return found


def _named(collection: AnyCollection, verb: str) -> dict[str, Any]:
    """How the route is called in the OpenAPI document and in clients generated from it."""
    operation_id = f"{verb}_{collection.domain}_{collection.nouns}"
    return {"summary": f"{collection.title}: {verb}", "operation_id": operation_id}
