"""`Vault.handle`, and the credentials of those who call. What each dialect does is tested in Rust."""

import copy
import json
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import NOW, Place, random_visa
from providers import (
    AUTHENTICITY_TOKEN,
    JSON_API,
    MERCHANT_KEY,
    PACE_SCOPES,
    TARGETS,
    VISA,
    Callers,
    card_of,
    dumped,
    signature,
)

import panseal

DIALECTS = ["sumup", "stax", "webpay", "pace"]


@pytest.fixture
def vault(place: Place) -> Iterator[panseal.Vault]:
    with panseal.Vault.open("memory:", root=place.root, merchant="m-1") as vault:
        vault.create_customer("c-1")
        yield vault


@pytest.fixture
def callers(vault: panseal.Vault) -> Callers:
    return Callers.of(vault)


def sent(
    vault: panseal.Vault,
    callers: Callers,
    dialect: str,
    body: object,
    method: str = "POST",
    target: str | None = None,
) -> tuple[panseal.Response, Any]:
    target = TARGETS[dialect] if target is None else target
    data = dumped(body)
    headers = callers.headers(dialect, target, data, NOW)
    reply = vault.handle(dialect, method=method, target=target, headers=headers, body=data, now=NOW)
    return reply, json.loads(reply.body) if reply.body else None


def test_the_dialects_are_named_with_their_settings() -> None:
    assert panseal.dialects() == {
        "sumup": ("max_instruments", "merchant_code"),
        "stax": (),
        "pace": ("merchant_name",),
        "webpay": ("wp3_v2",),
    }


def test_one_card_has_the_four_renderings(vault: panseal.Vault, callers: Callers) -> None:
    reply, sumup = sent(vault, callers, "sumup", card_of("sumup"))
    assert (reply.status, reply.failure) == (201, None)
    assert reply.headers == [("Content-Type", "application/json")]
    assert sumup["card"] == {"last_4_digits": "1111", "type": "VISA"}
    reply, stax = sent(vault, callers, "stax", card_of("stax"))
    assert (reply.status, stax["card_exp"], stax["card_exp_datetime"]) == (
        200,
        "042030",
        "2030-04-30 23:59:59",
    )
    assert stax["nickname"] == "VISA: Ada Byron (ending in: 1111)"
    reply, webpay = sent(vault, callers, "webpay", card_of("webpay"))
    assert (reply.status, webpay["card"]) == (
        200,
        {"keep_until": "2030-05-01T00:00:00Z", "masked_pan": "411111****1111", "expiration_date": "3004"},
    )
    reply, pace = sent(vault, callers, "pace", card_of("pace", webpay["token"]))
    assert reply.status == 201
    assert pace["data"]["attributes"]["identificationString"] == "Visa **** **** **** 1111"
    location = f"/pay/2020-4/payment-methods/{pace['data']['id']}"
    assert reply.headers == [("Content-Type", JSON_API), ("Location", location)]
    assert vault.status().cards == 1
    with vault.detokenize(sumup["token"], reason="test") as pan:
        assert pan.reveal() == VISA


def trusted(vault: panseal.Vault, **how: Any) -> panseal.Response:
    usual: dict[str, Any] = {"method": "POST", "target": "/v2/tokens", "body": dumped(card_of("webpay"))}
    return vault.handle("webpay", **usual | {"trusted": True} | how)


def test_whom_the_host_vouches_for_acts_for_the_handles_merchant(vault: panseal.Vault) -> None:
    assert trusted(vault, trusted=False).status == 401
    made = json.loads(trusted(vault).body)
    assert vault.lookup(made["token"]).last4 == "1111"
    with vault.merchant("m-2") as other:
        theirs = json.loads(trusted(other).body)["token"]
        assert other.lookup(theirs).last4 == "1111"
        with pytest.raises(panseal.TokenError):
            vault.lookup(theirs)
    registered = vault.handle(
        "pace",
        method="POST",
        target="/payment-methods/creditcard",
        headers=[(b"content-type", JSON_API.encode())],
        body=dumped(card_of("pace", made["token"])),
        trusted=True,
        subject="user-7",
        base="https://pay.example.org/cards",
        settings="merchant_name=Mill",
    )
    assert registered.status == 201
    data = json.loads(registered.body)["data"]
    assert data["meta"] == {"merchantName": "Mill"}
    where = f"https://pay.example.org/cards/payment-methods/{data['id']}"
    assert dict(registered.headers)["Location"] == where
    assert vault.lookup(made["token"]).customer == "user-7"


@pytest.mark.parametrize(
    "wrong",
    [
        {"dialect": "paypal"},
        {"dialect": ""},
        {"settings": "x=1"},
        {"settings": "wp3_v2"},
        {"trusted": False, "subject": "user-1"},
        {"base": "https://x\r\nSet-Cookie: a=b"},
        {"target": "/\udc80"},
    ],
    ids=str,
)
def test_what_the_host_says_wrong_is_an_error_and_changes_nothing(
    vault: panseal.Vault, wrong: dict[str, Any]
) -> None:
    how: dict[str, Any] = {
        "dialect": "webpay",
        "method": "POST",
        "target": "/v2/tokens",
        "body": dumped(card_of("webpay")),
        "trusted": True,
    } | wrong
    with pytest.raises(panseal.ArgumentError) as caught:
        vault.handle(how.pop("dialect"), **how)
    assert caught.value.code in {"argument", "utf8"}
    assert vault.count() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"body": "text"},
        {"body": None, "headers": 7},
        {"headers": [("a",)]},
        {"headers": ["ab"]},
        {"headers": [("a", 1)]},
        {"headers": [(1, "a")]},
        {"headers": {"Accept": "x"}},
        {"method": b"POST"},
        {"target": None},
        {"now": "soon"},
        {"settings": {"wp3_v2": "on"}},
    ],
    ids=str,
)
def test_arguments_of_other_types_are_refused(vault: panseal.Vault, wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        trusted(vault, **wrong)
    assert vault.count() == 0


def test_a_body_may_be_any_buffer(vault: panseal.Vault) -> None:
    body = dumped(card_of("webpay"))
    for buffer in (body, bytearray(body), memoryview(bytearray(body)), memoryview(body)):
        assert trusted(vault, body=buffer).status == 200
    assert trusted(vault, body=memoryview(bytearray(b"x" + body + b"x"))[1:-1]).status == 200
    assert trusted(vault, body=b"").status == 400
    assert vault.handle("webpay", method="POST", target="/v2/tokens", trusted=True).status == 400


def test_a_body_of_ten_megabytes_is_refused_in_the_providers_words(vault: panseal.Vault) -> None:
    long = dumped(card_of("webpay")) + b" " * 10_000_000
    for body in (long, bytearray(long)):
        reply = trusted(vault, body=body)
        assert (reply.status, json.loads(reply.body)["status"]) == (400, "invalid-request")
    assert vault.count() == 0


def test_headers_come_as_text_or_bytes_in_pairs_of_any_kind(vault: panseal.Vault, callers: Callers) -> None:
    key = callers.keys["stax"]
    spellings: list[Any] = [
        [("Authorization", f"Bearer {key}")],
        [(b"authorization", f"Bearer {key}".encode())],
        [["AUTHORIZATION", b"bearer " + key.encode()]],
        iter([("x", "y"), ("Authorization", f"Bearer {key}")]),
        (("Authorization", f" Bearer {key} "), ("Other", "žlica")),
    ]
    for headers in spellings:
        reply = vault.handle("stax", method="GET", target="/payment-method", headers=headers)
        assert reply.status == 200


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\0", ": "], ids=repr)
def test_no_header_hides_in_another(vault: panseal.Vault, callers: Callers, end: str) -> None:
    """A header that would begin a line of its own is none, whatever it is written in."""
    hidden = f"Authorization: Bearer {callers.keys['stax']}"
    for header in (
        ("X", f"y{end}{hidden}"),
        (f"X{end}{hidden}", "y"),
        (f"{end}{hidden}", "y"),
        ("", hidden),
        (hidden.partition(":")[0] + end, hidden.partition(":")[2]),
    ):
        for pair in (header, (header[0].encode(), header[1].encode())):
            reply = vault.handle("stax", method="GET", target="/payment-method", headers=[pair])
            assert reply.status == 401, pair


@pytest.mark.parametrize("odd", ["\r", "\n", "\0", "é", "\udc80", "\r\n"], ids=repr)
def test_an_odd_header_is_refused_in_the_providers_words(
    vault: panseal.Vault, callers: Callers, odd: str
) -> None:
    value = f"Bearer {odd}{callers.keys['sumup']}"
    reply = vault.handle(
        "sumup", method="GET", target="/v0.1/customers/c-1", headers=[("Authorization", value)]
    )
    assert (reply.status, json.loads(reply.body)["error_code"]) == (401, "NOT_AUTHORIZED")


def test_a_response_tells_its_status_alone(vault: panseal.Vault) -> None:
    reply = trusted(vault)
    assert repr(reply) == "<panseal.Response, status 200>"
    assert reply.headers is not reply.headers
    assert reply.body == reply.body
    with pytest.raises(AttributeError):
        reply.status = 201  # type: ignore[misc]
    with pytest.raises(TypeError):
        panseal.Response()


def test_a_failure_of_the_vault_is_a_500_and_the_host_learns_why(place: Place) -> None:
    with place.open() as vault:
        place.file.unlink()
        reply = vault.handle(
            "stax",
            method="POST",
            target="/payment-method",
            body=dumped(card_of("stax")),
            trusted=True,
            now=NOW,
        )
    assert reply.status == 500
    assert json.loads(reply.body) == {"error": ["internal_error"]}
    assert isinstance(reply.failure, panseal.VaultError)
    assert reply.failure.code in {"store", "not_a_vault"}
    assert VISA not in str(reply.failure)


def test_a_closed_vault_answers_nobody(vault: panseal.Vault) -> None:
    vault.close()
    for call in (lambda: trusted(vault), lambda: vault.grant("stax"), lambda: vault.credentials()):
        with pytest.raises(panseal.VaultError) as caught:
            call()
        assert caught.value.code == "handle"


def test_a_guard_that_says_no_is_a_429(vault: panseal.Vault) -> None:
    vault.set_guard(lambda _merchant, _actor, kind, _count: kind != "tokenize")
    reply = trusted(vault)
    assert reply.status == 429
    assert ("Retry-After", "60") in reply.headers
    assert (reply.failure, vault.count()) == (None, 0)


def test_what_a_guard_raises_comes_out_as_it_is_and_once(vault: panseal.Vault) -> None:
    def guard(_merchant: str, _actor: str, kind: str, _count: int) -> bool:
        if kind == "tokenize":
            raise ZeroDivisionError
        return True

    vault.set_guard(guard)
    with pytest.raises(ZeroDivisionError):
        trusted(vault)
    assert trusted(vault, body=b"").status == 400
    vault.set_guard(lambda _merchant, _actor, _kind, _count: False)
    assert trusted(vault).status == 429


def test_an_hsm_that_fails_is_no_refusal_of_a_guard(place: Place) -> None:
    down = False

    def unwrap(_id: str, _context: str, wrapped: bytes) -> bytes:
        if down:
            raise ConnectionError
        return wrapped

    root = (lambda _id, _context, key: bytes(key), unwrap)
    with panseal.Vault.open(place.url, root=root) as vault:
        with panseal.Vault.open(place.url, root=root) as other:
            other.rotate()
        down = True
        with pytest.raises(panseal.KeyringError) as caught:
            trusted(vault)
        assert isinstance(caught.value.__cause__, ConnectionError)
        down = False
        assert trusted(vault).status == 200


def test_other_threads_run_while_a_request_waits_for_the_database(place: Place) -> None:
    """The guard is asked inside the call: it would wait for ever if the interpreter were held."""
    inside, go_on = threading.Event(), threading.Event()

    def guard(_merchant: str, _actor: str, kind: str, _count: int) -> bool:
        if kind == "tokenize":
            inside.set()
            assert go_on.wait(30)
        return True

    with place.open() as vault:
        vault.set_guard(guard)
        replies: list[panseal.Response] = []
        worker = threading.Thread(target=lambda: replies.append(trusted(vault)))
        worker.start()
        assert inside.wait(30)
        vault.close()  # does not wait, nor disturb
        go_on.set()
        worker.join(30)
    assert [reply.status for reply in replies] == [200]


def test_a_customer_has_no_more_instruments_than_allowed_however_many_come_at_once(
    place: Place,
) -> None:
    with place.open() as vault:
        vault.create_customer("c-1")
        statuses: list[int] = []

        def work() -> None:
            for _ in range(3):
                reply = vault.handle(
                    "sumup",
                    method="POST",
                    target=TARGETS["sumup"],
                    body=dumped(card_of("sumup", random_visa())),
                    trusted=True,
                    now=NOW,
                )
                statuses.append(reply.status)

        workers = [threading.Thread(target=work) for _ in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert (statuses.count(201), statuses.count(409)) == (4, 20)
        assert vault.count(customer="c-1", active=True) == 4


# Credentials


def test_a_bearer_key_is_a_secret_that_is_shown_on_request(vault: panseal.Vault) -> None:
    key = vault.grant("stax")
    assert key.id.startswith("psk_")
    text = key.reveal()
    assert (len(key), len(text), text.startswith(key.id + "_")) == (69, 69, True)
    room = bytearray(80)
    assert key.reveal_into(room) == 69
    assert room[:69] == text.encode()
    assert repr(key) == f"<panseal.BearerKey {key.id}>"
    assert text not in repr(key) + str(key) + f"{key}"
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="neither copied nor pickled"):
            copied(key)
    with key as same:
        assert same is key
    with pytest.raises(panseal.ArgumentError) as caught:
        key.reveal()
    assert (caught.value.code, len(key), bool(key)) == ("handle", 0, False)
    assert key.id in repr(key)


def test_a_key_serves_until_it_is_revoked_or_over(vault: panseal.Vault) -> None:
    def status(key: str, now: int = NOW) -> tuple[int, bytes]:
        headers = [("Authorization", f"Bearer {key}")]
        reply = vault.handle("stax", method="GET", target="/payment-method", headers=headers, now=now)
        return reply.status, reply.body

    over = datetime.fromtimestamp(NOW + 60, UTC)
    key = vault.grant("stax", expires_at=over)
    assert status(key.reveal())[0] == 200
    assert status(key.reveal(), NOW + 60) == (401, b'{"error":"token_expired"}')
    vault.revoke(key.id)
    vault.revoke(key.id)
    assert status(key.reveal())[0] == 401
    assert status(vault.grant("sumup").reveal())[0] == 401, "made for another dialect"
    with pytest.raises(panseal.TokenError):
        vault.revoke("psk_none")
    with vault.merchant("m-2") as other, pytest.raises(panseal.TokenError):
        other.revoke(key.id)


def test_credentials_are_listed_without_their_keys(vault: panseal.Vault) -> None:
    key = vault.grant("pace", subject="user-1", scopes=PACE_SCOPES, expires_at=2_000_000_000)
    vault.grant_signing("webpay", AUTHENTICITY_TOKEN, MERCHANT_KEY)
    vault.revoke(key.id)
    signing, bearer = vault.credentials()
    assert (signing.id, signing.dialect, signing.subject, signing.scopes) == (
        AUTHENTICITY_TOKEN,
        "webpay",
        "",
        "",
    )
    assert (signing.merchant, signing.expires_at, signing.revoked_at) == ("m-1", None, None)
    assert (bearer.id, bearer.dialect, bearer.subject, bearer.scopes) == (
        key.id,
        "pace",
        "user-1",
        PACE_SCOPES,
    )
    assert bearer.expires_at == datetime.fromtimestamp(2_000_000_000, UTC)
    for made in (signing.created_at, bearer.created_at, bearer.revoked_at):
        assert made is not None
        assert abs(datetime.now(UTC) - made) < timedelta(minutes=1)
    assert repr(signing) == f"Credential(id='{AUTHENTICITY_TOKEN}', dialect='webpay', merchant='m-1')"
    assert [found.id for found in vault.credentials(after=signing.id)] == [key.id]
    assert [found.id for found in vault.credentials(limit=1)] == [signing.id]
    with vault.merchant("m-2") as other:
        assert other.credentials() == []
    actions = [(line.action, line.actor) for line in vault.audit()]
    assert actions[-3:] == [("grant", ""), ("grant", ""), ("revoke", "")]


def test_a_signing_key_is_registered_once(vault: panseal.Vault) -> None:
    body = dumped(card_of("webpay"))
    headers = [("Authorization", signature("/v2/tokens", body, NOW))]

    def status() -> int:
        return vault.handle(
            "webpay", method="POST", target="/v2/tokens", headers=headers, body=body, now=NOW
        ).status

    assert status() == 401
    vault.grant_signing("webpay", AUTHENTICITY_TOKEN, bytearray(MERCHANT_KEY))
    assert [status(), status()] == [200, 401], "a signature makes one change"
    with pytest.raises(panseal.VaultError) as caught:
        vault.grant_signing("webpay", AUTHENTICITY_TOKEN, "another")
    assert caught.value.code == "conflict"
    vault.grant_signing("webpay", "longest", os.urandom(253))


@pytest.mark.parametrize(
    "grant",
    [
        lambda vault: vault.grant("paypal"),
        lambda vault: vault.grant(""),
        lambda vault: vault.grant("stax", subject="x" * 65),
        lambda vault: vault.grant("stax", scopes="x" * 257),
        lambda vault: vault.grant("stax", expires_at=-1),
        lambda vault: vault.grant("stax", expires_at=datetime(2030, 1, 1)),
        lambda vault: vault.grant_signing("webpay", "", b"key"),
        lambda vault: vault.grant_signing("webpay", "id", b""),
        lambda vault: vault.grant_signing("webpay", "id", bytes(254)),
        lambda vault: vault.grant_signing("webpay", "id", "\udc80"),
        lambda vault: vault.grant_signing("webpay", "psk_id", b"key"),
        lambda vault: vault.credentials(limit=0),
        lambda vault: vault.credentials(after="x" * 65),
    ],
)
def test_a_grant_that_is_not_of_its_form_is_refused(
    vault: panseal.Vault, grant: Callable[[panseal.Vault], object]
) -> None:
    with pytest.raises(panseal.ArgumentError):
        grant(vault)
    assert vault.credentials() == []
