"""A number out of the vault."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import panseal

VISA = "4242424242424242"


@pytest.fixture
def secret(vault: panseal.Vault) -> panseal.Secret:
    return vault.detokenize(vault.tokenize(VISA).token, reason="test")


def test_a_secret_is_revealed_on_request(secret: panseal.Secret) -> None:
    assert secret.reveal() == VISA
    assert len(secret) == 16
    assert bool(secret)


def test_a_secret_is_written_to_the_beginning_of_a_buffer(secret: panseal.Secret) -> None:
    room = bytearray(b"." * 19)
    assert secret.reveal_into(room) == 16
    assert room == VISA.encode() + b"..."
    assert secret.reveal_into(memoryview(room)[3:]) == 16
    assert room == VISA[:3].encode() + VISA.encode()
    exact = bytearray(16)
    assert secret.reveal_into(exact) == 16
    assert exact == VISA.encode()


def test_a_buffer_that_is_too_small_stays_as_it_is(secret: panseal.Secret) -> None:
    for size in (0, 15):
        room = bytearray(b"." * size)
        with pytest.raises(panseal.ArgumentError) as caught:
            secret.reveal_into(room)
        assert caught.value.code == "buffer"
        assert room == b"." * size


@pytest.mark.parametrize(
    "room", ["x" * 19, bytes(19), memoryview(bytes(19)), memoryview(bytearray(38))[::2], 19, None], ids=repr
)
def test_a_secret_is_written_to_writable_buffers_only(secret: panseal.Secret, room: Any) -> None:
    with pytest.raises(TypeError, match="writable"):
        secret.reveal_into(room)


def test_a_secret_is_gone_after_its_block(secret: panseal.Secret) -> None:
    with secret as pan:
        assert pan is secret
    assert len(secret) == 0
    assert not secret
    for use in (secret.reveal, lambda: secret.reveal_into(bytearray(19))):
        with pytest.raises(panseal.ArgumentError, match="wiped") as caught:
            use()
        assert isinstance(caught.value, ValueError)
        assert caught.value.code == "handle"
    secret.wipe()


def test_a_secret_is_gone_after_a_block_that_failed(secret: panseal.Secret) -> None:
    with pytest.raises(ZeroDivisionError), secret:
        raise ZeroDivisionError
    assert not secret


@pytest.mark.parametrize(
    "show", [repr, str, ascii, format, "{}".format, "{!r:>40}".format, "%s".__mod__, dir], ids=str
)
def test_a_secret_does_not_show(secret: panseal.Secret, show: Callable[[object], object]) -> None:
    assert "4242" not in str(show(secret))
    assert repr(secret) == "<panseal.Secret>"
    secret.wipe()
    assert repr(secret) == "<panseal.Secret, wiped>"


@pytest.mark.parametrize("use", [copy.copy, copy.deepcopy, pickle.dumps], ids=["copy", "deepcopy", "pickle"])
def test_a_secret_is_neither_copied_nor_pickled(
    secret: panseal.Secret, use: Callable[[object], object]
) -> None:
    with pytest.raises(TypeError, match="neither copied nor pickled"):
        use(secret)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_pickle_protocol_takes_a_secret(secret: panseal.Secret, protocol: int) -> None:
    with pytest.raises(TypeError):
        pickle.dumps([secret], protocol)


@pytest.mark.parametrize("use", [json.dumps, bytes, bytearray, memoryview, iter, list, vars, int], ids=str)
def test_a_secret_is_nothing_else(secret: Any, use: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError) as caught:
        use(secret)
    assert "4242" not in str(caught.value)


def test_secrets_are_not_compared_by_content(vault: panseal.Vault) -> None:
    token = vault.tokenize(VISA).token
    one, two = (vault.detokenize(token, reason="test") for _ in range(2))
    assert one != two
    assert hash(one) != hash(VISA)
    assert {one: 1}.get(VISA) is None  # type: ignore[call-overload]


def test_a_secret_cannot_be_made_derived_or_extended(secret: Any) -> None:
    with pytest.raises(TypeError):
        panseal.Secret()
    with pytest.raises(TypeError):
        type("Derived", (panseal.Secret,), {})
    with pytest.raises(AttributeError):
        secret.note = VISA


def test_a_secret_outlives_its_vault(vault: panseal.Vault, secret: panseal.Secret) -> None:
    vault.close()
    assert secret.reveal() == VISA
