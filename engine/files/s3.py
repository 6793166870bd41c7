"""Blobs in an S3-compatible store: AWS, MinIO, Ceph, Garage, R2 and whoever else speaks the protocol.

The only module that loads boto3, and it is loaded only where FILES_URL says s3://.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from engine.files.blobs import CHUNK_BYTES, BlobMissing, BlobStore, BlobWriter, Found, StoreAway, StoreFull
from llmcoder.errors import ActionError, NotConfigured

#: A part of an upload in parts: S3 takes 5 MB at least, and 10,000 parts, which makes 80 GB of one file.
PART_BYTES = 8 << 20
CONNECT_TIMEOUT_S, READ_TIMEOUT_S, TRIES = 5, 30, 4
MISSING = ("NoSuchKey", "404", "NotFound")
REFUSED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403")
NO_BUCKET = ("NoSuchBucket",)
NO_ROOM = ("QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity", "EntityTooLarge")


class S3Store(BlobStore):
    """A bucket, or what stands under a prefix of it.

    Args:
        prefix: Before every name; may be empty.
        endpoint: Address of the service; AWS when None.
        access_key, secret_key: None has boto3 look where it always does (environment, profile, role of the machine).
    """

    def __init__(
        self,
        bucket: str,
        prefix: str,
        endpoint: str | None,
        region: str | None,
        access_key: str | None,
        secret_key: str | None,
    ) -> None:
        import boto3
        from botocore.config import Config

        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._client: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint,
            region_name=region or "us-east-1",
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
                retries={"mode": "standard", "total_max_attempts": TRIES},
                max_pool_connections=32,
                # What S3 itself has had since 2024 and many that speak its protocol do not know.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path" if endpoint else "auto"},
            ),
        )

    @property
    def place(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def writer(self, name: str, size_bytes: int | None = None) -> S3Writer:
        return S3Writer(self, self._key(name))

    def read(self, name: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        if length == 0:
            return
        last = "" if length is None else start + length - 1
        wanted = {"Range": f"bytes={start}-{last}"} if start or length is not None else {}
        with self.errors():
            try:
                body = self.call("get_object", Key=self._key(name), **wanted)["Body"]
            except self._client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] == "InvalidRange":  # nothing is there from that place on
                    return
                raise
            try:
                yield from body.iter_chunks(CHUNK_BYTES)
            finally:
                body.close()

    def remove(self, name: str) -> None:
        with self.errors():
            self.call("delete_object", Key=self._key(name))
            for upload in self._uploads(self._key(name)):
                self.give_up(upload["Key"], upload["UploadId"])

    def names(self, space: str) -> Iterator[Found]:
        with self.errors():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._key(f"{space}/")):
                for one in page.get("Contents", ()):
                    yield Found(one["Key"].removeprefix(self._prefix), one["LastModified"])
            for upload in self._uploads(self._key(f"{space}/")):
                yield Found(upload["Key"].removeprefix(self._prefix), upload["Initiated"])

    def look(self) -> None:
        with self.errors():
            self.call("head_bucket")

    def check(self, space: str) -> None:
        name = f"{space}/probe-{secrets.token_hex(4)}"
        writer = self.writer(name)
        try:
            writer.write(b"probe")
            writer.finish()
            if b"".join(self.read(name)) != b"probe":
                raise StoreAway(f"{self.place} gives back something else than what was written.")
        finally:
            writer.abort()

    def call(self, operation: str, **given: Any) -> Any:
        return getattr(self._client, operation)(Bucket=self._bucket, **given)

    def give_up(self, key: str, upload_id: str) -> None:
        """Have the service drop the parts of an upload; one that is gone already is none."""
        from botocore.exceptions import ClientError

        try:
            self.call("abort_multipart_upload", Key=key, UploadId=upload_id)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchUpload":
                raise

    def _uploads(self, prefix: str) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("list_multipart_uploads")
        for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
            yield from page.get("Uploads", ())

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}"

    @contextmanager
    def errors(self) -> Iterator[None]:
        """What boto3 raises, as errors whose class says what to do."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            raise self._meaning(error) from error
        except BotoCoreError as error:
            raise StoreAway(f"{self.place} does not answer ({type(error).__name__}).") from error

    def _meaning(self, error: Any) -> ActionError:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in MISSING:
            return BlobMissing(f"The content is not in {self.place}. Is FILES_URL the one under which it was stored?")
        if code in NO_BUCKET:
            return NotConfigured(f"There is no bucket {self._bucket!r}: make it, or correct FILES_URL.")
        if code in REFUSED:
            return NotConfigured(
                f"{self.place} refuses ({code}): correct FILES_ACCESS_KEY and FILES_SECRET_KEY, or what they may do."
            )
        if code in NO_ROOM:
            return StoreFull(f"{self.place} has no room left ({code}).")
        return StoreAway(f"{self.place} refuses for the moment ({code}).")


class S3Writer(BlobWriter):
    """Sends small blobs at once and others in parts, each when it is full; no more than one part is in memory."""

    def __init__(self, store: S3Store, key: str) -> None:
        self._store = store
        self._key = key
        self._buffer = bytearray()
        self._upload_id: str | None = None
        self._parts: list[dict[str, Any]] = []

    def write(self, chunk: bytes) -> None:
        self._buffer += chunk
        while len(self._buffer) >= PART_BYTES:
            part = bytes(self._buffer[:PART_BYTES])
            del self._buffer[:PART_BYTES]
            self._send(part)

    def finish(self) -> None:
        if self._upload_id is None:
            with self._store.errors():
                self._store.call("put_object", Key=self._key, Body=bytes(self._buffer))
            return
        if self._buffer:
            self._send(bytes(self._buffer))
        with self._store.errors():
            whole = {"Parts": self._parts}
            self._store.call(
                "complete_multipart_upload", Key=self._key, UploadId=self._upload_id, MultipartUpload=whole
            )

    def abort(self) -> None:
        with suppress(ActionError), self._store.errors():  # its row says that it is to be removed
            if self._upload_id is not None:
                self._store.give_up(self._key, self._upload_id)
            self._store.call("delete_object", Key=self._key)

    def _send(self, part: bytes) -> None:
        number = len(self._parts) + 1
        with self._store.errors():
            if self._upload_id is None:
                self._upload_id = self._store.call("create_multipart_upload", Key=self._key)["UploadId"]
            done = self._store.call(
                "upload_part", Key=self._key, UploadId=self._upload_id, PartNumber=number, Body=part
            )
        self._parts.append({"PartNumber": number, "ETag": done["ETag"]})
