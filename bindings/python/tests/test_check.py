"""Checking cards."""

import array
import copy
import ctypes
import doctest
import inspect
import mmap
import pickle
from types import ModuleType
from typing import Any

import pytest
from conftest import NOW, random_visa, read_vectors
from hypothesis import given
from hypothesis import strategies as st

import panseal
from panseal import Violation

VISA = "4242424242424242"


def refused(number: Any = VISA, **fields: Any) -> tuple[tuple[str, str], ...]:
    report = panseal.check(number, **{"now": NOW} | fields)
    return tuple((violation.param, violation.code) for violation in report.violations)


def test_a_good_card_shows_what_may_be_shown() -> None:
    report = panseal.check(
        "4242 4242-4242 4242", expiry_month=12, expiry_year=2030, cvv="123", name="ADA BYRON", now=NOW
    )
    assert report
    assert report.ok
    assert (report.network, report.product, report.length) == ("VISA", None, 16)
    assert (report.masked, report.last4) == ("424242******4242", "4242")
    assert report.violations == ()
    assert repr(report) == "CheckReport(ok=True, network='VISA', masked='424242******4242')"


def test_a_product_is_told_beside_its_network() -> None:
    report = panseal.check("4917300800000000", now=NOW)
    assert (report.network, report.product) == ("VISA", "VISA_ELECTRON")


def test_a_refused_card_shows_nothing_but_all_that_is_wrong() -> None:
    report = panseal.check(
        "4242424242424241", expiry="10/26", cvv="12", name="X" * 27, postal_code="?", now=NOW
    )
    assert not report
    assert (report.ok, report.network, report.product, report.length) == (False, None, None, None)
    assert (report.masked, report.last4) == (None, None)
    assert [(row.param, row.code, row.message) for row in report.violations] == [
        ("number", "luhn", "fails the Luhn check"),
        ("expiry", "expired", "is in the past"),
        ("cvv", "length", "has a length that is not accepted"),
        ("name", "too_long", "is too long"),
        ("postal_code", "malformed", "is not of the expected form"),
    ]
    assert repr(report).startswith("CheckReport(ok=False, violations=[Violation('number', 'luhn'), ")


@pytest.mark.parametrize(
    "make",
    [
        str,
        str.encode,
        lambda text: bytearray(text.encode()),
        lambda text: memoryview(text.encode()),
        lambda text: memoryview(bytearray(b"xx" + text.encode() + b"xx"))[2:-2],
        lambda text: array.array("B", text.encode()),
        lambda text: array.array("b", text.encode()),
        lambda text: (ctypes.c_char * len(text)).from_buffer_copy(text.encode()),
        lambda text: (ctypes.c_ubyte * len(text)).from_buffer_copy(text.encode()),
    ],
    ids=["str", "bytes", "bytearray", "memoryview", "slice", "array", "signed", "ctypes", "ubyte"],
)
def test_texts_come_as_str_or_as_any_buffer_of_bytes(make: Any) -> None:
    report = panseal.check(
        make(VISA),
        expiry=make("12/30"),
        cvv=make("123"),
        name=make("ADA BYRON"),
        postal_code=make("94107-0001"),
        now=NOW,
    )
    assert report.ok
    assert report.masked == "424242******4242"


def test_a_str_subclass_and_a_latin_name_are_taken() -> None:
    class Text(str):
        def __str__(self) -> str:
            raise AssertionError

        def encode(self, *_: Any) -> bytes:
            raise AssertionError

    assert refused(Text(VISA), name="Ștefan Łukasiewicz-Žižek") == ()
    assert refused(VISA, name="Ștefan".encode()) == ()


@pytest.mark.parametrize(
    ("expiry", "found"),
    [
        ({"expiry": "12/30"}, ()),
        ({"expiry": "12 / 2030"}, ()),
        ({"expiry_month": 12, "expiry_year": 30}, ()),
        ({"expiry": ""}, ()),
        ({"expiry": None}, ()),
        ({"expiry": "12/26"}, (("expiry", "expired"),)),
        ({"expiry": "12/48"}, (("expiry", "too_far"),)),
        ({"expiry": "1230"}, (("expiry", "malformed"),)),
        ({"expiry": "/"}, (("expiry", "malformed"),)),
        ({"expiry": b"\xff"}, (("expiry", "malformed"),)),
        ({"expiry": "1" * 9999}, (("expiry", "malformed"),)),
        ({"expiry_month": 12}, (("expiry", "malformed"),)),
        ({"expiry_year": 2030}, (("expiry", "malformed"),)),
        ({"expiry_month": 0, "expiry_year": 0}, (("expiry", "malformed"),)),
        ({"expiry_month": 10**30, "expiry_year": -(10**30)}, (("expiry", "malformed"),)),
    ],
)
def test_an_expiry_is_a_text_or_month_and_year(expiry: Any, found: Any) -> None:
    assert refused(VISA, **expiry) == found


def test_an_expiry_is_not_given_twice() -> None:
    with pytest.raises(TypeError, match="either expiry"):
        panseal.check(VISA, expiry="12/30", expiry_month=12)


def test_the_rules_can_be_made_stricter() -> None:
    assert refused("4242 4242 4242 4242", strict=True) == (("number", "charset"),)
    assert refused(VISA, need_expiry=True, need_cvv=True) == (("expiry", "missing"), ("cvv", "missing"))
    assert refused("", cvv="", name="", postal_code="") == (("number", "missing"),)


def test_without_now_the_clock_is_asked() -> None:
    assert refused(VISA, expiry="01/20", now=None) == (("expiry", "expired"),)
    assert refused(VISA, expiry="01/20", now=0) == (("expiry", "too_far"),)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("4" * 10_000_000, "length"),
        (" " * 10_000_000, "length"),
        (VISA + " " * 200, "length"),
        (VISA + "x" * 10_000_000, "charset"),
        ("４" * 16, "charset"),  # noqa: RUF001 (full-width digits)
        ("\ud800" + VISA, "charset"),
        (b"\xff" * 16, "charset"),
        (b"4242\x004242", "charset"),
        ("0" * 16, "malformed"),
        ("42", "length"),
    ],
)
def test_an_odd_number_is_a_violation_and_no_exception(number: Any, code: str) -> None:
    assert refused(number) == (("number", code),)
    if isinstance(number, str) and number.isascii():
        assert refused(bytearray(number.encode())) == (("number", code),)


def test_odd_texts_are_violations_and_no_exceptions() -> None:
    huge = "A" * 10_000_000
    assert refused(cvv="1" * 10_000_000, name=huge, postal_code=huge) == (
        ("cvv", "length"),
        ("name", "too_long"),
        ("postal_code", "malformed"),
    )
    assert refused(cvv="\udfff", name="\udfff", postal_code="\udfff") == (
        ("cvv", "charset"),
        ("name", "charset"),
        ("postal_code", "malformed"),
    )
    assert refused(name=b"Jos\xe9") == (("name", "charset"),)
    assert refused(name="é" * 26) == ()
    assert refused(name="é" * 27) == (("name", "too_long"),)


@given(st.text() | st.binary(), st.text() | st.binary(), st.text() | st.binary(), st.text() | st.binary())
def test_any_text_is_taken(number: Any, cvv: Any, name: Any, expiry: Any) -> None:
    report = panseal.check(number, cvv=cvv, name=name, postal_code=cvv, expiry=expiry, now=NOW)
    assert report.ok == (report.violations == ())


@given(st.text("0123456789 -", max_size=300))
def test_str_and_bytes_are_judged_alike(number: str) -> None:
    assert refused(number) == refused(number.encode()) == refused(bytearray(number.encode()))


def test_the_test_cards_of_the_world_are_known() -> None:
    cards = read_vectors("test_cards_open")
    assert len(cards) == 400
    reports = [panseal.check(card["pan"], now=NOW) for card in cards]
    known = sum(report.network not in (None, "UNKNOWN") for report in reports)
    assert known >= 0.97 * len(cards)


def test_wipe_zeroes_every_buffer_and_leaves_the_expiry() -> None:
    texts = {"number": VISA, "cvv": "123", "name": "ADA BYRON", "postal_code": "94107"}
    buffers = {name: bytearray(text.encode()) for name, text in texts.items()}
    expiry = bytearray(b"12/30")
    number = buffers.pop("number")
    assert panseal.check(number, expiry=expiry, **buffers, now=NOW, wipe=True).ok  # type: ignore[arg-type]
    assert not any(number)
    assert not any(map(any, buffers.values()))
    assert expiry == b"12/30"


def test_wipe_zeroes_no_more_than_the_buffer_it_was_given() -> None:
    room = bytearray(b"<" + VISA.encode() + b">")
    assert panseal.check(memoryview(room)[1:-1], now=NOW, wipe=True).ok
    assert room == b"<" + bytes(16) + b">"


def test_wipe_zeroes_refused_cards_too() -> None:
    for text in (b"4242424242424241", b"x" * 100_000):
        number = bytearray(text)
        assert not panseal.check(number, now=NOW, wipe=True)
        assert number == bytes(len(text))


def test_wipe_takes_any_memory() -> None:
    row = (ctypes.c_char * 16).from_buffer_copy(VISA.encode())
    assert panseal.check(row, now=NOW, wipe=True).ok
    assert row.raw == bytes(16)
    with mmap.mmap(-1, 16) as mapped:
        mapped[:] = VISA.encode()
        assert panseal.check(mapped, now=NOW, wipe=True).ok
        assert mapped[:] == bytes(16)


@pytest.mark.parametrize("field", ["number", "cvv", "name", "postal_code"])
@pytest.mark.parametrize("text", ["123", b"123", memoryview(b"123")], ids=["str", "bytes", "memoryview"])
def test_wipe_refuses_what_cannot_be_wiped_before_anything_happens(field: str, text: Any) -> None:
    number = bytearray(VISA.encode())
    fields: dict[str, Any] = {"number": number} | {field: text}
    with pytest.raises(TypeError, match="writable buffers only"):
        panseal.check(**fields, wipe=True)
    assert number == VISA.encode()


def test_a_buffer_is_free_again_after_the_call() -> None:
    number = bytearray(VISA.encode())
    panseal.check(number, now=NOW, wipe=True)
    number.extend(b"more")


def test_mask_shows_six_and_four() -> None:
    assert panseal.mask("4242 4242 4242 4242") == "424242******4242"
    assert panseal.mask(bytearray(b"30569309025904")) == "**********5904"
    for number in ("", "42", "x" * 16, "4" * 10_000_000):
        with pytest.raises(panseal.CardError) as caught:
            panseal.mask(number)
        assert [violation.param for violation in caught.value.violations] == ["number"]


@given(st.integers(12, 19))
def test_a_mask_leaves_ten_digits_at_most(length: int) -> None:
    number = (random_visa() + random_visa())[:length]
    masked = panseal.mask(number)
    shown = sum(char != "*" for char in masked)
    assert (len(masked), shown) == (length, 10 if length >= 15 else 4)


def test_violations_are_values() -> None:
    luhn = Violation("number", "luhn")
    assert luhn == panseal.check("4242424242424241", now=NOW).violations[0]
    assert luhn != Violation("number", "length")
    assert luhn != ("number", "luhn")
    assert len({luhn, Violation("number", "luhn")}) == 1
    assert repr(luhn) == "Violation('number', 'luhn')"
    assert copy.deepcopy(luhn) == pickle.loads(pickle.dumps(luhn)) == luhn
    match luhn:
        case Violation(param, code, message):
            assert (param, code, message) == ("number", "luhn", "fails the Luhn check")
    with pytest.raises(AttributeError):
        luhn.code = "length"  # type: ignore[misc]


@pytest.mark.parametrize("names", [("number", "busy"), ("number", ""), ("pan", "luhn"), ("", "")])
def test_there_are_no_other_violations(names: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="no such"):
        Violation(*names)


@pytest.mark.parametrize("module", [panseal, panseal.emv, panseal.iso8583])
def test_the_examples_in_the_documentation_hold(module: ModuleType) -> None:
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_signatures_and_documentation_are_there() -> None:
    public = [getattr(panseal, name) for name in panseal.__all__ if not name.startswith("_")]
    classes = [thing for thing in public if isinstance(thing, type)]
    members = [value for cls in classes for name, value in vars(cls).items() if not name.startswith("_")]
    for thing in public + [member for member in members if not isinstance(member, str | int | tuple)]:
        assert thing.__doc__, thing
    signature = inspect.signature(panseal.Vault.tokenize)
    assert list(signature.parameters)[:2] == ["self", "number"]
    assert signature.parameters["customer"].default == ""
    assert panseal.Vault.__module__ == panseal.Secret.__module__ == "panseal"
