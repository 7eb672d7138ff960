"""The subject of tests/residue_process.rs in Python, with the command line and card data of residue_child.c.

residue_child.py paths
residue_child.py PATH (keep|wipe) (open|close) (main|thread) (none|live|freed|stack) DIRECTORY

Card data is read into one bytearray and handed to panseal as slices of it: nothing here makes a str or bytes
of it, but for the leaks that are planted on purpose.
"""

import base64
import ctypes
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator

import panseal

Buffer = bytes | memoryview
NUMBERS = 5
TEXT = 32  # a length, then the characters
NOW = 1895000000  # 2030-01-18
NO_CHECK_DIGIT = 3  # the number whose network has none: "ff1" refuses it
PLANT_FROM = 64  # malloc writes over the first bytes of a freed block

secrets = bytearray((3 * NUMBERS + 2) * TEXT + TEXT)
view = memoryview(secrets)


def text(place: int) -> memoryview:
    """A text of the buffer, without a copy."""
    start = place * TEXT
    return view[start + 1 : start + 1 + secrets[start]]


def number(i: int) -> memoryview:
    return text(i)


def name(i: int) -> memoryview:
    return text(NUMBERS + i)


def cvv(i: int) -> memoryview:
    return text(2 * NUMBERS + i)


def wrong() -> memoryview:
    return text(3 * NUMBERS)


def typed() -> memoryview:
    return text(3 * NUMBERS + 1)


out = view[(3 * NUMBERS + 2) * TEXT :]
EXPIRY = {"expiry_month": 12, "expiry_year": 2031, "now": NOW}


tokenizers: list[panseal.Tokenizer] = []


def must(fine: bool, what: str) -> None:
    """A path that does not go as it should proves nothing."""
    if not fine:
        os.write(2, what.encode() + b"\n")
        os._exit(3)


def check_good() -> None:
    for i in range(NUMBERS):
        must(panseal.check(number(i), cvv=cvv(i), name=name(i), **EXPIRY).ok, "check")


def check_bad() -> None:
    must(not panseal.check(wrong(), name=name(0), **EXPIRY), "check a wrong number")
    must(panseal.check(typed(), name=name(0), **EXPIRY).ok, "check a typed number")
    must(not panseal.check(typed(), strict=True), "check a typed number strictly")


def check_all_wrong() -> None:
    for i in range(NUMBERS):
        report = panseal.check(
            name(i), name=number(i), cvv=number(i), postal_code=number(i), expiry=number(i)
        )
        must(len(report.violations) == 5, "check with everything wrong")


def mask() -> None:
    for i in range(NUMBERS):
        must("*" in panseal.mask(number(i)), "mask")


def check_many() -> None:
    column = [number(i) for i in range(NUMBERS)] + [wrong(), typed()]
    must(panseal.check_many(column).ok == NUMBERS + 1, "check a list")
    must(len(panseal.check_many(view[: NUMBERS * TEXT], width=TEXT).status) == NUMBERS, "check a column")


def display() -> None:
    for i in range(NUMBERS):
        panseal.mask(number(i), view="4", grouped=True)
        panseal.truncate(number(i))
        panseal.network(number(i))
        panseal.partial(number(i)[:10])
        with panseal.group(number(i)) as grouped:
            grouped.reveal_into(out)


def scan() -> None:
    must(len(panseal.scan(view)) > 0, "scan")
    scanner = panseal.Scanner()
    for start in range(0, len(view), 100):
        scanner.feed(view[start : start + 100])
    scanner.finish()
    panseal.Scanner().feed(view)
    must(panseal.holds_card_number(view), "holds a card number")


def tokens(vault: panseal.Vault) -> list[str]:
    return [vault.tokenize(number(i), cvv=cvv(i), name=name(i), **EXPIRY).token for i in range(NUMBERS)]


def tokenize(vault: panseal.Vault) -> None:
    tokens(vault)


def tokenize_twenty(vault: panseal.Vault) -> None:
    for _ in range(20):
        tokens(vault)


def tokenize_refused(vault: panseal.Vault) -> None:
    for i in range(NUMBERS):
        try:
            vault.tokenize(wrong(), name=name(i), cvv=cvv(i), expiry=number(i))
        except panseal.CardError as error:
            must(len(error.violations) == 2, "tokenize a wrong card")
        else:
            must(False, "a wrong card was tokenized")


def lookup(vault: panseal.Vault) -> None:
    for token in tokens(vault):
        must(vault.lookup(token).active, "lookup")


def detokenize(vault: panseal.Vault) -> None:
    for i, token in enumerate(tokens(vault)):
        with vault.detokenize(token, reason="test") as pan:
            must(pan.reveal_into(out) == len(number(i)), "detokenize")


def detokenize_kept_until_dropped(vault: panseal.Vault) -> None:
    for token in tokens(vault):
        pan = vault.detokenize(token, reason="test")
        del pan


def detokenize_refused(vault: panseal.Vault) -> None:
    for token in tokens(vault):
        try:
            vault.merchant("another").detokenize(token, reason="test")
        except panseal.TokenError:
            continue
        must(False, "another merchant's token was detokenized")


def deactivate(vault: panseal.Vault) -> None:
    for token in tokens(vault):
        vault.deactivate(token)
        must(not vault.lookup(token).active, "deactivate")


def tokenizer_of(vault: panseal.Vault, scheme: str) -> panseal.Tokenizer:
    """A tokenizer beside the vault, left open where that is."""
    folder = sys.argv[6]
    opened = panseal.Tokenizer.open(scheme, keyring=f"{folder}/pos.keyring", root=f"file:{folder}/cards.root")
    tokenizers.append(opened)
    return opened


def tokenizer_there_and_back(vault: panseal.Vault, scheme: str) -> None:
    tokenizer = tokenizer_of(vault, scheme)
    for i in range(NUMBERS):
        if scheme == "ff1:0+4" and i == NO_CHECK_DIGIT:
            continue
        token = tokenizer.tokenize(number(i))
        with tokenizer.detokenize(token.encode()) as pan:
            must(pan.reveal_into(out) == len(number(i)), "the number")
        with tokenizer.detokenize(token) as pan:
            must(pan.reveal_into(out) == len(number(i)), "the number")
        tokenizer.candidates(number(i))
        panseal.classify(number(i))
    tokenizer.rotate()
    many = tokenizer.tokenize_many(number(i) for i in range(NUMBERS))
    with tokenizer.detokenize_many(many.tokens) as back:
        must(back.ok == many.ok >= NUMBERS - 1, "the numbers")
    del back


def tokenizer_ff1(vault: panseal.Vault) -> None:
    tokenizer_there_and_back(vault, "ff1:0+4")


def tokenizer_siv(vault: panseal.Vault) -> None:
    tokenizer_there_and_back(vault, "siv")


def tokenizer_refused(vault: panseal.Vault) -> None:
    tokenizer = tokenizer_of(vault, "ff1:0+4")
    for text in (wrong(), name(0)):
        try:
            tokenizer.tokenize(text)
        except panseal.CardError:
            continue
        must(False, "what is no number was tokenized")
    try:
        tokenizer.detokenize(number(0))
    except panseal.TokenError:
        pass
    else:
        must(False, "a number was detokenized")
    must(tokenizer.tokenize_many([wrong(), name(0), None]).ok == 0, "a batch of what is no number")


def batch(vault: panseal.Vault) -> None:
    """A batch with one that is refused; the second time every card is here already."""
    cards = [{"number": number(i), "cvv": cvv(i), "name": name(i), **EXPIRY} for i in range(NUMBERS)]
    how = {"customer": "c-1", "reuse": "customer", "metadata": {"order": "7"}}
    rows = [card | how for card in [*cards, {"number": wrong(), "name": name(0)}]]
    for reused in (False, True):
        *outcomes, refused = vault.tokenize_many(rows)
        must(isinstance(refused, panseal.CardError), "a wrong card of a batch")
        for outcome in outcomes:
            must(isinstance(outcome, panseal.Instrument) and outcome.reused == reused, "a card of a batch")


def instruments(vault: panseal.Vault) -> None:
    made = tokens(vault)
    must(len(list(vault.iter())) == NUMBERS, "iter")
    for i, token in enumerate(made):
        must([card.token for card in vault.find(number(i))] == [token], "find")
        vault.update(token, name=name((i + 1) % NUMBERS), expiry="01/32", keep_until=i % 2)
        must(vault.details(token).metadata is None, "details")
    must(vault.purge_expired().instruments == NUMBERS // 2, "purge")
    for token in made[::2]:
        vault.delete(token)


def change_keys(vault: panseal.Vault) -> None:
    """Every key changed under the cards, with a guard that looks on."""
    made = tokens(vault)
    vault.set_guard(lambda _merchant, _actor, _kind, count: count <= NUMBERS)
    vault.rotate()
    must(vault.rewrap(progress=lambda _done, _total: True).sealed > 0, "rewrap")
    vault.destroy(1)
    must(vault.change_index().generation == 2, "change the index key")
    must(vault.status().cards == NUMBERS, "status")
    for i, token in enumerate(made):
        with vault.detokenize(token, reason="test") as pan:
            must(pan.reveal_into(out) == len(number(i)), "detokenize")
    vault.set_guard(None)


CARDS = {
    "sumup": (
        b'{"type":"card","card":{"name":"NAME","number":"NUMBER","expiry_year":"2031","expiry_month":"12",'
        b'"cvv":"CVV","zip_code":"94107"}}'
    ),
    "stax": (
        b'{"method":"card","person_name":"NAME","card_number":"NUMBER","card_exp":"1231","card_cvv":"CVV",'
        b'"meta":{"a":"b"}}'
    ),
    "webpay": b'{"type":"card","card":{"pan":"NUMBER","expiration_date":"3112"},"metadata":{"a":"b"}}',
    "pace": b'{"data":{"type":"paymentMethod","attributes":{"kind":"creditcard","cardToken":"NUMBER"}}}',
}
TARGETS = {
    "sumup": "/v0.1/customers/c-1/payment-instruments",
    "stax": "/payment-method",
    "webpay": "/v2/tokens",
    "pace": "/payment-methods/creditcard",
}
PLAIN, ESCAPED, IN_PLACE = range(3)


def body_of(dialect: str, number: Buffer, name: Buffer, cvv: Buffer, manner: int) -> bytearray:
    """A body with a card in it, in room that is large enough, so that no part of it is moved."""
    body, used = bytearray(1024), 0
    for part in re.split(b"(NUMBER|NAME|CVV)", CARDS[dialect]):
        text = {b"NUMBER": number, b"NAME": name, b"CVV": cvv}.get(part, part)
        for byte in text:
            is_escaped = manner == ESCAPED and text is not part
            one = b"\\u%04x" % byte if is_escaped else bytes([byte])
            body[used : used + len(one)] = one
            used += len(one)
    body[used:] = b" " * (len(body) - used)
    return body


def send(
    vault: panseal.Vault,
    dialect: str,
    number: Buffer,
    name: Buffer,
    cvv: Buffer,
    manner: int = PLAIN,
) -> panseal.Response:
    """A request whose body is wiped behind it, also where it was bytes, which panseal reads in place."""
    body = body_of(dialect, number, name, cvv, manner)
    lent = bytes(body) if manner == IN_PLACE else body
    reply = vault.handle(
        dialect,
        method="POST",
        target=TARGETS[dialect],
        headers=[("Content-Type", "application/vnd.api+json"), ("Authorization", "Bearer none")],
        body=lent,
        now=NOW,
        trusted=True,
        subject="user-1",
        settings="max_instruments=100" if dialect == "sumup" else "",
    )
    body[:] = bytes(len(body))
    if isinstance(lent, bytes):
        ctypes.memset(id(lent) + bytes.__basicsize__ - 1, 0, len(lent))
    return reply


def handle(vault: panseal.Vault, dialect: str, expected: int) -> None:
    for i in range(NUMBERS):
        for manner in (PLAIN, ESCAPED, IN_PLACE):
            must(send(vault, dialect, number(i), name(i), cvv(i), manner).status == expected, dialect)
        refused = [
            send(vault, dialect, wrong(), name(i), cvv(i)),
            send(vault, dialect, name(i), number(i), number(i)),
            send(vault, dialect, number(i), number(i), number(i), ESCAPED),
        ]
        must(dialect == "webpay" or all(reply.status >= 400 for reply in refused), "refused by " + dialect)
        must(refused[0].status >= 400, "a wrong number was taken by " + dialect)
    for target in ("/none", "/"):
        body = body_of(dialect, number(0), name(0), cvv(0), PLAIN)
        reply = vault.handle(dialect, method="POST", target=target, body=body, now=NOW)
        body[:] = bytes(len(body))
        must(reply.status in (401, 404), "an unknown path")


def handle_sumup(vault: panseal.Vault) -> None:
    vault.create_customer("c-1")
    handle(vault, "sumup", 201)


def handle_stax(vault: panseal.Vault) -> None:
    handle(vault, "stax", 200)


def handle_webpay(vault: panseal.Vault) -> None:
    handle(vault, "webpay", 200)


def handle_pace(vault: panseal.Vault) -> None:
    """PACE sees tokens; a card number in a token's place is refused like any other text."""
    for i in range(NUMBERS):
        token = json.loads(send(vault, "webpay", number(i), name(i), cvv(i)).body)["token"].encode()
        must(send(vault, "pace", token, name(i), cvv(i)).status == 201, "pace")
        for manner in (PLAIN, ESCAPED, IN_PLACE):
            must(send(vault, "pace", number(i), name(i), cvv(i), manner).status == 422, "pace, a number")


WITHOUT_VAULT: list[Callable[[], None]] = [
    check_good,
    check_bad,
    check_all_wrong,
    mask,
    check_many,
    display,
    scan,
]
WITH_VAULT: list[Callable[[panseal.Vault], None]] = [
    tokenize,
    tokenize_twenty,
    tokenize_refused,
    lookup,
    detokenize,
    detokenize_kept_until_dropped,
    detokenize_refused,
    deactivate,
    tokenizer_ff1,
    tokenizer_siv,
    tokenizer_refused,
    batch,
    instruments,
    change_keys,
    handle_sumup,
    handle_stax,
    handle_webpay,
    handle_pace,
]


def forms_of_text(value: bytes) -> Iterator[bytes]:
    yield from (value, value.decode().encode("utf-16-le"), value.decode().encode("utf-16-be"))
    for before in range(3):
        yield base64.b64encode(b"x" * before + value + b'"' * (3 - (before + len(value)) % 3))
    yield from (value.hex().encode(), value.lower(), value.upper())


def forms_of_number(value: bytes) -> Iterator[bytes]:
    digits = value.decode()
    integer = int(digits)
    rank = sum(10**k for k in range(12, len(digits))) + integer
    yield bytes(int(digit) for digit in digits)
    for start in range(2):
        packed = digits[start:]
        yield bytes.fromhex(packed[: len(packed) // 2 * 2])
    for what in (integer, rank):
        yield from (what.to_bytes(8, "little"), what.to_bytes(8, "big"))
    yield from forms_of_text(value)


def forms_of_root_key(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        key = file.read().strip()
    yield from (key, bytes.fromhex(key.decode()))


def planted(root: str | None) -> bytes:
    """Every form that the parent looks for, made here a second time."""
    forms: list[bytes] = []
    for i in range(NUMBERS):
        forms += forms_of_number(bytes(number(i)))
        forms += forms_of_text(bytes(name(i)))
    forms += forms_of_number(bytes(wrong()))
    forms += forms_of_text(bytes(typed()))
    if root is not None:
        forms += forms_of_root_key(root)
    return bytes(PLANT_FROM) + b"\0\0\0\0\0\0\0\0".join(forms)


def leak(place: str, root: str | None) -> object:
    """Plants a leak; what it gives must be held."""
    if place == "none":
        return None
    plant = planted(root)
    if place == "stack":
        with open("/proc/self/maps") as maps:
            low = next(int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith("[stack]"))
        # The low end of the stack's mapping lies below every frame there is.
        ctypes.memmove(low + 4096, plant, len(plant))
        return None
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    block = libc.malloc(ctypes.c_size_t(len(plant)))
    ctypes.memmove(block, plant, len(plant))
    if place == "freed":
        libc.free(ctypes.c_void_p(block))
    return block


def main() -> None:
    paths: dict[str, Callable[..., None]] = {path.__name__: path for path in (*WITHOUT_VAULT, *WITH_VAULT)}
    if sys.argv[1:] == ["paths"]:
        print("\n".join(paths))
        return
    path_name, buffer, vault_mode, thread, leak_place, directory = sys.argv[1:]
    path = paths[path_name]
    vault = None
    if path in WITH_VAULT:
        panseal.create_root_key(f"file:{directory}/cards.root")
        vault = panseal.Vault.open(f"sqlite:{directory}/cards.db", root=f"file:{directory}/cards.root")
    start = ctypes.addressof(ctypes.c_char.from_buffer(secrets))
    os.write(1, f"buffer {start:x} {start + len(secrets):x}\nready\n".encode())
    have, wanted = 0, len(secrets) - TEXT
    while have < wanted:
        got = os.readv(0, [view[have:wanted]])
        must(got > 0, "reading the secrets")
        have += got

    arguments = () if vault is None else (vault,)
    if thread == "thread":
        worker = threading.Thread(target=path, args=arguments)
        worker.start()
        worker.join()
    else:
        path(*arguments)
    if vault is not None and vault_mode == "close":
        vault.close()
        for tokenizer in tokenizers:
            tokenizer.close()
    held = leak(leak_place, None if vault is None else f"{directory}/cards.root")
    if buffer == "wipe":
        secrets[:] = bytes(len(secrets))
    os.kill(os.getpid(), signal.SIGSTOP)
    del held


main()
