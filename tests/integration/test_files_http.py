"""Files over HTTP: up in any way that clients send them, down whole, in part or not at all, and nobody else's."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa
from served import Served, serving

from engine.files.sweep import Sweep
from llmcoder.context import User
from llmcoder.ids import new_id
from models.db.database import Database
from models.files.tables import files
from models.jobs.approvals import Origin
from tests.integration.waiting import eventually

pytestmark = pytest.mark.both_stores

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(2_000)
CONTENT = os.urandom(3_000_000)


@pytest.fixture
def api_settings() -> dict[str, str]:
    return {"MAX_FILE_BYTES": "5000000", "FILE_QUOTA_BYTES": "20000000", "FILE_QUOTA_COUNT": "12"}


@pytest.fixture
def client(served: Served, user: User) -> Iterator[httpx.Client]:
    with served.client(user) as client:
        yield client


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def upload(client: httpx.Client, content: bytes = CONTENT, **query: str) -> dict[str, Any]:
    answer = client.post("/files", content=content, params=query)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def in_pieces(content: bytes, size: int = 10_000) -> Iterator[bytes]:
    yield from (content[at : at + size] for at in range(0, len(content), size))


def rows_of(db: Database, **wanted: Any) -> list[Any]:
    with db.read() as conn:
        query = sa.select(files).where(*(files.c[name] == value for name, value in wanted.items()))
        return list(conn.execute(query))


def blobs(served: Served) -> list[Path]:
    return [one for one in (served.data_dir / "files").rglob("*") if one.is_file() and one.name != "mark"]


# --- up and down


def test_what_was_uploaded_comes_back(client: httpx.Client) -> None:
    answer = client.post("/files", content=CONTENT, params={"name": "statement.csv"})
    shown = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/files/{shown['id']}")
    assert (shown["name"], shown["size_bytes"], shown["sha256"]) == ("statement.csv", len(CONTENT), sha256(CONTENT))
    assert client.get(f"/files/{shown['id']}").json() == shown
    back = client.get(f"/files/{shown['id']}/content")
    assert back.content == CONTENT
    assert back.headers["content-disposition"].startswith('attachment; filename="statement.csv"')
    assert back.headers["x-content-type-options"] == "nosniff"
    assert (back.headers["content-length"], back.headers["etag"]) == (str(len(CONTENT)), f'"{sha256(CONTENT)}"')


def test_a_file_may_come_in_chunks_in_a_form_and_be_empty(client: httpx.Client) -> None:
    chunked = client.post("/files", content=in_pieces(CONTENT), params={"name": "a"}).json()
    form = client.post("/files", data={"more": "fields"}, files={"file": ("b.png", CONTENT, "image/png")}).json()
    empty = upload(client, b"", name="c")
    assert [one["sha256"] for one in (chunked, form, empty)] == [sha256(CONTENT), sha256(CONTENT), sha256(b"")]
    assert [one["name"] for one in (chunked, form, empty)] == ["a", "b.png", "c"]
    assert client.get(f"/files/{empty['id']}/content").content == b""
    assert client.get(f"/files/{form['id']}/content").content == CONTENT


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ('attachment; filename="r\\"e port.pdf"', "r_e port.pdf"),
        ("attachment; filename*=UTF-8''%e2%82%ac%20rates.csv", "€ rates.csv"),
        ("attachment; filename*=gb2312''%D6%EC%E9F%BB%F9.doc", "朱镕基.doc"),
        ("attachment; filename*=iso-8859-1''5%20%80.txt", "5 €.txt"),
        ("attachment; filename*=x-none''Gr%C3%BC%C3%9Fe.txt", "Grüße.txt"),
        ("attachment; filename=\"G.txt\"; filename*=utf-8''Gr%C3%BC%C3%9Fe.txt", "Grüße.txt"),
        ('attachment; filename="Grüße.txt"'.encode(), "Grüße.txt"),
        ('attachment; filename="Grüße.txt"'.encode("latin-1"), "Grüße.txt"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\Users\\\\x\\\\CON"', "CON_"),
        ("attachment", "file"),
        ("", "file"),
    ],
)
def test_the_name_comes_from_the_header_and_is_made_safe(client: httpx.Client, said: str | bytes, name: str) -> None:
    answer = client.post("/files", content=b"x", headers={"content-disposition": said})
    assert answer.json()["name"] == name


def test_a_name_of_any_script_is_said_to_the_browser_in_both_ways(client: httpx.Client) -> None:
    shown = upload(client, b"x", name='Ümläut "€".txt')
    said = client.get(f"/files/{shown['id']}/content").headers["content-disposition"]
    assert said == f"attachment; filename=\"_ml_ut ___.txt\"; filename*=UTF-8''{quote('Ümläut _€_.txt')}"


@pytest.mark.parametrize(
    ("content", "name", "looks_like", "sent_as"),
    [
        (PNG, "x.html", "image/png", "image/png"),
        (b"<html><script>alert(1)</script></html>", "x.png", "text/html", "application/octet-stream"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "x.svg", "image/svg+xml", "application/octet-stream"),
        (b"a,b\n1,2\n", "x.csv", "text/csv", "text/csv"),
        (b"a,b\n1,2\n", "x.html", "text/plain", "text/plain"),
        (bytes(100), "x.csv", "application/octet-stream", "application/octet-stream"),
        ("Größe;5\n".encode("cp1252"), "x.csv", "text/csv", "text/csv"),
        ("Größe\t5\n".encode("utf-16"), "x.txt", "text/plain", "text/plain"),
        ("Größe;5\n".encode("cp1252"), "x", "application/octet-stream", "application/octet-stream"),
    ],
)
def test_what_it_is_stands_in_its_bytes_and_nothing_is_shown_as_a_page(
    client: httpx.Client, content: bytes, name: str, looks_like: str, sent_as: str
) -> None:
    answer = client.post("/files", content=content, params={"name": name}, headers={"content-type": "image/gif"})
    assert answer.json()["media_type"] == looks_like
    back = client.get(f"/files/{answer.json()['id']}/content")
    assert back.headers["content-type"] == sent_as
    assert back.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=2999990-", 2_999_990, 3_000_000),
        ("bytes=-10", 2_999_990, 3_000_000),
        ("bytes=-9999999", 0, 3_000_000),
        ("bytes=1500000-9999999", 1_500_000, 3_000_000),
    ],
)
def test_a_range_is_that_part_of_it(client: httpx.Client, asked: str, start: int, end: int) -> None:
    shown = upload(client)
    answer = client.get(f"/files/{shown['id']}/content", headers={"range": asked})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    assert answer.content == CONTENT[start:end]


def test_a_range_that_is_none_is_passed_over_and_one_beyond_the_end_refused(client: httpx.Client) -> None:
    place = f"/files/{upload(client)['id']}/content"
    for asked in ("bytes=9-3", "bytes=a-b", "items=0-1", "bytes=0-1,3-4"):
        answer = client.get(place, headers={"range": asked})
        assert (answer.status_code, answer.content) == (200, CONTENT), asked
    for asked in ("bytes=3000000-", "bytes=-0"):
        answer = client.get(place, headers={"range": asked})
        assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */3000000")
    stale = {"range": "bytes=0-9", "if-range": '"another"'}
    assert client.get(place, headers=stale).status_code == 200


def test_who_has_it_is_not_sent_it_again_and_head_sends_nothing(client: httpx.Client) -> None:
    place = f"/files/{upload(client)['id']}/content"
    etag = client.head(place).headers["etag"]
    answer = client.get(place, headers={"if-none-match": etag})
    assert (answer.status_code, answer.content) == (304, b"")
    head = client.head(place)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(CONTENT)))


# --- limits


def test_a_file_that_is_too_large_is_refused_before_it_is_read(client: httpx.Client, served: Served) -> None:
    for body in (b"x" * 5_000_001, b"x" * 6_000_000):
        answer = client.post("/files", content=body)
        assert answer.status_code == 413, answer.text
    assert rows_of(served.db) == []


def test_one_that_does_not_say_how_large_it_is_is_broken_off_and_leaves_nothing(
    client: httpx.Client, served: Served
) -> None:
    answer = client.post("/files", content=in_pieces(b"x" * 5_000_100))
    assert answer.status_code == 413, answer.text
    form = client.post("/files", files={"file": ("a", b"x" * 5_000_100)})
    assert form.status_code == 413, form.text
    assert blobs(served) == []
    assert client.get("/files").json()["usage"]["bytes"] == 0


def test_a_quota_holds_for_bytes_and_for_files(client: httpx.Client) -> None:
    for _ in range(4):
        upload(client, b"x" * 4_500_000)
    answer = client.post("/files", content=b"x" * 2_500_000)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:llmcoder:problem:file-quota")
    chunked = client.post("/files", content=in_pieces(b"x" * 2_500_000))
    assert chunked.status_code == 403, chunked.text
    small = client.post("/files", content=in_pieces(b"x" * 1_000_000))
    assert small.status_code == 201, "what does not say its size takes no more room than there is"
    for _ in range(7):
        upload(client, b"")
    assert client.post("/files", content=b"").status_code == 403
    usage = client.get("/files").json()["usage"]
    assert usage == {"bytes": 19_000_000, "count": 12, "quota_bytes": 20_000_000, "quota_count": 12}
    victim = client.get("/files", params={"limit": 1}).json()["items"][0]
    assert client.delete(f"/files/{victim['id']}").status_code == 204
    assert client.post("/files", content=b"").status_code == 201


def test_a_quota_holds_however_many_come_at_once(served: Served, user: User) -> None:
    def send(_: int) -> int:
        with served.client(user) as own:
            return own.post("/files", content=b"x" * 4_500_000).status_code

    with ThreadPoolExecutor(8) as threads:
        seen = list(threads.map(send, range(8)))
    assert sorted(seen) == [201] * 4 + [403] * 4
    with served.client(user) as own:
        assert own.get("/files").json()["usage"]["bytes"] == 4 * 4_500_000


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"not a form"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nb'),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nb\r\n' * 2 + b"--x--\r\n",
        ),
    ],
)
def test_a_form_that_is_none_is_refused_and_leaves_nothing(
    client: httpx.Client, served: Served, content_type: str, body: bytes
) -> None:
    answer = client.post("/files", content=body, headers={"content-type": content_type})
    assert answer.status_code == 422, answer.text
    assert blobs(served) == []


def test_a_body_that_breaks_off_leaves_nothing(served: Served, user: User) -> None:
    head = f"POST /files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {served.token(user)}\r\n"
    with closing(socket.create_connection(("127.0.0.1", served.port), 20)) as connection:
        connection.sendall(f"{head}content-length: 4000000\r\n\r\n".encode() + b"x" * 2_500_000)
        eventually(lambda: len(blobs(served)) == 1 and blobs(served)[0].stat().st_size > 0)
        assert len(rows_of(served.db, state="writing")) == 1
    eventually(lambda: blobs(served) == [])
    eventually(lambda: rows_of(served.db, state="writing") == [])
    with served.client(user) as own:
        assert own.get("/files").json()["items"] == []


# --- whose they are


def test_anothers_file_is_unknown_at_every_address(client: httpx.Client, served: Served, new_user: Any) -> None:
    mine = upload(client)
    with served.client(new_user("mallory@example.org")) as other:
        for method, place in (("GET", ""), ("GET", "/content"), ("HEAD", "/content"), ("DELETE", "")):
            foreign = other.request(method, f"/files/{mine['id']}{place}")
            never = other.request(method, f"/files/{new_id()}{place}")
            assert (foreign.status_code, never.status_code) == (404, 404), (method, place)
        assert other.get("/files").json()["items"] == []
        answer = other.post("/test/import", json={"file": {"id": mine["id"], "sha256": mine["sha256"]}})
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:llmcoder:problem:unknown-file")
    assert client.get(f"/files/{mine['id']}/content").content == CONTENT


def test_nobody_uploads_without_a_token_and_an_agents_upload_is_known_as_one(
    served: Served, user: User, client: httpx.Client
) -> None:
    assert httpx.post(f"{served.url}/files", content=b"x").status_code == 401
    token = served.identities.issue(user.id, new_id(), 600, Origin.AGENT)
    with httpx.Client(base_url=served.url, headers={"authorization": f"Bearer {token}"}) as agent:
        own, mine = upload(agent, b"of the agent"), upload(client, b"of the user")
        assert [row.origin for row in rows_of(served.db)] == ["agent", "person"]
        assert agent.get(f"/files/{mine['id']}/content").content == b"of the user"
        assert agent.delete(f"/files/{own['id']}").status_code == 403


# --- what they are for


def ref(shown: dict[str, Any]) -> dict[str, str]:
    return {"id": shown["id"], "sha256": shown["sha256"]}


def test_an_input_names_a_file_by_its_id_and_what_it_says(client: httpx.Client) -> None:
    mine = upload(client)
    assert client.post("/test/import", json={"file": ref(mine)}).status_code == 202
    changed = client.post("/test/import", json={"file": {**ref(mine), "sha256": sha256(b"other")}})
    assert (changed.status_code, changed.json()["type"]) == (422, "urn:llmcoder:problem:unknown-file")
    for broken in ({"id": mine["id"]}, {"id": "x", "sha256": mine["sha256"]}, mine, "x", None):
        assert client.post("/test/import", json={"file": broken}).status_code == 422, broken
    unknown = {"file": {**ref(mine), "id": str(new_id())}}
    by_name = client.post("/jobs", json={"action": "test.import", "input": unknown})
    assert by_name.status_code == 422


def test_an_upload_in_use_cannot_be_deleted_before_its_job_has_ended(client: httpx.Client, served: Served) -> None:
    mine = upload(client)
    job = client.post("/test/import", json={"file": ref(mine)}).json()
    answer = client.delete(f"/files/{mine['id']}")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:llmcoder:problem:file-in-use")
    served.finish(job["id"])
    assert client.delete(f"/files/{mine['id']}").status_code == 204
    assert client.get(f"/files/{mine['id']}").status_code == 404


def test_a_schedule_keeps_the_file_that_its_jobs_will_take(client: httpx.Client, served: Served) -> None:
    mine, other = upload(client), upload(client, b"other")
    new = {"name": "s", "action": "test.import", "input": {"file": ref(mine)}, "every_s": 3600}
    unknown = client.post("/schedules", json={**new, "input": {"file": {**ref(mine), "id": str(new_id())}}})
    assert (unknown.status_code, unknown.json()["type"]) == (422, "urn:llmcoder:problem:unknown-file")
    made = client.post("/schedules", json=new).json()
    assert client.delete(f"/files/{mine['id']}").status_code == 409
    client.patch(f"/schedules/{made['id']}", json={"input": {"file": ref(other)}}).raise_for_status()
    assert client.delete(f"/files/{mine['id']}").status_code == 204
    with served.db.write() as conn:
        conn.execute(sa.update(files).values(kept_until=served.db.now() - timedelta(days=9)))
    Sweep(served.app.state.services.files).sweep_files()
    assert client.get(f"/files/{other['id']}").status_code == 200
    client.delete(f"/schedules/{made['id']}").raise_for_status()
    Sweep(served.app.state.services.files).sweep_files()
    assert client.get(f"/files/{other['id']}").status_code == 404


def test_what_was_deleted_is_removed_from_the_disk_by_the_scheduler(client: httpx.Client, served: Served) -> None:
    client.delete(f"/files/{upload(client)['id']}")
    assert len(blobs(served)) == 1
    assert Sweep(served.app.state.services.files).sweep_files() == 1
    assert blobs(served) == [] and rows_of(served.db) == []


def test_content_that_was_changed_on_the_disk_is_never_sent_whole(
    client: httpx.Client, served: Served
) -> None:  # fmt: skip
    mine = upload(client)
    (blob,) = blobs(served)
    blob.write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(f"/files/{mine['id']}/content")
    blob.unlink()
    answer = client.get(f"/files/{mine['id']}/content")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:llmcoder:problem:file-content-missing")


def test_the_list_has_pages(client: httpx.Client) -> None:
    ids = [upload(client, str(number).encode())["id"] for number in range(3)]
    first = client.get("/files", params={"limit": 2}).json()
    then = client.get("/files", params={"limit": 2, "cursor": first["next"]}).json()
    assert [one["id"] for one in [*first["items"], *then["items"]]] == ids[::-1]
    assert then["next"] is None


def test_a_full_disk_and_a_folder_of_another_machine_are_said_and_keep_the_service_from_being_ready(
    db: Database, redis_url: str, user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(db, redis_url, tmp_path) as served, served.client(user) as client:
        upload(client)
        assert client.get("/health/ready").json()["checks"]["files"]["status"] == "ok"
        with monkeypatch.context() as patch:
            patch.setattr("engine.files.disk.LEFT_FREE_BYTES", 1 << 60)
            answer = client.post("/files", content=b"x")
            assert (answer.status_code, answer.json()["type"]) == (507, "urn:llmcoder:problem:file-store-full")
        (mark,) = (served.data_dir / "files").rglob("mark")
        mark.rename(mark.with_name("aside"))
        eventually(lambda: client.get("/health/ready").json()["checks"]["files"]["status"] == "failed")
        assert "Every machine" in client.get("/health/ready").json()["checks"]["files"]["detail"]
