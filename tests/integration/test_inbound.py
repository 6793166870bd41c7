"""Webhooks that come in: every scheme as its provider documents it; forged, old and repeated calls."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import sqlalchemy as sa
from served import Served
from slack_sdk.signature import SignatureVerifier
from standardwebhooks import Webhook

from llmcoder.context import User
from llmcoder.ids import new_id
from llmcoder.signatures import Scheme, verify
from models import key_rotation
from models.db.database import Database
from models.jobs.tables import jobs
from models.webhooks.tables import inbound_hooks

pytestmark = pytest.mark.both_stores

BODY = json.dumps({"repository": {"full_name": "a/b"}, "n": 3}).encode()
JSON = {"content-type": "application/json"}
Sign = Callable[[str, bytes, float], Mapping[str, str]]


def _hex(secret: str, text: bytes) -> str:
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def github(secret: str, body: bytes, _now_s: float) -> dict[str, str]:
    """docs.github.com, "Validating webhook deliveries"."""
    return {"x-hub-signature-256": f"sha256={_hex(secret, body)}", "x-github-delivery": str(new_id())}


def slack(secret: str, body: bytes, now_s: float) -> dict[str, str]:
    sent_at = str(int(now_s))
    signature = SignatureVerifier(secret).generate_signature(timestamp=sent_at, body=body)
    return {"x-slack-request-timestamp": sent_at, "x-slack-signature": signature or ""}


def stripe(secret: str, body: bytes, now_s: float) -> dict[str, str]:
    """docs.stripe.com, "Verify webhook signatures manually"."""
    sent_at = int(now_s)
    return {"stripe-signature": f"t={sent_at},v1={'0' * 64},v1={_hex(secret, f'{sent_at}.'.encode() + body)},v0=x"}


def standard(secret: str, body: bytes, now_s: float) -> dict[str, str]:
    """By the reference library."""
    at, delivery = datetime.fromtimestamp(int(now_s), UTC), f"msg_{new_id()}"
    signature = Webhook(secret).sign(delivery, at, body.decode())
    return {"webhook-id": delivery, "webhook-timestamp": str(int(now_s)), "webhook-signature": f"v1,AAAA {signature}"}


def plain_hmac(secret: str, body: bytes, _now_s: float) -> dict[str, str]:
    return {"x-signature-256": _hex(secret, body)}


def token(secret: str, _body: bytes, _now_s: float) -> dict[str, str]:
    return {"x-webhook-token": secret}


SCHEMES: dict[str, Sign] = {
    "github": github, "slack": slack, "stripe": stripe, "standard_webhooks": standard, "hmac": plain_hmac,
    "token": token,
}  # fmt: skip
DATED = ("slack", "stripe", "standard_webhooks")
SIGNING = [name for name in SCHEMES if name != "token"]


@pytest.fixture
def alice(served: Served, user: User) -> Iterator[httpx.Client]:
    with served.client(user) as client:
        yield client


@pytest.fixture
def stranger(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=30) as client:
        yield client


def add(alice: httpx.Client, scheme: str, **wanted: Any) -> dict[str, Any]:
    given = {"text": "${{ payload.repository.full_name }} ${{ payload.n }}"}
    answer = alice.post("/hooks", json={"name": "x", "action": "test.echo", "input": given, "scheme": scheme} | wanted)
    assert answer.status_code == 201, answer.text
    added: dict[str, Any] = answer.json()
    return added


def call(
    stranger: httpx.Client, hook: Mapping[str, Any], body: bytes = BODY, *, ago_s: float = 0, **headers: str
) -> httpx.Response:
    signed = SCHEMES[hook["scheme"]](hook["secret"], body, time.time() - ago_s)
    return stranger.post(hook["path"], content=body, headers={**JSON, **signed, **headers})


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_call_that_proves_who_it_is_becomes_a_tainted_job(
    alice: httpx.Client, stranger: httpx.Client, db: Database, scheme: str
) -> None:
    hook = add(alice, scheme)
    answer = call(stranger, hook)
    assert answer.status_code == 202, answer.text
    job = alice.get(f"/jobs/{answer.json()['job_id']}").json()
    assert (job["action"], job["input"], job["origin"]) == ("test.echo", {"text": "a/b 3"}, "webhook")
    with db.read() as conn:
        assert conn.execute(sa.select(jobs.c.tainted)).scalar_one()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_forged_call_is_refused_and_leaves_nothing(
    alice: httpx.Client, stranger: httpx.Client, db: Database, scheme: str
) -> None:
    hook = add(alice, scheme)
    other = add(alice, scheme)
    signed = SCHEMES[scheme](hook["secret"], BODY, time.time())
    forgeries = [
        stranger.post(hook["path"], content=BODY, headers=JSON),
        call(stranger, {**hook, "secret": other["secret"]}),
    ]
    if scheme in SIGNING:
        forgeries.append(stranger.post(hook["path"], content=BODY + b" ", headers={**JSON, **signed}))
        forgeries.append(stranger.post(hook["path"], content=BODY, headers={**JSON, **dict.fromkeys(signed, "x")}))
    for answer in forgeries:
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:llmcoder:problem:wrong-signature")
        assert answer.json()["detail"] == forgeries[0].json()["detail"], "it does not say what was wrong"
    with db.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(jobs)).scalar_one() == 0


@pytest.mark.parametrize("scheme", DATED)
@pytest.mark.parametrize("ago_s", [400, -400], ids=["old", "from the future"])
def test_a_call_of_another_time_is_refused(
    alice: httpx.Client, stranger: httpx.Client, scheme: str, ago_s: float
) -> None:
    assert call(stranger, add(alice, scheme), ago_s=ago_s).status_code == 403
    assert call(stranger, add(alice, scheme, replay_window_s=600), ago_s=ago_s).status_code == 202


@pytest.mark.parametrize("scheme", SIGNING)
def test_a_call_that_is_repeated_is_answered_with_the_first_job(
    alice: httpx.Client, stranger: httpx.Client, scheme: str
) -> None:
    hook = add(alice, scheme)
    signed = SCHEMES[scheme](hook["secret"], BODY, time.time())
    first, second = (stranger.post(hook["path"], content=BODY, headers={**JSON, **signed}) for _ in range(2))
    assert (first.json()["repeated"], second.json()["repeated"]) == (False, True)
    assert first.json()["job_id"] == second.json()["job_id"]
    assert len(alice.get("/jobs").json()["items"]) == 1


@pytest.mark.parametrize("between", [":", "\t"])
@pytest.mark.parametrize("scheme", SIGNING)
def test_nobody_takes_the_key_of_a_call_before_it_comes(
    alice: httpx.Client, stranger: httpx.Client, scheme: str, between: str
) -> None:
    hook, now = add(alice, scheme), time.time()
    signed = SCHEMES[scheme](hook["secret"], BODY, now)
    delivery = verify(Scheme(scheme), [hook["secret"]], signed, BODY, now, 300).delivery
    taken = {"idempotency-key": f"hook{between}{hook['id']}:{delivery}"}
    assert alice.post("/test/echo", json={"text": "mine"}, headers=taken).status_code == (
        202 if between == ":" else 400
    )
    answer = stranger.post(hook["path"], content=BODY, headers={**JSON, **signed})
    assert (answer.status_code, answer.json().get("repeated")) == (202, False), answer.text
    assert alice.get(f"/jobs/{answer.json()['job_id']}").json()["origin"] == "webhook"


def test_a_token_has_nothing_to_tell_calls_apart_but_a_key(alice: httpx.Client, stranger: httpx.Client) -> None:
    hook = add(alice, "token")
    ids = {call(stranger, hook).json()["job_id"] for _ in range(2)}
    assert len(ids) == 2
    keyed = [call(stranger, hook, **{"idempotency-key": "k1"}).json() for _ in range(2)]
    assert keyed[0]["job_id"] == keyed[1]["job_id"] and keyed[1]["repeated"]
    bearer = {"authorization": f"Bearer {hook['secret']}"}
    assert stranger.post(hook["path"], content=BODY, headers=JSON | bearer).status_code == 202


def test_stripe_s_retry_of_an_event_is_the_same_call(alice: httpx.Client, stranger: httpx.Client) -> None:
    hook, body = add(alice, "stripe", input={"text": "${{ payload.type }}"}), b'{"id": "evt_1", "type": "charge"}'
    first, second = call(stranger, hook, body), call(stranger, hook, body, ago_s=60)
    assert first.json()["job_id"] == second.json()["job_id"]


def test_slack_s_retry_of_an_event_is_the_same_call_though_its_time_is_new(
    alice: httpx.Client, stranger: httpx.Client
) -> None:
    hook = add(alice, "slack", input={"text": "${{ payload.event.text }}"})
    event = b'{"type": "event_callback", "event_id": "Ev%d", "event": {"text": "hi"}}'
    first, second = call(stranger, hook, event % 1, ago_s=60), call(stranger, hook, event % 1)
    assert first.json()["job_id"] == second.json()["job_id"] and second.json()["repeated"]
    assert not call(stranger, hook, event % 2).json()["repeated"]


def test_slack_s_commands_have_no_event_and_are_each_a_call_of_their_own(
    alice: httpx.Client, stranger: httpx.Client
) -> None:
    hook, body = add(alice, "slack", input={"text": "${{ payload.text }}"}), b"command=%2Frun&text=it"
    form = {"content-type": "application/x-www-form-urlencoded"}
    calls = [call(stranger, hook, body, ago_s=ago_s, **form).json() for ago_s in (60, 0)]
    assert [one["repeated"] for one in calls] == [False, False]


@pytest.mark.parametrize("changed", [BODY, BODY + b" "], ids=["as it was", "in other bytes"])
def test_github_s_redelivery_is_the_same_call_by_its_id_and_another_delivery_is_another(
    alice: httpx.Client, stranger: httpx.Client, changed: bytes
) -> None:
    hook = add(alice, "github")
    first = call(stranger, hook, **{"x-github-delivery": "72d3162e"}).json()
    again = call(stranger, hook, changed, **{"x-github-delivery": "72d3162e"}).json()
    assert again == {"job_id": first["job_id"], "repeated": True}
    assert not call(stranger, hook, **{"x-github-delivery": "72d3162f"}).json()["repeated"]


def test_a_github_call_without_an_id_is_known_by_its_body(alice: httpx.Client, stranger: httpx.Client) -> None:
    hook = add(alice, "github")
    signed = {**JSON, "x-hub-signature-256": github(hook["secret"], BODY, 0)["x-hub-signature-256"]}
    calls = [stranger.post(hook["path"], content=BODY, headers=signed).json() for _ in range(2)]
    assert calls[1] == {"job_id": calls[0]["job_id"], "repeated": True}


@pytest.mark.parametrize("change", [str.upper, str.title], ids=["capitals", "some capitals"])
@pytest.mark.parametrize(
    ("scheme", "header"),
    [
        ("github", "x-hub-signature-256"),
        ("slack", "x-slack-signature"),
        ("stripe", "stripe-signature"),
        ("hmac", "x-signature-256"),
    ],
)
def test_a_signature_in_hexadecimal_digits_may_have_capitals(
    alice: httpx.Client, stranger: httpx.Client, scheme: str, header: str, change: Callable[[str], str]
) -> None:
    hook = add(alice, scheme)
    signed = dict(SCHEMES[scheme](hook["secret"], BODY, time.time()))
    digest = max(re.split("[=,]", signed[header]), key=lambda piece: len(piece.strip("0")))
    signed[header] = signed[header].replace(digest, change(digest)) if scheme == "stripe" else change(signed[header])
    answer = stranger.post(hook["path"], content=BODY, headers={**JSON, **signed})
    assert answer.status_code == 202, answer.text


def test_bitbucket_signs_as_github_does_under_githubs_older_name(alice: httpx.Client, stranger: httpx.Client) -> None:
    hook = add(alice, "github")
    digest = _hex(hook["secret"], BODY)
    signed = [{"x-hub-signature": f"sha256={digest}"}, {"x-hub-signature": f"sha1={digest}"}]
    calls = [stranger.post(hook["path"], content=BODY, headers={**JSON, **one}).status_code for one in signed]
    assert calls == [202, 403]
    both = {"x-hub-signature": f"sha256={digest}", "x-hub-signature-256": f"sha256={'0' * 64}"}
    assert stranger.post(hook["path"], content=BODY, headers={**JSON, **both}).status_code == 403


def test_svix_names_the_headers_of_standard_webhooks_after_itself(alice: httpx.Client, stranger: httpx.Client) -> None:
    """As Clerk and Resend send them."""
    hook = add(alice, "standard_webhooks")
    signed = {
        name.replace("webhook", "svix"): value for name, value in standard(hook["secret"], BODY, time.time()).items()
    }
    first, again = (stranger.post(hook["path"], content=BODY, headers={**JSON, **signed}) for _ in range(2))
    assert (first.status_code, again.json()["repeated"]) == (202, True)
    mixed = {**signed, "webhook-id": "another"}
    assert stranger.post(hook["path"], content=BODY, headers={**JSON, **mixed}).status_code == 403


@pytest.mark.parametrize("prefix", ["sha256=", "SHA256=", ""])
def test_an_hmac_may_name_its_hash(alice: httpx.Client, stranger: httpx.Client, prefix: str) -> None:
    hook = add(alice, "hmac")
    signed = {"x-signature-256": prefix + _hex(hook["secret"], BODY)}
    assert stranger.post(hook["path"], content=BODY, headers={**JSON, **signed}).status_code == 202


def test_a_packed_body_is_signed_as_it_is_sent(alice: httpx.Client, stranger: httpx.Client) -> None:
    answer = call(stranger, add(alice, "hmac"), gzip.compress(BODY), **{"content-encoding": "gzip"})
    assert answer.status_code == 202, answer.text
    assert alice.get(f"/jobs/{answer.json()['job_id']}").json()["input"] == {"text": "a/b 3"}


def test_a_call_without_body_and_type_is_taken(alice: httpx.Client, stranger: httpx.Client) -> None:
    hook = add(alice, "token", input={"text": "pinged${{ payload.n }}"})
    for kind in ({}, JSON, {"content-type": "application/x-www-form-urlencoded"}):
        answer = stranger.post(hook["path"], content=b"", headers={**kind, "x-webhook-token": hook["secret"]})
        assert answer.status_code == 202, answer.text
        assert alice.get(f"/jobs/{answer.json()['job_id']}").json()["input"] == {"text": "pinged"}


def test_a_form_with_a_file_becomes_its_fields(alice: httpx.Client, stranger: httpx.Client) -> None:
    hook = add(alice, "token", input={"text": "${{ payload.a }} ${{ payload.f }}"})
    files = {"f": ("f.jpg", b"\xff\xd8\xff", "image/jpeg")}
    token = {"x-webhook-token": hook["secret"]}
    answer = stranger.post(hook["path"], data={"a": ["x", "y"]}, files=files, headers=token)
    assert answer.status_code == 202, answer.text
    assert alice.get(f"/jobs/{answer.json()['job_id']}").json()["input"] == {
        "text": '["x", "y"] {"filename": "f.jpg", "content_type": "image/jpeg", "bytes": 3}'
    }


def test_an_expression_may_end_in_braces_of_its_own(alice: httpx.Client, stranger: httpx.Client) -> None:
    hook = add(alice, "token", input={"text": "got ${{ {a: {b: payload.n}}}}."})
    answer = call(stranger, hook).json()
    assert alice.get(f"/jobs/{answer['job_id']}").json()["input"] == {"text": 'got {"a": {"b": 3}}.'}


def test_slack_asks_whether_the_address_is_ours(alice: httpx.Client, stranger: httpx.Client) -> None:
    hook = add(alice, "slack")
    answer = call(stranger, hook, b'{"type": "url_verification", "challenge": "3eZbrw1a"}')
    assert (answer.status_code, answer.text) == (200, "3eZbrw1a")
    assert alice.get("/jobs").json()["items"] == []


def test_a_write_that_a_stranger_wants_waits_for_a_person(alice: httpx.Client, stranger: httpx.Client) -> None:
    alice.put("/preferences", json={"policies": {"*": "allow"}})
    hook = add(alice, "hmac", action="test.post", input={"to": "ann", "text": "${{ payload.n }} pages"})
    answer = call(stranger, hook).json()
    job = alice.get(f"/jobs/{answer['job_id']}").json()
    assert (job["state"], job["reason"]) == ("waiting", "approval")


def test_a_form_and_headers_can_be_read_too(alice: httpx.Client, stranger: httpx.Client) -> None:
    hook = add(alice, "token", input={"text": '${{ payload.command }} by ${{ headers."user-agent" }}'})
    body = urlencode({"command": "/run it"}).encode()
    kind = {"content-type": "application/x-www-form-urlencoded", "user-agent": "robot"}
    job_id = call(stranger, hook, body, **kind).json()["job_id"]
    assert alice.get(f"/jobs/{job_id}").json()["input"] == {"text": "/run it by robot"}


def test_its_secret_is_shown_once_and_renewed_with_an_overlap(alice: httpx.Client, stranger: httpx.Client) -> None:
    hook = add(alice, "standard_webhooks")
    assert hook["secret"].startswith("whsec_")
    address = f"/hooks/{hook['id']}"
    assert "secret" not in alice.get(address).json()
    renewed = alice.post(f"{address}/secret", json={"overlap_s": 3600}).json()
    assert renewed["secret"] != hook["secret"]
    assert call(stranger, hook).status_code == call(stranger, renewed).status_code == 202
    last = alice.post(f"{address}/secret", json={"overlap_s": 0}).json()
    assert [call(stranger, one).status_code for one in (hook, renewed, last)] == [403, 403, 202]


def test_a_secret_that_the_sender_has_is_taken(alice: httpx.Client, stranger: httpx.Client) -> None:
    hook = add(alice, "github", secret="chosen by GitHub's user")
    assert hook["secret"] == "chosen by GitHub's user"
    assert call(stranger, hook).status_code == 202
    bad = {"name": "x", "action": "test.echo", "scheme": "standard_webhooks", "secret": "no base 64!"}
    assert alice.post("/hooks", json=bad).status_code == 422


def test_a_hook_that_is_off_or_gone_is_no_address(alice: httpx.Client, stranger: httpx.Client) -> None:
    hook = add(alice, "hmac")
    assert alice.patch(f"/hooks/{hook['id']}", json={"enabled": False}).status_code == 200
    off = call(stranger, hook)
    assert alice.delete(f"/hooks/{hook['id']}").status_code == 204
    gone = call(stranger, hook)
    forged = stranger.post(add(alice, "hmac")["path"], content=BODY)
    assert {(answer.status_code, answer.json()["detail"]) for answer in (off, gone, forged)} == {
        (403, forged.json()["detail"])
    }


def test_why_a_call_became_no_job_is_shown_to_its_owner(alice: httpx.Client, stranger: httpx.Client) -> None:
    hook = add(alice, "hmac", input={"text": "${{ payload.n }}"})  # a number, where a text is wanted
    address = f"/hooks/{hook['id']}"
    assert call(stranger, hook).status_code == 422
    assert "text" in alice.get(address).json()["error"]
    alice.patch(address, json={"input": {"text": "no. ${{ payload.n }}"}})
    assert call(stranger, hook).status_code == 202
    assert alice.get(address).json()["error"] is None
    broken = call(stranger, hook, b"{not json")
    assert broken.status_code == 422 and "content type" in alice.get(address).json()["error"]


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"input": {"txt": "x"}}, "test.echo takes no 'txt'"),
        ({"input": {"text": "${{ steps.a }}"}}, "begins with payload or headers"),
        ({"action": "test.ecko"}, "test.ecko"),
        ({"scheme": "rot13"}, "scheme"),
        ({"input": {"text": "x" * 70_000}}, "at most 65536"),
    ],
    ids=["field", "root", "action", "scheme", "large"],
)
def test_what_makes_no_sense_is_refused(alice: httpx.Client, wanted: dict[str, Any], why: str) -> None:
    answer = alice.post("/hooks", json={"name": "x", "action": "test.echo", "scheme": "hmac"} | wanted)
    assert answer.status_code in (404, 422) and why in answer.text


def test_a_huge_call_is_refused_unread(alice: httpx.Client, stranger: httpx.Client) -> None:
    assert call(stranger, add(alice, "hmac"), b"x" * 1_100_000).status_code == 413


def test_secrets_are_sealed_and_rotated_with_the_keys(
    alice: httpx.Client, stranger: httpx.Client, db: Database
) -> None:
    hook = add(alice, "hmac")
    with db.read() as conn:
        before = conn.execute(sa.select(inbound_hooks.c.secret)).scalar_one()
    assert hook["secret"].encode() not in before
    key_rotation.rotate(db)
    with db.read() as conn:
        assert conn.execute(sa.select(inbound_hooks.c.secret)).scalar_one() != before
    assert call(stranger, hook).status_code == 202


# --- what a call may take

TWICE = " | [@,@]" * 24


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        (f"payload{TWICE}", "more than 4,194,304 characters"),
        ("payload.texts[*].[join('', [@,@,@]), reverse(@), to_string([@])]", "too much work"),
        ("to_number('1e999')", "inf, which JSON does not have"),
        ("length(payload.n)", "length() takes string or array or object, and was given number"),
        ("payload[::0].n || payload.texts[::0]", "slice step cannot be zero"),
    ],
)
def test_a_call_whose_input_would_become_too_much_is_refused_and_its_owner_sees_why(
    alice: httpx.Client, stranger: httpx.Client, expression: str, why: str
) -> None:
    hook = add(alice, "github", input={"text": f"${{{{ {expression} }}}}"})
    answer = call(stranger, hook, json.dumps({"n": 1, "texts": ["x" * 1_000] * 500}).encode())
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:llmcoder:problem:bad-input"), answer.text
    assert why in answer.json()["detail"]
    assert why in alice.get(f"/hooks/{hook['id']}").json()["error"]


def test_what_is_refused_names_a_zero_byte_without_one(alice: httpx.Client, stranger: httpx.Client) -> None:
    hook = add(alice, "github", input={"text": "${{ payload }}"})
    answer = call(stranger, hook, b'{"\\u0000": 1}')
    assert answer.status_code == 422, answer.text
    assert alice.get(f"/hooks/{hook['id']}").json()["error"]


@pytest.mark.parametrize(
    "body", [b'{"n": NaN}', b'{"n": 1e999}', b'{"n": "\\ud83d"}', b"[" * 5_000, b'{"n": ' + b"1" * 5_000 + b"}"]
)
def test_a_body_that_not_every_reader_takes_is_refused(
    alice: httpx.Client, stranger: httpx.Client, body: bytes
) -> None:
    answer = call(stranger, add(alice, "github"), body)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:llmcoder:problem:bad-input"), answer.text
    assert "is not what its content type" in answer.json()["detail"]


@pytest.mark.parametrize("text", ["${{ payload.n" + " }}${{ payload.n" * 1_500 + " }}", "${{" * 20_000])
def test_a_template_that_nobody_writes_is_looked_at_quickly(alice: httpx.Client, text: str) -> None:
    wanted = {"name": "x", "action": "test.echo", "input": {"text": text}, "scheme": "github"}
    began = time.monotonic()
    assert alice.post("/hooks", json=wanted).status_code in (201, 422)
    assert time.monotonic() - began < 20  # a pattern took half an hour
