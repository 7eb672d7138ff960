"""The dialects as a WSGI application, called as a server calls it, and under wsgiref."""

import http.client
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.validate import validator

import pytest
from conftest import Place, random_visa
from providers import JSON_API, TARGETS, VISA, Callers, card_of, dumped

import panseal
from panseal.wsgi import Caller, app


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def server(served: Any) -> Iterator[int]:
    """The application under wsgiref, which is checked for what PEP 3333 asks."""
    with make_server("127.0.0.1", 0, validator(served), handler_class=Quiet) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_port
        running.shutdown()


@pytest.fixture(params=["memory", "sqlite"])
def vault(request: pytest.FixtureRequest, place: Place) -> Iterator[panseal.Vault]:
    url = "memory:" if request.param == "memory" else place.url
    with panseal.Vault.open(url, root=place.root, merchant="m-1") as vault:
        vault.create_customer("c-1")
        yield vault


def asked(
    served: Any, method: str, target: str, headers: Any = (), body: bytes = b"", **more: Any
) -> tuple[int, dict[str, str], bytes]:
    """A request as a WSGI server passes it on."""
    path, _, query = target.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "https",
    }
    for name, value in headers:
        key = name.upper().replace("-", "_")
        environ["CONTENT_TYPE" if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    seen: list[Any] = []
    environ |= more
    data = b"".join(
        served({key: value for key, value in environ.items() if value is not None}, lambda *a: seen.append(a))
    )
    status, lines = seen[0]
    return int(status[:3]), dict(lines), data


def test_one_card_goes_through_four_dialects_under_wsgiref(vault: panseal.Vault) -> None:
    callers = Callers.of(vault)
    with server(app(vault)) as port:

        def send(dialect: str, number: str = VISA) -> Any:
            body, target = dumped(card_of(dialect, number)), TARGETS[dialect]
            to = http.client.HTTPConnection("127.0.0.1", port)
            headers = dict(callers.headers(dialect, target, body))
            to.request("POST", f"/{dialect}{target}", body, headers)
            with to.getresponse() as reply:
                assert 200 <= reply.status < 300
                assert reply.headers["Content-Type"] == headers["Accept"]
                return json.loads(reply.read())

        assert send("sumup")["card"] == {"last_4_digits": "1111", "type": "VISA"}
        assert send("stax")["nickname"] == "VISA: Ada Byron (ending in: 1111)"
        webpay = send("webpay")
        assert webpay["card"]["masked_pan"] == "411111****1111"
        pace = send("pace", webpay["token"])
        assert pace["data"]["attributes"]["identificationString"] == "Visa **** **** **** 1111"
    assert vault.status().cards == 1


def test_a_status_has_its_phrase_and_head_no_body(vault: panseal.Vault) -> None:
    with server(app(vault, trusted=True)) as port:
        for method, target, status, phrase in (
            ("GET", "/stax/payment-method", 200, "OK"),
            ("HEAD", "/stax/payment-method", 405, "Method Not Allowed"),
            ("GET", "/none", 404, "Not Found"),
            ("POST", "/sumup/v0.1/customers", 400, "Bad Request"),
        ):
            to = http.client.HTTPConnection("127.0.0.1", port)
            to.request(method, target)
            with to.getresponse() as reply:
                assert (reply.status, reply.reason) == (status, phrase)
                assert bool(reply.read()) == (method != "HEAD")


def test_a_signature_is_over_the_target_as_it_was_sent_where_the_server_tells_it(
    vault: panseal.Vault,
) -> None:
    served, callers = app(vault), Callers.of(vault)
    for target in ("/v2/customers?limit=%31", "/v2/cust%6fmers?limit=1", "/v2/customers/"):
        headers = callers.headers("webpay", target, b"")
        for name in ("REQUEST_URI", "RAW_URI"):
            sent: Any = {name: "/webpay" + target}
            assert asked(served, "GET", "/webpay" + target, headers, **sent)[0] == 200, target
        expected = 401 if "%6f" in target else 200
        assert asked(served, "GET", "/webpay" + target, headers)[0] == expected
    headers = callers.headers("webpay", "/v2/customers", b"")
    for stale in ("/elsewhere", "http://host/webpay/v2/customers", ""):
        assert asked(served, "GET", "/webpay/v2/customers", headers, REQUEST_URI=stale)[0] == 200


def test_an_app_that_is_mounted_itself_answers_behind_its_own_path(vault: panseal.Vault) -> None:
    served = app(vault, trusted=lambda _environ: Caller(subject="user-1"))
    how: Any = {"SCRIPT_NAME": "/a pi", "PATH_INFO": "/stax/payment-method"}
    status, _, body = asked(served, "GET", "/", **how)
    assert (status, json.loads(body)["path"]) == (200, "/a%20pi/stax/payment-method")
    status, _, body = asked(served, "GET", "/", **how, REQUEST_URI="/a%20pi/stax/payment-method?page=1")
    assert (status, json.loads(body)["path"]) == (200, "/a%20pi/stax/payment-method")


def test_links_never_begin_with_the_host_unasked(vault: panseal.Vault) -> None:
    def where(**how: Any) -> str:
        served = app(vault, trusted=lambda _environ: Caller(subject="user-1"), **how)
        _, _, made = asked(served, "POST", "/webpay/v2/tokens", body=dumped(card_of("webpay", random_visa())))
        status, headers, _ = asked(
            served,
            "POST",
            "/pace" + TARGETS["pace"],
            [("Content-Type", JSON_API), ("Host", "evil.example")],
            dumped(card_of("pace", json.loads(made)["token"])),
        )
        assert status == 201
        return headers["Location"].partition("/pay/")[0]

    assert where() == "/pace"
    assert where(base="https://pay.example.org") == "https://pay.example.org/pace"
    assert where(base_from_host=True) == "https://evil.example/pace"


def test_the_host_says_whom_it_has_authenticated(vault: panseal.Vault) -> None:
    def who(environ: Any) -> Caller | None:
        return Caller(merchant=environ["REMOTE_USER"]) if "REMOTE_USER" in environ else None

    served, body = app(vault, trusted=who), dumped(card_of("webpay"))
    assert asked(served, "POST", "/webpay/v2/tokens", [("Remote-User", "m-2")], body)[0] == 401
    status, _, made = asked(served, "POST", "/webpay/v2/tokens", body=body, REMOTE_USER="m-2")
    assert (status, vault.count()) == (200, 0)
    with vault.merchant("m-2") as theirs:
        assert theirs.lookup(json.loads(made)["token"]).active


class Dribble(io.RawIOBase):
    """A body that comes a few bytes at a time, and how much of it was asked for."""

    def __init__(self, body: bytes) -> None:
        self.source, self.taken = io.BytesIO(body), 0

    def read(self, size: int = -1) -> bytes:
        assert size > 0
        piece = self.source.read(min(size, 1000))
        self.taken += len(piece)
        return piece


def test_a_body_is_read_as_far_as_it_goes_and_no_further(vault: panseal.Vault) -> None:
    served, body = app(vault, trusted=True), dumped(card_of("webpay"))
    target = "/webpay/v2/tokens"
    source = Dribble(body + b" " * 5000 + b"next request")

    def status(source: Dribble, length: int | None = None, **more: Any) -> int:
        told = None if length is None else str(length)
        how: Any = {"CONTENT_LENGTH": told, "wsgi.input": source} | more
        return asked(served, "POST", target, **how)[0]

    assert status(source, len(body) + 5000) == 200
    assert source.taken == len(body) + 5000
    chunked: Any = {"HTTP_TRANSFER_ENCODING": "chunked"}
    assert status(Dribble(body), **chunked, **{"wsgi.input_terminated": True}) == 200
    assert status(Dribble(body), **chunked) == 411
    assert status(Dribble(body), len(body) + 1) == 400
    for odd in ("-1", "1e3", "x", "+5", "٣"):
        assert asked(served, "POST", target, body=body, CONTENT_LENGTH=odd)[0] == 400
    assert asked(served, "GET", "/stax/payment-method", CONTENT_LENGTH="")[0] == 200
    assert vault.count() == 2


def test_ten_megabytes_are_refused_in_the_providers_words_and_not_read(vault: panseal.Vault) -> None:
    served, body = app(vault, trusted=True), dumped(card_of("webpay")) + b" " * 10_000_000
    source = Dribble(body)
    how: Any = {"CONTENT_LENGTH": str(len(body)), "wsgi.input": source}
    status, _, words = asked(served, "POST", "/webpay/v2/tokens", **how)
    assert (status, json.loads(words)["status"], source.taken) == (400, "invalid-request", 0)
    ends: Any = {"CONTENT_LENGTH": None, "wsgi.input_terminated": True, "wsgi.input": source}
    status, _, words = asked(served, "POST", "/webpay/v2/tokens", **ends)
    assert (status, json.loads(words)["status"]) == (400, "invalid-request")
    assert source.taken < 70_000
    assert vault.count() == 0


def test_a_customer_has_no_more_than_four_however_many_come_at_once(vault: panseal.Vault) -> None:
    served = app(vault, trusted=True)
    statuses: list[int] = []

    def work() -> None:
        for _ in range(3):
            body = dumped(card_of("sumup", random_visa()))
            statuses.append(asked(served, "POST", "/sumup" + TARGETS["sumup"], body=body)[0])

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (statuses.count(201), statuses.count(409)) == (4, 20)
