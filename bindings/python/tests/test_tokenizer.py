"""Tokens without a vault: the published ones, the life of a keyring, roots that are Python's own."""

import importlib
import json
import pickle
import stat
import sys
import threading
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from conftest import VECTORS, Place, random_visa

import panseal

sys.path.insert(0, str(VECTORS.parent))
reading: Any = importlib.import_module("second_reading")

VISA = "4242424242424242"
AMEX = "378282246310005"
VECTOR = json.loads((VECTORS / "token-schemes.json").read_text())
READ_BACK = ["ff1:0+4", "siv", "siv:letters"]


def open_at(place: Place, scheme: str = "siv", **options: Any) -> panseal.Tokenizer:
    usual: dict[str, Any] = {"keyring": place.folder / "pos.keyring", "root": place.root}
    return panseal.Tokenizer.open(scheme, **usual | options)


def number_of(tokenizer: panseal.Tokenizer, token: str | bytes, **expect: str | None) -> str:
    with tokenizer.detokenize(token, **expect) as pan:
        return pan.reveal()


def refusal(
    call: Callable[..., object],
    *arguments: object,
    kind: type[panseal.PansealError] = panseal.PansealError,
    **options: object,
) -> str:
    with pytest.raises(kind) as caught:
        call(*arguments, **options)
    return caught.value.code


# -- the published tokens ----


def keyring_around(key: bytes, slot: int | None) -> str:
    """A keyring file, as docs/token-schemes.md has it, of one epoch whose key somebody else keeps."""
    ring, created = "07" * 16, "1800000000"
    mark = "-" if slot is None else str(slot)
    bound = reading.hmac(
        reading.working_key(key, "header"), reading.header(ring, "epoch", "1", mark, created)
    )
    wrapped = (b"\2" + bound + b"elsewhere").hex()
    check = reading.check_value(key).hex()
    text = (
        f"panseal-keyring 1\nid {ring}\ngeneration 1\nepoch 1 active {mark} {created} 0 {check} {wrapped}\n"
    )
    mac = reading.hmac(reading.working_key(key, "header"), text.encode())
    return f"{text}mac {mac.hex()}\n"


@pytest.mark.parametrize("scheme", sorted({case["scheme"] for case in VECTOR["tokens"]}))
def test_every_published_token_is_made_and_read_one_by_one_and_in_batches(place: Place, scheme: str) -> None:
    cases = [case for case in VECTOR["tokens"] if case["scheme"] == scheme]
    for case in cases:
        key, number, token = bytes.fromhex(case["epoch_key"]), case["pan"], case["token"]
        file = place.folder / "pos.keyring"
        file.write_text(keyring_around(key, case["slot"]))

        def unwrap(key_id: str, context: str, wrapped: bytes, key: bytes = key) -> bytes:
            assert (key_id, context, wrapped) == ("epoch:1", "panseal/keyring/" + "07" * 16, b"elsewhere")
            return key

        root = (lambda *_: b"", unwrap)
        with open_at(place, scheme, root=root, merchant=case["merchant"], create=False) as tokenizer:
            assert tokenizer.tokenize(number) == tokenizer.tokenize(bytearray(number.encode())) == token
            assert tokenizer.tokenize_many([number, None, number.encode()]).tokens == [token, None, token]
            assert tokenizer.candidates(number) == [token]
            if scheme == "mac":
                assert refusal(tokenizer.detokenize, token, kind=panseal.TokenError) == "irreversible"
                assert tokenizer.detokenize_many([token]).codes() == ["irreversible"]
                continue
            assert number_of(tokenizer, token) == number_of(tokenizer, token.encode()) == number
            with tokenizer.detokenize_many([token, b"x", token.encode()]) as many:
                revealed = [number and number.reveal() for number in many.numbers]
                assert (revealed, many.codes()) == ([number, None, number], [None, "token", None])
    assert cases


@pytest.mark.parametrize("case", VECTOR["shapes"], ids=lambda case: case["text"] or "empty")
def test_shapes_follow_the_vectors(case: dict[str, Any]) -> None:
    shapes = panseal.classify(case["text"])
    names = ("pan", "numeric_token", "hex_token", "letters_token", "uuid", "mac")
    assert {name: getattr(shapes, name) for name in names} == {name: case[name] for name in names}
    assert bool(shapes) == any(case[name] for name in names)
    assert all((name in repr(shapes)) == bool(case[name]) for name in names if name != "pan")


# -- numbers and tokens ----


@pytest.mark.parametrize("scheme", READ_BACK)
def test_numbers_come_as_text_or_bytes_with_spaces_or_without(place: Place, scheme: str) -> None:
    with open_at(place, scheme) as tokenizer:
        spaced = "4242 4242-4242 4242"
        tokens = {
            tokenizer.tokenize(number)
            for number in (VISA, VISA.encode(), spaced, memoryview(spaced.encode()), bytearray(VISA.encode()))
        }
        assert len(tokens) == 1
        assert number_of(tokenizer, tokens.pop()) == VISA
        assert tokenizer.scheme == scheme


def test_a_writable_number_is_wiped_where_that_is_asked_for_also_when_it_is_refused(place: Place) -> None:
    with open_at(place, "ff1:0+4") as tokenizer:
        number = bytearray(VISA.encode())
        token = tokenizer.tokenize(number, wipe=True)
        assert number == bytes(16)
        assert token == tokenizer.tokenize(VISA)
        wrong = bytearray(b"4242424242424241")
        assert refusal(lambda: tokenizer.tokenize(wrong, wipe=True), kind=panseal.CardError) == "card"
        assert wrong == bytes(16)
        with pytest.raises(TypeError):
            tokenizer.tokenize(VISA, wipe=True)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("", "missing"),
        ("4242", "length"),
        ("4" * 200, "length"),
        ("424242424242424x", "charset"),
        ("\ud800" * 16, "charset"),
        ("0" * 16, "malformed"),
        ("4242424242424241", "luhn"),
        ("6212345678900000003", "network"),
    ],
)
def test_a_number_that_is_refused_is_a_card_error_with_its_code(place: Place, number: str, code: str) -> None:
    with open_at(place, "ff1:0+4") as tokenizer:
        for call in (tokenizer.tokenize, tokenizer.candidates):
            with pytest.raises(panseal.CardError) as caught:
                call(number)
            assert [(fault.param, fault.code) for fault in caught.value.violations] == [("number", code)]
        many = tokenizer.tokenize_many([number, VISA])
        assert (many.codes(), many.ok, many.tokens[0]) == ([code, None], 1, None)


def test_too_few_hidden_digits_are_a_token_error(place: Place) -> None:
    with open_at(place, "ff1:8+4") as tokenizer:
        assert refusal(lambda: tokenizer.tokenize(VISA), kind=panseal.TokenError) == "domain"
        assert tokenizer.tokenize_many([VISA]).codes() == ["domain"]
    assert refusal(lambda: open_at(place, "ff1:0+3"), kind=panseal.TokenError) == "domain"


@pytest.mark.parametrize("token", ["", "x", "4" * 16, VISA, "g" * 48, "\ud800" * 48, b"\xff" * 48, "1" * 500])
@pytest.mark.parametrize("scheme", READ_BACK)
def test_what_is_no_token_is_one_answer(place: Place, scheme: str, token: str | bytes) -> None:
    with open_at(place, scheme) as tokenizer:
        for call in (tokenizer.detokenize, tokenizer.retokenize):
            assert refusal(call, token, kind=panseal.TokenError) == "token"
        assert tokenizer.detokenize_many([token]).codes() == ["token"]


def test_another_merchants_and_another_keyrings_tokens_are_none(place: Place, tmp_path: Path) -> None:
    with open_at(place) as ours, open_at(place, merchant="m2") as theirs:
        other = place.folder / "other.keyring"
        with open_at(place, keyring=str(other)) as third:
            token = ours.tokenize(VISA)
            for tokenizer in (theirs, third):
                assert refusal(tokenizer.detokenize, token) == "token"
                assert tokenizer.tokenize(VISA) != token


def test_what_is_expected_of_a_number_is_held_against_it(place: Place) -> None:
    with open_at(place, "ff1:4+0") as tokenizer:
        token = tokenizer.tokenize(VISA)
        assert number_of(tokenizer, token, last4="4242", network="VISA") == VISA
        others: list[dict[str, Any]] = [{"last4": "4243"}, {"network": "AMEX"}]
        for expect in others:
            assert refusal(tokenizer.detokenize, token, **expect) == "token"
            assert refusal(tokenizer.retokenize, token, **expect) == "token"
        none: list[dict[str, Any]] = [
            {"last4": "424"},
            {"last4": "42424"},
            {"network": "VISTA"},
            {"network": ""},
        ]
        for wrong in none:
            assert refusal(tokenizer.detokenize, token, **wrong) == "argument"
        many = tokenizer.detokenize_many(
            [token] * 3, last4=["4242", "4243", None], network=["VISA", None, "AMEX"]
        )
        assert many.codes() == [None, "token", "token"]
        assert refusal(lambda: tokenizer.detokenize_many([token], last4=[])) == "argument"


# -- batches ----


@pytest.mark.parametrize("scheme", [*READ_BACK, "mac"])
def test_a_batch_gives_what_single_calls_give(place: Place, scheme: str) -> None:
    numbers = [random_visa() for _ in range(300)]
    with open_at(place, scheme) as tokenizer:
        tokens = [tokenizer.tokenize(number) for number in numbers]
        assert tokenizer.tokenize_many(numbers).tokens == tokens
        assert tokenizer.tokenize_many(iter(numbers)).tokens == tokens
        assert tokenizer.tokenize_many("".join(numbers).encode(), width=16).tokens == tokens
        padded = b"".join(number.encode().ljust(19) for number in numbers)
        assert tokenizer.tokenize_many(memoryview(padded), width=19).tokens == tokens
        if scheme != "mac":
            for width, fill in ((len(tokens[0]), b""), (50, b" "), (50, b"\0")):
                column = b"".join(token.encode().ljust(width, fill or b" ") for token in tokens)
                with tokenizer.detokenize_many(column, width=width) as many:
                    assert [number.reveal() for number in many.numbers if number] == numbers
                assert not any(many.numbers)


def test_each_row_of_a_batch_has_an_outcome_of_its_own(place: Place) -> None:
    rows = [VISA, "4242424242424241", None, b"x", bytearray(AMEX.encode()), "9" * 500]
    with open_at(place, "ff1:0+4") as tokenizer:
        many = tokenizer.tokenize_many(rows)
        assert many.codes() == [None, "luhn", "missing", "charset", None, "length"]
        assert [status == 0 for status in many.status] == [token is not None for token in many.tokens]
        assert (many.ok, len(many), repr(many)) == (2, 6, "TokenizeMany(ok=2, of=6)")
        back = tokenizer.detokenize_many(many.tokens)
        assert (back.ok, len(back), repr(back)) == (2, 6, "DetokenizeMany(ok=2, of=6)")
        assert len(tokenizer.tokenize_many([])) == len(tokenizer.detokenize_many(b"", width=3)) == 0


@pytest.mark.parametrize("rows", [VISA, VISA.encode(), bytearray(VISA.encode()), 7, [7], [[VISA]], None])
def test_what_is_no_batch_is_a_type_error(place: Place, rows: Any) -> None:
    with open_at(place) as tokenizer:
        for call in (tokenizer.tokenize_many, tokenizer.detokenize_many):
            with pytest.raises(TypeError):
                call(rows)
        assert refusal(lambda: tokenizer.tokenize_many(b"123", width=2)) == "argument"
        assert refusal(lambda: tokenizer.tokenize_many(b"123", width=0)) == "argument"


def test_other_threads_run_on_during_a_batch(place: Place) -> None:
    numbers = [random_visa() for _ in range(1000)] * 400
    with open_at(place, "mac") as tokenizer:
        steps, running = 0, threading.Event()

        def batch() -> None:
            running.set()
            tokenizer.tokenize_many("".join(numbers).encode(), width=16)
            running.clear()

        worker = threading.Thread(target=batch)
        before = sys.getswitchinterval()
        # Without the release of the GIL this thread would get its turn only at the beginning and the end.
        sys.setswitchinterval(1e-4)
        try:
            worker.start()
            running.wait()
            while running.is_set():
                steps += 1
            worker.join()
        finally:
            sys.setswitchinterval(before)
        assert steps > 10_000


# -- the life of a keyring ----


@pytest.mark.parametrize("scheme", READ_BACK)
def test_tokens_live_as_long_as_their_epoch(place: Place, scheme: str) -> None:
    with open_at(place, scheme) as tokenizer, open_at(place, scheme) as second:
        first = tokenizer.tokenize(VISA)
        assert tokenizer.rotate() == 2
        assert second.refresh()
        assert not second.refresh()
        fresh = second.tokenize(VISA)
        assert second.candidates(VISA) == [fresh, first]
        assert tokenizer.retokenize(first) == tokenizer.retokenize(fresh) == fresh
        assert number_of(second, first) == number_of(second, fresh) == VISA

        assert refusal(lambda: tokenizer.destroy(1), kind=panseal.KeyringError) == "epoch"
        assert refusal(lambda: tokenizer.destroy(2, tokens_are_gone=True)) == "epoch"
        assert refusal(lambda: tokenizer.destroy(9, tokens_are_gone=True)) == "epoch"
        tokenizer.destroy(1, tokens_are_gone=True)
        code = "epoch" if scheme == "ff1:0+4" else "token"
        assert refusal(lambda: tokenizer.detokenize(first)) == code
        assert tokenizer.detokenize_many([first, fresh]).codes() == [code, None]

        status = tokenizer.status()
        old, active = status.epochs
        assert (status.generation, old.state, active.state) == (3, "destroyed", "active")
        assert (old.id, active.id, active.retired_at) == (1, 2, None)
        assert old.retired_at is not None
        assert old.created_at.tzinfo is UTC
        assert old.created_at <= old.retired_at
        assert len({old.check, active.check}) == 2
        assert repr(active) == f"Epoch(id=2, state='active', slot={active.slot}, check='{active.check}')"
        if scheme == "ff1:0+4":
            assert (old.slot, active.slot) == (1, 2)
            assert refusal(lambda: tokenizer.free_slot(2)) == "epoch"
            tokenizer.free_slot(1)
            assert tokenizer.status().epochs[0].slot is None
        assert refusal(lambda: tokenizer.free_slot(1)) == "argument"


def test_an_older_copy_of_the_file_is_refused(place: Place) -> None:
    file = place.folder / "pos.keyring"
    with open_at(place) as tokenizer:
        old = file.read_bytes()
        tokenizer.rotate()
        generation = tokenizer.status().generation
    open_at(place, min_generation=generation).close()
    file.write_bytes(old)
    code = refusal(lambda: open_at(place, min_generation=generation), kind=panseal.VaultError)
    assert code == "tampered"


def test_a_keyring_is_made_once_and_for_its_owner_alone(place: Place) -> None:
    file = place.folder / "pos.keyring"
    assert refusal(lambda: open_at(place, create=False), kind=panseal.VaultError) == "not_a_vault"
    with open_at(place) as tokenizer:
        token = tokenizer.tokenize(VISA)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with open_at(place) as tokenizer:
        assert tokenizer.tokenize(VISA) == token
    assert refusal(lambda: open_at(place, "ff1:0+4"), kind=panseal.ArgumentError) == "argument"
    assert refusal(lambda: open_at(place, "random"), kind=panseal.ArgumentError) == "argument"


def test_a_handle_without_reveal_makes_and_moves_tokens(place: Place) -> None:
    with open_at(place, no_reveal=True) as till:
        token = till.tokenize(VISA)
        assert till.retokenize(token) == token
        assert refusal(lambda: till.detokenize(token), kind=panseal.TokenError) == "irreversible"
        assert refusal(lambda: till.detokenize_many([token])) == "irreversible"


def test_a_closed_tokenizer_says_so_and_is_neither_copied_nor_printed(place: Place) -> None:
    tokenizer = open_at(place)
    assert repr(tokenizer) == "<panseal.Tokenizer>"
    with pytest.raises(TypeError):
        pickle.dumps(tokenizer)
    tokenizer.close()
    tokenizer.close()
    assert repr(tokenizer) == "<panseal.Tokenizer, closed>"
    calls: list[Callable[[], object]] = [
        lambda: tokenizer.tokenize(VISA),
        lambda: tokenizer.tokenize(bytearray(VISA.encode())),
        lambda: tokenizer.tokenize_many([VISA]),
        lambda: tokenizer.detokenize("x"),
        lambda: tokenizer.detokenize_many(["x"]),
        lambda: tokenizer.candidates(VISA),
        lambda: tokenizer.retokenize("x"),
        lambda: tokenizer.destroy(1),
        lambda: tokenizer.free_slot(1),
        lambda: tokenizer.change_root(place.root),
        lambda: tokenizer.scheme,
        tokenizer.rotate,
        tokenizer.status,
        tokenizer.refresh,
    ]
    for call in calls:
        assert refusal(call, kind=panseal.VaultError) == "handle"


# -- roots ----


class KeyStore:
    """A key management service that is one byte large."""

    def __init__(self, mask: int) -> None:
        self.mask = mask
        self.lent: list[bytearray] = []
        self.names: set[tuple[str, str]] = set()

    def wrap(self, key_id: str, context: str, key: bytearray) -> bytes:
        self.names.add((key_id, context))
        self.lent.append(key)
        return bytes(byte ^ self.mask for byte in key)

    def unwrap(self, key_id: str, context: str, wrapped: bytes) -> bytearray:
        self.lent.append(bytearray(byte ^ self.mask for byte in wrapped))
        return self.lent[-1]


def test_a_root_that_is_an_object_serves_tokenizer_and_vault_and_is_left_no_key(place: Place) -> None:
    store = KeyStore(0x5A)
    with open_at(place, root=store) as tokenizer:
        token = tokenizer.tokenize(VISA)
    with open_at(place, root=(store.wrap, store.unwrap)) as tokenizer:
        assert number_of(tokenizer, token) == VISA
    with panseal.Vault.open(place.url, root=store) as vault:
        stored = vault.tokenize(VISA).token
    with panseal.Vault.open(place.url, root=store) as vault, vault.detokenize(stored, reason="test") as pan:
        assert pan.reveal() == VISA
    assert store.lent
    assert all(key == bytes(32) for key in store.lent)
    assert {name for name, _ in store.names} == {"audit:1", "epoch:1", "index:1", "table:1"}
    assert refusal(lambda: open_at(place, root=KeyStore(1)), kind=panseal.KeyringError) == "root_key"
    assert refusal(lambda: panseal.Vault.open(place.url, root=KeyStore(1))) == "root_key"


def test_a_root_that_fails_is_the_cause_of_the_error_and_nothing_is_made(place: Place) -> None:
    def fails(*_: object) -> bytes:
        raise ConnectionError("the service is away")

    opens: list[Callable[[], object]] = [
        lambda: open_at(place, root=(fails, fails)),
        lambda: panseal.Vault.open(place.url, root=(fails, fails)),
    ]
    for call in opens:
        with pytest.raises(panseal.KeyringError) as caught:
            call()
        assert caught.value.code == "callback"
        assert isinstance(caught.value.__cause__, ConnectionError)
    assert not (place.folder / "pos.keyring").exists()


@pytest.mark.parametrize(("answer", "code"), [(b"", "root_key"), (bytes(1025), "root_key"), (7, "callback")])
def test_a_root_that_wraps_into_nonsense_is_refused(place: Place, answer: Any, code: str) -> None:
    assert refusal(lambda: open_at(place, root=(lambda *_: answer, lambda *_: answer))) == code
    assert not (place.folder / "pos.keyring").exists()


@pytest.mark.parametrize("answer", [b"", bytes(31), bytes(33), bytes(4000), bytes(32)])
def test_a_root_that_unwraps_into_nonsense_is_refused(place: Place, answer: bytes) -> None:
    store = KeyStore(1)
    open_at(place, root=store).close()
    assert refusal(lambda: open_at(place, root=(store.wrap, lambda *_: answer))) == "root_key"


@pytest.mark.parametrize("root", [None, 7, b"file:x", (), (len,), (1, 2), (len, 2), object()])
def test_what_is_no_root_is_a_type_error(place: Place, root: Any) -> None:
    for call in (lambda: open_at(place, root=root), lambda: panseal.Vault.open(place.url, root=root)):
        with pytest.raises(TypeError):
            call()


def test_a_root_key_is_split_and_changed_without_touching_tokens(place: Place) -> None:
    with open_at(place) as tokenizer:
        token = tokenizer.tokenize(VISA)
        parts = f"components:{place.folder / 'a'},{place.folder / 'b'}"
        panseal.split_root_key(place.root, parts)
        assert refusal(lambda: panseal.split_root_key(place.root, parts)) == "root_key"
        with open_at(place, root=parts) as split:
            assert number_of(split, token) == VISA
        store = KeyStore(3)
        tokenizer.change_root(store)
        assert number_of(tokenizer, token) == VISA
        assert refusal(lambda: open_at(place)) == "root_key"
        tokenizer.change_root(place.root)
        tokenizer.rotate()
        with open_at(place) as again:
            assert number_of(again, token) == VISA
        assert refusal(lambda: tokenizer.change_root("abacus:x")) == "argument"


def test_no_error_holds_a_number_or_a_token(place: Place) -> None:
    with open_at(place, "ff1:0+4") as tokenizer:
        token = tokenizer.tokenize(VISA)
        spoilt = token[:3] + ("1" if token[3] != "1" else "2") + token[4:]
        for call, text in ((tokenizer.tokenize, "4242424242424241"), (tokenizer.detokenize, spoilt[:-1])):
            with pytest.raises(panseal.PansealError) as caught:
                call(text)
            told = repr(caught.value) + str(vars(caught.value))
            assert text not in told
            assert text[:8] not in told
