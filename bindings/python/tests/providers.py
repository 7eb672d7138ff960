"""Requests as the four providers' clients send them, and what they are answered with."""

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any

import panseal

VISA = "4111111111111111"
MERCHANT_KEY = b"qwert1234"
AUTHENTICITY_TOKEN = "7db11ea5d4a1af32421b564c79b946d1ead3daf0"
JSON_API = "application/vnd.api+json"
PACE_SCOPES = " ".join(f"pay:payment-methods:{what}" for what in ("create", "read", "patch", "delete"))


def card_of(dialect: str, number: str = VISA, name: str = "Ada Byron", cvv: str = "123") -> dict[str, Any]:
    """April 2030, as each provider wants it; of PACE's, `number` is a token."""
    match dialect:
        case "sumup":
            card = {
                "name": name,
                "number": number,
                "expiry_year": "2030",
                "expiry_month": "04",
                "cvv": cvv,
            }
            return {"type": "card", "card": card}
        case "stax":
            return {
                "method": "card",
                "person_name": name,
                "card_number": number,
                "card_exp": "0430",
                "card_cvv": cvv,
            }
        case "webpay":
            return {"type": "card", "card": {"pan": number, "expiration_date": "3004"}}
        case _:
            attributes = {"kind": "creditcard", "cardToken": number}
            return {"data": {"type": "paymentMethod", "attributes": attributes}}


TARGETS = {
    "sumup": "/v0.1/customers/c-1/payment-instruments",
    "stax": "/payment-method",
    "webpay": "/v2/tokens",
    "pace": "/pay/2020-4/payment-methods/creditcard",
}


def signature(target: str, body: bytes, at: int | None = None) -> str:
    """WebPay's `Authorization` for a request."""
    stamp = str(int(time.time()) if at is None else at)
    parts = (MERCHANT_KEY, stamp.encode(), AUTHENTICITY_TOKEN.encode(), target.encode(), body)
    digest = hashlib.sha512(b"".join(parts)).hexdigest()
    return f"WP3-v2.1 {AUTHENTICITY_TOKEN} {stamp} {digest}"


@dataclass
class Callers:
    """Those who may call a vault, one a dialect."""

    keys: dict[str, str]

    @staticmethod
    def of(vault: panseal.Vault) -> "Callers":
        grants: dict[str, dict[str, Any]] = {
            "sumup": {"scopes": "payment_instruments"},
            "stax": {},
            "pace": {"subject": "user-1", "scopes": PACE_SCOPES},
        }
        vault.grant_signing("webpay", AUTHENTICITY_TOKEN, MERCHANT_KEY)
        return Callers({name: vault.grant(name, **how).reveal() for name, how in grants.items()})

    def headers(self, dialect: str, target: str, body: bytes, at: int | None = None) -> list[tuple[str, str]]:
        media = JSON_API if dialect == "pace" else "application/json"
        is_signed = dialect == "webpay"
        authorization = signature(target, body, at) if is_signed else f"Bearer {self.keys[dialect]}"
        return [("Content-Type", media), ("Accept", media), ("Authorization", authorization)]


def dumped(body: object) -> bytes:
    """A body as a client writes it."""
    return b"" if body is None else json.dumps(body).encode()
