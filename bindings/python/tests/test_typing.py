"""The types that are promised are those that are there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import panseal

pytest.importorskip("mypy")

PROGRAM = """
import array
from datetime import datetime
from typing import assert_type

import panseal


class Column:
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return None


report = panseal.check(bytearray(16), expiry_month=12, expiry_year=2030, cvv=memoryview(b"123"), wipe=True)
assert_type(report.network, str | None)
assert_type(report.violations, tuple[panseal.Violation, ...])
panseal.check(array.array("B"), expiry="12/30")
panseal.check(4242424242424242)  # error: arg-type
panseal.check("4242", 12)  # error: call-arg, misc
panseal.mask(None)  # error: arg-type
panseal.mask("4242", view="16")  # error: arg-type
checked = panseal.check_many(["4242", b"4242", None])
assert_type(checked.status, memoryview[int])
panseal.check_many(Column())
panseal.check_many([4242])  # error: list-item
swipe = bytearray(80)
assert_type(swipe[panseal.parse_track(swipe).number], bytearray)
assert_type([hit.masked for hit in panseal.scan("4242")], list[str])
panseal.Scanner().feed("4242")  # error: arg-type
assert_type(panseal.iso8583.expiry(b"3012"), panseal.Expiry)
with panseal.Vault.open("sqlite:x", root="file:y", busy_timeout=1) as vault:
    assert_type(vault, panseal.Vault)
    card = vault.tokenize("4242", customer="c-1")
    assert_type(card.created_at, datetime)
    assert_type(card.expiry_year, int | None)
    card.token = "x"  # error: misc
    with vault.detokenize(card.token.encode(), reason="why") as pan:
        assert_type(pan.reveal(), str)
        assert_type(pan.reveal_into(bytearray(19)), int)
    vault.detokenize(card.token)  # error: call-arg
    vault.merchant(7)  # error: arg-type
    many = vault.tokenize_many([{"number": "4242", "expiry": "12/30"}])
    assert_type(many, list[panseal.Instrument | panseal.PansealError])
    assert_type(vault.list(customer="c-1", limit=10), list[panseal.Instrument])
    assert_type([card.masked for card in vault.iter()], list[str])
    assert_type(vault.customer("c-1"), panseal.Customer | None)
    assert_type(vault.status().epochs[0].cards, int)
    vault.tokenize("4242", reuse="always")  # error: arg-type
    vault.set_guard(lambda merchant, actor, kind, count: count < 10)
    vault.rewrap(progress=lambda done, total: None)
    reply = vault.handle("stax", method="GET", target="/payment-method", headers=[(b"accept", b"*/*")])
    assert_type(reply.headers, list[tuple[str, str]])
    assert_type(reply.failure, panseal.PansealError | None)
    vault.handle("stax", method="POST", target="/payment-method", body="{}")  # error: arg-type
    vault.handle("stax", method="POST", target="/payment-method", headers={"a": 1})  # error: arg-type
    assert_type(vault.grant("stax", expires_at=datetime.now()).id, str)
    assert_type(vault.credentials()[0].revoked_at, datetime | None)
    assert_type(panseal.dialects(), dict[str, tuple[str, ...]])
try:
    pass
except panseal.CardError as error:
    assert_type(error.code, str)
    assert_type([violation.param for violation in error.violations], list[str])
"""


def python(*arguments: str, folder: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(Path(panseal.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=folder, env=environment, check=False
    )
    return done.stdout + done.stderr


def test_the_stubs_tell_what_the_module_has(tmp_path: Path) -> None:
    assert "Success" in python("-m", "mypy.stubtest", "panseal", folder=tmp_path)


def test_a_typed_program_is_understood_and_a_wrong_one_told(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    heard = python("-m", "mypy", "--strict", "--no-error-summary", "program.py", folder=tmp_path)
    expected = [line for line, text in enumerate(PROGRAM.splitlines(), start=1) if "# error" in text]
    found = [int(line.split(":")[1]) for line in heard.splitlines() if " error: " in line]
    assert found == expected, heard


def test_the_package_says_that_it_is_typed() -> None:
    folder = Path(panseal.__file__).parent
    assert (folder / "py.typed").is_file()
    assert (folder / "_native.pyi").is_file()
