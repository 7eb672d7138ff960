"""A second reading of docs/token-schemes.md: every vector of tests/vectors/token-schemes.json, made again.

Written from that page with nothing but the `cryptography` package; it shares no line with panseal. Run it
with `python tests/second_reading.py`.
"""

import json
import struct
import sys
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VECTORS = Path(__file__).parent / "vectors" / "token-schemes.json"
KEY_LENGTHS = {"siv": 64}


# -- working keys ----


def working_key(epoch_key: bytes, purpose: str, merchant: str = "") -> bytes:
    info = b"panseal/v1/" + purpose.encode() + b"\0" + merchant.encode()
    return HKDF(hashes.SHA256(), KEY_LENGTHS.get(purpose, 32), salt=None, info=info).derive(epoch_key)


def hmac(key: bytes, data: bytes) -> bytes:
    mac = HMAC(key, hashes.SHA256())
    mac.update(data)
    return mac.finalize()


def check_value(key: bytes) -> bytes:
    mac = CMAC(algorithms.AES(working_key(key, "kcv")))
    mac.update(bytes(16))
    return mac.finalize()[:5]


# -- numbers ----


def residue(digits: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10


def rank(digits: str) -> int:
    return sum(10**k for k in range(12, len(digits))) + int(digits)


def number_of_rank(value: int) -> str:
    for length in range(12, 20):
        if value < 10**length:
            return str(value).zfill(length)
        value -= 10**length
    raise ValueError("a rank that no number has")


# -- FF1, as SP 800-38G writes it, for radix 10 ----


def aes(key: bytes, block: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)


def prf(key: bytes, data: bytes) -> bytes:
    state = bytes(16)
    for start in range(0, len(data), 16):
        state = aes(key, bytes(a ^ b for a, b in zip(state, data[start : start + 16], strict=True)))
    return state


def ff1(key: bytes, tweak: bytes, digits: str, encrypt: bool) -> str:
    n, t = len(digits), len(tweak)
    u, v = n // 2, n - n // 2
    a, b = digits[:u], digits[u:]
    width = (((10**v) - 1).bit_length() + 7) // 8
    d = 4 * ((width + 3) // 4) + 4
    head = bytes([1, 2, 1]) + (10).to_bytes(3, "big") + bytes([10, u % 256]) + struct.pack(">II", n, t)
    for i in range(10) if encrypt else reversed(range(10)):
        stays = b if encrypt else a
        pad = bytes((-t - width - 1) % 16)
        r = prf(key, head + tweak + pad + bytes([i]) + int(stays).to_bytes(width, "big"))
        blocks = [r] + [
            aes(key, (int.from_bytes(r, "big") ^ j).to_bytes(16, "big")) for j in range(1, -(-d // 16))
        ]
        y = int.from_bytes(b"".join(blocks)[:d], "big")
        m = u if i % 2 == 0 else v
        if encrypt:
            a, b = b, str((int(a) + y) % 10**m).zfill(m)
        else:
            a, b = str((int(b) - y) % 10**m).zfill(m), a
    return a + b


# -- token schemes ----


def turn(scheme: str, key: bytes, digits: str, wanted: int, encrypt: bool) -> str:
    first, last = map(int, scheme.removeprefix("ff1:").split("+"))
    n = len(digits)
    head, hidden, tail = digits[:first], digits[first : n - last], digits[n - last :]
    tweak = bytes([1, n, first, last]) + struct.pack(">Q", int(head + tail or "0"))
    turned = ff1(key, tweak, hidden[:-1], encrypt)
    solutions = [head + turned + digit + tail for digit in "0123456789"]
    (solution,) = (text for text in solutions if residue(text) == wanted)
    return solution


def letters(text: str) -> str:
    return "".join(chr(ord("a") + int(digit, 16)) for digit in text)


def from_letters(text: str) -> str:
    return "".join(f"{ord(letter) - ord('a'):x}" for letter in text)


def make(scheme: str, epoch_key: bytes, merchant: str, slot: int | None, pan: str) -> str:
    if scheme.startswith("ff1:"):
        assert slot is not None
        return turn(scheme, working_key(epoch_key, "ff1", merchant), pan, slot, encrypt=True)
    if scheme == "mac":
        return hmac(working_key(epoch_key, "mac", merchant), b"panseal/mac/1" + pan.encode()).hex()
    sealed = AESSIV(working_key(epoch_key, "siv", merchant)).encrypt(
        struct.pack(">Q", rank(pan)), [b"panseal/siv/1"]
    )
    return sealed.hex() if scheme == "siv" else letters(sealed.hex())


def back(scheme: str, epoch_key: bytes, merchant: str, token: str) -> str | None:
    if scheme.startswith("ff1:"):
        return turn(scheme, working_key(epoch_key, "ff1", merchant), token, 0, encrypt=False)
    if scheme == "mac":
        return None
    sealed = bytes.fromhex(token if scheme == "siv" else from_letters(token))
    try:
        plaintext = AESSIV(working_key(epoch_key, "siv", merchant)).decrypt(sealed, [b"panseal/siv/1"])
    except InvalidTag:
        return None
    return number_of_rank(*struct.unpack(">Q", plaintext))


# -- the keyring file ----


def fields(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def header(keyring: str, kind: str, key_id: str, slot: str, created: str) -> bytes:
    numbers = (struct.pack(">Q", int(number)) for number in (key_id, slot.replace("-", "0"), created))
    return fields(b"panseal/wrap/1", bytes.fromhex(keyring), kind.encode(), *numbers)


def polyval(key: bytes, data: bytes) -> bytes:
    """RFC 8452, bit by bit: not every OpenSSL has AES-GCM-SIV."""
    modulus = (1 << 128) | (1 << 127) | (1 << 126) | (1 << 121) | 1
    inverse = (1 << 127) | (1 << 124) | (1 << 121) | (1 << 114) | 1  # x^-128

    def times(a: int, b: int) -> int:
        product = 0
        for bit in range(128):
            if b >> bit & 1:
                product ^= a << bit
        for bit in reversed(range(128, 256)):
            if product >> bit & 1:
                product ^= modulus << (bit - 128)
        return product

    h, state = int.from_bytes(key, "little"), 0
    for start in range(0, len(data), 16):
        state = times(times(state ^ int.from_bytes(data[start : start + 16], "little"), h), inverse)
    return state.to_bytes(16, "little")


def gcm_siv_open(key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    derived = b"".join(aes(key, struct.pack("<I", counter) + nonce)[:8] for counter in range(6))
    auth, enc = derived[:16], derived[16:]
    text, tag = sealed[:-16], sealed[-16:]
    counter = bytearray(tag)
    counter[15] |= 0x80
    stream = b""
    while len(stream) < len(text):
        stream += aes(enc, bytes(counter))
        counter[:4] = struct.pack("<I", (struct.unpack("<I", counter[:4])[0] + 1) % 2**32)
    plaintext = bytes(a ^ b for a, b in zip(text, stream, strict=False))
    padded = b"".join(part + bytes(-len(part) % 16) for part in (aad, plaintext))
    sum_ = bytearray(polyval(auth, padded + struct.pack("<QQ", 8 * len(aad), 8 * len(plaintext))))
    for place, byte in enumerate(nonce):
        sum_[place] ^= byte
    sum_[15] &= 0x7F
    assert aes(enc, bytes(sum_)) == tag, "it does not open"
    return plaintext


def open_keyring(text: str, root: bytes) -> dict[int, tuple[bytes, int]]:
    """The keys and slots of the live epochs."""
    body, mac_line = text[: text.rindex("mac ")], text[text.rindex("mac ") :]
    title, id_line, generation, *epochs = body.splitlines()
    assert generation.startswith("generation ")
    keyring = id_line.removeprefix("id ")

    def unwrap(wrapped: str, aad: bytes, check: str) -> bytes:
        blob = bytes.fromhex(wrapped)
        assert blob[0] == 1 and blob[1:6] == check_value(root)
        key = gcm_siv_open(root, blob[6:18], blob[18:], aad)
        assert check_value(key).hex() == check
        return key

    table = b""
    if title == "panseal-keyring 2":
        word, created, check, wrapped = epochs.pop(0).split(" ")
        assert word == "table"
        table = unwrap(wrapped, header(keyring, "table", "1", "-", created), check)
    else:
        assert title == "panseal-keyring 1"
    keys, active = {}, b""
    for line in epochs:
        word, epoch, state, slot, created, _retired, check, wrapped = line.split(" ")
        assert word == "epoch"
        if state == "destroyed":
            assert wrapped == "-"
            continue
        key = unwrap(wrapped, header(keyring, "epoch", epoch, slot, created), check)
        keys[int(epoch)] = (key, int(slot.replace("-", "0")))
        if state == "active":
            active = key
    mac_key = working_key(table, "table") if table else working_key(active, "header")
    assert mac_line == f"mac {hmac(mac_key, body.encode()).hex()}\n"
    return keys


# -- all of them ----


def main() -> int:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    passed, failed = 0, 0

    def expect(what: str, ours: object, theirs: object) -> None:
        nonlocal passed, failed
        if ours == theirs:
            passed += 1
        else:
            failed += 1
            print(f"{what}: {ours!r} here, {theirs!r} in the file")

    for row in vectors["check_values"]:
        expect("check value", check_value(bytes.fromhex(row["key"])).hex(), row["check"])
    for row in vectors["tokens"]:
        what = f"{row['scheme']} of {row['pan']}"
        key = bytes.fromhex(row["epoch_key"])
        expect(what, make(row["scheme"], key, row["merchant"], row["slot"], row["pan"]), row["token"])
        if row["scheme"] != "mac":
            expect(what + ", back", back(row["scheme"], key, row["merchant"], row["token"]), row["pan"])
        if row["slot"] is not None:
            expect(what + ", slot", residue(row["token"]), row["slot"])
    for ring in (vectors["keyring"], vectors["keyring_2"]):
        keys = open_keyring(ring["text"], bytes.fromhex(ring["root"]))
        for row in ring["tokens"]:
            key, slot = keys[row["epoch"]]
            made = make(row["scheme"], key, row["merchant"], slot, row["pan"])
            expect("under the keyring", made, row["token"])
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
