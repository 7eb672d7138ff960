"""`python -m panseal serve`, and the ASGI application under uvicorn on the loopback address."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Place, random_visa
from providers import TARGETS, VISA, Callers, card_of, dumped

import panseal
from panseal.__main__ import main

PATIENCE = 60


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def serving(place: Place, *arguments: str, vault: str | None = None) -> Iterator[tuple[int, Path]]:
    """The command, until the end of the block; its port, and the file of all that it has printed."""
    port, log = free_port(), place.folder / "log"
    command = [sys.executable, "-m", "panseal", "serve", "--vault", vault or place.url, "--root", place.root]
    environment = os.environ | {"PYTHONPATH": str(Path(panseal.__file__).parents[1])}
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [*command, "--port", str(port), *arguments], stdout=out, stderr=out, env=environment
        ) as process,
    ):
        try:
            patience = time.monotonic() + PATIENCE
            while True:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < patience, log.read_text()
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield port, log
        finally:
            process.terminate()
            process.wait(PATIENCE)


def asked(
    port: int, method: str, target: str, body: Any = None, headers: Any = ()
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, target, body, dict(headers))
        with connection.getresponse() as reply:
            return reply.status, dict(reply.headers), reply.read()
    finally:
        connection.close()


def test_one_card_goes_through_four_dialects_under_uvicorn(place: Place) -> None:
    with place.open() as vault:
        callers = Callers.of(vault)
        vault.create_customer("c-1")
    with serving(place, "--base", "https://pay.example.org") as (port, log):

        def send(dialect: str, number: str = VISA) -> tuple[dict[str, str], Any]:
            body, target = dumped(card_of(dialect, number)), TARGETS[dialect]
            headers = callers.headers(dialect, target, body)
            status, lines, data = asked(port, "POST", f"/{dialect}{target}", body, headers)
            assert 200 <= status < 300, data
            assert "server" not in lines
            return lines, json.loads(data)

        sumup = send("sumup")[1]
        assert sumup["card"] == {"last_4_digits": "1111", "type": "VISA"}
        assert send("stax")[1]["nickname"] == "VISA: Ada Byron (ending in: 1111)"
        webpay = send("webpay")[1]
        lines, pace = send("pace", webpay["token"])
        assert pace["data"]["attributes"]["identificationString"] == "Visa **** **** **** 1111"
        assert lines["location"].startswith("https://pay.example.org/pace/pay/2020-4/payment-methods/")
        bearer = {"Authorization": f"Bearer {callers.keys['sumup']}"}
        made = f"/sumup{TARGETS['sumup']}/{sumup['token']}"
        assert asked(port, "DELETE", made, None, bearer)[::2] == (204, b"")
        # What has no business in a path is no business of a log.
        assert asked(port, "GET", f"/sumup/v0.1/customers/{VISA}?key={VISA}", None, bearer)[0] == 404
        assert asked(port, "GET", f"/{VISA}")[0] == 404
    printed = log.read_text()
    for line in ("POST /sumup/ 201", "POST /stax/ 200", "DELETE /sumup/ 204", "GET /sumup/ 404", "GET ? 404"):
        assert f"panseal.access INFO {line}\n" in printed
    for secret in (VISA, webpay["token"], sumup["token"], "c-1", *callers.keys.values()):
        assert secret not in printed
    with place.open(create=False) as vault:
        assert vault.status().cards == 1


def test_bodies_of_any_size_come_over_the_wire(place: Place) -> None:
    body = dumped(card_of("webpay"))

    def pieces(size: int) -> Iterator[bytes]:
        for at in range(0, len(body), size):
            yield body[at : at + size]

    with serving(place, "--dialect", "=webpay", "--trusted", vault="memory:") as (port, _):
        # Of an iterator http.client makes chunks.
        for size in (1, 10, 1000):
            assert asked(port, "POST", "/v2/tokens", pieces(size))[0] == 200
        assert asked(port, "POST", "/v2/tokens", body + b" " * (65_536 - len(body)))[0] == 200
        status, _, words = asked(port, "POST", "/v2/tokens", body + b" " * 10_000_000)
        assert (status, json.loads(words)["status"]) == (400, "invalid-request")
        many = (b" " * 10_000 for _ in range(1000))
        assert asked(port, "POST", "/v2/tokens", many)[0] == 400
        # A connection goes on after a body that was not read to its end.
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        for _ in range(2):
            connection.request("POST", "/v2/tokens", b" " * 1_000_000)
            with connection.getresponse() as reply:
                assert reply.status == 400
                reply.read()
        connection.close()
        # Whoever goes before the end leaves nothing, and disturbs nobody.
        with socket.create_connection(("127.0.0.1", port)) as gone:
            gone.sendall(b"POST /v2/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + body)
        assert json.loads(asked(port, "GET", "/v2/payment-methods")[2])["data"] != []
        assert asked(port, "POST", "/v2/tokens", body)[0] == 200
        listed = json.loads(asked(port, "GET", "/v2/customers")[2])
        assert listed["status"] == "approved"


def test_a_customer_has_no_more_than_four_however_many_come_at_once(place: Place) -> None:
    for vault in (place.url, "memory:"):
        with serving(place, "--dialect", "sumup", "--trusted", vault=vault) as (port, _):
            assert asked(port, "POST", "/sumup/v0.1/customers", b'{"customer_id":"c-1"}')[0] == 201

            def make(_: int, port: int = port) -> int:
                return asked(
                    port, "POST", "/sumup" + TARGETS["sumup"], dumped(card_of("sumup", random_visa()))
                )[0]

            with ThreadPoolExecutor(16) as pool:
                statuses = list(pool.map(make, range(48)))
            assert (statuses.count(201), statuses.count(409)) == (4, 44)


def test_the_command_line_mounts_and_sets_up(place: Place) -> None:
    with serving(
        place,
        *("--dialect", "/a=sumup", "--dialect", "/b/c=pace", "--merchant", "m-1", "--trusted", "user-1"),
        *("--settings", "/a:max_instruments=1", "--settings", "/a:merchant_code=MH4H92C7"),
        vault="memory:",
    ) as (port, _):
        assert asked(port, "POST", "/a/v0.1/customers", b'{"customer_id":"c-1"}')[0] == 201
        statuses = [
            asked(port, "POST", "/a" + TARGETS["sumup"], dumped(card_of("sumup")))[0] for _ in range(2)
        ]
        assert statuses == [201, 409]
        assert asked(port, "GET", "/b/c/payment-methods")[::2] == (200, b'{"data":[]}')
        assert asked(port, "GET", "/sumup/v0.1/customers/c-1")[0] == 404


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--dialect", "paypal"], "is no dialect"),
        (["--dialect", "/a/=stax"], "is no path"),
        (["--dialect", "stax", "--dialect", "/stax=sumup"], "a path twice"),
        (["--settings", "/none:x=1"], "not mounted"),
        (["--settings", "/sumup:x"], "argument"),
        (["--trusted", "--host", "0.0.0.0"], "127.0.0.1"),
        (["--trusted", "--host", "pay.example.org"], "127.0.0.1"),
        (["--base", "https://a b"], "argument"),
        (["--root", "file:/none"], "root_key"),
        (["--vault", "cards.db"], "argument"),
    ],
    ids=str,
)
def test_what_cannot_be_served_is_said_in_a_line(
    place: Place, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    assert main(["serve", "--vault", "memory:", "--root", place.root, *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("panseal: ")
    assert why in printed.err
    assert printed.err.count("\n") == 1


def test_what_is_missing_is_said_in_a_line(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert main(["serve", "--vault", "memory:", "--root", place.root]) == 2
    assert capsys.readouterr().err == "panseal: uvicorn is not installed: pip install 'panseal[serve]'\n"
    with pytest.raises(SystemExit):
        main([])
