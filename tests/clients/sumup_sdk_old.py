"""SumUp's Python SDK as it was: PyPI `sumup` 0.0.11. It sends a null for everything that is not there."""

import datetime
import os

from expect import expect, raised
from sumup import APIError, Sumup
from sumup.customers import CreateCustomerBody, UpdateCustomerBody
from sumup.customers.types import AddressLegacy, PersonalDetails

URL = os.environ["URL"] + "/sumup"
ID = f"old-{os.environ['ID']}"
CARD = {
    "name": "Ada Byron",
    "number": os.environ["MASTERCARD"],
    "expiry_year": "30",
    "expiry_month": "12",
    "cvv": "123",
}


def main() -> None:
    """All that it calls."""
    client = Sumup(api_key=os.environ["SUMUP_KEY"], base_url=URL)
    plain = client.customers.create(CreateCustomerBody(customer_id=f"{ID}-plain"))
    expect("a customer is created whose details are null", plain.personal_details, None)
    address = AddressLegacy(city="Leeds", country="GB", line_1="1 Mill Lane")
    details = PersonalDetails(first_name="Ada", last_name="Byron", address=address)
    made = client.customers.create(CreateCustomerBody(customer_id=ID, personal_details=details))
    expect("and one with details", (made.customer_id, made.personal_details), (ID, details))
    expect("which is found again", client.customers.get(ID), made)
    changed = client.customers.update(
        ID, UpdateCustomerBody(personal_details=PersonalDetails(last_name="King"))
    )
    expect("an update's nulls change nothing", changed.personal_details.first_name, "Ada")
    expect("and what it names is changed", changed.personal_details.last_name, "King")
    expect("the address stays too", changed.personal_details.address, address)

    path = f"/v0.1/customers/{ID}/payment-instruments"
    reply = client._client.post(path, json={"type": "card", "card": CARD})
    expect("an instrument is created over its HTTP client", reply.status_code, 201)
    (listed,) = client.customers.list_payment_instruments(ID)
    expect("and listed", (listed.token, listed.active), (reply.json()["token"], True))
    expect(
        "with network and last four", (listed.card.type, listed.card.last_4_digits), ("MASTERCARD", "4444")
    )
    expect("it is deactivated", client.customers.deactivate_payment_instrument(ID, listed.token), None)
    (listed,) = client.customers.list_payment_instruments(ID)
    expect("and listed as not active", listed.active, False)

    body = CreateCustomerBody(customer_id=ID)
    for what, status, call in (
        ("a customer of that id again", 409, lambda: client.customers.create(body)),
        ("an unknown customer", 404, lambda: client.customers.get("nobody")),
        (
            "a second deactivation",
            404,
            lambda: client.customers.deactivate_payment_instrument(ID, listed.token),
        ),
    ):
        error = raised(APIError, call)
        expect(f"{what}: {status}", getattr(error, "status", None), status)
    stranger = Sumup(api_key="sup_sk_wrong", base_url=URL)
    error = raised(APIError, lambda: stranger.customers.get(ID))
    expect("an unknown key: 401", getattr(error, "status", None), 401)

    # Not ours to help: it gives the date to a JSON writer that takes none, and nothing is sent.
    born = PersonalDetails(birth_date=datetime.date(1990, 12, 10))
    body = CreateCustomerBody(customer_id=f"{ID}-born", personal_details=born)
    sent = raised(TypeError, lambda: client.customers.create(body))
    expect("a birth date cannot be sent by this release", isinstance(sent, TypeError))


if __name__ == "__main__":
    main()
