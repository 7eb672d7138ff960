"""Stax's Python SDK: PyPI `fattmerchant`. It takes 200 for success and nothing else."""

import datetime
import json
import logging
import os
import time
from typing import Any

from expect import expect, raised
from fattmerchant.client import FMClient
from fattmerchant.exceptions import (
    FattmerchantException,
    InvalidRequestDataException,
    InvalidTokenException,
    ResourceDoesNotExistException,
)

# Of a request that fails it logs the payload, card number and all.
logging.disable()

CARD = {
    "method": "card",
    "person_name": "Ada Byron",
    "card_number": os.environ["VISA"],
    "card_exp": "0430",
    "card_cvv": "123",
    "address_zip": "32801",
    "address_country": "USA",
}
# As its documentation shows one, name and address apart.
CUSTOMER = {
    "firstname": "Ada",
    "lastname": "Byron",
    "company": "ABC INC",
    "email": "ada@example.org",
    "files": [],
    "phone": "1234567898",
    "merchant_id": "12345678",
    "address_1": "123 Rite Way",
    "address_2": "Unit 12",
    "address_city": "Orlando",
    "address_state": "FL",
    "address_zip": "32801",
    "address_country": "USA",
    "reference": "",
    "cc_emails": [],
    "cc_sms": [],
    "notes": "",
    "options": {},
    "allow_invoice_credit_card_payments": True,
}


def client(key: str) -> FMClient:
    """The SDK, pointed at the application. It has no other way."""
    made = FMClient(key, env="local")
    made.customers.request.api["core"] = os.environ["URL"] + "/stax"
    return made


def is_now(time: datetime.datetime) -> bool:
    """Whether a time is of this minute, in UTC."""
    return abs(datetime.datetime.now(datetime.UTC).replace(tzinfo=None) - time) < datetime.timedelta(
        minutes=1
    )


def refused(what: str, kind: type[FattmerchantException], code: int, body: object, call: object) -> None:
    """Expect an exception of the SDK's; the body is its text."""
    error = raised(kind, call)
    expect(f"{what}: {code}", getattr(error, "code", None), code)
    if error is not None and body is not None:
        expect(f"{what}: its body", json.loads(error._message), body)


def main() -> None:
    """Customers, payment methods, errors."""
    sdk = client(os.environ["STAX_KEY"])
    made = sdk.customers.create(CUSTOMER)
    names = (
        "firstname",
        "lastname",
        "company",
        "email",
        "phone",
        "address_1",
        "address_city",
        "address_state",
    )
    expect("a customer is created", {name: getattr(made, name) for name in names}.items() <= CUSTOMER.items())
    expect("now", is_now(made.created_at))
    expect("and not deleted", made.deleted_at, None)
    found = sdk.customers.get(made.id)
    expect("it is found", vars(found), vars(made))
    expect("and listed", [listed.id for listed in sdk.customers.list()], [made.id])
    expect("without payment methods", sdk.customers.payment_methods(made.id), [])

    # It has no call of its own for that.
    def post(body: dict[str, Any]) -> dict[str, Any]:
        return json.loads(sdk.customers.request.post(endpoint="payment-method", payload=body))

    card = post(CARD | {"customer_id": made.id})
    method = sdk.paymentmethods.get(card["id"])
    expect("a payment method is created and found", method.id, card["id"])
    expect("of that customer", (method.customer_id, method.customer.id), (made.id, made.id))
    expect("with the nickname of the page", method.nickname, "VISA: Ada Byron (ending in: 1111)")
    expect("with network and last four", (method.card_type, method.card_last_four), ("visa", "1111"))
    end = datetime.datetime(2030, 4, 30, 23, 59, 59)
    expect("and both forms of its expiry", (method.card_exp, method.card_exp_datetime), ("042030", end))
    expect("now", is_now(method.created_at))
    expect("its cvv was there", method.has_cvv, True)
    loose = post(CARD)
    expect("one without a customer", (loose["customer_id"], loose["nickname"]), (None, method.nickname))
    listed = sdk.customers.payment_methods(made.id)
    expect("a customer's methods are theirs alone", [of.id for of in listed], [method.id])
    # Times are in seconds.
    time.sleep(1.1)
    newer = post(CARD | {"customer_id": made.id, "card_number": os.environ["AMEX"], "card_cvv": "1234"})
    listed = sdk.customers.payment_methods(made.id)
    expect("the newest comes first", [of.id for of in listed], [newer["id"], method.id])
    request = sdk.customers.request

    # Other providers' clients have left some too: they are the merchant's.
    def page(number: int) -> dict[str, Any]:
        return json.loads(request.get(endpoint="payment-method", options={"perPage": 2, "page": number}))

    pages = [page(number) for number in range(1, page(1)["last_page"] + 1)]
    ids = [method["id"] for of in pages for method in of["data"]]
    expect("the merchant's methods come in pages", (len(ids), len(set(ids))), (pages[0]["total"],) * 2)
    expect("and are all there", {card["id"], loose["id"], newer["id"]} <= set(ids))

    endpoint = f"payment-method/{method.id}"
    request.put(endpoint=endpoint, payload={"card_exp": "122031", "person_name": "Ada King"})
    changed = sdk.paymentmethods.get(method.id)
    expect(
        "an update changes expiry and name", (changed.card_exp, changed.person_name), ("122031", "Ada King")
    )
    request._Request__make_request("core", "delete", endpoint)
    expect("a deleted one can be read", is_now(sdk.paymentmethods.get(method.id).deleted_at))
    expect("and is not listed", [of.id for of in sdk.customers.payment_methods(made.id)], [newer["id"]])
    request.put(endpoint=endpoint, payload={"deleted_at": None})
    expect("until it is called back", sdk.paymentmethods.get(method.id).deleted_at, None)

    wrong, missing, token = InvalidRequestDataException, ResourceDoesNotExistException, InvalidTokenException
    number = {"card_number": ["Invalid Card Number"]}
    expired = {"tokenization_error": [["Year is expired"]]}
    unknown = {"id": ["The selected id is invalid."]}
    refused(
        "a wrong check digit", wrong, 422, number, lambda: post(CARD | {"card_number": "4111111111111112"})
    )
    refused("an expired card", wrong, 422, expired, lambda: post(CARD | {"card_exp": "0420"}))
    required = {"card_number": ["The card number field is required."]}
    refused("no number", wrong, 400, required, lambda: post(CARD | {"card_number": None}))
    nobody = "3f6a8f0a-6b1e-4d57-9f0a-0d4b7f3c1a11"
    refused("an unknown customer's card", wrong, 422, unknown, lambda: post(CARD | {"customer_id": nobody}))
    refused("an unknown method", wrong, 422, unknown, lambda: sdk.paymentmethods.get(nobody))
    refused(
        "an unknown customer", missing, 404, {"id": "customer not found"}, lambda: sdk.customers.get(nobody)
    )
    stranger = client("nonsense")
    refused("an unknown key", token, 401, {"error": "invalid_token"}, stranger.customers.list)


if __name__ == "__main__":
    main()
