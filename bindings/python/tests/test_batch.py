"""Many numbers in one call."""

import array
import random
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest
from arrow_producer import Producer, Streamer
from conftest import NOW, random_visa, read_vectors
from hypothesis import given
from hypothesis import strategies as st

import panseal

VISA, AMEX, WRONG = "4242424242424242", "378282246310005", "4242424242424241"
NUMBERS = [
    VISA,
    AMEX,
    WRONG,
    "",
    "4242 4242-4242 4242",
    "x",
    "42",
    "0" * 16,
    "4" * 300,
    " " * 300,
    VISA + "x" * 300,
]
CODES = [None, None, "luhn", "missing", None, "charset", "length", "malformed", "length", "length", "charset"]
NAMES = [network.name for network in panseal.networks()]


def rows(many: panseal.CheckMany) -> list[tuple[Any, ...]]:
    last4 = bytes(many.last4)
    return [
        (code, NAMES[network], length, last4[4 * row : 4 * row + 4].decode())
        for row, (code, network, length) in enumerate(
            zip(many.codes(), many.network, many.length, strict=True)
        )
    ]


def one_by_one(numbers: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for number in numbers:
        report = panseal.check("" if number is None else number, now=NOW)
        if report:
            found.append((None, report.network, report.length, report.last4))
        else:
            found.append((report.violations[0].code, "UNKNOWN", 0, "\0\0\0\0"))
    return found


# Lists


@pytest.mark.parametrize(
    "make",
    [
        list,
        tuple,
        iter,
        lambda numbers: (number for number in numbers),
        lambda numbers: dict.fromkeys(numbers),
        lambda numbers: [number.encode() for number in numbers],
        lambda numbers: [bytearray(number.encode()) for number in numbers],
        lambda numbers: [memoryview(number.encode()) for number in numbers],
        lambda numbers: [type("Text", (str,), {})(number) for number in numbers],
    ],
    ids=["list", "tuple", "iterator", "generator", "dict", "bytes", "bytearray", "memoryview", "subclass"],
)
def test_numbers_come_in_any_iterable_of_texts(make: Any) -> None:
    many = panseal.check_many(make(NUMBERS))
    assert many.codes() == CODES
    assert rows(many) == one_by_one(NUMBERS)
    assert (many.ok, len(many)) == (3, len(NUMBERS))
    assert repr(many) == f"CheckMany(ok=3, of={len(NUMBERS)})"


def test_columns_are_read_only_memory() -> None:
    many = panseal.check_many([VISA, None, WRONG])
    assert many.status.tolist() == [0, 101, 104]
    assert (many.status.format, many.status.itemsize) == ("i", 4)
    for column in (many.network, many.length, many.last4):
        assert (column.format, column.itemsize, column.readonly) == ("B", 1, True)
    assert many.status.readonly
    assert bytes(many.last4) == b"4242" + bytes(8)
    assert many.length.tolist() == [16, 0, 0]
    assert panseal.networks()[many.network[0]].name == "VISA"
    assert rows(panseal.check_many([])) == []


def test_the_test_cards_of_the_world_are_judged_as_one_by_one() -> None:
    numbers = [card["pan"] for card in read_vectors("test_cards_open")]
    assert len(numbers) == 400
    assert rows(panseal.check_many(numbers)) == one_by_one(numbers)
    assert rows(panseal.check_many(pa.array(numbers))) == one_by_one(numbers)


@pytest.mark.parametrize("count", [1, 1023, 1024, 1025, 3000])
def test_lists_of_any_length_are_judged_whole(count: int) -> None:
    chosen = random.Random(count)
    numbers: list[Any] = [chosen.choice([*NUMBERS, None, random_visa()]) for _ in range(count)]
    assert rows(panseal.check_many(numbers)) == one_by_one(numbers)


@pytest.mark.parametrize(
    "odd", [None, b"4242424242424241", bytearray(b"4242"), VISA + " " * 200, "\ud800", "\u00e9"]
)
@pytest.mark.parametrize("place", [0, 255, 256, 400, 599])
def test_one_odd_item_among_many_texts_is_judged_in_its_place(odd: Any, place: int) -> None:
    chosen = random.Random(place)
    numbers: list[Any] = [random_visa() for _ in range(600)]
    numbers[chosen.randrange(600)] = WRONG
    numbers[place] = odd
    expected = one_by_one(numbers)
    assert rows(panseal.check_many(numbers)) == expected
    assert rows(panseal.check_many(tuple(numbers))) == expected


def test_a_list_of_something_else_is_refused() -> None:
    for wrong in ([4242], [VISA, 1.5], [object()], 4242, None, object(), [[VISA]]):
        with pytest.raises(TypeError) as caught:
            panseal.check_many(wrong)  # type: ignore[arg-type]
        assert "42" not in str(caught.value)


@pytest.mark.parametrize("text", [VISA, VISA.encode(), bytearray(16), memoryview(bytes(16))], ids=type)
def test_one_text_is_not_taken_for_many(text: Any) -> None:
    with pytest.raises(TypeError, match="only with a width"):
        panseal.check_many(text)


def test_a_str_that_is_no_text_is_a_wrong_number() -> None:
    assert panseal.check_many(["\ud800", VISA]).codes() == ["charset", None]


def test_what_an_iterable_raises_is_raised() -> None:
    def numbers() -> Iterator[str]:
        yield VISA
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        panseal.check_many(numbers())


def test_an_iterable_may_give_one_buffer_again_and_again() -> None:
    def numbers() -> Iterator[bytearray]:
        room = bytearray(16)
        for number in [VISA, WRONG] * 100:
            room[:] = number.encode()
            yield room

    assert panseal.check_many(numbers()).codes() == [None, "luhn"] * 100


# Buffers


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview, lambda data: array.array("B", data)])
def test_a_buffer_of_fixed_width_holds_a_number_each_row(make: Any) -> None:
    numbers = [VISA, AMEX, WRONG, "", "x"]
    data = make("".join(number.ljust(19) for number in numbers).encode())
    many = panseal.check_many(data, width=19)
    assert rows(many) == one_by_one([number.ljust(19) for number in numbers])


@pytest.mark.parametrize(("data", "width"), [(b"4" * 17, 16), (b"4" * 16, 0), (b"4" * 16, 17)])
def test_a_buffer_is_a_multiple_of_the_width(data: bytes, width: int) -> None:
    with pytest.raises(panseal.ArgumentError, match="multiple"):
        panseal.check_many(data, width=width)
    assert len(panseal.check_many(b"", width=16)) == 0


def test_a_width_is_for_buffers() -> None:
    for wrong in ([VISA], VISA, pa.array([VISA])):
        with pytest.raises(TypeError, match="expected bytes"):
            panseal.check_many(wrong, width=16)


# Arrow

TYPES = [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()]


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_arrow_arrays_of_texts_are_read(kind: Any) -> None:
    # Spaces beyond any number's length are still read here.
    numbers: list[Any] = [
        *(number for number in NUMBERS if len(number.strip()) == len(number)),
        None,
        VISA,
        None,
    ]
    column = pa.array(numbers, kind)
    assert rows(panseal.check_many(column)) == one_by_one(numbers)
    for start in range(len(numbers)):
        part = column.slice(start, 5)
        assert rows(panseal.check_many(part)) == one_by_one(numbers[start : start + 5])
    chunks = pa.chunked_array([column.slice(2, 3), column.slice(0, 0), column])
    assert rows(panseal.check_many(chunks)) == one_by_one([*numbers[2:5], *numbers])
    assert len(panseal.check_many(pa.array([], kind))) == 0
    assert len(panseal.check_many(pa.chunked_array([], kind))) == 0
    nulls = panseal.check_many(pa.nulls(9, kind))
    assert nulls.codes() == ["missing"] * 9


def test_arrow_arrays_of_fixed_width_are_read() -> None:
    numbers = [VISA, None, WRONG, VISA[::-1], VISA]
    column = pa.array([number and number.encode() for number in numbers], pa.binary(16))
    assert rows(panseal.check_many(column)) == one_by_one(numbers)
    assert rows(panseal.check_many(column.slice(1, 3))) == one_by_one(numbers[1:4])


def test_a_row_that_is_null_is_missing_whatever_lies_there() -> None:
    data = pa.py_buffer(VISA.encode() * 3)
    offsets = pa.py_buffer(struct.pack("4i", 0, 16, 32, 48))
    column = pa.Array.from_buffers(pa.string(), 3, [pa.py_buffer(b"\x05"), offsets, data])
    assert rows(panseal.check_many(column)) == one_by_one([VISA, None, VISA])


@pytest.mark.parametrize(
    "other",
    [
        pa.array([1, 2]),
        pa.array([[VISA]]),
        pa.array([VISA]).dictionary_encode(),
        pa.table({"number": [VISA]}),
        pa.record_batch({"number": [VISA]}),
        pa.nulls(3),
    ],
    ids=lambda other: type(other).__name__,
)
def test_other_arrow_data_is_refused(other: Any) -> None:
    with pytest.raises(TypeError, match="one Arrow column"):
        panseal.check_many(other)


@given(
    st.lists(st.none() | st.text("0123456789 -x", max_size=40), max_size=60),
    st.integers(0, 60),
    st.integers(0, 60),
)
def test_any_slice_of_any_column_is_judged_as_a_list(numbers: list[Any], start: int, count: int) -> None:
    expected = rows(panseal.check_many(numbers[start : start + count]))
    assert expected == one_by_one(numbers[start : start + count])
    for kind in TYPES:
        column = pa.array(numbers, kind).slice(min(start, len(numbers)), count)
        assert rows(panseal.check_many(column)) == expected


def test_threads_judge_one_column() -> None:
    column = pa.array([random_visa() for _ in range(20_000)])
    with ThreadPoolExecutor(4) as pool:
        assert [many.ok for many in pool.map(panseal.check_many, [column] * 8)] == [20_000] * 8


# Arrow data by hand, right and wrong

TEXTS = (VISA + WRONG).encode()
OFFSETS = struct.pack("3i", 0, 16, 32)
LARGE = struct.pack("3q", 0, 16, 32)
VIEWS = struct.pack("iiii", 16, 0, 0, 0) + struct.pack("iiii", 16, 0, 0, 16)
SIZES = struct.pack("q", 32)


def utf8(**fields: Any) -> Producer:
    return Producer(b"u", [None, OFFSETS, TEXTS], 2, **fields)


def views(view: bytes = VIEWS, sizes: bytes = SIZES, **fields: Any) -> Producer:
    return Producer(b"vu", [None, view, TEXTS, sizes], len(view) // 16, **fields)


@pytest.mark.parametrize(
    "producer",
    [
        utf8,
        lambda: Producer(b"U", [None, LARGE, TEXTS], 2),
        lambda: Producer(b"w:16", [None, TEXTS], 2),
        views,
        lambda: utf8(null_count=-1),
    ],
)
def test_a_column_made_by_hand_is_read_and_released_once(producer: Any) -> None:
    made = producer()
    assert panseal.check_many(made).codes() == [None, "luhn"]
    assert made.released == 2
    with pytest.raises(panseal.ArgumentError, match="consumed already"):
        panseal.check_many(made)
    assert made.released == 2


@pytest.mark.parametrize(
    "producer",
    [
        lambda: utf8(length=-1),
        lambda: utf8(offset=-1),
        lambda: utf8(length=2**62),
        lambda: utf8(offset=2**62),
        lambda: utf8(length=2**63 - 1, offset=2**63 - 1),
        lambda: utf8(n_buffers=-1),
        lambda: utf8(n_buffers=0),
        lambda: utf8(n_buffers=2),
        lambda: utf8(n_buffers=2**40),
        lambda: utf8(n_children=1),
        lambda: utf8(n_children=-1),
        lambda: utf8(dictionary=8),
        lambda: utf8(buffers=None),
        lambda: utf8(buffers=1),
        lambda: utf8(null_count=1),
        lambda: Producer(b"u", [None, None, TEXTS], 2),
        lambda: Producer(b"u", [None, OFFSETS, None], 2),
        lambda: Producer(b"u", [None, struct.pack("3i", 0, 17, 16), TEXTS], 2),
        lambda: Producer(b"u", [None, struct.pack("3i", -1, 16, 32), TEXTS], 2),
        lambda: Producer(b"u", [None, struct.pack("3i", 0, 16, -1), TEXTS], 2),
        lambda: Producer(b"U", [None, struct.pack("3q", 0, -(2**63), 32), TEXTS], 2),
        lambda: Producer(b"U", [None, struct.pack("3q", 0, 0, -1), TEXTS], 2),
        lambda: Producer(b"w:", [None, TEXTS], 2),
        lambda: Producer(b"w:x", [None, TEXTS], 2),
        lambda: Producer(b"w:-1", [None, TEXTS], 2),
        lambda: Producer(b"w:9223372036854775807", [None, TEXTS], 2),
        lambda: Producer(b"w:99999999999999999999", [None, TEXTS], 2),
        lambda: Producer(b"w:16", [None, None], 2),
        lambda: Producer(b"w:16", [None], 2),
        lambda: views(struct.pack("iiii", 16, 0, 1, 0)),
        lambda: views(struct.pack("iiii", 16, 0, -1, 0)),
        lambda: views(struct.pack("iiii", 16, 0, 0, 17)),
        lambda: views(struct.pack("iiii", 16, 0, 0, -1)),
        lambda: views(struct.pack("iiii", -1, 0, 0, 0)),
        lambda: views(struct.pack("iiii", 2**31 - 1, 0, 0, 0)),
        lambda: views(sizes=struct.pack("q", 31)),
        lambda: views(sizes=struct.pack("q", -1)),
        lambda: Producer(b"vu", [None, VIEWS, TEXTS, None], 2),
        lambda: Producer(b"vu", [None, None, TEXTS, SIZES], 2),
        lambda: Producer(b"vu", [None, VIEWS], 2),
        lambda: utf8(schema_format=None),
    ],
)
def test_a_column_that_cannot_be_right_is_refused_and_released(producer: Any) -> None:
    made = producer()
    with pytest.raises(panseal.ArgumentError):
        panseal.check_many(made)
    assert made.released == 2


def test_more_rows_than_there_is_memory_for_is_an_error() -> None:
    made = Producer(b"w:0", [None, None], 2**56)
    with pytest.raises(MemoryError):
        panseal.check_many(made)
    assert made.released == 2


@pytest.mark.parametrize("form", [b"", b"i", b"+s", b"+l", b"n", b"uu", b"v", b"vx", b"d:19,10"])
def test_other_formats_are_refused_and_released(form: bytes) -> None:
    made = Producer(form, [None, OFFSETS, TEXTS], 2)
    with pytest.raises(TypeError, match="one Arrow column"):
        panseal.check_many(made)
    assert made.released == 2


def test_schemas_with_children_or_a_dictionary_are_refused() -> None:
    for made in (utf8(schema_n_children=1), utf8(schema_dictionary=8)):
        with pytest.raises(TypeError, match="one Arrow column"):
            panseal.check_many(made)


def test_capsules_have_their_names() -> None:
    made = utf8()
    made.names = [b"arrow_array", b"arrow_schema"]
    with pytest.raises(ValueError, match="incorrect name"):
        panseal.check_many(made)

    class Odd:
        def __init__(self, given: Any) -> None:
            self.given = given

        def __arrow_c_array__(self) -> Any:
            return self.given

    for odd in (None, (), (1, 2), (None, None), utf8().capsules()[0], [1, 2], (1, 2, 3)):
        with pytest.raises((TypeError, ValueError)):
            panseal.check_many(Odd(odd))


def test_a_producer_that_raises_is_heard() -> None:
    class Broken:
        def __arrow_c_stream__(self) -> Any:
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        panseal.check_many(Broken())


def test_a_stream_is_read_to_its_end_and_released() -> None:
    producers = [utf8(), utf8(), utf8()]
    streamer = Streamer(*producers)
    assert panseal.check_many(streamer).codes() == [None, "luhn"] * 3
    assert streamer.released == 1
    assert [producer.released for producer in producers] == [2, 1, 1]


def test_a_stream_that_fails_is_refused_and_released() -> None:
    first = utf8()
    streamer = Streamer(first, status=5)
    with pytest.raises(panseal.ArgumentError, match="stream failed"):
        panseal.check_many(streamer)
    assert (streamer.released, first.released) == (1, 2)
    wrong = utf8(length=-1)
    streamer = Streamer(wrong, utf8())
    with pytest.raises(panseal.ArgumentError, match="not of its form"):
        panseal.check_many(streamer)
    assert (streamer.released, wrong.released) == (1, 2)
