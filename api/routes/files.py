"""The doors of files: upload, list, show, download, delete; and what jobs have attached."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import Depends, Header, Query, Request
from starlette.responses import Response

from api.auth.identity import Identity, current, person
from api.http import downloads, uploads
from api.http.bodies import Router
from api.http.job_view import problems
from api.http.uploads import FormUpload, RawUpload, Upload
from api.services import Services, services_of
from engine.commands import find as find_job
from engine.files.storage import find, find_attached, refuse_too_large
from engine.views.files import FilePage, FileView, JobFileList, usage_view, view
from llmcoder.disposition import file_name
from llmcoder.errors import BadInput
from llmcoder.net.body import codings_of
from llmcoder.provenance import Taint
from models import attached_files
from models.files import store as rows
from models.files.store import File

router = Router(tags=["files"], responses=problems(401, 503))
Caller = Annotated[Identity, Depends(current)]
Limit = Annotated[int, Query(ge=1, le=200, description="Most files to return.")]
Cursor = Annotated[UUID | None, Query(description="`next` of the page before; left out, the newest are returned.")]
Name = Annotated[str | None, Query(max_length=1_000, description="What it is called, in place of what a header says.")]
Range = Annotated[str | None, Header(alias="range", description="One range of bytes, such as `bytes=0-1023`.")]
IfRange = Annotated[str | None, Header(alias="if-range", description="The range counts only while this is the `ETag`.")]
IfNoneMatch = Annotated[str | None, Header(description="The `ETag` you have: 304 while it is the same.")]
Disposition = Annotated[str | None, Header(description="May say what the file is called (RFC 6266).")]
Encoding = Annotated[str | None, Header(description="No coding (`identity`): a file is sent as it is.")]

FORM = "multipart/form-data"
BODY: dict[str, Any] = {
    "requestBody": {
        "required": False,  # a file may be empty
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
        },
    }
}
BYTES: dict[str, Any] = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
DOWNLOAD: dict[int | str, dict[str, Any]] = {
    200: {"description": "The content, always as an attachment.", **BYTES},
    206: {"description": "The part that was asked for.", **BYTES},
    304: {"description": "As you have it."},
    **problems(404, 416, 500),
}


@router.post(
    "/files", status_code=201, response_model=FileView, responses=problems(400, 403, 413, 422, 429, 507),
    openapi_extra=BODY,
)  # fmt: skip
async def upload_file(
    request: Request,
    who: Caller,
    name: Name = None,
    content_disposition: Disposition = None,
    content_encoding: Encoding = None,
) -> Response:
    """Upload a file for an action to take: the bytes as they are, or a form with one file.

    Nobody can change it afterwards. It is removed after a day unless a job uses it, and otherwise with its jobs.
    """
    services = services_of(request)
    if codings_of(content_encoding or ""):
        raise BadInput("A file is sent as it is, without Content-Encoding.")
    upload = _upload(request, services, who, name or file_name(content_disposition or ""))
    file = await uploads.receive(request.stream(), upload, services.in_file_thread)
    body = view(file).model_dump_json()
    return Response(body, 201, {"location": f"/files/{file.id}"}, "application/json")


def _upload(request: Request, services: Services, who: Identity, name: str | None) -> Upload:
    content_type = request.headers.get("content-type", "")
    is_form = content_type.partition(";")[0].strip().lower() == FORM
    size = None if is_form or "content-length" not in request.headers else int(request.headers["content-length"])
    refuse_too_large(size or 0, services.settings().max_file_bytes)

    def begin(called: str) -> Any:
        return services.files.receive(
            who.user_id, called, origin=who.origin.value, taint=Taint.OUTSIDE.value, size_bytes=size
        )

    if is_form:
        return FormUpload(begin, name, content_type)
    return RawUpload(begin, name or uploads.UNNAMED)


@router.get("/files")
async def list_files(request: Request, who: Caller, cursor: Cursor = None, limit: Limit = 50) -> FilePage:
    """Your files, newest first, and how much of your quota they take."""
    services = services_of(request)

    def look(conn: sa.Connection) -> FilePage:
        found = rows.listed(conn, who.user_id, cursor, limit + 1)
        shown = found[:limit]
        return FilePage(
            items=[view(one) for one in shown],
            next=shown[-1].id if len(found) > limit else None,
            usage=usage_view(rows.usage(conn, who.user_id), services.files.quota),
        )

    return await services.sql.read(look)


@router.get("/files/{file_id}", responses=problems(404))
async def show_file(request: Request, who: Caller, file_id: UUID) -> FileView:
    """What is known of one of your files."""
    return view(await services_of(request).sql.read(find, who.user_id, file_id))


@router.get("/files/{file_id}/content", response_class=Response, responses=DOWNLOAD)
async def download_file(
    request: Request,
    who: Caller,
    file_id: UUID,
    range_: Range = None,
    if_range: IfRange = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The content of one of your files."""
    return await _download(request, await services_of(request).sql.read(find, who.user_id, file_id))


@router.delete("/files/{file_id}", status_code=204, responses=problems(403, 404, 409))
async def delete_file(request: Request, who: Annotated[Identity, Depends(person)], file_id: UUID) -> None:
    """Delete a file, also what an ended job has attached; 409 while something that is still to be done needs it."""
    services = services_of(request)

    def remove(conn: sa.Connection) -> list[UUID]:
        return attached_files.remove(conn, find(conn, who.user_id, file_id), services.db.now())

    changed = await services.sql.write(remove)
    services.outbox.wake([(who.user_id, job_id) for job_id in changed])


@router.get("/jobs/{job_id}/files", responses=problems(404))
async def list_job_files(request: Request, who: Caller, job_id: UUID) -> JobFileList:
    """What one of your jobs has attached."""

    def look(conn: sa.Connection) -> list[File]:
        find_job(conn, who.user_id, job_id)
        return rows.of_job(conn, who.user_id, job_id)

    return JobFileList(items=[view(one) for one in await services_of(request).sql.read(look)])


@router.get("/jobs/{job_id}/files/{name}", response_class=Response, responses=DOWNLOAD)
async def download_job_file(
    request: Request,
    who: Caller,
    job_id: UUID,
    name: str,
    range_: Range = None,
    if_range: IfRange = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The content of a file that one of your jobs has attached."""
    return await _download(request, await services_of(request).sql.read(find_attached, who.user_id, job_id, name))


async def _download(request: Request, file: File) -> Response:
    services = services_of(request)
    return await downloads.answer(request, services.files, file, services.in_file_thread)
