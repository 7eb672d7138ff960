"""The vault, and what somebody sees and does who has its file."""

import base64
import copy
import pickle
import secrets
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import NOW, Place, random_visa

import panseal

VISA = "4242424242424242"
MASTERCARD = "5555555555554444"


def number_of(vault: panseal.Vault, token: str | bytes) -> str:
    with vault.detokenize(token, reason="test") as pan:
        return pan.reveal()


def verbs(vault: panseal.Vault) -> list[Callable[[str], object]]:
    """All that is done with a token."""
    return [vault.lookup, vault.deactivate, lambda token: vault.detokenize(token, reason="test")]


def test_a_card_becomes_a_token_and_comes_back(vault: panseal.Vault) -> None:
    card = vault.tokenize(
        "4242 4242 4242 4242",
        expiry="12/30",
        cvv="123",
        name="ADA BYRON",
        postal_code="94107",
        customer="c-1",
        now=NOW,
    )
    assert len(card.token) == 48
    assert (card.network, card.product, card.masked, card.last4) == ("VISA", None, "424242******4242", "4242")
    assert (card.expiry_month, card.expiry_year, card.customer) == (12, 2030, "c-1")
    assert (card.active, card.reused, card.epoch, card.keep_until) == (True, False, 1, None)
    assert repr(card) == (
        f"Instrument(token='{card.token}', network='VISA', masked='424242******4242', active=True)"
    )
    assert repr(vault.lookup(card.token)) == repr(card)
    assert number_of(vault, card.token) == VISA


def test_the_time_of_making_is_in_utc(vault: panseal.Vault) -> None:
    made = vault.tokenize(VISA).created_at
    assert made.tzinfo is UTC
    assert abs(datetime.now(UTC) - made) < timedelta(minutes=1)


def test_a_card_needs_no_more_than_a_number(vault: panseal.Vault) -> None:
    card = vault.tokenize(MASTERCARD)
    assert (card.expiry_month, card.expiry_year, card.customer) == (None, None, "")


@pytest.mark.parametrize("length", range(12, 20))
def test_numbers_of_every_length_come_back(vault: panseal.Vault, length: int) -> None:
    unknown = ("9" * 19)[:length]
    for last in "0123456789":
        number = unknown[:-1] + last
        if panseal.check(number).ok:
            assert number_of(vault, vault.tokenize(number).token) == number
            return
    pytest.fail("one digit in ten passes the Luhn check")


def test_a_card_has_a_new_token_each_time_and_one_row(vault: panseal.Vault, place: Place) -> None:
    tokens = {vault.tokenize(VISA, customer=customer).token for customer in ("c-1", "c-1", "c-2")}
    assert len(tokens) == 3
    assert place.sql("select count(*) from card") == [(1,)]
    assert {number_of(vault, token) for token in tokens} == {VISA}


def test_tokens_come_as_text_or_bytes(vault: panseal.Vault) -> None:
    token = vault.tokenize(VISA).token
    for spelling in (token, token.encode(), bytearray(token.encode()), memoryview(token.encode())):
        assert vault.lookup(spelling).token == token


def test_a_deactivated_token_can_be_looked_up_and_not_detokenized(vault: panseal.Vault) -> None:
    token = vault.tokenize(VISA).token
    vault.deactivate(token)
    vault.deactivate(token)
    assert not vault.lookup(token).active
    with pytest.raises(panseal.TokenError) as caught:
        vault.detokenize(token, reason="test")
    assert caught.value.code == "inactive"


def test_what_was_stored_is_there_when_the_vault_is_opened_again(place: Place) -> None:
    with place.open() as vault:
        token = vault.tokenize(VISA).token
    with place.open(create=False) as vault, place.open(create=False) as second:
        assert number_of(vault, token) == number_of(second, token) == VISA


def test_a_merchant_sees_its_own_tokens_only(vault: panseal.Vault) -> None:
    with vault.merchant("m2") as second:
        ours, theirs = vault.tokenize(VISA).token, second.tokenize(VISA).token
        for other, token in ((second, ours), (vault, theirs)):
            for verb in verbs(other):
                with pytest.raises(panseal.TokenError) as caught:
                    verb(token)
                assert caught.value.code == "token"
        assert number_of(second, theirs) == VISA
    assert number_of(vault, ours) == VISA


def test_a_handle_outlives_the_one_it_came_from(place: Place) -> None:
    with place.open() as first:
        second = first.merchant("m2")
    with second:
        assert number_of(second, second.tokenize(VISA).token) == VISA


def test_a_handle_can_be_kept_from_revealing(place: Place) -> None:
    with place.open() as office:
        token = office.tokenize(VISA).token
    with place.open(no_reveal=True) as till, till.merchant("") as derived:
        for handle in (till, derived):
            assert handle.lookup(token).last4 == "4242"
            with pytest.raises(panseal.TokenError) as caught:
                handle.detokenize(token, reason="test")
            assert caught.value.code == "irreversible"
    assert place.sql("select count(*) from audit where action = 4") == [(0,)]


def test_wipe_zeroes_the_number_that_was_stored(vault: panseal.Vault) -> None:
    number, cvv, name = (bytearray(text) for text in (VISA.encode(), b"123", b"ADA BYRON"))
    token = vault.tokenize(number, cvv=cvv, name=name, wipe=True).token
    assert not any(number + cvv + name)
    assert number_of(vault, token) == VISA


def test_wipe_zeroes_also_when_nothing_was_stored(vault: panseal.Vault) -> None:
    number = bytearray(b"4242424242424241")
    with pytest.raises(panseal.CardError):
        vault.tokenize(number, wipe=True)
    assert number == bytes(16)
    number = bytearray(VISA.encode())
    vault.close()
    with pytest.raises(panseal.VaultError):
        vault.tokenize(number, wipe=True)
    assert number == bytes(16)


def test_closing_twice_is_fine(place: Place) -> None:
    vault = place.open()
    assert repr(vault) == "<panseal.Vault>"
    vault.close()
    vault.close()
    assert repr(vault) == "<panseal.Vault, closed>"
    vault = place.open()
    with vault:
        vault.close()


def test_a_vault_is_not_copied_pickled_made_or_derived(vault: panseal.Vault) -> None:
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="neither copied nor pickled"):
            duplicate(vault)
    with pytest.raises(TypeError):
        panseal.Vault()
    with pytest.raises(TypeError):
        type("Derived", (panseal.Vault,), {})


def test_key_and_vault_can_be_read_by_their_owner_alone(vault: panseal.Vault, place: Place) -> None:
    vault.tokenize(VISA)
    for file in place.folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


# What stands in the file


def test_who_what_and_why_are_in_the_audit_trail(place: Place) -> None:
    with place.open(merchant="m1", actor="backend") as vault:
        token = vault.tokenize(VISA).token
        vault.detokenize(token, reason="refund 7", actor="till-3").wipe()
        vault.detokenize(token, reason="refund 8").wipe()
        vault.deactivate(token)
    rows = place.sql(
        "select m.name, actor, action, token, reason"
        " from audit a join merchant m on m.id = a.merchant order by seq"
    )
    assert rows == [
        ("m1", "backend", 1, packed(token), ""),
        ("m1", "till-3", 4, packed(token), "refund 7"),
        ("m1", "backend", 4, packed(token), "refund 8"),
        ("m1", "backend", 6, packed(token), ""),
    ]


def test_no_number_without_a_line_in_the_audit_trail(vault: panseal.Vault, place: Place) -> None:
    token = vault.tokenize(VISA).token
    place.sql(
        "create trigger no_audit before insert on audit when new.action = 4"
        " begin select no_such_function(); end"
    )
    with pytest.raises(panseal.VaultError) as caught:
        vault.detokenize(token, reason="test")
    assert caught.value.code == "tampered"


def spellings(text: str) -> Iterator[bytes]:
    """A text in every form in which somebody may have stored it."""
    plain = text.encode()
    yield from (plain, text.encode("utf-16-le"), text.encode("utf-16-be"), plain.hex().encode(), plain[::-1])
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + plain + bytes(3))
        yield encoded[4 * (shift > 0) : 4 * ((shift + len(plain)) // 3)]
    if text.isdigit():
        yield bytes.fromhex(text)
        yield bytes(map(int, text))
        yield int(text).to_bytes(8, "big")
        yield int(text).to_bytes(8, "little")


def found(text: str, folder: Path) -> bool:
    content = b"\0".join(file.read_bytes() for file in folder.iterdir())
    return any(spelling in content for spelling in spellings(text))


def test_neither_number_nor_name_nor_cvv_is_in_any_file(vault: panseal.Vault, place: Place) -> None:
    number, name = random_visa(), "ADA " + "".join(secrets.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(16))
    token = vault.tokenize(number, expiry="12/30", cvv="123", name=name, customer="c-1", now=NOW).token
    assert number_of(vault, token) == number
    names = {file.name for file in place.folder.iterdir()}
    assert names >= {"cards.db", "cards.db-wal", "cards.root"}
    files = b"\0".join(file.read_bytes() for file in place.folder.iterdir())
    assert packed(token) in files, "the search looks where the card is"
    for secret in (number, name, name[4:]):
        assert not found(secret, place.folder)
    vault.close()
    for secret in (number, name, name[4:]):
        assert not found(secret, place.folder)
        for spelling in spellings(secret):
            (place.folder / "leak").write_bytes(b"x" * 99 + spelling + b"x" * 99)
            assert found(secret, place.folder), "the search finds a leak"
        (place.folder / "leak").unlink()


# What somebody changes in the file

A, B = "(select card from instrument where token = :a)", "(select card from instrument where token = :b)"
EDITS = {
    "revived": "update instrument set active = 1 where token = :off",
    "switched off": "update instrument set active = 0 where token = :a",
    "expiry": "update instrument set expiry = 209912 where token = :a",
    "expiry of no calendar": "update instrument set expiry = 13 where token = :a",
    "customer": "update instrument set customer = 'c-2' where token = :a",
    "long customer": "update instrument set customer = printf('%5000d', 1) where token = :a",
    "creation": "update instrument set created_at = 1 where token = :a",
    "retention": "update instrument set keep_until = 1 where token = :a",
    "card of another token": f"update instrument set card = {B} where token = :a",
    "card of nobody": "update instrument set card = zeroblob(16) where token = :a",
    "short id of a card": "update instrument set card = x'00' where token = :a",
    "sealed name of another token": "update instrument set sealed ="
    " (select sealed from instrument where token = :b) where token = :a",
    "sealed name empty": "update instrument set sealed = x'' where token = :a",
    "sealed name flipped": "update instrument set sealed = :flipped_name where token = :a",
    "last four": f"update card set last4 = '0000' where id = {A}",
    "network": f"update card set network = 'AMEX' where id = {A}",
    "iin": f"update card set iin = '400000' where id = {A}",
    "long iin": f"update card set iin = printf('%5000d', 1) where id = {A}",
    "number of another card": f"update card set pan = (select pan from card where id = {B}) where id = {A}",
    "number empty": f"update card set pan = x'' where id = {A}",
    "number flipped": f"update card set pan = :flipped where id = {A}",
    "unknown epoch": f"update card set pan = :epoch where id = {A}",
    "unknown format": f"update card set pan = :format where id = {A}",
    "card gone": f"delete from card where id = {A}",
}


def packed(token: str) -> bytes:
    """A token of hexadecimal digits as the tables hold it."""
    return b"\x01" + bytes.fromhex(token)


@pytest.fixture
def tokens(vault: panseal.Vault) -> dict[str, str]:
    a = vault.tokenize(VISA, expiry="12/30", name="ADA BYRON", customer="c-1", now=NOW).token
    b = vault.tokenize(MASTERCARD, expiry="11/29", name="MARY SHELLEY", customer="c-1", now=NOW).token
    off = vault.tokenize("378282246310005").token
    vault.deactivate(off)
    return {"a": a, "b": b, "off": off}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_row_is_noticed(
    vault: panseal.Vault, place: Place, tokens: dict[str, str], edit: str
) -> None:
    pan, name = place.sql(
        "select c.pan, i.sealed from instrument i join card c on c.id = i.card where i.token = ?",
        packed(tokens["a"]),
    )[0]
    values: dict[str, Any] = {
        "flipped": pan[:-1] + bytes([pan[-1] ^ 1]),
        "flipped_name": name[:30] + bytes([name[30] ^ 1]) + name[31:],
        "epoch": pan[:1] + b"\xff\xff\xff\xff" + pan[5:],
        "format": b"\x02" + pan[1:],
    } | {name: packed(token) for name, token in tokens.items()}
    used = {key: value for key, value in values.items() if f":{key}" in EDITS[edit]}
    lines = "select action from audit order by merchant, chain, seq"
    before = place.sql(lines)
    place.edit(EDITS[edit], **used)
    token = tokens["off" if edit == "revived" else "a"]
    for verb in verbs(vault):
        with pytest.raises(panseal.VaultError) as caught:
            verb(token)
        assert caught.value.code == "tampered"
    # That somebody asked for the number is on record before the card is opened.
    assert place.sql(lines)[len(before) :] in ([], [(4,)])
    assert number_of(vault, tokens["b"]) == MASTERCARD


@pytest.mark.parametrize("place_in_blob", range(0, 41, 5))
def test_a_flipped_byte_anywhere_in_a_sealed_number_is_noticed(
    vault: panseal.Vault, place: Place, place_in_blob: int
) -> None:
    token = vault.tokenize(VISA).token
    blob = bytearray(place.sql("select pan from card")[0][0])
    blob[place_in_blob % len(blob)] ^= 0x40
    place.edit("update card set pan = :pan", pan=bytes(blob))
    with pytest.raises(panseal.VaultError) as caught:
        vault.lookup(token)
    assert caught.value.code == "tampered"


def test_a_token_moved_to_another_merchant_is_noticed(vault: panseal.Vault, place: Place) -> None:
    token = vault.tokenize(VISA).token
    with vault.merchant("m2") as second:
        second.tokenize(MASTERCARD)
        moved = "select id from merchant where name = 'm2'"
        place.edit(f"update instrument set merchant = ({moved}) where token = :token", token=packed(token))
        with pytest.raises(panseal.VaultError) as caught:
            second.lookup(token)
    assert caught.value.code == "tampered"


def test_a_renamed_token_is_noticed(vault: panseal.Vault, place: Place) -> None:
    vault.tokenize(VISA)
    place.edit("update instrument set token = x'0378'")
    with pytest.raises(panseal.VaultError) as caught:
        vault.lookup("x")
    assert caught.value.code == "tampered"


def test_a_fingerprint_pointed_at_another_card_gives_that_card_no_token(
    vault: panseal.Vault, place: Place, tokens: dict[str, str]
) -> None:
    card = place.sql("select card from instrument where token = ?", packed(tokens["a"]))[0][0]
    place.sql("update card_fp set card = ?", card)
    with pytest.raises(panseal.VaultError) as caught:
        vault.tokenize(MASTERCARD)
    assert caught.value.code == "tampered"
