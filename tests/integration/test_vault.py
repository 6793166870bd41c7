"""Sealed rows: what opens them and what does not, keys that are wrong or missing, a rotation and its interruption."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from llmcoder.config import Config, use
from llmcoder.context import User
from llmcoder.ids import new_id
from models import key_rotation
from models.accounts import vault
from models.accounts.tables import key_fingerprints
from models.accounts.vault import Damaged, Sealed, VaultError
from models.connections.tables import connections, oauth_states
from models.db.database import Database

pytestmark = pytest.mark.both_stores


@pytest.fixture(autouse=True)
def folder(db_url: str, tmp_path: Path) -> Iterator[Path]:
    with use(Config.open({"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": db_url}, cwd=tmp_path)):
        yield tmp_path / "data"


def add(db: Database, user: User, plain: bytes, account: str = "a") -> UUID:
    one = new_id()
    with db.write() as conn:
        sealed = vault.seal(conn, plain, [one, user.id, "mail"], db.now())
        row: dict[str, Any] = {"id": one, "user_id": user.id, "provider": "mail", "account": account, "state": "ok"}
        row |= {"secret": sealed.box, "key_version": sealed.version, "created_at": db.now(), "updated_at": db.now()}
        conn.execute(sa.insert(connections).values(row))
    return one


def row_of(db: Database, one: UUID) -> Any:
    with db.read() as conn:
        return conn.execute(sa.select(connections).where(connections.c.id == one)).one()


def opened(db: Database, one: UUID) -> bytes:
    row = row_of(db, one)
    with db.read() as conn:
        return vault.open_(conn, Sealed(row.key_version, row.secret), [row.id, row.user_id, row.provider])


def test_what_is_sealed_opens_again_and_shows_nothing(db: Database, user: User) -> None:
    one, other = add(db, user, b"open sesame"), add(db, user, b"open sesame", "b")
    assert opened(db, one) == b"open sesame"
    assert b"sesame" not in row_of(db, one).secret
    assert row_of(db, one).secret != row_of(db, other).secret


def test_the_key_is_no_database_and_nobody_elses_to_read(db: Database, user: User, folder: Path) -> None:
    add(db, user, b"x")
    path = folder / "connections.key"
    assert (path.stat().st_mode & 0o777, path.stat().st_size) == (0o600, 32)


@pytest.mark.parametrize("column", ["id", "user_id", "provider", "secret"])
def test_the_text_of_another_row_or_user_does_not_open(
    db: Database, user: User, new_user: Callable[[str], User], column: str
) -> None:
    one, other = add(db, user, b"mine"), add(db, new_user("mallory@example.org"), b"hers", "b")
    mallory, text = row_of(db, other).user_id, row_of(db, one).secret
    stolen = {"id": new_id(), "user_id": mallory, "provider": "bank", "secret": text}
    target = other if column == "secret" else one
    with db.write() as conn:
        conn.execute(sa.update(connections).where(connections.c.id == target).values({column: stolen[column]}))
    with pytest.raises(Damaged):
        opened(db, stolen["id"] if column == "id" else target)


def test_a_process_with_another_key_or_none_says_so_at_its_start(db: Database, user: User, folder: Path) -> None:
    vault.verify(db)
    one = add(db, user, b"x")
    vault.verify(db)
    path = folder / "connections.key"
    good = path.read_bytes()
    path.write_bytes(secrets.token_bytes(32))
    with pytest.raises(VaultError, match=r"connections\.key does not hold it"):
        vault.verify(db)
    path.unlink()
    with pytest.raises(VaultError, match="fingerprint"):
        vault.verify(db)
    with pytest.raises(VaultError):
        add(db, user, b"y", "b")
    assert not path.exists(), "a new key would hide that the right one is missing"
    path.write_bytes(good)
    assert opened(db, one) == b"x"


def test_rotating_seals_everything_anew_and_drops_the_old_key(db: Database, user: User, folder: Path) -> None:
    path = folder / "connections.key"
    ids = [add(db, user, f"{n}".encode(), str(n)) for n in range(2 * key_rotation.BATCH + 5)]
    before = path.read_bytes()
    done = key_rotation.rotate(db)
    assert (done.version, done.sealed, done.dropped) == (2, len(ids), 1)
    assert len(path.read_bytes()) == 32 and path.read_bytes() != before
    assert [opened(db, one) for one in ids] == [f"{n}".encode() for n in range(len(ids))]
    assert {row_of(db, one).key_version for one in ids} == {2}


def test_an_interrupted_rotation_goes_on_where_it_was(
    db: Database, user: User, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [add(db, user, f"{n}".encode(), str(n)) for n in range(key_rotation.BATCH + 5)]

    def die(*_: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(key_rotation, "_retire", die)
        with pytest.raises(KeyboardInterrupt):
            key_rotation.rotate(db)
    assert len((folder / "connections.key").read_bytes()) == 64
    assert [opened(db, one) for one in ids] == [f"{n}".encode() for n in range(len(ids))]
    late = add(db, user, b"late", "late")
    assert row_of(db, late).key_version == 2
    done = key_rotation.rotate(db)
    assert (done.version, done.dropped) == (2, 1)
    assert opened(db, late) == b"late"


def test_a_key_that_was_written_down_and_not_used_yet_is_the_new_one(db: Database, user: User, folder: Path) -> None:
    """Death between the file and the database."""
    one = add(db, user, b"x")
    path = folder / "connections.key"
    path.write_bytes(path.read_bytes() + secrets.token_bytes(32))
    vault.verify(db)
    assert key_rotation.rotate(db).dropped == 1
    assert len(path.read_bytes()) == 32
    assert opened(db, one) == b"x"


def test_what_a_lost_key_sealed_can_be_given_up(db: Database, user: User, folder: Path) -> None:
    add(db, user, b"lost")
    (folder / "connections.key").unlink()
    with db.write() as conn:
        assert key_rotation.give_up(conn, db.now()) == 1
    vault.verify(db)
    one = add(db, user, b"new")
    assert (opened(db, one), row_of(db, one).key_version) == (b"new", 2)


def test_signins_under_way_survive_a_rotation(db: Database, user: User) -> None:
    with db.write() as conn:
        sealed = vault.seal(conn, b"verifier", ["h", user.id, "mail"], db.now())
        row: dict[str, Any] = {"state_hash": "h", "user_id": user.id, "provider": "mail", "redirect_uri": "http://x"}
        row |= {"secret": sealed.box, "key_version": sealed.version, "expires_at": db.now()}
        conn.execute(sa.insert(oauth_states).values(row))
    key_rotation.rotate(db)
    with db.read() as conn:
        found = conn.execute(sa.select(oauth_states)).one()
        assert vault.open_(conn, Sealed(found.key_version, found.secret), ["h", user.id, "mail"]) == b"verifier"


def test_keys_may_come_from_a_setting_for_several_machines(db: Database, user: User, tmp_path: Path) -> None:
    keys = [base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2)]

    def machine(*held: str) -> Any:
        folder = tmp_path / f"machine-{new_id().hex}"
        folder.mkdir()
        return use(Config.open({"DATA_DIR": str(folder), "CONNECTIONS_KEYS": ", ".join(held)}, cwd=folder))

    with machine(keys[0]):
        one = add(db, user, b"x")
        with pytest.raises(VaultError, match="openssl rand"):
            key_rotation.rotate(db)
    with machine(*keys):
        assert key_rotation.rotate(db).version == 2
    with machine(keys[1]):
        vault.verify(db)
        assert opened(db, one) == b"x"
    with machine(keys[0]), pytest.raises(VaultError, match="CONNECTIONS_KEYS"):
        vault.verify(db)
    for no_key in ("c2hvcnQ=", "ключ"):
        with machine(no_key), pytest.raises(VaultError, match="no key"):
            vault.verify(db)


def test_a_database_without_tables_needs_no_key(tmp_path: Path) -> None:
    empty = tmp_path / "empty.db"
    empty.touch()
    vault.verify(Database(f"sqlite:///{empty}"))


def test_two_processes_that_seal_first_agree_on_a_key(db: Database, user: User) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda n: add(db, user, b"x", str(n)), range(4)))
    assert [opened(db, one) for one in ids] == [b"x"] * 4
    with db.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(key_fingerprints)).scalar_one() == 1
