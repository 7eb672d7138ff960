"""What readers give: tracks, chips, ISO 8583 fields, by the vectors that every language runs."""

from typing import Any

import pytest
from conftest import read_vectors
from hypothesis import given
from hypothesis import strategies as st

import panseal
from panseal import emv, iso8583

SWIPE = b"%B4242424242424242^BYRON/ADA^3012201000?;4242424242424242=30122010000?"


def data_of(case: Any) -> bytes:
    return bytes.fromhex(case["input_hex"]) if "input_hex" in case else case["input"].encode()


def span(place: "slice[int, int, None] | None") -> Any:
    return None if place is None else [place.start, place.stop - place.start]


def month(expiry: panseal.Expiry | None) -> Any:
    return expiry and [expiry.month, expiry.year]


def track(track: panseal.Track) -> Any:
    assert (track.service_code is None) == (track.service is None)
    return {
        "format": track.format,
        "number": span(track.number),
        "name": span(track.name),
        "expiry": month(track.expiry),
        "service_code": span(track.service_code),
        "discretionary": span(track.discretionary),
        "lrc": track.lrc,
        "end": track.end,
    }


def chip(card: panseal.ChipCard, out: bytearray) -> Any:
    return {
        "room": out[: card.written].decode(),
        "number": span(card.number),
        "expiry": month(card.expiry),
        "service_code": span(card.service_code),
        "discretionary": span(card.discretionary),
    }


def judge(case: Any, run: Any) -> None:
    try:
        found = run()
    except panseal.FormatError as error:
        assert error.code == case.get("error"), case["name"]
        assert error.__cause__ is error.__context__ is None
    else:
        assert "error" not in case, case["name"]
        assert found == case.get("expect"), case["name"]


# The vectors


@pytest.mark.parametrize(("number", "count"), [(1, 49), (2, 45)])
def test_tracks_are_read_as_their_vectors_say(number: Any, count: int) -> None:
    cases = read_vectors(f"track{number}")
    assert len(cases) == count
    for case in cases:
        data = data_of(case)
        for form in (data, bytearray(data)):
            judge(case, lambda form=form: track(panseal.parse_track(form, number)))
        try:
            told = panseal.parse_track(data)
        except panseal.FormatError:
            continue
        assert track(told) == track(panseal.parse_track(data, number)), case["name"]


def test_chip_data_is_read_as_its_vectors_say() -> None:
    cases = read_vectors("emv")
    assert len(cases) == 85
    for case in cases:
        out = bytearray(38)

        def run(case: Any = case, out: bytearray = out) -> Any:
            call = case["call"]
            if call == "chip_card":
                tags = {tag: bytes.fromhex(case[tag]) for tag in ("tag57", "tag5a", "tag5f24") if tag in case}
                return chip(panseal.read_chip(**tags, out=out), out)
            data = data_of(case)
            if call == "read_record":
                return chip(panseal.read_record(data, out), out)
            if call == "tlv_find":
                return span(panseal.find_tlv(data, int(case["tag"], 16)))
            if call == "unpack":
                return out[: panseal.unpack_bcd(data, out)].decode()
            if call == "service_code":
                return emv.service_code(data)
            assert call == "sequence_number"
            return emv.sequence_number(data)

        judge(case, run)
        if "error" in case:
            assert out == bytes(38), case["name"]


def test_iso_8583_fields_are_read_as_their_vectors_say() -> None:
    cases = read_vectors("iso8583")
    assert len(cases) == 59
    for case in cases:
        data, out = data_of(case), bytearray(37)
        kind, field = case["call"].split("_")
        packed = kind == "packed"
        room = out if packed else None

        def run(case: Any = case, data: bytes = data, field: str = field, room: Any = room) -> Any:
            expect: dict[str, Any] = {}
            if field == "number":
                place, end = iso8583.number(data, room)
                expect = {"value": span(place), "end": end}
            elif field == "expiry":
                expiry = iso8583.expiry(data, packed=room is not None)
                return {"value": month(expiry), "end": len(data)}
            else:
                assert field == "track2"
                found, end = iso8583.track2(data, room)
                whole = track(found)
                names = ("number", "expiry", "service_code", "discretionary")
                value = {name: whole[name] for name in names}
                expect = {"value": value, "end": end}
            if room is not None:
                expect["room"] = room.rstrip(b"\0").decode()
            return expect

        judge(case, run)
        if "error" in case:
            assert out == bytes(37), case["name"]


# Beyond the vectors


def test_a_swipe_has_both_tracks_one_behind_the_other() -> None:
    first = panseal.parse_track(SWIPE)
    assert first.name is not None
    assert (SWIPE[first.number], SWIPE[first.name]) == (b"4242424242424242", b"BYRON/ADA")
    second = panseal.parse_track(SWIPE[first.end :])
    assert (first.format, second.format, second.expiry) == (1, 2, panseal.Expiry(12, 2030))
    assert repr(second) == "<panseal.Track 2>"
    text = SWIPE.decode()
    assert text[panseal.parse_track(text).number] == "4242424242424242"


def test_a_service_code_is_told_in_words() -> None:
    service = panseal.parse_track(SWIPE).service
    assert service == panseal.ServiceCode("201")
    assert service is not None
    words = (service.interchange, service.chip, service.authorization, service.services, service.pin)
    assert words == ("international", True, "normal", "all", "not_asked")
    reserved = panseal.ServiceCode(b"333")
    assert (reserved.interchange, reserved.authorization, reserved.services) == (None, None, "atm_only")
    for text in ("", "20", "2010", "2x1", "\u0662\u0660\u0661"):
        with pytest.raises(panseal.FormatError):
            panseal.ServiceCode(text)


def test_a_track_is_one_of_two() -> None:
    with pytest.raises(panseal.ArgumentError, match="track is"):
        panseal.parse_track(SWIPE, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "write",
    [
        lambda out: panseal.read_chip(tag5a=bytes.fromhex("4242424242424242"), out=out),
        lambda out: panseal.read_record(bytes.fromhex("5a084242424242424242"), out),
        lambda out: panseal.unpack_bcd(b"\x42" * 19, out),
        lambda out: iso8583.number(bytes.fromhex("164242424242424242"), out),
        lambda out: iso8583.track2(bytes.fromhex("294242424242424242D301210112345F"), out),
    ],
    ids=["read_chip", "read_record", "unpack_bcd", "number", "track2"],
)
def test_digits_are_unpacked_into_writable_room_that_is_large_enough(write: Any) -> None:
    for out in ("x" * 38, bytes(38), 38):
        with pytest.raises(TypeError, match="writable"):
            write(out)
    for size in (0, 18):
        small = bytearray(b"." * size)
        with pytest.raises(panseal.ArgumentError) as caught:
            write(small)
        assert caught.value.code == "buffer"
        assert small == b"." * size
    large = bytearray(b"." * 50)
    write(large)
    assert large.startswith(b"4242424242424242"[:16])
    assert large.endswith(b"." * 12)


def test_binary_data_is_no_str() -> None:
    verbs: list[Any] = [
        lambda data: panseal.find_tlv(data, 0x57),
        lambda data: panseal.read_record(data, bytearray(38)),
        lambda data: panseal.unpack_bcd(data, bytearray(38)),
        lambda data: panseal.read_chip(tag57=data, out=bytearray(38)),
        emv.service_code,
        emv.sequence_number,
    ]
    for verb in verbs:
        with pytest.raises(TypeError, match="expected bytes"):
            verb("42")


def test_a_tag_is_a_small_number() -> None:
    assert panseal.find_tlv(b"\x5f\x24\x01\x00", 0x5F24) == slice(3, 4)
    assert panseal.find_tlv(b"", 0xFFFFFFFF) is None
    for tag in (-1, 2**32):
        with pytest.raises(OverflowError):
            panseal.find_tlv(b"", tag)


pieces = st.sampled_from(
    [b"%B", b";", b"?", b"^", b"=", b"D", b"4242424242424242", b"3012", b"101", b"\x57", b"\x11"]
)
messes = st.binary(max_size=90) | st.lists(pieces, max_size=12).map(b"".join)


@given(messes, st.booleans())
def test_any_bytes_are_taken(data: bytes, mutable: bool) -> None:
    given: Any = bytearray(data) if mutable else data
    out = bytearray(200)
    verbs: list[Any] = [
        panseal.parse_track,
        lambda data: panseal.parse_track(data, 1),
        lambda data: panseal.parse_track(data, 2),
        lambda data: panseal.find_tlv(data, 0x57),
        lambda data: panseal.read_record(data, out),
        lambda data: panseal.read_chip(tag57=data, tag5a=data, tag5f24=data, out=out),
        lambda data: panseal.unpack_bcd(data, out),
        iso8583.number,
        lambda data: iso8583.number(data, out),
        iso8583.expiry,
        lambda data: iso8583.expiry(data, packed=True),
        iso8583.track2,
        lambda data: iso8583.track2(data, out),
        emv.service_code,
        emv.sequence_number,
        panseal.ServiceCode,
    ]
    for verb in verbs:
        try:
            verb(given)
        except panseal.FormatError as error:
            known = ("missing", "malformed", "length", "charset", "too_long", "unsupported")
            assert error.code in known
            assert error.__cause__ is error.__context__ is None
