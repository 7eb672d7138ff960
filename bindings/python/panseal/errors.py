"""What can go wrong. No message, argument or attribute of these is ever made of what was passed in.

| exception       | also a      | codes                                                             |
|-----------------|-------------|-------------------------------------------------------------------|
| `CardError`     | ValueError  | card                                                              |
| `FormatError`   | ValueError  | missing, malformed, length, charset, too_long, unsupported        |
| `TokenError`    | LookupError | token, inactive, irreversible, domain, exhausted                  |
| `KeyringError`  |             | root_key, epoch, fork, and callback: a root key's callable failed |
| `VaultError`    |             | store, not_a_vault, schema_newer, tampered, conflict, and handle: |
|                 |             | the vault is closed                                               |
| `BusyError`     | VaultError  | busy                                                              |
| `ArgumentError` | ValueError  | argument, utf8, buffer, and handle: the secret was wiped          |
| `PansealError`  |             | all of the above, and: limit, unsupported, internal, and          |
|                 |             | callback: a guard or a progress callable said no                  |

An argument of the wrong type is a plain TypeError; nothing has happened then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from panseal._native import Violation

__all__ = [
    "ArgumentError",
    "BusyError",
    "CardError",
    "FormatError",
    "KeyringError",
    "PansealError",
    "TokenError",
    "VaultError",
]


class PansealError(Exception):
    """A failure of panseal; all others are kinds of it."""

    code: str = "internal"
    """What went wrong, for programs: "luhn", "root_key", "busy"."""

    status: int = 999
    """The same as a number: the status of the C ABI."""

    system: int = 0
    """errno, or the database's own code, or 0."""


class ArgumentError(PansealError, ValueError):
    """An argument is out of range or of no known form, or an object was used after its end."""


class CardError(PansealError, ValueError):
    """The card was refused."""

    violations: tuple[Violation, ...] = ()
    """All that is wrong with it, at most one a field, in the order of the fields."""


class FormatError(PansealError, ValueError):
    """What a reader gave (a track, a chip's tags, a field of a message) is not of its form."""


class TokenError(PansealError, LookupError):
    """The token is not one of this merchant's, or there is no way back from it."""


class KeyringError(PansealError):
    """The root key cannot be had or is another vault's, or an epoch is not usable."""


class VaultError(PansealError):
    """The vault cannot be used: it is closed, is none, was changed from outside, or its database failed."""


class BusyError(VaultError):
    """Another writer held the database for too long: try again."""
