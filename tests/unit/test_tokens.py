"""Access tokens: what is accepted, what is refused, and the key they hang on."""

import base64
import hashlib
import hmac
import json
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest

from api.auth import limits, tokens
from llmcoder.ids import new_id

KEY = bytes(range(32))
USER, SESSION = new_id(), new_id()


def claims(**changed: Any) -> dict[str, Any]:
    now = int(datetime.now(UTC).timestamp())
    good = {
        "iss": "llmcoder",
        "aud": "llmcoder-api",
        "sub": str(USER),
        "sid": str(SESSION),
        "jti": "1",
        "origin": "person",
    }
    return {
        name: value for name, value in {**good, "iat": now, "exp": now + 60, **changed}.items() if value is not None
    }


def signed(header: dict[str, Any], body: dict[str, Any], key: bytes = KEY) -> str:
    """A token signed with HMAC by hand, since PyJWT refuses to write most of these."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, body)]
    signature = hmac.new(key, b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def test_a_token_says_who_and_until_when() -> None:
    now = datetime.now(UTC)
    token = tokens.issue(KEY, USER, SESSION, 60, now)
    found = tokens.read(KEY, token)
    assert (found.user_id, found.session_id) == (USER, SESSION)
    assert UUID(found.jti)
    assert timedelta(seconds=58) < found.expires_at - now <= timedelta(seconds=60)


def test_two_tokens_of_one_moment_differ() -> None:
    now = datetime.now(UTC)
    assert tokens.issue(KEY, USER, SESSION, 60, now) != tokens.issue(KEY, USER, SESSION, 60, now)


def test_the_header_that_is_written_is_the_header_that_is_read() -> None:
    assert tokens.read(KEY, signed(tokens.HEADER, claims())).user_id == USER


FORGED: dict[str, Callable[[], str]] = {
    "alg none": lambda: jwt.encode(claims(), None, algorithm="none"),
    "alg none with a signature": lambda: signed({"alg": "none", "typ": "JWT"}, claims()),
    "alg NONE in capitals": lambda: signed({"alg": "NONE", "typ": "JWT"}, claims()),
    "another algorithm": lambda: jwt.encode(claims(), KEY * 2, algorithm="HS512"),
    "another key": lambda: signed(tokens.HEADER, claims(), bytes(32)),
    "an empty key": lambda: signed(tokens.HEADER, claims(), b""),
    "crit": lambda: signed({**tokens.HEADER, "crit": ["exp"]}, claims()),
    "unencoded payload": lambda: signed({**tokens.HEADER, "b64": False, "crit": ["b64"]}, claims()),
    "jwk": lambda: signed({**tokens.HEADER, "jwk": {"kty": "oct", "k": "AAAA"}}, claims()),
    "jku": lambda: signed({**tokens.HEADER, "jku": "http://127.0.0.1/keys"}, claims()),
    "x5u": lambda: signed({**tokens.HEADER, "x5u": "http://127.0.0.1/cert"}, claims()),
    "kid": lambda: signed({**tokens.HEADER, "kid": "../../dev/null"}, claims()),
    "another type": lambda: signed({**tokens.HEADER, "typ": "at+jwt"}, claims()),
    "another audience": lambda: signed(tokens.HEADER, claims(aud="somebody-else")),
    "several audiences": lambda: signed(tokens.HEADER, claims(aud=["llmcoder-api", "somebody-else"])),
    "another issuer": lambda: signed(tokens.HEADER, claims(iss="somebody-else")),
    "an unknown origin": lambda: signed(tokens.HEADER, claims(origin="root")),
    "no origin": lambda: signed(tokens.HEADER, claims(origin=None)),
    "a subject that is no id": lambda: signed(tokens.HEADER, claims(sub="admin")),
    "an expiry that is no number": lambda: signed(tokens.HEADER, claims(exp="never")),
    "not yet valid": lambda: signed(tokens.HEADER, claims(nbf=int(datetime.now(UTC).timestamp()) + 600)),
    "no token": lambda: "",
    "two parts": lambda: "a.b",
    "no base64": lambda: "!.!.!",
    "nested deeply": lambda: base64.urlsafe_b64encode(b"[" * 1500).decode() + ".e30.AA",
    "endless": lambda: "a" * 1_000_000,
    "not ASCII": lambda: "ä.ö.ü",
    "half a character": lambda: "\ud800.e30.AA",
    **{f"no {name}": lambda name=name: signed(tokens.HEADER, claims(**{name: None})) for name in tokens.CLAIMS},
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_forged_token_proves_nothing(forge: Callable[[], str]) -> None:
    token = forge()
    with pytest.raises(tokens.InvalidToken) as refused:
        tokens.read(KEY, token)
    assert refused.value.__context__ is None, "a cause may quote the token"


def test_a_token_that_was_changed_anywhere_proves_nothing() -> None:
    token = tokens.issue(KEY, USER, SESSION, 60, datetime.now(UTC))
    for place in range(0, len(token), 7):
        other = "A" if token[place] != "A" else "B"
        with pytest.raises(tokens.InvalidToken):
            tokens.read(KEY, token[:place] + other + token[place + 1 :])


def test_an_expired_token_names_the_way_to_a_new_one() -> None:
    token = tokens.issue(KEY, USER, SESSION, 60, datetime.now(UTC) - timedelta(seconds=61))
    with pytest.raises(tokens.InvalidToken, match="POST /auth/refresh"):
        tokens.read(KEY, token)


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    key = tokens.signing_key(tmp_path)
    assert len(key) == 32
    assert tokens.signing_key(tmp_path) == key
    assert [path.name for path in tmp_path.iterdir()] == ["signing.key"]
    assert stat.S_IMODE((tmp_path / "signing.key").stat().st_mode) == 0o600


def test_a_key_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    tokens.signing_key(tmp_path)
    (tmp_path / "signing.key").chmod(0o644)
    tokens.signing_key(tmp_path)
    assert stat.S_IMODE((tmp_path / "signing.key").stat().st_mode) == 0o600


def test_half_a_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "signing.key").write_bytes(b"short")
    with pytest.raises(tokens.UnusableKey, match="Delete it"):
        tokens.signing_key(tmp_path)


#: Four processes that have what they need, and are let go at once.
TOGETHER = """
import os, sys
from pathlib import Path
from api.auth.tokens import signing_key

shut, gate = os.pipe()
children = []
for _ in range(4):
    if not (child := os.fork()):
        os.close(gate)
        os.read(shut, 1)
        os.write(1, f"{signing_key(Path(sys.argv[1])).hex()}\\n".encode())
        os._exit(0)
    children.append(child)
os.close(gate)
sys.exit(any([os.waitpid(child, 0)[1] for child in children]))
"""


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TOGETHER, str(tmp_path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    keys = done.stdout.splitlines()
    assert (len(keys), len({*keys})) == (4, 1)
    assert bytes.fromhex(keys[0]) == tokens.signing_key(tmp_path)


NOW = datetime(2026, 1, 1, tzinfo=UTC)


def failed(*seconds_ago: float) -> list[datetime]:
    return [NOW - timedelta(seconds=seconds) for seconds in seconds_ago]


@pytest.mark.parametrize(
    ("failures", "wait_s"),
    [
        (failed(), 0),
        (failed(0, 0, 0, 0), 0),
        (failed(0, 1, 2, 3, 4), 60),
        (failed(20, 21, 22, 23, 24), 40),
        (failed(60, 61, 62, 63, 64), 0),
        (failed(0, 61, 62, 63, 64, 65), 120),
        (failed(0, 1, 2, 3, 4, 5, 6), 240),
        (failed(*range(30)), 300),
    ],
)
def test_each_failure_beyond_the_free_ones_doubles_an_accounts_wait(failures: list[datetime], wait_s: float) -> None:
    assert limits.STRANGER.wait_s(failures, NOW) == wait_s


def test_an_address_waits_until_its_thirtieth_last_failure_is_a_minute_old() -> None:
    assert limits.ADDRESS.wait_s(failed(*range(29)), NOW) == 0
    assert limits.ADDRESS.wait_s(failed(*range(30)), NOW) == 31


def test_a_network_of_one_customer_counts_as_one_address() -> None:
    assert (
        limits.client_address("2001:db8:1:2::3") == limits.client_address("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    )
    assert limits.client_address("::ffff:10.0.0.1") == limits.client_address("10.0.0.1") == "10.0.0.1"
    assert limits.client_address(None) == "local"
