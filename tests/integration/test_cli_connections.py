"""`llmcoder connections` and the doctor's look at accounts, typed as a person types them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from engine_kit import set_columns
from oauth_kit import CLIENT_ID, Provider, provider_on_loopback
from shell_kit import Shell, shell_on

from llmcoder.context import User
from models.audit.tables import audit
from models.connections.tables import connections
from models.db.database import Database
from models.jobs.tables import jobs

PASSWORD = "password-canary"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with provider_on_loopback() as found:
        found.boxes["bert"] = PASSWORD
        yield found


@pytest.fixture
def shell(db: Database, db_url: str, redis_url: str, tmp_path: Path, user: User, provider: Provider) -> Shell:
    made = shell_on(db_url, redis_url, tmp_path)
    made.env.update(FETCH_ALLOW="127.0.0.1", TESTCLOUD_URL=provider.url, TESTCLOUD_CLIENT_ID=CLIENT_ID)
    return made


def own_box(provider: Provider) -> dict[str, str]:
    return {"TESTBOX_SITE": provider.url, "TESTBOX_USER": "bert", "TESTBOX_PASSWORD": PASSWORD}


def add(shell: Shell, provider: Provider) -> None:
    done = shell("connections", "add", "testbox", f"site={provider.url}", "user=bert", stdin=f"{PASSWORD}\n")
    assert (done.code, done.out) == (0, "Test box: bert is connected for alice@example.org.\n"), done.err


def test_an_account_is_added_looked_at_and_removed(shell: Shell, provider: Provider, db: Database) -> None:
    assert "testbox" in shell("connections", "kinds").out
    wrong = shell("connections", "add", "testbox", f"site={provider.url}", "user=bert", stdin="wrong-canary\n")
    assert (wrong.code, "refused" in wrong.err, "canary" in wrong.err) == (2, True, False)
    assert shell("connections", "add", "testbox", "user=bert", stdin="\n").code == 2
    add(shell, provider)
    found = shell("connections", "list", "-o", "json").json
    assert [(one["account"], one["state"], one["user"]) for one in found] == [("bert", "ok", "alice@example.org")]
    checked = shell("connections", "check")
    assert (checked.code, checked.out) == (0, "testbox: bert works; we are bert there.\n")
    provider.boxes["bert"] = "changed"
    assert shell("connections", "check", found[0]["id"]).code == 1
    assert "broken" in shell("connections", "list", "--all").out
    assert shell("connections", "remove", found[0]["id"]).code == 0
    assert shell("connections", "remove", found[0]["id"]).code == 2
    with db.read() as conn:
        events = list(conn.execute(sa.select(audit.c.event).order_by(audit.c.seq)).scalars())
    assert events == ["connection.added", "connection.broken", "connection.removed"]


def test_a_sign_in_is_begun_with_an_address_for_the_browser(shell: Shell, provider: Provider) -> None:
    done = shell("connections", "add", "testcloud")
    assert done.out.startswith(f"{provider.url}/authorize?")
    assert "alice@example.org" in done.err
    assert "TESTCLOUD_CLIENT_ID" in shell("connections", "add", "testcloud", TESTCLOUD_CLIENT_ID="").err


def test_the_key_is_rotated(shell: Shell, provider: Provider, db: Database) -> None:
    add(shell, provider)
    done = shell("connections", "rotate-key")
    assert (done.code, done.out) == (0, "Key 2 seals now; 1 rows were sealed anew, 1 keys dropped.\n")
    with db.read() as conn:
        assert conn.execute(sa.select(connections.c.key_version)).scalar_one() == 2
    assert shell("connections", "check").code == 0


def test_the_doctor_asks_every_account_and_the_one_of_the_installation(shell: Shell, provider: Provider) -> None:
    add(shell, provider)
    found = shell("doctor", "--json", **own_box(provider)).json
    assert {one["seen"]: one["standing"] for one in found if one["part"] == "testbox"} == {
        "bert of alice@example.org: we are bert": "fine",
        "of this installation: we are bert": "fine",
    }
    provider.boxes["bert"] = "changed"
    looked = shell("doctor", "--json", **own_box(provider))
    assert [one["standing"] for one in looked.json if one["part"] == "testbox"] == ["broken", "broken"]
    assert "canary" not in looked.out
    (Path(shell.env["DATA_DIR"]) / "connections.key").unlink()
    assert "connection keys" in [one["part"] for one in shell("doctor", "--json").json]


def test_what_waits_for_the_account_of_the_installation_goes_on_when_it_works(
    shell: Shell, provider: Provider, db: Database
) -> None:
    done = shell("run", "test.put_letter", "text=x", **own_box(provider))
    assert done.code == 0, done.err
    job_id = UUID(done.out.strip())
    set_columns(db, job_id, state="waiting", reason="reconnect")
    assert "of this installation, works" in shell("connections", "check", **own_box(provider)).out
    with db.read() as conn:
        assert conn.execute(sa.select(jobs.c.state).where(jobs.c.id == job_id)).scalar_one() == "queued"
