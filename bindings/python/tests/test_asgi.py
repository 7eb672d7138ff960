"""The dialects as an ASGI application, called as a server calls it."""

import asyncio
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from conftest import Place, random_visa
from providers import JSON_API, TARGETS, VISA, Callers, card_of, dumped

import panseal
from panseal import _mount
from panseal.asgi import Caller, app

DIALECTS = list(panseal.dialects())


@dataclass
class Reply:
    """What an application has sent."""

    messages: list[Any] = field(default_factory=list)

    @property
    def status(self) -> int:
        status: int = self.messages[0]["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    def json(self) -> Any:
        return json.loads(self.body)


async def ask(
    served: Any,
    method: str,
    target: str,
    headers: Any = (),
    body: bytes = b"",
    pieces: list[bytes] | None = None,
    **scope: Any,
) -> Reply:
    """A request as an ASGI server passes it on, in pieces where it came in pieces."""
    path, _, query = target.partition("?")
    raw = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }
    waiting = [body] if pieces is None else list(pieces)
    reply = Reply()

    async def receive() -> dict[str, Any]:
        if not waiting:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        reply.messages.append(message)

    await served(raw | scope, receive, send)
    return reply


def asked(*arguments: Any, **how: Any) -> Reply:
    return asyncio.run(ask(*arguments, **how))


@pytest.fixture(params=["memory", "sqlite"])
def vault(request: pytest.FixtureRequest, place: Place) -> Iterator[panseal.Vault]:
    url = "memory:" if request.param == "memory" else place.url
    with panseal.Vault.open(url, root=place.root, merchant="m-1") as vault:
        assert vault.store == request.param
        vault.create_customer("c-1")
        yield vault


def test_one_card_goes_through_four_dialects(vault: panseal.Vault) -> None:
    served, callers = app(vault), Callers.of(vault)

    def send(dialect: str, number: str = VISA) -> Any:
        body = dumped(card_of(dialect, number))
        target = TARGETS[dialect]
        headers = callers.headers(dialect, target, body)
        reply = asked(served, "POST", f"/{dialect}{target}", headers, body)
        assert 200 <= reply.status < 300, reply.body
        assert int(reply.headers["content-length"]) == len(reply.body)
        media = JSON_API if dialect == "pace" else "application/json"
        assert reply.headers["content-type"] == media
        return reply.json()

    sumup, stax, webpay = send("sumup"), send("stax"), send("webpay")
    assert sumup["card"] == {"last_4_digits": "1111", "type": "VISA"}
    assert stax["nickname"] == "VISA: Ada Byron (ending in: 1111)"
    assert (stax["card_exp"], stax["card_exp_datetime"]) == ("042030", "2030-04-30 23:59:59")
    assert webpay["card"] == {
        "keep_until": "2030-05-01T00:00:00Z",
        "masked_pan": "411111****1111",
        "expiration_date": "3004",
    }
    pace = send("pace", webpay["token"])
    assert pace["data"]["attributes"]["identificationString"] == "Visa **** **** **** 1111"
    assert vault.status().cards == 1


# Mounts


def test_a_sequence_mounts_each_dialect_under_its_name(vault: panseal.Vault) -> None:
    served = app(vault, dialects=["stax", "sumup"], trusted=True)
    assert asked(served, "GET", "/stax/payment-method").status == 200
    assert asked(served, "GET", "/sumup/v0.1/customers/c-1").json()["customer_id"] == "c-1"
    for target in (
        "/",
        "/webpay/v2/customers",
        "/payment-method",
        "/staxx/payment-method",
        "/Stax/payment-method",
        "/st%61x/payment-method",
        "//stax/payment-method",
        "stax/payment-method",
        "*",
    ):
        reply = asked(served, "GET", target)
        assert (reply.status, reply.headers["content-type"]) == (404, "text/plain"), target


def test_a_mapping_mounts_at_any_path_and_the_longest_wins(vault: panseal.Vault) -> None:
    served = app(vault, dialects={"": "stax", "/cards/v1": "sumup", "/cards": "webpay"}, trusted=True)
    assert asked(served, "GET", "/payment-method").json()["current_page"] == 1
    assert asked(served, "GET", "/cards/v2/customers").json()["status"] == "approved"
    assert asked(served, "GET", "/cards/v1/v0.1/customers/c-1").json()["customer_id"] == "c-1"
    assert asked(served, "GET", "/cards/v1").json()["error_code"] == "NOT_FOUND"
    assert asked(served, "GET", "/cards/v12").json()["status"] == "invalid-request"
    assert asked(served, "GET", "/none").status == 404
    assert asked(served, "GET", "/").status == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"dialects": ["paypal"]},
        {"dialects": []},
        {"dialects": ["stax", "stax"]},
        {"dialects": {"/": "stax"}},
        {"dialects": {"/a/": "stax"}},
        {"dialects": {"a": "stax"}},
        {"dialects": {"/a b": "stax"}},
        {"dialects": {"/a?b": "stax"}},
        {"trusted": {"/none": True}},
        {"settings": {"/none": "x=1"}},
        {"settings": {"/stax": "max_instruments=1"}},
        {"settings": {"/sumup": "max_instruments"}},
        {"base": "https://a b"},
        {"base": "https://a\r\nX: y"},
        {"base": "https://a", "base_from_host": True},
        {"body_limit": 0},
        {"body_limit": 65537},
        {"threads": 0},
        {"waiting": -1},
    ],
    ids=str,
)
def test_what_is_set_up_wrong_is_told_at_once(vault: panseal.Vault, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        app(vault, **wrong)


@pytest.mark.parametrize(
    "wrong", [{"dialects": "stax"}, {"trusted": "yes"}, {"trusted": {"/stax": 1}}], ids=str
)
def test_what_is_set_up_of_a_wrong_type_is_told_at_once(vault: panseal.Vault, wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        app(vault, **wrong)


def test_settings_hold_for_their_mount(vault: panseal.Vault) -> None:
    served = app(
        vault,
        dialects={"/one": "sumup", "/two": "sumup"},
        trusted=True,
        settings={"/one": "max_instruments=1 merchant_code=MH4H92C7"},
    )
    target, body = TARGETS["sumup"], dumped(card_of("sumup"))
    made = asked(served, "POST", "/one" + target, body=body).json()
    assert made["mandate"]["merchant_code"] == "MH4H92C7"
    assert asked(served, "POST", "/one" + target, body=body).status == 409
    assert "mandate" not in asked(served, "POST", "/two" + target, body=body).json()


# Paths and links


def test_a_signature_is_over_the_target_behind_the_mount_byte_by_byte(vault: panseal.Vault) -> None:
    callers = Callers.of(vault)
    for mount, served in (("/webpay", app(vault)), ("", app(vault, dialects={"": "webpay"}))):
        for target in (
            "/v2/customers?limit=10&offset=0",
            "/v2/customers?offset=0&limit=%31",
            "/v2/customers?limit=10&&x=a+b%20c",
            "/v2/customers/",
            "/v2/customers/%41",
            "/v2/cust%6fmers?limit=1",
        ):
            path, _, _ = target.partition("?")
            headers = callers.headers("webpay", target, b"")
            decoded = mount + path.replace("%41", "A").replace("%6f", "o")
            reply = asked(served, "GET", mount + target, headers, path=decoded)
            assert reply.status in (200, 404), (target, reply.body)
            other = asked(served, "GET", mount + target + "1", headers, path=decoded + "1")
            assert other.status == 401 or "?" in target, target
    changed = callers.headers("webpay", "/v2/customers?limit=10", b"")
    assert asked(app(vault), "GET", "/webpay/v2/customers?limit=1%30", changed).status == 401
    with_mount = callers.headers("webpay", "/webpay/v2/customers", b"")
    assert asked(app(vault), "GET", "/webpay/v2/customers", with_mount).status == 401


def test_a_path_that_somebody_has_changed_since_is_believed(vault: panseal.Vault) -> None:
    """What rewrites `path` and leaves `raw_path` alone, as middleware does, is followed."""
    served = app(vault, trusted=True)
    reply = asked(served, "GET", "/old/v0.1/customers/c-1", path="/sumup/v0.1/customers/c-1")
    assert reply.json()["customer_id"] == "c-1"
    vault.create_customer("c 2%41é")
    for raw in (b"/x", None):
        path = "/sumup/v0.1/customers/c 2%41é"
        reply = asked(served, "GET", "/", path=path, raw_path=raw)
        assert reply.json()["customer_id"] == "c 2%41é"


def test_an_app_that_is_mounted_itself_answers_behind_its_own_path(vault: panseal.Vault) -> None:
    served = app(vault, trusted=lambda _scope: Caller(subject="user-1"))
    for root in ("/api", "/api/", "/a%20pi"):
        reply = asked(
            served,
            "GET",
            root.rstrip("/") + "/stax/payment-method",
            root_path=root.replace("%20", " "),
            path=root.rstrip("/").replace("%20", " ") + "/stax/payment-method",
        )
        assert reply.status == 200
        assert reply.json()["path"] == root.rstrip("/") + "/stax/payment-method"
    # Servers before ASGI's clarification left it out of the path.
    assert asked(served, "GET", "/stax/payment-method", root_path="/api").status == 200
    assert asked(served, "GET", "/apistax/payment-method", root_path="/api").status == 404


def registered(vault: panseal.Vault, prefix: str = "/pace", headers: Any = (), **how: Any) -> str:
    """Where a new payment method of PACE's is."""
    served = app(vault, trusted=lambda _scope: Caller(subject="user-1"), **how)
    token = asked(served, "POST", "/webpay/v2/tokens", body=dumped(card_of("webpay", random_visa()))).json()
    body = dumped(card_of("pace", token["token"]))
    target = prefix + TARGETS["pace"]
    reply = asked(served, "POST", target, [("Content-Type", JSON_API), *headers], body)
    assert reply.status == 201, reply.body
    where = reply.headers["location"]
    identity = reply.json()["data"]["id"]
    assert where.endswith(f"/pay/2020-4/payment-methods/{identity}")
    return where.removesuffix(f"/pay/2020-4/payment-methods/{identity}")


def test_links_begin_with_what_the_configuration_says_and_never_with_the_host_unasked(
    vault: panseal.Vault,
) -> None:
    host = [("Host", "evil.example")]
    assert registered(vault, headers=host) == "/pace"
    assert registered(vault, headers=host, base="https://pay.example.org/x/") == (
        "https://pay.example.org/x/pace"
    )
    assert registered(vault, headers=host, base_from_host=True) == "http://evil.example/pace"
    assert (
        registered(vault, headers=[("Host", "[::1]:8000")], base_from_host=True) == "http://[::1]:8000/pace"
    )
    for odd in ("a b", "a/b", "a\r\nX: y", "a@b", "", "a:b:c"):
        assert registered(vault, headers=[("Host", odd)], base_from_host=True) == "/pace"
    at_root = {"": "pace", "/webpay": "webpay"}
    assert registered(vault, "", dialects=at_root) == ""
    assert registered(vault, "", dialects=at_root, base="https://x") == "https://x"


def test_a_location_leads_back(vault: panseal.Vault) -> None:
    served = app(vault, trusted=lambda _scope: Caller(subject="user-1"))
    token = asked(served, "POST", "/webpay/v2/tokens", body=dumped(card_of("webpay"))).json()["token"]
    body, media = dumped(card_of("pace", token)), [("Content-Type", JSON_API)]
    first = asked(served, "POST", "/pace" + TARGETS["pace"], media, body)
    again = asked(served, "POST", "/pace" + TARGETS["pace"], media, body)
    assert (again.status, again.body, again.headers["content-length"]) == (303, b"", "0")
    assert again.headers["location"] == first.headers["location"]
    assert asked(served, "GET", first.headers["location"]).json()["data"] == first.json()["data"]


# Who may call


def test_callers_present_credentials_where_nobody_vouches(vault: panseal.Vault) -> None:
    callers = Callers.of(vault)
    for served in (app(vault), app(vault, trusted={"/sumup": True}), app(vault, trusted=lambda _scope: None)):
        assert asked(served, "GET", "/stax/payment-method").status == 401
        headers = [("Authorization", f"Bearer {callers.keys['stax']}")]
        assert asked(served, "GET", "/stax/payment-method", headers).status == 200


def test_no_header_says_who_somebody_is(vault: panseal.Vault) -> None:
    served = app(vault)
    for name in ("X-Merchant", "X-Forwarded-User", "Remote-User", "X-Panseal-Trusted", "X-Subject"):
        assert asked(served, "GET", "/stax/payment-method", [(name, "m-1")]).status == 401


def test_the_host_says_whom_it_has_authenticated(vault: panseal.Vault) -> None:
    def who(scope: Any) -> Caller | None:
        user = scope.get("user")
        return None if user is None else Caller(merchant=user, subject="user-1")

    served = app(vault, trusted=who)
    body = dumped(card_of("webpay"))
    assert asked(served, "POST", "/webpay/v2/tokens", body=body).status == 401
    made = asked(served, "POST", "/webpay/v2/tokens", body=body, user="m-2").json()["token"]
    with vault.merchant("m-2") as theirs:
        assert theirs.lookup(made).last4 == "1111"
    with pytest.raises(panseal.TokenError):
        vault.lookup(made)
    assert vault.count() == 0
    long = asked(served, "POST", "/webpay/v2/tokens", body=body, user="m" * 65)
    assert (long.status, long.headers["content-type"]) == (500, "text/plain")


def test_who_vouches_for_what_is_no_caller_is_told(vault: panseal.Vault) -> None:
    served = app(vault, trusted=lambda _scope: "m-2")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        asked(served, "GET", "/stax/payment-method")


# Bodies


def cut(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)] + [b""]


def test_a_body_may_come_in_pieces(vault: panseal.Vault) -> None:
    served, body = app(vault, trusted=True), dumped(card_of("webpay"))
    for pieces in (
        cut(body, 1),
        cut(body, 7),
        [b"", b"", body],
        [b"", body, b""],
        [body, b" " * 60_000, b" "],
    ):
        assert asked(served, "POST", "/webpay/v2/tokens", pieces=pieces).status == 200
    assert vault.count() == 5


def test_a_body_of_the_greatest_length_is_read_and_one_byte_more_is_not(vault: panseal.Vault) -> None:
    served, body = app(vault, trusted=True), dumped(card_of("webpay"))
    just = body + b" " * (_mount.BODY_MAX - len(body))
    for pieces in ([just], cut(just, 4096)):
        assert asked(served, "POST", "/webpay/v2/tokens", pieces=pieces).status == 200
    for pieces in ([just + b" "], cut(just + b" ", 4096), [*cut(just, 4096), b" "]):
        reply = asked(served, "POST", "/webpay/v2/tokens", pieces=pieces)
        assert (reply.status, reply.json()["status"]) == (400, "invalid-request")
    small = app(vault, trusted=True, body_limit=len(body))
    assert asked(small, "POST", "/webpay/v2/tokens", body=body).status == 200
    assert asked(small, "POST", "/webpay/v2/tokens", body=body + b" ").status == 400
    assert vault.count() == 3


@pytest.mark.parametrize("dialect", DIALECTS)
def test_ten_megabytes_are_refused_in_the_providers_words_and_not_read(
    vault: panseal.Vault, dialect: str
) -> None:
    served, callers = app(vault), Callers.of(vault)
    body = dumped(card_of(dialect)) + b" " * 10_000_000
    target = TARGETS[dialect]
    headers = callers.headers(dialect, target, body)
    taken: list[int] = []

    class Counted(bytes):
        def __len__(self) -> int:
            taken.append(1)
            return super().__len__()

    counted: list[bytes] = [Counted(piece) for piece in cut(body, 16_384)]
    reply = asked(served, "POST", f"/{dialect}{target}", headers, pieces=counted)
    assert 0 < len(taken) < 10, "the rest is not asked for"
    assert reply.status == 400
    words = {
        "sumup": {"message": "Validation error", "error_code": "INVALID"},
        "stax": {"error": ["The request body must be a JSON object."]},
        "webpay": {"status": "invalid-request", "message": "Request body is invalid"},
    }
    if dialect == "pace":
        assert reply.json()["errors"][0]["status"] == "400"
    else:
        assert reply.json() == words[dialect]
    assert vault.count() == 0


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_no_json_is_refused_in_the_providers_words(vault: panseal.Vault, dialect: str) -> None:
    served, target = app(vault, trusted=lambda _scope: Caller(subject="user-1")), TARGETS[dialect]
    for body in (b"", b"{", b"[" * 60_000, b"\xff", b'{"a":1,"a":2}', b"4111111111111111", b"null"):
        reply = asked(served, "POST", f"/{dialect}{target}", [("Content-Type", JSON_API)], body)
        assert reply.status in (400, 422), (body[:20], reply.body)
        assert reply.json()
    assert vault.count() == 0


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_headers_at_all_is_the_providers_401(vault: panseal.Vault, dialect: str) -> None:
    reply = asked(app(vault), "POST", f"/{dialect}{TARGETS[dialect]}", body=dumped(card_of(dialect)))
    assert reply.status == 401
    assert "www-authenticate" in reply.headers
    assert reply.json()
    assert vault.count() == 0


def test_who_goes_before_the_end_leaves_nothing(vault: panseal.Vault) -> None:
    served, body = app(vault, trusted=True), dumped(card_of("webpay"))
    sent: list[Any] = []

    async def gone() -> None:
        waiting = [{"type": "http.request", "body": body, "more_body": True}, {"type": "http.disconnect"}]

        async def receive() -> Any:
            return waiting.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/webpay/v2/tokens", "headers": []}
        await served(scope, receive, send)

    asyncio.run(gone())
    assert (sent, vault.count()) == ([], 0)


def test_head_gets_no_body(vault: panseal.Vault) -> None:
    served = app(vault, trusted=True)
    for target in ("/stax/payment-method", "/none"):
        reply = asked(served, "HEAD", target)
        assert reply.status in (404, 405)
        assert int(reply.headers["content-length"]) > 0
        assert reply.body == b""


def test_what_has_no_content_has_no_length(vault: panseal.Vault) -> None:
    served = app(vault, trusted=True)
    token = asked(served, "POST", "/sumup" + TARGETS["sumup"], body=dumped(card_of("sumup"))).json()["token"]
    reply = asked(served, "DELETE", f"/sumup{TARGETS['sumup']}/{token}")
    assert (reply.status, reply.headers, reply.body) == (204, {}, b"")


def test_a_piece_of_a_body_is_wiped_behind_the_call(vault: panseal.Vault) -> None:
    """Seen from inside: the room in which pieces were put together, once the reply is there."""
    rooms: list[bytearray] = []
    mounts = _mount.Mounts(vault, None, True, {}, "", False, _mount.BODY_MAX)
    body = _mount.Body(mounts.body_limit)
    card = dumped(card_of("webpay"))
    for piece in cut(card, 10):
        assert body.add(piece)
    assert body._room is not None
    rooms.append(body._room)
    assert VISA.encode() in bytes(rooms[0]), "or nothing is shown"
    mount = next(mount for mount in mounts.mounts if mount.dialect == "webpay")
    request = _mount.Request(mount, Caller(), "POST", "/v2/tokens", [], body, "")
    assert mounts.answer(request).status == 200
    assert rooms[0] == bytes(len(rooms[0]))
    assert body.lent() == b""
    for last in (b"x" * _mount.BODY_MAX, b""):
        body = _mount.Body(_mount.BODY_MAX)
        body.add(card[:20])
        body.add(card[20:])
        assert body._room is not None
        rooms.append(body._room)
        body.add(last) if last else body.wipe()
        assert rooms[-1] == bytes(len(rooms[-1]))


# Failures


def test_a_failure_of_the_vault_is_logged_without_what_was_sent(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    with place.open() as vault:
        served = app(vault, trusted=True)
        place.file.unlink()
        reply = asked(served, "POST", "/webpay/v2/tokens", body=dumped(card_of("webpay")))
    assert (reply.status, reply.json()["status"]) == (500, "error")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "webpay" in caplog.text
    assert VISA not in caplog.text


def test_a_guard_that_raises_is_logged_without_what_was_sent(
    vault: panseal.Vault, caplog: pytest.LogCaptureFixture
) -> None:
    def guard(_merchant: str, _actor: str, kind: str, _count: int) -> bool:
        if kind == "tokenize":
            raise ZeroDivisionError
        return True

    served, body = app(vault, trusted=True), dumped(card_of("webpay"))
    vault.set_guard(guard)
    reply = asked(served, "POST", "/webpay/v2/tokens", pieces=cut(body, 9))
    assert (reply.status, reply.body) == (500, b"Internal Server Error\n")
    assert "ZeroDivisionError" in caplog.text
    assert VISA not in caplog.text
    trace = caplog.records[0].exc_info[2] if caplog.records[0].exc_info else None
    while trace is not None:
        for value in trace.tb_frame.f_locals.values():
            assert VISA.encode() not in (bytes(value) if isinstance(value, bytes | memoryview) else b"")
            assert VISA not in repr(value)
        trace = trace.tb_next


def test_a_closed_vault_is_a_500(vault: panseal.Vault) -> None:
    served = app(vault, trusted=True)
    vault.close()
    assert asked(served, "GET", "/stax/payment-method").status == 500


# The event loop


def test_a_commit_does_not_hold_the_event_loop(place: Place) -> None:
    """The guard waits inside the call until the loop has run on; in memory the loop's own thread is in it."""
    for url in (place.url, "memory:"):
        with panseal.Vault.open(url, root=place.root) as vault:
            served = app(vault, trusted=True)
            seen: list[str] = []
            go_on = threading.Event()

            def guard(
                _merchant: str,
                _actor: str,
                kind: str,
                _count: int,
                seen: list[str] = seen,
                go_on: threading.Event = go_on,
                url: str = url,
            ) -> bool:
                if kind == "tokenize":
                    seen.append(threading.current_thread().name)
                    assert url == "memory:" or go_on.wait(30)
                return True

            async def run(served: Any = served, go_on: threading.Event = go_on) -> Reply:
                asyncio.get_running_loop().call_later(0.01, go_on.set)
                return await ask(served, "POST", "/webpay/v2/tokens", body=dumped(card_of("webpay")))

            vault.set_guard(guard)
            assert asyncio.run(run()).status == 200
            assert [name.startswith("panseal") for name in seen] == [url != "memory:"]


def test_more_than_may_wait_are_told_to_come_back(place: Place) -> None:
    go_on, inside = threading.Event(), threading.Semaphore(0)

    def guard(_merchant: str, _actor: str, kind: str, _count: int) -> bool:
        if kind == "tokenize":
            inside.release()
            assert go_on.wait(30)
        return True

    with place.open() as vault:
        vault.set_guard(guard)
        served = app(vault, trusted=True, threads=2, waiting=3)

        async def run() -> list[Reply]:
            body = dumped(card_of("webpay"))
            tasks = [
                asyncio.create_task(ask(served, "POST", "/webpay/v2/tokens", body=body)) for _ in range(9)
            ]
            while sum(task.done() for task in tasks) < 4:
                await asyncio.sleep(0.001)
            go_on.set()
            return await asyncio.gather(*tasks)

        replies = asyncio.run(run())
        statuses = [reply.status for reply in replies]
        assert (statuses.count(200), statuses.count(503)) == (5, 4)
        assert {reply.headers["retry-after"] for reply in replies if reply.status == 503} == {"1"}
        assert asked(served, "GET", "/stax/payment-method").status == 200
        assert vault.count() == 5


def test_a_customer_has_no_more_than_four_however_many_come_at_once(vault: panseal.Vault) -> None:
    served = app(vault, trusted=True, threads=8)

    async def run() -> list[Reply]:
        bodies = [dumped(card_of("sumup", random_visa())) for _ in range(40)]
        return await asyncio.gather(
            *(ask(served, "POST", "/sumup" + TARGETS["sumup"], body=body) for body in bodies)
        )

    statuses = [reply.status for reply in asyncio.run(run())]
    assert (statuses.count(201), statuses.count(409)) == (4, 36)
    assert vault.count(customer="c-1", active=True) == 4


def test_a_task_that_is_cancelled_leaves_the_app_as_it_was(place: Place) -> None:
    with place.open() as vault:
        served = app(vault, trusted=True, threads=1, waiting=1)

        async def run() -> Reply:
            body = dumped(card_of("webpay"))
            for _ in range(20):
                task = asyncio.create_task(ask(served, "POST", "/webpay/v2/tokens", body=body))
                await asyncio.sleep(0.001)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await asyncio.sleep(0.2)
            return await ask(served, "POST", "/webpay/v2/tokens", body=body)

        assert asyncio.run(run()).status == 200


# The server's own messages


def life(served: Any, *messages: str) -> list[str]:
    sent: list[str] = []

    async def run() -> None:
        waiting = list(messages)

        async def receive() -> Any:
            return {"type": waiting.pop(0)}

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await served({"type": "lifespan"}, receive, send)

    asyncio.run(run())
    return sent


def test_the_servers_start_and_end_are_answered_and_the_threads_end(vault: panseal.Vault) -> None:
    served = app(vault, trusted=True)
    assert asked(served, "GET", "/stax/payment-method").status == 200
    assert life(served, "lifespan.startup", "lifespan.shutdown") == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("panseal")]
    assert asked(served, "GET", "/stax/payment-method").status == 200, "and the vault is open"
    life(served, "lifespan.shutdown")


def test_what_is_no_http_is_refused(vault: panseal.Vault) -> None:
    served = app(vault)
    sent: list[Any] = []

    async def run(kind: str) -> None:
        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        await served({"type": kind, "path": "/stax"}, receive, send)

    asyncio.run(run("websocket"))
    assert sent == [{"type": "websocket.close"}]
    with pytest.raises(ValueError, match="another type"):
        asyncio.run(run("smtp"))


def test_the_apps_are_imported_where_they_are_asked_for() -> None:
    program = (
        "import sys, panseal; assert 'asyncio' not in sys.modules; panseal.asgi.app; panseal.wsgi.app\n"
        "try: panseal.other\nexcept AttributeError: print('fine')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "fine\n", done.stderr
