"""Card numbers in any text."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import random_visa, read_vectors
from hypothesis import given
from hypothesis import strategies as st

import panseal


def told(hit: panseal.Hit) -> dict[str, Any]:
    return {
        "at": hit.at,
        "len": hit.length_in_text,
        "form": hit.form,
        "network": hit.network,
        "length": hit.digits,
        "mask": hit.masked,
    }


def data_of(case: Any) -> bytes:
    return bytes.fromhex(case["input_hex"]) if "input_hex" in case else case["input"].encode()


def fed(data: bytes, size: int) -> list[dict[str, Any]]:
    scanner = panseal.Scanner()
    hits = [hit for at in range(0, len(data), size) for hit in scanner.feed(data[at : at + size])]
    return [told(hit) for hit in hits + scanner.finish()]


def test_texts_are_scanned_as_the_vectors_say() -> None:
    cases = read_vectors("scan")
    assert len(cases) == 69
    for case in cases:
        data = data_of(case)
        for form in (data, bytearray(data), memoryview(data)):
            assert [told(hit) for hit in panseal.scan(form)] == case["expect"]["hits"], case["name"]
            assert panseal.holds_card_number(form) == case["expect"]["holds"], case["name"]
        for size in (1, 7, 100):
            assert fed(data, size) == case["expect"]["hits"], case["name"]


def test_a_stream_is_scanned_as_the_whole_is() -> None:
    data = b"\n\n\n\n".join(map(data_of, read_vectors("scan")))
    whole = [told(hit) for hit in panseal.scan(data)]
    assert len(whole) > 30
    for size in (1, 299, 1023, 1024, 5000, len(data)):
        assert fed(data, size) == whole


def test_places_in_a_str_are_those_of_its_characters() -> None:
    text = "bezahlt für 5 € mit 4242 4242 4242 4242 😀, später 4242424242424242!"
    hits = panseal.scan(text)
    found = [text[hit.at : hit.at + hit.length_in_text] for hit in hits]
    assert found == ["4242 4242 4242 4242", "4242424242424242"]
    data = text.encode()
    assert [data[hit.at : hit.at + hit.length_in_text].decode() for hit in panseal.scan(data)] == found


def test_a_scanner_may_be_used_again_and_by_threads() -> None:
    scanner = panseal.Scanner()
    for _ in range(2):
        assert scanner.feed(b"4242424242") == []
        assert scanner.feed(bytearray(b"424242")) == []
        assert [hit.at for hit in scanner.finish()] == [0]
    chunk = b"4242424242424242\n" * 1000
    with ThreadPoolExecutor(4) as pool:
        found = sum(len(hits) for hits in pool.map(scanner.feed, [chunk] * 20))
    assert found + len(scanner.finish()) == 20_000


def test_a_scanner_shows_and_gives_away_nothing() -> None:
    scanner = panseal.Scanner()
    scanner.feed(b"4242424242424242")
    assert repr(scanner) == "<panseal.Scanner>"
    with pytest.raises(TypeError, match="neither"):
        pickle.dumps(scanner)
    with pytest.raises(TypeError, match="expected bytes"):
        scanner.feed("4242424242424242")  # type: ignore[arg-type]


def test_a_hit_shows_no_more_than_a_mask() -> None:
    number = random_visa()
    [hit] = panseal.scan(f"card {number}.")
    assert repr(hit) == f"Hit(at=5, form='run', network='VISA', masked='{panseal.mask(number)}')"


def test_a_str_that_is_no_text_is_not_passed_over_in_silence() -> None:
    for verb in (panseal.scan, panseal.holds_card_number):
        with pytest.raises(panseal.ArgumentError) as caught:
            verb("\ud800 4242424242424242")
        assert caught.value.code == "utf8"
        assert caught.value.__context__ is None


pieces = st.sampled_from(
    [
        b"4242424242424242",
        b"4242 4242 4242 4242",
        b";4242424242424242=30121010000?",
        b" ",
        b"-",
        b"4",
        b".",
        b"\0",
    ]
)
messes = st.binary(max_size=300) | st.lists(pieces, max_size=40).map(b"".join)


@given(messes, st.integers(1, 400))
def test_any_bytes_are_taken(data: bytes, size: int) -> None:
    whole = [told(hit) for hit in panseal.scan(data)]
    assert fed(data, size) == whole
    end = 0
    for hit in whole:
        assert hit["at"] >= end
        end = hit["at"] + hit["len"]
    assert end <= len(data)


@given(st.text("4 2-é€😀.\n", max_size=200))
def test_str_and_bytes_are_scanned_alike(text: str) -> None:
    data = text.encode()
    in_text = [text[hit.at : hit.at + hit.length_in_text] for hit in panseal.scan(text)]
    in_data = [data[hit.at : hit.at + hit.length_in_text].decode() for hit in panseal.scan(data)]
    assert in_text == in_data
