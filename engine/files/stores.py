"""Which store this installation has."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from engine.files.blobs import BlobStore
from llmcoder.errors import NotConfigured
from llmcoder.settings import EngineSettings


def store_of(settings: EngineSettings) -> BlobStore:
    """The store that the settings name; one for each process.

    Raises:
        NotConfigured: FILES_URL names none that there is.
    """
    keys = (settings.files_access_key, settings.files_secret_key)
    secret = tuple(None if key is None else key.get_secret_value() for key in keys)
    return _store(os.getpid(), settings.file_store_url, settings.files_endpoint, settings.files_region, secret)


@cache
def _store(
    _pid: int, url: str, endpoint: str | None, region: str | None, keys: tuple[str | None, ...]
) -> BlobStore:  # a client's connections must not be shared with a parent, so the process id is part of the key
    parts = urlsplit(url)
    if parts.scheme == "file":
        from engine.files.disk import DiskStore

        return DiskStore(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        from engine.files.s3 import S3Store

        access_key, secret_key = keys
        return S3Store(parts.netloc, parts.path.strip("/"), endpoint, region, access_key, secret_key)
    raise NotConfigured("FILES_URL must be file:///a/folder or s3://bucket/prefix.")
