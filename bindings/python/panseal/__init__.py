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

Numbers, security codes and names come as str, bytes, or any contiguous buffer of bytes. Of these only a
writable buffer can be wiped, and `wipe=True` does so.
"""

from panseal._native import (
    CheckReport,
    Instrument,
    Secret,
    Vault,
    Violation,
    __version__,
    check,
    create_root_key,
    mask,
)
from panseal.errors import (
    ArgumentError,
    BusyError,
    CardError,
    KeyringError,
    PansealError,
    TokenError,
    VaultError,
)

__all__ = [
    "ArgumentError",
    "BusyError",
    "CardError",
    "CheckReport",
    "Instrument",
    "KeyringError",
    "PansealError",
    "Secret",
    "TokenError",
    "Vault",
    "VaultError",
    "Violation",
    "__version__",
    "check",
    "create_root_key",
    "mask",
]
