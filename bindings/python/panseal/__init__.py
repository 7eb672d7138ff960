"""Payment cards checked, turned into tokens, and kept in an encrypted vault, in-process.

>>> import panseal
>>> report = panseal.check("4242 4242 4242 4242", expiry="12/30", now=1_800_000_000)
>>> report.ok, report.network, report.masked
(True, 'VISA', '424242******4242')

A vault keeps the number and gives a token for it:

    with panseal.Vault.open("sqlite:cards.db", root="file:keys/cards.root") as vault:
        card = vault.tokenize(number, expiry="12/30", name="ADA BYRON", wipe=True)
        with vault.detokenize(card.token, reason="refund 7", actor="till-3") as pan:
            pan.reveal_into(buffer)

A tokenizer needs no vault: it makes tokens with keys out of a file, and finds the way back with them:

    with panseal.Tokenizer.open("siv", keyring="pos.keyring", root="file:keys/pos.root") as tokenizer:
        token = tokenizer.tokenize("4242424242424242")
        with tokenizer.detokenize(token) as pan:
            pan.reveal_into(buffer)

Numbers, security codes and names come as str, bytes, or any contiguous buffer of bytes. Of these only a
writable buffer can be wiped, and `wipe=True` does so.

Many numbers are judged in one call, and found in any text:

>>> many = panseal.check_many(["4242424242424242", "4242424242424241", None])
>>> many.ok, many.codes()
(1, [None, 'luhn', 'missing'])
>>> panseal.scan("paid with 4242 4242 4242 4242, thanks")
[Hit(at=10, form='grouped', network='VISA', masked='424242******4242')]

What a reader gives is taken apart where it lies:

>>> swipe = bytearray(b";4242424242424242=30121010000012345?")
>>> track = panseal.parse_track(swipe)
>>> panseal.check(memoryview(swipe)[track.number], now=1_800_000_000).masked, track.expiry
('424242******4242', Expiry(12, 2030))
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from panseal import emv, iso8583
from panseal._native import (
    AuditFault,
    AuditLine,
    AuditReport,
    BearerKey,
    CheckMany,
    CheckReport,
    ChipCard,
    Credential,
    Customer,
    Damage,
    Details,
    DetokenizeMany,
    Epoch,
    Expiry,
    Hit,
    Holder,
    Instrument,
    KeyringStatus,
    Network,
    NetworkInfo,
    Partial,
    Purged,
    Reindexed,
    Response,
    Rewrapped,
    Scanner,
    Secret,
    ServiceCode,
    Shapes,
    TokenizeMany,
    Tokenizer,
    Track,
    Vault,
    VaultEpoch,
    VaultReport,
    VaultStatus,
    Violation,
    __version__,
    aid_network,
    check,
    check_many,
    classify,
    create_root_key,
    dialects,
    find_tlv,
    group,
    holds_card_number,
    mask,
    network,
    networks,
    parse_expiry,
    parse_holder,
    parse_track,
    partial,
    read_chip,
    read_record,
    scan,
    split_root_key,
    table_date,
    table_version,
    track_name,
    truncate,
    unpack_bcd,
    write_holder,
)
from panseal.errors import (
    ArgumentError,
    BusyError,
    CardError,
    FormatError,
    KeyringError,
    PansealError,
    TokenError,
    VaultError,
)

if TYPE_CHECKING:
    from panseal import asgi, wsgi

__all__ = [
    "ArgumentError",
    "AuditFault",
    "AuditLine",
    "AuditReport",
    "BearerKey",
    "BusyError",
    "CardError",
    "CheckMany",
    "CheckReport",
    "ChipCard",
    "Credential",
    "Customer",
    "Damage",
    "Details",
    "DetokenizeMany",
    "Epoch",
    "Expiry",
    "FormatError",
    "Hit",
    "Holder",
    "Instrument",
    "KeyringError",
    "KeyringStatus",
    "Network",
    "NetworkInfo",
    "PansealError",
    "Partial",
    "Purged",
    "Reindexed",
    "Response",
    "Rewrapped",
    "Scanner",
    "Secret",
    "ServiceCode",
    "Shapes",
    "TokenError",
    "TokenizeMany",
    "Tokenizer",
    "Track",
    "Vault",
    "VaultEpoch",
    "VaultError",
    "VaultReport",
    "VaultStatus",
    "Violation",
    "__version__",
    "aid_network",
    "asgi",
    "check",
    "check_many",
    "classify",
    "create_root_key",
    "dialects",
    "emv",
    "find_tlv",
    "group",
    "holds_card_number",
    "iso8583",
    "mask",
    "network",
    "networks",
    "parse_expiry",
    "parse_holder",
    "parse_track",
    "partial",
    "read_chip",
    "read_record",
    "scan",
    "split_root_key",
    "table_date",
    "table_version",
    "track_name",
    "truncate",
    "unpack_bcd",
    "write_holder",
    "wsgi",
]


def __getattr__(name: str) -> ModuleType:
    """Import the applications where they are asked for: what they need is much more than the rest does."""
    if name in ("asgi", "wsgi"):
        return import_module(f"panseal.{name}")
    raise AttributeError(f"module 'panseal' has no attribute {name!r}")
