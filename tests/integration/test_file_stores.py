"""Both stores keep the same promises: whole or not at all, nothing left of what broke off, errors that name the remedy.

The S3 store speaks to a real server, moto's, over HTTP.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from engine.files import s3
from engine.files.blobs import BlobMissing, BlobStore, StoreAway
from engine.files.disk import DiskWriter
from engine.files.s3 import PART_BYTES, S3Store
from engine.files.storage import Files
from engine.files.stores import store_of
from engine.files.sweep import STRAY_AFTER, Sweep
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.errors import NotConfigured
from llmcoder.settings import EngineSettings
from models.db.database import Database
from models.files import store as rows
from models.files.tables import file_spaces
from models.files.tables import files as table
from tests.conftest import missing
from tests.ports import free_port

pytestmark = pytest.mark.both_stores

STARTS_WITHIN_S = 120.0
LARGE = os.urandom(1 << 20) * 20


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """moto's server in a process of its own."""
    try:
        import moto.server  # noqa: F401
    except ImportError as error:
        missing(f"no S3 server: pip install 'moto[server]' ({error})")
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + STARTS_WITHIN_S
    try:
        while True:
            assert process.poll() is None and time.monotonic() < deadline, "moto did not start"
            try:
                httpx.get(f"{url}/moto-api/data.json", timeout=2)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(120)


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a new and empty bucket."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    httpx.post(f"{s3_server}/moto-api/reset").raise_for_status()
    client: Any = s3_store(s3_server, "files")._client
    client.create_bucket(Bucket="files")
    return "s3://files/of/engine"


def s3_store(url: str, bucket: str = "files") -> S3Store:
    return S3Store(bucket, "of/engine", url, None, "key", "secret")


def settings_for(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    if kind == "disk":
        return {"FILES_URL": f"file://{tmp_path}/shared%20folder"}
    return {
        "FILES_URL": request.getfixturevalue("bucket"),
        "FILES_ENDPOINT": request.getfixturevalue("s3_server"),
        "FILES_ACCESS_KEY": "key",
        "FILES_SECRET_KEY": "secret",
    }


@pytest.fixture(params=["disk", "s3"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> EngineSettings:
    told = {"DATA_DIR": str(tmp_path / "data"), **settings_for(request.param, request, tmp_path)}
    return Config.open(told, cwd=tmp_path).get(EngineSettings)


@pytest.fixture
def store(settings: EngineSettings) -> BlobStore:
    return store_of(settings)


@pytest.fixture
def files(db: Database, settings: EngineSettings) -> Files:
    return Files(db, lambda: settings)


def put(store: BlobStore, name: str, content: bytes) -> None:
    writer = store.writer(name, len(content))
    for at in range(0, len(content), 1 << 20):
        writer.write(content[at : at + (1 << 20)])
    writer.finish()


def left_behind(store: BlobStore, name: str) -> None:
    """By a process that died amid writing it."""
    writer = store.writer(name)
    writer.write(LARGE)
    if isinstance(writer, DiskWriter):
        writer._file.close()


def names(store: BlobStore, space: str = "a") -> list[str]:
    return sorted(one.name for one in store.names(space))


@pytest.mark.parametrize("content", [b"", b"x", LARGE, LARGE[: 2 * PART_BYTES]], ids=["none", "one", "parts", "even"])
def test_what_is_written_is_read_whole_and_in_part(store: BlobStore, content: bytes) -> None:
    put(store, "a/b/one", content)
    assert b"".join(store.read("a/b/one")) == content
    middle = len(content) // 2
    assert b"".join(store.read("a/b/one", middle)) == content[middle:]
    assert b"".join(store.read("a/b/one", middle, 10)) == content[middle : middle + 10]
    assert names(store) == ["a/b/one"]


def test_nothing_is_there_before_the_end_and_nothing_after_breaking_off(store: BlobStore) -> None:
    for content in (b"small", LARGE):
        writer = store.writer("a/b/one")
        writer.write(content)
        with pytest.raises(BlobMissing):
            list(store.read("a/b/one"))
        writer.abort()
        assert names(store) == []


def test_what_a_dead_writer_left_is_removed_by_its_name(store: BlobStore) -> None:
    left_behind(store, "a/b/one")
    assert names(store) == ["a/b/one"]
    store.remove("a/b/one")
    assert names(store) == []
    store.remove("a/b/one")  # once more is no error


def test_a_check_leaves_nothing(store: BlobStore) -> None:
    store.look()
    store.check("a")
    assert names(store) == []


def test_a_file_goes_in_and_out_and_is_compared_on_the_way(files: Files, user: User, db: Database) -> None:
    incoming = files.receive(user.id, "large.bin", origin="person", taint=None)
    for at in range(0, len(LARGE), 1 << 20):
        incoming.write(LARGE[at : at + (1 << 20)])
    file = incoming.finish()
    assert file.sha256 == hashlib.sha256(LARGE).hexdigest()
    with files.opened(file) as read:
        assert read.read() == LARGE and read.seek(5) == 5 and read.read(3) == LARGE[5:8]
    with files.copied(file) as path:
        assert (path.name, path.read_bytes()) == ("large.bin", LARGE)
    assert not path.exists()
    with db.read() as conn:
        assert rows.usage(conn, user.id) == rows.Quota(len(LARGE), 1)


def test_strays_go_after_a_day_and_nobody_elses_do(files: Files, user: User, db: Database) -> None:
    """A commit that was lost with the power leaves bytes that no row knows."""
    incoming = files.receive(user.id, "kept", origin="person", taint=None)
    incoming.write(b"x")
    kept = incoming.finish()
    space, store = files.space(), files.store
    put(store, f"{space}/aa/stray", b"x")
    put(store, "another-database/aa/one", b"x")
    Sweep(files).sweep_files()
    assert len(names(store, space)) == 2, "whoever writes them may be about to say so"
    left_behind(store, f"{space}/bb/unfinished")
    now = db.now
    db.now = lambda: now() + STRAY_AFTER + timedelta(seconds=5)  # type: ignore[method-assign]
    with db.write() as conn:
        conn.execute(sa.update(table).values(kept_until=db.now() + timedelta(days=1)))
        conn.execute(sa.update(file_spaces).values(swept_at=None))
    assert Sweep(files).sweep_files() == 2
    assert names(store, space) == [kept.blob]
    assert names(store, "another-database") == ["another-database/aa/one"]


def test_to_write_and_read_takes_no_more_memory_than_a_few_pieces(store: BlobStore) -> None:
    piece = os.urandom(1 << 20)
    put(store, "a/warm", piece * 9)
    tracemalloc.start()
    try:
        writer = store.writer("a/large")
        for _ in range(100):
            writer.write(piece)
        writer.finish()
        for _ in store.read("a/large"):
            pass
        assert tracemalloc.get_traced_memory()[1] < 6 * PART_BYTES
    finally:
        tracemalloc.stop()


# --- what may be wrong


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    store = store_of(EngineSettings(files_url=f"file://{tmp_path}/file"))
    with pytest.raises(StoreAway, match="file cannot be used"):
        store.check("a")


def test_all_that_lies_on_the_disk_is_its_owners_alone(tmp_path: Path) -> None:
    store = store_of(EngineSettings(files_url=f"file://{tmp_path}/files"))
    put(store, "a/b/one", b"x")
    for path in (tmp_path / "files").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_no_name_leads_out_of_the_folder_since_none_comes_from_outside(files: Files, user: User) -> None:
    incoming = files.receive(user.id, "../../../etc/passwd", origin="person", taint=None)
    incoming.write(b"x")
    file = incoming.finish()
    assert (file.name, file.blob) == ("passwd", f"{files.space()}/{file.id.hex[-2:]}/{file.id.hex}")


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("NoSuchBucket", NotConfigured, "no bucket"),
        ("AccessDenied", NotConfigured, "FILES_ACCESS_KEY"),
        ("SlowDown", StoreAway, "SlowDown"),
    ],
)
def test_what_the_service_refuses_with_says_who_must_do_what(code: str, kind: type[Exception], said: str) -> None:
    status = 403 if code == "AccessDenied" else 404 if "Bucket" in code else 503
    with answering(status, code) as url, pytest.raises(kind, match=said):
        list(s3_store(url).read("a"))


def test_a_service_that_is_not_there_is_away(unused_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "TRIES", 1)
    with pytest.raises(StoreAway, match="does not answer"):
        s3_store(f"http://127.0.0.1:{unused_port}").look()


@pytest.fixture
def unused_port() -> int:
    return free_port()


def answering(status: int, code: str) -> Any:
    """A service that refuses everything in the way S3 does."""
    from contextlib import contextmanager
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    @contextmanager
    def served() -> Iterator[str]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    return served()


def test_each_machine_must_see_the_same_folder(db: Database, user: User, tmp_path: Path) -> None:
    one, other = (
        Files(db, lambda where=where: EngineSettings(files_url=f"file://{tmp_path}/{where}")) for where in "ab"
    )
    one.receive(user.id, "x", origin="person", taint=None).finish()
    one.check()
    for refused in (other.check, other.look, lambda: other.receive(user.id, "x", origin="person", taint=None)):
        with pytest.raises(StoreAway, match="Every machine must see the same one"):
            refused()
    same = Files(db, lambda: EngineSettings(files_url=f"file://{tmp_path}/a"))
    same.check()


def test_boto3_is_loaded_where_files_lie_in_a_bucket_and_nowhere_else(tmp_path: Path) -> None:
    code = (
        "import sys; from engine.files.stores import store_of; from llmcoder.settings import EngineSettings\n"
        "import workers.context, api.app, schedules.__main__\n"
        f"store_of(EngineSettings(files_url='file://{tmp_path}')).look()\n"
        "print({'boto3', 'botocore', 'puremagic', 'pathvalidate'} & set(sys.modules))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "set()\n"), done.stderr
