"""The files that an input names: looked up when a job is accepted, so that nobody approves or runs what is not there.

An action says by its input's type that it takes files. Elsewhere (the inputs of a macro, a step's value that is handed
on) what looks like a reference is kept for the job, and is otherwise none of our business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.errors import BadInput
from llmcoder.provenance import Taint
from llmcoder.registry import AnyAction
from models.files import store as rows
from models.files.store import File
from models.jobs.approvals import Origin

#: What an input with a reference contains: a cheap first look.
SIGN = '"sha256"'
MOST = 100
_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class UnknownFile(BadInput):
    """The input names a file that the user does not have, or not with this content."""

    slug, title = "unknown-file", "There is no such file"


@dataclass(frozen=True, slots=True)
class Named:
    """The files of an input.

    Attributes:
        tainted: They hold what strangers wrote.
    """

    ids: tuple[UUID, ...] = ()
    tainted: bool = False


NONE = Named()


def names_files(action: AnyAction, text: str) -> bool:
    """Whether an input may name a file."""
    return action.takes_files or SIGN in text


def look(
    conn: sa.Connection, user_id: UUID, action: AnyAction, text: str, origin: Origin, now: datetime
) -> Named:  # fmt: skip
    """The files that a job keeps.

    Raises:
        UnknownFile: The action takes files, and one is not the user's, is gone, or has another content.
        BadInput: There are too many.
    """
    if not names_files(action, text):
        return NONE
    wanted = dict(_references(strict_json.read_lenient(text)))
    if len(wanted) > MOST:
        raise BadInput(f"The input names {len(wanted)} files; one job takes {MOST} at most.")
    found = rows.look_up(conn, user_id, wanted)
    late = rows.unused_since(conn, wanted, now)
    if action.takes_files:
        for file_id, sha256 in wanted.items():
            _refuse_unknown(file_id, sha256, found, late)
    kept = [file for file in found.values() if file.id not in late and wanted[file.id] == file.sha256]
    return Named(tuple(file.id for file in kept), any(_taints(file, origin) for file in kept))


def _refuse_unknown(file_id: UUID, sha256: str, found: Mapping[UUID, File], late: set[UUID]) -> None:
    file = found.get(file_id)
    if file is None or file_id in late:
        raise UnknownFile(
            f"You have no file {file_id}, or it was removed since no job used it for a day. Upload it with POST /files."
        )
    if file.sha256 != sha256:
        raise UnknownFile(
            f"The file {file_id} has another content than the input says: its SHA-256 is {file.sha256}. Look at it, "
            "and name that one if it is what you mean."
        )


def _taints(file: File, origin: Origin) -> bool:
    """Whether an input is tainted that names a file.

    What a person has uploaded is a stranger's words like any document; whoever names it in person has chosen it, as
    they have chosen what they type. To an agent its own words are no stranger's.
    """
    uploader = Origin(file.origin)
    if file.job_id is None and not uploader.delegated:
        return origin is not Origin.PERSON
    if file.taint == Taint.AGENT or (file.job_id is None and uploader.delegated):
        return not origin.delegated
    return file.taint is not None


def _references(value: Any) -> Iterator[tuple[UUID, str]]:
    """Whatever is `{"id": ..., "sha256": ...}` and nothing else, however deep."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, list):
            left.extend(one)
        elif isinstance(one, dict):
            if one.keys() == {"id", "sha256"} and _is_reference(one):
                yield UUID(one["id"]), one["sha256"]
            else:
                left.extend(one.values())


def _is_reference(value: Mapping[str, Any]) -> bool:
    texts = isinstance(value["id"], str) and isinstance(value["sha256"], str)
    return texts and bool(_ID.fullmatch(value["id"]) and _SHA256.fullmatch(value["sha256"]))
